package evaluation

import "math"

// Placements are what a ROC AUC and its variance are made of: for each positive
// row the share of negatives that it beats, and for each negative row the share
// of positives that beat it (the structural components of DeLong, DeLong and
// Clarke-Pearson 1988). Rows stay in their order, so AUCs of different scores of
// the same rows can be compared in pairs.
type Placements struct {
	positive, negative class
}

// class is the placements of one class's rows.
type class struct {
	share  []float64
	weight []float64 // nil: all 1
}

func (c class) weightOf(i int) float64 {
	if c.weight == nil {
		return 1
	}
	return c.weight[i]
}

// PlacementsOf places the rows in O(n log n). It needs two rows of each class
// that weigh something. Errors are faults of kind Invalid.
//
// Weights are importance weights: a row that weighs 2 counts as two in the AUC
// but brings the evidence of one. The variance is the linearised one, Σ w²(v −
// AUC)² / (Σw)² · n/(n−1) for each class, which is DeLong's when weights are
// equal.
func PlacementsOf(s Sample) (Placements, error) {
	if err := s.twoClasses(); err != nil {
		return Placements{}, err
	}
	totals := [2]float64{}
	totals[positive], totals[negative] = s.Totals()
	shares := make([]float64, len(s.Score))
	order := argsort(s.Score, false)
	var below [2]float64 // the weights of each class under the run
	for begin := 0; begin < len(order); {
		end := begin
		var here [2]float64
		for ; end < len(order) && s.Score[order[end]] == s.Score[order[begin]]; end++ {
			here[int(s.Label[order[end]])] += s.weight(order[end])
		}
		beats := (below[negative] + here[negative]/2) / totals[negative]
		beaten := max(0, totals[positive]-below[positive]-here[positive]/2) / totals[positive]
		for _, i := range order[begin:end] {
			if s.Label[i] == 1 {
				shares[i] = beats
			} else {
				shares[i] = beaten
			}
		}
		below[0], below[1] = below[0]+here[0], below[1]+here[1]
		begin = end
	}
	return split(s, shares)
}

func split(s Sample, shares []float64) (p Placements, err error) {
	rows := [2]int{}
	for i, label := range s.Label {
		into := &p.negative
		if label == 1 {
			into = &p.positive
		}
		into.share = append(into.share, shares[i])
		if s.Weight != nil {
			into.weight = append(into.weight, s.Weight[i])
		}
		if s.weight(i) > 0 {
			rows[int(label)]++
		}
	}
	return p, enoughForVariance(rows[positive], rows[negative])
}

// AUC is the mean of the placements, with its variance.
func (p Placements) AUC() AUC {
	a := AUC{positives: len(p.positive.share), negatives: len(p.negative.share)}
	var varPositive, varNegative float64
	a.Value, varPositive = p.positive.mean()
	_, varNegative = p.negative.mean()
	a.Variance = varPositive + varNegative
	return a
}

// mean is the weighted mean and its variance.
func (c class) mean() (mean, variance float64) {
	return linearised(len(c.share), c.weightOf, func(i int) float64 { return c.share[i] })
}

// linearised is the weighted mean of n values and the variance of that mean.
// Rows of weight 0 are as if they were not there.
func linearised(n int, weight, value func(int) float64) (mean, variance float64) {
	var sum, total, spread accumulator
	rows := 0.0
	for i := range n {
		w := weight(i)
		sum.add(w * value(i))
		total.add(w)
		if w > 0 {
			rows++
		}
	}
	mean = sum.total() / total.total()
	for i := range n {
		d := weight(i) * (value(i) - mean)
		spread.add(d * d)
	}
	return mean, spread.total() / total.total() / total.total() * rows / (rows - 1)
}

// accumulator adds many numbers with the error of few (Neumaier 1974): a plain
// sum of a million loses the twelfth digit.
type accumulator struct{ sum, lost float64 }

func (a *accumulator) add(v float64) {
	t := a.sum + v
	if math.Abs(a.sum) >= math.Abs(v) {
		a.lost += a.sum - t + v
	} else {
		a.lost += v - t + a.sum
	}
	a.sum = t
}

func (a *accumulator) total() float64 { return a.sum + a.lost }

// Paired is a − b for scores of the same rows: their errors go together. The
// error is a fault of kind Invalid when the rows cannot be the same.
func Paired(a, b Placements) (Difference, error) {
	if len(a.positive.share) != len(b.positive.share) || len(a.negative.share) != len(b.negative.share) || len(a.positive.share) == 0 {
		return Difference{}, invalid("%d and %d positive, %d and %d negative rows are not the same rows",
			len(a.positive.share), len(b.positive.share), len(a.negative.share), len(b.negative.share))
	}
	d := combine(a, b, 1, -1).AUC()
	return Difference{Value: a.AUC().Value - b.AUC().Value, Variance: d.Variance}, nil
}

func combine(a, b Placements, fa, fb float64) Placements {
	return Placements{a.positive.combine(b.positive, fa, fb), a.negative.combine(b.negative, fa, fb)}
}

func (c class) combine(d class, fc, fd float64) class {
	out := class{share: make([]float64, len(c.share)), weight: c.weight}
	for i := range out.share {
		out.share[i] = fc*c.share[i] + fd*d.share[i]
	}
	return out
}

// MeanPlacements is the mean of several scorings of the same rows: rows are what
// is uncertain, not the scorings.
func MeanPlacements(all ...Placements) (Placements, error) {
	if len(all) == 0 {
		return Placements{}, invalid("no AUC to take the mean of")
	}
	sum := all[0]
	for _, p := range all[1:] {
		if _, err := Paired(all[0], p); err != nil {
			return Placements{}, err
		}
		sum = combine(sum, p, 1, 1)
	}
	return combine(sum, sum, 1/float64(len(all)), 0), nil
}

// around is the normal interval of a mean.
func around(mean, variance, confidence float64) (low, high float64) {
	half := quantile(confidence) * math.Sqrt(variance)
	return mean - half, mean + half
}

// effective is Kish's effective number of rows, (Σw)² / Σw²: as many unweighted
// rows as tell as much. It is the number of rows when all weigh the same.
func (s Sample) effective() float64 {
	var sum, squares float64
	for i := range s.Label {
		w := s.weight(i)
		sum += w
		squares += w * w
	}
	if squares == 0 || math.IsInf(squares, 0) {
		return 0
	}
	return sum * sum / squares
}
