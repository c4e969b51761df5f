package evaluation

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

// populations make n rows of a goal: their metrics over very many are the truth.
func populations() map[string]func(r *rand.Rand, n int) measurable {
	return map[string]func(r *rand.Rand, n int) measurable{
		"regression": func(r *rand.Rand, n int) measurable {
			v := Values{}
			for range n {
				label := math.Exp(0.5 * r.NormFloat64())
				v.Label, v.Score = append(v.Label, label), append(v.Score, label*math.Exp(0.3*r.NormFloat64()))
			}
			return v
		},
		"multiclass": func(r *rand.Rand, n int) measurable {
			c := Classes{Names: []string{"a", "b", "c"}, Probability: make([][]float64, 3)}
			for range n {
				label := []int{0, 0, 0, 1, 1, 2}[r.IntN(6)]
				sum, e := 0.0, [3]float64{}
				for k := range e {
					e[k] = math.Exp(r.NormFloat64() + 1.5*indicator(k == label))
					sum += e[k]
				}
				c.Label = append(c.Label, float64(label))
				for k := range e {
					c.Probability[k] = append(c.Probability[k], e[k]/sum)
				}
			}
			return c
		},
		"ranking": func(r *rand.Rand, n int) measurable {
			q := Queries{}
			for k := range n / 6 {
				for range 4 + r.IntN(5) {
					label := float64(r.IntN(4))
					q.Label, q.Score = append(q.Label, label), append(q.Score, label+2*r.NormFloat64())
					q.Query = append(q.Query, strconv.Itoa(k))
				}
			}
			return q
		},
	}
}

// TestIntervalsCoverTheTruth: of 95 % intervals over 400 rows (66 queries), drawn
// 400 times, about 95 % hold the metric of the whole population (the count itself
// is uncertain by 1.1 %). The errors of this regression are so skewed that a few
// rows make the mean square: its intervals hold it 91 times in a hundred.
func TestIntervalsCoverTheTruth(t *testing.T) {
	const draws, rows = 400, 400
	metrics := map[string][]string{
		"regression": {MetricRMSE, MetricMAE, MetricMedianError, MetricMAPE, MetricRMSLE},
		"multiclass": {MetricAccuracy, MetricBalancedAccuracy, MetricPrecisionMacro, MetricF1Macro, MetricF1Weighted, MetricAUCOvR, MetricLogLoss},
		"ranking":    {MetricNDCG, "ndcg@3", MetricMAP},
	}
	for name, make := range populations() {
		whole := make(rand.New(rand.NewPCG(1, 1)), 200_000)
		held, truth := map[string]int{}, map[string]float64{}
		for _, metric := range metrics[name] {
			var err error
			if truth[metric], err = whole.Metric(metric); err != nil {
				t.Fatal(err)
			}
		}
		random := rand.New(rand.NewPCG(2, 2))
		for range draws {
			sample := make(random, rows)
			for _, metric := range metrics[name] {
				e, err := sample.Measure(metric, 0.95)
				if err != nil {
					t.Fatalf("%s %s: %v", name, metric, err)
				}
				if e.Low <= truth[metric] && truth[metric] <= e.High {
					held[metric]++
				}
			}
		}
		for _, metric := range metrics[name] {
			least := 0.92
			if metric == MetricRMSE {
				least = 0.89
			}
			if share := float64(held[metric]) / draws; share < least {
				t.Errorf("%s %s: %.3f of the intervals hold the truth", name, metric, share)
			} else {
				t.Logf("%s %s: %.3f", name, metric, share)
			}
		}
	}
}
