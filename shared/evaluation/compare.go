package evaluation

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Ways to compare in pairs, beside ByDeLong, ByMean and ByBootstrap.
const (
	// ByMcNemar is the exact test of who is right where one is wrong (McNemar
	// 1947), with the normal interval of the mean difference.
	ByMcNemar = "McNemar exact"
)

// Comparison is a metric of one scoring less that of another of the same rows.
type Comparison struct {
	Name       string  `json:"name"`
	First      float64 `json:"first"`
	Second     float64 `json:"second"`
	Difference float64 `json:"difference"` // first less second
	Low        float64 `json:"low"`        // of the difference
	High       float64 `json:"high"`
	Confidence float64 `json:"confidence"`
	P          float64 `json:"p"` // two-sided, of no difference
	Method     string  `json:"method"`
}

// Compare tests in pairs whether a metric differs between two scorings of the
// same rows: the AUC by DeLong, accuracy by McNemar, losses by the mean
// difference, others by the bootstrap, which draws the same rows of both. The
// error is a fault of kind Invalid.
func Compare(metric string, a, b Sample, confidence float64, r Resampling) (Comparison, error) {
	c := Comparison{Name: metric, Confidence: confidence}
	if !slices.Equal(a.Label, b.Label) || !slices.Equal(a.Weight, b.Weight) {
		return c, invalid("the two samples are not of the same rows")
	}
	if err := checkConfidence(confidence); err != nil {
		return c, err
	}
	var err error
	if c.First, err = Metric(metric, a); err != nil {
		return c, err
	}
	if c.Second, err = Metric(metric, b); err != nil {
		return c, err
	}
	c.Difference = c.First - c.Second
	switch metric {
	case MetricAUC:
		err = c.auc(a, b)
	case MetricAccuracy:
		right := func(s Sample, i int) float64 {
			if (s.Score[i] >= s.threshold()) == (s.Label[i] == 1) {
				return 1
			}
			return 0
		}
		c.means(a, func(i int) float64 { return right(a, i) - right(b, i) })
		if a.Weight == nil {
			c.mcnemar(len(a.Label), func(i int) float64 { return right(a, i) - right(b, i) })
		}
	case MetricLogLoss, MetricBrier:
		loss := lossOf(metric)
		c.means(a, func(i int) float64 { return loss(a.Label[i], a.Score[i]) - loss(b.Label[i], b.Score[i]) })
	default:
		c.Method = ByBootstrap
		c.Low, c.High, c.P, err = BootstrapDifference(metric, a, b, confidence, r)
	}
	if err == nil && !finite(c.Low+c.High+c.P) {
		err = invalid("the spread of %s cannot be told from so few rows", metric)
	}
	return c, err
}

func (c *Comparison) auc(a, b Sample) error {
	first, err := PlacementsOf(a)
	if err != nil {
		return err
	}
	second, err := PlacementsOf(b)
	if err != nil {
		return err
	}
	d, err := Paired(first, second)
	if err != nil {
		return err
	}
	c.Method, c.P = ByDeLong, d.PValue(0)
	c.Low, c.High = d.Interval(c.Confidence)
	return nil
}

// means tests the mean of the rows' differences.
func (c *Comparison) means(s Sample, difference func(int) float64) {
	mean, variance := linearised(len(s.Label), s.weight, difference)
	c.Method = ByMean
	c.Low, c.High = around(mean, variance, c.Confidence)
	c.P = Difference{Value: mean, Variance: variance}.PValue(0)
}

// mcnemar takes the exact p-value of rows that only one gets right.
func (c *Comparison) mcnemar(n int, difference func(int) float64) {
	var first, second float64
	for i := range n {
		switch difference(i) {
		case 1:
			first++
		case -1:
			second++
		}
	}
	c.Method, c.P = ByMcNemar, 1
	if apart := first + second; apart > 0 {
		c.P = math.Min(1, 2*distuv.Binomial{N: apart, P: 0.5}.CDF(math.Min(first, second)))
	}
}
