package command_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/scripts/sluice/command"
	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/fault"
)

const weighBy = `experiment: {name: m}
data: {target: y, positive: "yes", weight: w}
evaluation: {metrics: [auc_roc], thresholds: {auc_roc: 0.8}}
`

// firstValue is the first measurement of the first gate.
func firstValue(t *testing.T, args ...string) float64 {
	t.Helper()
	out, err := sluice(append([]string{"gate", "--json"}, args...)...)
	var got struct {
		Gates []struct{ Measurements []struct{ Value float64 } }
	}
	require.NoError(t, json.Unmarshal([]byte(out), &got), "%s %v", out, err)
	return got.Gates[0].Measurements[0].Value
}

// TestGateCountsRowsByTheirWeight: the verdict is of the rows as data.weight says
// that they count, from a user's file and from the evaluator's own.
func TestGateCountsRowsByTheirWeight(t *testing.T) {
	set := scoredRows(3000)
	for i := range set.Label {
		set.Weight = append(set.Weight, float64(1+i%3)) // as asCSV's column w
	}
	want, err := evaluation.Measure(evaluation.MetricAUC, evaluation.Sample{Label: set.Label, Score: set.Score, Weight: set.Weight}, 0.95)
	require.NoError(t, err)
	even, err := evaluation.Measure(evaluation.MetricAUC, evaluation.Sample{Label: set.Label, Score: set.Score}, 0.95)
	require.NoError(t, err)
	require.NotEqual(t, want.Value, even.Value)
	config, csv := write(t, "train.yaml", weighBy), asCSV(t, set, false)
	without := write(t, "train.yaml", strings.Replace(weighBy, ", weight: w", "", 1))
	require.Equal(t, want.Value, firstValue(t, csv, "-s", "p", "-c", config))
	require.Equal(t, want.Value, firstValue(t, asParquet(t, set), "-c", config))
	require.Equal(t, want.Value, firstValue(t, csv, "-s", "p", "-c", without, "-w", "w"))
	require.Equal(t, even.Value, firstValue(t, csv, "-s", "p", "-c", without))
}

func TestGateRefusesWrongWeights(t *testing.T) {
	config := write(t, "train.yaml", weighBy)
	prices := write(t, "train.yaml", "experiment: {name: m}\ndata: {target: y, weight: w}\nmodel: {type: XGBRegressor}\nevaluation: {metrics: [rmse], thresholds: {rmse: 1}}\n")
	file := func(weights ...string) string {
		text := "y,score,w\n"
		for i, w := range weights {
			text += fmt.Sprintf("%s,0.%d,%s\n", []string{"yes", "no"}[i%2], i+1, w)
		}
		return write(t, "a.csv", text)
	}
	numbers := func(text string) string { return strings.NewReplacer("yes", "1", "no", "2").Replace(text) }
	for _, c := range []struct{ want, file string }{
		{`row 2`, file("1", "-1", "1")},
		{"every row has the weight 0", file("0", "0", "0")},
		{`"w" (--weight) is empty or NaN in row 3`, file("1", "2", "")},
		{`"w" (--weight) is "x" in row 1`, file("x", "2", "1")},
		{`there is no column "w", which is data.weight of`, write(t, "a.csv", "y,score\nyes,0.1\nno,0.2\n")},
	} {
		_, err := sluice("gate", c.file, "-c", config)
		require.ErrorContains(t, err, c.want)
		require.Equal(t, 1, command.ExitCode(err))
		require.True(t, fault.Is(err, fault.Invalid), "%v", err)
	}
	for want, weights := range map[string]string{"row 2 (row 2): the weight -1": "-1", "every row has the weight 0": "0", "is empty or NaN in row 2": ""} {
		text := "y,score,w\n1,1,0\n2,2," + weights + "\n"
		_, err := sluice("gate", write(t, "a.csv", numbers(text)), "-c", prices)
		require.ErrorContains(t, err, want)
	}
}
