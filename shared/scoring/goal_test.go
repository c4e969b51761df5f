package scoring

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/model/modeltest"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/rows/rowstest"
	"github.com/sluice-ml/sluice/shared/split"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

func labelled(t *testing.T, text string) (*trainconfig.Config, *rows.Set) {
	t.Helper()
	c, err := trainconfig.Parse("train.yaml", []byte("experiment: {name: adult-income, seed: 7}\n"+text+"\n"))
	require.NoError(t, err)
	objects := rowstest.Adult(t, "holdout.csv.gz")
	set, err := rows.ReadFor(t.Context(), c.Goal(), objects.Open, objects.List(), c.Data, 7)
	require.NoError(t, err)
	return c, set
}

// TestEvaluateAsksForNumbers: a regression's server, and a champion that is of
// another goal.
func TestEvaluateAsksForNumbers(t *testing.T) {
	c, set := labelled(t, "data: {target: hours_per_week}\nmodel: {type: XGBRegressor}\nevaluation: {robustness: {noise: [0.5], draws: 1}}")
	e := evaluator(t)
	result, err := e.Evaluate(t.Context(), c, set, 7, modeltest.Regression(t), modeltest.Stump(t))
	require.NoError(t, err)
	p := result.Predictions
	require.Equal(t, goal.Regression, p.Goal)
	require.Nil(t, p.Champion, "a champion of another goal is not compared")
	age, _ := set.Table.Column("age")
	for i, row := range set.On(split.Test) {
		require.InDelta(t, set.Label[row], p.Label[i], 0)
		if age.Number[row] < 30 {
			require.InDelta(t, 39, p.Score[i], 1e-9)
		}
	}
	require.Equal(t, goal.Regression, result.Perturbed[0].Goal)
	result, err = e.Evaluate(t.Context(), c, set, 7, modeltest.Regression(t), modeltest.Regression(t))
	require.NoError(t, err)
	require.Equal(t, result.Predictions.Score, result.Predictions.Champion)
	_, err = e.Evaluate(t.Context(), c, set, 7, modeltest.Stump(t), nil)
	require.ErrorContains(t, err, "it is for binary, and the rows are labelled for regression")
}

// TestEvaluateAsksForClasses: the classes of model and rows must be the same.
func TestEvaluateAsksForClasses(t *testing.T) {
	text := "model: {type: XGBClassifier, params: {objective: \"multi:softprob\"}}\nevaluation: {robustness: {noise: [0.5], draws: 1}}"
	c, set := labelled(t, "data: {target: marital_status}\n"+text)
	_, err := evaluator(t).Evaluate(t.Context(), c, set, 7, modeltest.Classes(t), nil)
	require.ErrorContains(t, err, `its classes are ["low" "mid, dle" "high"], and those of the rows ["Divorced"`)
	set.Classes = []string{"low", "mid, dle", "high"}
	for i := range set.Label {
		set.Label[i] = float64(i % 3)
	}
	result, err := evaluator(t).Evaluate(t.Context(), c, set, 7, modeltest.Classes(t), modeltest.Classes(t))
	require.NoError(t, err)
	require.Len(t, result.Predictions.Probability, 3)
	require.Equal(t, result.Predictions.Probability, result.Predictions.ChampionProbability)
	require.Equal(t, set.Classes, result.Perturbed[0].Classes)
}

func TestReadAnswersOfClasses(t *testing.T) {
	for answer, want := range map[string]string{
		`{"label":"b","probabilities":{"a":0.25,"b":0.75}}`: "",
		`{"label":"a","probabilities":{"a":0.25,"b":0.75}}`: `the label "a", and class "b" is likelier`,
		`{"label":"b","probabilities":{"a":0.25,"c":0.75}}`: `no probability of class "b"`,
		`{"label":"b","probabilities":{"b":1}}`:             "probabilities of 1 classes",
		`{"label":1,"probabilities":{"a":0.25,"b":0.75}}`:   "no label",
		`{"score":0.5}`: "line 1 has no label",
	} {
		s := &scores{classes: []string{"a", "b"}, probability: make([][]float64, 2)}
		err := s.read([]byte(answer), 1)
		if want == "" {
			require.NoError(t, err)
			require.Equal(t, [][]float64{{0.25}, {0.75}}, s.probability)
			continue
		}
		require.ErrorContains(t, err, want)
	}
}
