package command

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/gate"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/predictions"
)

// evaluatedGoal is what sluice evaluate says of a file of predictions whose goal
// is not binary.
type evaluatedGoal struct {
	File       string         `json:"file"`
	Goal       string         `json:"goal"`
	Rows       int            `json:"rows"`
	Classes    []string       `json:"classes,omitempty"`
	Confusion  [][]int        `json:"confusion,omitempty"` // by class, then by predicted class
	Queries    int            `json:"queries,omitempty"`   // that tell anything about an order
	LeftOut    int            `json:"queries_left_out,omitempty"`
	Confidence float64        `json:"confidence"`
	Metrics    []measured     `json:"metrics"`
	Groups     []goalGrouping `json:"groups,omitempty"`
	Comparison *comparison    `json:"comparison,omitempty"`
}

// goalGrouping is the metrics of a column's groups.
type goalGrouping struct {
	By      []string       `json:"by"`
	Groups  []goalGroup    `json:"groups"`
	Skipped []gate.Skipped `json:"skipped"`
	Missing int            `json:"missing"`
}

type goalGroup struct {
	Group   string     `json:"group"`
	Rows    int        `json:"rows"`
	Metrics []measured `json:"metrics"`
}

// measurable is a file's predictions, of any goal but binary.
type measurable interface {
	Measure(metric string, confidence float64) (evaluation.Estimate, error)
	Linear(metric string) (evaluation.Linear, error)
}

func measurableOf(set *predictions.Set) measurable {
	switch set.Goal {
	case goal.Multiclass:
		return evaluation.Classes{Names: set.Classes, Label: set.Label, Probability: set.Probability, Weight: set.Weight}
	case goal.Ranking:
		return evaluation.Queries{Label: set.Label, Score: set.Score, Query: set.Query, Weight: set.Weight}
	}
	return evaluation.Values{Label: set.Label, Score: set.Score, Weight: set.Weight}
}

// evaluateGoal measures a file of predictions whose goal is not binary.
func evaluateGoal(ctx context.Context, s *scored, g goal.Goal, o *evaluateOptions) (*evaluatedGoal, error) {
	if err := o.checkGoal(g); err != nil {
		return nil, err
	}
	set, err := readSet(s, g, o.columns, "")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.file, err)
	}
	r := &evaluatedGoal{File: s.file, Goal: g.String(), Rows: len(set.RowID), Classes: set.Classes, Confidence: o.confidence}
	of := measurableOf(set)
	switch of := of.(type) {
	case evaluation.Classes:
		r.Confusion = of.Table()
	case evaluation.Queries:
		judged, out := of.Judged()
		r.Queries, r.LeftOut = len(judged), out
	}
	r.Metrics = estimates(of, g.Metrics(), o.confidence)
	for _, by := range o.groups {
		if err := r.group(s, set, by, o); err != nil {
			return nil, fmt.Errorf("%s: %w", s.file, err)
		}
	}
	if o.compare == "" && o.compareBy == "" {
		return r, nil
	}
	return r, r.compareWith(ctx, s, set, o)
}

// checkGoal refuses what is only defined of scores that are probabilities of one
// class.
func (o *evaluateOptions) checkGoal(g goal.Goal) error {
	for _, c := range []struct {
		given bool
		flag  string
	}{
		{o.positive != "", "--positive"}, {o.curves, "--curves"}, {o.unpaired, "--unpaired"},
		{g == goal.Multiclass && o.compareBy != "", "--compare-score"}, {g == goal.Ranking && len(o.groups) > 0, "--group"},
	} {
		if c.given {
			return usageError{fmt.Errorf("%s is not for %s; leave it out", c.flag, g)}
		}
	}
	return nil
}

func estimates(of measurable, metrics []string, confidence float64) []measured {
	var out []measured
	for _, name := range metrics {
		m := measured{Estimate: evaluation.Estimate{Name: name}}
		if e, err := of.Measure(name, confidence); err != nil {
			m.Insufficient = reasonOf(err)
		} else {
			m.Estimate = e
		}
		out = append(out, m)
	}
	return out
}

// group measures the groups of columns, given as A or A,B.
func (r *evaluatedGoal) group(s *scored, set *predictions.Set, by string, o *evaluateOptions) error {
	g := goalGrouping{By: strings.Split(by, ","), Groups: []goalGroup{}, Skipped: []gate.Skipped{}}
	values := make([][]string, len(g.By))
	for k, name := range g.By {
		if values[k] = s.attribute(name); values[k] == nil {
			return wrongFile("there is no column %q (--group %s); the columns are %s", name, by, quoted(s.table.Names()))
		}
	}
	rows, missing, err := evaluation.PartitionRows(r.Rows, g.By, values)
	if err != nil {
		return err
	}
	g.Missing = missing
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		if n := len(rows[name]); n < o.minGroup {
			g.Skipped = append(g.Skipped, gate.Skipped{Group: name, N: n, Reason: fmt.Sprintf("fewer than %d rows", o.minGroup)})
			continue
		}
		metrics := set.Goal.Metrics()
		if set.Goal == goal.Regression {
			metrics = append([]string{evaluation.MetricMeanResidual}, metrics...)
		}
		g.Groups = append(g.Groups, goalGroup{name, len(rows[name]), estimates(measurableOf(set.Take(rows[name])), metrics, r.Confidence)})
	}
	r.Groups = append(r.Groups, g)
	return nil
}

// compareWith compares with another file of the same rows, or with another
// column of the same file.
func (r *evaluatedGoal) compareWith(ctx context.Context, s *scored, set *predictions.Set, o *evaluateOptions) error {
	names, other, path := o.columns, s, s.file
	if o.compareBy != "" {
		names.score = o.compareBy
	}
	if o.compare != "" {
		path = o.compare
		t, err := readTable(ctx, path)
		if err != nil {
			return err
		}
		other = &scored{file: path, table: t}
	}
	names.weight = "" // rows count as in the first file
	second, err := readSet(other, set.Goal, names, "")
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if o.compare != "" {
		rows, err := s.partners(other, o.id)
		if err != nil {
			return err
		}
		second = second.Take(rows)
	}
	if !slices.Equal(second.Label, set.Label) || !slices.Equal(second.Classes, set.Classes) || !slices.Equal(second.Query, set.Query) {
		return wrongFile("%s and %s do not have the same labels; the files are not of the same rows", s.file, path)
	}
	second.Weight = set.Weight
	r.Comparison = &comparison{With: path, Paired: true, Rows: len(second.RowID)}
	if o.compareBy != "" {
		r.Comparison.With += " " + o.compareBy
	}
	for _, name := range set.Goal.Compared() {
		r.Comparison.Metrics = append(r.Comparison.Metrics, pairCompared(name, measurableOf(set), measurableOf(second), r.Confidence))
	}
	return r.Comparison.adjust()
}

func pairCompared(name string, a, b measurable, confidence float64) compared {
	c := compared{Comparison: evaluation.Comparison{Name: name}}
	first, err := a.Linear(name)
	if err == nil {
		var second evaluation.Linear
		if second, err = b.Linear(name); err == nil {
			c.Comparison, err = evaluation.CompareLinear(first, second, confidence)
		}
	}
	if err != nil {
		c.Insufficient = reasonOf(err)
	}
	return c
}

func (r *evaluatedGoal) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %d rows, %s", r.File, r.Rows, r.Goal)
	if r.Queries > 0 {
		fmt.Fprintf(w, ", %d queries (and %d that tell nothing about an order)", r.Queries, r.LeftOut)
	}
	fmt.Fprintf(w, "\n\nMETRIC\tVALUE\t%g %% INTERVAL\tBY\n", 100*r.Confidence)
	for _, m := range r.Metrics {
		m.print(w, m.Name)
	}
	if len(r.Classes) > 0 {
		fmt.Fprintf(w, "\nclass\tpredicted %s\n", strings.Join(r.Classes, "\t"))
		for k, line := range r.Confusion {
			fmt.Fprintf(w, "%s\t%s\n", r.Classes[k], strings.Trim(strings.ReplaceAll(fmt.Sprint(line), " ", "\t"), "[]"))
		}
	}
	for _, g := range r.Groups {
		fmt.Fprintf(w, "\nby %s\n", strings.Join(g.By, " and "))
		for _, group := range g.Groups {
			fmt.Fprintf(w, "%s\t%d rows\t\t\n", group.Group, group.Rows)
			for _, m := range group.Metrics {
				m.print(w, "  "+m.Name)
			}
		}
		if g.Missing > 0 {
			fmt.Fprintf(w, "  %d rows have no value\n", g.Missing)
		}
		printSkipped(w, g.Skipped)
	}
	if r.Comparison != nil {
		r.Comparison.print(w, r.File)
	}
}
