package evaluation

import "math"

// averagePrecision is the average precision with its variance by its influence
// function. In a population, with p the share of positives and q(t) the
// precision at the threshold t, which is A(t)/B(t) with A(t) the share of rows
// that are positive and at or above t and B(t) that of all rows at or above t,
//
//	AP = E[y q(s)] / p
//
// and a row (y, s) moves it, per unit of its weight, by
//
//	(y q(s) + E'[y' 1{s' ≤ s} (y − q(s')) / B(s')] − AP y) / p
//
// where E' is over another row (y', s'). The mean of these is 0; their spread is
// the variance, that of a share of positives which is itself drawn included,
// which a bootstrap within classes leaves out.
func averagePrecision(s Sample) (value, variance float64) {
	positives, negatives := s.Totals()
	total, share := positives+negatives, positives/(positives+negatives)
	at := precisions(s)
	for i, label := range s.Label {
		value += s.weight(i) * label * at.precision[i] / positives
	}
	var spread accumulator
	rows := 0.0
	for i, label := range s.Label {
		w := s.weight(i) / total
		if w > 0 {
			rows++
		}
		d := w * (label*at.precision[i] + label*at.below[i] - at.belowPrecision[i] - value*label) / share
		spread.add(d * d)
	}
	return value, spread.total() * rows / (rows - 1)
}

// thresholds hold, for each row, the precision at its score, and over the
// positive rows at or under its score the sums of 1/B and of q/B.
type thresholds struct{ precision, below, belowPrecision []float64 }

func precisions(s Sample) thresholds {
	n := len(s.Score)
	out := thresholds{make([]float64, n), make([]float64, n), make([]float64, n)}
	order := argsort(s.Score, true)
	ends := make([]int, 0, n) // of the runs of equal scores, from the highest
	var tp, all float64
	for begin := 0; begin < n; {
		end := begin
		for ; end < n && s.Score[order[end]] == s.Score[order[begin]]; end++ {
			tp += s.weight(order[end]) * s.Label[order[end]]
			all += s.weight(order[end])
		}
		for _, i := range order[begin:end] {
			if out.precision[i] = 0; all > 0 {
				out.precision[i] = tp / all
			}
			out.below[i] = all // the rows at or above; made a sum in the next pass
		}
		ends = append(ends, end)
		begin = end
	}
	out.accumulate(s, order, ends)
	return out
}

// accumulate goes from the lowest run up.
func (t *thresholds) accumulate(s Sample, order, ends []int) {
	var inverse, precision float64
	for k := len(ends) - 1; k >= 0; k-- {
		begin := 0
		if k > 0 {
			begin = ends[k-1]
		}
		run := order[begin:ends[k]]
		here := 0.0
		for _, i := range run {
			here += s.weight(i) * s.Label[i]
		}
		if above := t.below[run[0]]; above > 0 {
			inverse += here / above
			precision += here / above * t.precision[run[0]]
		}
		for _, i := range run {
			t.below[i], t.belowPrecision[i] = inverse, precision
		}
	}
}

// logitInterval is the interval of a share that is normal in ln(v / (1 − v)).
func logitInterval(value, variance, confidence float64) (low, high float64) {
	centre := math.Log(value / (1 - value))
	half := quantile(confidence) * math.Sqrt(variance) / (value * (1 - value))
	return 1 / (1 + math.Exp(half-centre)), 1 / (1 + math.Exp(-half-centre))
}
