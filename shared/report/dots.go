package report

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/shared/gate"
)

// mostRows bounds every table: beyond, rows are counted and not shown.
const mostRows = 60

// dotTable is estimates of one measure, below each other on one scale.
type dotTable struct {
	Title   string
	Label   string // heads the first column
	Axis    template.HTML
	Rows    []dotRow
	Judged  bool // some row has a limit
	Verdict bool // some row has a verdict
	Hidden  int  // rows that are not shown
	Note    string
}

// dotRow is one estimate.
type dotRow struct {
	Label    string
	Plot     template.HTML
	Value    string
	Interval string
	Limit    string
	Far      string // how far from the limit
	N        string
	Verdict  string
}

// estimate is a value with its interval and, where it is judged, its limit.
type estimate struct {
	label            string
	value, low, high float64
	limit            float64
	wants            string // "at least", "at most" or ""
	n                int
	verdict          string
	class            string // "" is the candidate's
	point            bool   // the value decides, not the interval
	confidence       float64
	reference        float64 // of all rows, drawn beside it; 0 is none
}

func estimateOf(m gate.Measurement, point bool) estimate {
	e := estimate{label: groupLabel(m.Group), value: m.Value, low: m.Low, high: m.High, limit: m.Limit, wants: m.Wants, n: m.N,
		verdict: m.Verdict, point: point || m.Confidence == 0, confidence: m.Confidence}
	if m.Group == "champion" {
		e.class = "champion"
	}
	return e
}

// groupLabel names an attribute once where two of its groups are compared:
// "sex=Female and sex=Male" is "sex: Female and Male".
func groupLabel(group string) string {
	first, second, two := strings.Cut(group, " and ")
	name, a, ok1 := strings.Cut(first, "=")
	other, b, ok2 := strings.Cut(second, "=")
	if !two || !ok1 || !ok2 || name != other || strings.Contains(group, " & ") {
		return group
	}
	return name + ": " + a + " and " + b
}

func (e estimate) interval(format func(float64) string) string {
	if !finite(e.low) || !finite(e.high) || e.low == e.high {
		return ""
	}
	return format(e.low) + " to " + format(e.high)
}

// margin is how far the deciding end of the interval is on the right side of the
// limit; negative is on the wrong side.
func (e estimate) margin() float64 {
	low, high := e.low, e.high
	if e.point {
		low, high = e.value, e.value
	}
	if e.wants == "at most" {
		if e.verdict == gate.Fail {
			return e.limit - low
		}
		return e.limit - high
	}
	if e.verdict == gate.Fail {
		return high - e.limit
	}
	return low - e.limit
}

// far says how far from the limit.
func (e estimate) far(format func(float64) string) string {
	m := e.margin()
	switch {
	case e.wants == "" || !finite(m):
		return ""
	case e.verdict == gate.Pass && m == 0:
		return "just clears it"
	case e.verdict == gate.Pass:
		return "clears it by " + format(m)
	case e.verdict == gate.Fail:
		return "misses it by " + format(-m)
	}
	return format(-m) + " short of sure"
}

func (e estimate) limitText(format func(float64) string) string {
	if format(0.5) == number(0.5) {
		format = plain
	}
	switch e.wants {
	case "at least":
		return "≥ " + format(e.limit)
	case "at most":
		return "≤ " + format(e.limit)
	}
	return ""
}

// plain writes a limit as the configuration does.
func plain(v float64) string {
	if !finite(v) {
		return dash
	}
	return minus(strconv.FormatFloat(v, 'g', 6, 64))
}

// scaleOf is one scale for all the estimates, their intervals and limits.
func scaleOf(all []estimate) scale {
	var values []float64
	for _, e := range all {
		values = append(values, e.value, e.low, e.high)
		if e.wants != "" {
			values = append(values, e.limit)
		}
	}
	return spanning(values...)
}

// draw is an estimate on a scale: the side of the limit that is right is shaded.
func (e estimate) draw(s scale) template.HTML {
	if !finite(e.value) {
		return ""
	}
	var b strings.Builder
	fmt.Fprint(&b, `<svg class="dot" aria-hidden="true"><line class="track" x1="0" x2="100%" y1="11" y2="11"/>`)
	if e.wants != "" && finite(e.limit) {
		at := s.at(e.limit)
		x, width := at, 100-at
		if e.wants == "at most" {
			x, width = 0, at
		}
		fmt.Fprintf(&b, `<rect class="right" x="%s" width="%s" y="4" height="14"/><line class="limit" x1="%[3]s" x2="%[3]s" y1="0" y2="22"/>`, pc(x), pc(width), pc(at))
	}
	if e.reference != 0 && finite(e.reference) {
		fmt.Fprintf(&b, `<line class="overall" x1="%[1]s" x2="%[1]s" y1="0" y2="22"/>`, pc(s.at(e.reference)))
	}
	fmt.Fprintf(&b, `<g class="%s">`, strings.TrimSpace("candidate "+html.EscapeString(e.class)))
	if finite(e.low) && finite(e.high) && e.high > e.low {
		fmt.Fprintf(&b, `<line class="whisker" x1="%s" x2="%s" y1="11" y2="11"/>`, pc(s.at(e.low)), pc(s.at(e.high)))
	}
	fmt.Fprintf(&b, `<circle cx="%s" cy="11" r="4.5"/></g></svg>`, pc(s.at(e.value)))
	return template.HTML(b.String()) // numbers and our own words only
}

// axis is a scale's round values, as the head of a column of dots.
func axis(s scale, format func(float64) string) template.HTML {
	var b strings.Builder
	fmt.Fprint(&b, `<svg class="dot" aria-hidden="true">`)
	ticks := s.ticks(3)
	for i, t := range tickText(ticks, format) {
		if len(ticks) > 3 && i%2 == 1 {
			continue // the column is narrow
		}
		anchor := "middle"
		if at := s.at(ticks[i]); at > 92 {
			anchor = "end"
		} else if at < 8 {
			anchor = "start"
		}
		fmt.Fprintf(&b, `<text class="tick" x="%s" y="14" text-anchor="%s">%s</text>`, pc(s.at(ticks[i])), anchor, html.EscapeString(t))
	}
	fmt.Fprint(&b, `</svg>`)
	return template.HTML(b.String()) // every text in it was escaped
}

// dots is a table of estimates. shown bounds a scale to what can be, e.g. 0 to 1;
// nil is no bound.
func dots(title, label string, all []estimate, format func(float64) string, bounds *scale) dotTable {
	t := dotTable{Title: title, Label: label}
	s := scaleOf(all)
	if bounds != nil {
		s = s.within(bounds.low, bounds.high)
	}
	return t.draw(s, all, format)
}

// draw fills in the rows, on a scale that other tables may share.
func (t dotTable) draw(s scale, all []estimate, format func(float64) string) dotTable {
	if len(all) > mostRows {
		t.Hidden, all = len(all)-mostRows, all[:mostRows]
	}
	t.Axis = axis(s, tickFormat(format))
	for _, e := range all {
		row := dotRow{Label: e.label, Plot: e.draw(s), Value: format(e.value), Interval: e.interval(format),
			Limit: e.limitText(format), Far: e.far(format), Verdict: e.verdict}
		if e.n > 0 {
			row.N = count(e.n)
		}
		if row.Limit != "" {
			t.Judged = true
		}
		if e.verdict != "" && e.verdict != gate.Reported {
			t.Verdict = true
		}
		if row.Label == "" {
			row.Label = "all rows"
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// tickFormat is how an axis writes its values: plain numbers by the axis's own
// step, units as they are.
func tickFormat(format func(float64) string) func(float64) string {
	switch format(0.5) {
	case number(0.5):
		return nil
	case percent(0.5):
		return func(v float64) string { return minus(strconv.FormatFloat(math.Round(v*1e6)/1e4, 'g', 4, 64)) + " %" }
	}
	return func(v float64) string { return minus(strconv.FormatFloat(v, 'g', 4, 64)) + " ms" }
}

// formatOf is how a measure's values are written.
func formatOf(name string) func(float64) string {
	switch {
	case strings.HasSuffix(name, "_ms"):
		return milliseconds
	case name == "error_rate" || name == "null_ratio" || name == "class_balance":
		return percent
	}
	return number
}

// boundsOf is where a measure's values can lie; nil is anywhere.
func boundsOf(name string) *scale {
	switch {
	case strings.HasPrefix(name, "auc_roc"), strings.Contains(name, "precision"), name == "pr_auc", name == "recall", name == "accuracy",
		name == "f1_score", strings.HasSuffix(name, "_ratio"), name == "class_balance":
		return &scale{0, 1}
	case strings.HasSuffix(name, "_rate"), strings.HasSuffix(name, "_ms"), strings.Contains(name, "disparity"), strings.HasSuffix(name, "_loss"):
		return &scale{0, 1e300}
	}
	return nil
}
