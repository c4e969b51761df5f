package evaluation

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Metric names as configurations write them.
const (
	MetricAUC       = "auc_roc"
	MetricPRAUC     = "pr_auc"
	MetricPrecision = "precision"
	MetricRecall    = "recall"
	MetricF1        = "f1_score"
	MetricAccuracy  = "accuracy"
	MetricLogLoss   = "log_loss"
	MetricBrier     = "brier"
)

// Threshold is the score from which a row is predicted positive.
const Threshold = 0.5

// statistic computes a metric over any weights of the rows of one sample. The
// error says that the metric is not defined for them.
func statistic(metric string, s Sample) (func(weight func(int) float64) (float64, error), error) {
	ofConfusion := func(of func(Confusion) (float64, error)) func(func(int) float64) (float64, error) {
		return func(w func(int) float64) (float64, error) { return of(confuse(s, Threshold, w)) }
	}
	switch metric {
	case MetricAUC, MetricPRAUC:
		if err := s.twoClasses(); err != nil {
			return nil, err
		}
		r := rank(s)
		if metric == MetricAUC {
			return func(w func(int) float64) (float64, error) { return r.auc(w), nil }, nil
		}
		return func(w func(int) float64) (float64, error) { return r.averagePrecision(w), nil }, nil
	case MetricLogLoss, MetricBrier:
		loss := brier
		if metric == MetricLogLoss {
			loss = logLoss
		}
		return func(w func(int) float64) (float64, error) { return weightedMean(s, w, loss), nil }, s.probabilities()
	case MetricPrecision:
		return ofConfusion(Confusion.Precision), s.Check()
	case MetricRecall:
		return ofConfusion(Confusion.Recall), s.Check()
	case MetricF1:
		return ofConfusion(Confusion.F1), s.Check()
	case MetricAccuracy:
		return ofConfusion(Confusion.Accuracy), s.Check()
	}
	return nil, invalid("unknown metric %q", metric)
}

// Metric computes a metric by its name. Errors are faults of kind Invalid.
func Metric(metric string, s Sample) (float64, error) {
	of, err := statistic(metric, s)
	if err != nil {
		return 0, err
	}
	value, err := of(s.weight)
	if err == nil && !finite(value) {
		err = invalid("%s is %v", metric, value)
	}
	return value, err
}

// Bootstrap is the percentile interval of a metric of unweighted rows (Efron
// 1979), resampled within each class, so every draw has both. Equal seeds give
// equal intervals. Draws in which the metric is not defined are errors.
func Bootstrap(metric string, s Sample, confidence float64, draws int, seed int64) (low, high float64, err error) {
	if s.Weight != nil {
		return 0, 0, invalid("a bootstrap of weighted rows is not supported")
	}
	if draws < 100 || !(confidence > 0 && confidence < 1) {
		return 0, 0, invalid("%d draws at confidence %v; want at least 100 draws", draws, confidence)
	}
	of, err := statistic(metric, s)
	if err != nil {
		return 0, 0, err
	}
	var classes [2][]int
	for i, label := range s.Label {
		classes[int(label)] = append(classes[int(label)], i)
	}
	random := rand.New(rand.NewPCG(uint64(seed), 0x736c75696365)) // "sluice"
	values, weights := make([]float64, draws), make([]float64, len(s.Label))
	for d := range values {
		clear(weights)
		for _, class := range classes {
			for range class {
				weights[class[random.IntN(len(class))]]++
			}
		}
		if values[d], err = of(func(i int) float64 { return weights[i] }); err != nil {
			return 0, 0, err
		}
	}
	slices.Sort(values)
	tail := (1 - confidence) / 2
	return order(values, tail), order(values, 1-tail), nil
}

// order interpolates an order statistic as numpy.quantile does by default.
func order(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := min(int(math.Floor(at)), len(sorted)-1)
	j := min(i+1, len(sorted)-1)
	return sorted[i] + (at-float64(i))*(sorted[j]-sorted[i])
}
