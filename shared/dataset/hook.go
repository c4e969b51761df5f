package dataset

import (
	"context"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Proposal is a move of a branch that is about to happen. Its commit is stored
// and can be read, diffed and checked out by its id; no ref names it yet.
type Proposal struct {
	Branch string
	Head   *Commit // nil when the branch is new
	Commit Commit
	Merge  bool // by a merge or a fast-forward, not by a commit of its own
}

// Event is PreMerge or PreCommit.
func (p Proposal) Event() string {
	if p.Merge {
		return PreMerge
	}
	return PreCommit
}

// Hook judges a proposal, also that of a new branch; an error refuses it, and the branch stays where it is.
// When the move loses a race and is redone on a new head, so is the judgement:
// a hook must bear being asked again.
type Hook struct {
	Name  string
	Judge func(context.Context, Proposal) error
}

// WithHooks gives a repository that asks hooks, in order, before it moves a
// branch. They guard the writers that use this repository value, not the bucket:
// whoever must not pass by them must have no other way to write.
func (r *Repository) WithHooks(hooks ...Hook) *Repository {
	with := *r
	with.hooks = append(append([]Hook(nil), r.hooks...), hooks...)
	return &with
}

// ask gives the first refusal. It keeps the kind of a hook's own fault; any other
// error is Denied.
func (r *Repository) ask(ctx context.Context, p Proposal) error {
	for _, h := range r.hooks {
		if err := h.Judge(ctx, p); err != nil {
			return fault.Wrap(fault.Denied, "move branch "+p.Branch+": hook "+h.Name+" refuses commit "+p.Commit.ID, err)
		}
	}
	if err := r.askConfigured(ctx, p); err != nil {
		return err
	}
	return r.askLake(ctx, p)
}
