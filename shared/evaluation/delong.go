package evaluation

import (
	"cmp"
	"math"
	"slices"
)

// AUC is a ROC AUC with what its variance is made of: for each positive row the
// share of negatives that it beats, and for each negative row the share of
// positives that beat it (the structural components of DeLong, DeLong and
// Clarke-Pearson 1988). Rows stay in their order, so AUCs of different scores
// of the same rows can be compared in pairs.
type AUC struct {
	Value    float64
	Variance float64 // of Value
	positive []float64
	negative []float64
}

// DeLong gives the AUC of unweighted rows in O(n log n) by midranks (Sun and Xu
// 2014). It needs two rows of each class. Errors are faults of kind Invalid.
func DeLong(label, score []float64) (AUC, error) {
	s := Sample{Label: label, Score: score}
	if err := s.twoClasses(); err != nil {
		return AUC{}, err
	}
	p, n := s.Totals()
	if p < 2 || n < 2 {
		return AUC{}, invalid("%v positive and %v negative rows; a variance needs two of each", p, n)
	}
	all := midranks(score)
	var positives, negatives []float64
	for i, l := range label {
		if l == 1 {
			positives = append(positives, score[i])
		} else {
			negatives = append(negatives, score[i])
		}
	}
	amongPositives, amongNegatives := midranks(positives), midranks(negatives)
	a := AUC{positive: make([]float64, 0, len(positives)), negative: make([]float64, 0, len(negatives))}
	for i, l := range label {
		if l == 1 {
			a.positive = append(a.positive, (all[i]-amongPositives[len(a.positive)])/n)
		} else {
			a.negative = append(a.negative, 1-(all[i]-amongNegatives[len(a.negative)])/p)
		}
	}
	return a.summed(), nil
}

// midranks are ranks from 1; equal values share the mean of theirs.
func midranks(values []float64) []float64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	ranks := make([]float64, len(values))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && values[order[j]] == values[order[i]] {
			j++
		}
		for k := i; k < j; k++ {
			ranks[order[k]] = float64(i+j+1) / 2
		}
		i = j
	}
	return ranks
}

func (a AUC) summed() AUC {
	var varPositive, varNegative float64
	a.Value, varPositive = meanAndVariance(a.positive)
	_, varNegative = meanAndVariance(a.negative)
	a.Variance = varPositive/float64(len(a.positive)) + varNegative/float64(len(a.negative))
	return a
}

func meanAndVariance(values []float64) (mean, variance float64) {
	for _, v := range values {
		mean += v
	}
	mean /= float64(len(values))
	for _, v := range values {
		variance += (v - mean) * (v - mean)
	}
	return mean, variance / float64(len(values)-1)
}

// Positives is how many positive rows there are.
func (a AUC) Positives() int { return len(a.positive) }

// Negatives is how many negative rows there are.
func (a AUC) Negatives() int { return len(a.negative) }

// Interval is the two-sided interval at a confidence such as 0.95, within
// [0, 1]. A perfect (or perfectly wrong) AUC has variance 0 however few the
// rows; there the exact binomial bound over min(positives, negatives)
// independent pairs takes its place.
func (a AUC) Interval(confidence float64) (low, high float64) {
	if a.Value >= 1 || a.Value <= 0 {
		pairs := min(len(a.positive), len(a.negative))
		low, high, _ = Exact(int(math.Round(a.Value))*pairs, pairs, confidence)
		return low, high
	}
	half := quantile(confidence) * math.Sqrt(a.Variance)
	return max(0, a.Value-half), min(1, a.Value+half)
}

// Difference is one AUC less another, with the variance of that.
type Difference struct {
	Value    float64
	Variance float64
}

// Paired is a − b for scores of the same rows: their errors go together. The
// error is a fault of kind Invalid when the rows cannot be the same.
func Paired(a, b AUC) (Difference, error) {
	if len(a.positive) != len(b.positive) || len(a.negative) != len(b.negative) || len(a.positive) == 0 {
		return Difference{}, invalid("%d and %d positive, %d and %d negative rows are not the same rows",
			len(a.positive), len(b.positive), len(a.negative), len(b.negative))
	}
	d := combine(a, b, 1, -1).summed()
	return Difference{Value: a.Value - b.Value, Variance: d.Variance}, nil
}

func combine(a, b AUC, fa, fb float64) AUC {
	out := AUC{positive: make([]float64, len(a.positive)), negative: make([]float64, len(a.negative))}
	for i := range out.positive {
		out.positive[i] = fa*a.positive[i] + fb*b.positive[i]
	}
	for i := range out.negative {
		out.negative[i] = fa*a.negative[i] + fb*b.negative[i]
	}
	return out
}

// Unpaired is a − b for different rows.
func Unpaired(a, b AUC) Difference {
	return Difference{Value: a.Value - b.Value, Variance: a.Variance + b.Variance}
}

// MeanAUC is the mean of the AUCs of several scorings of the same rows, with
// its variance: rows are what is uncertain, not the scorings.
func MeanAUC(all ...AUC) (AUC, error) {
	if len(all) == 0 {
		return AUC{}, invalid("no AUC to take the mean of")
	}
	sum := all[0]
	for _, a := range all[1:] {
		if _, err := Paired(all[0], a); err != nil {
			return AUC{}, err
		}
		sum = combine(sum, a, 1, 1)
	}
	return combine(sum, sum, 1/float64(len(all)), 0).summed(), nil
}

// Interval is the two-sided normal interval at a confidence.
func (d Difference) Interval(confidence float64) (low, high float64) {
	half := quantile(confidence) * math.Sqrt(d.Variance)
	return max(-1, d.Value-half), min(1, d.Value+half)
}

// PValue is the two-sided p-value of the difference being shift. Without
// variance it is 1 when they are equal and 0 when not.
func (d Difference) PValue(shift float64) float64 {
	if d.Variance == 0 {
		if d.Value == shift {
			return 1
		}
		return 0
	}
	return math.Erfc(math.Abs(d.Value-shift) / math.Sqrt(2*d.Variance))
}
