package scoring

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
)

const (
	warmUp  = 50  // requests that are not measured
	samples = 500 // requests that are
)

// boundsMS are the histogram's upper bounds in milliseconds.
func boundsMS() []float64 {
	return []float64{0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000}
}

// latency sends single rows one after the other, and times each from the
// request to the whole answer.
func (in *instances) latency(ctx context.Context, s *server, now func() time.Time) (contract.Latency, error) {
	var tookMS []float64
	failures := int64(0)
	for i := range warmUp + samples {
		line := in.append(nil, in.rows[i%len(in.rows)], noise{})
		start := now()
		status, _, err := s.post(ctx, line)
		took := now().Sub(start)
		if ctx.Err() != nil {
			return contract.Latency{}, interrupted(ctx)
		}
		if i < warmUp {
			continue
		}
		if err != nil || status != 200 {
			failures++
		}
		tookMS = append(tookMS, float64(took)/float64(time.Millisecond))
	}
	return summarize(tookMS, failures), nil
}

// summarize makes the histogram. Quantiles are nearest-rank: the smallest time
// that at least that share of the requests did not exceed.
func summarize(tookMS []float64, failures int64) contract.Latency {
	bounds := boundsMS()
	l := contract.Latency{Requests: int64(len(tookMS)), BoundsMS: bounds, Counts: make([]int64, len(bounds)+1), Errors: failures}
	if len(tookMS) == 0 {
		return l
	}
	sorted := slices.Sorted(slices.Values(tookMS))
	sum := 0.0
	for _, ms := range sorted {
		at, _ := slices.BinarySearch(bounds, ms)
		l.Counts[at]++
		sum += ms
	}
	quantile := func(q float64) float64 {
		return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
	}
	l.MeanMS, l.MaxMS = sum/float64(len(sorted)), sorted[len(sorted)-1]
	l.P50MS, l.P90MS, l.P99MS = quantile(0.5), quantile(0.9), quantile(0.99)
	return l
}
