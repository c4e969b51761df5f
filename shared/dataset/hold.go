package dataset

import (
	"context"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// The states of a hold. One that is being placed or released was cut off or is
// under way; the same request goes on with it.
const (
	HoldPlacing   = "placing"
	HoldHeld      = "held"
	HoldReleasing = "releasing"
	HoldReleased  = "released"
)

// Hold is a legal hold on a tag's commit: S3 keeps every object version that it
// pins, whoever would delete one, and collections keep the commit, until it is
// released.
type Hold struct {
	Tag     string    `json:"tag"`
	Commit  string    `json:"commit"`
	State   string    `json:"state"`
	By      string    `json:"by"`
	Changed time.Time `json:"changed"` // of the state
	Objects int       `json:"objects"`
	Bytes   int64     `json:"bytes"`
}

func (h Hold) active() bool { return h.State != HoldReleased }

// Locker puts legal holds on versions of the lake's objects. Both ways are
// idempotent.
type Locker interface {
	// Able refuses a bucket that cannot hold objects; Invalid.
	Able(ctx context.Context) error
	// Held says whether a version is held; NotFound when it is gone.
	Held(ctx context.Context, key, versionID string) (bool, error)
	// Hold puts the legal hold on a version, or takes it off.
	Hold(ctx context.Context, key, versionID string, on bool) error
}

// Held is what placing or releasing a hold did.
type Held struct {
	Hold
	Done   int `json:"done"`   // versions that were put under the hold, or freed, now
	Found  int `json:"found"`  // versions that were so already
	Shared int `json:"shared"` // versions that another hold keeps, so they were not freed
}

const holds = "holds/"

func holdKey(tag string) string { return holds + tag + ".json" }

// Holds lists the holds of a dataset, released ones too, in the order of their tags.
func (r *Repository) Holds(ctx context.Context) ([]Hold, error) {
	return living(ctx, r, holds, func(_ string, h Hold) (Hold, bool) { return h, true })
}

// heldCommits are the commits that active holds keep.
func (r *Repository) heldCommits(ctx context.Context) ([]string, error) {
	return living(ctx, r, holds, func(_ string, h Hold) (string, bool) { return h.Commit, h.active() })
}

// PlaceHold puts a legal hold on every version that a tag pins and looks that it
// is there. It may be cut off and run again. Invalid when the bucket has no Object
// Lock, NotFound when there is no such tag or a version is gone, Busy while
// another hold is being released.
//
// Two holds may share versions, so one that is released must not free what the
// other one keeps. Each writes its own state first and reads the others' then:
// at least one of two sees the other.
func (l *Lake) PlaceHold(ctx context.Context, r *Repository, locker Locker, name, by string, now time.Time) (Held, error) {
	op := "hold tag " + name
	if err := checkName("tag", name); err != nil {
		return Held{}, err
	}
	if err := locker.Able(ctx); err != nil {
		return Held{}, err
	}
	c, err := r.tagged(ctx, name)
	if err != nil {
		return Held{}, err
	}
	hold, err := r.moveHold(ctx, name, func(old Hold, found bool) (Hold, error) {
		switch {
		case found && old.State == HoldReleasing:
			return old, releasing(op, name)
		case found && old.active():
			return old, ref.Unchanged
		}
		return Hold{Tag: name, Commit: c.ID, State: HoldPlacing, By: by, Changed: now.UTC(), Objects: c.Stats.Objects, Bytes: c.Stats.Bytes}, nil
	})
	if err != nil {
		return Held{}, err
	}
	if err := l.each(ctx, func(other *Repository, h Hold) error {
		if h.State == HoldReleasing {
			return releasing(op, h.Tag)
		}
		return nil
	}); err != nil {
		return Held{}, err
	}
	done := Held{Hold: hold}
	done.Done, done.Found, _, err = r.lock(ctx, locker, c, true, newPins())
	if err != nil {
		return done, err
	}
	done.Hold, err = r.moveHold(ctx, name, func(old Hold, _ bool) (Hold, error) {
		switch old.State {
		case HoldHeld:
			return old, ref.Unchanged
		case HoldPlacing:
			old.State, old.Changed = HoldHeld, now.UTC()
			return old, nil
		}
		return old, releasing(op, name)
	})
	return done, err
}

func releasing(op, tag string) error {
	return fault.New(fault.Busy, op, "the hold on tag %s is being released", tag).
		WithHint("end that first: sluice data hold release MODEL %s", tag)
}

// ReleaseHold takes a tag's legal hold off every version that no other hold
// keeps. It may be cut off and run again. NotFound when there is no hold.
func (l *Lake) ReleaseHold(ctx context.Context, r *Repository, locker Locker, name, by string, now time.Time) (Held, error) {
	if err := checkName("tag", name); err != nil {
		return Held{}, err
	}
	hold, err := r.moveHold(ctx, name, func(old Hold, found bool) (Hold, error) {
		switch {
		case !found:
			return old, fault.New(fault.NotFound, "release the hold on tag "+name, "there is none").WithHint("list them: sluice data hold list MODEL")
		case old.State == HoldReleasing || old.State == HoldReleased:
			return old, ref.Unchanged
		}
		old.State, old.By, old.Changed = HoldReleasing, by, now.UTC()
		return old, nil
	})
	if err != nil || hold.State == HoldReleased {
		return Held{Hold: hold}, err
	}
	others := newPins()
	err = l.each(ctx, func(other *Repository, h Hold) error {
		if !h.active() || h.State == HoldReleasing {
			return nil
		}
		for e, err := range other.Each(ctx, h.Commit, "") {
			if err != nil {
				return err
			}
			others.add(e.Key, e.VersionID, ByPin)
		}
		return nil
	})
	if err != nil {
		return Held{Hold: hold}, err
	}
	c, err := r.readCommit(ctx, hold.Commit)
	if err != nil {
		return Held{Hold: hold}, err
	}
	done := Held{Hold: hold}
	if done.Done, done.Found, done.Shared, err = r.lock(ctx, locker, c, false, others); err != nil {
		return done, err
	}
	done.Hold, err = r.moveHold(ctx, name, func(old Hold, _ bool) (Hold, error) {
		if old.State != HoldReleasing {
			return old, ref.Unchanged
		}
		old.State, old.Changed = HoldReleased, now.UTC()
		return old, nil
	})
	return done, err
}

// each visits the holds of every dataset of the lake.
func (l *Lake) each(ctx context.Context, visit func(*Repository, Hold) error) error {
	datasets, err := l.datasets(ctx)
	if err != nil {
		return err
	}
	for _, r := range datasets {
		list, err := r.Holds(ctx)
		if err != nil {
			return err
		}
		for _, h := range list {
			if err := visit(r, h); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Repository) moveHold(ctx context.Context, name string, change func(Hold, bool) (Hold, error)) (Hold, error) {
	return ref.Update(ctx, r.store, holdKey(name), change)
}

// tagged is the commit that a tag names.
func (r *Repository) tagged(ctx context.Context, name string) (Commit, error) {
	p, err := ref.Read[tag](ctx, r.store, tagKey(name))
	if fault.Is(err, fault.NotFound) || (err == nil && p.Value.Deleted != nil) {
		return Commit{}, fault.New(fault.NotFound, "hold tag "+name, "there is no such tag").
			WithHint("make it first: sluice data tag create MODEL %s REF", name)
	}
	if err != nil {
		return Commit{}, err
	}
	return r.readCommit(ctx, p.Value.Commit)
}

// lockBatch is how many entries are read before their holds are set: they bound
// the memory.
const lockBatch = 10_000

// lock brings every version of a commit, but for those that others keep, under
// the hold or out of it, and looks at each again.
func (r *Repository) lock(ctx context.Context, locker Locker, c Commit, on bool, others *Pins) (done, found, shared int, err error) {
	var batch []Entry
	flush := func() error {
		changed := make([]bool, len(batch))
		err := parallel(ctx, len(batch), func(ctx context.Context, i int) (err error) {
			changed[i], err = lockOne(ctx, locker, batch[i], on)
			return err
		})
		for _, was := range changed {
			if was {
				done++
			}
		}
		found += len(batch)
		batch = batch[:0]
		return err
	}
	for e, failed := range r.Each(ctx, c.ID, "") {
		if failed != nil {
			return done, found - done, shared, failed
		}
		if others.Of(e.Key, e.VersionID) != 0 {
			shared++
			continue
		}
		if batch = append(batch, e); len(batch) == lockBatch {
			if err := flush(); err != nil {
				return done, found - done, shared, err
			}
		}
	}
	err = flush()
	return done, found - done, shared, err
}

// lockOne says whether the version's hold had to be changed.
func lockOne(ctx context.Context, locker Locker, e Entry, on bool) (changed bool, err error) {
	held, err := locker.Held(ctx, e.Key, e.VersionID)
	if fault.Is(err, fault.NotFound) {
		if !on {
			return false, nil // what is gone is free
		}
		return false, fault.New(fault.NotFound, "hold "+e.Key, "its version %s is gone: %w", e.VersionID, err).
			WithHint("the tag pins data that was deleted; find out by whom: sluice data audit MODEL")
	}
	if err != nil || held == on {
		return false, err
	}
	if err := locker.Hold(ctx, e.Key, e.VersionID, on); err != nil {
		return false, err
	}
	if held, err = locker.Held(ctx, e.Key, e.VersionID); err == nil && held != on {
		err = fault.New(fault.Unavailable, "hold "+e.Key, "S3 took the request for version %s and says that nothing changed", e.VersionID)
	}
	return err == nil, err
}
