package sequential

import (
	"fmt"
	"math"
)

// Outcomes is what both versions made of the same requests.
type Outcomes struct {
	OnlyCandidate int64 `json:"only_candidate"` // wrong by the candidate alone
	OnlyChampion  int64 `json:"only_champion"`
	Same          int64 `json:"same"` // both right or both wrong
}

// Check refuses counts that cannot be.
func (o Outcomes) Check() error {
	if o.OnlyCandidate < 0 || o.OnlyChampion < 0 || o.Same < 0 {
		return fmt.Errorf("outcomes %+v: want no negative count", o)
	}
	return nil
}

// Plus adds two counts up.
func (o Outcomes) Plus(p Outcomes) Outcomes {
	return Outcomes{o.OnlyCandidate + p.OnlyCandidate, o.OnlyChampion + p.OnlyChampion, o.Same + p.Same}
}

// Paired tests the null "the candidate is wrong at most Margin more often than
// the champion on the same requests" by betting on each request's difference:
// +1 when only the candidate is wrong, -1 when only the champion is, else 0.
type Paired struct {
	Margin   float64  `json:"margin"` // 0..1
	Seen     Outcomes `json:"seen"`
	Evidence Evidence `json:"evidence"`
}

// NewPaired refuses margins that no two rates can differ by.
func NewPaired(margin float64) (*Paired, error) {
	if !(margin >= 0 && margin < 1) {
		return nil, fmt.Errorf("the margin is %v: want 0 to below 1", margin)
	}
	return &Paired{Margin: margin}, nil
}

// bets are the shares of the greatest stake, 1/(1+margin), that are put on the
// candidate being worse.
var bets = [...]float64{0.01, 0.03, 0.1, 0.2, 0.4, 0.7, 0.95}

// Look takes the outcomes that are new.
func (p *Paired) Look(more Outcomes) error {
	if err := more.Check(); err != nil {
		return err
	}
	p.Seen = p.Seen.Plus(more)
	p.Evidence.note(wagered(p.Seen, p.Margin))
	return nil
}

// wagered is the logarithm of the bets' mean wealth against the null "the
// difference is at most margin", -1 to 1.
func wagered(o Outcomes, margin float64) float64 {
	var logs [len(bets)]float64
	for i, share := range bets {
		stake := share / (1 + margin)
		logs[i] = times(o.OnlyCandidate, 1+stake*(1-margin)) + times(o.OnlyChampion, 1-share) + times(o.Same, 1-stake*margin)
	}
	return mix(logs[:])
}

// Interval is a confidence sequence of the difference: candidate's share of
// wrong answers minus the champion's. It inverts the test on both sides.
func (p *Paired) Interval(alpha float64) (low, high float64) {
	n := float64(p.Seen.OnlyCandidate + p.Seen.OnlyChampion + p.Seen.Same)
	if n == 0 {
		return -1, 1
	}
	d := float64(p.Seen.OnlyCandidate-p.Seen.OnlyChampion) / n
	swapped := Outcomes{p.Seen.OnlyChampion, p.Seen.OnlyCandidate, p.Seen.Same}
	return edge(-1, d, exceeding(p.Seen, alpha/2)), -edge(-1, -d, exceeding(swapped, alpha/2))
}

// exceeding says of a margin whether the difference is above it, at α.
func exceeding(o Outcomes, alpha float64) func(margin float64) bool {
	return func(margin float64) bool {
		if margin <= -1 { // only the champion being wrong every time is not above
			return o.OnlyCandidate+o.Same > 0
		}
		return wagered(o, margin) >= -math.Log(alpha)
	}
}
