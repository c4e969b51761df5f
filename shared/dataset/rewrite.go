package dataset

import (
	"context"
	"slices"
	"strings"
)

// edit is what is done to a key: a put, or with put nil a delete. In a segment, a
// put without a VersionID says that the key is removed, and a delete takes the
// change itself away.
type edit struct {
	key   string
	put   *Entry
	was   *Entry // what it replaces; nil for nothing, or where that is not known
	known bool   // was is known; it may not be what the tree below segments holds
	// fresh says that the put replaces a change of the segment, and what that
	// one replaced counts no more: it was compacted.
	fresh bool
	keep  bool // a put of the bytes that are there already, at another version, changes nothing
}

// edits interleaves changes in key order.
func (c Changes) edits() []edit {
	edits := make([]edit, 0, len(c.Puts)+len(c.Deletes))
	for i := range c.Puts {
		edits = append(edits, edit{key: c.Puts[i].Key, put: &c.Puts[i]})
	}
	for _, key := range c.Deletes {
		edits = append(edits, edit{key: key})
	}
	return inOrder(edits)
}

func inOrder(edits []edit) []edit {
	byKey := func(a, b edit) int { return strings.Compare(a.key, b.key) }
	if !slices.IsSortedFunc(edits, byKey) {
		slices.SortFunc(edits, byKey)
	}
	return edits
}

// mostInline bounds the changes that a commit holds itself.
const mostInline = 128

// effect is what edits did to a tree. Its changes are those that changed
// something, and nil when they are more than a commit holds.
type effect struct {
	added, changed, removed int
	changes                 *Changes
}

func (e *effect) total() int { return e.added + e.changed + e.removed }

func (e *effect) note(ed edit) {
	switch {
	case e.total() > mostInline:
		e.changes = nil
	case ed.put == nil:
		e.changes.Deletes = append(e.changes.Deletes, ed.key)
	default:
		e.changes.Puts = append(e.changes.Puts, *ed.put)
	}
}

// count notes an edit of a key that held an entry; it says whether that changed
// something.
func (e *effect) count(ed edit, was *Entry) bool {
	switch {
	case ed.keep && ed.put != nil && was != nil && ed.put.sameBytes(*was):
		return false
	case ed.put == nil && was == nil, ed.put != nil && was != nil && ed.put.Equal(*was):
		return false
	case ed.put == nil:
		e.removed++
	case was == nil:
		e.added++
	default:
		e.changed++
	}
	e.note(ed)
	return true
}

// part is a subtree with the edits that fall into it.
type part struct {
	child
	level int
	edits []edit
}

// share gives each child of a part its edits; the last takes all that is left.
func (p part) share(children []child) []part {
	parts, edits := make([]part, len(children)), p.edits
	for i, c := range children {
		mine := edits
		if i < len(children)-1 {
			mine = edits[:upTo(edits, c.last)]
		}
		parts[i] = part{c, p.level - 1, mine}
		edits = edits[len(mine):]
	}
	return parts
}

// upTo counts the edits of keys up to and with last.
func upTo(edits []edit, last string) int {
	at, found := slices.BinarySearchFunc(edits, last, func(e edit, key string) int { return strings.Compare(e.key, key) })
	if found {
		at++
	}
	return at
}

// rewrite applies edits, in key order, to a tree.
func (r *Repository) rewrite(ctx context.Context, s *session, old tree, edits []edit) (tree, effect, error) {
	if len(edits) == 0 {
		return old, effect{changes: &Changes{}}, nil
	}
	parts, err := r.plan(ctx, s, old, edits)
	if err != nil {
		return tree{}, effect{}, err
	}
	return r.rebuild(ctx, s, old, parts)
}

// plan opens the index nodes that edits fall below, level by level, and gives
// what is under them in key order; of a flat tree, itself.
func (r *Repository) plan(ctx context.Context, s *session, old tree, edits []edit) ([]part, error) {
	parts := []part{{old.child, old.level, edits}}
	if old.flat() {
		return parts, nil
	}
	for level := old.level; level > 0; level-- {
		nodes := make([]*node, len(parts))
		err := parallel(ctx, len(parts), func(ctx context.Context, i int) (err error) {
			if p := parts[i]; p.level == level && len(p.edits) > 0 {
				nodes[i], err = r.readNode(ctx, p.child, level)
				s.knows(p.hash)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		var below []part
		for i, p := range parts {
			if nodes[i] == nil {
				below = append(below, p)
			} else {
				below = append(below, p.share(nodes[i].children)...)
			}
		}
		parts = below
	}
	return parts, nil
}

// rebuild applies edits to a tree that was opened down to them. It reads and
// writes the nodes on the paths to the edits, and, where a node now ends
// elsewhere, the next ones until both ends meet again.
func (r *Repository) rebuild(ctx context.Context, s *session, old tree, parts []part) (tree, effect, error) {
	w, done := s.newWriter(ctx, old.kind), effect{changes: &Changes{}}
	if old.flat() {
		w.merge(old.inline, parts[0].edits, &done)
		next, err := w.close()
		return next, done, err
	}
	leaves := r.ahead(ctx, edited(parts), readers)
	defer leaves.stop()
	for _, p := range parts {
		var err error
		if len(p.edits) == 0 || p.level > 0 {
			err = w.feed(p, &done)
		} else {
			var n *node
			if n, err = leaves.next(); err == nil {
				s.knows(p.hash)
				w.merge(n.items, p.edits, &done)
			}
		}
		if err != nil {
			return tree{}, done, err
		}
	}
	next, err := w.close()
	return next, done, err
}

// edited are the leaves that edits fall into.
func edited(parts []part) []child {
	var leaves []child
	for _, p := range parts {
		if p.level == 0 && len(p.edits) > 0 {
			leaves = append(leaves, p.child)
		}
	}
	return leaves
}

// feed adds a part of an old tree: whole where it can, else item by item.
func (w *writer) feed(p part, done *effect) error {
	if len(p.edits) == 0 && w.clean(p.level) {
		w.addNode(p.level, &pending{child: p.child})
		return nil
	}
	n, err := w.session.repository.readNode(w.ctx, p.child, p.level)
	if err != nil {
		return err
	}
	w.session.knows(p.hash)
	if p.level == 0 {
		w.merge(n.items, p.edits, done)
		return nil
	}
	for _, below := range p.share(n.children) {
		if err := w.feed(below, done); err != nil {
			return err
		}
	}
	return nil
}

// merge adds old items with edits applied, counting what they do.
func (w *writer) merge(old []item, edits []edit, done *effect) {
	for len(old) > 0 || len(edits) > 0 {
		if len(edits) == 0 || (len(old) > 0 && old[0].Key < edits[0].key) {
			w.add(old[0])
			old = old[1:]
			continue
		}
		e := edits[0]
		edits = edits[1:]
		var had *item
		if len(old) > 0 && old[0].Key == e.key {
			had, old = &old[0], old[1:]
		}
		if w.kind == ofEntries {
			was := had.entry()
			if e.known {
				was = e.was
			}
			if !done.count(e, was) && e.put != nil {
				e.put = was // equal, or of equal bytes
			}
		}
		w.apply(e, had)
	}
}

func (i *item) entry() *Entry {
	if i == nil {
		return nil
	}
	return &i.Entry
}

// apply adds what an edit makes of an item, or of none. A change of a segment
// that comes after another replaces what that one did; two that cancel out
// leave nothing.
func (w *writer) apply(e edit, had *item) {
	if e.put == nil {
		return
	}
	next := item{Entry: *e.put}
	if w.kind == ofChanges {
		if next.was = e.was; had != nil && !e.fresh {
			next.was = had.was
		}
		if same(w.kind.now(&next), next.was) {
			return
		}
	}
	w.add(next)
}
