package simulation

import "time"

// The endings of a rollout.
const (
	Promoted   = "promoted"
	RolledBack = "rolled_back" // on evidence
	Expired    = "expired"     // given up at a deadline, without evidence
	Shadowed   = "shadowed"    // its shadow passed, and nothing follows
)

// Ending is how a rule ended a rollout, at the world's time.
type Ending struct {
	How      string
	Measures []string // what spoke against the candidate
}

// Rule steers rollouts.
type Rule struct {
	Name  string
	About string // its constants and where they are from
	// Period is the metrics' period it works with; 0 is the scene's.
	Period time.Duration
	Steer  func(w *World) Ending
}

// Run is one rollout's outcome.
type Run struct {
	Ending
	Took     time.Duration // until the decision
	Requests int64         // the candidate's until then
	Before   float64       // excess of bad answers until then
	Excess   float64       // the same until the horizon
}

// Play runs a rule over a scene once. The scene must have passed Check.
func Play(s Scene, r Rule, seed, run uint64) (Run, error) {
	if r.Period > 0 {
		s.Period = r.Period
	}
	w, err := newWorld(s, seed, run)
	if err != nil {
		return Run{}, err
	}
	ending := r.Steer(w)
	out := Run{Ending: ending, Took: w.now.Sub(w.start), Requests: w.requests, Before: w.excess}
	w.settle(ending.How == Promoted)
	out.Excess = w.excess
	return out, nil
}
