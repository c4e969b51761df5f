package sagemaker

import (
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/cloudwatch"
)

// Namespace is where SageMaker publishes its endpoints' metrics.
const Namespace = "AWS/SageMaker"

// meter collects one variant's invocation metrics between two flushes.
type meter struct {
	endpoint, variant string
	frequency         int64 // seconds between data points

	mu      sync.Mutex
	windows map[int64]*window // by the data point's time
}

// window is what one data point will hold. A latency is counted by its value in
// microseconds, rounded to three figures, so that a busy second stays small.
type window struct {
	requests, errors4, errors5 float64
	model, overhead            map[float64]float64
}

// meters hands out one meter for each variant.
type meters struct {
	mu  sync.Mutex
	all map[[2]string]*meter
}

func (m *meters) meter(endpoint, variant string, frequency int64) *meter {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		m.all = map[[2]string]*meter{}
	}
	key := [2]string{endpoint, variant}
	one := m.all[key]
	if one == nil {
		one = &meter{endpoint: endpoint, variant: variant, windows: map[int64]*window{}}
		m.all[key] = one
	}
	one.mu.Lock()
	one.frequency = frequency
	one.mu.Unlock()
	return one
}

func (m *meter) observe(now time.Time, class int, model, overhead time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	unix := now.Unix()
	w := m.windows[unix-unix%m.frequency]
	if w == nil {
		w = &window{model: map[float64]float64{}, overhead: map[float64]float64{}}
		m.windows[unix-unix%m.frequency] = w
	}
	w.requests++
	switch class {
	case class4XX:
		w.errors4++
	case class5XX:
		w.errors5++
	}
	w.model[micros(model)]++
	w.overhead[micros(overhead)]++
}

// micros rounds to three significant figures.
func micros(d time.Duration) float64 {
	v := math.Max(0, float64(d.Microseconds()))
	if v < 1000 {
		return v
	}
	unit := math.Pow(10, math.Floor(math.Log10(v))-2)
	return math.Round(v/unit) * unit
}

// flush publishes what was collected since the last flush.
func (m *meters) flush(to Metrics) error {
	m.mu.Lock()
	all := slices.Collect(maps.Values(m.all))
	m.mu.Unlock()
	var data []cloudwatch.Datum
	for _, one := range all {
		data = append(data, one.take()...)
	}
	if len(data) == 0 {
		return nil
	}
	return to.Put(Namespace, data...)
}

func (m *meter) take() []cloudwatch.Datum {
	m.mu.Lock()
	windows, high := m.windows, m.frequency < 60
	m.windows = map[int64]*window{}
	m.mu.Unlock()
	var out []cloudwatch.Datum
	for _, at := range slices.Sorted(maps.Keys(windows)) {
		w := windows[at]
		add := func(name, unit string, distribution map[float64]float64) {
			d := cloudwatch.Datum{Name: name, Unit: unit, Time: time.Unix(at, 0).UTC(), HighResolution: high,
				Dimensions: []cloudwatch.Dimension{{Name: "EndpointName", Value: m.endpoint}, {Name: "VariantName", Value: m.variant}}}
			for _, v := range slices.Sorted(maps.Keys(distribution)) {
				if distribution[v] > 0 {
					d.Values, d.Counts = append(d.Values, v), append(d.Counts, distribution[v])
				}
			}
			out = append(out, d)
		}
		add("Invocations", "None", map[float64]float64{1: w.requests})
		// Each invocation publishes 0 or 1, so that the average is a rate.
		add("Invocation4XXErrors", "None", map[float64]float64{0: w.requests - w.errors4, 1: w.errors4})
		add("Invocation5XXErrors", "None", map[float64]float64{0: w.requests - w.errors5, 1: w.errors5})
		add("ModelLatency", "Microseconds", w.model)
		add("OverheadLatency", "Microseconds", w.overhead)
	}
	return out
}
