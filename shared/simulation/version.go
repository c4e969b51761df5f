package simulation

import (
	"fmt"
	"math"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// Version is what one model version does to its requests.
type Version struct {
	ErrorRate float64       `json:"error_rate"` // share answered 5xx
	P99       time.Duration `json:"p99"`        // of a lognormal latency
	Spread    float64       `json:"spread"`     // of it: the logarithm's standard deviation
	Shift     time.Duration `json:"shift,omitzero"`
	SlowRate  float64       `json:"slow_rate,omitzero"` // a further share slower than the limit, whatever the rest does
	Accuracy  float64       `json:"accuracy"`           // share of right answers
}

// z99 is the standard normal's 99 % point.
const z99 = 2.3263478740408408

// Check names what cannot be.
func (v Version) Check() error {
	for _, f := range []struct {
		name  string
		value float64
	}{{"the error rate", v.ErrorRate}, {"the slow rate", v.SlowRate}, {"the accuracy", v.Accuracy}} {
		if !(f.value >= 0 && f.value <= 1) {
			return fmt.Errorf("%s is %.4g: want 0 to 1", f.name, f.value)
		}
	}
	switch {
	case v.P99 <= 0:
		return fmt.Errorf("the p99 is %v: want a positive time", v.P99)
	case !(v.Spread > 0):
		return fmt.Errorf("the latency's spread is %v: want above 0", v.Spread)
	case v.Shift <= -v.P99:
		return fmt.Errorf("the latency would be %v less than a p99 of %v", -v.Shift, v.P99)
	}
	return nil
}

// tail is the share of the version's own latencies above a limit.
func (v Version) tail(limit time.Duration) float64 {
	left := limit - v.Shift
	if left <= 0 {
		return 1
	}
	z := z99 + math.Log(left.Seconds()/v.P99.Seconds())/v.Spread
	return distuv.UnitNormal.Survival(z)
}

// quantile is the latency, in milliseconds, below which a share q of the
// version's own latencies lie.
func (v Version) quantile(q float64) float64 {
	z := distuv.UnitNormal.Quantile(min(max(q, 1e-12), 1-1e-12))
	return 1e3 * (v.P99.Seconds()*math.Exp(v.Spread*(z-z99)) + v.Shift.Seconds())
}

// slow is the share of all requests above a limit.
func (v Version) slow(limit time.Duration) float64 {
	tail := v.tail(limit)
	return tail + v.SlowRate*(1-tail)
}

// bad is the share of requests that err, are slow or are answered wrongly.
func (v Version) bad(limit time.Duration) float64 {
	return 1 - (1-v.ErrorRate)*(1-v.slow(limit))*v.Accuracy
}

// p99 draws the 99th percentile of n latencies of which slow are above the
// limit, in milliseconds: an order statistic of the slow or of the others.
func (v Version) p99(random source, n, slow int64, limit time.Duration) float64 {
	tail := v.tail(limit)
	rank := int64(math.Ceil(0.99 * float64(n)))
	if fast := n - slow; rank > fast {
		return v.quantile(1 - tail + tail*random.ordered(rank-fast, slow))
	}
	return v.quantile((1 - tail) * random.ordered(rank, n-slow))
}
