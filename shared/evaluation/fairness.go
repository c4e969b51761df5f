package evaluation

import (
	"maps"
	"math"
	"slices"
	"strings"
)

// Group is the rows of one value of a protected attribute, or of one
// combination of values.
type Group struct {
	Name      string // "sex=Female", or "race=Black & sex=Female"
	Positives int
	Negatives int
	Confusion Confusion // at Threshold
	// AUC is nil when the group has fewer than two rows of a class.
	AUC *AUC
}

// Rows is the group's size.
func (g Group) Rows() int { return g.Positives + g.Negatives }

// GroupBy splits unweighted rows by the joint values of attributes (aligned
// with the rows); rows where one is "" are left out and counted. Groups are in
// order of name.
func GroupBy(s Sample, names []string, values [][]string) (groups []Group, missing int, err error) {
	if err := s.Check(); err != nil {
		return nil, 0, err
	}
	rows := map[string][]int{}
	for k, v := range values {
		if len(v) != len(s.Label) {
			return nil, 0, invalid("attribute %q has %d values for %d rows", names[k], len(v), len(s.Label))
		}
	}
	for i := range s.Label {
		key, ok := groupName(names, values, i)
		if !ok {
			missing++
			continue
		}
		rows[key] = append(rows[key], i)
	}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		groups = append(groups, groupOf(name, s, rows[name]))
	}
	return groups, missing, nil
}

func groupName(names []string, values [][]string, row int) (string, bool) {
	parts := make([]string, len(names))
	for k, name := range names {
		if values[k][row] == "" {
			return "", false
		}
		parts[k] = name + "=" + values[k][row]
	}
	return strings.Join(parts, " & "), len(parts) > 0
}

func groupOf(name string, s Sample, rows []int) Group {
	part := Sample{Label: make([]float64, len(rows)), Score: make([]float64, len(rows))}
	g := Group{Name: name}
	for k, i := range rows {
		part.Label[k], part.Score[k] = s.Label[i], s.Score[i]
		if s.Label[i] == 1 {
			g.Positives++
		} else {
			g.Negatives++
		}
	}
	g.Confusion = confuse(part, Threshold, part.weight)
	if auc, err := DeLong(part.Label, part.Score); err == nil {
		g.AUC = &auc
	}
	return g
}

// Parity is how much groups differ in how they are decided upon.
type Parity struct {
	// DemographicDifference and Ratio compare the shares predicted positive:
	// greatest less least, and least over greatest.
	DemographicDifference float64 `json:"demographic_parity_difference"`
	DemographicRatio      float64 `json:"demographic_parity_ratio"`
	// EqualOpportunity is the greatest less the least true positive rate.
	EqualOpportunity float64 `json:"equal_opportunity_difference"`
	// EqualisedOdds is the larger difference of true and false positive rates.
	EqualisedOdds float64 `json:"equalised_odds_difference"`
}

// ParityOf compares groups. It needs two, each with both classes; the error is
// a fault of kind Invalid that names the group without.
func ParityOf(groups []Group) (Parity, error) {
	if len(groups) < 2 {
		return Parity{}, invalid("%d groups; two are needed to compare", len(groups))
	}
	var rates, tpr, fpr []float64
	for _, g := range groups {
		rate, err1 := g.Confusion.SelectionRate()
		t, err2 := g.Confusion.Recall()
		f, err3 := g.Confusion.FalsePositiveRate()
		if err1 != nil || err2 != nil || err3 != nil {
			return Parity{}, invalid("group %q has %d positive and %d negative rows; its rates are not defined", g.Name, g.Positives, g.Negatives)
		}
		rates, tpr, fpr = append(rates, rate), append(tpr, t), append(fpr, f)
	}
	p := Parity{DemographicDifference: spread(rates), EqualOpportunity: spread(tpr), DemographicRatio: 1}
	p.EqualisedOdds = math.Max(spread(tpr), spread(fpr))
	if most := slices.Max(rates); most > 0 {
		p.DemographicRatio = slices.Min(rates) / most
	}
	return p, nil
}

func spread(values []float64) float64 { return slices.Max(values) - slices.Min(values) }
