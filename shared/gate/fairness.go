package gate

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Fairness judges, for each protected attribute, how far the AUCs of any two
// groups lie apart, in all rows and in each part of every slice. Groups that are
// too small are skipped and listed, and so are rows without a value; as many of
// these as the least group are insufficient. Rates at the threshold and
// intersections of attributes are reported.
func Fairness(e *trainconfig.Evaluation, set *predictions.Set) Verdict {
	v := newVerdict(NameFairness, struct {
		trainconfig.Fairness
		DecideOn   string              `json:"decide_on"`
		Confidence float64             `json:"confidence"`
		Slices     []trainconfig.Slice `json:"slices,omitempty"`
	}{e.Fairness, e.DecideOn, e.Confidence, e.Slices})
	if len(e.Fairness.ProtectedAttributes) == 0 {
		v.Reasons = append(v.Reasons, "no protected attributes are named")
		return *v
	}
	if !v.usable(set) {
		return *v
	}
	set, _ = counting(set)
	if set.Goal != goal.Binary {
		v.fairnessBy(e, set)
		return *v
	}
	all := v.compared(e, part{set: set})
	for i := range e.Slices {
		within := []compared{}
		for _, p := range v.parts(set, &e.Slices[i]) {
			within = append(within, v.compared(e, p)...)
		}
		if len(within) > 0 && !slices.ContainsFunc(within, func(c compared) bool { return len(c.groups) >= 2 }) {
			v.insufficient("slice by %s: no part has two groups that are large enough to compare", strings.Join(e.Slices[i].By, ", "))
		}
		all = append(all, within...)
	}
	pairs := 0
	for _, c := range all {
		pairs += len(c.groups) * (len(c.groups) - 1) / 2
	}
	for _, c := range all {
		v.attribute(e, c, evaluation.Shared(e.Confidence, pairs))
	}
	if len(e.Fairness.ProtectedAttributes) > 1 {
		v.intersections(e, set)
	}
	return *v
}

// compared is one attribute's groups that are compared, in all rows or within a
// part of them.
type compared struct {
	attribute string
	within    string // the part's name; "" is all rows
	rows      int    // of the part
	positives int
	groups    []evaluation.Group
}

// compared finds the groups of every protected attribute that the part is not
// itself made by.
func (v *Verdict) compared(e *trainconfig.Evaluation, p part) []compared {
	var out []compared
	for _, name := range e.Fairness.ProtectedAttributes {
		if p.slice != nil && slices.Contains(p.slice.By, name) {
			continue
		}
		positives, _ := count(p.set.Label)
		out = append(out, compared{name, p.name, len(p.set.Label), positives, v.groups(e, p, name)})
	}
	return out
}

// groups are the groups of one attribute that are large enough to judge.
func (v *Verdict) groups(e *trainconfig.Evaluation, p part, name string) []evaluation.Group {
	values, ok := p.set.Attributes[name]
	if !ok {
		if p.slice == nil { // said once is enough
			v.insufficient("the predictions have no column %q, which evaluation.fairness.protected_attributes names; it is missing or misnamed", name)
		}
		return nil
	}
	all, missing, err := evaluation.GroupBy(sampleOf(p.set), []string{name}, [][]string{values})
	if err != nil {
		v.insufficient("%v", err)
		return nil
	}
	if missing > 0 {
		v.unsaid(p, name, e.Fairness.MinGroupSize)
	}
	out := v.large(e, all, p.name)
	if len(out) > MostParts {
		v.insufficient("%s has %d groups that are large enough to judge, and at most %d are compared; protect a coarser column", in(strconv.Quote(name), p.name), len(out), MostParts)
		return nil
	}
	return out
}

// unsaid lists the rows of a part that have no value of a protected attribute. As
// many as a group that is judged could hide one: nothing tells how the model
// treats them, and the gate does not pass without knowing.
func (v *Verdict) unsaid(p part, name string, least int) {
	without := p.set.Take(valueless(p.set.Attributes[name]))
	n, positives := len(without.RowID), positivesOf(without)
	v.skip(in(name+" missing", p.name), n, positives, "the rows have no value")
	if n >= least && p.slice == nil { // then a part of the rows says nothing new
		v.insufficient("%q has no value in %d of %d rows, which is a group that is large enough to judge (%d rows); give them a value of their own, e.g. unknown, to have them compared",
			name, n, len(p.set.RowID), least)
	}
}

// valueless are the rows where one of the columns is "".
func valueless(columns ...[]string) []int {
	var rows []int
	for i := range columns[0] {
		if slices.ContainsFunc(columns, func(column []string) bool { return column[i] == "" }) {
			rows = append(rows, i)
		}
	}
	return rows
}

// in names a group within a part.
func in(group, within string) string {
	if within == "" {
		return group
	}
	return group + " in " + within
}

func sampleOf(set *predictions.Set) evaluation.Sample {
	return evaluation.Sample{Label: set.Label, Score: set.Score, Weight: set.Weight}
}

// large keeps the groups that are large enough and lists the others.
func (v *Verdict) large(e *trainconfig.Evaluation, all []evaluation.Group, within string) []evaluation.Group {
	var out []evaluation.Group
	for _, g := range all {
		switch {
		case g.Rows() < e.Fairness.MinGroupSize:
			v.skip(in(g.Name, within), g.Rows(), g.Positives, "fewer than %d rows", e.Fairness.MinGroupSize)
		case !enough(g.Positives, g.Negatives) || g.AUC == nil:
			v.skip(in(g.Name, within), g.Rows(), g.Positives, "%d positive and %d negative rows; at least %d of each are needed", g.Positives, g.Negatives, MinPerClass)
		default:
			out = append(out, g)
		}
	}
	return out
}

func (v *Verdict) attribute(e *trainconfig.Evaluation, c compared, confidence float64) {
	if c.within == "" {
		v.rates(e, c.attribute, c.groups)
	}
	if len(c.groups) < 2 {
		if c.within == "" {
			v.insufficient("%q has %d groups that are large enough to judge; two are needed to compare", c.attribute, len(c.groups))
		} else {
			v.skip(in(c.attribute, c.within), c.rows, c.positives, "%d groups that are large enough to judge; two are needed to compare", len(c.groups))
		}
		return
	}
	for i, a := range c.groups {
		for _, b := range c.groups[i+1:] {
			m := disparity(e, a, b, confidence)
			m.Group = in(m.Group, c.within)
			v.add(m, point(e))
		}
	}
}

// rates reports each group's AUC and how differently the groups are decided on.
func (v *Verdict) rates(e *trainconfig.Evaluation, name string, groups []evaluation.Group) {
	for _, g := range groups {
		low, high := g.AUC.Logit(e.Confidence)
		v.report(Measurement{Name: evaluation.MetricAUC, Group: g.Name, Value: g.AUC.Value, Low: low, High: high,
			Confidence: e.Confidence, N: g.Rows(), Positives: g.Positives})
	}
	parity, err := evaluation.ParityOf(groups)
	if err != nil {
		return
	}
	for _, m := range []Measurement{
		{Name: "demographic_parity_difference", Value: parity.DemographicDifference},
		{Name: "demographic_parity_ratio", Value: parity.DemographicRatio},
		{Name: "equal_opportunity_difference", Value: parity.EqualOpportunity},
		{Name: "equalised_odds_difference", Value: parity.EqualisedOdds},
	} {
		m.Group, m.Low, m.High = name, m.Value, m.Value
		for _, g := range groups {
			m.N, m.Positives = m.N+g.Rows(), m.Positives+g.Positives
		}
		v.report(m)
	}
}

// disparity is how far two groups' AUCs lie apart.
func disparity(e *trainconfig.Evaluation, a, b evaluation.Group, confidence float64) Measurement {
	m := Measurement{Name: "auc_disparity", Group: a.Name + " and " + b.Name, Confidence: confidence,
		Limit: e.Fairness.MaxDisparity, Wants: atMost, N: a.Rows() + b.Rows(), Positives: a.Positives + b.Positives}
	m.Value, m.Low, m.High = evaluation.Disparity(*a.AUC, *b.AUC, confidence)
	return m
}

// intersections reports the AUC of every combination of all attributes that is
// large enough, and the greatest difference.
func (v *Verdict) intersections(e *trainconfig.Evaluation, set *predictions.Set) {
	var values [][]string
	for _, name := range e.Fairness.ProtectedAttributes {
		column, ok := set.Attributes[name]
		if !ok {
			return // said before
		}
		values = append(values, column)
	}
	all, _, err := evaluation.GroupBy(sampleOf(set), e.Fairness.ProtectedAttributes, values)
	if err != nil {
		return
	}
	groups := v.large(e, all, "")
	if len(groups) > MostParts {
		v.skip("intersections", len(set.Label), positivesOf(set), "%d are large enough, and at most %d are shown", len(groups), MostParts)
		return
	}
	var worst Measurement
	for i, a := range groups {
		low, high := a.AUC.Logit(e.Confidence)
		v.report(Measurement{Name: evaluation.MetricAUC, Group: a.Name, Value: a.AUC.Value, Low: low, High: high,
			Confidence: e.Confidence, N: a.Rows(), Positives: a.Positives})
		for _, b := range groups[i+1:] {
			if m := disparity(e, a, b, e.Confidence); m.Value >= worst.Value {
				worst = m
			}
		}
	}
	if worst.N > 0 {
		worst.Name = "greatest_intersection_auc_disparity"
		v.report(worst)
	}
}
