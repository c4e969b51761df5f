package gate

import (
	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Fairness judges, for each protected attribute, how far the AUCs of any two
// groups lie apart. Groups that are too small are skipped and listed. Rates at
// the threshold and intersections of attributes are reported.
func Fairness(e *trainconfig.Evaluation, set *predictions.Set) Verdict {
	v := newVerdict(NameFairness, struct {
		trainconfig.Fairness
		DecideOn   string  `json:"decide_on"`
		Confidence float64 `json:"confidence"`
	}{e.Fairness, e.DecideOn, e.Confidence})
	names := e.Fairness.ProtectedAttributes
	if len(names) == 0 {
		v.Reasons = append(v.Reasons, "no protected attributes are named")
		return *v
	}
	if !v.usable(set) {
		return *v
	}
	judged := map[string][]evaluation.Group{}
	pairs := 0
	for _, name := range names {
		groups := v.groups(e, set, name)
		judged[name] = groups
		pairs += len(groups) * (len(groups) - 1) / 2
	}
	confidence := evaluation.Shared(e.Confidence, pairs)
	for _, name := range names {
		v.attribute(e, name, judged[name], confidence)
	}
	if len(names) > 1 {
		v.intersections(e, set)
	}
	return *v
}

// groups are the groups of one attribute that are large enough to judge.
func (v *Verdict) groups(e *trainconfig.Evaluation, set *predictions.Set, name string) []evaluation.Group {
	values, ok := set.Attributes[name]
	if !ok {
		v.insufficient("the predictions do not say %q; is the column in the data?", name)
		return nil
	}
	all, missing, err := evaluation.GroupBy(sampleOf(set), []string{name}, [][]string{values})
	if err != nil {
		v.insufficient("%v", err)
		return nil
	}
	if missing > 0 {
		v.skip(name+" missing", missing, 0, "the rows have no value")
	}
	return v.large(e, all)
}

func sampleOf(set *predictions.Set) evaluation.Sample {
	return evaluation.Sample{Label: set.Label, Score: set.Score}
}

// large keeps the groups that are large enough and lists the others.
func (v *Verdict) large(e *trainconfig.Evaluation, all []evaluation.Group) []evaluation.Group {
	var out []evaluation.Group
	for _, g := range all {
		switch {
		case g.Rows() < e.Fairness.MinGroupSize:
			v.skip(g.Name, g.Rows(), g.Positives, "fewer than %d rows", e.Fairness.MinGroupSize)
		case !enough(g.Positives, g.Negatives) || g.AUC == nil:
			v.skip(g.Name, g.Rows(), g.Positives, "%d positive and %d negative rows; at least %d of each are needed", g.Positives, g.Negatives, MinPerClass)
		default:
			out = append(out, g)
		}
	}
	return out
}

func (v *Verdict) attribute(e *trainconfig.Evaluation, name string, groups []evaluation.Group, confidence float64) {
	v.rates(e, name, groups)
	if len(groups) < 2 {
		v.insufficient("%q has %d groups that are large enough to judge; two are needed to compare", name, len(groups))
		return
	}
	for i, a := range groups {
		for _, b := range groups[i+1:] {
			v.add(disparity(e, a, b, confidence), point(e))
		}
	}
}

// rates reports each group's AUC and how differently the groups are decided on.
func (v *Verdict) rates(e *trainconfig.Evaluation, name string, groups []evaluation.Group) {
	for _, g := range groups {
		low, high := g.AUC.Interval(e.Confidence)
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
	groups := v.large(e, all)
	var worst Measurement
	for i, a := range groups {
		low, high := a.AUC.Interval(e.Confidence)
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
