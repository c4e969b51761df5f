package rollout

import "github.com/sluice-ml/sluice/shared/trainconfig"

// Need is how much a measure takes to be judged at a step.
type Need struct {
	Measure  string
	Requests int64 // the candidate's
	Labels   bool  // Requests with a label, that is
}

// Needs says what it takes, about, to pass a first step at a weight, above 0, for
// a candidate that is just like a champion with these rates (Accuracy is the share
// of wrong answers). None where no number of requests would do.
func (p Policy) Needs(weight float64, champion trainconfig.Rates) []Need {
	if p.Analysis.Mode != "sequential" || weight >= 100 {
		needs := []Need{{"error_rate", p.MinRequests, false}, {"latency_p99", p.MinRequests, false}}
		if p.Accuracy > 0 && p.Analysis.Mode != "sequential" {
			needs = append(needs, Need{"accuracy", p.MinRequests, true})
		}
		return needs
	}
	margin, effect := p.Analysis.Margin, p.Analysis.Effect
	var needs []Need
	for _, m := range []struct {
		measure                  string
		champion, margin, effect float64
		labels                   bool
	}{
		{"error_rate_rise", champion.ErrorRate, margin.ErrorRate, effect.ErrorRate, false},
		{"slow_rate_rise", champion.SlowRate, margin.SlowRate, effect.SlowRate, false},
		{"accuracy_drop", champion.Accuracy, margin.Accuracy, effect.Accuracy, true},
	} {
		if m.labels && p.Accuracy == 0 {
			continue
		}
		d := p.design(max(m.champion, 1e-4), m.margin, m.effect, weight, p.share())
		floor, err := d.Floor()
		if err != nil {
			continue
		}
		if clears, err := d.Clears(); err == nil {
			floor = min(floor, clears)
		}
		needs = append(needs, Need{m.measure, max(floor, p.MinRequests), m.labels})
	}
	return needs
}
