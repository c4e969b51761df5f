package sequential

import (
	"fmt"
	"math"
)

// Design is what a test of rates must be able to notice.
type Design struct {
	Champion float64 // the rate to expect of the champion, above 0 and below 1
	Effect   float64 // a candidate's rate is this much above Champion+Margin
	Margin   float64
	Share    float64 // the candidate's share of the traffic, above 0 and below 1
	Alpha    float64 // of false alarms, over all looks
	Power    float64 // chance of noticing by the sample floor
}

// Check names the field that is wrong.
func (d Design) Check() error {
	for _, f := range []struct {
		name  string
		value float64
	}{{"the champion's rate", d.Champion}, {"the effect", d.Effect}, {"the candidate's share", d.Share}, {"alpha", d.Alpha}, {"the power", d.Power}} {
		if !(f.value > 0 && f.value < 1) {
			return fmt.Errorf("%s is %v: want above 0 and below 1", f.name, f.value)
		}
	}
	if d.Margin < 0 || d.Champion+d.Margin+d.Effect >= 1 {
		return fmt.Errorf("the champion's rate %v, the margin %v and the effect %v add up to %v: want below 1",
			d.Champion, d.Margin, d.Effect, d.Champion+d.Margin+d.Effect)
	}
	return nil
}

// Floor is how many requests the candidate must answer, while the champion
// answers its own share, for Rates to notice the effect with the wanted power.
// It follows the best alternative's wealth: a drift per request, its variance,
// and a threshold; the mixture costs the logarithm of its size.
func (d Design) Floor() (int64, error) {
	if err := d.Check(); err != nil {
		return 0, err
	}
	best := math.Inf(1)
	for _, ratio := range oddsRatios {
		best = min(best, d.needs(ratio))
	}
	if math.IsInf(best, 1) {
		return 0, fmt.Errorf("an effect of %v on top of %v is too small for any number of requests", d.Effect, d.Champion+d.Margin)
	}
	return int64(math.Ceil(best)), nil
}

// needs solves n·drift - z·√(n·variance) = threshold for one alternative.
func (d Design) needs(ratio float64) float64 {
	perChampion := (1 - d.Share) / d.Share // the champion's requests for each of the candidate's
	candidate := worse(clamp(d.Champion+d.Margin), ratio)
	t := nearest(1, perChampion, candidate, d.Champion, d.Margin)
	drift, variance := moments(d.Champion+d.Margin+d.Effect, candidate, t+d.Margin)
	drift2, variance2 := moments(d.Champion, d.Champion, t)
	drift += perChampion * drift2
	variance += perChampion * variance2
	if drift <= 0 {
		return math.Inf(1)
	}
	threshold := math.Log(float64(components) / d.Alpha)
	z := math.Sqrt2 * math.Erfinv(2*d.Power-1)
	root := (z*math.Sqrt(variance) + math.Sqrt(z*z*variance+4*drift*threshold)) / (2 * drift)
	return root * root
}

// moments of one request's log-likelihood ratio when its true rate is p.
func moments(p, alternative, null float64) (mean, variance float64) {
	bad, good := math.Log(alternative/null), math.Log((1-alternative)/(1-null))
	return p*bad + (1-p)*good, p * (1 - p) * (bad - good) * (bad - good)
}
