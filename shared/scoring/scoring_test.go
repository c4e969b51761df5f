package scoring

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/model/modeltest"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/rows/rowstest"
	"github.com/sluice-ml/sluice/shared/split"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

var serverProgram string

// TestMain builds the real model server once.
func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "server-*")
	if err != nil {
		panic(err)
	}
	serverProgram = filepath.Join(folder, "server")
	build := exec.Command("go", "build", "-o", serverProgram, "../../functions/server")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		panic(string(output))
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

func config(t testing.TB) *trainconfig.Config {
	t.Helper()
	c, err := trainconfig.Parse("train.yaml", []byte(`
experiment: {name: adult-income, seed: 7}
data: {target: income, split: {train: 0.5, validation: 0.3, test: 0.2}}
model: {type: XGBClassifier}
evaluation:
  thresholds: {auc_roc: 0.6}
  fairness: {protected_attributes: [sex, age_group]}
  robustness: {noise: [0.001, 0.5], draws: 2}
`))
	require.NoError(t, err)
	return c
}

func holdout(t testing.TB, c *trainconfig.Config) *rows.Set {
	t.Helper()
	objects := rowstest.Adult(t, "holdout.csv.gz")
	set, err := rows.Read(t.Context(), objects.Open, objects.List(), c.Data, 7)
	require.NoError(t, err)
	return set
}

func evaluator(t testing.TB) *Evaluator {
	return &Evaluator{Program: Program{Path: serverProgram, Dir: t.TempDir()}, Now: time.Now, Out: t.Output()}
}

// expected is what the stump says of a row.
func expected(t *testing.T, set *rows.Set, row int) float64 {
	age, _ := set.Table.Column("age")
	sex, _ := set.Table.Column("sex")
	margin := 1.0
	switch {
	case age.Number[row] < 30:
		margin = -1
	case sex.Text[row] == "Male":
		margin = 2
	}
	return 1 / (1 + math.Exp(-margin))
}

func TestEvaluateAsksTheServer(t *testing.T) {
	c := config(t)
	set := holdout(t, c)
	which := set.On(split.Test)
	e := evaluator(t)
	result, err := e.Evaluate(t.Context(), c, set, 7, modeltest.Stump(t), modeltest.Stump(t))
	require.NoError(t, err)

	p := result.Predictions
	require.Len(t, p.RowID, len(which))
	sex, _ := set.Table.Column("sex")
	for i, row := range which {
		require.Equal(t, set.ID[row], p.RowID[i])
		require.Equal(t, set.Label[row], p.Label[i])
		require.InDelta(t, expected(t, set, row), p.Score[i], 1e-6)
		require.Equal(t, sex.Text[row], p.Attributes["sex"][i])
	}
	require.Equal(t, p.Score, p.Champion)
	require.Len(t, p.Attributes["age_group"], len(which))

	require.Len(t, result.Perturbed, 4)
	changed := func(scores []float64) (n int) {
		for i := range scores {
			if scores[i] != p.Score[i] {
				n++
			}
		}
		return n
	}
	require.Equal(t, []float64{0.001, 0.001, 0.5, 0.5}, []float64{result.Perturbed[0].Noise, result.Perturbed[1].Noise, result.Perturbed[2].Noise, result.Perturbed[3].Noise})
	require.Less(t, changed(result.Perturbed[0].Score), changed(result.Perturbed[2].Score))
	require.NotEqual(t, result.Perturbed[2].Score, result.Perturbed[3].Score, "each draw is its own")

	require.Equal(t, int64(samples), result.Latency.Requests)
	require.Zero(t, result.Latency.Errors)
	require.Positive(t, result.Latency.P50MS)
	require.LessOrEqual(t, result.Latency.P99MS, result.Latency.MaxMS)

	left, err := os.ReadDir(e.Program.Dir)
	require.NoError(t, err)
	require.Empty(t, left, "unpacked artefacts are removed")

	again, err := evaluator(t).Evaluate(t.Context(), c, set, 7, modeltest.Stump(t), nil)
	require.NoError(t, err)
	require.Equal(t, result.Perturbed, again.Perturbed, "the same seed disturbs alike")
	require.Nil(t, again.Predictions.Champion)
}

func TestAChampionThatNeedsMoreColumnsIsNotCompared(t *testing.T) {
	c := config(t)
	schema := modeltest.Schema(t)
	schema.Features[0].Name = "height"
	other, err := model.Pack(schema, modeltest.Trees(2))
	require.NoError(t, err)
	result, err := evaluator(t).Evaluate(t.Context(), c, holdout(t, c), 7, modeltest.Stump(t), other)
	require.NoError(t, err)
	require.Nil(t, result.Predictions.Champion)

	_, err = evaluator(t).Evaluate(t.Context(), c, holdout(t, c), 7, other, nil)
	require.ErrorContains(t, err, `the data has no column "height"`)
	require.True(t, fault.Is(err, fault.Invalid))
}

func TestEvaluateRefuses(t *testing.T) {
	c := config(t)
	set := holdout(t, c)

	_, err := evaluator(t).Evaluate(t.Context(), c, set, 7, []byte("no archive"), nil)
	require.True(t, fault.Is(err, fault.Invalid))

	missing := evaluator(t)
	missing.Program.Path = filepath.Join(t.TempDir(), "server")
	_, err = missing.Evaluate(t.Context(), c, set, 7, modeltest.Stump(t), nil)
	require.ErrorContains(t, err, "SLUICE_SERVER_PROGRAM")

	ends := evaluator(t)
	ends.Program.Path = "/bin/false"
	_, err = ends.Evaluate(t.Context(), c, set, 7, modeltest.Stump(t), nil)
	require.ErrorContains(t, err, "it ended at once")

	noTest := *c
	noTest.Data.Split = trainconfig.Split{Train: 1}
	_, err = evaluator(t).Evaluate(t.Context(), c, holdout(t, &noTest), 7, modeltest.Stump(t), nil)
	require.ErrorContains(t, err, "no row is a test row")

	noColumn := *c
	noColumn.Evaluation.Fairness.ProtectedAttributes = []string{"religion"}
	_, err = evaluator(t).Evaluate(t.Context(), &noColumn, set, 7, modeltest.Stump(t), nil)
	require.ErrorContains(t, err, `there is no column "religion"`)

	text := rowstest.Objects{"a.csv": []byte(strings.Repeat("age,sex,age_group,income\n", 1) + strings.Repeat("old,Male,x,yes\nyoung,Male,x,no\n", 1))}
	wrong := *c
	wrong.Data.Split, wrong.Data.Positive = trainconfig.Split{Test: 1}, "yes"
	textSet, err := rows.Read(t.Context(), text.Open, text.List(), wrong.Data, 7)
	require.NoError(t, err)
	_, err = evaluator(t).Evaluate(t.Context(), &wrong, textSet, 7, modeltest.Stump(t), nil)
	require.ErrorContains(t, err, `it answers 400`)
	require.ErrorContains(t, err, `\"old\" is not a number`)
}

// A model that an image of its own serves is served by that image's program, and
// by nothing else.
func TestOwnPrograms(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, model.Extract(modeltest.Stump(t), folder))
	path := filepath.Join(folder, model.FileSchema)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(text), "{", `{"program": "image",`, 1)), 0o644))
	own, err := model.PackFolder(folder)
	require.NoError(t, err)

	c := config(t)
	set := holdout(t, c)
	e := evaluator(t)
	_, err = e.Evaluate(t.Context(), c, set, 7, own, nil)
	require.ErrorContains(t, err, "that image's program is not here")
	result, err := e.Evaluate(t.Context(), c, set, 7, modeltest.Stump(t), own)
	require.NoError(t, err, "a champion of another kind is not compared")
	require.Nil(t, result.Predictions.Champion)

	e.Own = &Program{Path: serverProgram, Dir: t.TempDir()}
	e.Program.Path = "/nowhere/server"
	mine, err := e.Evaluate(t.Context(), c, set, 7, own, own)
	require.NoError(t, err)
	require.Equal(t, result.Predictions.Score, mine.Predictions.Score)
	require.Equal(t, mine.Predictions.Score, mine.Predictions.Champion)
}

func TestEvaluateIsInterrupted(t *testing.T) {
	c := config(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("told to stop"))
	_, err := evaluator(t).Evaluate(ctx, c, holdout(t, c), 7, modeltest.Stump(t), nil)
	require.ErrorContains(t, err, "told to stop")
	require.True(t, fault.KindOf(err).Retryable())
}

func TestSummarize(t *testing.T) {
	var took []float64
	for i := 1; i <= 100; i++ {
		took = append(took, float64(i)/10)
	}
	took[0] = 3000
	l := summarize(took, 2)
	require.Equal(t, int64(100), l.Requests)
	require.Equal(t, int64(2), l.Errors)
	require.Equal(t, l.Requests, sumCounts(l.Counts))
	require.Equal(t, int64(1), l.Counts[len(l.Counts)-1])
	require.Equal(t, int64(5), l.Counts[2], "0.6 to 1 ms, 1 among them")
	require.Equal(t, []float64{5.1, 9.1, 10, 3000}, []float64{l.P50MS, l.P90MS, l.P99MS, l.MaxMS})
	require.Zero(t, summarize(nil, 0).Requests)
}

func sumCounts(counts []int64) (sum int64) {
	for _, n := range counts {
		sum += n
	}
	return sum
}

func TestReadScores(t *testing.T) {
	scores, err := readScores(nil, []byte("{\"score\":0.25}\n{\"score\":1e-3}\n"), 2)
	require.NoError(t, err)
	require.Equal(t, []float64{0.25, 0.001}, scores)
	for answer, want := range map[string]string{
		`{"score":0.25}`:   "it has 1 scores",
		"{}\n{}":           "line 1 has no score",
		"{\"score\":1}\nx": "invalid character",
		"{\"score\":1}\n{\"score\":1}\n{\"score\":1}": "it has 2 scores or more for 2 rows",
	} {
		_, err := readScores(nil, []byte(answer), 2)
		require.ErrorContains(t, err, want)
	}
}

func TestCheckDigest(t *testing.T) {
	sum := sha256.Sum256([]byte("model"))
	require.NoError(t, CheckDigest([]byte("model"), "sha256:"+hex.EncodeToString(sum[:])))
	require.ErrorContains(t, CheckDigest([]byte("other"), "sha256:"+hex.EncodeToString(sum[:])), "was registered")
}
