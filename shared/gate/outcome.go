package gate

import (
	"fmt"
	"math"
	"slices"

	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/predictions"
)

// MinRows is how many rows of a regression, and how many queries of a ranking, a
// judgement needs at least: below, normal intervals of a mean say little.
const MinRows = 20

// outcome is what metrics are taken of where the goal is not binary.
type outcome interface {
	Measure(metric string, confidence float64) (evaluation.Estimate, error)
	Linear(metric string) (evaluation.Linear, error)
}

// scoring is one model's scores of the rows of a set.
type scoring struct {
	score       []float64
	probability [][]float64
}

func candidateOf(set *predictions.Set) scoring { return scoring{set.Score, set.Probability} }
func championOf(set *predictions.Set) scoring  { return scoring{set.Champion, set.ChampionProbability} }

// of holds the scoring against the set's labels.
func (s scoring) of(set *predictions.Set) outcome {
	switch set.Goal {
	case goal.Multiclass:
		return evaluation.Classes{Names: set.Classes, Label: set.Label, Probability: s.probability, Weight: set.Weight}
	case goal.Ranking:
		return evaluation.Queries{Label: set.Label, Score: s.score, Query: set.Query, Weight: set.Weight}
	}
	return evaluation.Values{Label: set.Label, Score: s.score, Weight: set.Weight}
}

// counting is the rows that weigh more than 0: the others are as if they were not
// there, and no least number of rows counts them. rows are their positions, nil
// when all count.
func counting(set *predictions.Set) (of *predictions.Set, rows []int) {
	if rows = evaluation.Counting(set.Weight); rows == nil {
		return set, nil
	}
	of = set.Take(rows)
	of.Champion = among(set.Champion, rows, len(set.RowID))
	for _, values := range set.ChampionProbability {
		of.ChampionProbability = append(of.ChampionProbability, among(values, rows, len(set.RowID)))
	}
	return of, rows
}

// constant says that a scoring tells no row from another, and what it always
// says.
func (s scoring) constant() (string, bool) {
	columns := s.probability
	if columns == nil {
		columns = [][]float64{s.score}
	}
	for _, values := range columns {
		if slices.Max(values) != slices.Min(values) {
			return "", false
		}
	}
	if s.probability == nil {
		return fmt.Sprint(s.score[0]), true
	}
	first := make([]float64, len(columns))
	for k := range columns {
		first[k] = columns[k][0]
	}
	return fmt.Sprint(first), true
}

// few says why rows are too few to judge, "" when they are not.
func few(set *predictions.Set) string {
	switch set.Goal {
	case goal.Multiclass:
		for k, rows := range (evaluation.Classes{Names: set.Classes, Label: set.Label}).Rows() {
			if rows < MinPerClass {
				return fmt.Sprintf("%d rows of class %q; at least %d of each class are needed", rows, set.Classes[k], MinPerClass)
			}
		}
	case goal.Regression:
		if rows := len(set.Label); rows < MinRows {
			return fmt.Sprintf("%d rows; at least %d are needed", rows, MinRows)
		}
	case goal.Ranking:
		judged, out := evaluation.Queries{Label: set.Label, Score: set.Score, Query: set.Query, Weight: set.Weight}.Judged()
		if len(judged) < MinRows {
			return fmt.Sprintf("%d queries with two rows or more, one of them relevant (and %d others); at least %d are needed", len(judged), out, MinRows)
		}
	default:
		if positives, negatives := count(set.Label); !enough(positives, negatives) {
			return fmt.Sprintf("%d positive and %d negative rows; at least %d of each are needed", positives, negatives, MinPerClass)
		}
	}
	return ""
}

// positivesOf counts the positive rows of a binary set; other goals have none.
func positivesOf(set *predictions.Set) int {
	if set.Goal != goal.Binary {
		return 0
	}
	positives, _ := count(set.Label)
	return positives
}

// worse measures by how much b is worse than a for the same units: of a loss or
// an error by which share it is greater, of other metrics by how much it is less.
// name is the change's, e.g. "rmse_increase", "accuracy_drop".
func worse(a, b evaluation.Linear, confidence float64) (m Measurement, err error) {
	m = Measurement{Name: a.Name + "_drop", Confidence: confidence, Wants: atMost}
	if goal.LowerIsBetter(a.Name) {
		m.Name = a.Name + "_increase"
		m.Value, m.Low, m.High, err = evaluation.PairedIncrease(b, a, confidence)
	} else {
		var variance float64
		m.Value, variance, err = evaluation.PairedLinear(a, b)
		m.Low, m.High = evaluation.Around(m.Value, variance, confidence)
	}
	if err == nil && (math.IsNaN(m.Low) || math.IsInf(m.Low, 0) || math.IsNaN(m.High) || math.IsInf(m.High, 0)) {
		err = fmt.Errorf("the spread of %s cannot be told", m.Name)
	}
	return m, err
}
