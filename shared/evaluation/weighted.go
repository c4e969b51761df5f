package evaluation

import "math"

// Rows of numbers and of several classes may weigh: a row that weighs 2 counts as
// two in every value, and as one in what is uncertain. A row of weight 0 is as if
// it were not there, so it is left out before anything else.

// checkWeights says what is wrong with weights of n rows; nil is each 1.
func checkWeights(weight []float64, n int) error {
	if weight == nil {
		return nil
	}
	if len(weight) != n {
		return invalid("%d weights for %d rows are not aligned", len(weight), n)
	}
	any := false
	for i, w := range weight {
		if !finite(w) || w < 0 {
			return invalid("row %d: the weight %v is negative or not finite", i+1, w)
		}
		any = any || w > 0
	}
	if !any {
		return invalid("every row has the weight 0")
	}
	return nil
}

// Counting are the indices of the rows that weigh more than 0; nil when all do.
func Counting(weight []float64) []int {
	var rows []int
	for i, w := range weight {
		if w > 0 {
			rows = append(rows, i)
		}
	}
	if len(rows) == len(weight) {
		return nil
	}
	return rows
}

// weights are how much rows count; nil is each 1.
type weights []float64

func (w weights) of(i int) float64 {
	if w == nil {
		return 1
	}
	return w[i]
}

// total of n rows.
func (w weights) total(n int) float64 {
	if w == nil {
		return float64(n)
	}
	var sum accumulator
	for _, v := range w {
		sum.add(v)
	}
	return sum.total()
}

// take is the weights of some rows; nil of nil.
func (w weights) take(rows []int) []float64 {
	if w == nil {
		return nil
	}
	out := make([]float64, len(rows))
	for k, i := range rows {
		out[k] = w[i]
	}
	return out
}

// mean is the weighted mean of a value per row, to first order. Where no row
// weighs it is linearMean, to the bit; where all weigh the same it is its value
// and its variance.
func (w weights) mean(name string, values []float64) Linear {
	if w == nil {
		return linearMean(name, values)
	}
	var sum accumulator
	for i, v := range values {
		sum.add(w[i] * v)
	}
	total, n := w.total(len(values)), float64(len(values))
	l := Linear{Name: name, Value: sum.total() / total, Influence: make([]float64, len(values))}
	scale := math.Sqrt(n/(n-1)) / total
	for i, v := range values {
		l.Influence[i] = scale * w[i] * (v - l.Value)
	}
	return l
}

// Share is a share of rows, which may weigh.
type Share struct {
	Value float64 // NaN without rows
	Rows  int     // among which
	// Effective is Kish's effective number of these rows, (Σw)² / Σw²: as many
	// that weigh the same tell as much. It is Rows where all weigh the same.
	Effective float64
}

// share counts rows among which some are taken.
func (w weights) share(n int, among, part func(i int) bool) Share {
	var all, taken, squares accumulator
	s := Share{}
	for i := range n {
		if !among(i) {
			continue
		}
		s.Rows++
		all.add(w.of(i))
		squares.add(w.of(i) * w.of(i))
		if part(i) {
			taken.add(w.of(i))
		}
	}
	s.Value = taken.total() / all.total()
	s.Effective = all.total() * all.total() / squares.total()
	if w == nil {
		s.Effective = float64(s.Rows)
	}
	return s
}

// Wilson is the share's interval by Wilson's score. The error is a fault of kind
// Invalid when it has no rows.
func (s Share) Wilson(confidence float64) (low, high float64, err error) {
	if s.Rows < 1 {
		return 0, 0, invalid("a share of no rows")
	}
	return wilson(s.taken(), s.Effective, confidence)
}

func (s Share) exact(confidence float64) (low, high float64, err error) {
	return exact(s.taken(), s.Effective, confidence)
}

// taken is the effective number of rows that are taken: a whole number where rows
// all weigh 1.
func (s Share) taken() float64 {
	if s.Effective == float64(s.Rows) {
		if whole := math.Round(s.Value * s.Effective); math.Abs(whole-s.Value*s.Effective) < 1e-6 {
			return whole
		}
	}
	return min(s.Effective, s.Value*s.Effective)
}
