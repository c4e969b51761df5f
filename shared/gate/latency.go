package gate

import (
	"math"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// MinRequests is the least that a 99th percentile can be read from: one request
// in a hundred is beyond it.
const MinRequests = 100

// Latency judges the 99th percentile of the evaluator's requests in
// milliseconds, and the share of them that failed. The share is always judged
// by its value: a server that answers the same rows the same way fails by rule,
// not by chance.
func Latency(c *trainconfig.Config, l *contract.Latency) Verdict {
	e := &c.Evaluation
	v := newVerdict(NameLatency, struct {
		P99        trainconfig.Duration `json:"p99"`
		ErrorRate  float64              `json:"error_rate"`
		DecideOn   string               `json:"decide_on"`
		Confidence float64              `json:"confidence"`
	}{e.Latency.P99, c.Deployment.Limits.ErrorRate, e.DecideOn, e.Confidence})
	if l == nil {
		v.insufficient("no latency was measured")
		return *v
	}
	if why := unsound(l); why != "" {
		v.insufficient("the latency histogram cannot be used: %s", why)
		return *v
	}
	if l.Requests < MinRequests {
		v.insufficient("%d requests; a 99th percentile needs at least %d", l.Requests, MinRequests)
		return *v
	}
	v.add(p99(l, e.Confidence, float64(time.Duration(e.Latency.P99).Microseconds())/1000), point(e))
	rate := float64(l.Errors) / float64(l.Requests)
	v.add(Measurement{Name: "error_rate", Value: rate, Low: rate, High: rate, Limit: c.Deployment.Limits.ErrorRate,
		Wants: atMost, N: int(l.Requests)}, true)
	return *v
}

func unsound(l *contract.Latency) string {
	if len(l.Counts) != len(l.BoundsMS)+1 {
		return "it needs one count more than bounds"
	}
	var sum int64
	for i, n := range l.Counts {
		if n < 0 {
			return "a count is negative"
		}
		if i > 0 && i < len(l.BoundsMS) && !(l.BoundsMS[i] > l.BoundsMS[i-1]) {
			return "the bounds do not rise"
		}
		sum += n
	}
	switch {
	case sum != l.Requests:
		return "the counts do not sum to the requests"
	case l.Errors < 0 || l.Errors > l.Requests:
		return "there are more errors than requests"
	case l.Requests > 0 && !(l.P99MS > 0 && l.P99MS <= l.MaxMS && !math.IsInf(l.MaxMS, 0)):
		return "the 99th percentile is not above 0 and at most the greatest"
	}
	return ""
}

// p99 bounds the percentile by the order statistics whose ranks a binomial
// count leaves open, at the resolution of the histogram.
func p99(l *contract.Latency, confidence, limitMS float64) Measurement {
	const q = 0.99
	n := float64(l.Requests)
	spread := math.Sqrt2 * math.Erfinv(confidence) * math.Sqrt(n*q*(1-q))
	low, _ := bucket(l, int64(math.Floor(n*q-spread)))
	_, high := bucket(l, int64(math.Ceil(n*q+spread))+1)
	return Measurement{Name: "latency_p99_ms", Value: l.P99MS, Low: min(low, l.P99MS), High: max(high, l.P99MS), Confidence: confidence,
		Limit: limitMS, Wants: atMost, N: int(l.Requests)}
}

// bucket is the range in milliseconds in which the request of a rank (from 1,
// kept within the requests) lies.
func bucket(l *contract.Latency, rank int64) (low, high float64) {
	rank = max(1, min(l.Requests, rank))
	var seen int64
	for i, n := range l.Counts {
		if seen += n; seen < rank {
			continue
		}
		high = l.MaxMS
		if i < len(l.BoundsMS) {
			high = min(high, l.BoundsMS[i])
		}
		if i > 0 {
			low = l.BoundsMS[i-1]
		}
		return low, high
	}
	return 0, l.MaxMS
}
