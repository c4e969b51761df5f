package report

import (
	"cmp"
	"fmt"
	"html/template"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/shared/drift"
	"github.com/sluice-ml/sluice/shared/gate"
	"github.com/sluice-ml/sluice/shared/profile"
)

// data is the section of what the model learned from.
type data struct {
	Verdict string
	Classes []barRow
	Target  string
	Columns []columnRow
	Hidden  int
	Failed  []findingRow
	Passed  []findingRow
	Rest    int // findings that are not shown
}

// columnRow is one column's profile.
type columnRow struct {
	Name, Kind, Missing, Distinct, Typical, Range string
	Shape                                         template.HTML
	Target                                        bool
}

type findingRow struct{ Column, Measure, Value, Limit, Verdict, Text string }

func dataView(d Data) any {
	var v data
	if d.Profile != nil {
		v.Target = d.Profile.Target
		v.Classes = classes(d.Profile)
		for _, c := range d.Profile.Columns {
			if len(v.Columns) == mostRows {
				v.Hidden++
				continue
			}
			v.Columns = append(v.Columns, columnOf(c, d.Profile.Target))
		}
	}
	if d.Validation != nil {
		v.Verdict = d.Validation.Verdict
		v.findings(d.Validation.Findings)
	}
	if g, ok := verdictOf(d, gate.NameDataQuality); ok {
		v.Verdict = g.Verdict
	}
	if len(v.Columns)+len(v.Failed)+len(v.Passed) == 0 {
		return nil
	}
	return v
}

func (v *data) findings(all []profile.Finding) {
	for _, f := range failedFirst(all) {
		format := formatOf(f.Measure)
		row := findingRow{Column: f.Column, Measure: word(f.Measure), Value: format(f.Value), Limit: format(f.Limit), Verdict: f.Verdict, Text: f.Text}
		if f.Scope != "" && f.Scope != "the dataset" {
			row.Column = strings.TrimSpace(f.Column + " of " + f.Scope)
		}
		switch {
		case len(v.Failed)+len(v.Passed) >= 2*mostRows:
			v.Rest++
		case f.Verdict == profile.Pass:
			v.Passed = append(v.Passed, row)
		default:
			v.Failed = append(v.Failed, row)
		}
	}
}

// mostClasses is how many of the target's values are shown.
const mostClasses = 12

func classes(p *profile.Profile) []barRow {
	total := p.OtherClasses
	for _, n := range p.Classes {
		total += n
	}
	names := slices.SortedFunc(maps.Keys(p.Classes), func(a, b string) int {
		if d := p.Classes[b] - p.Classes[a]; d != 0 {
			return int(max(-1, min(1, d)))
		}
		return strings.Compare(a, b)
	})
	if len(names) == 0 || len(names) > mostClasses {
		return nil // a number to predict, not a class
	}
	var out []barRow
	for _, name := range names {
		share := float64(p.Classes[name]) / float64(max(1, total))
		out = append(out, barRow{Label: name, Width: width(share, 1), Value: percent(share), Extra: count(p.Classes[name])})
	}
	return out
}

func columnOf(c *profile.Column, target string) columnRow {
	row := columnRow{Name: c.Name, Kind: c.Kind, Missing: percent(float64(c.Nulls) / float64(max(1, c.Rows))),
		Distinct: count(c.Distinct.Estimate()), Target: c.Name == target}
	if row.Kind == "" {
		row.Kind = "empty"
	}
	if c.Kind == "number" {
		row.Typical = rounded(c.Moments.Mean) + " ± " + rounded(math.Sqrt(c.Moments.Variance()))
		row.Range = rounded(c.Moments.Min) + " to " + rounded(c.Moments.Max)
		row.Shape = spark(numberShape(c))
		return row
	}
	names := commonest(c.Categories.Counts)
	if len(names) > 0 {
		row.Typical = fmt.Sprintf("%s (%s)", clip(text(names[0]), 40), percent(float64(c.Categories.Counts[names[0]])/float64(max(1, c.Rows))))
	}
	var shape []float64
	for _, name := range names[:min(len(names), sparkBars)] {
		shape = append(shape, float64(c.Categories.Counts[name]))
	}
	row.Shape = spark(shape)
	return row
}

func commonest(counts map[string]int64) []string {
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if d := counts[b] - counts[a]; d != 0 {
			return int(max(-1, min(1, d)))
		}
		return strings.Compare(a, b)
	})
}

// sparkBars is how many bars a column's little histogram has.
const sparkBars = 16

// numberShape is how many values lie in each of sparkBars ranges of equal width
// between the first and the last hundredth.
func numberShape(c *profile.Column) []float64 {
	low, high := c.Summary.Quantile(0.01), c.Summary.Quantile(0.99)
	if !finite(low) || !finite(high) || !(high > low) {
		low, high = c.Moments.Min, c.Moments.Max
	}
	if !(high > low) || !finite(high-low) {
		return nil
	}
	out := make([]float64, sparkBars)
	before := int64(0)
	for k := range out {
		n := c.Summary.UpTo(low + (high-low)*float64(k+1)/sparkBars)
		out[k] = float64(max(0, n-before))
		before = n
	}
	return out
}

// spark is a little histogram.
func spark(values []float64) template.HTML {
	most := maxOf(values)
	if most <= 0 || len(values) < 2 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="spark" viewBox="0 0 %d 20" aria-hidden="true">`, 5*sparkBars)
	for i, v := range values {
		h := 19 * v / most
		fmt.Fprintf(&b, `<rect x="%d" y="%.1f" width="4" height="%.1f"/>`, 5*i, 20-h, h)
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) // numbers only
}

// drifted is the section of drift.
type drifted struct {
	From    string
	Verdict string
	bars
	Bins []binTable
}

// binTable compares the shares of one feature's bins.
type binTable struct {
	Feature string
	PSI     string
	Rows    []binRow
}

type binRow struct{ Label, Before, Now, BeforeWidth, NowWidth string }

// mostBinTables is of how many features, the most drifted, the bins are shown.
const mostBinTables = 4

func driftView(d Data) any {
	if d.Drift == nil || len(d.Drift.Features) == 0 {
		return nil
	}
	v := drifted{From: d.DriftFrom, Verdict: d.Drift.Verdict, bars: bars{Label: "feature", Measure: "PSI", Extra: "rows"}}
	all := slices.Clone(d.Drift.Features)
	slices.SortStableFunc(all, func(a, b drift.Feature) int {
		return cmp.Compare(judgedPSI(b), judgedPSI(a))
	})
	if len(all) > mostRows {
		v.Hidden, all = len(all)-mostRows, all[:mostRows]
	}
	most := d.Drift.Threshold * 1.25
	for _, f := range all {
		most = max(most, f.PSI)
	}
	v.Mark = width(d.Drift.Threshold, most)
	for i, f := range all {
		v.Rows = append(v.Rows, barRow{Label: f.Name, Width: width(f.PSI, most), Value: psiText(f.PSI), Extra: count(f.Rows), Verdict: f.Verdict, Note: f.Reason})
		if i < mostBinTables && f.PSI > 0 {
			v.Bins = append(v.Bins, binsOf(f))
		}
	}
	return v
}

func psiText(v float64) string {
	if !finite(v) {
		return dash
	}
	return fmt.Sprintf("%.4f", v)
}

// judgedPSI puts features that could not be judged last.
func judgedPSI(f drift.Feature) float64 {
	if f.Verdict == gate.Insufficient {
		return f.PSI - 1e6
	}
	return f.PSI
}

func binsOf(f drift.Feature) binTable {
	t := binTable{Feature: f.Name, PSI: psiText(f.PSI)}
	most := 0.0
	for _, b := range f.Bins {
		most = max(most, b.Expected, b.Actual)
	}
	for _, b := range f.Bins {
		if b.Expected == 0 && b.Actual == 0 {
			continue
		}
		t.Rows = append(t.Rows, binRow{b.Label, percent(b.Expected), percent(b.Actual), width(b.Expected, most), width(b.Actual, most)})
	}
	return t
}
