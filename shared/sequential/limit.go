package sequential

import (
	"fmt"
	"math"
)

// Limit tests the null "the rate is at most Max" against worse rates: a mixture
// of likelihood ratios. Exact for independent requests.
type Limit struct {
	Max      float64  `json:"max"` // 0..1
	Seen     Count    `json:"seen"`
	Evidence Evidence `json:"evidence"`
}

// NewLimit refuses a limit that no rate can break.
func NewLimit(most float64) (*Limit, error) {
	if !(most >= 0 && most < 1) {
		return nil, fmt.Errorf("the limit of a rate is %v: want 0 to below 1", most)
	}
	return &Limit{Max: most}, nil
}

// Look takes the counts that are new.
func (l *Limit) Look(more Count) error {
	if err := more.Check(); err != nil {
		return err
	}
	l.Seen = l.Seen.Plus(more)
	p := clamp(l.Max)
	var logs [alternatives]float64
	for i, ratio := range oddsRatios {
		q := worse(p, ratio)
		logs[i] = times(l.Seen.Bad, q/p) + times(l.Seen.All-l.Seen.Bad, (1-q)/(1-p))
	}
	l.Evidence.note(mix(logs[:]))
	return nil
}

// Interval is the confidence sequence of a rate: with chance 1-α it holds the
// rate at all looks together (beta mixture, Robbins 1970). Nothing seen gives
// 0 to 1.
func Interval(c Count, alpha float64) (low, high float64) {
	if c.All == 0 {
		return 0, 1
	}
	x, y := float64(c.Bad), float64(c.All-c.Bad)
	top := logBeta(x+0.5, y+0.5) - logBeta(0.5, 0.5) + math.Log(alpha)
	outside := func(p float64) bool { return top > term(x, p)+term(y, 1-p) }
	rate := c.Rate()
	return edge(0, rate, outside), edge(1, rate, outside)
}

// edge bisects between out, which may lie outside, and in, which does not.
func edge(out, in float64, outside func(float64) bool) float64 {
	if !outside(out) {
		return out
	}
	for range 100 {
		middle := (out + in) / 2
		if outside(middle) {
			out = middle
		} else {
			in = middle
		}
	}
	return out
}

// term is n·log p with 0·log 0 = 0.
func term(n, p float64) float64 {
	if n == 0 {
		return 0
	}
	return n * math.Log(p)
}

func logBeta(a, b float64) float64 {
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	return la + lb - lab
}
