package report

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
)

// scale maps values to percents of a plot's width or height. A scale without
// width maps everything to its middle.
type scale struct{ low, high float64 }

// spanning is the scale of all finite values, with some room around them.
func spanning(values ...float64) scale {
	s := scale{math.Inf(1), math.Inf(-1)}
	for _, v := range values {
		if finite(v) {
			s.low, s.high = math.Min(s.low, v), math.Max(s.high, v)
		}
	}
	if s.low > s.high {
		return scale{0, 1}
	}
	room := 0.08 * (s.high - s.low)
	if room == 0 {
		room = math.Max(0.01, 0.1*math.Abs(s.high))
	}
	return scale{s.low - room, s.high + room}
}

// within keeps a scale inside bounds that values cannot leave, such as 0 and 1.
func (s scale) within(low, high float64) scale {
	if kept := (scale{math.Max(s.low, low), math.Min(s.high, high)}); kept.low < kept.high {
		return kept
	}
	return s
}

// at is a value's place in percent, from 0 to 100.
func (s scale) at(v float64) float64 {
	if !finite(v) || !(s.high > s.low) {
		return 50
	}
	return math.Max(0, math.Min(100, 100*(v-s.low)/(s.high-s.low)))
}

// ticks are round values within the scale, about n of them and two at least.
func (s scale) ticks(n int) []float64 {
	span := s.high - s.low
	if !(span > 0) || !finite(span) {
		return nil
	}
	power := math.Pow(10, math.Floor(math.Log10(span/float64(n))))
	for _, m := range []float64{10, 5, 2, 1, 0.5, 0.2} { // the coarsest that does
		step := m * power
		first, last := math.Ceil(s.low/step-1e-9), math.Floor(s.high/step+1e-9)
		if got := last - first + 1; got < 2 || span/step < float64(n)/2 {
			continue
		}
		var out []float64
		for i := first; i <= last && len(out) < 20; i++ {
			out = append(out, i*step+0) // + 0 makes no sign of −0
		}
		return out
	}
	return nil
}

// tickText writes ticks with as many digits as their step needs.
func tickText(ticks []float64, format func(float64) string) []string {
	if format == nil {
		digits := 0
		if len(ticks) > 1 {
			digits = int(math.Max(0, math.Ceil(-math.Log10(ticks[1]-ticks[0])-1e-9)))
			if r := (ticks[1] - ticks[0]) * math.Pow(10, float64(digits)); math.Abs(r-math.Round(r)) > 1e-6 {
				digits++
			}
		}
		format = func(v float64) string {
			if math.Abs(v) >= 10000 {
				return number(v)
			}
			return minus(fmt.Sprintf("%.*f", digits, v))
		}
	}
	out := make([]string, len(ticks))
	for i, v := range ticks {
		out[i] = format(v)
	}
	return out
}

// plot is an SVG under construction, in percent of both its sides; what is in
// curves is stretched with it.
type plot struct {
	x, y         scale
	under, over  strings.Builder // plain elements below and above the curves
	curves       strings.Builder // in a square of 1000, y downwards
	title, words string          // its name, and what it shows, for who cannot see it
}

func (p *plot) px(v float64) string { return pc(p.x.at(v)) }
func (p *plot) py(v float64) string { return pc(100 - p.y.at(v)) }

func pc(v float64) string { return fmt.Sprintf("%.2f%%", v) }

// grid draws horizontal lines with their values, and the values below.
func (p *plot) grid(xs, ys []float64, xt, yt []string) {
	for i, v := range ys {
		fmt.Fprintf(&p.under, `<line class="grid" x1="0" x2="100%%" y1="%[1]s" y2="%[1]s"/><text class="tick" x="-8" y="%[1]s" dy=".32em" text-anchor="end">%[2]s</text>`,
			p.py(v), html.EscapeString(yt[i]))
	}
	for i, v := range xs {
		anchor := "middle"
		if at := p.x.at(v); at > 96 {
			anchor = "end"
		} else if at < 4 {
			anchor = "start"
		}
		fmt.Fprintf(&p.under, `<text class="tick" x="%s" y="100%%" dy="1.5em" text-anchor="%s">%s</text>`, p.px(v), anchor, html.EscapeString(xt[i]))
	}
}

// axes draws a grid at round values of both scales. Formats may be nil.
func (p *plot) axes(nx, ny int, fx, fy func(float64) string) {
	xs, ys := p.x.ticks(nx), p.y.ticks(ny)
	p.grid(xs, ys, tickText(xs, fx), tickText(ys, fy))
}

// path draws a line through points; steps keeps each y until the next x.
func (p *plot) path(class string, xs, ys []float64, steps bool) {
	var d strings.Builder
	pen, before := "M", 0.0
	for i := range xs {
		if !finite(xs[i]) || !finite(ys[i]) {
			pen = "M"
			continue
		}
		x, y := 10*p.x.at(xs[i]), 1000-10*p.y.at(ys[i])
		if steps && pen == "L" {
			fmt.Fprintf(&d, "L%.1f %.1f", x, before)
		}
		fmt.Fprintf(&d, "%s%.1f %.1f", pen, x, y)
		pen, before = "L", y
	}
	if d.Len() > 0 {
		fmt.Fprintf(&p.curves, `<path class="%s" d="%s"/>`, class, d.String())
	}
}

// band fills between two lines.
func (p *plot) band(class string, upperX, upperY, lowerX, lowerY []float64) {
	if len(upperX) < 2 || len(lowerX) < 2 {
		return
	}
	var d strings.Builder
	pen := "M"
	for i := range upperX {
		fmt.Fprintf(&d, "%s%.1f %.1f", pen, 10*p.x.at(upperX[i]), 1000-10*p.y.at(upperY[i]))
		pen = "L"
	}
	for i := len(lowerX) - 1; i >= 0; i-- {
		fmt.Fprintf(&d, "L%.1f %.1f", 10*p.x.at(lowerX[i]), 1000-10*p.y.at(lowerY[i]))
	}
	fmt.Fprintf(&p.curves, `<path class="%s" d="%sZ"/>`, class, d.String())
}

// dot draws a point with a vertical interval; shift moves it by pixels.
func (p *plot) dot(class string, x, value, low, high float64, shift int) {
	if !finite(value) {
		return
	}
	fmt.Fprintf(&p.over, `<g class="%s" transform="translate(%d 0)">`, class, shift)
	if finite(low) && finite(high) && high > low {
		fmt.Fprintf(&p.over, `<line class="whisker" x1="%[1]s" x2="%[1]s" y1="%[2]s" y2="%[3]s"/>`, p.px(x), p.py(low), p.py(high))
	}
	fmt.Fprintf(&p.over, `<circle cx="%s" cy="%s" r="3.5"/></g>`, p.px(x), p.py(value))
}

// bar draws an upright bar from one value to another.
func (p *plot) bar(class string, x1, x2, from, to float64) {
	top, bottom := math.Max(from, to), math.Min(from, to)
	fmt.Fprintf(&p.under, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"/>`, class, p.px(x1), p.py(top),
		pc(math.Max(0, p.x.at(x2)-p.x.at(x1)-0.4)), pc(p.y.at(top)-p.y.at(bottom)))
}

// level draws a dashed line at a value, with a word at its right end.
func (p *plot) level(v float64, label string) {
	if !finite(v) || v < p.y.low || v > p.y.high {
		return
	}
	fmt.Fprintf(&p.over, `<line class="limit" x1="0" x2="100%%" y1="%[1]s" y2="%[1]s"/><text class="note" x="100%%" y="%[1]s" dy="-.4em" text-anchor="end">%[2]s</text>`,
		p.py(v), html.EscapeString(label))
}

// upright draws a dashed line at an x, with a word at its top.
func (p *plot) upright(v float64, label string, row int) {
	anchor, dx := "start", 4
	if p.x.at(v) > 70 {
		anchor, dx = "end", -4
	}
	fmt.Fprintf(&p.over, `<line class="limit" x1="%[1]s" x2="%[1]s" y1="0" y2="100%%"/><text class="note" x="%[1]s" dx="%[4]d" y="%[5]d" text-anchor="%[3]s">%[2]s</text>`,
		p.px(v), html.EscapeString(label), anchor, dx, 10+14*row)
}

// svg is the whole plot. What is said of it is for who cannot see it.
func (p *plot) svg(class string) template.HTML {
	// Every text in it was escaped when it was added.
	return template.HTML(fmt.Sprintf(`<div class="plot %s"><svg role="img" aria-label="%s"><title>%s</title><desc>%s</desc>%s<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" width="100%%" height="100%%" overflow="visible">%s</svg>%s</svg></div>`,
		class, html.EscapeString(text(p.title+": "+p.words)), html.EscapeString(text(p.title)), html.EscapeString(text(p.words)), p.under.String(), p.curves.String(), p.over.String()))
}

// figure is a plot with its caption.
type figure struct {
	Title string
	Y     string // what is upwards
	X     string // what is to the right
	Keys  []key
	Plot  template.HTML
	Note  string
}

// key is a line of a legend.
type key struct{ Class, Label string }
