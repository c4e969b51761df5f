package profile

import (
	"math"
	"slices"

	"github.com/sluice-ml/sluice/shared/table"
)

// Moments are count, mean and spread of numbers, kept by Welford's update and
// merged as in Chan, Golub and LeVeque, "Updating Formulae and a Pairwise
// Algorithm for Computing Sample Variances" (1979). Without numbers all are 0.
type Moments struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean"`
	M2    float64 `json:"m2"` // sum of squared differences from the mean
	Min   float64 `json:"min"`
	Max   float64 `json:"max"`
}

func (m *Moments) add(v float64) { *m = m.merge(Moments{Count: 1, Mean: v, Min: v, Max: v}) }

func (m *Moments) addMany(v float64, n int64) {
	*m = m.merge(Moments{Count: n, Mean: v, Min: v, Max: v})
}

func (m Moments) merge(o Moments) Moments {
	switch {
	case o.Count == 0:
		return m
	case m.Count == 0:
		return o
	}
	n := m.Count + o.Count
	delta, share := o.Mean-m.Mean, float64(o.Count)/float64(n)
	return Moments{
		Count: n,
		Mean:  clamp(m.Mean + delta*share),
		M2:    clamp(m.M2 + o.M2 + delta*(delta*float64(m.Count)*share)),
		Min:   min(m.Min, o.Min), Max: max(m.Max, o.Max),
	}
}

// clamp keeps sums of numbers near the end of the range finite, which JSON
// needs; a variance of 1.8e308 is as large as one that overflowed.
func clamp(v float64) float64 {
	if math.IsNaN(v) {
		return math.MaxFloat64
	}
	return max(-math.MaxFloat64, min(math.MaxFloat64, v))
}

// Variance is the population variance; 0 without numbers.
func (m Moments) Variance() float64 {
	if m.Count == 0 {
		return 0
	}
	return m.M2 / float64(m.Count)
}

// maxPoints bounds a summary.
const maxPoints = 512

// Summary is the distribution of numbers as points in rising order, each with
// the weight of the values above the point before and up to it. At the points
// themselves the distribution is exact until two inexact summaries merge; each
// such merge moves a rank by less than the weight of one point.
type Summary struct {
	Exact  bool      `json:"exact"` // points are all the distinct values
	Points []float64 `json:"points"`
	Weight []int64   `json:"weight"`
}

// summaryOf sorts values in place.
func summaryOf(values []float64) Summary {
	slices.Sort(values)
	s := Summary{Exact: true, Points: []float64{}, Weight: []int64{}}
	for _, v := range values {
		s.push(v, 1)
	}
	return s.compressed()
}

// push adds weight at a point not below the last.
func (s *Summary) push(v float64, weight int64) {
	if n := len(s.Points); n > 0 && s.Points[n-1] == v {
		s.Weight[n-1] += weight
		return
	}
	s.Points, s.Weight = append(s.Points, v), append(s.Weight, weight)
}

func (s Summary) total() int64 {
	var total int64
	for _, w := range s.Weight {
		total += w
	}
	return total
}

// compressed keeps at most maxPoints points, at equal steps of rank, and the
// last.
func (s Summary) compressed() Summary {
	if len(s.Points) <= maxPoints {
		return s
	}
	total := s.total()
	out := Summary{Points: make([]float64, 0, maxPoints), Weight: make([]int64, 0, maxPoints)}
	var rank, pending int64
	for i, v := range s.Points {
		rank, pending = rank+s.Weight[i], pending+s.Weight[i]
		step := total * int64(len(out.Points)+1) / maxPoints
		if rank >= step || i == len(s.Points)-1 {
			out.push(v, pending)
			pending = 0
		}
	}
	return out
}

func (s Summary) merge(o Summary) Summary {
	out := Summary{Exact: s.Exact && o.Exact, Points: []float64{}, Weight: []int64{}}
	if len(s.Points) == 0 || len(o.Points) == 0 {
		out.Exact = (s.Exact || len(s.Points) == 0) && (o.Exact || len(o.Points) == 0)
	}
	i, j := 0, 0
	for i < len(s.Points) || j < len(o.Points) {
		if j == len(o.Points) || (i < len(s.Points) && s.Points[i] <= o.Points[j]) {
			out.push(s.Points[i], s.Weight[i])
			i++
		} else {
			out.push(o.Points[j], o.Weight[j])
			j++
		}
	}
	return out.compressed()
}

// Quantile is the least point with at least the share q of the weight up to it;
// NaN without points.
func (s Summary) Quantile(q float64) float64 {
	if len(s.Points) == 0 {
		return math.NaN()
	}
	want := q * float64(s.total())
	var rank int64
	for i, w := range s.Weight {
		if rank += w; float64(rank) >= want {
			return s.Points[i]
		}
	}
	return s.Points[len(s.Points)-1]
}

// UpTo is the weight of the values that are at most v.
func (s Summary) UpTo(v float64) int64 {
	var rank int64
	for i, p := range s.Points {
		if p > v {
			break
		}
		rank += s.Weight[i]
	}
	return rank
}

// counts of an exact summary, by canonical value.
func (s Summary) counts() map[string]int64 {
	counts := make(map[string]int64, len(s.Points))
	for i, v := range s.Points {
		counts[table.FormatNumber(v)] += s.Weight[i]
	}
	return counts
}
