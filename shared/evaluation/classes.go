package evaluation

import (
	"math"
	"slices"
)

// Classes are rows of one of several classes each, with the probability that the
// model gives each class (multiclass).
type Classes struct {
	Names       []string
	Label       []float64   // a row's class, as an index into Names
	Probability [][]float64 // of each class, in Names' order: one number a row
	Weight      []float64   // how much each row counts, 0 or more; nil: each 1
}

// Metrics of several classes, as configurations write them, beside accuracy and
// log_loss.
const (
	MetricBalancedAccuracy = "balanced_accuracy"
	MetricPrecisionMacro   = "precision_macro"
	MetricF1Macro          = "f1_macro"
	MetricF1Weighted       = "f1_weighted"
	MetricAUCOvR           = "auc_roc_ovr"
)

// Check says what is wrong: no rows, columns that are not aligned, labels that
// are no class, numbers that are no probability or do not sum to 1. The error is
// a fault of kind Invalid.
func (c Classes) Check() error {
	n := len(c.Label)
	if n == 0 {
		return invalid("no rows")
	}
	if len(c.Names) < 2 || len(c.Probability) != len(c.Names) {
		return invalid("%d classes and probabilities of %d; there must be as many, two at least", len(c.Names), len(c.Probability))
	}
	for k := range c.Probability {
		if len(c.Probability[k]) != n {
			return invalid("%d labels and %d probabilities of class %q are not aligned", n, len(c.Probability[k]), c.Names[k])
		}
	}
	for i, label := range c.Label {
		if k := int(label); !(label >= 0) || float64(k) != label || k >= len(c.Names) {
			return invalid("row %d: the label %v is no class", i+1, label)
		}
		sum := 0.0
		for k := range c.Probability {
			p := c.Probability[k][i]
			if !(p >= 0 && p <= 1) {
				return invalid("row %d: the probability %v of class %q is not from 0 to 1", i+1, p, c.Names[k])
			}
			sum += p
		}
		if math.Abs(sum-1) > 1e-4 {
			return invalid("row %d: the probabilities sum to %v", i+1, sum)
		}
	}
	return checkWeights(c.Weight, n)
}

// counting is the rows that count.
func (c Classes) counting() Classes {
	if rows := Counting(c.Weight); rows != nil {
		return c.Take(rows)
	}
	return c
}

func (c Classes) mean(metric string, values []float64) Linear {
	return weights(c.Weight).mean(metric, values)
}

// Predicted is each row's likeliest class; of equals, the first.
func (c Classes) Predicted() []int {
	out := make([]int, len(c.Label))
	for k := range c.Probability {
		for i, p := range c.Probability[k] {
			if p > c.Probability[out[i]][i] {
				out[i] = k
			}
		}
	}
	return out
}

// Table counts rows by class (first) and predicted class, whatever they weigh.
func (c Classes) Table() [][]int {
	table := make([][]int, len(c.Names))
	for k := range table {
		table[k] = make([]int, len(c.Names))
	}
	for i, predicted := range c.Predicted() {
		table[int(c.Label[i])][predicted]++
	}
	return table
}

// weighed sums weights by class (first) and predicted class.
func (c Classes) weighed() [][]float64 {
	table := make([][]float64, len(c.Names))
	for k := range table {
		table[k] = make([]float64, len(c.Names))
	}
	for i, predicted := range c.Predicted() {
		table[int(c.Label[i])][predicted] += weights(c.Weight).of(i)
	}
	return table
}

// totals are the weights of each class, and of what is predicted to be of it.
func totals(table [][]float64) (rows, predicted []float64) {
	rows, predicted = make([]float64, len(table)), make([]float64, len(table))
	for k, line := range table {
		for j, w := range line {
			rows[k] += w
			predicted[j] += w
		}
	}
	return rows, predicted
}

// Found is the share of a class's rows (-1: of all) that are predicted rightly.
func (c Classes) Found(class int) Share {
	c = c.counting()
	guess := c.Predicted()
	return weights(c.Weight).share(len(c.Label), func(i int) bool { return class < 0 || c.Label[i] == float64(class) },
		func(i int) bool { return float64(guess[i]) == c.Label[i] })
}

// Rows counts each class's rows.
func (c Classes) Rows() []int {
	rows := make([]int, len(c.Names))
	for _, label := range c.Label {
		rows[int(label)]++
	}
	return rows
}

// every checks that each class has rows, which means over classes need.
func (c Classes) every(metric string) error {
	if k := slices.Index(c.Rows(), 0); k >= 0 {
		return invalid("%s is not defined: no row is of class %q", metric, c.Names[k])
	}
	return nil
}

// Linear is a metric to first order. Errors are faults of kind Invalid: a metric
// that is not defined for these rows is never a number.
func (c Classes) Linear(metric string) (Linear, error) {
	if err := c.Check(); err != nil {
		return Linear{}, err
	}
	c = c.counting()
	switch metric {
	case MetricAccuracy:
		return c.mean(metric, c.right()), nil
	case MetricLogLoss:
		return c.mean(metric, c.losses()), nil
	}
	if err := c.every(metric); err != nil {
		return Linear{}, err
	}
	switch metric {
	case MetricBalancedAccuracy:
		return c.macro(metric, func(rows, _ float64) (float64, float64) { return 1 / rows, 0 })
	case MetricPrecisionMacro:
		if _, predicted := totals(c.weighed()); slices.Contains(predicted, 0) {
			return Linear{}, invalid("%s is not defined: class %q is never predicted", metric, c.Names[slices.Index(predicted, 0)])
		}
		return c.macro(metric, func(_, predicted float64) (float64, float64) { return 0, 1 / predicted })
	case MetricF1Macro, MetricF1Weighted:
		return c.macro(metric, func(rows, predicted float64) (float64, float64) {
			return 1 / (rows + predicted), 1 / (rows + predicted)
		})
	case MetricAUCOvR:
		return c.oneVersusRest()
	}
	return Linear{}, invalid("%q is no metric of several classes", metric)
}

// right is 1 for a row that is predicted rightly.
func (c Classes) right() []float64 {
	out := make([]float64, len(c.Label))
	for i, predicted := range c.Predicted() {
		if predicted == int(c.Label[i]) {
			out[i] = 1
		}
	}
	return out
}

// losses are −ln of the probability given to each row's class, kept 2⁻⁵² away
// from 0 and 1 as in scikit-learn.
func (c Classes) losses() []float64 {
	const epsilon = 0x1p-52
	out := make([]float64, len(c.Label))
	for i, label := range c.Label {
		out[i] = -math.Log(min(max(c.Probability[int(label)][i], epsilon), 1-epsilon))
	}
	return out
}

// macro is the mean over classes (or the mean weighted by their rows) of ratios
// (a + b) TP / (a rows + b predicted), where of gives a and b divided by that
// denominator's rows and predictions: recall, precision and F1 are all such.
// A row moves its class's ratio by ((a + b) [right] − ratio (a [of the class] +
// b [predicted])).
func (c Classes) macro(metric string, of func(rows, predicted float64) (a, b float64)) (Linear, error) {
	table, w := c.weighed(), weights(c.Weight)
	rows, predicted := totals(table)
	n := w.total(len(c.Label))
	l := Linear{Name: metric, Influence: make([]float64, len(c.Label))}
	guess := c.Predicted()
	for k := range c.Names {
		a, b := of(rows[k], predicted[k])
		ratio := (a + b) * table[k][k]
		weight := 1 / float64(len(c.Names))
		if metric == MetricF1Weighted {
			weight = rows[k] / n
		}
		l.Value += weight * ratio
		for i := range guess {
			is, said := c.Label[i] == float64(k), guess[i] == k
			l.Influence[i] += w.of(i) * weight * moved(a, b, ratio, is, said)
			if metric == MetricF1Weighted {
				l.Influence[i] += w.of(i) * ratio * (indicator(is) - weight) / n
			}
		}
	}
	return l, nil
}

func moved(a, b, ratio float64, is, said bool) float64 {
	return (a+b)*indicator(is && said) - ratio*(a*indicator(is)+b*indicator(said))
}

func indicator(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// oneVersusRest is the mean of the AUCs of each class against all others, with
// DeLong's variance of the mean: the placements of a row in all classes go
// together.
func (c Classes) oneVersusRest() (Linear, error) {
	l := Linear{Name: MetricAUCOvR, Influence: make([]float64, len(c.Label))}
	for k := range c.Names {
		s := Sample{Label: make([]float64, len(c.Label)), Score: c.Probability[k], Weight: c.Weight}
		for i := range s.Label {
			s.Label[i] = indicator(c.Label[i] == float64(k))
		}
		placed, err := PlacementsOf(s)
		if err != nil {
			return Linear{}, invalid("class %q: %v", c.Names[k], err)
		}
		share := 1 / float64(len(c.Names))
		auc := placed.AUC().Value
		l.Value += share * auc
		l.add(placed, s, auc, share)
	}
	return l, nil
}

// add adds an AUC's placements to the influences.
func (l *Linear) add(p Placements, s Sample, auc, share float64) {
	up, down := p.positive.influence(auc, share), p.negative.influence(auc, share)
	for i, y := range s.Label {
		if y == 1 {
			l.Influence[i] += up(s.weight(i))
		} else {
			l.Influence[i] += down(s.weight(i))
		}
	}
}

// influence gives, row by row, how far the class's rows move the AUC's share.
func (c class) influence(auc, share float64) func(weight float64) float64 {
	n, at := float64(len(c.share)), -1
	scale := share * math.Sqrt(n/(n-1)) / weights(c.weight).total(len(c.share))
	return func(weight float64) float64 {
		at++
		return scale * weight * (c.share[at] - auc)
	}
}

// Metric computes a metric by its name. Errors are faults of kind Invalid.
func (c Classes) Metric(metric string) (float64, error) {
	l, err := c.Linear(metric)
	return l.Value, err
}

// Measure computes a metric with its interval. Errors are faults of kind
// Invalid. The intervals:
//
//   - accuracy: the exact interval of the share of rows.
//   - balanced_accuracy: the distances to the ends of the classes' Wilson
//     intervals, added as squares (Zou and Donner 2008).
//   - log_loss: the normal interval of a mean over rows.
//   - the others: normal on the logit scale, with the variance of the influence
//     function (of auc_roc_ovr, DeLong's).
func (c Classes) Measure(metric string, confidence float64) (Estimate, error) {
	e := Estimate{Name: metric, Confidence: confidence}
	if err := checkConfidence(confidence); err != nil {
		return e, err
	}
	l, err := c.Linear(metric)
	if err != nil {
		return e, err
	}
	c = c.counting()
	e.Value = l.Value
	switch metric {
	case MetricAccuracy:
		e.Method = ByExact
		e.Low, e.High, err = c.Found(-1).exact(confidence)
	case MetricLogLoss:
		e.Low, e.High = around(l.Value, l.Variance(), confidence)
		e.Low, e.Method = max(0, e.Low), ByMean
	case MetricBalancedAccuracy:
		err = e.meanOfShares(c)
	default:
		err = e.logit(c, l)
	}
	if err == nil && (!finite(e.Low) || !finite(e.High)) {
		err = invalid("the spread of %s cannot be told from %d rows", metric, len(c.Label))
	}
	return e, err
}

func (e *Estimate) meanOfShares(c Classes) error {
	var down, up float64
	for k := range c.Names {
		share := c.Found(k)
		low, high, err := share.Wilson(e.Confidence)
		if err != nil {
			return err
		}
		down += (share.Value - low) * (share.Value - low)
		up += (high - share.Value) * (high - share.Value)
	}
	n := float64(len(c.Names))
	e.Low, e.High, e.Method = max(0, e.Value-math.Sqrt(down)/n), min(1, e.Value+math.Sqrt(up)/n), ByWilsonMean
	return nil
}

// logit makes the interval of a value from 0 to 1. At the ends, where it has no
// logit, it is the exact interval of as many rows as the smallest class has.
func (e *Estimate) logit(c Classes, l Linear) error {
	e.Method = ByInfluence
	least := math.Inf(1)
	for k := range c.Names {
		least = min(least, c.Found(k).Effective)
	}
	var err error
	switch {
	case l.Value >= 1:
		e.Value = 1
		e.Low, e.High, err = exact(least, least, e.Confidence)
	case l.Value <= 0:
		e.Low, e.High, err = exact(0, least, e.Confidence)
	default:
		e.Low, e.High = logitInterval(l.Value, l.Variance(), e.Confidence)
	}
	return err
}

// Take is some of the rows.
func (c Classes) Take(rows []int) Classes {
	out := Classes{Names: c.Names, Label: make([]float64, len(rows)), Probability: make([][]float64, len(c.Probability)), Weight: weights(c.Weight).take(rows)}
	for k := range c.Probability {
		out.Probability[k] = make([]float64, len(rows))
	}
	for at, i := range rows {
		out.Label[at] = c.Label[i]
		for k := range c.Probability {
			out.Probability[k][at] = c.Probability[k][i]
		}
	}
	return out
}
