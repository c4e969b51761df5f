package dataset

import (
	"context"
	"crypto/sha256"
)

// pending is a child whose hash may still be computed.
type pending struct {
	child
	ready chan struct{} // closed when hash is set; nil when it always was
}

func (p *pending) settle() child {
	if p.ready != nil {
		<-p.ready
	}
	return p.child
}

// writer cuts a growing, key-ordered list of items into the nodes of a tree.
// Whole subtrees of an old tree may be added where no node is open below them.
type writer struct {
	ctx     context.Context
	session *session
	kind    kind
	shape   *shape
	items   []item       // of the open leaf
	open    [][]*pending // of the open index nodes, by level; open[0] is unused
}

func (s *session) newWriter(ctx context.Context, k kind) *writer {
	return &writer{ctx: ctx, session: s, kind: k, shape: s.repository.shapes.of(k), open: make([][]*pending, 1)}
}

func (w *writer) add(i item) {
	w.items = append(w.items, i)
	if w.shape.ends(0, len(w.items), i.Key) {
		w.cutLeaf()
	}
}

// clean says whether a node of a level may be added whole.
func (w *writer) clean(level int) bool {
	if len(w.items) > 0 {
		return false
	}
	for at := 1; at <= min(level, len(w.open)-1); at++ {
		if len(w.open[at]) > 0 {
			return false
		}
	}
	return true
}

// addNode adds a node of a level to the open index node above it.
func (w *writer) addNode(level int, p *pending) {
	above := level + 1
	for len(w.open) <= above {
		w.open = append(w.open, nil)
	}
	w.open[above] = append(w.open[above], p)
	if w.shape.ends(above, len(w.open[above]), p.last) {
		w.cutIndex(above)
	}
}

func (w *writer) cutLeaf() {
	items := w.items
	w.items = w.session.leaf(w.shape.leaf.mean * 5 / 4) // where one leaf was full, the next one will be
	p := &pending{ready: make(chan struct{})}
	p.kind, p.last, p.tally = w.kind, items[len(items)-1].Key, w.kind.sum(items)
	w.session.spawn(func() error { return w.put(p, &node{kind: w.kind, items: items}) })
	w.addNode(0, p)
}

func (w *writer) cutIndex(level int) {
	open := w.open[level]
	w.open[level] = nil
	p := &pending{ready: make(chan struct{})}
	p.kind, p.last = w.kind, open[len(open)-1].last
	for _, c := range open {
		p.tally = p.tally.plus(c.tally)
	}
	// The children are in slots of their own already, so this one may wait.
	w.session.spawn(func() error {
		n := &node{kind: w.kind, level: level, children: make([]child, len(open))}
		for i, c := range open {
			n.children[i] = c.settle()
		}
		return w.put(p, n)
	})
	w.addNode(level, p)
}

// put settles and stores a node.
func (w *writer) put(p *pending, n *node) error {
	s, decoded := w.session, any(n)
	if n.level == 0 && s.leaves.Add(1) > keptLeaves {
		decoded = nil
	}
	payload := n.encodeTo(s.buffer())
	p.hash = sha256.Sum256(payload)
	close(p.ready)
	err := s.store(w.ctx, parcel{blobs, p.hash, payload, payload[1]}, decoded)
	s.buffers.Put(&payload)
	if decoded == nil {
		clear(n.items)
		items := n.items[:0]
		s.items.Put(&items)
	}
	return err
}

// keptLeaves is how many of the leaves that an operation writes it remembers. Of a
// large one it will read few again, and their memory serves for the next leaves.
const keptLeaves = 64

// leaf is room for a leaf's items.
func (s *session) leaf(size int) []item {
	if used, ok := s.items.Get().(*[]item); ok {
		return *used
	}
	return make([]item, 0, size)
}

// buffer is room for a payload; nil where there is none to use again.
func (s *session) buffer() []byte {
	if used, ok := s.buffers.Get().(*[]byte); ok {
		return *used
	}
	return nil
}

// close ends the tree. Its root is the lowest node that holds everything.
func (w *writer) close() (tree, error) {
	for level := 0; ; level++ {
		above := 0
		for at := level + 1; at < len(w.open); at++ {
			above += len(w.open[at])
		}
		switch {
		case level == 0 && above == 0 && len(w.items) <= w.shape.inline:
			return inlineTree(w.kind, w.items), nil
		case level == 0 && len(w.items) > 0:
			w.cutLeaf()
		case level > 0 && above == 0 && len(w.open[level]) == 1:
			return w.root(level-1, w.open[level][0])
		case level > 0 && len(w.open[level]) > 0:
			w.cutIndex(level)
		}
	}
}

func inlineTree(k kind, items []item) tree {
	t := tree{small: true, inline: items}
	t.kind, t.tally = k, k.sum(items)
	t.hash = sha256.Sum256((&node{kind: k, items: items}).encode())
	return t
}

// root turns the only node of a level into the root. A node that came whole from
// an old tree may have but one child, or few enough items to lie inline.
func (w *writer) root(level int, p *pending) (tree, error) {
	c := p.settle()
	for p.ready == nil {
		n, err := w.session.repository.readNode(w.ctx, c, level)
		if err != nil {
			return tree{}, err
		}
		if level == 0 && len(n.items) <= w.shape.inline {
			return inlineTree(w.kind, n.items), nil
		}
		if level == 0 || len(n.children) > 1 {
			break
		}
		c, level = n.children[0], level-1
	}
	return tree{child: c, level: level}, nil
}
