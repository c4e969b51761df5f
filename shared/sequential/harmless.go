package sequential

import (
	"fmt"
	"math"
)

// Harmless tests the null "the candidate's rate is the champion's plus Effect, or
// more": the mirror of Rates. Rejecting it at 1-power shows, before the sample
// floor is reached, that an effect one wanted to notice is not there: a candidate
// with the effect is waved through with at most that chance, over all looks
// (Wald's sequential test has both boundaries). Exact for independent requests.
type Harmless struct {
	Effect   float64                 `json:"effect"`          // above 0, below 1
	Guess    float64                 `json:"guess,omitempty"` // as in Rates
	Wealth   [len(hopes) + 1]float64 `json:"wealth"`          // logarithms; the last is kept back
	Seen     Pair                    `json:"seen"`
	Evidence Evidence                `json:"evidence"`
}

// hopes are where between the champion's rate and the effect the alternatives lie.
var hopes = [...]float64{0, 0.1}

// NewHarmless refuses effects that no two rates can differ by.
func NewHarmless(effect, guess float64) (*Harmless, error) {
	switch {
	case !(effect > 0 && effect < 1):
		return nil, fmt.Errorf("the effect is %v: want above 0 and below 1", effect)
	case !(guess >= 0 && guess < 1):
		return nil, fmt.Errorf("the guess of the champion's rate is %v: want 0 to below 1", guess)
	}
	return &Harmless{Effect: effect, Guess: guess}, nil
}

// Look takes the counts that are new. Where one version saw nothing there is
// nothing to compare with and the evidence stays.
func (h *Harmless) Look(more Pair) error {
	if err := more.Check(); err != nil {
		return err
	}
	deal(h.Wealth[:])
	champion := min(expected(h.Seen.Champion, h.Guess), 1-h.Effect-tiny)
	for i, hope := range hopes {
		h.Wealth[i] += gain(more, champion+hope*h.Effect, champion, h.Effect)
	}
	h.Seen = h.Seen.Plus(more)
	h.Evidence.note(mix(h.Wealth[:]))
	return nil
}

// Clears is how many requests a candidate just like the champion must answer,
// about, until Harmless shows it at 1-Power, for the effect Margin+Effect.
func (d Design) Clears() (int64, error) {
	if err := d.Check(); err != nil {
		return 0, err
	}
	perChampion := (1 - d.Share) / d.Share
	effect := d.Margin + d.Effect
	t := nearest(1, perChampion, d.Champion, d.Champion, effect)
	drift, _ := moments(d.Champion, d.Champion, t+effect)
	more, _ := moments(d.Champion, d.Champion, t)
	return int64(math.Ceil(math.Log(float64(len(hopes)+1)/(1-d.Power)) / (drift + perChampion*more))), nil
}
