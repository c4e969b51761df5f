package dataset

import (
	"context"
	"crypto/sha256"
	"sync"
	"sync/atomic"

	"github.com/sluice-ml/sluice/shared/fault"
)

// writers is how many nodes a session encodes and stores at once.
const writers = 64

// session stores the blobs of one operation in the background. It remembers
// what it stored and what it read of the trees it builds on, so that an operation
// which is redone on a new head writes only what differs. The repository's cache
// says nothing here: what it holds may have been collected since.
type session struct {
	repository *Repository
	slots      chan struct{}
	wait       sync.WaitGroup

	mu    sync.Mutex
	there map[hash]bool // known to be in the store
	err   error

	planned   sync.Once
	looked    atomic.Bool     // the next two are known
	condemned map[string]bool // what a garbage collection is about to delete
	failed    error           // why that is not known
}

func (r *Repository) newSession() *session {
	return &session{repository: r, slots: make(chan struct{}, writers), there: map[hash]bool{}}
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

// knows notes that an object is in the store: the tree of a head names it.
func (s *session) knows(id hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.there[id] = true
}

// store keeps a payload unless this session knows that it is there.
func (s *session) store(ctx context.Context, folder string, id hash, payload []byte, decoded any) error {
	s.mu.Lock()
	known := s.there[id]
	s.mu.Unlock()
	if known {
		return nil
	}
	if err := s.create(ctx, folder, id, payload); err != nil {
		return err
	}
	s.knows(id)
	s.repository.cache.put(folder+id.String(), decoded, len(payload))
	return nil
}

// create stores a payload that may be there already. What is there counts only
// if it was seen after looking for a collection: one that is planned later has
// to wait until this session is over, one that was planned earlier is known.
func (s *session) create(ctx context.Context, folder string, id hash, payload []byte) error {
	for {
		looked := s.looked.Load()
		existed, err := s.repository.keep(ctx, folder, id, payload)
		switch {
		case err != nil || !existed:
			return err
		case looked:
			return s.revive(ctx, folder, id, payload)
		}
		s.planned.Do(func() { s.condemned, s.failed = s.repository.condemned(ctx) })
		if s.failed != nil {
			return s.failed
		}
		s.looked.Store(true)
	}
}

// reviveTries bounds how often an object is stored anew that others touch, too.
const reviveTries = 10

// revive stores an object that was there before once more, as a version of its
// own, when a garbage collection is about to delete those that were.
func (s *session) revive(ctx context.Context, folder string, id hash, payload []byte) error {
	key, r := folder+id.String(), s.repository
	if !s.condemned[key] {
		return nil
	}
	body, err := pack(payload, id)
	if err != nil {
		return err
	}
	for range reviveTries {
		item, err := r.store.Get(ctx, key)
		switch {
		case fault.Is(err, fault.NotFound):
			_, err = r.store.Create(ctx, key, body)
		case err == nil:
			_, err = r.store.Swap(ctx, key, body, item.Tag)
		}
		if !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return fault.New(fault.Conflict, "store "+key, "lost %d races in a row", reviveTries)
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
