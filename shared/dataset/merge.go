package dataset

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
)

// MergeRequest asks to bring a ref's changes into a branch.
type MergeRequest struct {
	Branch string // ours; it must exist, and may be protected
	From   string // theirs: any ref
	Rules  []Rule // how to resolve conflicts
	// Lake, where it is set, is asked whether the object versions that the branch
	// would gain are still there; if not, the merge is refused (see GoneError).
	Lake     Source
	Commit   bool   // make a commit even where a fast-forward would do
	Message  string // "" is "merge FROM"
	Author   string
	Time     time.Time
	Metadata map[string]string
}

// Merged is what came of a merge, a revert, a cherry-pick, a restore, an import or
// a commit.
type Merged struct {
	Commit   Commit     // the branch's head now
	Forward  bool       // the branch was only moved forward
	Moved    bool       // false: the branch held it all already
	Resolved []Conflict // those that rules decided
}

// Merge brings the changes that a ref made since it parted from a branch into
// that branch, in a commit of two parents; or by a fast-forward where the branch
// has made none. A branch that holds them already is left alone, so a retry is
// harmless. Conflict lists the keys that both changed and no rule decides (see
// AsConflicts); Invalid says that the two have no common ancestor.
func (r *Repository) Merge(ctx context.Context, q MergeRequest) (Merged, error) {
	if err := checkMove(q.Branch, q.Time, q.Rules); err != nil {
		return Merged{}, err
	}
	theirs, err := r.source(ctx, q.From)
	if err != nil {
		return Merged{}, err
	}
	if q.Message == "" {
		q.Message = "merge " + q.From
	}
	s, merged := r.newSession(), Merged{}
	look := lookerOf(q.Lake, "merge "+q.From+" into "+q.Branch)
	made, err := r.advance(ctx, move{to: q.Branch, merges: true, exists: true}, func(ours *Commit) (Commit, error) {
		merged = Merged{}
		return r.mergeOnto(ctx, s, *ours, theirs, q, look, &merged)
	})
	merged.Commit, merged.Moved = made.Commit, made.Moved
	return merged, err
}

func checkMove(branch string, at time.Time, rules []Rule) error {
	if err := checkName("branch", branch); err != nil {
		return err
	}
	if at.IsZero() {
		return fault.New(fault.Invalid, "move branch "+branch, "the request has no time")
	}
	for _, rule := range rules {
		if _, err := rule.matcher(); err != nil {
			return err
		}
	}
	return nil
}

func (r *Repository) mergeOnto(ctx context.Context, s *session, ours, theirs Commit, q MergeRequest, look *looker, m *Merged) (Commit, error) {
	base, found, err := r.mergeBase(ctx, ours, theirs)
	switch {
	case err != nil:
		return Commit{}, err
	case !found:
		return Commit{}, fault.New(fault.Invalid, "merge "+q.From+" into "+q.Branch, "commits %s and %s have no common ancestor", theirs.ID, ours.ID).
			WithHint("to make %s equal to it: sluice data restore MODEL %s %s", q.Branch, q.Branch, q.From)
	case base.ID == theirs.ID:
		return ours, nil
	case base.ID == ours.ID && !q.Commit:
		m.Forward = true
		return theirs, look.between(ctx, r, r.stateOf(&ours), r.stateOf(&theirs), "")
	}
	edits, resolved, err := r.threeWay(ctx, sides{base: r.stateOf(&base), ours: ours, theirs: r.stateOf(&theirs), line: theirs}, q.Rules,
		"merge "+q.From+" into "+q.Branch)
	if err == nil {
		err = look.edits(ctx, edits)
	}
	if err != nil {
		return Commit{}, err
	}
	m.Resolved = resolved
	t, done, err := r.amend(ctx, s, r.stateOf(&ours), edits)
	if err != nil {
		_ = s.finish()
		return Commit{}, err
	}
	return r.record(ctx, s, []Commit{ours, theirs}, t, done, note{q.Message, q.Author, q.Time, q.Metadata})
}

// sides are the states of a three-way merge. line is the commit whose history
// tells when theirs changed a key.
type sides struct {
	base   state
	ours   Commit
	theirs state
	line   Commit
}

// threeWay gives the edits that bring what theirs changed against base into
// ours, and the conflicts that rules decided. Both diffs skip what is equal.
func (r *Repository) threeWay(ctx context.Context, in sides, rules []Rule, op string) ([]edit, []Conflict, error) {
	var edits []edit
	var conflicts []Conflict
	ours, stop := iter.Pull2(r.diff(ctx, in.base, r.stateOf(&in.ours), ""))
	defer stop()
	mine, err, more := ours()
	for c, failed := range r.diff(ctx, in.base, in.theirs, "") {
		for more && err == nil && failed == nil && mine.Key < c.Key {
			mine, err, more = ours()
		}
		if err != nil || failed != nil {
			return nil, nil, first(failed, err)
		}
		switch {
		case !more || mine.Key != c.Key:
			edits = append(edits, edit{key: c.Key, put: c.New, was: c.Old, known: true}) // ours is as base
		case !same(mine.New, c.New):
			conflicts = append(conflicts, Conflict{Key: c.Key, Base: c.Old, Ours: mine.New, Theirs: c.New})
		}
	}
	if err != nil {
		return nil, nil, err
	}
	if err := r.resolve(ctx, conflicts, rules, in.ours, in.line); err != nil {
		return nil, nil, err
	}
	return settle(op, edits, conflicts)
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// settle turns resolved conflicts into edits, and unresolved ones into an error.
func settle(op string, edits []edit, conflicts []Conflict) ([]edit, []Conflict, error) {
	var open []Conflict
	for _, c := range conflicts {
		switch c.Choice {
		case TakeTheirs:
			edits = append(edits, edit{key: c.Key, put: c.Theirs, was: c.Ours, known: true})
		case Refuse:
			open = append(open, c)
		}
	}
	if len(open) > 0 {
		return nil, nil, fault.New(fault.Conflict, op, "%w", &ConflictError{open}).
			WithHint("choose a side for them, e.g. --resolve '%s=theirs' (or ours, newest)", open[0].Key)
	}
	return inOrder(edits), conflicts, nil
}

// PickRequest asks to repeat or undo a commit's changes on a branch.
type PickRequest struct {
	Branch   string
	Commit   string // any ref; its changes are those against its first parent
	Rules    []Rule // in a revert, "theirs" is the state before the commit
	Lake     Source // as in MergeRequest
	Message  string // "" names the commit
	Author   string
	Time     time.Time
	Metadata map[string]string
}

// Revert commits the inverse of a commit's changes to a branch. Conflict lists
// keys that were changed again since and no rule decides. When nothing is left
// to undo, the head comes back.
func (r *Repository) Revert(ctx context.Context, q PickRequest) (Merged, error) {
	return r.pick(ctx, q, "revert", func(c Commit, parent *Commit) sides {
		return sides{base: r.stateOf(&c), theirs: r.stateOf(parent), line: c}
	})
}

// CherryPick commits a commit's changes to a branch once more. Conflict lists
// keys that differ there and no rule decides. When the branch has the changes
// already, the head comes back.
func (r *Repository) CherryPick(ctx context.Context, q PickRequest) (Merged, error) {
	return r.pick(ctx, q, "cherry-pick", func(c Commit, parent *Commit) sides {
		return sides{base: r.stateOf(parent), theirs: r.stateOf(&c), line: c}
	})
}

func (r *Repository) pick(ctx context.Context, q PickRequest, verb string, compare func(c Commit, parent *Commit) sides) (Merged, error) {
	if err := checkMove(q.Branch, q.Time, q.Rules); err != nil {
		return Merged{}, err
	}
	c, err := r.Resolve(ctx, q.Commit)
	if err != nil {
		return Merged{}, err
	}
	var parent *Commit
	if len(c.Parents) > 0 {
		p, err := r.readCommit(ctx, c.Parents[0])
		if err != nil {
			return Merged{}, err
		}
		parent = &p
	}
	if q.Message == "" {
		q.Message = fmt.Sprintf("%s %.12s: %s", verb, c.ID, c.Message)
	}
	in, s, op := compare(c, parent), r.newSession(), fmt.Sprintf("%s %.12s on %s", verb, c.ID, q.Branch)
	look, resolved := lookerOf(q.Lake, op), []Conflict(nil)
	merged, err := r.advance(ctx, move{to: q.Branch, exists: true}, func(head *Commit) (Commit, error) {
		in.ours = *head
		edits, settled, err := r.threeWay(ctx, in, q.Rules, op)
		if err == nil {
			err = look.edits(ctx, edits)
		}
		if err != nil {
			return Commit{}, err
		}
		resolved = settled
		return r.applyEdits(ctx, s, *head, edits, note{q.Message, q.Author, q.Time, q.Metadata})
	})
	merged.Resolved = resolved
	return merged, err
}

// applyEdits commits edits on top of a head; the head itself when they change
// nothing.
func (r *Repository) applyEdits(ctx context.Context, s *session, head Commit, edits []edit, n note) (Commit, error) {
	t, done, err := r.amend(ctx, s, r.stateOf(&head), edits)
	if err != nil || done.total() == 0 {
		if failed := s.finish(); err == nil {
			err = failed
		}
		return head, err
	}
	return r.record(ctx, s, []Commit{head}, t, done, n)
}

// RestoreRequest asks to make a branch equal to an older state.
type RestoreRequest struct {
	Branch   string
	From     string // any ref
	Prefix   string // only keys that start with it
	Lake     Source // as in MergeRequest
	Message  string // "" names the ref
	Author   string
	Time     time.Time
	Metadata map[string]string
}

// Restore makes a new commit on a branch whose entries under a prefix equal
// those of a ref. When they do already, the branch does not move. NotFound with a
// GoneError: versions that it would bring back are gone.
func (r *Repository) Restore(ctx context.Context, q RestoreRequest) (Merged, error) {
	if err := checkMove(q.Branch, q.Time, nil); err != nil {
		return Merged{}, err
	}
	from, err := r.source(ctx, q.From)
	if err != nil {
		return Merged{}, err
	}
	if q.Message == "" {
		q.Message = fmt.Sprintf("restore %s%.12s", prefixOf(q.Prefix), from.ID)
	}
	n, s := note{q.Message, q.Author, q.Time, q.Metadata}, r.newSession()
	look := lookerOf(q.Lake, "restore "+q.From+" on "+q.Branch)
	return r.advance(ctx, move{to: q.Branch, exists: true}, func(head *Commit) (Commit, error) {
		if err := look.between(ctx, r, r.stateOf(head), r.stateOf(&from), q.Prefix); err != nil {
			return Commit{}, err
		}
		if q.Prefix == "" {
			return r.become(ctx, s, head, r.stateOf(&from), q.Branch, n)
		}
		var edits []edit
		for c, err := range r.diff(ctx, r.stateOf(head), r.stateOf(&from), q.Prefix) {
			if err != nil {
				return Commit{}, err
			}
			edits = append(edits, edit{key: c.Key, put: c.New, was: c.Old, known: true})
		}
		return r.applyEdits(ctx, s, *head, edits, n)
	})
}

func prefixOf(prefix string) string {
	if prefix == "" {
		return ""
	}
	return prefix + " from "
}
