package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/model/modeltest"
)

// written puts text into a file of the test's own.
func writtenFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func commandOf(args ...string) (string, error) {
	root := Root()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(args)
	err := root.Execute()
	return out.String(), err
}

// prices are rows with two predictions, the second of which is worse.
func prices() string {
	r := rand.New(rand.NewPCG(1, 2))
	text := "id,price,predicted,before,site\n"
	for i := range 400 {
		price := 100 + 20*r.NormFloat64()
		text += fmt.Sprintf("r%d,%.3f,%.3f,%.3f,%s\n", i, price, price+3*r.NormFloat64(), price+6*r.NormFloat64(), []string{"a", "b"}[i%2])
	}
	return text
}

func TestEvaluateMeasuresEveryGoal(t *testing.T) {
	path := writtenFile(t, "prices.csv", prices())
	out, err := commandOf("evaluate", path, "--goal", "regression", "--label", "price", "--score", "predicted", "--id", "id",
		"--group", "site", "--compare-score", "before", "--json")
	require.NoError(t, err, out)
	var r struct {
		Goal    string
		Metrics []struct {
			Name             string
			Value, Low, High float64
		}
		Groups []struct {
			Groups []struct {
				Group   string
				Metrics []struct{ Name string }
			}
		}
		Comparison struct {
			Metrics []struct {
				Name       string
				Difference float64
				AdjustedP  float64 `json:"adjusted_p"`
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(out), &r), out)
	require.Equal(t, "regression", r.Goal)
	require.Len(t, r.Metrics, 8)
	require.InDelta(t, 3, r.Metrics[0].Value, 0.4)
	require.Less(t, r.Metrics[0].Low, r.Metrics[0].Value)
	require.Len(t, r.Groups[0].Groups, 2)
	require.Equal(t, "mean_residual", r.Groups[0].Groups[0].Metrics[0].Name)
	require.InDelta(t, -3, r.Comparison.Metrics[0].Difference, 0.7)
	require.Less(t, r.Comparison.Metrics[0].AdjustedP, 1e-6)

	classes := writtenFile(t, "classes.csv", "label,probability.a,probability.b,probability.c\n"+strings.Repeat("a,0.7,0.2,0.1\nb,0.2,0.6,0.2\nc,0.5,0.2,0.3\nc,0.1,0.2,0.7\n", 10))
	out, err = commandOf("evaluate", classes)
	require.NoError(t, err, out)
	require.Contains(t, out, "40 rows, multiclass")
	require.Regexp(t, `accuracy\s+0.750000`, out)
	queries := writtenFile(t, "queries.csv", "label,score,qid\n"+strings.Repeat("1,0.5,x\n0,0.7,x\n", 1)+"2,0.9,y\n0,0.1,y\n0,0.1,z\n")
	out, err = commandOf("evaluate", queries, "--goal", "ranking", "--query", "qid")
	require.NoError(t, err, out)
	require.Contains(t, out, "2 queries (and 1 that tell nothing about an order)")
}

func TestGoalsRefuseWhatIsNotTheirs(t *testing.T) {
	path := writtenFile(t, "prices.csv", prices())
	config := writtenFile(t, "train.yaml", "experiment: {name: m}\ndata: {target: price}\nmodel: {type: XGBRegressor}\nevaluation: {thresholds: {rmse: 4}, slices: [{by: [site]}]}\n")
	out, err := commandOf("gate", path, "--config", config, "--score", "predicted", "--id", "id", "--champion", "before")
	require.NoError(t, err, out)
	require.Contains(t, out, "rmse of site=a")
	require.Contains(t, out, "champion: pass")
	for want, args := range map[string][]string{
		"--goal \"regresion\": want one of":            {"evaluate", path, "--goal", "regresion"},
		"--curves is not for regression":               {"evaluate", path, "--goal", "regression", "--curves"},
		"--group is not for ranking":                   {"evaluate", path, "--goal", "ranking", "--group", "site"},
		`there is no column "label" (--label)`:         {"evaluate", path, "--goal", "regression"},
		`column "site" (--score) is "a" in row 1`:      {"evaluate", path, "--goal", "regression", "--label", "price", "--score", "site"},
		"there is no column probability.CLASS":         {"evaluate", path, "--goal", "multiclass", "--label", "site"},
		`there is no column "query" (--query)`:         {"evaluate", path, "--goal", "ranking", "--label", "price", "--score", "predicted"},
		`there is no column "nobody" (--group nobody)`: {"evaluate", path, "--goal", "regression", "--label", "price", "--score", "predicted", "--group", "nobody"},
		"regression": {"gate", path, "--config", config, "--score", "nobody"},
	} {
		out, err := commandOf(args...)
		require.ErrorContains(t, err, want, out)
	}
}

// TestPredictNamesTheClasses: a model.tar.gz of several classes gives label and
// probabilities, in the columns that sluice evaluate reads.
func TestPredictNamesTheClasses(t *testing.T) {
	archive := writtenFile(t, "model.tar.gz", string(modeltest.Classes(t)))
	rows := writtenFile(t, "rows.csv", "row_id,age,sex\nx,40,Male\ny,20,Female\n")
	out, err := commandOf("predict", "--model", archive, "--data", rows)
	require.NoError(t, err, out)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Equal(t, `row_id,label,probability.low,"probability.mid, dle",probability.high`, lines[0])
	require.Regexp(t, `^x,high,0\.1`, lines[1])
	require.Regexp(t, `^y,low,0\.4`, lines[2])
	scored := filepath.Join(t.TempDir(), "scored.parquet")
	out, err = commandOf("predict", "--model", archive, "--data", rows, "--output", scored)
	require.NoError(t, err, out)
	out, err = commandOf("evaluate", scored, "--json")
	require.NoError(t, err, out)
	require.Contains(t, out, `"goal": "multiclass"`)
	out, err = commandOf("predict", "--model", writtenFile(t, "model.tar.gz", string(modeltest.Regression(t))), "--data", rows)
	require.NoError(t, err, out)
	require.Equal(t, "row_id,score\nx,42\ny,39\n", out)
}
