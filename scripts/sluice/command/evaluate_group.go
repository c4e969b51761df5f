package command

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/gate"
)

// mostGroups bounds the pairs that are compared and printed.
const mostGroups = gate.MostParts

// grouping is a column's groups, or the intersections of several columns'.
type grouping struct {
	By           []string           `json:"by"`
	Groups       []groupMeasured    `json:"groups"`
	Parity       *evaluation.Parity `json:"parity,omitempty"`
	Disparities  []disparity        `json:"auc_disparities"` // greatest first
	Skipped      []gate.Skipped     `json:"skipped"`
	Missing      int                `json:"missing"` // rows without a value
	Insufficient string             `json:"insufficient,omitempty"`
}

type groupMeasured struct {
	Group     string     `json:"group"`
	Rows      int        `json:"rows"`
	Positives int        `json:"positives"`
	Metrics   []measured `json:"metrics"`
}

// disparity is how far two groups' AUCs lie apart. The interval shares its error
// with those of all pairs of the grouping; P is adjusted for them (Holm).
type disparity struct {
	Groups    [2]string `json:"groups"`
	Value     float64   `json:"value"`
	Low       float64   `json:"low"`
	High      float64   `json:"high"`
	P         float64   `json:"p"`
	AdjustedP float64   `json:"adjusted_p"`
}

// group compares the groups of columns, given as A or A,B.
func (r *evaluated) group(file *scored, by string) error {
	g := grouping{By: strings.Split(by, ","), Groups: []groupMeasured{}, Disparities: []disparity{}, Skipped: []gate.Skipped{}}
	values := make([][]string, len(g.By))
	for k, name := range g.By {
		column, ok := file.table.Column(name)
		if !ok { // as the evaluator writes protected attributes
			column, ok = file.table.Column("attribute." + name)
		}
		if !ok {
			return wrongFile("there is no column %q (--group %s); the columns are %s", name, by, quoted(file.table.Names()))
		}
		for i := range column.Len() {
			values[k] = append(values[k], column.Content(i))
		}
	}
	all, missing, err := evaluation.GroupBy(file.sample, g.By, values)
	if err != nil {
		return err
	}
	g.Missing = missing
	if err := r.fill(&g, all); err != nil {
		return err
	}
	r.Groups = append(r.Groups, g)
	return nil
}

func (r *evaluated) fill(g *grouping, all []evaluation.Group) error {
	var kept []evaluation.Group
	for _, group := range all {
		switch {
		case group.Rows() < r.options.minGroup:
			g.skip(group, fmt.Sprintf("fewer than %d rows", r.options.minGroup))
		case group.Positives < gate.MinPerClass || group.Negatives < gate.MinPerClass || group.AUC == nil:
			g.skip(group, fmt.Sprintf("%d positive and %d negative rows; at least %d of each are needed", group.Positives, group.Negatives, gate.MinPerClass))
		default:
			kept = append(kept, group)
		}
	}
	switch {
	case len(kept) > mostGroups:
		g.Insufficient = fmt.Sprintf("%d groups are large enough, and at most %d are compared; group by a coarser column", len(kept), mostGroups)
		return nil
	case len(kept) < 2:
		g.Insufficient = fmt.Sprintf("%d of %d groups are large enough; two are needed to compare", len(kept), len(all))
	}
	for _, group := range kept {
		g.Groups = append(g.Groups, r.groupMeasured(group))
	}
	if parity, err := evaluation.ParityOf(kept); err == nil {
		g.Parity = &parity
	}
	return g.pairs(kept, r.Confidence)
}

func (g *grouping) skip(group evaluation.Group, reason string) {
	g.Skipped = append(g.Skipped, gate.Skipped{Group: group.Name, N: group.Rows(), Positives: group.Positives, Reason: reason})
}

func (r *evaluated) groupMeasured(group evaluation.Group) groupMeasured {
	out := groupMeasured{Group: group.Name, Rows: group.Rows(), Positives: group.Positives}
	add := func(e evaluation.Estimate, err error) {
		m := measured{Estimate: e}
		if err != nil {
			m.Insufficient = reasonOf(err)
		}
		out.Metrics = append(out.Metrics, m)
	}
	for _, metric := range []string{evaluation.MetricAUC, evaluation.MetricPrecision, evaluation.MetricF1, evaluation.MetricAccuracy, evaluation.MetricBrier} {
		add(r.estimate(metric, group.Sample))
	}
	for _, rate := range []string{evaluation.RateSelection, evaluation.RateTruePositive, evaluation.RateFalsePositive} {
		add(group.Rate(rate, r.Confidence))
	}
	return out
}

// pairs compares the AUCs of every two groups.
func (g *grouping) pairs(kept []evaluation.Group, confidence float64) error {
	shared := evaluation.Shared(confidence, len(kept)*(len(kept)-1)/2)
	var p []float64
	for i, a := range kept {
		for _, b := range kept[i+1:] {
			d := disparity{Groups: [2]string{a.Name, b.Name}, P: evaluation.Unpaired(*a.AUC, *b.AUC).PValue(0)}
			d.Value, d.Low, d.High = evaluation.Disparity(*a.AUC, *b.AUC, shared)
			g.Disparities, p = append(g.Disparities, d), append(p, d.P)
		}
	}
	adjusted, err := evaluation.Holm(p)
	if err != nil {
		return err
	}
	for i := range adjusted {
		g.Disparities[i].AdjustedP = adjusted[i]
	}
	slices.SortStableFunc(g.Disparities, func(a, b disparity) int { return cmp.Compare(b.Value, a.Value) })
	return nil
}

// printSkipped lists the groups that were not judged, the largest first.
func printSkipped(w io.Writer, skipped []gate.Skipped) {
	const most = 10
	largest := slices.Clone(skipped)
	slices.SortStableFunc(largest, func(a, b gate.Skipped) int { return b.N - a.N })
	for i, s := range largest {
		if i == most {
			fmt.Fprintf(w, "  and %d more that are not judged (--json lists them)\n", len(largest)-most)
			return
		}
		fmt.Fprintf(w, "  not judged: %s, %d rows, %d positive: %s\n", s.Group, s.N, s.Positives, s.Reason)
	}
}
