package dataset

import (
	"context"
	"slices"
	"strings"
)

// edit is a put, or with put nil a delete.
type edit struct {
	key string
	put *Entry
}

// edits interleaves changes in key order.
func (c Changes) edits() []edit {
	edits := make([]edit, 0, len(c.Puts)+len(c.Deletes))
	for i := range c.Puts {
		edits = append(edits, edit{c.Puts[i].Key, &c.Puts[i]})
	}
	for _, key := range c.Deletes {
		edits = append(edits, edit{key, nil})
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

// rewrite applies edits, in key order, to a tree. It reads and writes the nodes
// on the paths to the edits, and, where a node now ends elsewhere, the next ones
// until both ends meet again.
func (r *Repository) rewrite(ctx context.Context, s *session, old tree, edits []edit) (tree, effect, error) {
	w, done := s.newWriter(ctx), effect{changes: &Changes{}}
	if old.small || old.objects == 0 {
		w.merge(old.inline, edits, &done)
		next, err := w.close()
		return next, done, err
	}
	parts, err := r.plan(ctx, s, part{old.child, old.level, edits})
	if err != nil {
		return tree{}, done, err
	}
	leaves := r.ahead(ctx, edited(parts))
	defer leaves.stop()
	for _, p := range parts {
		if len(p.edits) == 0 || p.level > 0 {
			err = w.feed(p, &done)
		} else {
			var n *node
			if n, err = leaves.next(); err == nil {
				s.knows(p.hash)
				w.merge(n.entries, p.edits, &done)
			}
		}
		if err != nil {
			return tree{}, done, err
		}
	}
	next, err := w.close()
	return next, done, err
}

// plan opens the index nodes that edits fall below, level by level, and gives
// what is under them in key order.
func (r *Repository) plan(ctx context.Context, s *session, root part) ([]part, error) {
	parts := []part{root}
	for level := root.level; level > 0; level-- {
		nodes := make([]*node, len(parts))
		err := parallel(ctx, len(parts), func(ctx context.Context, i int) (err error) {
			if p := parts[i]; p.level == level && len(p.edits) > 0 {
				nodes[i], err = r.readNode(ctx, p.hash, level)
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
	n, err := w.session.repository.readNode(w.ctx, p.hash, p.level)
	if err != nil {
		return err
	}
	w.session.knows(p.hash)
	if p.level == 0 {
		w.merge(n.entries, p.edits, done)
		return nil
	}
	for _, below := range p.share(n.children) {
		if err := w.feed(below, done); err != nil {
			return err
		}
	}
	return nil
}

// merge adds old entries with edits applied, counting what they do.
func (w *writer) merge(old []Entry, edits []edit, done *effect) {
	for len(old) > 0 || len(edits) > 0 {
		if len(edits) == 0 || (len(old) > 0 && old[0].Key < edits[0].key) {
			w.add(old[0])
			old = old[1:]
			continue
		}
		e := edits[0]
		edits = edits[1:]
		var was *Entry
		if len(old) > 0 && old[0].Key == e.key {
			was, old = &old[0], old[1:]
		}
		done.count(e, was)
		if e.put != nil {
			w.add(*e.put)
		}
	}
}

func (e *effect) count(ed edit, was *Entry) {
	switch {
	case ed.put == nil && was == nil, ed.put != nil && was != nil && ed.put.Equal(*was):
		return
	case ed.put == nil:
		e.removed++
	case was == nil:
		e.added++
	default:
		e.changed++
	}
	e.note(ed)
}
