package prometheus

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// The model server's counters.
const (
	requestsMetric = "sluice_requests_total"
	bucketMetric   = "sluice_request_seconds_bucket"
)

// Gauge is a rollout.Gauge. Rest gives labels and alarms.
type Gauge struct {
	URL    string // http://prometheus:9090
	Client Doer
	Rest   rollout.Gauge
	Stale  time.Duration // samples older than this at the window's end are no word on it
}

var _ rollout.Gauge = (*Gauge)(nil)

// Measure implements rollout.Gauge. An increment ends at the last scrape of
// all, so nothing is counted twice and nothing is left out.
func (g *Gauge) Measure(ctx context.Context, q rollout.Question) (rollout.Measurements, error) {
	m, err := g.Rest.Measure(ctx, q)
	if err != nil {
		return m, err
	}
	m.From, m.To = q.From.UTC(), q.To.UTC()
	read := map[string]slot{}
	for _, name := range []string{q.Candidate, q.Champion} {
		if name == "" {
			continue
		}
		s, err := g.read(ctx, q, name)
		if err != nil {
			return m, err
		}
		read[name] = s
		if q.Increment && s.last.Before(m.To) {
			m.To = s.last
		}
	}
	if m.To.Before(m.From) {
		m.To = m.From
	}
	read[q.Candidate].count(&m.Candidate, m.From, m.To, q.Slow)
	if q.Champion != "" && m.Champion != nil {
		read[q.Champion].count(m.Champion, m.From, m.To, q.Slow)
	}
	return m, nil
}

// slot is the counters of one slot around a window.
type slot struct {
	requests []series
	buckets  []series
	last     time.Time // of all samples
}

// read asks for a window that begins early enough to hold each counter's last
// value before it.
func (g *Gauge) read(ctx context.Context, q rollout.Question, name string) (slot, error) {
	window := q.To.Sub(q.From) + g.Stale
	labels := fmt.Sprintf("{model=%s,slot=%s", strconv.Quote(q.Model), strconv.Quote(name))
	var s slot
	var err error
	if s.requests, err = g.samples(ctx, requestsMetric+labels+"}", window, q.To); err != nil {
		return s, err
	}
	if s.buckets, err = g.samples(ctx, bucketMetric+labels+"}", window, q.To); err != nil {
		return s, err
	}
	for _, one := range slices.Concat(s.requests, s.buckets) {
		if n := len(one.samples); n > 0 && one.samples[n-1].at.After(s.last) {
			s.last = one.samples[n-1].at
		}
	}
	if q.To.Sub(s.last) > g.Stale {
		return s, fault.New(fault.Unavailable, "measure slot "+name+" of "+q.Model, "Prometheus has no sample of it in the %v before %s",
			g.Stale, q.To.UTC().Format(time.RFC3339)).WithHint("its targets need the labels model=%q and slot=%q, and must be up", q.Model, name)
	}
	return s, nil
}

// count replaces a variant's requests, errors and latency by Prometheus's.
func (s slot) count(v *rollout.Variant, from, to time.Time, slow time.Duration) {
	v.Requests, v.Errors = 0, 0
	for _, one := range s.requests {
		n := int64(math.Round(one.increase(from, to)))
		v.Requests += n
		if code := one.labels["code"]; len(code) == 3 && code[0] == '5' {
			v.Errors += n
		}
	}
	bounds := s.histogram(from, to)
	v.P99MS = quantile(bounds, 0.99)
	v.Slow = nil
	if slow > 0 {
		v.Slow = slower(bounds, slow.Seconds())
	}
}

// increase is how much a counter grew after from, up to to. A counter that went
// down was reset: it grew from 0. One that was not there before began at 0.
func (s series) increase(from, to time.Time) float64 {
	total, before := 0.0, 0.0
	for _, one := range s.samples {
		if one.at.After(to) {
			break
		}
		if one.at.After(from) {
			if one.value >= before {
				total += one.value - before
			} else {
				total += one.value
			}
		}
		before = one.value
	}
	return total
}

// bound is a histogram's bucket: how many requests took at most so long.
type bound struct {
	seconds float64 // +Inf is the last
	count   float64 // cumulative
}

func (s slot) histogram(from, to time.Time) []bound {
	counts := map[float64]float64{}
	for _, one := range s.buckets {
		le, err := strconv.ParseFloat(one.labels["le"], 64)
		if err == nil {
			counts[le] += one.increase(from, to)
		}
	}
	bounds := make([]bound, 0, len(counts))
	for le, n := range counts {
		bounds = append(bounds, bound{le, n})
	}
	slices.SortFunc(bounds, func(a, b bound) int {
		if a.seconds < b.seconds {
			return -1
		}
		return 1
	})
	return bounds
}

// quantile is in milliseconds, on a line within its bucket as Prometheus's
// histogram_quantile; nil without requests. Beyond the last bound it is that.
func quantile(bounds []bound, q float64) *float64 {
	if len(bounds) == 0 || !(bounds[len(bounds)-1].count > 0) {
		return nil
	}
	rank := q * bounds[len(bounds)-1].count
	lower, below := 0.0, 0.0
	for _, b := range bounds {
		if b.count >= rank {
			value := lower
			if !math.IsInf(b.seconds, 1) && b.count > below {
				value = lower + (b.seconds-lower)*(rank-below)/(b.count-below)
			}
			value *= 1000
			return &value
		}
		lower, below = b.seconds, b.count
	}
	return nil
}

// slower counts the requests beyond the least bound that is not below the limit;
// nil when there is none: then the limit is beyond what the buckets tell apart.
func slower(bounds []bound, limit float64) *int64 {
	if len(bounds) == 0 {
		none := int64(0)
		return &none
	}
	for _, b := range bounds {
		if b.seconds >= limit && !math.IsInf(b.seconds, 1) {
			n := int64(math.Round(bounds[len(bounds)-1].count - b.count))
			return &n
		}
	}
	return nil
}
