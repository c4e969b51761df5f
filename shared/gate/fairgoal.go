package gate

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Fairness of goals other than binary. Groups of a protected attribute are
// compared in pairs, as fairlearn's MetricFrame does by group:
//
//   - multiclass: by the recall of each class (the share of its rows that the
//     model finds: equal opportunity for every class), or by accuracy;
//   - regression: by the mean residual, label less score (a group for which the
//     model says too little), or by the mean absolute error. The difference is
//     in standard deviations of the target over all rows, so that one limit goes
//     with any unit.

// pair is a comparison of two groups that is to be judged.
type pair struct {
	group   string
	n       int
	measure func(confidence float64) (Measurement, error)
}

func (v *Verdict) fairnessBy(e *trainconfig.Evaluation, set *predictions.Set) {
	scale := 1.0
	if set.Goal == goal.Regression {
		if scale = (evaluation.Values{Label: set.Label, Score: set.Score, Weight: set.Weight}).Deviation(); !(scale > 0) {
			v.insufficient("every label is %v: there is no scale to compare groups on", set.Label[0])
			return
		}
	}
	pairs := v.pairsWithin(e, part{set: set}, scale)
	for i := range e.Slices {
		before := len(pairs)
		parts := v.parts(set, &e.Slices[i])
		for _, p := range parts {
			pairs = append(pairs, v.pairsWithin(e, p, scale)...)
		}
		if len(parts) > 0 && len(pairs) == before {
			v.insufficient("slice by %s: no part has two groups that are large enough to compare", strings.Join(e.Slices[i].By, ", "))
		}
	}
	for _, p := range pairs {
		m, err := p.measure(evaluation.Shared(e.Confidence, len(pairs)))
		if err != nil {
			v.insufficient("%s: %v", p.group, err)
			continue
		}
		m.Group, m.N, m.Limit, m.Wants = p.group, p.n, e.Fairness.MaxDisparity, atMost
		v.add(m, point(e))
	}
}

// pairsWithin are the comparisons in a part of the rows, by every protected
// attribute that the part is not itself made by.
func (v *Verdict) pairsWithin(e *trainconfig.Evaluation, p part, scale float64) []pair {
	var out []pair
	for _, name := range e.Fairness.ProtectedAttributes {
		if p.slice != nil && slices.Contains(p.slice.By, name) {
			continue
		}
		groups := v.largeGroups(e, p, name)
		for _, g := range groups {
			if p.slice == nil {
				v.reportGroup(e, g)
			}
		}
		before := len(out)
		for i, a := range groups {
			for _, b := range groups[i+1:] {
				out = append(out, v.comparisons(e, a, b, in(a.name+" and "+b.name, p.name), scale)...)
			}
		}
		switch {
		case len(out) > before:
		case p.slice == nil:
			v.insufficient("%q has %d groups that are large enough to judge, none of which can be compared; two are needed", name, len(groups))
		default:
			v.skip(in(name, p.name), len(p.set.RowID), 0, "%d groups that are large enough to judge, none of which can be compared; two are needed", len(groups))
		}
	}
	return out
}

// largeGroups are the groups of one attribute that have enough rows; the others
// are listed.
func (v *Verdict) largeGroups(e *trainconfig.Evaluation, p part, name string) []part {
	values, ok := p.set.Attributes[name]
	if !ok {
		if p.slice == nil { // said once is enough
			v.insufficient("the predictions have no column %q, which evaluation.fairness.protected_attributes names; it is missing or misnamed", name)
		}
		return nil
	}
	rows, missing, err := evaluation.PartitionRows(len(p.set.RowID), []string{name}, [][]string{values})
	if err != nil {
		v.insufficient("%v", err)
		return nil
	}
	if missing > 0 {
		v.unsaid(p, name, max(e.Fairness.MinGroupSize, MinRows))
	}
	var out []part
	for _, group := range slices.Sorted(maps.Keys(rows)) {
		if n := len(rows[group]); n < max(e.Fairness.MinGroupSize, MinRows) {
			v.skip(in(group, p.name), n, 0, "fewer than %d rows", max(e.Fairness.MinGroupSize, MinRows))
			continue
		}
		out = append(out, part{name: group, set: p.set.Take(rows[group])})
	}
	if len(out) > MostParts {
		v.insufficient("%s has %d groups that are large enough to judge, and at most %d are compared; protect a coarser column", in(strconv.Quote(name), p.name), len(out), MostParts)
		return nil
	}
	return out
}

// comparisons are what two groups are compared by.
func (v *Verdict) comparisons(e *trainconfig.Evaluation, a, b part, name string, scale float64) []pair {
	n := len(a.set.RowID) + len(b.set.RowID)
	if a.set.Goal == goal.Regression {
		metric := e.Fairness.Metric
		return []pair{{name, n, func(confidence float64) (Measurement, error) {
			return apart(metric, a.set, b.set, scale, confidence)
		}}}
	}
	first, second := classesOf(a.set), classesOf(b.set)
	if e.Fairness.Metric == evaluation.MetricAccuracy {
		return []pair{{name, n, func(confidence float64) (Measurement, error) {
			return sharesApart("accuracy_disparity", first.Found(-1), second.Found(-1), confidence)
		}}}
	}
	var out []pair
	for k, class := range a.set.Classes {
		k1, k2 := first.Found(k), second.Found(k)
		of := fmt.Sprintf("%s, class %s", name, class)
		if min(k1.Rows, k2.Rows) < MinPerClass {
			v.skip(of, k1.Rows+k2.Rows, 0, "%d and %d rows of the class; at least %d of each are needed", k1.Rows, k2.Rows, MinPerClass)
			continue
		}
		out = append(out, pair{of, k1.Rows + k2.Rows, func(confidence float64) (Measurement, error) {
			return sharesApart("recall_disparity", k1, k2, confidence)
		}})
	}
	return out
}

func classesOf(set *predictions.Set) evaluation.Classes {
	return evaluation.Classes{Names: set.Classes, Label: set.Label, Probability: set.Probability, Weight: set.Weight}
}

func sharesApart(name string, a, b evaluation.Share, confidence float64) (Measurement, error) {
	m := Measurement{Name: name, Confidence: confidence}
	var err error
	m.Value, m.Low, m.High, err = evaluation.DisparityOfShares(a, b, confidence)
	return m, err
}

// apart is how far a metric of two groups of a regression lies apart, in scale's
// unit.
func apart(metric string, a, b *predictions.Set, scale, confidence float64) (Measurement, error) {
	m := Measurement{Name: metric + "_disparity", Confidence: confidence}
	first, err := candidateOf(a).of(a).Linear(metric)
	if err != nil {
		return m, err
	}
	second, err := candidateOf(b).of(b).Linear(metric)
	if err != nil {
		return m, err
	}
	value, low, high := evaluation.DisparityOfMeans(first, second, confidence)
	m.Value, m.Low, m.High = value/scale, low/scale, high/scale
	if math.IsNaN(m.High) || math.IsInf(m.High, 0) {
		err = fmt.Errorf("the spread of %s cannot be told", metric)
	}
	return m, err
}

// reportGroup shows how a group is treated: of a regression its mean residual
// and errors, of several classes its accuracy and each class's recall.
func (v *Verdict) reportGroup(e *trainconfig.Evaluation, g part) {
	metrics := []string{evaluation.MetricAccuracy}
	if g.set.Goal == goal.Regression {
		metrics = []string{evaluation.MetricMeanResidual, evaluation.MetricMAE, evaluation.MetricRMSE}
	}
	for _, name := range metrics {
		got, err := candidateOf(g.set).of(g.set).Measure(name, e.Confidence)
		if err != nil {
			v.skip(g.name, len(g.set.RowID), 0, "%s: %v", name, err)
			continue
		}
		v.report(Measurement{Name: name, Group: g.name, Value: got.Value, Low: got.Low, High: got.High, Confidence: e.Confidence, N: len(g.set.RowID)})
	}
	if g.set.Goal == goal.Regression {
		return
	}
	of := classesOf(g.set)
	for k, class := range g.set.Classes {
		right := of.Found(k)
		low, high, err := right.Wilson(e.Confidence)
		if err != nil {
			continue // the group has no row of the class
		}
		v.report(Measurement{Name: evaluation.MetricRecall, Group: g.name + ", class " + class, Value: right.Value,
			Low: low, High: high, Confidence: e.Confidence, N: right.Rows})
	}
}
