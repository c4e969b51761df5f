package rollout

import (
	"context"
	"fmt"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Observe looks after a provisional promotion: it judges the labels that came
// late, ends the observation when its time is over, and finishes what was
// decided. Whoever calls it regularly, e.g. the monitor, need not know whether
// there is anything to observe. NotFound when the model never had a rollout.
func (c *Controller) Observe(ctx context.Context, step contract.RolloutStep) (contract.RolloutCommand, error) {
	s, err := c.load(ctx, step)
	if err != nil {
		return c.closed(ctx, step, err)
	}
	if s.Phase == Observing {
		if ready, err := c.fill(ctx, s); err != nil || !ready { // somebody changed the weights
			return c.again(s), err
		}
		o, err := c.late(ctx, s)
		if err != nil {
			return contract.RolloutCommand{}, err
		}
		if s, err = c.advance(ctx, s, o); err != nil {
			return c.closed(ctx, step, err)
		}
	}
	if s.Observed.IsZero() {
		return c.done(s), nil // never observed: the state machine looks after it
	}
	return c.finish(ctx, step, s)
}

// late is what is known when an observation is looked at.
func (c *Controller) late(ctx context.Context, s State) (Observation, error) {
	now := c.Now()
	if !now.Before(s.Observed) {
		return Confirm{fmt.Sprintf("nothing spoke against version %d for %s", s.Candidate.Version, s.Policy.Observe)}, nil
	}
	m, err := c.Gauge.Measure(ctx, Question{Model: s.Model, Candidate: s.Candidate.Slot, Champion: s.Champion.Slot, From: s.Since, To: now, Serving: s.Serving, Slices: s.Policy.Slices.By})
	if err != nil {
		m = Measurements{From: s.Since, To: now, Problem: err.Error()}
	}
	return Labelled{Turn: s.Turn, Measurements: m}, nil
}

// finish carries out what an observation was ended with. No state machine runs
// any more, so it goes on to the record.
func (c *Controller) finish(ctx context.Context, step contract.RolloutStep, s State) (contract.RolloutCommand, error) {
	step.Rollout = s.Rollout
	var command contract.RolloutCommand
	var err error
	switch s.Phase {
	case Confirming:
		command, err = c.leave(ctx, step, s)
	case Reverting:
		command, err = c.putBack(ctx, step, s)
	case Promoted, RolledBack:
		if _, err := c.States.Archived(ctx, s.Model, s.Rollout); err == nil || !fault.Is(err, fault.NotFound) {
			return c.done(s), err
		}
		return c.Release(ctx, step)
	default:
		return c.done(s), nil
	}
	if err != nil || command.Action != string(Release) {
		return command, err
	}
	return c.Release(ctx, step)
}

// promoted: the candidate is the champion; for good, or to be observed. Once
// observed and confirmed, the old champion is gone.
func (m *machine) promoted(notice string) {
	if m.Phase != Promoting && m.Phase != Confirming {
		return
	}
	if notice != "" {
		m.say(notice)
	}
	text := fmt.Sprintf("version %d is the champion", m.Candidate.Version)
	m.Outcome = string(Promoted)
	if m.Phase == Promoting && m.provisional() {
		m.Observed = m.now.Add(time.Duration(m.Policy.Observe))
		m.enter(Observing, Record{Reason: text + ", provisionally until " + m.Observed.UTC().Format(time.RFC3339)})
		return
	}
	m.enter(Promoted, Record{Reason: text})
}

// provisional says that a promotion can be taken back for a while.
func (s State) provisional() bool { return s.Policy.Observe > 0 && !s.First() }

func (m *machine) confirm(reason string) {
	if m.Phase == Observing {
		m.enter(Confirming, Record{Reason: reason})
	}
}

func (m *machine) revert(reason string) { m.revertWith(Record{Reason: reason}) }

func (m *machine) revertWith(r Record) {
	if m.Phase != Observing {
		m.refuse("nothing to revert")
		return
	}
	m.say(fmt.Sprintf("version %d of %s was promoted provisionally; version %d comes back: %s", m.Candidate.Version, m.Model, m.Champion.Version, r.Reason))
	m.enter(Reverting, r)
}

// labelled: only what labels say is judged. Errors and latency have alarms.
func (m *machine) labelled(measured Measurements) {
	if m.Phase != Observing || measured.Problem != "" {
		return
	}
	findings := m.Policy.triggered(measured)
	if m.Policy.Accuracy > 0 {
		findings = append(findings, m.Policy.accuracy(measured.Candidate))
	}
	findings = append(findings, m.Policy.sliced(measured)...)
	j := summarise(findings)
	switch {
	case len(findings) == 0 || j.Verdict != Fail:
	case m.Policy.Hold && m.Reason == j.Reason: // told already
	case m.Policy.Hold:
		m.say("rollback is disabled, so the promotion stands: " + j.Reason)
		m.enter(Observing, Record{Verdict: j.Verdict, Reason: j.Reason, Measurements: &measured, Findings: j.Findings})
	default:
		m.revert(j.Reason)
	}
}
