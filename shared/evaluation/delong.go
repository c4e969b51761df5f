package evaluation

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// AUC is a ROC AUC with its variance (DeLong, DeLong and Clarke-Pearson 1988).
type AUC struct {
	Value    float64
	Variance float64 // of Value

	positives, negatives int
}

// DeLong gives the AUC of unweighted rows and its variance, in about the time of
// one sort: by midranks (Sun and Xu 2014), with whole numbers, so the same rows
// give the same bits however many cores work at it. It needs two rows of each
// class. Errors are faults of kind Invalid.
func DeLong(label, score []float64) (AUC, error) {
	if len(label) != len(score) || len(label) == 0 {
		return AUC{}, Sample{Label: label, Score: score}.Check()
	}
	sums, rows, ok := countPairs(label, score)
	if !ok {
		return AUC{}, Sample{Label: label, Score: score}.Check()
	}
	a := AUC{positives: rows[positive], negatives: rows[negative]}
	if err := enoughForVariance(a.positives, a.negatives); err != nil {
		return AUC{}, err
	}
	p, n := float64(a.positives), float64(a.negatives)
	a.Value = float64(sums[positive].sum) / (2 * p * n)
	a.Variance = sums[positive].variance(a.positives)/(4*n*n)/p + sums[negative].variance(a.negatives)/(4*p*p)/n
	return a, nil
}

func enoughForVariance(positives, negatives int) error {
	switch {
	case positives == 0 || negatives == 0:
		return invalid("%d positive and %d negative rows; both classes are needed to rank", positives, negatives)
	case positives < 2 || negatives < 2:
		return invalid("%d positive and %d negative rows; a variance needs two of each", positives, negatives)
	}
	return nil
}

// Positives is how many positive rows there are.
func (a AUC) Positives() int { return a.positives }

// Negatives is how many negative rows there are.
func (a AUC) Negatives() int { return a.negatives }

// Interval is the two-sided normal interval at a confidence such as 0.95, within
// [0, 1], as pROC gives it. At high AUCs and few rows it reaches too high: see
// Logit.
func (a AUC) Interval(confidence float64) (low, high float64) {
	if low, high, ok := a.degenerate(confidence); ok {
		return low, high
	}
	half := quantile(confidence) * math.Sqrt(a.Variance)
	return max(0, a.Value-half), min(1, a.Value+half)
}

// Logit is the interval that is normal in ln(AUC / (1 − AUC)), whose spread
// depends less on where the AUC is (Pepe 2003, 5.2.4). By simulation (shared/gate,
// STUDY.md) each end misses about as often as it should, where the end below of
// the plain interval misses twice as often or more.
func (a AUC) Logit(confidence float64) (low, high float64) {
	if low, high, ok := a.degenerate(confidence); ok {
		return low, high
	}
	centre := math.Log(a.Value / (1 - a.Value))
	half := quantile(confidence) * math.Sqrt(a.Variance) / (a.Value * (1 - a.Value))
	return 1 / (1 + math.Exp(half-centre)), 1 / (1 + math.Exp(-half-centre))
}

// degenerate gives the interval where the variance says nothing. A perfect (or
// perfectly wrong) AUC has variance 0 however few the rows; there the exact
// binomial bound over min(positives, negatives) independent pairs takes its
// place. Scores that are all equal rank nothing; their interval is all of [0, 1].
func (a AUC) degenerate(confidence float64) (low, high float64, ok bool) {
	switch {
	case a.Value >= 1 || a.Value <= 0:
		pairs := min(a.positives, a.negatives)
		low, high, _ = Exact(int(math.Round(a.Value))*pairs, pairs, confidence)
		return low, high, true
	case a.Variance == 0:
		return 0, 1, true
	}
	return 0, 0, false
}

// Difference is one AUC less another, with the variance of that.
type Difference struct {
	Value    float64
	Variance float64
	// DF are the degrees of freedom of Student's t for PValue; 0 is the normal.
	DF float64
}

// Unpaired is a − b for different rows. The degrees of freedom are those of
// Welch's test, as pROC's roc.test takes them.
func Unpaired(a, b AUC) Difference {
	d := Difference{Value: a.Value - b.Value, Variance: a.Variance + b.Variance}
	freedom := func(v AUC) float64 { return v.Variance * v.Variance / float64(v.positives+v.negatives-1) }
	if below := freedom(a) + freedom(b); below > 0 {
		d.DF = d.Variance * d.Variance / below
	}
	return d
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
	z := math.Abs(d.Value-shift) / math.Sqrt(d.Variance)
	if d.DF > 0 {
		return 2 * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: d.DF}.Survival(z)
	}
	return math.Erfc(z / math.Sqrt2)
}

// Disparity is the interval of how far two groups' AUCs lie apart, |a − b|. The
// groups are different rows, so their errors are independent. Where one is
// perfect its variance is 0, which is not certainty: the distances to the ends
// of both intervals are added as squares instead (Newcombe's method, 1998).
func Disparity(a, b AUC, confidence float64) (value, low, high float64) {
	lowA, highA := a.Logit(confidence)
	lowB, highB := b.Logit(confidence)
	d := a.Value - b.Value
	low, high = absolute(d-math.Hypot(a.Value-lowA, highB-b.Value), d+math.Hypot(highA-a.Value, b.Value-lowB))
	return math.Abs(d), low, high
}

// absolute is the interval of |x| for x in an interval.
func absolute(low, high float64) (float64, float64) {
	if low <= 0 && high >= 0 {
		return 0, min(1, max(-low, high))
	}
	a, b := math.Abs(low), math.Abs(high)
	return min(a, b), min(1, max(a, b))
}
