package simulation

import (
	"fmt"
	"time"
)

// FlaggerAnalysis is the analysis block of a Flagger Canary.
type FlaggerAnalysis struct {
	Interval   time.Duration
	Threshold  int           // failed checks, then rollback; never reset
	MaxWeight  float64       // percent
	StepWeight float64       // percent
	MinSuccess float64       // percent of requests
	MaxP99     time.Duration // request-duration
}

// The two examples of Flagger's own documentation: docs/gitbook/usage/how-it-works.md
// and docs/gitbook/tutorials/istio-progressive-delivery.md in fluxcd/flagger.
// Both check every minute that 99 % of the requests succeed and that their p99 is
// at most 500 ms.
var (
	flaggerHowItWorks = FlaggerAnalysis{time.Minute, 10, 50, 5, 99, 500 * time.Millisecond}
	flaggerTutorial   = FlaggerAnalysis{time.Minute, 5, 50, 10, 99, 500 * time.Millisecond}
)

// Flagger is fluxcd/flagger's canary analysis (pkg/controller/scheduler.go). Each
// interval: enough failed checks roll back; else the metrics of the last interval
// are checked, at first nothing; a check that fails, or finds no values, counts;
// one that passes raises the weight, or promotes at the greatest. Labels are none
// of its built-in metrics, so accuracy is not checked.
func Flagger(a FlaggerAnalysis) Rule {
	return Rule{
		Name: fmt.Sprintf("Flagger %d/%g", a.Threshold, a.StepWeight),
		About: fmt.Sprintf("interval %v, threshold %d, maxWeight %g, stepWeight %g, request-success-rate ≥ %g, request-duration ≤ %v",
			a.Interval, a.Threshold, a.MaxWeight, a.StepWeight, a.MinSuccess, a.MaxP99),
		Period: 15 * time.Second, // Prometheus's usual scrape
		Steer: func(w *World) Ending {
			weight, failed := 0.0, 0
			var last []string
			for {
				if failed >= a.Threshold {
					return flaggerEnd(last)
				}
				switch bad := a.check(w, weight); {
				case len(bad) > 0:
					failed, last = failed+1, bad
				case weight >= a.MaxWeight:
					return Ending{How: Promoted}
				default:
					weight += a.StepWeight
				}
				w.Serve(w.now.Add(a.Interval), weight, 100-weight)
			}
		},
	}
}

// noValues is what a check without data fails on.
const noValues = "no values"

// flaggerEnd is a rollback; one for a last check without data is still one.
func flaggerEnd(last []string) Ending { return Ending{How: RolledBack, Measures: last} }

// check gives what is wrong with the last interval.
func (a FlaggerAnalysis) check(w *World, weight float64) []string {
	if weight == 0 {
		return nil
	}
	var t tally
	for _, c := range w.window(w.now.Add(-a.Interval), w.now, w.scene.MetricDelay) {
		t.plus(c.candidate)
	}
	if w.down() || t.requests == 0 {
		return []string{noValues}
	}
	if 100*(1-rateOf(t.errors, t.requests)) < a.MinSuccess {
		return []string{"error_rate"}
	}
	if float64(t.slow) > 0.01*float64(t.requests) {
		return []string{"latency_p99"}
	}
	return nil
}
