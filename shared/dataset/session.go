package dataset

import (
	"context"
	"crypto/sha256"
	"sync"
)

// writers is how many nodes a session encodes and stores at once.
const writers = 64

// session stores the blobs of one operation in the background. It remembers
// what it stored, so that an operation which is redone on a new head writes only
// what differs.
type session struct {
	repository *Repository
	slots      chan struct{}
	wait       sync.WaitGroup

	mu     sync.Mutex
	stored map[hash]bool
	err    error
}

func (r *Repository) newSession() *session {
	return &session{repository: r, slots: make(chan struct{}, writers), stored: map[hash]bool{}}
}

// spawn runs work in the background as soon as a slot is free.
func (s *session) spawn(work func() error) {
	s.slots <- struct{}{}
	s.wait.Go(func() {
		defer func() { <-s.slots }()
		if err := work(); err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.err == nil {
				s.err = err
			}
		}
	})
}

// finish waits for everything spawned and gives the first error, once.
func (s *session) finish() error {
	s.wait.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.err
	s.err = nil
	return err
}

// store keeps a payload unless this session or its reads know that it is there.
func (s *session) store(ctx context.Context, folder string, id hash, payload []byte, decoded any) error {
	key := folder + id.String()
	s.mu.Lock()
	known := s.stored[id]
	s.mu.Unlock()
	if _, read := s.repository.cache.get(key); known || read {
		return nil
	}
	if err := s.repository.keep(ctx, folder, id, payload); err != nil {
		return err
	}
	s.mu.Lock()
	s.stored[id] = true
	s.mu.Unlock()
	s.repository.cache.put(key, decoded, len(payload))
	return nil
}

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

// writer cuts a growing, key-ordered list of entries into the nodes of a tree.
// Whole subtrees of an old tree may be added where no node is open below them.
type writer struct {
	ctx     context.Context
	session *session
	entries []Entry      // of the open leaf
	open    [][]*pending // of the open index nodes, by level; open[0] is unused
}

func (s *session) newWriter(ctx context.Context) *writer {
	return &writer{ctx: ctx, session: s, open: make([][]*pending, 1)}
}

func (w *writer) add(e Entry) {
	w.entries = append(w.entries, e)
	if w.session.repository.shape.ends(0, len(w.entries), e.Key) {
		w.cutLeaf()
	}
}

// clean says whether a node of a level may be added whole.
func (w *writer) clean(level int) bool {
	if len(w.entries) > 0 {
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
	if w.session.repository.shape.ends(above, len(w.open[above]), p.last) {
		w.cutIndex(above)
	}
}

func (w *writer) cutLeaf() {
	entries := w.entries
	w.entries = nil
	p := &pending{ready: make(chan struct{})}
	p.last, p.totals = entries[len(entries)-1].Key, totalsOf(entries)
	w.session.spawn(func() error {
		payload := encodeLeaf(entries)
		p.hash = sha256.Sum256(payload)
		close(p.ready)
		return w.session.store(w.ctx, blobs, p.hash, payload, &node{entries: entries})
	})
	w.addNode(0, p)
}

func (w *writer) cutIndex(level int) {
	open := w.open[level]
	w.open[level] = nil
	p := &pending{ready: make(chan struct{})}
	p.last = open[len(open)-1].last
	for _, c := range open {
		p.totals = p.totals.plus(c.totals)
	}
	// The children are in slots of their own already, so this one may wait.
	w.session.spawn(func() error {
		n := &node{level: level, children: make([]child, len(open))}
		for i, c := range open {
			n.children[i] = c.settle()
		}
		payload := encodeIndex(level, n.children)
		p.hash = sha256.Sum256(payload)
		close(p.ready)
		return w.session.store(w.ctx, blobs, p.hash, payload, n)
	})
	w.addNode(level, p)
}

// tree is a root.
type tree struct {
	child
	level  int
	inline []Entry // all entries of a small tree, which is no blob of its own
	small  bool    // inline holds them
}

// close ends the tree. Its root is the lowest node that holds everything.
func (w *writer) close() (tree, error) {
	for level := 0; ; level++ {
		above := 0
		for at := level + 1; at < len(w.open); at++ {
			above += len(w.open[at])
		}
		switch {
		case level == 0 && above == 0 && len(w.entries) <= w.session.repository.shape.inline:
			return inlineTree(w.entries), nil
		case level == 0 && len(w.entries) > 0:
			w.cutLeaf()
		case level > 0 && above == 0 && len(w.open[level]) == 1:
			return w.root(level-1, w.open[level][0])
		case level > 0 && len(w.open[level]) > 0:
			w.cutIndex(level)
		}
	}
}

func inlineTree(entries []Entry) tree {
	t := tree{small: true, inline: entries}
	t.hash, t.totals = sha256.Sum256(encodeLeaf(entries)), totalsOf(entries)
	return t
}

// root turns the only node of a level into the root. A node that came whole from
// an old tree may have but one child, or few enough entries to lie inline.
func (w *writer) root(level int, p *pending) (tree, error) {
	r := w.session.repository
	c := p.settle()
	for p.ready == nil {
		n, err := r.readNode(w.ctx, c.hash, level)
		if err != nil {
			return tree{}, err
		}
		if level == 0 && len(n.entries) <= r.shape.inline {
			return inlineTree(n.entries), nil
		}
		if level == 0 || len(n.children) > 1 {
			break
		}
		c, level = n.children[0], level-1
	}
	return tree{child: c, level: level}, nil
}
