package report

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
	"time"
)

// A chart is an SVG with a plot area inside margins, in these units.
const (
	chartWidth, chartHeight  = 460.0, 300.0
	left, right, top, bottom = 52.0, 12.0, 12.0, 40.0
	plotWidth                = chartWidth - left - right
	plotHeight               = chartHeight - top - bottom
)

// axis maps values onto a length.
type axis struct {
	low, high float64
	label     string
	format    func(float64) string
}

func (a axis) at(v, length float64) float64 {
	if a.high == a.low {
		return 0
	}
	return (v - a.low) / (a.high - a.low) * length
}

func (a axis) ticks() []float64 {
	ticks := make([]float64, 5)
	for i := range ticks {
		ticks[i] = a.low + (a.high-a.low)*float64(i)/4
	}
	return ticks
}

// canvas collects an SVG's elements.
type canvas struct{ strings.Builder }

func (c *canvas) add(format string, args ...any) { fmt.Fprintf(&c.Builder, format, args...) }

func (c *canvas) frame(x, y axis) {
	for _, v := range y.ticks() {
		at := top + plotHeight - y.at(v, plotHeight)
		c.add(`<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, left, at, left+plotWidth, at)
		c.add(`<text class="tick" x="%.1f" y="%.1f" text-anchor="end">%s</text>`, left-6, at+4, html.EscapeString(y.format(v)))
	}
	for _, v := range x.ticks() {
		at := left + x.at(v, plotWidth)
		c.add(`<text class="tick" x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, at, top+plotHeight+16, html.EscapeString(x.format(v)))
	}
	c.add(`<text class="axis" x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, left+plotWidth/2, chartHeight-6, html.EscapeString(x.label))
	c.add(`<text class="axis" transform="translate(12 %.1f) rotate(-90)" text-anchor="middle">%s</text>`, top+plotHeight/2, html.EscapeString(y.label))
}

// line draws a curve; steps holds each value until the next x.
func (c *canvas) line(x, y axis, curve Curve, class string, steps bool) {
	points := []string{}
	for i := range curve.X {
		if math.IsNaN(curve.Y[i]) || math.IsInf(curve.Y[i], 0) {
			continue
		}
		px, py := left+x.at(curve.X[i], plotWidth), top+plotHeight-y.at(curve.Y[i], plotHeight)
		if steps && len(points) > 0 {
			_, before, _ := strings.Cut(points[len(points)-1], ",")
			points = append(points, fmt.Sprintf("%.1f,%s", px, before))
		}
		points = append(points, fmt.Sprintf("%.1f,%.1f", px, py))
	}
	if len(points) == 0 {
		return
	}
	c.add(`<polyline class="%s" points="%s"><title>%s</title></polyline>`, class, strings.Join(points, " "), html.EscapeString(curve.Name))
}

func (c *canvas) legend(curves []Curve) {
	for i, curve := range curves {
		y := top + plotHeight - 12 - 16*float64(len(curves)-1-i)
		c.add(`<line class="series%d" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, i%2, left+plotWidth-150, y-4, left+plotWidth-130, y-4)
		c.add(`<text class="tick" x="%.1f" y="%.1f">%s</text>`, left+plotWidth-124, y, html.EscapeString(curve.Name))
	}
}

func (c *canvas) svg(title string) template.HTML {
	// Every piece of text above was escaped when it was added.
	return template.HTML(fmt.Sprintf(`<svg role="img" aria-label="%s" viewBox="0 0 %.0f %.0f">%s</svg>`,
		html.EscapeString(title), chartWidth, chartHeight, c.String()))
}

func rocChart(curves []Curve) template.HTML {
	var c canvas
	unit := func(v float64) string { return fmt.Sprintf("%.2f", v) }
	x := axis{0, 1, "false positive rate", unit}
	y := axis{0, 1, "true positive rate", unit}
	c.frame(x, y)
	c.line(x, y, Curve{Name: "chance", X: []float64{0, 1}, Y: []float64{0, 1}}, "chance", false)
	for i, curve := range curves {
		c.line(x, y, curve, fmt.Sprintf("series%d", i%2), false)
	}
	c.legend(curves)
	return c.svg("ROC curve")
}

// weightChart shows the candidate's share of traffic over time.
func weightChart(steps []Step, end time.Time) template.HTML {
	var c canvas
	x, seconds := timeAxis(steps, end)
	y := axis{0, 100, "candidate's share of traffic, %", wholeNumber}
	c.frame(x, y)
	curve := Curve{Name: "weight"}
	for _, s := range steps {
		curve.X, curve.Y = append(curve.X, seconds(s.At)), append(curve.Y, s.Weight)
	}
	if len(steps) > 0 {
		curve.X, curve.Y = append(curve.X, seconds(end)), append(curve.Y, steps[len(steps)-1].Weight)
	}
	c.line(x, y, curve, "series0", true)
	return c.svg("canary weight over time")
}

// errorChart shows both variants' error rates over time.
func errorChart(steps []Step, end time.Time) template.HTML {
	var c canvas
	candidate, champion := Curve{Name: "candidate"}, Curve{Name: "champion"}
	x, seconds := timeAxis(steps, end)
	most := 0.01
	for _, s := range steps {
		candidate.X, candidate.Y = append(candidate.X, seconds(s.At)), append(candidate.Y, 100*s.Candidate.ErrorRate)
		champion.X, champion.Y = append(champion.X, seconds(s.At)), append(champion.Y, 100*s.Champion.ErrorRate)
		for _, v := range []float64{s.Candidate.ErrorRate, s.Champion.ErrorRate} {
			if v > most {
				most = v
			}
		}
	}
	y := axis{0, 100 * math.Min(1, most*1.2), "answers that failed, %", func(v float64) string { return fmt.Sprintf("%.1f", v) }}
	c.frame(x, y)
	c.line(x, y, candidate, "series0", false)
	c.line(x, y, champion, "series1", false)
	c.dots(x, y, candidate, "series0")
	c.dots(x, y, champion, "series1")
	c.legend([]Curve{candidate, champion})
	return c.svg("error rates over time")
}

func (c *canvas) dots(x, y axis, curve Curve, class string) {
	for i := range curve.X {
		if !math.IsNaN(curve.Y[i]) {
			c.add(`<circle class="%s" cx="%.1f" cy="%.1f" r="3"/>`, class, left+x.at(curve.X[i], plotWidth), top+plotHeight-y.at(curve.Y[i], plotHeight))
		}
	}
}

func timeAxis(steps []Step, end time.Time) (axis, func(time.Time) float64) {
	start := end
	for _, s := range steps {
		if s.At.Before(start) {
			start = s.At
		}
	}
	seconds := func(t time.Time) float64 { return t.Sub(start).Seconds() }
	return axis{0, math.Max(1, seconds(end)), "seconds since the first step", wholeNumber}, seconds
}

func wholeNumber(v float64) string { return fmt.Sprintf("%.0f", v) }

// phaseChart draws when each state ran, as bars on one time line.
func phaseChart(phases []Phase) template.HTML {
	if len(phases) == 0 {
		return ""
	}
	start, end := phases[0].Start, phases[0].Start
	for _, p := range phases {
		if p.Start.Before(start) {
			start = p.Start
		}
		if done := p.Start.Add(p.Duration); done.After(end) {
			end = done
		}
	}
	const width, label, row = 940.0, 150.0, 22.0
	total := math.Max(end.Sub(start).Seconds(), 1e-9)
	var c canvas
	for i, p := range phases {
		y := row * float64(i)
		x := label + (width-label-80)*p.Start.Sub(start).Seconds()/total
		w := math.Max(2, (width-label-80)*p.Duration.Seconds()/total)
		c.add(`<text class="tick" x="%.1f" y="%.1f" text-anchor="end">%s</text>`, label-8, y+15, html.EscapeString(p.Name))
		c.add(`<rect class="bar" x="%.1f" y="%.1f" width="%.1f" height="14" rx="2"/>`, x, y+4, w)
		c.add(`<text class="tick" x="%.1f" y="%.1f">%s</text>`, x+w+6, y+15, p.Duration.Round(10*time.Millisecond))
	}
	return template.HTML(fmt.Sprintf(`<svg role="img" aria-label="time line" viewBox="0 0 %.0f %.0f">%s</svg>`, width, row*float64(len(phases))+6, c.String()))
}
