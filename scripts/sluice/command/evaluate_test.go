package command_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/scripts/sluice/command"
	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/model/modeltest"
	"github.com/sluice-ml/sluice/shared/parquet"
	"github.com/sluice-ml/sluice/shared/predictions"
)

// scoredRows makes predictions whose scores separate the classes; those of the
// champion a little less.
func scoredRows(n int) predictions.Set {
	r := rand.New(rand.NewPCG(3, 4))
	set := predictions.Set{Attributes: map[string][]string{}}
	for i := range n {
		label := float64(r.IntN(10) / 7)
		x := r.NormFloat64() + 1.6*label - 1
		set.RowID = append(set.RowID, fmt.Sprint("k#", i))
		set.Label = append(set.Label, label)
		set.Score = append(set.Score, 1/(1+math.Exp(-x)))
		set.Champion = append(set.Champion, 1/(1+math.Exp(-x-0.8*r.NormFloat64())))
		set.Attributes["sex"] = append(set.Attributes["sex"], []string{"F", "M"}[r.IntN(2)])
		set.Attributes["race"] = append(set.Attributes["race"], []string{"a", "a", "a", "b"}[r.IntN(4)])
	}
	return set
}

func asParquet(t *testing.T, set predictions.Set) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "predictions.parquet")
	var out bytes.Buffer
	require.NoError(t, predictions.Write(&out, set))
	require.NoError(t, os.WriteFile(path, out.Bytes(), 0o600))
	return path
}

// asCSV writes the set with labels yes and no, the rows from the last to the
// first when reversed.
func asCSV(t *testing.T, set predictions.Set, reversed bool) string {
	t.Helper()
	var out strings.Builder
	out.WriteString("row_id,y,p,old,sex,race,w\n")
	for k := range set.RowID {
		i := k
		if reversed {
			i = len(set.RowID) - 1 - k
		}
		fmt.Fprintf(&out, "%s,%s,%v,%v,%s,%s,%d\n", set.RowID[i], []string{"no", "yes"}[int(set.Label[i])], set.Score[i], set.Champion[i],
			set.Attributes["sex"][i], set.Attributes["race"][i], 1+i%3)
	}
	return write(t, "scored.csv", out.String())
}

type evaluatedJSON struct {
	Rows, Positives int
	Positive        string
	Metrics         []map[string]any
	Groups          []struct {
		By      []string
		Groups  []struct{ Group string }
		Skipped []struct {
			Group string
			N     int
		}
		Insufficient string
	}
	Comparison struct {
		Metrics []map[string]any
	}
	Curves struct{ ROC struct{ X, Y []float64 } }
}

func evaluate(t *testing.T, args ...string) evaluatedJSON {
	t.Helper()
	out, err := sluice(append([]string{"evaluate", "--json", "--draws", "200"}, args...)...)
	require.NoError(t, err)
	var got evaluatedJSON
	require.NoError(t, json.Unmarshal([]byte(out), &got), out)
	return got
}

func TestEvaluateMeasuresEveryFormatAlike(t *testing.T) {
	set := scoredRows(2000)
	got := evaluate(t, asParquet(t, set), "--curves", "--compare-score", "champion", "-g", "sex", "-g", "sex,race")
	require.Equal(t, 2000, got.Rows)
	require.Len(t, got.Metrics, 11)
	auc, err := evaluation.DeLong(set.Label, set.Score)
	require.NoError(t, err)
	low, high := auc.Logit(0.95)
	require.Equal(t, map[string]any{"name": "auc_roc", "value": auc.Value, "low": low, "high": high, "confidence": 0.95, "method": "DeLong, logit"}, got.Metrics[0])
	require.Len(t, got.Groups, 2)
	require.Len(t, got.Groups[1].Groups, 4)
	require.Equal(t, "sex=M & race=b", got.Groups[1].Groups[3].Group)
	require.Len(t, got.Comparison.Metrics, 8)
	require.Less(t, got.Comparison.Metrics[0]["adjusted_p"], 0.05, "the champion is worse")
	area := 0.0
	for i := 1; i < len(got.Curves.ROC.X); i++ {
		area += (got.Curves.ROC.X[i] - got.Curves.ROC.X[i-1]) * (got.Curves.ROC.Y[i] + got.Curves.ROC.Y[i-1]) / 2
	}
	require.InDelta(t, auc.Value, area, 1e-12)

	fromCSV := evaluate(t, asCSV(t, set, false), "-l", "y", "-s", "p", "--compare", asCSV(t, set, true), "--compare-score", "old")
	require.Equal(t, "yes", fromCSV.Positive)
	require.Equal(t, got.Metrics, fromCSV.Metrics)
	require.Equal(t, got.Comparison.Metrics, fromCSV.Comparison.Metrics, "rows are matched by id, not by place")
	weighted := evaluate(t, asCSV(t, set, false), "-l", "y", "-s", "p", "-w", "w")
	require.NotEqual(t, got.Metrics[0]["value"], weighted.Metrics[0]["value"])
	text, err := sluice("evaluate", asCSV(t, set, false), "-l", "y", "-s", "p", "--draws", "100", "-g", "sex", "--compare-score", "old")
	require.NoError(t, err)
	for _, want := range []string{"auc_roc", "calibration_error_by_mass", "AUC disparity", "demographic parity difference", "McNemar exact", "in pairs"} {
		require.Contains(t, text, want)
	}
}

func TestEvaluateSaysWhatCannotBeTold(t *testing.T) {
	set := scoredRows(300)
	for i := range set.Label {
		set.Label[i] = 0
	}
	set.Label[0] = 1
	got := evaluate(t, asParquet(t, set), "-g", "sex")
	require.Equal(t, "insufficient", got.Metrics[0]["verdict"])
	require.Contains(t, got.Metrics[0]["insufficient"], "a variance needs two of each")
	require.NotContains(t, got.Metrics[0], "value")
	require.Contains(t, got.Groups[0].Insufficient, "0 of 2 groups are large enough")
	require.Len(t, got.Groups[0].Skipped, 2)

	for class, absent := range []string{"positive", "negative"} {
		one := scoredRows(300)
		for i := range one.Label {
			one.Label[i] = float64(class)
		}
		got = evaluate(t, asParquet(t, one), "--compare-score", "champion")
		require.Len(t, got.Metrics, 11)
		for _, m := range append(got.Metrics, got.Comparison.Metrics...) {
			require.Equal(t, map[string]any{"name": m["name"], "verdict": "insufficient",
				"insufficient": "no row of 300 is " + absent + "; both classes are needed"}, m)
		}
	}
	constant := scoredRows(300)
	for i := range constant.Score {
		constant.Score[i] = 0.25
		constant.Attributes["id"] = append(constant.Attributes["id"], fmt.Sprint(i))
	}
	got = evaluate(t, asParquet(t, constant), "-g", "id")
	require.Contains(t, got.Metrics[0]["insufficient"], "all 300 scores are 0.25, which rank nothing")
	require.Len(t, got.Groups[0].Skipped, 300)
	require.Equal(t, 1, got.Groups[0].Skipped[0].N)
}

func TestEvaluateNamesWhatIsWrong(t *testing.T) {
	set := scoredRows(40)
	good := asCSV(t, set, false)
	other := scoredRows(41)
	fewer := scoredRows(39)
	relabelled := scoredRows(40)
	relabelled.Label[7] = 1 - relabelled.Label[7]
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{good, "-l", "y"}, 1, `there is no column "score" (--score); the columns are "row_id", "y", "p"`},
		{[]string{good, "-l", "z", "-s", "p"}, 1, `there is no column "z" (--label)`},
		{[]string{good, "-l", "y", "-s", "sex"}, 1, "which is not a finite number"},
		{[]string{good, "-l", "race", "-s", "p", "--positive", "c"}, 1, `no row of column "race" has the positive value "c"`},
		{[]string{good, "-l", "row_id", "-s", "p"}, 1, "say with --positive which value"},
		{[]string{good, "-l", "y", "-s", "p", "-g", "town"}, 1, `there is no column "town" (--group town)`},
		{[]string{good, "-l", "y", "-s", "p", "--compare", asCSV(t, other, true), "--compare-score", "p"}, 1, "so 1 rows of the second have no partner"},
		{[]string{good, "-l", "y", "-s", "p", "--compare", asCSV(t, fewer, false)}, 1, `1 of the 40 row ids of`},
		{[]string{good, "-l", "y", "-s", "p", "--compare", asCSV(t, relabelled, false)}, 1, `row id "k#7" has the label`},
		{[]string{good, "-l", "y", "-s", "p", "--compare", good, "--id", "key"}, 1, `there is no column "key" to match rows by`},
		{[]string{write(t, "a.csv", "label,score\n1,0.5\n0,NaN\n"), "-l", "label"}, 1, `column "score" (--score) is empty or NaN in row 2`},
		{[]string{write(t, "a.csv", "label,score\n1,0.5\n0,Inf\n")}, 1, `line 3: column "score": Inf is not a finite number`},
		{[]string{write(t, "a.csv", "label,score\n1,0.5\n,0.4\n")}, 1, `column "label" (--label) is empty or NaN in row 2 (drop the row, or label it)`},
		{[]string{write(t, "a.csv", "label,score,w\n1,0.5,1\n0,0.4,-2\n"), "-w", "w"}, 1, `column "w" is the weight -2 in row 2`},
		{[]string{write(t, "a.csv", "row_id,label,score\na,1,0.5\na,0,0.4\n")}, 1, `the row id "a" in row 1 and in row 2`},
		{[]string{write(t, "a.csv", "label,score\n1\n")}, 1, "a.csv"},
		{[]string{write(t, "a.txt", "x")}, 1, "no format by this extension"},
		{[]string{filepath.Join(t.TempDir(), "gone.csv")}, 1, "gone.csv"},
		{[]string{"s3://b/k.csv"}, 1, "aws s3 cp"},
		{[]string{good, "--threshold", "0"}, 2, "--threshold 0"},
		{[]string{good, "--draws", "3"}, 2, "--draws 3"},
		{[]string{good, "--confidence", "1"}, 2, "--confidence 1"},
		{[]string{good, "--unpaired"}, 2, "--unpaired needs --compare"},
		{[]string{}, 2, "want 1 argument"},
	} {
		_, err := sluice(append([]string{"evaluate"}, c.args...)...)
		require.ErrorContains(t, err, c.want)
		require.Equal(t, c.code, command.ExitCode(err), "%v: %v", c.args, err)
	}
}

const judgeBy = `experiment: {name: m}
data: {target: y, positive: "yes"}
evaluation:
  metrics: [auc_roc]
  thresholds: {auc_roc: LIMIT}
  fairness: {protected_attributes: [sex], max_disparity: 0.2}
  slices: [{by: [race]}]
  champion: {margin: 0.05}
  on_insufficient: {performance: ON}
`

func TestGateJudgesAFile(t *testing.T) {
	set := scoredRows(3000)
	csv, whole := asCSV(t, set, false), asParquet(t, set)
	for _, c := range []struct {
		limit, on, verdict string
		code               int
	}{
		{"0.8", "hold", "pass", 0}, {"0.97", "hold", "fail", 1}, {"0.87", "hold", "insufficient", 3}, {"0.87", "pass", "pass", 0}, {"0.87", "fail", "fail", 1},
	} {
		config := write(t, "train.yaml", strings.NewReplacer("LIMIT", c.limit, "ON", c.on).Replace(judgeBy))
		for _, args := range [][]string{{csv, "-s", "p", "--champion", "old"}, {whole}} {
			out, err := sluice(append([]string{"gate", "-c", config, "--json"}, args...)...)
			require.Equal(t, c.code, command.ExitCode(err), "%v", err)
			var got struct {
				Verdict string
				Gates   []struct {
					Gate         string
					Measurements []struct{ Group string }
				}
				NotJudged map[string]string `json:"not_judged"`
			}
			require.NoError(t, json.Unmarshal([]byte(out), &got))
			require.Equal(t, c.verdict, got.Verdict)
			require.Len(t, got.Gates, 3)
			require.Equal(t, "race=b", got.Gates[0].Measurements[2].Group)
			require.Len(t, got.NotJudged, 3)
		}
	}
	config := write(t, "train.yaml", strings.NewReplacer("LIMIT", "0.8", "ON", "hold").Replace(judgeBy))
	text, err := sluice("gate", whole, "-c", config)
	require.NoError(t, err)
	require.Contains(t, text, "robustness: not judged, there is no --perturbed")
	require.Contains(t, text, "auc_disparity of sex=F and sex=M in race=b")
	for want, args := range map[string][]string{
		"--config is missing":           {whole},
		`unknown key "experimant"`:      {whole, "-c", write(t, "train.yaml", "experimant: {name: m}\n")},
		"is not a probability":          {write(t, "a.csv", "y,score\nyes,0.5\nno,7\n"), "-c", config},
		`there is no column "y"`:        {write(t, "a.csv", "z,score\nyes,0.5\n"), "-c", config},
		"perturbed.parquet":             {whole, "-c", config, "--perturbed", write(t, "perturbed.parquet", "x")},
		"latency.json: invalid charact": {whole, "-c", config, "--latency", write(t, "latency.json", "x")},
	} {
		_, err := sluice(append([]string{"gate"}, args...)...)
		require.ErrorContains(t, err, want)
	}
}

func TestPredictScoresAFile(t *testing.T) {
	archive := write(t, "model.tar.gz", string(modeltest.Stump(t)))
	rows := write(t, "rows.csv", "row_id,sex,age,other\na,Male,20,x\nb,Male,44,x\nc,Female,44,x\nd,,31,x\ne,Martian,,x\n")
	out, err := sluice("predict", "-m", archive, "-d", rows)
	require.NoError(t, err)
	require.Equal(t, "row_id,score\na,0.26894143\nb,0.880797\nc,0.7310586\nd,0.7310586\ne,0.26894143\n", out)
	to := filepath.Join(t.TempDir(), "scored.parquet")
	_, err = sluice("predict", "-m", archive, "-d", rows, "-o", to)
	require.NoError(t, err)
	body, err := os.ReadFile(to)
	require.NoError(t, err)
	columns, err := parquet.Read(t.Context(), bytes.NewReader(body), int64(len(body)), parquet.Limits{MaxCells: 100, MaxBytes: 1 << 20})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "c", "d", "e"}, columns[0].Text)
	require.Equal(t, float64(float32(0.880797)), columns[1].Float[1])

	plain := write(t, "booster.json", string(modeltest.Trees(2)))
	out, err = sluice("predict", "-m", plain, "-d", write(t, "codes.csv", "a,b\n20,1\n44,1\n44,0\n,\n"), "--json")
	require.NoError(t, err)
	var got struct {
		Objective string
		Rows      int
		Scores    [][]float32
	}
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.Equal(t, [][]float32{{0.26894143}, {0.880797}, {0.7310586}, {0.26894143}}, got.Scores)
	for want, args := range map[string][]string{
		"--model and --data are both needed":              {"-m", archive},
		`there is no column "sex", which is a feature of`: {"-m", archive, "-d", write(t, "r.csv", "age\n1\n")},
		`row 2: feature "age": "old" is not a number`:     {"-m", archive, "-d", write(t, "r.csv", "age,sex\n1,Male\nold,Male\n")},
		"3 columns; the model names no features":          {"-m", plain, "-d", write(t, "r.csv", "a,b,c\n1,2,3\n")},
		"a plain XGBoost file does not know":              {"-m", plain, "-d", write(t, "r.csv", "a,b\n1,x\n")},
		"want model.tar.gz, or what XGBoost's save_model": {"-m", write(t, "m.json", "{}"), "-d", rows},
		"read model.tar.gz: unexpected EOF":               {"-m", write(t, "m.tar.gz", "\x1f\x8bnot"), "-d", rows},
		"want a name that ends in .csv or .parquet":       {"-m", archive, "-d", rows, "-o", "x.txt"},
	} {
		_, err := sluice(append([]string{"predict"}, args...)...)
		require.ErrorContains(t, err, want)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(to), "*"))
	require.NoError(t, err)
	require.Equal(t, []string{to}, left, "nothing else is written")
}
