package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/gate"
)

// groups is the section of fairness.
type groups struct {
	Verdict    string
	Attributes []attribute
	Pairs      []dotTable // what the gate judged
	Parity     []parityRow
	Others     []dotTable // intersections
	Skipped    *skipped
}

// attribute is a protected attribute's groups, by several measures.
type attribute struct {
	Name   string
	Tables []dotTable
}

// parityRow is how differently an attribute's groups are decided upon.
type parityRow struct {
	Attribute                             string
	Demographic, Ratio, Opportunity, Odds string
}

func groupsView(d Data) any {
	v, ok := verdictOf(d, gate.NameFairness)
	var g groups
	if ok {
		g.Verdict, g.Skipped = v.Verdict, skippedOf(v.Skipped)
		g.fill(v)
	}
	if d.Scores.usable() {
		g.Attributes = attributes(d.Scores, d.confidence())
	}
	if len(g.Attributes)+len(g.Pairs)+len(g.Parity)+len(g.Others) == 0 && g.Skipped == nil {
		return nil
	}
	return g
}

// fill sorts the gate's measurements into what the section shows.
func (g *groups) fill(v gate.Verdict) {
	var judged, crossed []gate.Measurement
	parity := map[string]*parityRow{}
	for _, m := range v.Measurements {
		if m.Wants != "" {
			judged = append(judged, m)
			continue
		}
		switch m.Name {
		case "demographic_parity_difference", "demographic_parity_ratio", "equal_opportunity_difference", "equalised_odds_difference":
			if parity[m.Group] == nil {
				parity[m.Group] = &parityRow{Attribute: m.Group, Demographic: dash, Ratio: dash, Opportunity: dash, Odds: dash}
			}
			parity[m.Group].set(m)
		default:
			if strings.Contains(m.Group, " & ") {
				crossed = append(crossed, m)
			}
		}
	}
	for _, m := range v.Measurements {
		if row := parity[m.Group]; row != nil {
			g.Parity = append(g.Parity, *row)
			delete(parity, m.Group)
		}
	}
	g.Pairs = tables(v, judged, "groups")
	g.Others = tables(v, crossed, "intersection")
}

func (r *parityRow) set(m gate.Measurement) {
	switch m.Name {
	case "demographic_parity_difference":
		r.Demographic = number(m.Value)
	case "demographic_parity_ratio":
		r.Ratio = number(m.Value)
	case "equal_opportunity_difference":
		r.Opportunity = number(m.Value)
	case "equalised_odds_difference":
		r.Odds = number(m.Value)
	}
}

// groupMeasures are the measures of a group, in the order of the page.
var groupMeasures = []struct {
	name, title string
	format      func(float64) string
}{
	{evaluation.MetricAUC, "ROC AUC", number}, {evaluation.RateSelection, "Predicted positive", percent},
	{evaluation.RateTruePositive, "True positive rate", percent}, {evaluation.RateFalsePositive, "False positive rate", percent},
}

// attributes measures the groups of every protected attribute. A measure has one
// scale on the whole page, so that attributes can be compared too.
func attributes(s *Scores, confidence float64) []attribute {
	estimates := map[string]map[string][]estimate{} // by attribute and measure
	scales := map[string][]estimate{}
	for _, name := range s.Protected {
		estimates[name] = rates(s, name, confidence)
		for measure, all := range estimates[name] {
			scales[measure] = append(scales[measure], all[:min(len(all), mostRows)]...)
		}
	}
	var out []attribute
	for _, name := range s.Protected {
		a := attribute{Name: name}
		for _, m := range groupMeasures {
			if all := estimates[name][m.name]; len(all) > 0 {
				a.Tables = append(a.Tables, dotTable{Title: m.title, Label: "group"}.draw(scaleOf(scales[m.name]).within(0, 1), all, m.format))
			}
		}
		if len(a.Tables) > 0 {
			out = append(out, a)
		}
	}
	return out
}

// rates measures an attribute's groups by measure, the largest first; nil when
// the rows do not say it. Groups that are too small are left to the list of those.
func rates(s *Scores, name string, confidence float64) map[string][]estimate {
	values, ok := s.Attributes[name]
	if !ok || len(values) != len(s.Label) {
		return nil
	}
	all, _, err := evaluation.GroupBy(s.sample(), []string{name}, [][]string{values})
	if err != nil {
		return nil
	}
	all = slices.DeleteFunc(all, func(g evaluation.Group) bool { return g.Rows() < s.MinGroup })
	slices.SortStableFunc(all, func(a, b evaluation.Group) int { return b.Rows() - a.Rows() })
	whole, err := s.whole()
	if err != nil {
		return nil
	}
	out := map[string][]estimate{}
	for _, m := range groupMeasures {
		overall, _ := groupEstimate(whole, m.name, confidence)
		for _, g := range all {
			if e, ok := groupEstimate(g, m.name, confidence); ok {
				e.label, e.reference = strings.TrimPrefix(g.Name, name+"="), overall.value
				out[m.name] = append(out[m.name], e)
			}
		}
	}
	return out
}

// whole is all rows as one group.
func (s *Scores) whole() (evaluation.Group, error) {
	everyone := make([]string, len(s.Label))
	for i := range everyone {
		everyone[i] = "all"
	}
	all, _, err := evaluation.GroupBy(s.sample(), []string{"rows"}, [][]string{everyone})
	if err != nil {
		return evaluation.Group{}, err
	}
	return all[0], nil
}

func groupEstimate(g evaluation.Group, name string, confidence float64) (estimate, bool) {
	e := estimate{n: g.Rows(), confidence: confidence}
	if name == evaluation.MetricAUC {
		if g.AUC == nil {
			return e, false
		}
		e.value = g.AUC.Value
		e.low, e.high = g.AUC.Logit(confidence)
		return e, true
	}
	got, err := g.Rate(name, confidence)
	e.value, e.low, e.high = got.Value, got.Low, got.High
	switch name {
	case evaluation.RateTruePositive:
		e.n = g.Positives
	case evaluation.RateFalsePositive:
		e.n = g.Negatives
	}
	return e, err == nil
}

// slicesView shows the performance gate's measurements of parts of the rows.
func slicesView(d Data) any {
	v, ok := verdictOf(d, gate.NamePerformance)
	if !ok {
		return nil
	}
	var parts []gate.Measurement
	for _, m := range v.Measurements {
		if m.Group != "" {
			parts = append(parts, m)
		}
	}
	if len(parts) == 0 && len(v.Skipped) == 0 {
		return nil
	}
	worst := gate.Pass
	for _, m := range parts {
		if m.Wants != "" {
			worst = gate.Worse(worst, m.Verdict)
		}
	}
	if len(parts) == 0 {
		worst = ""
	}
	return measures{worst, tables(v, parts, "slice"), skippedOf(v.Skipped)}
}

// featuresView shows the importance of features, the greatest first.
func featuresView(d Data) any {
	if len(d.Importance) == 0 {
		return nil
	}
	all := slices.Clone(d.Importance)
	slices.SortStableFunc(all, func(a, b Importance) int {
		switch {
		case a.Gain > b.Gain:
			return -1
		case a.Gain < b.Gain:
			return 1
		}
		return strings.Compare(a.Feature, b.Feature)
	})
	v := bars{Label: "feature", Measure: "share of gain", Extra: "splits"}
	if len(all) > mostRows {
		v.Hidden = len(all) - mostRows
		all = all[:mostRows]
	}
	most := all[0].Gain
	for _, f := range all {
		v.Rows = append(v.Rows, barRow{Label: f.Feature, Width: width(f.Gain, most), Value: percent(f.Gain), Extra: count(f.Splits)})
	}
	return v
}

// bars is a table of lengths.
type bars struct {
	Label, Measure, Extra string
	Rows                  []barRow
	Hidden                int
	Mark                  string // where the limit is, in percent of the longest; "" is none
}

type barRow struct {
	Label, Value, Extra string
	Width               string // of the bar, in percent
	Verdict, Note       string
}

func width(v, most float64) string {
	if !finite(v) || !finite(most) || most <= 0 || v <= 0 {
		return "0%"
	}
	return fmt.Sprintf("%.2f%%", min(100, 100*v/most))
}
