package evaluation

import (
	"cmp"
	"math"
	"slices"
)

// sortedRows are values with weights above 0, rising; to[i] is the weight of the
// values up to and with the i-th.
type sortedRows struct{ value, weight, to []float64 }

func ordered(values, weight []float64) sortedRows {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	s := sortedRows{}
	sum := 0.0
	for _, i := range order {
		sum += weight[i]
		s.value, s.weight, s.to = append(s.value, values[i]), append(s.weight, weight[i]), append(s.to, sum)
	}
	return s
}

// at is the least index whose weights reach a share of all.
func (s sortedRows) at(share float64) int {
	i, _ := slices.BinarySearch(s.to, share*s.to[len(s.to)-1])
	return min(i, len(s.to)-1)
}

// median is the value that half the weight lies below; where just half does, the
// mean of it and the next (Hyndman and Fan 1996, definition 2), as in
// scikit-learn.
func (s sortedRows) median() float64 {
	i := s.at(0.5)
	if half := s.to[len(s.to)-1] / 2; s.to[i]-half <= 0x1p-52 && i+1 < len(s.to) {
		return (s.value[i] + s.value[i+1]) / 2
	}
	return s.value[i]
}

// measure gives the median with the interval of Woodruff (1952): that of the
// share of weight up to the median, taken back to values.
func (s sortedRows) measure(e Estimate) (Estimate, error) {
	e.Value, e.Method = s.median(), ByWoodruff
	n := float64(len(s.value))
	var squares accumulator
	for i, w := range s.weight {
		d := w * (indicator(s.value[i] <= e.Value) - 0.5)
		squares.add(d * d)
	}
	half := quantile(e.Confidence) * math.Sqrt(squares.total()*n/(n-1)) / s.to[len(s.to)-1]
	if !(half < 0.5) {
		return e, invalid("the spread of %s cannot be told from %d rows", e.Name, len(s.value))
	}
	e.Low, e.High = min(e.Value, s.value[s.at(0.5-half)]), max(e.Value, s.value[s.at(0.5+half)])
	return e, nil
}
