package dataset

import (
	"context"
	"iter"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// Request asks for a commit.
type Request struct {
	Branch string
	// Base is where the branch starts when it does not exist yet: any ref, ""
	// for an empty dataset. A branch that exists is continued from its head.
	Base    string
	Changes Changes
	// KeepSame says that a put of the bytes that its key has already (by checksum
	// and size), at another version, changes nothing: two that upload the same at
	// once change it once. Without it the put's version counts.
	KeepSame bool
	Message  string
	Author   string
	Time     time.Time
	Metadata map[string]string // kept in the commit; may be nil
}

// note is what a commit says beside its data.
type note struct {
	message, author string
	time            time.Time
	metadata        map[string]string
}

func (q Request) note() note { return note{q.Message, q.Author, q.Time, q.Metadata} }

// Commit applies changes to a branch's head and moves the branch there. When
// somebody else moves it meanwhile, the changes are replayed on the new head.
// Changes that change nothing make no commit: the head comes back, so a
// duplicate is harmless. Invalid names what is wrong with the changes; NotFound
// a missing base; Denied a protected branch; Conflict and Unavailable may be
// retried.
func (r *Repository) Commit(ctx context.Context, request Request) (Commit, error) {
	m, err := r.CommitMoved(ctx, request)
	return m.Commit, err
}

// CommitMoved is Commit, and says whether the branch moved: it does not where the
// changes change nothing.
func (r *Repository) CommitMoved(ctx context.Context, request Request) (Merged, error) {
	if err := request.check(); err != nil {
		return Merged{}, err
	}
	edits, err := request.Changes.checked()
	if err != nil {
		return Merged{}, err
	}
	for i := range edits {
		edits[i].keep = request.KeepSame
	}
	s := r.newSession()
	return r.advance(ctx, move{to: request.Branch, base: request.Base}, func(parent *Commit) (Commit, error) {
		return r.apply(ctx, s, parent, edits, request)
	})
}

// move says which branch is moved, and how.
type move struct {
	to     string
	base   string // where it starts when it does not exist; "" is an empty dataset
	merges bool   // a protected branch may be moved so
	exists bool   // the branch must exist
}

// advance moves a branch to the commit that build gives for its head, and redoes
// that when somebody else moved it. build gets nil for an empty dataset.
func (r *Repository) advance(ctx context.Context, m move, build func(parent *Commit) (Commit, error)) (Merged, error) {
	var made Commit
	var moved bool
	_, err := ref.Update(ctx, r.store, branchKey(m.to), func(old branch, found bool) (branch, error) {
		found = found && !old.gone()
		switch {
		case found && old.Protected && !m.merges:
			return old, protected(m.to)
		case !found && m.exists:
			return old, noBranch(m.to)
		}
		if err := r.free(ctx, m.to, old, found); err != nil {
			return old, err
		}
		parent, err := r.parent(ctx, m.base, old, found)
		if err != nil {
			return old, err
		}
		made, err = build(parent)
		moved = err == nil && (!found || made.ID != old.Commit)
		if !moved {
			return old, orUnchanged(err)
		}
		if err := r.ask(ctx, Proposal{m.to, headOf(parent, found), made, m.merges}); err != nil {
			return old, err
		}
		return old.at(made.ID), nil
	})
	return Merged{Commit: made, Moved: moved && err == nil}, err
}

func headOf(parent *Commit, found bool) *Commit {
	if !found {
		return nil
	}
	return parent
}

func orUnchanged(err error) error {
	if err == nil {
		return ref.Unchanged
	}
	return err
}

// parent is the commit to build on; nil for an empty dataset.
func (r *Repository) parent(ctx context.Context, base string, old branch, found bool) (*Commit, error) {
	if found {
		c, err := r.readCommit(ctx, old.Commit)
		return &c, err
	}
	if base == "" {
		return nil, nil
	}
	c, err := r.source(ctx, base)
	return &c, err
}

// apply writes the commit that edits make of parent; parent itself when they
// change nothing.
func (r *Repository) apply(ctx context.Context, s *session, parent *Commit, edits []edit, request Request) (Commit, error) {
	next, done, err := r.amend(ctx, s, r.stateOf(parent), edits)
	if err != nil {
		_ = s.finish()
		return Commit{}, err
	}
	if parent != nil && done.total() == 0 {
		return *parent, s.finish()
	}
	if parent == nil && next.base.objects == 0 {
		return Commit{}, fault.New(fault.Invalid, "commit to "+request.Branch, "the dataset is empty and nothing is added")
	}
	return r.record(ctx, s, parentsOf(parent), next, done, request.note())
}

func parentsOf(parent *Commit) []Commit {
	if parent == nil {
		return nil
	}
	return []Commit{*parent}
}

// record writes a commit and waits for everything it stands on. The blobs and
// the commit go out together: nothing names the commit yet.
func (r *Repository) record(ctx context.Context, s *session, parents []Commit, st state, done effect, n note) (Commit, error) {
	c := Commit{Parents: []string{}, Message: n.message, Author: n.author, Time: n.time.UTC(), Generation: 1, Skips: []Skip{}, Metadata: n.metadata,
		Stats: Stats{Added: done.added, Changed: done.changed, Removed: done.removed}}
	st.names(&c)
	for _, p := range parents {
		c.Parents = append(c.Parents, p.ID)
		c.Generation = max(c.Generation, p.Generation+1)
		if c.Time.Before(p.Time) {
			c.Time = p.Time
		}
	}
	if len(parents) > 0 {
		c.Depth, c.Skips, c.Changes = parents[0].Depth+1, parents[0].skipsOfNext(), done.changes
	}
	// A tree's root is small data of a hash that settles before its blob is
	// stored, so only the waiting below says that all is there.
	payload, id, err := seal(&c)
	if err == nil {
		s.spawn(func() error { return s.store(ctx, parcel{commits, id, payload, byte(c.Format)}, c) })
	}
	if failed := s.finish(); failed != nil {
		err = failed
	}
	return c, err
}

// Import commits a stream of entries, in key order, as the whole tree of a
// branch: what the branch held before and the stream does not is removed. A
// branch that holds just that already does not move. It
// holds a few leaves in memory, however many entries there are. Invalid names
// an entry that is out of order or cannot be pinned.
func (r *Repository) Import(ctx context.Context, request Request, entries iter.Seq2[Entry, error]) (Merged, error) {
	if len(request.Changes.Puts)+len(request.Changes.Deletes) > 0 {
		return Merged{}, fault.New(fault.Invalid, "import to "+request.Branch, "it brings changes beside its entries")
	}
	if err := request.check(); err != nil {
		return Merged{}, err
	}
	s := r.newSession()
	t, err := r.build(ctx, s, entries)
	if failed := s.finish(); failed != nil {
		err = failed
	}
	if err != nil {
		return Merged{}, err
	}
	return r.advance(ctx, move{to: request.Branch, base: request.Base}, func(parent *Commit) (Commit, error) {
		return r.become(ctx, s, parent, state{base: t}, request.Branch, request.note())
	})
}

func (r *Repository) build(ctx context.Context, s *session, entries iter.Seq2[Entry, error]) (tree, error) {
	w, last := s.newWriter(ctx, ofEntries), ""
	for e, err := range entries {
		if err == nil {
			err = e.check()
		}
		if err == nil && e.Key <= last {
			err = fault.New(fault.Invalid, "commit "+e.Key, "it comes after %s: want entries in key order, each key once", last)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return tree{}, err
		}
		last = e.Key
		w.add(item{Entry: e})
	}
	return w.close()
}

// become commits a state that is written already on top of parent; parent itself
// when it holds the same.
func (r *Repository) become(ctx context.Context, s *session, parent *Commit, st state, name string, n note) (Commit, error) {
	if parent == nil && st.base.objects == 0 {
		return Commit{}, fault.New(fault.Invalid, "commit to "+name, "the dataset is empty and nothing is added")
	}
	if parent == nil {
		return r.record(ctx, s, nil, st, effect{added: int(st.sum().objects)}, n)
	}
	done := effect{changes: &Changes{}}
	for c, err := range r.diff(ctx, r.stateOf(parent), st, "") {
		if err != nil {
			return Commit{}, err
		}
		done.count(edit{key: c.Key, put: c.New}, c.Old)
	}
	if done.total() == 0 {
		return *parent, nil
	}
	st.appended = false // that spoke of another parent
	return r.record(ctx, s, parentsOf(parent), st, done, n)
}
