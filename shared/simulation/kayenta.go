package simulation

import (
	"math"
	"slices"
	"time"
)

// Kayenta's published constants: NetflixACAJudge-v1.0 makes its Mann–Whitney
// classifier with confidence level 0.98 and tolerance 0.25 (spinnaker/kayenta,
// kayenta-judge NetflixACAJudge.scala); thresholds 75 (marginal) and 95 (pass)
// are those of its example configurations; a lifetime of 3 hours judged every
// hour, with a baseline as large as the canary, is Spinnaker's "best practices
// for configuring canary".
const (
	kayentaLevel     = 0.98
	kayentaTolerance = 0.25
	kayentaMarginal  = 75
	kayentaPass      = 95
	kayentaLifetime  = 3 * time.Hour
	kayentaInterval  = time.Hour
	kayentaWeight    = 10 // percent for the canary, and for the baseline; ours
)

// Kayenta is Netflix's automated canary analysis: one metric each in three groups
// of equal weight (error rate, p99, share of wrong answers; an increase is bad),
// a point a minute, minutes without data left out. Each interval everything since
// the start is judged. A score below marginal fails at once; the last one must
// pass. The canary has its share all the time and is promoted at the end.
func Kayenta() Rule {
	return Rule{
		Name: "Kayenta", About: "Mann–Whitney, confidence 0.98, tolerance 0.25, thresholds 75/95, lifetime 3 h, interval 1 h, 10 % canary and 10 % baseline",
		Period: time.Minute,
		Steer: func(w *World) Ending {
			for w.now.Sub(w.start) < kayentaLifetime {
				w.Serve(w.now.Add(kayentaInterval), kayentaWeight, kayentaWeight)
				score, failed := w.kayentaScore()
				last := w.now.Sub(w.start) >= kayentaLifetime
				if score < kayentaMarginal || last && score < kayentaPass {
					return Ending{How: RolledBack, Measures: failed}
				}
			}
			return Ending{How: Promoted}
		},
	}
}

// kayentaScore is 0 to 100, with the metrics that did not pass. A metric without
// data loses its group's share, as in Kayenta's weighted sum.
func (w *World) kayentaScore() (score float64, failed []string) {
	metrics := []struct {
		name  string
		delay time.Duration
		value func(t tally) float64
	}{
		{"error_rate", w.scene.MetricDelay, func(t tally) float64 { return 100 * rateOf(t.errors, t.requests) }},
		{"latency_p99", w.scene.MetricDelay, func(t tally) float64 {
			if t.requests == 0 {
				return math.NaN()
			}
			return t.p99
		}},
		{"accuracy", w.scene.LabelDelay, func(t tally) float64 { return 100 * rateOf(t.labels-t.correct, t.labels) }},
	}
	for _, m := range metrics {
		var canary, baseline []float64
		if !w.down() {
			for _, c := range w.window(w.start, w.now, m.delay) {
				canary = known(canary, m.value(c.candidate))
				baseline = known(baseline, m.value(c.champion))
			}
		}
		switch pass, data := kayentaPasses(canary, baseline); {
		case pass:
			score += 100 / float64(len(metrics))
		case data:
			failed = append(failed, m.name)
		default:
			failed = append(failed, noValues)
		}
	}
	return math.Round(score*1e6) / 1e6, failed
}

func known(points []float64, value float64) []float64 {
	if math.IsNaN(value) {
		return points
	}
	return append(points, value)
}

// kayentaPasses classifies a metric of which more is worse: it is High, and
// fails, when the interval of the shift lies above a quarter of the estimate.
func kayentaPasses(canary, baseline []float64) (pass, data bool) {
	if len(canary) == 0 || len(baseline) == 0 {
		return false, false
	}
	slices.Sort(canary)
	slices.Sort(baseline)
	if slices.Equal(canary, baseline) {
		return true, true
	}
	shift, err := shiftOf(canary, baseline, kayentaLevel)
	if err != nil { // two constants: Kayenta adds noise and finds the greater
		return canary[0] <= baseline[0], true
	}
	// Where many points are equal both are 0 but for the solver's last digits.
	return shift.low <= kayentaTolerance*math.Abs(shift.estimate)+1e-9, true
}
