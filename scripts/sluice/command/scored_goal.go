package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/table"
)

// The columns that the evaluator writes: of weights, and where the goal is not
// binary.
const (
	columnPrediction  = "prediction"
	columnQuery       = "query"
	columnWeight      = "weight"
	probabilityPrefix = "probability."
	championPrefix    = "champion."
)

// goalNamed is a goal by its name; "" is told by the file's columns.
func goalNamed(name string, t *table.Table) (goal.Goal, error) {
	all := []goal.Goal{goal.Binary, goal.Multiclass, goal.Regression, goal.Ranking}
	for _, g := range all {
		if name == g.String() {
			return g, nil
		}
	}
	if name != "" {
		return 0, usageError{fmt.Errorf("--goal %q: want one of %v", name, all)}
	}
	names := t.Names()
	switch {
	case slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, probabilityPrefix) }):
		return goal.Multiclass, nil
	case slices.Contains(names, columnPrediction) && !slices.Contains(names, "score"):
		return goal.Regression, nil
	case slices.Contains(names, columnQuery) && slices.Contains(names, "score"):
		return goal.Ranking, nil
	}
	return goal.Binary, nil
}

// readSet reads the predictions of a goal other than binary.
func readSet(s *scored, g goal.Goal, names columns, champion string) (*predictions.Set, error) {
	set := &predictions.Set{Goal: g, Attributes: map[string][]string{}}
	s.id = nil // the same file may be read by another column
	if err := s.readIDs(names.id); err != nil {
		return nil, err
	}
	set.RowID = s.id
	for i := range s.table.Rows() {
		if s.id == nil {
			set.RowID = append(set.RowID, fmt.Sprintf("row %d", i+1))
		}
	}
	read := s.numbersOf
	if g == goal.Multiclass {
		read = s.classesOf
	}
	if err := read(set, names, champion); err != nil {
		return nil, err
	}
	if names.weight != "" {
		var err error
		if set.Weight, err = s.numbers("--weight", names.weight); err != nil {
			return nil, err
		}
	}
	return set, set.Check()
}

// numbersOf reads a regression's or a ranking's columns.
func (s *scored) numbersOf(set *predictions.Set, names columns, champion string) error {
	score := names.score
	if _, ok := s.table.Column(score); !ok && score == "score" && set.Goal == goal.Regression {
		score = columnPrediction
	}
	var errLabel, errScore, errChampion error
	set.Label, errLabel = s.numbers("--label", names.label)
	set.Score, errScore = s.numbers("--score", score)
	if _, ok := s.table.Column(champion); ok {
		set.Champion, errChampion = s.numbers("--champion", champion)
	}
	if err := errors.Join(errLabel, errScore, errChampion); err != nil || set.Goal == goal.Regression {
		return err
	}
	query, err := s.column("--query", names.query)
	if err != nil {
		return err
	}
	for i := range query.Len() {
		set.Query = append(set.Query, query.Content(i))
	}
	return nil
}

// classesOf reads the label's name and a column of probabilities for each class.
func (s *scored) classesOf(set *predictions.Set, names columns, _ string) error {
	label, err := s.column("--label", names.label)
	if err != nil {
		return err
	}
	var serving []string
	for _, name := range s.table.Names() {
		if class, ok := strings.CutPrefix(name, probabilityPrefix); ok {
			values, err := s.numbers("the probability of class "+class, name)
			if err != nil {
				return err
			}
			set.Classes, set.Probability = append(set.Classes, class), append(set.Probability, values)
		}
		if class, ok := strings.CutPrefix(name, championPrefix); ok {
			values, err := s.numbers("the champion's probability of class "+class, name)
			if err != nil {
				return err
			}
			serving, set.ChampionProbability = append(serving, class), append(set.ChampionProbability, values)
		}
	}
	if len(set.Classes) == 0 {
		return wrongFile("there is no column %sCLASS; several classes need one for each, and the columns are %s", probabilityPrefix, quoted(s.table.Names()))
	}
	if serving != nil && !slices.Equal(serving, set.Classes) {
		return wrongFile("the champion's classes %s are not the candidate's, %s", quoted(serving), quoted(set.Classes))
	}
	contents := make([]string, label.Len())
	for i := range contents {
		contents[i] = label.Content(i)
	}
	set.Label, err = predictions.IndexClasses(set.Classes, contents)
	return err
}

// readGoal reads a file of predictions of a goal; the file's columns tell it
// where name is "".
func readGoal(ctx context.Context, path, name string) (*scored, goal.Goal, error) {
	t, err := readTable(ctx, path)
	if err != nil {
		return nil, 0, err
	}
	g, err := goalNamed(name, t)
	return &scored{file: path, table: t}, g, err
}

// attribute gives the content of a column that tells rows apart, also under the
// name that the evaluator gives it; nil when there is none.
func (s *scored) attribute(name string) []string {
	column, ok := s.table.Column(name)
	if !ok {
		column, ok = s.table.Column("attribute." + name)
	}
	if !ok {
		return nil
	}
	values := make([]string, column.Len())
	for i := range values {
		values[i] = column.Content(i)
	}
	return values
}
