package dataset

import (
	"context"
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

	leaves  atomic.Int64 // written
	buffers sync.Pool    // *[]byte: payloads that are stored
	items   sync.Pool    // *[]item: leaves that are stored and not remembered

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

// store keeps a payload unless this session knows that it is there, and remembers
// what it decodes to, unless that is nil. The payload may be used again after it.
func (s *session) store(ctx context.Context, p parcel, decoded any) error {
	s.mu.Lock()
	known := s.there[p.id]
	s.mu.Unlock()
	if known {
		return nil
	}
	if err := s.create(ctx, p); err != nil {
		return err
	}
	s.knows(p.id)
	if decoded != nil {
		s.repository.cache.put(p.key(), decoded, len(p.payload))
	}
	return nil
}

// create stores a payload that may be there already. What is there counts only
// if it was seen after looking for a collection: one that is planned later has
// to wait until this session is over, one that was planned earlier is known.
func (s *session) create(ctx context.Context, p parcel) error {
	for {
		looked := s.looked.Load()
		existed, err := s.repository.keep(ctx, p)
		switch {
		case err != nil || !existed:
			return err
		case looked:
			return s.revive(ctx, p)
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
func (s *session) revive(ctx context.Context, p parcel) error {
	key, r := p.key(), s.repository
	if !s.condemned[key] {
		return nil
	}
	body, err := p.pack()
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
