package simulation

import (
	"errors"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// location is the Mann–Whitney estimate of how much greater one sample's values
// are than another's, with its interval.
type location struct {
	low, estimate, high float64
}

var errTied = errors.New("all observations are tied")

// shiftOf estimates the shift of x against y by the normal approximation of the
// rank sum, with the corrections for ties and continuity: what R's wilcox.test
// gives with conf.int = TRUE and exact = FALSE (Hollander and Wolfe, 1999,
// chapter 4). Neither sample may be empty or hold a NaN.
func shiftOf(x, y []float64, level float64) (location, error) {
	s := sorted(x, y)
	low, high := s.x[0]-s.y[len(s.y)-1], s.x[len(s.x)-1]-s.y[0]
	if low == high {
		return location{}, errTied
	}
	z := distuv.UnitNormal.Quantile((1 + level) / 2)
	return location{
		low:      s.root(low, high, z, true),
		estimate: s.root(low, high, 0, false),
		high:     s.root(low, high, -z, true),
	}, nil
}

type samples struct{ x, y []float64 } // each sorted

func sorted(x, y []float64) samples {
	return samples{slices.Sorted(slices.Values(x)), slices.Sorted(slices.Values(y))}
}

// root is where the standardised rank sum of x-shift against y falls to z: it
// falls as the shift grows, in steps. Where it is z for a stretch, that is the
// stretch's middle.
func (s samples) root(low, high, z float64, corrected bool) float64 {
	if s.standard(low, corrected) <= z {
		return low
	}
	if s.standard(high, corrected) >= z {
		return high
	}
	from := bisect(low, high, func(shift float64) bool { return s.standard(shift, corrected) > z })
	to := bisect(from, high, func(shift float64) bool { return s.standard(shift, corrected) >= z })
	return (from + to) / 2
}

// bisect finds where above ceases to be so.
func bisect(low, high float64, above func(float64) bool) float64 {
	for range 48 {
		if middle := (low + high) / 2; above(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return (low + high) / 2
}

// standard is the rank sum of x-shift against y as a standard normal deviate.
func (s samples) standard(shift float64, corrected bool) float64 {
	u, ties := s.count(shift)
	n, m := float64(len(s.x)), float64(len(s.y))
	d := u - n*m/2
	if corrected && d != 0 {
		d -= math.Copysign(0.5, d)
	}
	sigma := math.Sqrt(n * m / 12 * (n + m + 1 - ties/((n+m)*(n+m-1))))
	if sigma == 0 { // at one shift alone, where every difference is the same
		return 0
	}
	return d / sigma
}

// count gives U, the pairs in which x-shift is greater than y (a tie is half a
// pair), and Σ(t³-t) over groups of t equal values.
func (s samples) count(shift float64) (u, ties float64) {
	i, j := 0, 0
	for i < len(s.x) || j < len(s.y) {
		value := math.Inf(1)
		if i < len(s.x) {
			value = s.x[i] - shift
		}
		if j < len(s.y) {
			value = min(value, s.y[j])
		}
		below, a, b := j, i, j
		for i < len(s.x) && s.x[i]-shift == value {
			i++
		}
		for j < len(s.y) && s.y[j] == value {
			j++
		}
		inX, inY := float64(i-a), float64(j-b)
		u += inX * (float64(below) + inY/2)
		t := inX + inY
		ties += t*t*t - t
	}
	return u, ties
}
