package cloudwatch

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Dimension is one name and value of a metric's identity.
type Dimension struct {
	Name  string `json:"Name"`
	Value string `json:"Value"`
}

// Metric is a metric's identity. The order of dimensions means nothing.
type Metric struct {
	Namespace  string      `json:"Namespace,omitempty"`
	MetricName string      `json:"MetricName,omitempty"`
	Dimensions []Dimension `json:"Dimensions,omitempty"`
}

// key is equal for equal metrics.
func (m Metric) key() string {
	var b strings.Builder
	b.WriteString(m.Namespace + "\x00" + m.MetricName)
	for _, d := range m.sorted() {
		b.WriteString("\x00" + d.Name + "\x01" + d.Value)
	}
	return b.String()
}

func (m Metric) sorted() []Dimension {
	return slices.SortedFunc(slices.Values(m.Dimensions), func(a, b Dimension) int { return strings.Compare(a.Name, b.Name) })
}

// StatisticSet is a distribution of which only these four are known, so it
// gives no percentiles (unless it is of one value).
type StatisticSet struct {
	SampleCount float64 `json:"SampleCount"`
	Sum         float64 `json:"Sum"`
	Minimum     float64 `json:"Minimum"`
	Maximum     float64 `json:"Maximum"`
}

// Datum is one publication to a metric: Values (each Counts[i] times; nil
// Counts is once each) or Statistics, never both.
type Datum struct {
	Name           string
	Dimensions     []Dimension
	Time           time.Time // zero is now
	Unit           string    // "" is None
	HighResolution bool      // kept by the second, not by the minute
	Values         []float64
	Counts         []float64
	Statistics     *StatisticSet
}

// AWS's limits on a datum.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
const (
	maxDimensions = 30
	maxPast       = 14 * 24 * time.Hour
	maxFuture     = 2 * time.Hour
)

func (d Datum) check(now time.Time) error {
	switch {
	case d.Name == "" || len(d.Name) > 255:
		return refused("MetricName %q: want 1 to 255 characters", d.Name)
	case len(d.Dimensions) > maxDimensions:
		return refused("metric %s has %d dimensions: at most %d", d.Name, len(d.Dimensions), maxDimensions)
	case d.Time.Before(now.Add(-maxPast)) || d.Time.After(now.Add(maxFuture)):
		return refused("metric %s: timestamp %s is not within two weeks before and two hours after now (%s)",
			d.Name, d.Time.Format(time.RFC3339), now.Format(time.RFC3339))
	case d.Unit != "" && !slices.Contains(units, d.Unit):
		return refused("metric %s: unit %q is not one of CloudWatch's", d.Name, d.Unit)
	}
	for _, dimension := range d.Dimensions {
		if dimension.Name == "" || dimension.Value == "" {
			return refused("metric %s: dimension %q=%q: neither may be empty", d.Name, dimension.Name, dimension.Value)
		}
	}
	return d.checkValues()
}

func (d Datum) checkValues() error {
	if d.Statistics != nil {
		s := d.Statistics
		if len(d.Values) > 0 {
			return wire.Errorf("InvalidParameterCombination", "metric %s: StatisticValues and values exclude each other", d.Name)
		}
		if !finite(s.SampleCount, s.Sum, s.Minimum, s.Maximum) || s.SampleCount <= 0 || s.Minimum > s.Maximum {
			return refused("metric %s: StatisticValues %+v: want finite numbers, SampleCount > 0, Minimum <= Maximum", d.Name, *s)
		}
		return nil
	}
	if len(d.Values) == 0 {
		return wire.Errorf("MissingParameter", "metric %s: give Value, Values or StatisticValues", d.Name)
	}
	if len(d.Counts) != 0 && len(d.Counts) != len(d.Values) {
		return refused("metric %s: %d Values and %d Counts: want as many of each", d.Name, len(d.Values), len(d.Counts))
	}
	if !finite(d.Values...) || !finite(d.Counts...) {
		return refused("metric %s: values must be finite and within ±2^360", d.Name)
	}
	for _, c := range d.Counts {
		if c <= 0 {
			return refused("metric %s: count %g: want more than 0", d.Name, c)
		}
	}
	return nil
}

// finite also applies CloudWatch's range of ±2^360.
func finite(values ...float64) bool {
	limit := math.Ldexp(1, 360)
	for _, v := range values {
		if math.IsNaN(v) || math.Abs(v) > limit {
			return false
		}
	}
	return true
}

var units = []string{"Seconds", "Microseconds", "Milliseconds", "Bytes", "Kilobytes", "Megabytes", "Gigabytes",
	"Terabytes", "Bits", "Kilobits", "Megabits", "Gigabits", "Terabits", "Percent", "Count", "Bytes/Second",
	"Kilobytes/Second", "Megabytes/Second", "Gigabytes/Second", "Terabytes/Second", "Bits/Second",
	"Kilobits/Second", "Megabits/Second", "Gigabits/Second", "Terabits/Second", "Count/Second", "None"}
