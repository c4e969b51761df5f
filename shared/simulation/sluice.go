package simulation

import (
	"slices"
	"time"

	"github.com/sluice-ml/sluice/shared/rollout"
)

// Sluice drives the machine of shared/rollout by a policy: with the actions that
// it asks for and the questions that its controller would put. The endpoint does
// at once what it is told.
func Sluice(name, about string, p rollout.Policy) Rule {
	return Rule{Name: name, About: about, Steer: func(w *World) Ending {
		d := driver{w: w, state: rollout.State{
			Rollout: "simulated", Model: "simulated", Policy: p, Phase: rollout.Acquired, Started: w.now,
			Candidate: rollout.Place{Version: 2, Slot: candidateSlot, Instances: 1},
			Champion:  rollout.Place{Version: 1, Slot: championSlot, Instances: 1},
		}}
		for d.step() {
		}
		return d.ending
	}}
}

type driver struct {
	w      *World
	state  rollout.State
	weight float64 // in force
	ending Ending
}

// step carries out what the state asks for; false at the end.
func (d *driver) step() bool {
	c := rollout.Next(d.state, d.w.now)
	if c.Wait > 0 {
		// The state machine waits whole seconds.
		d.serve(d.w.now.Add(c.Wait + time.Second - 1).Truncate(time.Second))
	}
	turn := d.state.Turn
	switch c.Action {
	case rollout.Prepare:
		d.prepare(turn)
	case rollout.Shift:
		d.decide(rollout.BeginShift{Turn: turn})
		d.weight = d.state.Weight
	case rollout.Verify:
		d.verify(turn)
	case rollout.Bake, rollout.Analyze:
		q := d.state.Question(d.w.now)
		m, err := d.w.Measure(q)
		if q.Pairs && err == nil {
			m.Pairs = d.w.pairs(m.Candidate.Requests)
		}
		if err != nil {
			m = rollout.Measurements{From: q.From, To: d.w.now, Problem: err.Error()}
		}
		d.decide(rollout.Measured{Turn: turn, Measurements: m})
	case rollout.Promote:
		d.ending = Ending{How: Promoted}
		return false
	case rollout.Rollback:
		d.weight = 0
		d.ending = d.why()
		if d.state.Policy.ShadowOnly && d.state.Mirrored {
			d.ending = Ending{How: Shadowed}
		}
		return false
	}
	return true
}

// prepare attaches the shadow that the policy begins with, or has the candidate
// join.
func (d *driver) prepare(turn int64) {
	p := d.state.Policy
	if p.Shadow.Duration > 0 && !d.state.Mirrored {
		d.decide(rollout.Attached{Turn: turn, Config: "simulated"})
		return
	}
	d.decide(rollout.Prepared{Turn: turn, Config: "simulated"})
}

// verify reads the weights back, or wakes a rollout that waits. Nobody is there
// to approve: that is done at once.
func (d *driver) verify(turn int64) {
	if d.state.Phase != rollout.Waiting {
		d.decide(rollout.Looked{Turn: turn, Condition: rollout.Settled})
		return
	}
	d.decide(rollout.Approve{By: "the simulation"})
	d.decide(rollout.Woken{Turn: d.state.Turn})
}

// serve lets time pass. A shadow is asked beside the champion, and what it does
// to the requests is nobody's.
func (d *driver) serve(until time.Time) {
	if d.state.Phase == rollout.Mirroring {
		d.w.Mirror(until, d.state.Policy.Shadow.Sample)
		return
	}
	d.w.Serve(until, d.weight, 100-d.weight)
}

func (d *driver) decide(o rollout.Observation) {
	d.state = rollout.Decide(d.state, o, d.w.now).State
}

// why says what the rollback was decided on.
func (d *driver) why() Ending {
	last := d.state.History[len(d.state.History)-1]
	var measures []string
	for _, f := range last.Findings {
		if f.Verdict == rollout.Fail && !f.Shared {
			measures = append(measures, f.Measure)
		}
	}
	if len(measures) == 0 {
		return Ending{How: Expired}
	}
	slices.Sort(measures)
	return Ending{How: RolledBack, Measures: measures}
}
