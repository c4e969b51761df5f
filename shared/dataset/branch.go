package dataset

import (
	"context"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// BranchOptions are what a branch may be made with.
type BranchOptions struct {
	Protected bool       // it moves by merges and fast-forwards only
	Expires   *time.Time // when Expire deletes it; nil is never
}

// CreateBranch makes a branch at a ref. One that is there already at the same
// commit is left alone, so a retry is harmless; at another, or where it lacks what
// the options ask, it is a Conflict. A
// deleted branch may be created again.
func (r *Repository) CreateBranch(ctx context.Context, name, from string, options BranchOptions) (Commit, error) {
	if err := checkName("branch", name); err != nil {
		return Commit{}, err
	}
	c, err := r.source(ctx, from)
	if err != nil {
		return Commit{}, err
	}
	if t, err := ref.Read[tag](ctx, r.store, tagKey(name)); err == nil && t.Value.Deleted == nil {
		return c, taken("create branch "+name, "tag", t.Value.Commit)
	}
	_, err = ref.Update(ctx, r.store, branchKey(name), func(old branch, found bool) (branch, error) {
		if !found {
			if err := r.shadows(ctx, "create branch "+name, name); err != nil {
				return old, err
			}
		}
		switch {
		case found && !old.gone() && old.Commit == c.ID:
			return old, old.lacks(name, options)
		case found && !old.gone():
			return old, fault.New(fault.Conflict, "create branch "+name, "it exists already, at commit %s", old.Commit).
				WithHint("choose another name, or merge into it: sluice data merge MODEL %s %s", name, from)
		}
		return branch{Commit: c.ID, Protected: options.Protected, Expires: options.Expires}, r.ask(ctx, Proposal{name, nil, c, true})
	})
	return c, err
}

// lacks refuses options that a branch does not have, and says how it gets them; else
// it is ref.Unchanged.
func (b branch) lacks(name string, options BranchOptions) error {
	op := "create branch " + name
	switch {
	case options.Protected && !b.Protected:
		return fault.New(fault.Conflict, op, "it exists already, and is not protected").WithHint("protect it: sluice data branch protect MODEL %s", name)
	case options.Expires != nil && b.Expires == nil:
		return fault.New(fault.Conflict, op, "it exists already, and has no time to live").WithHint("choose another name, or delete it and create it again")
	}
	return ref.Unchanged
}

// DeleteBranch takes a branch away and gives the commit it pointed to; its
// commits stay. NotFound when there is none, Denied when it is protected.
// Deleting it twice is harmless.
func (r *Repository) DeleteBranch(ctx context.Context, name string, now time.Time) (commit string, err error) {
	now = now.UTC()
	_, err = r.alter(ctx, name, func(old branch) (branch, error) {
		commit = old.Commit
		switch {
		case old.gone():
			return old, ref.Unchanged
		case old.Protected:
			return old, fault.New(fault.Denied, "delete branch "+name, "it is protected").
				WithHint("lift the protection first: sluice data branch protect MODEL %s --off", name)
		}
		return branch{Commit: old.Commit, Deleted: &now}, nil
	})
	return commit, err
}

// Protect turns a branch's protection on or off: a protected branch cannot be
// deleted and moves only by merges and fast-forwards.
func (r *Repository) Protect(ctx context.Context, name string, on bool) error {
	return r.set(ctx, name, func(b *branch) { b.Protected = on })
}

// SetExpiry sets when Expire deletes a branch; nil is never.
func (r *Repository) SetExpiry(ctx context.Context, name string, at *time.Time) error {
	return r.set(ctx, name, func(b *branch) { b.Expires = at })
}

func (r *Repository) set(ctx context.Context, name string, change func(*branch)) error {
	_, err := r.alter(ctx, name, func(old branch) (branch, error) {
		if old.gone() {
			return old, noBranch(name)
		}
		change(&old)
		return old, nil
	})
	return err
}

// alter changes the pointer of a branch that exists, or existed.
func (r *Repository) alter(ctx context.Context, name string, change func(branch) (branch, error)) (branch, error) {
	if err := checkName("branch", name); err != nil {
		return branch{}, err
	}
	return ref.Update(ctx, r.store, branchKey(name), func(old branch, found bool) (branch, error) {
		if !found {
			return old, noBranch(name)
		}
		return change(old)
	})
}

// Expire deletes the branches whose time is over, but for protected ones, and
// gives their names.
func (r *Repository) Expire(ctx context.Context, now time.Time) ([]string, error) {
	list, err := r.BranchList(ctx)
	if err != nil {
		return nil, err
	}
	over := func(b branch) bool { return !b.gone() && !b.Protected && b.Expires != nil && !b.Expires.After(now) }
	expired := []string{}
	for _, info := range list {
		if !over(branch{Protected: info.Protected, Expires: info.Expires}) {
			continue
		}
		at, done := now.UTC(), false
		_, err := r.alter(ctx, info.Name, func(old branch) (branch, error) {
			if done = over(old); !done {
				return old, ref.Unchanged
			}
			return branch{Commit: old.Commit, Deleted: &at}, nil
		})
		if err != nil {
			return expired, err
		}
		if done {
			expired = append(expired, info.Name)
		}
	}
	return expired, nil
}
