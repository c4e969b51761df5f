package predictions

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/parquet"
)

// sumTolerance is how far from 1 the probabilities of a row may sum: a server
// gives them in float32.
const sumTolerance = 1e-4

// checkGoal checks labels and scores by what they are.
func (s Set) checkGoal(n int) error {
	switch s.Goal {
	case goal.Multiclass:
		return s.checkClasses(n)
	case goal.Ranking:
		return s.checkQueries(n)
	case goal.Regression:
		if err := finite("label", s.Label); err != nil {
			return err
		}
		if err := finite("prediction", s.Score); err != nil {
			return err
		}
		return finite("champion's prediction", s.Champion)
	}
	if err := probabilities("score", s.Score); err != nil {
		return err
	}
	return probabilities("champion score", s.Champion)
}

func (s Set) checkQueries(n int) error {
	if len(s.Query) != n {
		return fmt.Errorf("%d row ids and %d queries are not aligned", n, len(s.Query))
	}
	for i, query := range s.Query {
		if query == "" {
			return fmt.Errorf("row %d (%s) belongs to no query", i+1, s.RowID[i])
		}
		if !(s.Label[i] >= 0) || math.IsInf(s.Label[i], 0) {
			return fmt.Errorf("row %d (%s): the label %v is no relevance, a number of 0 or more", i+1, s.RowID[i], s.Label[i])
		}
	}
	if err := finite("score", s.Score); err != nil {
		return err
	}
	return finite("champion score", s.Champion)
}

func (s Set) checkClasses(n int) error {
	if len(s.Classes) < 2 || slices.Contains(s.Classes, "") {
		return fmt.Errorf("the classes are %q; two or more are needed, each with a name", s.Classes)
	}
	sorted := slices.Sorted(slices.Values(s.Classes))
	if len(slices.Compact(sorted)) != len(s.Classes) {
		return fmt.Errorf("the classes are %q; one is there twice", s.Classes)
	}
	if len(s.Label) != n {
		return fmt.Errorf("%d row ids and %d labels are not aligned", n, len(s.Label))
	}
	for i, label := range s.Label {
		if k := int(label); !(label >= 0) || float64(k) != label || k >= len(s.Classes) {
			return fmt.Errorf("row %d (%s): the label %v is none of %d classes", i+1, s.RowID[i], label, len(s.Classes))
		}
	}
	if err := distributions("", s.Classes, s.Probability, n); err != nil {
		return err
	}
	if s.ChampionProbability == nil {
		return nil
	}
	return distributions("champion's ", s.Classes, s.ChampionProbability, n)
}

// distributions checks a row's probabilities of all classes.
func distributions(whose string, classes []string, all [][]float64, n int) error {
	if len(all) != len(classes) {
		return fmt.Errorf("%d classes and %sprobabilities of %d", len(classes), whose, len(all))
	}
	for k, column := range all {
		if len(column) != n {
			return fmt.Errorf("%d %sprobabilities of class %q for %d rows", len(column), whose, classes[k], n)
		}
		if err := probabilities(fmt.Sprintf("%sprobability of class %q,", whose, classes[k]), column); err != nil {
			return err
		}
	}
	for i := range n {
		sum := 0.0
		for k := range all {
			sum += all[k][i]
		}
		if math.Abs(sum-1) > sumTolerance {
			return fmt.Errorf("row %d: the %sprobabilities sum to %v", i+1, whose, sum)
		}
	}
	return nil
}

func finite(what string, values []float64) error {
	for i, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("row %d: the %s %v is not finite", i+1, what, v)
		}
	}
	return nil
}

// columns are the columns of one disturbed copy: its scores under the name of
// noise and draw, after what they are where they are not a binary model's.
func (p Perturbed) columns() []parquet.Column {
	switch p.Goal {
	case goal.Binary:
		return []parquet.Column{{Name: perturbedName(p), Float: p.Score}}
	case goal.Multiclass:
		var out []parquet.Column
		for k, class := range p.Classes {
			out = append(out, parquet.Column{Name: perturbedName(p) + "," + probabilityPrefix + class, Float: p.Probability[k]})
		}
		return out
	}
	return []parquet.Column{{Name: perturbedName(p) + "," + p.Goal.String(), Float: p.Score}}
}

// addPerturbed takes in a column that columns wrote.
func addPerturbed(all []Perturbed, c *parquet.Column) ([]Perturbed, error) {
	noise, rest, found := strings.Cut(strings.TrimPrefix(c.Name, "noise="), ",draw=")
	draw, what, _ := strings.Cut(rest, ",")
	p := Perturbed{}
	var errNoise, errDraw error
	p.Noise, errNoise = strconv.ParseFloat(noise, 64)
	p.Draw, errDraw = strconv.Atoi(draw)
	class, isClass := strings.CutPrefix(what, probabilityPrefix)
	switch {
	case isClass:
		p.Goal = goal.Multiclass
	case what == goal.Regression.String():
		p.Goal = goal.Regression
	case what == goal.Ranking.String():
		p.Goal = goal.Ranking
	case what != "":
		found = false
	}
	if !found || errNoise != nil || errDraw != nil {
		return all, fmt.Errorf("unknown column %q; want noise=…,draw=…", c.Name)
	}
	values, err := floats(c)
	if err != nil || !isClass {
		p.Score = values
		return append(all, p), err
	}
	if last := len(all) - 1; last >= 0 && all[last].Goal == goal.Multiclass && all[last].Noise == p.Noise && all[last].Draw == p.Draw {
		all[last].Classes, all[last].Probability = append(all[last].Classes, class), append(all[last].Probability, values)
		return all, nil
	}
	p.Classes, p.Probability = []string{class}, [][]float64{values}
	return append(all, p), nil
}

// check checks the scores of one disturbed copy of n rows.
func (p Perturbed) check(n int) error {
	if p.Goal == goal.Multiclass {
		if err := distributions("", p.Classes, p.Probability, n); err != nil {
			return fmt.Errorf("%s: %w", perturbedName(p), err)
		}
		return nil
	}
	if len(p.Score) != n {
		return fmt.Errorf("noise %v draw %d has %d scores for %d rows", p.Noise, p.Draw, len(p.Score), n)
	}
	if p.Goal == goal.Binary {
		return probabilities(perturbedName(p)+" score", p.Score)
	}
	return finite(perturbedName(p)+" score", p.Score)
}
