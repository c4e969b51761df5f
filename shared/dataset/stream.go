package dataset

import (
	"context"
)

// side is a tree opened down to a level: all of it, or what another has not.
type side struct {
	nodes []bounded
	level int
	small []item // all of a flat tree; nodes is empty then
}

func sideOf(t tree) side {
	if t.flat() {
		return side{small: t.inline}
	}
	return side{nodes: []bounded{{child: t.child}}, level: t.level}
}

// side opens a tree down to its leaves in a span.
func (r *Repository) side(ctx context.Context, t tree, s span) (side, error) {
	all := sideOf(t)
	var err error
	for ; err == nil && all.level > 0; all.level-- {
		all.nodes, err = r.open(ctx, all.nodes, all.level, s)
	}
	return all, err
}

// stream gives the items of a side one by one.
type stream struct {
	items  []item // what is left of the present leaf
	leaves *ahead
	left   int // leaves to come
	span   span
}

// stream reads at most so many leaves ahead.
func (r *Repository) stream(ctx context.Context, from side, s span, most int) *stream {
	leaves := make([]child, len(from.nodes))
	for i, n := range from.nodes {
		leaves[i] = n.child
	}
	return &stream{items: s.within(from.small), leaves: r.ahead(ctx, leaves, most), left: len(leaves), span: s}
}

// peek is the next item; nil at the end.
func (s *stream) peek() (*item, error) {
	for len(s.items) == 0 && s.left > 0 {
		n, err := s.leaves.next()
		if err != nil {
			return nil, err
		}
		s.left--
		s.items = s.span.within(n.items)
	}
	if len(s.items) == 0 {
		return nil, nil
	}
	return &s.items[0], nil
}

func (s *stream) skip() { s.items = s.items[1:] }
func (s *stream) stop() { s.leaves.stop() }

// layered walks layers side by side.
type layered struct {
	layers  []tree
	streams []*stream
}

// eachAhead is how many leaves each of several streams reads ahead, at least.
const eachAhead = 8

func (r *Repository) layered(ctx context.Context, layers []tree, s span) (*layered, error) {
	sides := make([]side, len(layers))
	err := parallel(ctx, len(layers), func(ctx context.Context, i int) (err error) {
		sides[i], err = r.side(ctx, layers[i], s)
		return err
	})
	if err != nil {
		return nil, err
	}
	l := &layered{layers: layers, streams: make([]*stream, len(layers))}
	for i := range sides {
		l.streams[i] = r.stream(ctx, sides[i], s, max(eachAhead, readers/len(layers)))
	}
	return l, nil
}

func (l *layered) stop() {
	for _, s := range l.streams {
		s.stop()
	}
}

// heap is what the layers say of a key: the lowest that knows it what lies
// below, the highest what counts.
type heap struct {
	key      string
	was, now *Entry
	in       []bool // which layers know it; valid until the next
}

// next is the next key that a layer knows; found is false at the end.
func (l *layered) next(h *heap) (found bool, err error) {
	if h.in == nil {
		h.in = make([]bool, len(l.layers))
	}
	heads := make([]*item, 0, mostSegments+1)
	for _, s := range l.streams {
		it, err := s.peek()
		if err != nil {
			return false, err
		}
		heads = append(heads, it)
		if it != nil && (!found || it.Key < h.key) {
			h.key, found = it.Key, true
		}
	}
	lowest := true
	for i, it := range heads {
		h.in[i] = found && it != nil && it.Key == h.key
		if !h.in[i] {
			continue
		}
		if lowest {
			h.was, lowest = it.was, false
		}
		h.now = l.layers[i].kind.now(it)
		l.streams[i].skip()
	}
	return found, nil
}

// entry is the next entry; nil at the end.
func (l *layered) entry() (*Entry, error) {
	var h heap
	for {
		found, err := l.next(&h)
		if err != nil || !found {
			return nil, err
		}
		if h.now != nil {
			return h.now, nil
		}
	}
}
