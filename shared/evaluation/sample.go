// Package evaluation measures binary predictions: how well scores rank
// (ROC AUC, average precision), decide (precision, recall, F1, accuracy), tell
// probabilities (log loss, Brier, calibration), and treat groups alike; each
// with the uncertainty that a finite number of rows leaves.
//
// The words: a label is 1 for the positive class and 0 for the other; a score
// is the model's probability of the positive class; a weight is how much a row
// counts. A row is predicted positive when its score is at least the threshold.
//
// Nothing here guesses. One class only, no rows, numbers that are not finite or
// weights that are negative are errors, never a value that looks fine.
package evaluation

import (
	"math"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Sample is aligned columns; index i of each is one row.
type Sample struct {
	Label  []float64
	Score  []float64
	Weight []float64 // nil: every row counts 1
	// At is the threshold from which a row is predicted positive; 0 stands for
	// Threshold.
	At float64
}

func (s Sample) threshold() float64 {
	if s.At == 0 {
		return Threshold
	}
	return s.At
}

func invalid(why string, args ...any) error {
	return fault.New(fault.Invalid, "evaluate", why, args...)
}

// Check says what is wrong with a sample: no rows, columns of unequal length,
// labels other than 0 and 1, numbers that are not finite, negative weights. The
// error is a fault of kind Invalid.
func (s Sample) Check() error {
	n := len(s.Label)
	if n == 0 {
		return invalid("no rows")
	}
	if len(s.Score) != n || (s.Weight != nil && len(s.Weight) != n) {
		return invalid("%d labels, %d scores and %d weights are not aligned", n, len(s.Score), len(s.Weight))
	}
	for i := range n {
		if s.Label[i] != 0 && s.Label[i] != 1 {
			return invalid("row %d: the label %v is neither 0 nor 1", i+1, s.Label[i])
		}
		if !finite(s.Score[i]) {
			return invalid("row %d: the score %v is not finite", i+1, s.Score[i])
		}
		if s.Weight != nil && (!finite(s.Weight[i]) || s.Weight[i] < 0) {
			return invalid("row %d: the weight %v is negative or not finite", i+1, s.Weight[i])
		}
	}
	return nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func (s Sample) weight(i int) float64 {
	if s.Weight == nil {
		return 1
	}
	return s.Weight[i]
}

// Totals are the summed weights of the positive and the negative rows.
func (s Sample) Totals() (positive, negative float64) {
	for i, label := range s.Label {
		positive += label * s.weight(i)
		negative += (1 - label) * s.weight(i)
	}
	return positive, negative
}

// twoClasses checks a sample that must hold both classes.
func (s Sample) twoClasses() error {
	if err := s.Check(); err != nil {
		return err
	}
	positive, negative := s.Totals()
	if !(positive > 0) || !(negative > 0) {
		return invalid("positive rows weigh %v and negative rows %v; both classes are needed to rank", positive, negative)
	}
	if !finite(positive + negative) {
		return invalid("the weights sum to %v", positive+negative)
	}
	return nil
}

// ranking is a sample in falling order of score. Rows are told apart by index,
// so other weights can be used without sorting again.
type ranking struct {
	order []int // row indices by falling score
	last  []bool
	label []float64
	score []float64
}

// rank sorts a checked sample. last marks the last row of every run of equal
// scores.
func rank(s Sample) ranking {
	r := ranking{order: argsort(s.Score, true), last: make([]bool, len(s.Score)), label: s.Label, score: s.Score}
	for k := range r.order {
		r.last[k] = k == len(r.order)-1 || s.Score[r.order[k]] != s.Score[r.order[k+1]]
	}
	return r
}

// each visits the thresholds from the highest: score is the threshold, tp and
// fp the weights of the positive and negative rows at or above it. Thresholds
// that no weight reaches anew are left out.
func (r ranking) each(weight func(int) float64, visit func(score, tp, fp float64)) {
	var tp, fp, seen float64
	for k, i := range r.order {
		w := weight(i)
		tp += w * r.label[i]
		fp += w * (1 - r.label[i])
		seen += w
		if r.last[k] && seen > 0 {
			visit(r.score[i], tp, fp)
			seen = 0
		}
	}
}
