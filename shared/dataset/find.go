package dataset

import (
	"context"
	"slices"
	"strings"
)

func compareKey(i item, key string) int { return strings.Compare(i.Key, key) }

// find gives the item that a tree holds of each edit's key; nil for none. It
// reads the paths to them.
func (r *Repository) find(ctx context.Context, s *session, t tree, edits []edit) ([]*item, error) {
	parts, err := r.plan(ctx, s, t, edits)
	if err != nil {
		return nil, err
	}
	return r.findIn(ctx, s, t, parts)
}

// findIn does what find does, in a tree that was opened already. The items are
// copies, so that they do not hold the leaves in memory.
func (r *Repository) findIn(ctx context.Context, s *session, t tree, parts []part) ([]*item, error) {
	if t.flat() {
		return pick(nil, t.inline, parts[0].edits), nil
	}
	leaves := r.ahead(ctx, edited(parts), readers)
	defer leaves.stop()
	var found []*item
	for _, p := range parts {
		if len(p.edits) == 0 {
			continue
		}
		n, err := leaves.next()
		if err != nil {
			return nil, err
		}
		s.knows(p.hash)
		found = pick(found, n.items, p.edits)
	}
	return found, nil
}

func pick(found []*item, items []item, edits []edit) []*item {
	for _, e := range edits {
		at, ok := slices.BinarySearchFunc(items, e.key, compareKey)
		if !ok {
			found = append(found, nil)
			continue
		}
		copied := item{*items[at].detached(), items[at].was.detached()}
		found = append(found, &copied)
	}
	return found
}

// seek is the first item of a tree whose key is not less than key; nil at the
// end.
func (r *Repository) seek(ctx context.Context, t tree, key string) (*item, error) {
	items, c := t.inline, t.child
	for level := t.level; !t.flat(); level-- {
		n, err := r.readNode(ctx, c, level)
		if err != nil {
			return nil, err
		}
		if level == 0 {
			items = n.items
			break
		}
		at, _ := slices.BinarySearchFunc(n.children, key, func(c child, key string) int { return strings.Compare(c.last, key) })
		if at == len(n.children) {
			return nil, nil
		}
		c = n.children[at]
	}
	at, _ := slices.BinarySearchFunc(items, key, compareKey)
	if at == len(items) {
		return nil, nil
	}
	return &items[at], nil
}

// spot is a key of a state, with the entry there; nil where a segment removes
// the key.
type spot struct {
	key   string
	entry *Entry
}

// next is the first key of a state's layers that is not less than key; nil at the
// end. Of the layers that know it the newest counts.
func (r *Repository) next(ctx context.Context, st state, key string) (*spot, error) {
	layers := st.layers()
	found := make([]*item, len(layers))
	err := parallel(ctx, len(layers), func(ctx context.Context, i int) (err error) {
		found[i], err = r.seek(ctx, layers[i], key)
		return err
	})
	if err != nil {
		return nil, err
	}
	var s *spot
	for i, it := range found {
		if it != nil && (s == nil || it.Key <= s.key) {
			s = &spot{it.Key, layers[i].kind.now(it)}
		}
	}
	return s, nil
}

// lookup is a state's entry of a key; nil when it has none. It reads one path of
// each layer.
func (r *Repository) lookup(ctx context.Context, st state, key string) (*Entry, error) {
	s, err := r.next(ctx, st, key)
	if err != nil || s == nil || s.key != key {
		return nil, err
	}
	return s.entry, nil
}
