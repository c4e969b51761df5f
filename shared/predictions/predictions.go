// Package predictions is what a model said about rows whose truth is known:
// the only thing gates judge. The evaluator writes it, gates read it.
package predictions

import "github.com/sluice-ml/sluice/shared/goal"

// Set is aligned columns: index i of each is one row.
type Set struct {
	// Goal is what the model is for, and with it what a label and a score are.
	Goal  goal.Goal
	RowID []string // "<key>#<row number from 0>", unique
	// Label is 1 for the positive class and 0 for the other (binary), an index
	// into Classes (multiclass), the number to predict (regression), or how
	// relevant the row is, 0 or more (ranking).
	Label []float64
	// Score is the candidate's: the probability of the positive class, 0..1
	// (binary), the predicted number (regression), or what orders the rows of a
	// query (ranking). Multiclass has Probability instead.
	Score []float64
	// Champion is the serving version's score of the same rows; nil when there
	// is none.
	Champion []float64
	// Weight is how much each row counts, 0 or more; nil: each 1. Estimates and
	// verdicts are of the rows so weighted.
	Weight []float64
	// Attributes are the protected attributes as text, by name; "" is missing.
	Attributes map[string][]string

	Classes             []string    // multiclass: their names
	Probability         [][]float64 // multiclass: of each class, a number a row
	ChampionProbability [][]float64 // multiclass: the serving version's; nil when there is none
	Query               []string    // ranking: which query the row belongs to
}

// HasChampion says whether the serving version scored the rows as well.
func (s *Set) HasChampion() bool { return s.Champion != nil || s.ChampionProbability != nil }

// Perturbed is the candidate's scores of disturbed copies of the rows of a Set,
// one entry per (noise, draw), aligned with Set.RowID.
type Perturbed struct {
	Goal        goal.Goal
	Noise       float64 // times each numeric feature's standard deviation
	Draw        int     // from 0
	Score       []float64
	Classes     []string    // multiclass: the names
	Probability [][]float64 // multiclass, in place of Score
}

// Take is the candidate's scores of some rows.
func (s *Set) Take(rows []int) *Set {
	out := &Set{Goal: s.Goal, Classes: s.Classes, Attributes: map[string][]string{},
		RowID: taken(s.RowID, rows), Label: taken(s.Label, rows), Score: taken(s.Score, rows), Weight: taken(s.Weight, rows), Query: taken(s.Query, rows)}
	for _, column := range s.Probability {
		out.Probability = append(out.Probability, taken(column, rows))
	}
	for name, values := range s.Attributes {
		out.Attributes[name] = taken(values, rows)
	}
	return out
}

// taken is some values of a column; nil of one that is not there.
func taken[T any](column []T, rows []int) []T {
	if column == nil {
		return nil
	}
	out := make([]T, len(rows))
	for k, i := range rows {
		out[k] = column[i]
	}
	return out
}
