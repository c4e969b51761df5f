package simulation

import (
	"time"

	"github.com/sluice-ml/sluice/shared/rollout"
)

// ThreeStrikes is the rule that people write first: after every bake each point
// estimate is held against its limit, and max_failures bad bakes in a row roll
// back. It knows no least number of requests, no interval and no champion. A
// bake without requests, or whose metrics cannot be read, is repeated.
func ThreeStrikes(p rollout.Policy) Rule {
	return Rule{
		Name: "three strikes", About: "point estimates of each bake against the limits, failures in a row roll back",
		Period: 10 * time.Second,
		Steer:  func(w *World) Ending { return (&strikes{policy: p, w: w, serving: w.now}).steer() },
	}
}

type strikes struct {
	policy   rollout.Policy
	w        *World
	serving  time.Time
	failures int
}

func (s *strikes) steer() Ending {
	for _, weight := range s.policy.Steps {
		for passed := false; !passed; {
			from := s.w.now
			s.w.Serve(from.Add(time.Duration(s.policy.Bake)), weight, 100-weight)
			if s.w.now.Sub(s.serving) >= time.Duration(s.policy.Deadline) {
				return Ending{How: Expired}
			}
			bad, known := s.look(from)
			if !known {
				continue
			}
			s.failures++
			if passed = len(bad) == 0; passed {
				s.failures = 0
			}
			if s.failures >= s.policy.MaxFailures {
				return Ending{How: RolledBack, Measures: bad}
			}
		}
	}
	return Ending{How: Promoted}
}

// look gives the measures that are beyond their limits.
func (s *strikes) look(from time.Time) (bad []string, known bool) {
	m, err := s.w.Measure(rollout.Question{From: from, To: s.w.now, Serving: s.serving, Slow: time.Duration(s.policy.LatencyP99)})
	if err != nil || m.Candidate.Requests == 0 {
		return nil, false
	}
	v := m.Candidate
	if v.Labels > 0 && v.Accuracy() < s.policy.Accuracy {
		bad = append(bad, "accuracy")
	}
	if v.ErrorRate() > s.policy.ErrorRate {
		bad = append(bad, "error_rate")
	}
	// A p99 is above its limit when more than one request in a hundred is.
	if float64(*v.Slow) > 0.01*float64(v.Requests) {
		bad = append(bad, "latency_p99")
	}
	return bad, true
}
