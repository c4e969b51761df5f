package cloudwatch

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

type weighted struct{ value, count float64 }

// bucket is everything known of one interval. The zero bucket is empty.
type bucket struct {
	count, sum, min, max float64
	values               []weighted
	blind                bool // a statistic set is in it: no percentiles
}

// maxDistinct bounds a bucket's distribution; beyond it values are rounded to
// one part in a thousand.
const maxDistinct = 1024

func (b *bucket) addValue(value, count float64) {
	b.addSummary(count, value*count, value, value)
	b.values = append(b.values, weighted{value, count})
	if len(b.values) > 2*maxDistinct {
		b.compact()
	}
}

func (b *bucket) addSummary(count, sum, low, high float64) {
	if b.count == 0 {
		b.min, b.max = low, high
	}
	b.count += count
	b.sum += sum
	b.min, b.max = min(b.min, low), max(b.max, high)
}

func (b *bucket) addStatistics(s StatisticSet) {
	b.addSummary(s.SampleCount, s.Sum, s.Minimum, s.Maximum)
	if s.Minimum == s.Maximum {
		b.values = append(b.values, weighted{s.Minimum, s.SampleCount})
		return
	}
	b.blind = true
}

func (b *bucket) merge(o *bucket) {
	if o.count == 0 {
		return
	}
	b.addSummary(o.count, o.sum, o.min, o.max)
	b.values = append(b.values, o.values...)
	b.blind = b.blind || o.blind
	if len(b.values) > 2*maxDistinct {
		b.compact()
	}
}

func (b *bucket) compact() {
	b.values = join(b.values)
	if len(b.values) <= maxDistinct {
		return
	}
	for i, w := range b.values {
		b.values[i].value = roundSignificant(w.value)
	}
	b.values = join(b.values)
}

// join sorts by value and adds up equal ones.
func join(values []weighted) []weighted {
	slices.SortFunc(values, func(a, b weighted) int {
		switch {
		case a.value < b.value:
			return -1
		case a.value > b.value:
			return 1
		}
		return 0
	})
	out := values[:0]
	for _, w := range values {
		if n := len(out); n > 0 && out[n-1].value == w.value {
			out[n-1].count += w.count
			continue
		}
		out = append(out, w)
	}
	return out
}

func roundSignificant(v float64) float64 {
	if v == 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(math.Abs(v)))-3)
	return math.Round(v/unit) * unit
}

// percentile is the nearest-rank percentile, p in (0, 100]. ok is false when
// the distribution is not known.
func (b *bucket) percentile(p float64) (value float64, ok bool) {
	if b.blind || b.count == 0 {
		return 0, false
	}
	return nearestRank(join(slices.Clone(b.values)), b.count, p), true
}

// statistic is a parsed Stat: one of the five, a percentile, or a trimmed one.
type statistic struct {
	name       string
	percentile float64 // 0 when it is not one
	trim       *trim   // nil when it is not one
}

// parseStatistic reads "Sum", "p99", "p99.9", "tm90", "PR(:300)", "IQM".
func parseStatistic(text string) (statistic, error) {
	if slices.Contains([]string{"SampleCount", "Sum", "Average", "Minimum", "Maximum"}, text) {
		return statistic{name: text}, nil
	}
	if digits, ok := strings.CutPrefix(text, "p"); ok {
		p, err := strconv.ParseFloat(digits, 64)
		if err == nil && p > 0 && p <= 100 && !strings.ContainsAny(digits, "+eExX_") {
			return statistic{name: text, percentile: p}, nil
		}
	}
	if t := parseTrim(text); t != nil {
		return statistic{name: text, trim: t}, nil
	}
	return statistic{}, refused("statistic %q: want SampleCount, Sum, Average, Minimum, Maximum, a percentile such as p99.9, a trimmed one such as tm90, TM(10%%:90%%), wm, tc, ts or PR(:300), or IQM", text)
}

// of is the statistic of a bucket; ok is false when there is no data point.
func (s statistic) of(b *bucket) (value float64, ok bool) {
	if b.count == 0 {
		return 0, false
	}
	if s.percentile > 0 {
		return b.percentile(s.percentile)
	}
	if s.trim != nil {
		return s.trim.of(b)
	}
	switch s.name {
	case "SampleCount":
		return b.count, true
	case "Sum":
		return b.sum, true
	case "Average":
		return b.sum / b.count, true
	case "Minimum":
		return b.min, true
	default:
		return b.max, true
	}
}

// significantSamples is how many samples a percentile needs before CloudWatch
// trusts it: 10/(1-p) above the median, 10/p below.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/percentiles-with-low-samples.html
func (s statistic) significantSamples() float64 {
	p := s.percentile / 100
	switch {
	case p == 0, p == 1:
		return 0
	case p >= 0.5:
		return math.Round(10/(1-p)*1e6) / 1e6
	default:
		return math.Round(10/p*1e6) / 1e6
	}
}
