package rollout

import (
	"context"
	"fmt"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Acquire begins a rollout: it checks the signed decision, takes the model's
// lease and creates the state; nothing moves yet. Busy when another rollout of
// the model is under way; Denied when the decision does not allow it. A rollout
// that was abandoned (its lease ran out) is rolled back first.
func (c *Controller) Acquire(ctx context.Context, step contract.RolloutStep) (contract.RolloutCommand, error) {
	if err := checkStep(step); err != nil {
		return contract.RolloutCommand{}, err
	}
	s, err := c.load(ctx, step)
	if err == nil {
		return c.command(s), nil // a retry
	}
	if done, err := c.States.Archived(ctx, step.Model, step.Rollout); err == nil {
		return c.done(done), nil
	} else if !fault.Is(err, fault.NotFound) {
		return contract.RolloutCommand{}, err
	}
	approved, err := c.Catalog.Approved(ctx, step)
	if err != nil {
		return contract.RolloutCommand{}, err
	}
	if err := c.feasible(step.Model, approved.Policy); err != nil {
		return contract.RolloutCommand{}, err
	}
	if why, err := c.barred(ctx, step.Model, approved.Artifact.Digest); err != nil {
		return contract.RolloutCommand{}, err
	} else if why != "" {
		return contract.RolloutCommand{Action: string(Finish), Phase: string(RolledBack), Outcome: string(RolledBack), Reason: "quarantined: " + why}, nil
	}
	return c.begin(ctx, step, approved)
}

func checkStep(step contract.RolloutStep) error {
	if step.Rollout == "" || step.Run == "" || step.Version < 1 || step.Decision == "" {
		return fault.New(fault.Invalid, "begin a rollout",
			"rollout %q, run %q, version %d, decision %q: all four must be given", step.Rollout, step.Run, step.Version, step.Decision)
	}
	return fault.Wrap(fault.Invalid, "begin a rollout", contract.CheckModel(step.Model))
}

func (c *Controller) begin(ctx context.Context, step contract.RolloutStep, approved Approved) (contract.RolloutCommand, error) {
	token, err := c.Leases.Acquire(ctx, step.Model, step.Rollout, time.Duration(approved.Policy.Bake)+leaseSlack)
	if err != nil {
		return contract.RolloutCommand{}, fault.Wrap(fault.Busy, "begin rollout "+step.Rollout+" of "+step.Model, err)
	}
	command, err := c.beginLeased(ctx, step, approved, token)
	if err != nil && !fault.KindOf(err).Retryable() {
		// It will not come back for the lease. What fails here runs out by itself.
		_ = c.Leases.Release(ctx, step.Model, step.Rollout, token)
	}
	return command, err
}

func (c *Controller) beginLeased(ctx context.Context, step contract.RolloutStep, approved Approved, token int64) (contract.RolloutCommand, error) {
	if err := c.clear(ctx, step.Model); err != nil {
		return contract.RolloutCommand{}, err
	}
	if err := c.outlast(ctx, step.Model); err != nil {
		return contract.RolloutCommand{}, err
	}
	candidate, champion, err := c.places(ctx, step.Model, step.Version)
	if err != nil {
		return contract.RolloutCommand{}, err
	}
	if approved.Policy.ShadowOnly && champion.Slot == "" {
		return contract.RolloutCommand{}, fault.New(fault.Invalid, "begin a rollout of "+step.Model,
			"deployment.strategy is shadow, but no champion serves whose requests could be copied").
			WithHint("release the first version with the strategy canary or blue_green")
	}
	if champion.Version == step.Version && champion.Slot != "" {
		_ = c.Leases.Release(ctx, step.Model, step.Rollout, token)
		return contract.RolloutCommand{Action: string(Finish), Weight: 100, Phase: string(Promoted), Outcome: string(Promoted),
			Reason: fmt.Sprintf("version %d is the champion already", step.Version)}, nil
	}
	now := c.Now()
	fresh := State{
		Rollout: step.Rollout, Model: step.Model, Run: step.Run, Decision: step.Decision, Policy: approved.Policy,
		Artifact: approved.Artifact, Candidate: candidate, Champion: champion, Fence: token,
		Phase: Acquired, Started: now, Since: now, Reason: "the decision allows it and the lease is held",
	}
	fresh.record(Record{Time: now, Phase: Acquired, Reason: fresh.Reason})
	s, err := c.States.Update(ctx, step.Model, func(old State, found bool) (State, error) {
		return replace(old, found, fresh, c.Now())
	})
	if err != nil {
		return contract.RolloutCommand{}, err
	}
	return c.command(s), nil
}

// replace puts a new rollout where none is under way.
func replace(old State, found bool, fresh State, now time.Time) (State, error) {
	switch {
	case !found:
		fresh.Turn = 1
		return fresh, nil
	case old.Rollout == fresh.Rollout:
		return old, ErrUnchanged
	case !old.Phase.Done() || old.Fence >= fresh.Fence:
		return old, fault.New(fault.Busy, "begin rollout "+fresh.Rollout+" of "+fresh.Model,
			"rollout %s is %s with lease token %d, ours is %d", old.Rollout, old.Phase, old.Fence, fresh.Fence)
	case now.Before(old.Removing):
		return old, fault.New(fault.Unavailable, "begin rollout "+fresh.Rollout+" of "+fresh.Model,
			"until %s the endpoint can still be deleted by rollout %s, which was rolled back", old.Removing.UTC().Format(time.RFC3339), old.Rollout)
	}
	fresh.Turn = old.Turn + 1
	return fresh, nil
}

// clear ends and archives what an earlier rollout left behind. Its lease ran
// out, or it would have been held. One that was rolled back but never released
// is put back again: its last write may have come after the rollback looked.
func (c *Controller) clear(ctx context.Context, model string) error {
	s, err := c.States.Load(ctx, model)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = c.States.Archived(ctx, model, s.Rollout)
	if err == nil || !fault.Is(err, fault.NotFound) {
		return err
	}
	if !s.Observed.IsZero() {
		return c.supersede(ctx, s)
	}
	if s.Phase != Promoted {
		if _, err := c.rollback(ctx, contract.RolloutStep{Model: model, Rollout: s.Rollout}, Abandoned{"abandoned: its lease ran out"}); err != nil {
			return err
		}
		if s, err = c.States.Load(ctx, model); err != nil {
			return err
		}
	}
	if !s.Phase.Done() {
		return fault.New(fault.Busy, "end the abandoned rollout "+s.Rollout, "it is still %s", s.Phase)
	}
	return c.States.Archive(ctx, s)
}

// outlast waits until no call of the rollout before can delete the endpoint any
// more; replace refuses what such a call overtakes.
func (c *Controller) outlast(ctx context.Context, model string) error {
	s, err := c.States.Load(ctx, model)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if left := s.Removing.Sub(c.Now()); left > 0 {
		return fault.Wrap(fault.Unavailable, "wait until the endpoint of "+model+" cannot be deleted any more", c.Sleep(ctx, left))
	}
	return nil
}

// supersede ends an observation, because the next release is here: the promotion
// stands, unless it is being reverted.
func (c *Controller) supersede(ctx context.Context, s State) error {
	step := contract.RolloutStep{Model: s.Model, Rollout: s.Rollout}
	s, err := c.advance(ctx, s, Confirm{"the next release began, so the promotion stands"})
	if err != nil {
		return err
	}
	if _, err := c.finish(ctx, step, s); err != nil {
		return err
	}
	if _, err := c.States.Archived(ctx, s.Model, s.Rollout); err != nil {
		return fault.New(fault.Unavailable, "end the observation of rollout "+s.Rollout, "it is not closed yet: %w", err)
	}
	return nil
}

// places finds where the champion serves and gives the candidate the other
// slot. It refuses an endpoint that does not serve what the alias says: a
// rollback could not know what to go back to.
func (c *Controller) places(ctx context.Context, model string, version int) (candidate, champion Place, err error) {
	alias, err := c.Catalog.Champion(ctx, model)
	if err != nil {
		return Place{}, Place{}, err
	}
	view, err := c.Backend.View(ctx, model)
	if err != nil {
		return Place{}, Place{}, err
	}
	candidate = Place{Version: version, Slot: contract.SlotBlue}
	if !view.Exists {
		return candidate, Place{Version: alias}, nil
	}
	for _, slot := range view.Slots {
		if alias != 0 && slot.Version == alias {
			champion = Place{Version: alias, Slot: slot.Slot, Instances: slot.Instances}
			candidate.Slot = contract.OtherSlot(slot.Slot)
			return candidate, champion, nil
		}
	}
	return Place{}, Place{}, fault.New(fault.Invalid, "begin a rollout of "+model,
		"the champion alias names version %d, but the endpoint serves %s", alias, versions(view)).
		WithHint("point the alias at the version that serves, or delete the endpoint")
}

func versions(v View) string {
	text := "nothing"
	for i, slot := range v.Slots {
		if i == 0 {
			text = ""
		} else {
			text += ", "
		}
		text += fmt.Sprintf("version %d in %s", slot.Version, slot.Slot)
	}
	return text
}

// Prepare puts the candidate into its slot: as the champion's shadow where the
// policy begins with one, and then at weight 0. A decision that does not
// hold any more ends the rollout instead.
func (c *Controller) Prepare(ctx context.Context, step contract.RolloutStep) (contract.RolloutCommand, error) {
	s, err := c.load(ctx, step)
	if err != nil {
		return c.closed(ctx, step, err)
	}
	if s.Phase != Acquired && s.Phase != Joining {
		return c.command(s), nil
	}
	if refusal, err := c.refusal(ctx, s); err != nil {
		return contract.RolloutCommand{}, err
	} else if refusal != "" {
		return c.reply(ctx, step, s, Abort{refusal})
	}
	if !s.First() {
		if _, err := c.restore(ctx, s, verifyFor); err != nil {
			return contract.RolloutCommand{}, err
		}
	}
	var config string
	placement := Placement{Model: s.Model, Rollout: s.Rollout, Artifact: s.Artifact, Slot: s.Candidate.Slot, Champion: s.Champion.Slot}
	_, err = c.poll(ctx, verifyFor, func() (bool, error) {
		if s.mirrors() {
			config, err = c.Backend.Shadow(ctx, placement, s.Policy.Shadow.Sample)
		} else {
			config, err = c.Backend.Prepare(ctx, placement)
		}
		return err == nil, err
	})
	switch {
	case err != nil:
		return contract.RolloutCommand{}, err
	case s.mirrors():
		return c.reply(ctx, step, s, Attached{Turn: s.Turn, Config: config})
	}
	return c.reply(ctx, step, s, Prepared{Turn: s.Turn, Config: config})
}

// reply advances and answers with what the new state asks for.
func (c *Controller) reply(ctx context.Context, step contract.RolloutStep, s State, o Observation) (contract.RolloutCommand, error) {
	next, err := c.advance(ctx, s, o)
	if err != nil {
		return c.closed(ctx, step, err)
	}
	return c.command(next), nil
}
