package sequential

import (
	"fmt"
	"math"
)

// Count is how many of All were Bad.
type Count struct {
	Bad int64 `json:"bad"`
	All int64 `json:"all"`
}

// Check refuses counts that cannot be.
func (c Count) Check() error {
	if c.Bad < 0 || c.All < c.Bad {
		return fmt.Errorf("%d bad of %d: want 0 ≤ bad ≤ all", c.Bad, c.All)
	}
	return nil
}

// Plus adds two counts up.
func (c Count) Plus(o Count) Count { return Count{c.Bad + o.Bad, c.All + o.All} }

// Rate is Bad/All, NaN of nothing.
func (c Count) Rate() float64 {
	if c.All == 0 {
		return math.NaN()
	}
	return float64(c.Bad) / float64(c.All)
}

// Evidence is the logarithm of an e-process now, and its greatest value so far.
type Evidence struct {
	Now  float64 `json:"now"`
	Most float64 `json:"most"`
}

func (e *Evidence) note(now float64) { e.Now, e.Most = now, max(e.Most, now) }

// Against says that the null was rejected at α, now or earlier.
func (e Evidence) Against(alpha float64) bool { return e.Most >= -math.Log(alpha) }

// P is the anytime-valid p-value: the least α that rejects.
func (e Evidence) P() float64 { return math.Exp(-e.Most) }

// oddsRatios are how much worse than allowed the alternatives are; a mixture
// over them loses at most their number's logarithm against the best of them.
var oddsRatios = [...]float64{1.1, 1.3, 1.7, 2.5, 4, 8, 20, 80}

// alternatives is how many there are.
const alternatives = len(oddsRatios)

// mix is the logarithm of the mean of the components' values.
func mix(logs []float64) float64 {
	most := math.Inf(-1)
	for _, l := range logs {
		most = max(most, l)
	}
	if math.IsInf(most, -1) {
		return most
	}
	sum := 0.0
	for _, l := range logs {
		sum += math.Exp(l - most)
	}
	return most + math.Log(sum/float64(len(logs)))
}

// worse is a rate whose odds are ratio times p's.
func worse(p, ratio float64) float64 { return ratio * p / (1 - p + ratio*p) }

// tiny keeps rates off 0 and 1, where likelihoods vanish.
const tiny = 1e-9

func clamp(p float64) float64 { return min(max(p, tiny), 1-tiny) }

// times is count·log(ratio), 0 for no count.
func times(count int64, ratio float64) float64 {
	if count == 0 {
		return 0
	}
	return float64(count) * math.Log(ratio)
}
