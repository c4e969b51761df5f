package training

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/gbdt"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/rows/rowstest"
	"github.com/sluice-ml/sluice/shared/split"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// goalsData is the rows that scripts/golden/goals_training.py made.
func goalsData(t testing.TB, config *trainconfig.Config) *rows.Set {
	t.Helper()
	data, err := os.ReadFile("testdata/goals.csv.gz")
	require.NoError(t, err)
	objects := rowstest.Objects{"raw/goals/goals.csv.gz": data}
	set, err := rows.ReadFor(t.Context(), config.Goal(), objects.Open, objects.List(), config.Data, config.Experiment.Seed)
	require.NoError(t, err)
	return set
}

func goalConfigOf(t testing.TB, estimator, target string, params map[string]any) *trainconfig.Config {
	t.Helper()
	text, err := json.Marshal(params)
	require.NoError(t, err)
	data := "target: " + target
	if estimator == "XGBRanker" {
		data += ", qid: query"
	}
	return parse(t, fmt.Sprintf("experiment: {name: goals, seed: 7}\ndata: {%s, features: [a, b, c, d], split: {train: 0.7, validation: 0.1, test: 0.2}}\nmodel: {type: %s, params: %s}\ntraining: {folds: 3, early_stopping_rounds: 5}\n",
		data, estimator, text))
}

// TestGoalsAreTrainedAsByPython: the same rows and parameters give the very
// predictions that XGBoost's Python package gives, and the same evaluation metric
// by default, which that package chose.
func TestGoalsAreTrainedAsByPython(t *testing.T) {
	var golden struct {
		XGBoost string
		Models  []struct {
			Estimator, Objective, Target, Metric, SHA256 string
			Weighted                                     bool
			Params                                       map[string]any
			Value                                        float64
			First                                        []float32
		}
	}
	text, err := os.ReadFile("testdata/goals.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &golden))
	require.Len(t, golden.Models, 16)
	for _, want := range golden.Models {
		t.Run(fmt.Sprintf("%s weighted=%v", want.Objective, want.Weighted), func(t *testing.T) {
			params := map[string]any{"objective": want.Objective, "learning_rate": 0.2, "max_depth": 4, "n_estimators": 20, "n_jobs": 2}
			for name, value := range want.Params {
				params[name] = value
			}
			config := goalConfigOf(t, want.Estimator, want.Target, params)
			require.Equal(t, want.Metric, config.Training.EvalMetric)
			if want.Weighted {
				config.Data.Weight = "weight"
			}
			set := goalsData(t, config)
			for i := range set.Side {
				set.Side[i] = split.Train // as the script learns from all rows
			}
			trainer := trainer(t, newMemory())
			r := &run{library: trainer.Library, store: trainer.Store, out: trainer.Out, plan: plan(config), config: config, set: set}
			m, err := r.prepare(t.Context(), 2)
			require.NoError(t, err)
			saved, err := r.learner().final(t.Context(), m, r.params.rounds)
			require.NoError(t, err)
			trees, err := gbdt.Load(saved)
			require.NoError(t, err)
			out := make([]float32, len(m.rows)*r.schema.Outputs())
			trees.PredictBatch(m.values, out)
			require.InDeltaSlice(t, want.First, out[:3], 1e-5)
			if trainer.Library.Version() == golden.XGBoost { // another version may round otherwise
				require.Equal(t, want.SHA256, sum(out), "the bits of all predictions")
			}
		})
	}
}

// TestGoalsAreTrainedWhole: folds, checkpoints and metrics of every goal; a
// trainer that is tried again gives the same bytes.
func TestGoalsAreTrainedWhole(t *testing.T) {
	for _, c := range []struct {
		estimator, target string
		params            map[string]any
		metric            string
		least             float64
	}{
		{"XGBRegressor", "amount", map[string]any{"n_estimators": 30}, "r2", 0.4},
		{"XGBClassifier", "kind", map[string]any{"n_estimators": 30, "objective": "multi:softprob"}, "accuracy", 0.6},
		{"XGBRanker", "grade", map[string]any{"n_estimators": 30}, "ndcg", 0.8},
	} {
		t.Run(c.estimator, func(t *testing.T) {
			config := goalConfigOf(t, c.estimator, c.target, c.params)
			set := goalsData(t, config)
			store := newMemory()
			require.NoError(t, trainer(t, store).Train(t.Context(), plan(config), config, set))
			var metrics Metrics
			require.NoError(t, json.Unmarshal(store.files[contract.FileMetrics], &metrics))
			require.Len(t, metrics.Folds, 3)
			for _, s := range []Scores{metrics.OutOfFold, metrics.Folds[0].Scores, *metrics.Validation} {
				require.Greater(t, s.Metrics[c.metric], c.least, "%+v", s)
			}
			require.NotContains(t, string(store.files[contract.FileMetrics]), "auc_roc\"")
			artifact, err := model.Unpack(store.files[contract.FileModel])
			require.NoError(t, err)
			require.Equal(t, config.Goal(), artifact.Schema.Goal())
			require.Equal(t, set.Classes, artifact.Schema.Classes)
			require.NotContains(t, artifact.Schema.Names(), "query")

			again := newMemory()
			again.files["checkpoint/start.json"] = store.files["checkpoint/start.json"]
			again.files[checkpointFile(1)] = store.files[checkpointFile(1)]
			require.NoError(t, trainer(t, again).Train(t.Context(), plan(config), config, set))
			for _, name := range []string{contract.FileModel, contract.FileMetrics, contract.FileFolds} {
				require.Equal(t, store.files[name], again.files[name], name)
			}
		})
	}
}

// TestQueriesStayTogether: no query is on two sides, or in two folds.
func TestQueriesStayTogether(t *testing.T) {
	config := goalConfigOf(t, "XGBRanker", "grade", nil)
	set := goalsData(t, config)
	side := map[string]split.Side{}
	for i, query := range set.Query {
		if before, known := side[query]; known {
			require.Equal(t, before, set.Side[i], query)
		}
		side[query] = set.Side[i]
	}
	train := byQuery(set, set.On(split.Train))
	config.Training.Folds = 3
	dealt, err := (&run{config: config, set: set, plan: contract.Plan{Seed: 7}}).deal(train)
	require.NoError(t, err)
	folds := dealt.Held
	fold := map[string]int{}
	for i, row := range train {
		if before, known := fold[set.Query[row]]; known {
			require.Equal(t, before, folds[i])
		}
		fold[set.Query[row]] = folds[i]
	}
	numbers := queryNumbers(set, train)
	require.InDelta(t, float64(len(fold)-1), numbers[len(numbers)-1], 0)
}

func TestAGoalsWrongDataIsNamed(t *testing.T) {
	read := func(g goal.Goal, csv string, data trainconfig.Data) error {
		data.Target = "y"
		objects := rowstest.Objects{"raw/m/a.csv": []byte(csv)}
		data.Split = trainconfig.Split{Train: 0.8, Test: 0.2}
		_, err := rows.ReadFor(t.Context(), g, objects.Open, objects.List(), data, 1)
		return err
	}
	ranked := trainconfig.Data{QID: "q"}
	for want, err := range map[string]error{
		`"high" in row 2, which is not a number`:                  read(goal.Regression, "x,y\n1,2\n2,high\n", trainconfig.Data{}),
		`column "y" has no value in row 2`:                        read(goal.Regression, "x,y\n1,2\n2,\n", trainconfig.Data{}),
		"too large for a 32-bit number":                           read(goal.Regression, "x,y\n1,2\n2,1e300\n", trainconfig.Data{}),
		"want 2 to 1000 classes":                                  read(goal.Multiclass, "x,y\n1,a\n2,a\n", trainconfig.Data{}),
		"a relevance, a whole number from 0 to 31":                read(goal.Ranking, "x,y,q\n1,0.5,a\n2,1,a\n", ranked),
		`column "y" is -1 in row 1 (raw/m/a.csv#0)`:               read(goal.Ranking, "x,y,q\n1,-1,a\n2,1,a\n", ranked),
		`column "q" has no value in row 2`:                        read(goal.Ranking, "x,y,q\n1,0,a\n2,1,\n", ranked),
		`there is no column "q"`:                                  read(goal.Ranking, "x,y\n1,0\n2,1\n", ranked),
		"model.params.objective to multi:softprob to tell all of": read(goal.Binary, "x,y\n1,a\n2,b\n3,c\n", trainconfig.Data{}),
	} {
		require.ErrorContains(t, err, want)
	}
	text := "x,y\n"
	for i := range 1001 {
		text += fmt.Sprintf("1,c%d\n", i)
	}
	require.ErrorContains(t, read(goal.Multiclass, text, trainconfig.Data{}), "1001 distinct values")
	require.NoError(t, read(goal.Multiclass, strings.ReplaceAll(text, "c1000", "c999"), trainconfig.Data{}))
}
