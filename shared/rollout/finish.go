package rollout

import (
	"context"
	"fmt"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Promote finishes a decided promotion: all traffic to the candidate, then the
// alias, then the old champion is retired, in this order.
func (c *Controller) Promote(ctx context.Context, step contract.RolloutStep) (contract.RolloutCommand, error) {
	s, err := c.load(ctx, step)
	if err != nil {
		return c.closed(ctx, step, err)
	}
	if s.Phase == Confirming {
		return c.finish(ctx, step, s)
	}
	if s.Phase != Promoting {
		return c.command(s), nil
	}
	if err := c.renew(ctx, s); err != nil {
		return contract.RolloutCommand{}, err
	}
	return c.complete(ctx, step, s)
}

// complete asks for no lease: whoever took over an abandoned rollout finishes
// it too, and every part of it may be done twice.
func (c *Controller) complete(ctx context.Context, step contract.RolloutStep, s State) (contract.RolloutCommand, error) {
	if ready, err := c.fill(ctx, s); err != nil || !ready {
		return c.again(s), err
	}
	if err := c.Catalog.Promote(ctx, s.Model, s.Champion.Version, s.Candidate.Version, s.Fence); err != nil {
		return contract.RolloutCommand{}, err
	}
	if s.provisional() {
		return c.reply(ctx, step, s, DonePromoting{})
	}
	return c.leave(ctx, step, s)
}

// leave retires the old champion and closes the promotion. The weights are looked
// at again: since they were read a late call of an earlier rollout may have moved
// them.
func (c *Controller) leave(ctx context.Context, step contract.RolloutStep, s State) (contract.RolloutCommand, error) {
	if ready, err := c.fill(ctx, s); err != nil || !ready {
		return c.again(s), err
	}
	notice := ""
	if tidy, err := c.retire(ctx, s, s.Candidate.Slot); !tidy {
		if c.Now().Sub(s.Since) < tidyFor {
			return c.again(s), err
		}
		notice = fmt.Sprintf("version %d of %s is promoted, but the old champion still runs at weight 0 after %v: %v",
			s.Candidate.Version, s.Model, tidyFor, err)
	}
	return c.reply(ctx, step, s, DonePromoting{Notice: notice})
}

// fill makes sure that the candidate has all the traffic.
func (c *Controller) fill(ctx context.Context, s State) (bool, error) {
	return c.poll(ctx, verifyFor, func() (bool, error) {
		view, err := c.Backend.View(ctx, s.Model)
		if err != nil {
			return false, err
		}
		if !view.Exists && s.First() {
			// A first version's endpoint can be deleted by a late call of the rollback
			// before it; what was decided is deployed again.
			_, err := c.Backend.Prepare(ctx, Placement{Model: s.Model, Rollout: s.Rollout, Artifact: s.Artifact, Slot: s.Candidate.Slot})
			return false, err
		}
		weights := alone(view, s.Candidate.Slot, 0)
		condition, detail := view.Compare("", weights)
		switch condition {
		case Settled:
			return true, nil
		case Different:
			return false, c.Backend.SetWeights(ctx, s.Model, weights)
		case Broken:
			return false, fault.New(fault.Unavailable, "give version "+fmt.Sprint(s.Candidate.Version)+" all the traffic", "%s", detail)
		}
		return false, nil
	})
}

// alone gives all the traffic to one slot of those that the endpoint has.
func alone(view View, keep string, instances int) []Weight {
	weights := []Weight{{Slot: keep, Percent: 100, Instances: instances}}
	for _, slot := range view.Slots {
		if slot.Slot != keep {
			weights = append(weights, Weight{Slot: slot.Slot})
		}
	}
	return weights
}

// retire leaves only the slot that is kept; false when that is still under way.
func (c *Controller) retire(ctx context.Context, s State, keep string) (bool, error) {
	return c.poll(ctx, verifyFor, func() (bool, error) {
		view, err := c.Backend.View(ctx, s.Model)
		if err != nil {
			return false, err
		}
		if _, kept := view.Slot(keep); !kept {
			return false, fault.New(fault.Invalid, "retire the other slot than "+keep, "the endpoint serves %s", versions(view))
		}
		if view.Status == Ready && len(view.Slots) == 1 && view.Shadow == nil {
			return true, nil
		}
		if view.Status == Updating {
			return false, nil
		}
		_, err = c.Backend.Retire(ctx, s.Model, s.Rollout, keep)
		return false, err
	})
}

// Rollback ends a rollout and puts the champion back. It is safe to call
// twice, beside the state machine, and for a rollout that is over: then it
// checks that the champion still has what it should. After promotion was
// decided it finishes that instead.
func (c *Controller) Rollback(ctx context.Context, step contract.RolloutStep) (contract.RolloutCommand, error) {
	reason := step.Reason
	if reason == "" {
		reason = "asked for"
	}
	return c.rollback(ctx, step, Abort{Reason: reason})
}

func (c *Controller) rollback(ctx context.Context, step contract.RolloutStep, why Observation) (contract.RolloutCommand, error) {
	s, err := c.load(ctx, step)
	if err != nil {
		return c.closed(ctx, step, err)
	}
	step.Rollout = s.Rollout
	if s, err = c.advance(ctx, s, why); err != nil {
		return c.closed(ctx, step, err)
	}
	switch s.Phase {
	case Promoting:
		return c.complete(ctx, step, s)
	case Confirming, Reverting:
		return c.finish(ctx, step, s)
	}
	return c.putBack(ctx, step, s)
}

func (c *Controller) putBack(ctx context.Context, step contract.RolloutStep, s State) (contract.RolloutCommand, error) {
	switch s.Phase {
	case RollingBack, RolledBack:
	case Reverting:
		// The alias first: were the traffic first, a crash between the two would
		// leave a champion that nothing is sent to.
		if err := c.Catalog.Revert(ctx, s.Model, s.Candidate.Version, s.Champion.Version, s.Fence); err != nil {
			return contract.RolloutCommand{}, err
		}
	default:
		return c.command(s), nil
	}
	detail, err := c.restore(ctx, s, restoreFor)
	if err != nil {
		return c.closed(ctx, step, err)
	}
	if err := c.isolate(ctx, s); err != nil { // after the champion is back, before the rollout counts as over
		return contract.RolloutCommand{}, err
	}
	return c.reply(ctx, step, s, Restored{Detail: detail})
}

// Alarm acts on an alarm that went off: on the candidate's slot of an open
// rollout it rolls back; anything else is told to people.
func (c *Controller) Alarm(ctx context.Context, model string, a Alarm) (contract.RolloutCommand, error) {
	step := contract.RolloutStep{Model: model}
	s, err := c.load(ctx, step)
	if fault.Is(err, fault.NotFound) {
		text := fmt.Sprintf("alarm %s is on: %s; no rollout is under way, so nothing was moved", a.Name, a.Reason)
		return contract.RolloutCommand{Action: string(Finish), Reason: text}, c.Tell(ctx, model, text)
	}
	if err != nil {
		return contract.RolloutCommand{}, err
	}
	step.Rollout = s.Rollout
	s, tell, err := c.decide(ctx, s, Sounded{a})
	if err != nil {
		return c.closed(ctx, step, err)
	}
	if a.Slot == s.Candidate.Slot && (s.Phase == RollingBack || s.Phase == RolledBack) {
		if tell != "" {
			c.tell(ctx, model, tell)
		}
		return c.putBack(ctx, step, s)
	}
	if a.Slot == s.Candidate.Slot && s.Phase == Reverting {
		if tell != "" {
			c.tell(ctx, model, tell)
		}
		return c.finish(ctx, step, s)
	}
	command := c.command(s)
	if tell == "" {
		return command, nil
	}
	command.Reason = tell
	return command, c.Tell(ctx, model, tell)
}

// restore puts the champion back to all the traffic and reads that back: for a
// first release, it deletes the endpoint. It says what it saw. Unavailable when
// it is not so yet: call again.
func (c *Controller) restore(ctx context.Context, s State, patience time.Duration) (detail string, err error) {
	look := func() (bool, error) { detail, err = c.restoreOnce(ctx, s); return detail != "", err }
	if s.First() {
		look = func() (bool, error) { detail, err = c.removeOnce(ctx, s); return detail != "", err }
	}
	done, err := c.poll(ctx, patience, look)
	if err == nil && !done {
		err = fault.New(fault.Busy, "wait for the endpoint of "+s.Model, "it is still changing after %v", patience)
	}
	op := "put the champion of " + s.Model + " back"
	if fault.Is(err, fault.NotFound) {
		// NotFound from a rollback means that there was no rollout.
		return "", fault.New(fault.Invalid, op, "%w", err)
	}
	return detail, fault.Wrap(fault.Unavailable, op, err)
}

// restoreOnce looks, and asks for what is missing; detail is set when nothing is.
func (c *Controller) restoreOnce(ctx context.Context, s State) (detail string, err error) {
	view, err := c.Backend.View(ctx, s.Model)
	if err != nil {
		return "", err
	}
	champion, ok := view.Slot(s.Champion.Slot)
	if !ok || champion.Version != s.Champion.Version {
		return "", fault.New(fault.Invalid, "find the champion", "version %d is not in slot %s: the endpoint serves %s",
			s.Champion.Version, s.Champion.Slot, versions(view)).WithHint("somebody else changed the endpoint; deploy the champion by hand")
	}
	condition, seen := view.Compare("", alone(view, champion.Slot, 0))
	switch {
	case condition == Settled && champion.Instances > 0:
		return fmt.Sprintf("version %d was read back with all the traffic on %d instances: %s", champion.Version, champion.Instances, seen), nil
	case condition == Moving:
		return "", nil
	case champion.Instances == 0:
		return "", c.Backend.SetWeights(ctx, s.Model, asDesired(view, champion.Slot, max(1, s.Champion.Instances)))
	}
	if err := c.answers(ctx, s); err != nil {
		return "", err
	}
	return "", c.Backend.SetWeights(ctx, s.Model, alone(view, champion.Slot, s.Champion.Instances))
}

// asDesired keeps the weights and raises one slot's capacity.
func asDesired(view View, slot string, instances int) []Weight {
	var weights []Weight
	for _, v := range view.Slots {
		w := Weight{Slot: v.Slot, Percent: v.Desired}
		if v.Slot == slot {
			w.Instances = instances
		}
		weights = append(weights, w)
	}
	return weights
}

// answers refuses to move traffic onto a champion that does not serve. A row
// that cannot be read must not keep a rollback from happening.
func (c *Controller) answers(ctx context.Context, s State) error {
	row, err := c.Catalog.Row(ctx, s.Model, s.Champion.Version)
	if err != nil {
		c.Log.Warn("no row to try the champion with", "model", s.Model, "error", err)
		return nil
	}
	if err := c.Backend.Smoke(ctx, s.Model, s.Champion.Slot, row); err != nil {
		return fault.New(fault.Unavailable, "try the champion before it gets the traffic back", "%v", err)
	}
	return nil
}

// removeOnce deletes the endpoint of a first release.
func (c *Controller) removeOnce(ctx context.Context, s State) (detail string, err error) {
	view, err := c.Backend.View(ctx, s.Model)
	if err != nil {
		return "", err
	}
	if !view.Exists {
		return "nothing serves: the endpoint of the first version is gone", nil
	}
	for _, slot := range view.Slots {
		if slot.Version != s.Candidate.Version {
			return "", fault.New(fault.Conflict, "delete the endpoint of "+s.Model, "it serves %s, not only version %d",
				versions(view), s.Candidate.Version).WithHint("somebody else changed the endpoint; look at it before you delete it")
		}
	}
	if view.Status == Updating {
		return "", nil
	}
	return "", c.remove(ctx, s)
}

// remove deletes the endpoint within a time that the state knows before: no other
// rollout begins until then, so a call that is late, or whose answer was lost, never
// meets the next release's endpoint.
func (c *Controller) remove(ctx context.Context, s State) error {
	until := c.Now().Add(removeFor)
	s, err := c.advance(ctx, s, Removing{Until: until.Add(removeLag)})
	if err != nil {
		return err
	}
	left := until.Sub(c.Now())
	if left <= 0 || s.Removing.Before(until.Add(removeLag)) {
		return fault.New(fault.Unavailable, "delete the endpoint of "+s.Model, "saving that took longer than %v", removeFor)
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	return c.Backend.Delete(ctx, s.Model)
}

// Release closes a rollout that has its outcome: it checks the endpoint once
// more, retires a candidate that was rolled back, keeps the record and gives
// the lease back.
func (c *Controller) Release(ctx context.Context, step contract.RolloutStep) (contract.RolloutCommand, error) {
	s, err := c.load(ctx, step)
	if err != nil {
		return c.closed(ctx, step, err)
	}
	if s.Phase == Observing {
		if err := c.Leases.Release(ctx, s.Model, s.Rollout, s.Fence); err != nil {
			return contract.RolloutCommand{}, err
		}
		return c.done(s), nil // what follows is the monitor's
	}
	if !s.Phase.Done() {
		return c.command(s), nil
	}
	if s.Phase == RolledBack {
		if _, err := c.restore(ctx, s, restoreFor); err != nil {
			return contract.RolloutCommand{}, err
		}
		if tidy, err := c.tidy(ctx, s); !tidy {
			return c.again(s), err
		}
	}
	if err := c.States.Archive(ctx, s); err != nil {
		return contract.RolloutCommand{}, err
	}
	if err := c.Leases.Release(ctx, s.Model, s.Rollout, s.Fence); err != nil {
		return contract.RolloutCommand{}, err
	}
	return c.done(s), nil
}

// tidy retires the candidate; what cannot be retired in time is left at weight
// 0, told, and replaced by the next candidate.
func (c *Controller) tidy(ctx context.Context, s State) (bool, error) {
	if s.First() {
		return true, nil
	}
	tidy, err := c.retire(ctx, s, s.Champion.Slot)
	if !tidy && c.Now().Sub(s.Since) >= tidyFor {
		c.tell(ctx, s.Model, fmt.Sprintf("version %d of %s was rolled back but still runs at weight 0 after %v: %v",
			s.Candidate.Version, s.Model, tidyFor, err))
		return true, nil
	}
	return tidy, err
}
