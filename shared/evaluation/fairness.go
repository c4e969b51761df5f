package evaluation

import (
	"maps"
	"slices"
	"strings"
)

// Group is the rows of one value of a protected attribute, or of one
// combination of values.
type Group struct {
	Name      string // "sex=Female", or "race=Black & sex=Female"
	Positives int
	Negatives int
	Sample    Sample    // its rows
	Confusion Confusion // at the sample's threshold
	// AUC is nil when the group has fewer than two rows of a class.
	AUC *AUC
}

// Rows is the group's size.
func (g Group) Rows() int { return g.Positives + g.Negatives }

// GroupBy splits rows by the joint values of attributes (aligned with the rows);
// rows where one is "" are left out and counted. Groups are in order of name.
func GroupBy(s Sample, names []string, values [][]string) (groups []Group, missing int, err error) {
	parts, missing, err := PartitionBy(s, names, values)
	if err != nil {
		return nil, 0, err
	}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		groups = append(groups, groupOf(name, s, parts[name]))
	}
	return groups, missing, nil
}

// PartitionBy gives the rows of each joint value of attributes, by the group's
// name, in rising order.
func PartitionBy(s Sample, names []string, values [][]string) (rows map[string][]int, missing int, err error) {
	if err := s.Check(); err != nil {
		return nil, 0, err
	}
	return PartitionRows(len(s.Label), names, values)
}

// PartitionRows is PartitionBy of n rows, whatever is known of them.
func PartitionRows(n int, names []string, values [][]string) (rows map[string][]int, missing int, err error) {
	rows = map[string][]int{}
	for k, v := range values {
		if len(v) != n {
			return nil, 0, invalid("attribute %q has %d values for %d rows", names[k], len(v), n)
		}
	}
	for i := range n {
		key, ok := groupName(names, values, i)
		if !ok {
			missing++
			continue
		}
		rows[key] = append(rows[key], i)
	}
	return rows, missing, nil
}

// Take is the sample of some rows.
func (s Sample) Take(rows []int) Sample {
	part := Sample{Label: make([]float64, len(rows)), Score: make([]float64, len(rows)), At: s.At}
	for k, i := range rows {
		part.Label[k], part.Score[k] = s.Label[i], s.Score[i]
		if s.Weight != nil {
			part.Weight = append(part.Weight, s.Weight[i])
		}
	}
	return part
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
	g := Group{Name: name, Sample: s.Take(rows)}
	for _, label := range g.Sample.Label {
		if label == 1 {
			g.Positives++
		} else {
			g.Negatives++
		}
	}
	g.Confusion = confuse(g.Sample, s.threshold(), g.Sample.weight)
	if auc, err := AUCOf(g.Sample); err == nil {
		g.AUC = &auc
	}
	return g
}

// Rates of a group, each a share of its rows that are predicted positive.
const (
	RateSelection     = "selection_rate"      // of all
	RateTruePositive  = "true_positive_rate"  // of the positive
	RateFalsePositive = "false_positive_rate" // of the negative
)

// Rate is one of the group's rates with Wilson's interval. The error is a fault
// of kind Invalid when there is no row to take it over.
func (g Group) Rate(name string, confidence float64) (Estimate, error) {
	c, s := g.Confusion, g.Sample
	e := Estimate{Name: name, Confidence: confidence, Method: ByWilson}
	part, whole, among := c.TP+c.FP, c.TP+c.FP+c.TN+c.FN, func(int) bool { return true }
	switch name {
	case RateTruePositive:
		part, whole, among = c.TP, c.TP+c.FN, func(i int) bool { return s.Label[i] == 1 }
	case RateFalsePositive:
		part, whole, among = c.FP, c.FP+c.TN, func(i int) bool { return s.Label[i] == 0 }
	}
	var err error
	if e.Value, err = share(name, part, whole); err != nil {
		return e, err
	}
	e.Low, e.High, err = s.shareInterval(wilson, part, whole, among, confidence)
	return e, err
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
	// EqualisedOddsRatio is the smaller ratio, least over greatest, of true and
	// false positive rates.
	EqualisedOddsRatio float64 `json:"equalised_odds_ratio"`
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
	return Parity{DemographicDifference: spread(rates), EqualOpportunity: spread(tpr), DemographicRatio: ratio(rates),
		EqualisedOdds: max(spread(tpr), spread(fpr)), EqualisedOddsRatio: min(ratio(tpr), ratio(fpr))}, nil
}

// ratio is least over greatest, 1 when all are 0.
func ratio(values []float64) float64 {
	if most := slices.Max(values); most > 0 {
		return slices.Min(values) / most
	}
	return 1
}

func spread(values []float64) float64 { return slices.Max(values) - slices.Min(values) }
