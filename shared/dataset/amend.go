package dataset

import (
	"context"
	"slices"
)

// amend applies edits, in key order, to a state: to its tree where that rewrites
// little, else as a segment over it. What it gives holds the same, whichever way
// is taken.
func (r *Repository) amend(ctx context.Context, s *session, old state, edits []edit) (state, effect, error) {
	if len(edits) == 0 {
		return old, effect{changes: &Changes{}}, nil
	}
	if len(old.segments) > 0 {
		edits = slices.Clone(edits) // what they replace is noted there, and is another thing on another head
	}
	v, err := r.survey(ctx, s, old, edits)
	if err != nil {
		return state{}, effect{}, err
	}
	if v.worth {
		return r.beneath(ctx, s, old, edits, v)
	}
	if !v.known {
		v.resolve(edits)
	}
	fresh, done := weigh(edits)
	if len(fresh) == 0 {
		return old, done, nil
	}
	next, err := r.cover(ctx, s, old, fresh)
	return next, done, err
}

// survey is what is there where edits fall.
type survey struct {
	known bool      // the edits say what they replace
	parts []part    // the tree, opened down to its leaves
	worth bool      // those leaves are worth rewriting
	over  [][]*item // what each segment says of the edits' keys; read if worth or not known
	below []*item   // what the tree does; read if neither
}

// beneath puts edits into the tree, and takes the changes of their keys out of the
// segments.
func (r *Repository) beneath(ctx context.Context, s *session, old state, edits []edit, v survey) (state, effect, error) {
	gone := make([][]edit, len(old.segments))
	for i, found := range v.over {
		for at, it := range found {
			if it != nil {
				edits[at].was, edits[at].known = ofChanges.now(it), true
				gone[i] = append(gone[i], edit{key: it.Key})
			}
		}
	}
	next := state{cursor: old.cursor}
	base, done, err := r.rebuild(ctx, s, old.base, v.parts)
	for i := range old.segments {
		var t tree
		if err == nil {
			t, _, err = r.rewrite(ctx, s, old.segments[i], gone[i])
		}
		if t.changes > 0 {
			next.segments = append(next.segments, t)
		}
	}
	if next.base = base; len(next.segments) == 0 {
		next.cursor = ""
	}
	return next, done, err
}

// survey reads the tree and the segments side by side: they take the time of the
// longest path, not of the sum.
func (r *Repository) survey(ctx context.Context, s *session, old state, edits []edit) (survey, error) {
	v := survey{known: !slices.ContainsFunc(edits, func(e edit) bool { return !e.known })}
	looks := []func(context.Context) error{
		func(ctx context.Context) (err error) {
			if v.parts, err = r.plan(ctx, s, old.base, edits); err != nil {
				return err
			}
			if v.worth = r.worth(old, v.parts, len(edits)); !v.worth && !v.known {
				v.below, err = r.findIn(ctx, s, old.base, v.parts)
			}
			return err
		},
		func(ctx context.Context) (err error) { v.over, err = r.findOver(ctx, s, old, edits); return err },
	}
	if !v.known {
		err := parallel(ctx, len(looks), func(ctx context.Context, i int) error { return looks[i](ctx) })
		return v, err
	}
	err := looks[0](ctx)
	if err == nil && v.worth {
		err = looks[1](ctx)
	}
	return v, err
}

// worth says whether edits are worth rewriting the leaves that they fall into.
func (r *Repository) worth(old state, parts []part, edits int) bool {
	if len(old.segments) == 0 && old.base.level == 0 {
		return true
	}
	var touched int64
	for _, p := range parts {
		if len(p.edits) > 0 {
			touched += p.objects
		}
	}
	return r.shapes.overlay.direct(int64(edits), touched)
}

// findOver gives what each segment says of the edits' keys.
func (r *Repository) findOver(ctx context.Context, s *session, old state, edits []edit) ([][]*item, error) {
	over := make([][]*item, len(old.segments))
	err := parallel(ctx, len(over), func(ctx context.Context, i int) (err error) {
		over[i], err = r.find(ctx, s, old.segments[i], edits)
		return err
	})
	return over, err
}

// resolve sets what the edits replace: what the newest segment says that knows the
// key, else what the tree holds.
func (v *survey) resolve(edits []edit) {
	for i := range edits {
		e := &edits[i]
		e.was = v.below[i].entry()
		for _, found := range v.over {
			if found[i] != nil {
				e.was = ofChanges.now(found[i])
			}
		}
	}
}

// weigh makes edits of a segment out of edits that say what they replace: it drops
// those that change nothing.
func weigh(edits []edit) ([]edit, effect) {
	fresh, done := make([]edit, 0, len(edits)), effect{changes: &Changes{}}
	for _, e := range edits {
		if !done.count(e, e.was) {
			continue
		}
		if e.put == nil {
			e.put = &Entry{Key: e.key}
		}
		fresh = append(fresh, e)
	}
	return fresh, done
}

// cover lays changes over a state as its newest segment, and does the upkeep that
// is due.
func (r *Repository) cover(ctx context.Context, s *session, old state, fresh []edit) (state, error) {
	sizes := make([]int64, 0, len(old.segments)+1)
	for _, t := range old.segments {
		sizes = append(sizes, t.changes)
	}
	u := r.shapes.overlay.upkeep(old.base.objects, append(sizes, int64(len(fresh))), &r.shapes.segment)
	if u.whole {
		return r.flatten(ctx, s, old, fresh)
	}
	next, gone := state{base: old.base, cursor: old.cursor}, make([][]edit, len(old.segments))
	if u.sink > 0 && len(old.segments) > 0 {
		sunk, err := r.sink(ctx, s, old, u.sink)
		if err != nil {
			return state{}, err
		}
		next.base, next.cursor, gone = sunk.base, sunk.cursor, sunk.gone
	}
	last := len(old.segments)
	segments := make([]tree, last+1)
	// What is written goes on after this, so it does not take parallel's context.
	err := parallel(ctx, len(segments), func(_ context.Context, i int) (err error) {
		if u.fold < 0 || i != u.fold+1 { // else it goes into the one before
			segments[i], err = r.segment(ctx, s, old, i, fresh, gone, u.fold)
		}
		return err
	})
	for _, t := range segments {
		if t.changes > 0 {
			next.segments = append(next.segments, t)
		}
	}
	next.appended = u.fold < 0 || u.fold+1 != last
	return next, err
}

// segment gives the i-th segment of a state anew: without the changes that are
// gone, and with the next one folded into it where that is due. The last is the
// fresh one.
func (r *Repository) segment(ctx context.Context, s *session, old state, i int, fresh []edit, gone [][]edit, fold int) (tree, error) {
	last := len(old.segments)
	if i == last {
		return r.laid(ctx, s, fresh)
	}
	edits := gone[i]
	switch {
	case i != fold:
	case i+1 == last:
		edits = join(edits, fresh)
	default:
		more, err := r.unfold(ctx, old.segments[i+1], gone[i+1])
		if err != nil {
			return tree{}, err
		}
		edits = join(edits, more)
	}
	t, _, err := r.rewrite(ctx, s, old.segments[i], edits)
	return t, err
}

// laid writes changes as a segment of their own.
func (r *Repository) laid(ctx context.Context, s *session, fresh []edit) (tree, error) {
	w := s.newWriter(ctx, ofChanges)
	for _, e := range fresh {
		w.add(item{*e.put, e.was})
	}
	return w.close()
}

// join puts two lists of edits into one, in key order. Of a key that both have,
// the first takes a compacted change away and the second comes in its place.
func join(gone, puts []edit) []edit {
	if len(gone) == 0 {
		return puts
	}
	all := make([]edit, 0, len(gone)+len(puts))
	for len(gone) > 0 || len(puts) > 0 {
		switch {
		case len(puts) == 0 || (len(gone) > 0 && gone[0].key < puts[0].key):
			all, gone = append(all, gone[0]), gone[1:]
			continue
		case len(gone) > 0 && gone[0].key == puts[0].key:
			puts[0].fresh, gone = true, gone[1:]
		}
		all, puts = append(all, puts[0]), puts[1:]
	}
	return all
}

// unfold gives the changes of a segment as edits of another one, without those
// that are gone.
func (r *Repository) unfold(ctx context.Context, t tree, gone []edit) ([]edit, error) {
	l, err := r.layered(ctx, []tree{t}, span{})
	if err != nil {
		return nil, err
	}
	defer l.stop()
	edits, h := make([]edit, 0, t.changes), heap{}
	for {
		found, err := l.next(&h)
		if err != nil || !found {
			return edits, err
		}
		if len(gone) > 0 && gone[0].key == h.key {
			gone = gone[1:]
			continue
		}
		edits = append(edits, h.edit())
	}
}

// edit repeats what layers say of a key, as an edit of a segment.
func (h *heap) edit() edit {
	it := change(h.key, h.was, h.now)
	put := it.Entry.detached()
	return edit{key: put.Key, put: put, was: it.was.detached()}
}
