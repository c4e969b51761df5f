package dataset

import (
	"context"
	"iter"
	"strconv"
)

// Change is what happened to one key between two commits: New is nil when it
// was removed, Old when it was added.
type Change struct {
	Key string `json:"key"`
	Old *Entry `json:"old,omitempty"`
	New *Entry `json:"new,omitempty"`
	// RenamedFrom is set by Renames on an added key: the removed key that had
	// the same content.
	RenamedFrom string `json:"renamed_from,omitempty"`
}

// Diff gives the changes that lead from one ref to another, in key order.
func (r *Repository) Diff(ctx context.Context, from, to string) ([]Change, error) {
	var changes []Change
	for c, err := range r.DiffEach(ctx, from, to, "") {
		if err != nil {
			return nil, err
		}
		changes = append(changes, c)
	}
	return changes, nil
}

// DiffEach walks the changes that lead from one ref to another, of keys that
// start with prefix, in key order. Subtrees that both share are not read. An
// error ends it.
func (r *Repository) DiffEach(ctx context.Context, from, to, prefix string) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		names, trees := [2]string{from, to}, [2]tree{}
		err := parallel(ctx, len(names), func(ctx context.Context, i int) error {
			c, err := r.Resolve(ctx, names[i])
			trees[i] = r.treeOf(&c)
			return err
		})
		if err != nil {
			yield(Change{}, err)
			return
		}
		r.diffTrees(ctx, trees[0], trees[1], prefix)(yield)
	}
}

// Changes walks what a commit changed against its first parent, in key order;
// everything it holds when it has none.
func (r *Repository) Changes(ctx context.Context, c Commit, prefix string) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		var parent *Commit
		if len(c.Parents) > 0 {
			p, err := r.readCommit(ctx, c.Parents[0])
			if err != nil {
				yield(Change{}, err)
				return
			}
			parent = &p
		}
		r.diffTrees(ctx, r.treeOf(parent), r.treeOf(&c), prefix)(yield)
	}
}

// DiffStats sums up a diff.
type DiffStats struct {
	Added   int `json:"added"`
	Changed int `json:"changed"`
	Removed int `json:"removed"`
	Renamed int `json:"renamed"` // of those added; each one's old key is not counted as removed
	// Bytes is how many the dataset grew by; below 0 it shrank.
	Bytes int64 `json:"bytes"`
}

// Add counts a change.
func (s *DiffStats) Add(c Change) {
	switch {
	case c.RenamedFrom != "":
		s.Renamed++
	case c.Old == nil:
		s.Added++
	case c.New == nil:
		s.Removed++
	default:
		s.Changed++
	}
	if c.New != nil {
		s.Bytes += c.New.Size
	}
	if c.Old != nil {
		s.Bytes -= c.Old.Size
	}
}

// Renames pairs a removed key with an added one of the same content, by checksum
// and size (an ETag is no proof), each at most once and the first in key order.
// The pair becomes one change of the added key, with Old from the removed.
func Renames(changes []Change) []Change {
	removed := map[string][]*Change{}
	for i := range changes {
		if c := &changes[i]; c.New == nil && c.Old.content() != "" {
			removed[c.Old.content()] = append(removed[c.Old.content()], c)
		}
	}
	paired := map[string]bool{}
	for i, c := range changes {
		if c.Old != nil {
			continue
		}
		if same := removed[c.New.content()]; len(same) > 0 {
			changes[i].RenamedFrom, changes[i].Old = same[0].Key, same[0].Old
			removed[c.New.content()] = same[1:]
			paired[same[0].Key] = true
		}
	}
	kept := make([]Change, 0, len(changes))
	for _, c := range changes {
		if c.New != nil || !paired[c.Key] {
			kept = append(kept, c)
		}
	}
	return kept
}

// content is equal for equal contents, and "" when nothing proves them. The
// parts of a composite checksum differ between uploads of one content, so it
// proves equality but not difference.
func (e *Entry) content() string {
	if e.Checksum == "" || e.ChecksumAlgorithm == "" {
		return ""
	}
	return e.ChecksumAlgorithm + " " + e.ChecksumType + " " + e.Checksum + " " + strconv.FormatInt(e.Size, 10)
}

// side is one of the two trees of a diff, opened down to a level.
type side struct {
	nodes []bounded
	level int
	small []Entry // all of a small tree; nodes is empty then
}

func sideOf(t tree) side {
	if t.small || t.objects == 0 {
		return side{small: t.inline}
	}
	return side{nodes: []bounded{{child: t.child}}, level: t.level}
}

// diffTrees compares two trees: level by level from the higher, dropping the
// nodes that both have.
func (r *Repository) diffTrees(ctx context.Context, old, now tree, prefix string) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		if old.hash == now.hash {
			return
		}
		a, b, s := sideOf(old), sideOf(now), under(prefix)
		for a.level > 0 || b.level > 0 {
			drop(&a, &b)
			level := max(a.level, b.level)
			sides := [2]*side{&a, &b}
			err := parallel(ctx, len(sides), func(ctx context.Context, i int) (err error) {
				if x := sides[i]; x.level == level {
					x.nodes, err = r.open(ctx, x.nodes, level, s)
					x.level--
				}
				return err
			})
			if err != nil {
				yield(Change{}, err)
				return
			}
		}
		drop(&a, &b)
		r.compare(ctx, a, b, s, yield)
	}
}

// drop takes the nodes away that two sides at the same level share: equal hashes
// hold equal entries.
func drop(a, b *side) {
	if a.level != b.level {
		return
	}
	shared := make(map[hash]bool, len(b.nodes))
	for _, n := range b.nodes {
		shared[n.hash] = false
	}
	keep := func(nodes []bounded, gone func(hash) bool) []bounded {
		kept := make([]bounded, 0, len(nodes))
		for _, n := range nodes {
			if !gone(n.hash) {
				kept = append(kept, n)
			}
		}
		return kept
	}
	a.nodes = keep(a.nodes, func(h hash) bool {
		_, both := shared[h]
		if both {
			shared[h] = true
		}
		return both
	})
	b.nodes = keep(b.nodes, func(h hash) bool { return shared[h] })
}

func (r *Repository) compare(ctx context.Context, a, b side, s span, yield func(Change, error) bool) {
	old, now := r.stream(ctx, a, s), r.stream(ctx, b, s)
	defer old.stop()
	defer now.stop()
	for {
		was, err := old.peek()
		if err != nil {
			yield(Change{}, err)
			return
		}
		is, err := now.peek()
		if err != nil {
			yield(Change{}, err)
			return
		}
		switch {
		case was == nil && is == nil:
			return
		case is == nil || (was != nil && was.Key < is.Key):
			is = nil
			old.skip()
		case was == nil || is.Key < was.Key:
			was = nil
			now.skip()
		default:
			old.skip()
			now.skip()
		}
		if !report(was, is, yield) {
			return
		}
	}
}

// report yields what became of a key, if anything did.
func report(was, is *Entry, yield func(Change, error) bool) bool {
	if was != nil && is != nil && was.Equal(*is) {
		return true
	}
	var c Change
	if was != nil {
		e := *was
		c.Key, c.Old = e.Key, &e
	}
	if is != nil {
		e := *is
		c.Key, c.New = e.Key, &e
	}
	return yield(c, nil)
}

// stream gives the entries of a side one by one.
type stream struct {
	entries []Entry // what is left of the present leaf
	leaves  *ahead
	left    int // leaves to come
	span    span
}

func (r *Repository) stream(ctx context.Context, from side, s span) *stream {
	leaves := make([]child, len(from.nodes))
	for i, n := range from.nodes {
		leaves[i] = n.child
	}
	return &stream{entries: s.within(from.small), leaves: r.ahead(ctx, leaves), left: len(leaves), span: s}
}

// peek is the next entry; nil at the end.
func (s *stream) peek() (*Entry, error) {
	for len(s.entries) == 0 && s.left > 0 {
		n, err := s.leaves.next()
		if err != nil {
			return nil, err
		}
		s.left--
		s.entries = s.span.within(n.entries)
	}
	if len(s.entries) == 0 {
		return nil, nil
	}
	return &s.entries[0], nil
}

func (s *stream) skip() { s.entries = s.entries[1:] }
func (s *stream) stop() { s.leaves.stop() }
