package sequential

import (
	"fmt"
	"math"
)

// Pair is what both versions counted in the same time.
type Pair struct {
	Candidate Count `json:"candidate"`
	Champion  Count `json:"champion"`
}

// Plus adds two pairs up.
func (p Pair) Plus(o Pair) Pair {
	return Pair{p.Candidate.Plus(o.Candidate), p.Champion.Plus(o.Champion)}
}

// Check refuses counts that cannot be, and says whose.
func (p Pair) Check() error {
	if err := p.Candidate.Check(); err != nil {
		return fmt.Errorf("the candidate's counts: %w", err)
	}
	if err := p.Champion.Check(); err != nil {
		return fmt.Errorf("the champion's counts: %w", err)
	}
	return nil
}

// Rates tests the null "the candidate's rate is at most the champion's plus
// Margin" against worse rates, from batches of any sizes: shares of the traffic
// may change between looks. Exact for independent requests.
//
// Each look multiplies every alternative's wealth by the likelihood of the new
// counts under the alternative over that under the null's nearest pair of
// rates. The alternatives are set before the look, from the looks before it.
//
// One component of the wealth is kept back and never bet, and before each look a
// small part of the whole is dealt out anew to all of them (fixed share, Herbster
// and Warmuth, 1998). Both are moves that a gambler may make, so the bound stands;
// they cost next to nothing, and a look that ruins every alternative, as one with
// a bad guess or in an incident of both versions does, no longer ends the test.
type Rates struct {
	Margin   float64             `json:"margin"`          // 0..1, of the rates' difference
	Guess    float64             `json:"guess,omitempty"` // of the champion's rate before the first look; 0 is 0.01
	Wealth   [components]float64 `json:"wealth"`          // logarithms; the last is kept back
	Seen     Pair                `json:"seen"`
	Evidence Evidence            `json:"evidence"`
}

// components share the wealth: the alternatives and what is kept back.
const components = alternatives + 1

// dealt is the part of the wealth that is dealt out anew before each look.
const dealt = 0.02

// NewRates refuses margins that no two rates can differ by. A bad guess costs
// some power at the first looks, never validity.
func NewRates(margin, guess float64) (*Rates, error) {
	switch {
	case !(margin >= 0 && margin < 1):
		return nil, fmt.Errorf("the margin is %v: want 0 to below 1", margin)
	case !(guess >= 0 && guess < 1):
		return nil, fmt.Errorf("the guess of the champion's rate is %v: want 0 to below 1", guess)
	}
	return &Rates{Margin: margin, Guess: guess}, nil
}

// Look takes the counts that are new. Where one version saw nothing there is
// nothing to compare with and the evidence stays.
func (r *Rates) Look(more Pair) error {
	if err := more.Check(); err != nil {
		return err
	}
	deal(r.Wealth[:])
	champion := expected(r.Seen.Champion, r.Guess)
	for i, ratio := range oddsRatios {
		candidate := worse(clamp(min(champion+r.Margin, 1-2*tiny)), ratio)
		r.Wealth[i] += gain(more, candidate, champion, r.Margin)
	}
	r.Seen = r.Seen.Plus(more)
	r.Evidence.note(mix(r.Wealth[:]))
	return nil
}

// deal gives every component its part of what is dealt out anew.
func deal(wealth []float64) {
	whole := mix(wealth)
	for i, own := range wealth {
		wealth[i] = whole + math.Log(dealt+(1-dealt)*math.Exp(own-whole))
	}
}

// expected is the champion's rate as the looks so far have it, with the guess
// counted as one bad request.
func expected(seen Count, guess float64) float64 {
	if guess == 0 {
		guess = 0.01
	}
	return clamp((float64(seen.Bad) + 1) / (float64(seen.All) + 1/guess))
}

// gain is the log-likelihood ratio of the counts between an alternative and the
// pair of rates within the null that is nearest to it. For a convex null the
// expectation of the ratio is at most 1 everywhere in it (Turner, Ly, Grünwald).
func gain(more Pair, candidate, champion, margin float64) float64 {
	a, b := more.Candidate, more.Champion
	if a.All == 0 || b.All == 0 {
		return 0
	}
	nearest := nearest(float64(a.All), float64(b.All), candidate, champion, margin)
	return logRatio(a, candidate, nearest+margin) + logRatio(b, champion, nearest)
}

func logRatio(c Count, alternative, null float64) float64 {
	return times(c.Bad, alternative/null) + times(c.All-c.Bad, (1-alternative)/(1-null))
}

// nearest is the champion's rate t of the null's boundary (t+margin, t) that
// minimises n·KL(candidate‖t+margin) + m·KL(champion‖t).
func nearest(n, m, candidate, champion, margin float64) float64 {
	if margin == 0 {
		return (n*candidate + m*champion) / (n + m)
	}
	slope := func(t float64) float64 {
		u := t + margin
		return n*(u-candidate)/(u*(1-u)) + m*(t-champion)/(t*(1-t))
	}
	// The minimum lies between where each term alone has its own.
	low, high := min(champion, candidate-margin), max(champion, candidate-margin)
	low, high = max(low, tiny/2), min(high, 1-margin-tiny/2)
	for range 80 {
		middle := (low + high) / 2
		if slope(middle) > 0 {
			high = middle
		} else {
			low = middle
		}
	}
	return (low + high) / 2
}

// Difference is a confidence sequence of the candidate's rate minus the
// champion's, from one of each with half of α: wider than it must be.
func Difference(p Pair, alpha float64) (low, high float64) {
	aLow, aHigh := Interval(p.Candidate, alpha/2)
	bLow, bHigh := Interval(p.Champion, alpha/2)
	return aLow - bHigh, aHigh - bLow
}

// MeanInterval is an asymptotic confidence sequence of a mean (of a latency,
// of a difference of two means) from its estimate and standard error: valid at
// all looks once the central limit theorem holds, so not for a handful of
// requests. scale is the effect that matters, in the mean's unit: the interval
// is tightest when the standard error is near it.
func MeanInterval(mean, standardError, scale, alpha float64) (low, high float64) {
	v := standardError * standardError
	t := scale * scale
	half := math.Sqrt(2 * v * (v + t) / t * (math.Log(1/alpha) + math.Log1p(t/v)/2))
	if v == 0 {
		half = 0
	}
	return mean - half, mean + half
}
