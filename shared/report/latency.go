package report

import (
	"fmt"
	"math"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/gate"
)

// latency is the section of how fast the server answers.
type latency struct {
	Verdict string
	Tables  []dotTable
	Figure  *figure
	Facts   []fact
}

func latencyView(d Data) any {
	var v latency
	if g, ok := verdictOf(d, gate.NameLatency); ok && len(g.Measurements) > 0 {
		v.Verdict = g.Verdict
		v.Tables = tables(g, g.Measurements, "of")
	}
	if d.Latency != nil && d.Latency.Requests > 0 {
		l := d.Latency
		v.Facts = []fact{{"Requests", count(l.Requests), ""}, {"Median", milliseconds(l.P50MS), ""}, {"90th percentile", milliseconds(l.P90MS), ""},
			{"99th percentile", milliseconds(l.P99MS), ""}, {"Slowest", milliseconds(l.MaxMS), ""}, {"Failed", count(l.Errors), ""}}
		v.Figure = latencyFigure(l)
	}
	if v.Figure == nil && len(v.Tables) == 0 {
		return nil
	}
	return v
}

// latencyFigure is the histogram on a logarithmic scale, since latencies spread
// over orders of magnitude; nil when the histogram is not sound.
func latencyFigure(l *contract.Latency) *figure {
	if len(l.Counts) != len(l.BoundsMS)+1 || len(l.BoundsMS) == 0 {
		return nil
	}
	first, last, most := -1, 0, int64(0)
	for i, n := range l.Counts {
		if n > 0 {
			if first < 0 {
				first = i
			}
			last = i
		}
		most = max(most, n)
	}
	edge := func(i int) float64 { // the lower end of bin i
		switch {
		case i <= 0:
			return min(l.BoundsMS[0]/2, 0.7*l.P50MS)
		case i > len(l.BoundsMS):
			return math.Max(l.MaxMS, l.BoundsMS[len(l.BoundsMS)-1]*1.01)
		}
		return l.BoundsMS[i-1]
	}
	if first < 0 || !(l.P50MS > 0) || !(edge(first) > 0) || !finite(edge(last+1)) {
		return nil
	}
	p := plot{x: scale{math.Log10(edge(first)), math.Log10(edge(last + 1))}, y: scale{0, 1.08 * float64(most) / float64(l.Requests)},
		title: "Latency", words: fmt.Sprintf("median %s, 99th percentile %s, slowest %s", milliseconds(l.P50MS), milliseconds(l.P99MS), milliseconds(l.MaxMS))}
	ys := p.y.ticks(4)
	var xs []float64
	var xt []string
	for _, ms := range []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 30000} {
		if at := math.Log10(ms); at >= p.x.low && at <= p.x.high {
			xs, xt = append(xs, at), append(xt, fmt.Sprintf("%g", ms))
		}
	}
	p.grid(xs, ys, xt, tickText(ys, percentTick))
	for i := first; i <= last; i++ {
		p.bar("fill candidate", math.Log10(edge(i)), math.Log10(edge(i+1)), 0, float64(l.Counts[i])/float64(l.Requests))
	}
	for row, q := range []struct {
		ms   float64
		name string
	}{{l.P50MS, "median"}, {l.P99MS, "99th percentile"}} {
		if q.ms > 0 {
			p.upright(math.Log10(q.ms), q.name+" "+milliseconds(q.ms), row)
		}
	}
	return &figure{Title: "Time to answer", Y: "share of requests", X: "milliseconds, each step a factor", Plot: p.svg("wide")}
}
