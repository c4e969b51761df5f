package predictions

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/parquet"
)

// goalSamples are a set of each goal but binary.
func goalSamples() map[goal.Goal]Set {
	ids := []string{"k#0", "k#1", "k#2"}
	return map[goal.Goal]Set{
		goal.Regression: {Goal: goal.Regression, RowID: ids, Label: []float64{1.5, -2, 0}, Score: []float64{1e300, 0.1, -7},
			Champion: []float64{1, 2, 3}, Attributes: map[string][]string{"sex": {"a", "", "b"}}},
		goal.Ranking: {Goal: goal.Ranking, RowID: ids, Label: []float64{0, 3, 1}, Score: []float64{-1, 5, 2}, Query: []string{"p", "p", "q"},
			Attributes: map[string][]string{}},
		goal.Multiclass: {Goal: goal.Multiclass, RowID: ids, Label: []float64{2, 0, 1}, Classes: []string{"10", "a, b", "é"},
			Probability:         [][]float64{{0.25, 1, 0}, {0.5, 0, 1}, {0.25, 0, 0}},
			ChampionProbability: [][]float64{{1, 0, 0.5}, {0, 1, 0.5}, {0, 0, 0}},
			Attributes:          map[string][]string{"x": {"1", "2", "3"}}},
	}
}

func TestGoalsReadBackBitForBit(t *testing.T) {
	for g, want := range goalSamples() {
		data := written(t, want)
		back, err := Read(bytes.NewReader(data), int64(len(data)))
		if err != nil || !reflect.DeepEqual(back, want) {
			t.Errorf("%s: %+v, %v", g, back, err)
		}
		part := want.Take([]int{2, 0})
		if err := part.Check(); err != nil || part.RowID[0] != "k#2" || part.Label[1] != want.Label[0] || part.HasChampion() {
			t.Errorf("%s: %+v, %v", g, part, err)
		}
	}
}

func TestWrongGoalsAreNotWrittenNorRead(t *testing.T) {
	for _, c := range []struct {
		goal  goal.Goal
		want  string
		spoil func(*Set)
	}{
		{goal.Regression, "the label NaN is not finite", func(s *Set) { s.Label[1] = math.NaN() }},
		{goal.Regression, "the prediction +Inf is not finite", func(s *Set) { s.Score[1] = math.Inf(1) }},
		{goal.Regression, "champion's prediction NaN", func(s *Set) { s.Champion[2] = math.NaN() }},
		{goal.Regression, "are not aligned", func(s *Set) { s.Score = s.Score[:1] }},
		{goal.Ranking, "belongs to no query", func(s *Set) { s.Query[1] = "" }},
		{goal.Ranking, "3 row ids and 2 queries", func(s *Set) { s.Query = s.Query[:2] }},
		{goal.Ranking, "the label -1 is no relevance", func(s *Set) { s.Label[0] = -1 }},
		{goal.Multiclass, "the label 3 is none of 3 classes", func(s *Set) { s.Label[0] = 3 }},
		{goal.Multiclass, "the label 0.5 is none of 3 classes", func(s *Set) { s.Label[0] = 0.5 }},
		{goal.Multiclass, "the probabilities sum to 1.5", func(s *Set) { s.Probability[0][0] = 0.75 }},
		{goal.Multiclass, "the champion's probabilities sum to 0", func(s *Set) { s.ChampionProbability[0][0] = 0 }},
		{goal.Multiclass, `the probability of class "a, b", NaN`, func(s *Set) { s.Probability[1][0] = math.NaN() }},
		{goal.Multiclass, "one is there twice", func(s *Set) { s.Classes = []string{"a", "a", "b"} }},
		{goal.Multiclass, "two or more are needed", func(s *Set) { s.Classes = s.Classes[:1] }},
		{goal.Multiclass, "3 classes and probabilities of 2", func(s *Set) { s.Probability = s.Probability[:2] }},
	} {
		s := goalSamples()[c.goal]
		c.spoil(&s)
		if err := Write(&bytes.Buffer{}, s); err == nil || !strings.Contains(err.Error(), c.want) || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: want %q, got %v", c.goal, c.want, err)
		}
	}
	one := []float64{1}
	for want, columns := range map[string][]parquet.Column{
		`the label "c" is none of the classes ["a" "b"]`: {{Name: "row_id", Text: []string{"x"}}, {Name: "label", Text: []string{"c"}}, {Name: "probability.a", Float: one}, {Name: "probability.b", Float: []float64{0}}},
		`the champion's classes ["b"]`:                   {{Name: "row_id", Text: []string{"x"}}, {Name: "label", Text: []string{"a"}}, {Name: "probability.a", Float: one}, {Name: "champion.b", Float: one}},
	} {
		var b bytes.Buffer
		if err := parquet.Write(&b, columns); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(bytes.NewReader(b.Bytes()), int64(b.Len())); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestPerturbedGoalsReadBack(t *testing.T) {
	ids := []string{"a", "b"}
	for _, all := range [][]Perturbed{
		{{Goal: goal.Regression, Noise: 0.1, Score: []float64{-5, 1e9}}, {Goal: goal.Regression, Noise: 0.1, Draw: 1, Score: []float64{1, 2}}},
		{{Goal: goal.Ranking, Noise: 0.1, Score: []float64{-5, 1e9}}},
		{{Goal: goal.Multiclass, Noise: 0.1, Classes: []string{"a,b", "c"}, Probability: [][]float64{{0.5, 1}, {0.5, 0}}},
			{Goal: goal.Multiclass, Noise: 0.1, Draw: 1, Classes: []string{"a,b", "c"}, Probability: [][]float64{{0, 1}, {1, 0}}}},
	} {
		var b bytes.Buffer
		if err := WritePerturbed(&b, ids, all); err != nil {
			t.Fatal(err)
		}
		_, got, err := ReadPerturbed(bytes.NewReader(b.Bytes()), int64(b.Len()))
		if err != nil || !reflect.DeepEqual(got, all) {
			t.Errorf("%+v %v", got, err)
		}
	}
	for want, bad := range map[string]Perturbed{
		"is not finite": {Goal: goal.Regression, Noise: 0.1, Score: []float64{math.NaN(), 1}},
		"sum to 1.5":    {Goal: goal.Multiclass, Noise: 0.1, Classes: []string{"a", "b"}, Probability: [][]float64{{0.5, 1}, {1, 0}}},
	} {
		if err := WritePerturbed(&bytes.Buffer{}, ids, []Perturbed{bad}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
