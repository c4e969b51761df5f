package evaluation

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Values are numbers and what a model said they are (regression); index i of
// each is one row.
type Values struct {
	Label  []float64
	Score  []float64
	Weight []float64 // how much each row counts, 0 or more; nil: each 1
}

// Metrics of regression, as configurations write them.
const (
	MetricRMSE              = "rmse"
	MetricMAE               = "mae"
	MetricMSE               = "mse"
	MetricMedianError       = "median_absolute_error"
	MetricMAPE              = "mape"
	MetricRMSLE             = "rmsle"
	MetricR2                = "r2"
	MetricExplainedVariance = "explained_variance"
	// MetricMeanResidual is the mean of label − score: above 0, the model says
	// too little. It tells groups apart and has no threshold.
	MetricMeanResidual = "mean_residual"
)

// Ways to make an interval.
const (
	ByLogarithm  = "influence, log"
	ByLog        = "influence, log of the rest" // of 1 − v
	ByOrder      = "order statistics"
	ByWoodruff   = "Woodruff"
	ByWilsonMean = "Wilson, mean of classes"
	ByStudent    = "Student, over queries"
)

// Check says what is wrong: no rows, columns of unequal length, numbers that are
// not finite. The error is a fault of kind Invalid.
func (v Values) Check() error {
	n := len(v.Label)
	if n == 0 {
		return invalid("no rows")
	}
	if len(v.Score) != n {
		return invalid("%d labels and %d scores are not aligned", n, len(v.Score))
	}
	for i := range n {
		if !finite(v.Label[i]) || !finite(v.Score[i]) {
			return invalid("row %d: the label %v or the score %v is not finite", i+1, v.Label[i], v.Score[i])
		}
	}
	return checkWeights(v.Weight, n)
}

// counting is the rows that count.
func (v Values) counting() Values {
	if rows := Counting(v.Weight); rows != nil {
		return v.Take(rows)
	}
	return v
}

func (v Values) mean(metric string, values []float64) Linear {
	return weights(v.Weight).mean(metric, values)
}

// each is a value of every row.
func (v Values) each(of func(label, score float64) float64) []float64 {
	out := make([]float64, len(v.Label))
	for i := range out {
		out[i] = of(v.Label[i], v.Score[i])
	}
	return out
}

func squared(label, score float64) float64  { return (score - label) * (score - label) }
func absError(label, score float64) float64 { return math.Abs(score - label) }

func squaredLog(label, score float64) float64 {
	d := math.Log1p(score) - math.Log1p(label)
	return d * d
}

// Linear is a metric to first order. Errors are faults of kind Invalid: a metric
// that is not defined for these rows is never a number.
func (v Values) Linear(metric string) (Linear, error) {
	if err := v.Check(); err != nil {
		return Linear{}, err
	}
	v = v.counting()
	switch metric {
	case MetricRMSE:
		return v.mean(metric, v.each(squared)).root(metric), nil
	case MetricMSE:
		return v.mean(metric, v.each(squared)), nil
	case MetricMAE:
		return v.mean(metric, v.each(absError)), nil
	case MetricMeanResidual:
		return v.mean(metric, v.each(func(label, score float64) float64 { return label - score })), nil
	case MetricMAPE:
		if i := slices.Index(v.Label, 0); i >= 0 {
			return Linear{}, invalid("mape is not defined: the label of row %d is 0, of which no error is a share", i+1)
		}
		return v.mean(metric, v.each(func(label, score float64) float64 { return math.Abs(score-label) / math.Abs(label) })), nil
	case MetricRMSLE:
		for i := range v.Label {
			if v.Label[i] <= -1 || v.Score[i] <= -1 {
				return Linear{}, invalid("rmsle is not defined: the label %v or the score %v of row %d is not above -1", v.Label[i], v.Score[i], i+1)
			}
		}
		return v.mean(metric, v.each(squaredLog)).root(metric), nil
	case MetricR2, MetricExplainedVariance:
		return v.explained(metric)
	}
	return Linear{}, invalid("%q is no metric of regression that can be compared in pairs", metric)
}

// explained is 1 − E/V, where V is the variance of the labels and E the mean
// squared error (r2) or the variance of the errors (explained_variance).
func (v Values) explained(metric string) (Linear, error) {
	mean := v.mean("", v.Label).Value
	bias := 0.0
	if metric == MetricExplainedVariance {
		bias = v.mean("", v.each(func(label, score float64) float64 { return label - score })).Value
	}
	left := v.each(func(label, score float64) float64 { return (label - score - bias) * (label - score - bias) })
	spread := v.each(func(label, _ float64) float64 { return (label - mean) * (label - mean) })
	e, all := v.mean("", left).Value, v.mean("", spread).Value
	if !(all > 0) {
		return Linear{}, invalid("%s is not defined: every label is %v", metric, v.Label[0])
	}
	w := weights(v.Weight)
	total := w.total(len(left))
	l := Linear{Name: metric, Value: 1 - e/all, Influence: make([]float64, len(left))}
	for i := range left {
		l.Influence[i] = -w.of(i) * ((left[i]-e)/all - e*(spread[i]-all)/all/all) / total
	}
	return l, nil
}

// Metric computes a metric by its name. Errors are faults of kind Invalid.
func (v Values) Metric(metric string) (float64, error) {
	if metric == MetricMedianError {
		if err := v.Check(); err != nil {
			return 0, err
		}
		if v = v.counting(); v.Weight != nil {
			return ordered(v.each(absError), v.Weight).median(), nil
		}
		return median(slices.Sorted(slices.Values(v.each(absError)))), nil
	}
	l, err := v.Linear(metric)
	return l.Value, err
}

func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Measure computes a metric with its interval. Errors are faults of kind
// Invalid. The intervals:
//
//   - mae, mse, mape: the normal interval of a mean over rows.
//   - rmse, rmsle: normal in ln(v), with the variance of the mean square.
//   - median_absolute_error: the order statistics whose ranks a binomial count
//     leaves open, which holds for any distribution; of weighted rows, Woodruff's.
//   - r2, explained_variance: normal in ln(1 − v), with the variance of the
//     influence function.
func (v Values) Measure(metric string, confidence float64) (Estimate, error) {
	e := Estimate{Name: metric, Confidence: confidence}
	if err := checkConfidence(confidence); err != nil {
		return e, err
	}
	if metric == MetricMedianError {
		return v.measureMedian(e)
	}
	l, err := v.Linear(metric)
	if err != nil {
		return e, err
	}
	e.Value = l.Value
	switch metric {
	case MetricRMSE, MetricRMSLE:
		e.logarithm(l)
	case MetricR2, MetricExplainedVariance:
		e.rest(l)
	default:
		e.Low, e.High = around(l.Value, l.Variance(), confidence)
		e.Method = ByMean
		if metric != MetricMeanResidual {
			e.Low = math.Max(0, e.Low)
		}
	}
	if !finite(e.High) || !finite(e.Low) {
		return e, invalid("the spread of %s cannot be told from %d rows", metric, len(v.Label))
	}
	return e, nil
}

// logarithm makes the interval in the logarithm of the value: large errors are
// rare and far out, so a mean square that happens to lack them is more often too
// small than too large.
func (e *Estimate) logarithm(l Linear) {
	e.Low, e.High, e.Method = l.Value, l.Value, ByLogarithm
	if l.Value > 0 {
		half := quantile(e.Confidence) * math.Sqrt(l.Variance()) / l.Value
		e.Low, e.High = l.Value*math.Exp(-half), l.Value*math.Exp(half)
	}
}

// rest makes the interval in the logarithm of what is not explained.
func (e *Estimate) rest(l Linear) {
	e.Low, e.High, e.Method = l.Value, l.Value, ByLog
	if rest := 1 - l.Value; rest > 0 {
		half := quantile(e.Confidence) * math.Sqrt(l.Variance()) / rest
		e.Low, e.High = 1-rest*math.Exp(half), 1-rest*math.Exp(-half)
	}
}

// measureMedian takes the widest pair of order statistics that a binomial count
// with p = 1/2 falls between with the confidence (Conover 1999, 3.2).
func (v Values) measureMedian(e Estimate) (Estimate, error) {
	if err := v.Check(); err != nil {
		return e, err
	}
	if v = v.counting(); v.Weight != nil {
		return ordered(v.each(absError), v.Weight).measure(e)
	}
	sorted := slices.Sorted(slices.Values(v.each(absError)))
	e.Value, e.Method = median(sorted), ByOrder
	n := len(sorted)
	count := distuv.Binomial{N: float64(n), P: 0.5}
	tail, rank := (1-e.Confidence)/2, 0
	for low, high := 0, n/2; low <= high; { // the greatest rank with P(count < rank) ≤ tail
		middle := (low + high) / 2
		if middle == 0 || count.CDF(float64(middle-1)) <= tail {
			rank, low = middle, middle+1
		} else {
			high = middle - 1
		}
	}
	if rank == 0 {
		return e, invalid("the spread of %s cannot be told from %d rows", e.Name, n)
	}
	e.Low, e.High = sorted[rank-1], sorted[n-rank]
	return e, nil
}

// Take is the values of some rows.
func (v Values) Take(rows []int) Values {
	out := Values{Label: make([]float64, len(rows)), Score: make([]float64, len(rows)), Weight: weights(v.Weight).take(rows)}
	for k, i := range rows {
		out.Label[k], out.Score[k] = v.Label[i], v.Score[i]
	}
	return out
}

// Deviation is the standard deviation of the labels (over n): the target's scale.
func (v Values) Deviation() float64 {
	v = v.counting()
	mean := v.mean("", v.Label).Value
	return math.Sqrt(v.mean("", v.each(func(label, _ float64) float64 { return (label - mean) * (label - mean) })).Value)
}
