package xgboost_test

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/gbdt"
	"github.com/sluice-ml/sluice/shared/xgboost"
	"github.com/sluice-ml/sluice/shared/xgboost/xgboosttest"
)

var nan = float32(math.NaN())

// sample is rows of two numeric features and a categorical one, all of which
// the label depends on.
func sample(rows int) xgboost.Data {
	random := rand.New(rand.NewPCG(1, 2))
	data := xgboost.Data{Rows: rows, Columns: 3, Types: []string{"q", "q", "c"}, Threads: 1}
	for range rows {
		a, b, c := random.NormFloat64(), random.NormFloat64(), random.IntN(9)
		label := float32(0)
		if a+0.5*b+float64(c%3)+random.NormFloat64() > 1 {
			label = 1
		}
		row := []float32{float32(a), float32(b), float32(c)}
		if random.IntN(10) == 0 {
			row[random.IntN(3)] = nan
		}
		data.Values = append(data.Values, row...)
		data.Label = append(data.Label, label)
	}
	return data
}

var params = []xgboost.Param{
	{Name: "objective", Value: "binary:logistic"}, {Name: "eval_metric", Value: "auc"},
	{Name: "max_depth", Value: "4"}, {Name: "nthread", Value: "1"}, {Name: "verbosity", Value: "0"},
}

func train(t *testing.T, l *xgboost.Library, m *xgboost.Matrix, rounds int) *xgboost.Booster {
	t.Helper()
	b, err := l.NewBooster(params, m)
	require.NoError(t, err)
	t.Cleanup(b.Close)
	for round := range rounds {
		require.NoError(t, b.Update(round, m))
	}
	return b
}

func matrix(t *testing.T, l *xgboost.Library, data xgboost.Data) *xgboost.Matrix {
	t.Helper()
	m, err := l.NewMatrix(data)
	require.NoError(t, err)
	t.Cleanup(m.Close)
	return m
}

func TestTrainEvaluateSaveAndPredict(t *testing.T) {
	l := xgboosttest.Open(t)
	data := sample(600)
	m := matrix(t, l, data)
	require.Equal(t, 600, m.Rows())
	b := train(t, l, m, 12)

	auc, err := b.Eval(11, m)
	require.NoError(t, err)
	require.Greater(t, auc, 0.85)
	rounds, err := b.Rounds()
	require.NoError(t, err)
	require.Equal(t, 12, rounds)

	want, err := b.Predict(m, false)
	require.NoError(t, err)
	for _, format := range []string{"ubj", "json"} {
		saved, err := b.Save(format)
		require.NoError(t, err)
		loaded, err := l.LoadBooster(saved)
		require.NoError(t, err)
		t.Cleanup(loaded.Close)
		again, err := loaded.Predict(m, false)
		require.NoError(t, err)
		require.Equal(t, want, again)

		model, err := gbdt.Load(saved)
		require.NoError(t, err)
		ours := make([]float32, 600)
		model.PredictBatch(data.Values, ours)
		require.Equal(t, want, ours, "the Go predictor gives the same bits")
	}
}

func TestHeadKeepsTheFirstRounds(t *testing.T) {
	l := xgboosttest.Open(t)
	m := matrix(t, l, sample(300))
	head, err := train(t, l, m, 9).Head(4)
	require.NoError(t, err)
	t.Cleanup(head.Close)
	rounds, err := head.Rounds()
	require.NoError(t, err)
	require.Equal(t, 4, rounds)
	short, err := train(t, l, m, 4).Predict(m, true)
	require.NoError(t, err)
	long, err := head.Predict(m, true)
	require.NoError(t, err)
	require.Equal(t, short, long)
	_, err = head.Head(0)
	require.ErrorContains(t, err, "keep 0 rounds: want at least 1")
}

func TestWeightsCount(t *testing.T) {
	l := xgboosttest.Open(t)
	data := sample(200)
	plain, err := train(t, l, matrix(t, l, data), 2).Save("ubj")
	require.NoError(t, err)
	data.Weight = make([]float32, 200)
	for i := range data.Weight {
		data.Weight[i] = float32(i%5) + 0.1
	}
	weighted, err := train(t, l, matrix(t, l, data), 2).Save("ubj")
	require.NoError(t, err)
	require.NotEqual(t, plain, weighted)
}

func TestErrorsSayWhatXGBoostSaid(t *testing.T) {
	l := xgboosttest.Open(t)
	m := matrix(t, l, sample(50))

	b, err := l.NewBooster([]xgboost.Param{{Name: "objective", Value: "no:such"}}, m)
	require.NoError(t, err)
	defer b.Close()
	err = b.Update(0, m)
	require.ErrorContains(t, err, "XGBoost: train round 0: ")
	require.ErrorContains(t, err, "no:such")
	require.NotContains(t, err.Error(), "Stack trace")

	_, err = l.LoadBooster([]byte("no model"))
	require.ErrorContains(t, err, "load a model")
	_, err = l.LoadBooster(nil)
	require.ErrorContains(t, err, "it is empty")
	_, err = l.NewMatrix(xgboost.Data{Rows: 1, Columns: 1, Values: []float32{1}, Types: []string{"no"}})
	require.ErrorContains(t, err, "set the feature types")
}

func TestMatrixChecksLengths(t *testing.T) {
	l := xgboosttest.Open(t)
	for want, data := range map[string]xgboost.Data{
		"want at least one of each":   {},
		"3 values for 2 rows":         {Rows: 2, Columns: 2, Values: make([]float32, 3)},
		"1 labels for 2 rows":         {Rows: 2, Columns: 1, Values: make([]float32, 2), Label: make([]float32, 1)},
		"3 weights for 2 rows":        {Rows: 2, Columns: 1, Values: make([]float32, 2), Weight: make([]float32, 3)},
		"2 weights for 2 rows of 1 q": {Rows: 2, Columns: 1, Values: make([]float32, 2), Weight: make([]float32, 2), Query: []float32{3, 3}},
		"2 feature types for 1 colum": {Rows: 2, Columns: 1, Values: make([]float32, 2), Types: []string{"q", "q"}},
	} {
		_, err := l.NewMatrix(data)
		require.ErrorContains(t, err, want)
	}
}

func TestOpenLooksWhereItSays(t *testing.T) {
	path := xgboosttest.Path(t)
	t.Setenv(xgboost.EnvLibrary, path)
	l, err := xgboost.Open()
	require.NoError(t, err)
	require.Equal(t, path, l.Path())
	require.Regexp(t, `^\d+\.\d+\.\d+$`, l.Version())

	broken := filepath.Join(t.TempDir(), "libxgboost.so")
	require.NoError(t, os.WriteFile(broken, []byte("no library"), 0o600))
	t.Setenv(xgboost.EnvLibrary, broken)
	_, err = xgboost.Open()
	require.ErrorContains(t, err, broken)

	t.Setenv(xgboost.EnvLibrary, "libm.so.6")
	_, err = xgboost.Open()
	require.ErrorContains(t, err, "it has no function")
}
