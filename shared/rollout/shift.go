package rollout

import (
	"context"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Shift writes the present step's weight. The state knows the weight before
// the endpoint does, and is read again after the write: when a rollback began
// meanwhile, the champion is put back at once.
func (c *Controller) Shift(ctx context.Context, step contract.RolloutStep) (contract.RolloutCommand, error) {
	s, err := c.load(ctx, step)
	if err != nil {
		return c.closed(ctx, step, err)
	}
	if err := c.renew(ctx, s); err != nil {
		return contract.RolloutCommand{}, err
	}
	if s.Phase == Shifting {
		if s, err = c.advance(ctx, s, BeginShift{Turn: s.Turn}); err != nil {
			return c.closed(ctx, step, err)
		}
	}
	if s.Phase != Verifying {
		return c.command(s), nil
	}
	written := c.write(ctx, step, s)
	s, err = c.load(ctx, step)
	if err != nil {
		return c.closed(ctx, step, err)
	}
	if s.Phase == RollingBack || s.Phase == RolledBack {
		return c.Rollback(ctx, step)
	}
	if written != nil {
		return contract.RolloutCommand{}, written
	}
	return c.command(s), nil
}

// write asks for the state's weights. While it waits out an update in progress
// it reads the state before each further try: the update may be a rollback.
func (c *Controller) write(ctx context.Context, step contract.RolloutStep, s State) error {
	first := true
	_, err := c.poll(ctx, verifyFor, func() (bool, error) {
		if !first {
			if now, err := c.load(ctx, step); err != nil || now.Turn != s.Turn {
				return err == nil, err
			}
		}
		first = false
		err := c.Backend.SetWeights(ctx, s.Model, s.Split(s.Weight))
		return err == nil, err
	})
	return err
}

// Verify reads the endpoint back until it is as asked, or for about 20 s. A
// candidate that has just joined must also answer a real row.
func (c *Controller) Verify(ctx context.Context, step contract.RolloutStep) (contract.RolloutCommand, error) {
	s, err := c.load(ctx, step)
	if err != nil {
		return c.closed(ctx, step, err)
	}
	if s.Phase == Waiting {
		return c.wake(ctx, step, s)
	}
	if s.Phase != Attaching && s.Phase != Preparing && s.Phase != Verifying {
		return c.command(s), nil
	}
	if err := c.renew(ctx, s); err != nil {
		return contract.RolloutCommand{}, err
	}
	looked := Looked{Turn: s.Turn, Condition: Moving}
	_, err = c.poll(ctx, verifyFor, func() (bool, error) {
		view, err := c.Backend.View(ctx, s.Model)
		if err != nil {
			return false, err
		}
		looked.Condition, looked.Detail = s.compare(view, s.Config)
		return looked.Condition != Moving, nil
	})
	if err != nil {
		return contract.RolloutCommand{}, err
	}
	if s.Phase == Preparing && looked.Condition == Settled {
		if looked.Smoke, err = c.smoke(ctx, s); err != nil {
			return contract.RolloutCommand{}, err
		}
	}
	if s, err = c.advance(ctx, s, looked); err != nil {
		return c.closed(ctx, step, err)
	}
	if looked.Condition == Moving {
		return c.again(s), nil
	}
	return c.command(s), nil
}

// wake looks after a rollout that waits: whether the endpoint still has its
// weights, and whether it may go on.
func (c *Controller) wake(ctx context.Context, step contract.RolloutStep, s State) (contract.RolloutCommand, error) {
	if err := c.renew(ctx, s); err != nil {
		return contract.RolloutCommand{}, err
	}
	view, err := c.Backend.View(ctx, s.Model)
	if err != nil {
		return contract.RolloutCommand{}, err
	}
	if condition, detail := view.Compare("", s.Split(s.Weight)); condition == Different || condition == Broken {
		return c.reply(ctx, step, s, Looked{Turn: s.Turn, Condition: condition, Detail: detail})
	}
	return c.reply(ctx, step, s, Woken{Turn: s.Turn})
}

// smoke gives the candidate's failure apart from ours: a row that cannot be
// read is no evidence against it. A slot that stays silent for the whole
// patience has failed.
func (c *Controller) smoke(ctx context.Context, s State) (failed, err error) {
	row, err := c.Catalog.Row(ctx, s.Model, s.Candidate.Version)
	if err != nil {
		return nil, err
	}
	_, failed = c.poll(ctx, verifyFor, func() (bool, error) {
		err := c.Backend.Smoke(ctx, s.Model, s.Candidate.Slot, row)
		return err == nil, err
	})
	if fault.Is(failed, fault.Denied) {
		return nil, failed
	}
	return failed, nil
}

// Analyze judges the bake when it is over.
func (c *Controller) Analyze(ctx context.Context, step contract.RolloutStep) (contract.RolloutCommand, error) {
	s, err := c.load(ctx, step)
	if err != nil {
		return c.closed(ctx, step, err)
	}
	now := c.Now()
	if s.Phase != Baking && s.Phase != Mirroring || now.Before(s.lookAt()) {
		return c.command(s), nil
	}
	if err := c.renew(ctx, s); err != nil {
		return contract.RolloutCommand{}, err
	}
	view, err := c.Backend.View(ctx, s.Model)
	if err != nil {
		return contract.RolloutCommand{}, err
	}
	if condition, detail := s.compare(view, ""); condition == Different || condition == Broken {
		return c.reply(ctx, step, s, Looked{Turn: s.Turn, Condition: condition, Detail: detail})
	}
	q := s.Question(now)
	m, err := c.Gauge.Measure(ctx, q)
	if err != nil {
		m = Measurements{From: q.From, To: now, Problem: err.Error()}
	}
	return c.reply(ctx, step, s, Measured{Turn: s.Turn, Measurements: m})
}

// Question asks for what the present bake is judged by: all of it, or what is
// new since the last look.
func (s State) Question(now time.Time) Question {
	q := Question{Model: s.Model, Candidate: s.Candidate.Slot, Champion: s.Champion.Slot, From: s.BakeFrom, To: now, Serving: s.Serving,
		Pairs: s.Phase == Mirroring, Slices: s.Policy.Slices.By}
	if s.Phase == Mirroring {
		q.Serving = s.Since
	}
	if s.sequential() {
		q.Slow, q.Increment = time.Duration(s.Policy.LatencyP99), true
		if s.Trial != nil && !s.Trial.Until.IsZero() {
			q.From = s.Trial.Until
		}
		q.From = earlier(q.From, now) // a step's deadline may come before its warm-up ends
	}
	return q
}
