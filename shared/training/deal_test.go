package training

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/parquet"
	"github.com/sluice-ml/sluice/shared/rows/rowstest"
)

// sales is made-up data: what a customer buys depends on the customer, the
// price and the day.
func sales(n int) rowstest.Objects {
	random := rand.New(rand.NewPCG(11, 12))
	var out bytes.Buffer
	out.WriteString("customer,day,price,channel,counts,bought\n")
	for i := range n {
		customer, price := random.IntN(n/12), random.Float64()*100
		channel := []string{"web", "shop", "phone"}[random.IntN(3)]
		bought := "no"
		if price+float64(customer%7)*8+random.NormFloat64()*20 < 60 {
			bought = "yes"
		}
		fmt.Fprintf(&out, "c%d,2026-%02d-%02d,%.3f,%s,%d,%s\n", customer, 1+i*12/n, 1+random.IntN(28), price, channel, random.IntN(4), bought)
	}
	return rowstest.Objects{"sales.csv": out.Bytes()}
}

const salesConfig = `
experiment: {name: sales, seed: 7}
data: {target: bought%s}
model: {type: XGBClassifier, params: {n_estimators: 15, max_depth: 3, n_jobs: 2}}
training: {folds: %d, early_stopping_rounds: 4, eval_metric: auc%s}
evaluation: {thresholds: {auc_roc: 0.7}}
`

// partings are every way to part rows, by name.
func partings() map[string]string {
	config := func(data string, folds int, training string) string {
		return fmt.Sprintf(salesConfig, data, folds, training)
	}
	return map[string]string{
		"group":             config(", split: {by: group, column: customer}", 3, ""),
		"time":              config(", features: [price, channel], split: {by: time, column: day, gap: 20}", 3, ""),
		"cuts":              config(", split: {by: time, column: day, gap: 48h, validation_from: 2026-09-01, test_from: 2026-11-01}", 4, ""),
		"hold-out":          config(", features: [price, channel], split: {train: 0.6, validation: 0.2, test: 0.2}", 1, ""),
		"hold-out in time":  config(", split: {by: time, column: day, train: 0.6, validation: 0.2, test: 0.2}", 0, ""),
		"hold-out by group": config(", split: {by: group, column: customer, train: 0.6, validation: 0.2, test: 0.2}", 1, ""),
		"weights":           config(", weight: counts", 3, ", class_weight: balanced"),
	}
}

func metricsOf(t *testing.T, store *memory) (m Metrics) {
	t.Helper()
	require.NoError(t, json.Unmarshal(store.files[contract.FileMetrics], &m))
	return m
}

// TestARetryResumesHoweverRowsAreParted interrupts after every write in turn;
// the next attempt, on a smaller machine, must end with the bytes of an
// undisturbed one.
func TestARetryResumesHoweverRowsAreParted(t *testing.T) {
	for name, text := range partings() {
		t.Run(name, func(t *testing.T) {
			config := parse(t, text)
			set := load(t, config, sales(600))
			whole := newMemory()
			require.NoError(t, trainer(t, whole).Train(t.Context(), plan(config), config, set))
			for cut := 1; cut < len(whole.files); cut++ {
				store, err := cutAfter(t, cut, config, set)
				require.True(t, fault.KindOf(err).Retryable(), "cut %d: %v", cut, err)
				retry := trainer(t, store)
				retry.CPUs = 1
				require.NoError(t, retry.Train(t.Context(), plan(config), config, set))
				require.Equal(t, whole.files, store.files, "cut after write %d", cut)
			}
		})
	}
}

func TestMetricsSayHowRowsWereParted(t *testing.T) {
	for name, check := range map[string]func(Metrics){
		"group": func(m Metrics) {
			require.Equal(t, "group", m.Split.By)
			groups := 0
			for _, side := range m.Split.Sides {
				groups += side.Groups
			}
			require.Equal(t, 125, groups, "each is on one side")
			require.Len(t, m.Folds, 3)
		},
		"time": func(m Metrics) {
			require.Equal(t, "20 rows", m.Split.Gap)
			require.Equal(t, "gap", m.Split.Sides[2].Side)
			require.Less(t, m.Split.Sides[0].To, m.Split.Sides[1].From)
			require.Less(t, m.Folds[0].Learnt, m.Folds[2].Learnt)
			require.Less(t, m.Folds[0].To, m.Folds[1].From)
			require.Less(t, m.OutOfFold.Rows, m.Train, "nothing comes before the first block")
		},
		"cuts": func(m Metrics) {
			require.Equal(t, "2026-09-01T00:00:00Z", m.Split.Sides[1].From)
			require.Less(t, m.Split.Sides[0].To, "2026-08-30")
			require.NotNil(t, m.Validation)
		},
		"hold-out": func(m Metrics) {
			require.Len(t, m.Folds, 1)
			require.Equal(t, m.Split.Sides[0].Rows, m.Folds[0].Learnt)
			require.Equal(t, m.Split.Sides[1].Rows, m.Folds[0].Rows)
			require.Equal(t, m.Folds[0].AUC, m.Validation.AUC, "the final model is the fold's")
			require.Equal(t, m.Folds[0].Rounds, m.Rounds)
		},
		"weights": func(m Metrics) {
			require.InDelta(t, m.Folds[0].Best, m.Folds[0].AUC, 1e-4, "our weighted area is XGBoost's")
			require.Positive(t, m.Split.Sides[0].Weight)
			require.Greater(t, m.ClassWeight["yes"]*m.ClassWeight["no"], 0.0)
			require.NotEmpty(t, m.Importance)
			require.Equal(t, "price", m.Importance[0].Feature)
		},
	} {
		config := parse(t, partings()[name])
		store := newMemory()
		require.NoError(t, trainer(t, store).Train(t.Context(), plan(config), config, load(t, config, sales(1500))), name)
		check(metricsOf(t, store))
	}
}

// TestAWeightOf2IsTheRowTwice trains on rows with whole weights, and on the rows
// repeated as often, without sampling.
func TestAWeightOf2IsTheRowTwice(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(string(sales(900)["sales.csv"])), "\n")
	repeated := []string{"customer,day,price,channel,bought"}
	for _, line := range lines[1:] {
		cells := strings.Split(line, ",")
		times, err := strconv.Atoi(cells[4])
		require.NoError(t, err)
		for range times {
			repeated = append(repeated, strings.Join(append(cells[:4:4], cells[5]), ","))
		}
	}
	text := strings.Replace(fmt.Sprintf(salesConfig, ", features: [price], split: {by: group, column: customer, train: 0.8, validation: 0.1, test: 0.1}", 1, ""), "auc}", "logloss}", 1)
	// A bin for every price: their borders follow the rows, not the weights.
	text = strings.Replace(text, "max_depth: 3", "max_depth: 3, max_bin: 4096, base_score: 0.5", 1)
	config := parse(t, text)
	two := newMemory()
	require.NoError(t, trainer(t, two).Train(t.Context(), plan(config), config,
		load(t, config, rowstest.Objects{"sales.csv": []byte(strings.Join(repeated, "\n") + "\n")})))
	weighted := parse(t, strings.Replace(text, "target: bought", "target: bought, weight: counts", 1))
	one := newMemory()
	require.NoError(t, trainer(t, one).Train(t.Context(), plan(weighted), weighted, load(t, weighted, sales(900))))
	a, b := metricsOf(t, one), metricsOf(t, two)
	require.Equal(t, b.Rounds, a.Rounds)
	require.InDelta(t, b.Validation.LogLoss, a.Validation.LogLoss, 1e-5)
	require.InDelta(t, b.Validation.AUC, a.Validation.AUC, 1e-5)
	require.InDelta(t, float64(b.Split.Sides[0].Rows), a.Split.Sides[0].Weight, 1e-9)
}

// TestBalancedIsScikitLearns: scripts/golden/splits.py.
func TestBalancedIsScikitLearns(t *testing.T) {
	var golden struct {
		ClassWeight []struct {
			Counts   [2]int
			Balanced [2]float64
		} `json:"class_weight"`
	}
	data, err := os.ReadFile("../split/testdata/sklearn.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &golden))
	require.NotEmpty(t, golden.ClassWeight)
	config := parse(t, fmt.Sprintf(salesConfig, "", 2, ", class_weight: balanced"))
	for _, c := range golden.ClassWeight {
		text := "x,bought\n" + strings.Repeat("1,0\n", c.Counts[0]) + strings.Repeat("2,1\n", c.Counts[1])
		set := load(t, config, rowstest.Objects{"a.csv": []byte(text)})
		clear(set.Side) // all train
		r := &run{config: config, set: set}
		m := &matrix{rows: []int{0, len(set.ID) - 1}}
		require.NoError(t, r.weigh(m))
		require.Equal(t, map[string]float64{"0": c.Balanced[0], "1": c.Balanced[1]}, r.classWeight)
		require.Equal(t, []float32{float32(c.Balanced[0]), float32(c.Balanced[1])}, m.weight)
	}
}

func TestTrainRefusesPartingsThatCannotWork(t *testing.T) {
	sorted := "g,x,y\n" + strings.Repeat("a,1,yes\n", 20) + strings.Repeat("b,2,no\n", 20) + strings.Repeat("c,3,no\n", 20)
	for name, c := range map[string]struct{ config, csv, want string }{
		"one class in a fold":   {fmt.Sprintf(salesConfig, ", split: {by: group, column: g}", 2, ""), sorted, "rows of one class only"},
		"too few groups":        {fmt.Sprintf(salesConfig, ", split: {by: group, column: g}", 9, ""), sorted, "groups for 9 folds"},
		"an unknown class":      {fmt.Sprintf(salesConfig, "", 2, ", class_weight: {maybe: 2}"), string(sales(200)["sales.csv"]), `has the value "maybe"; there are ["no" "yes"]`},
		"every row counts 0":    {fmt.Sprintf(salesConfig, ", weight: g", 2, ", class_weight: {yes: 0, no: 1}"), "g,x,y\n" + strings.Repeat("0,1,no\n1,2,yes\n", 30), "every training row has a class or a weight that counts 0"},
		"no fold in one moment": {fmt.Sprintf(salesConfig, ", split: {by: time, column: g, test_from: 5}", 3, ""), "g,x,y\n" + strings.Repeat("1,1,no\n1,2,yes\n9,1,yes\n", 30), "too few different times"},
	} {
		t.Run(name, func(t *testing.T) {
			config := parse(t, c.config)
			if !strings.Contains(c.csv, "bought") {
				config.Data.Target = "y"
			}
			config.Data.Positive = "yes"
			set := load(t, config, rowstest.Objects{"a.csv": []byte(c.csv)})
			if name == "one class in a fold" || name == "every row counts 0" {
				clear(set.Side)
			}
			err := trainer(t, newMemory()).Train(t.Context(), plan(config), config, set)
			require.ErrorContains(t, err, c.want)
			require.True(t, fault.Is(err, fault.Invalid), "%v", err)
		})
	}
}

// TestEveryFormatGivesTheSameModel trains on the same rows as CSV, JSON Lines,
// Parquet, and a third of each.
func TestEveryFormatGivesTheSameModel(t *testing.T) {
	records := strings.Split(strings.TrimSpace(string(sales(1200)["sales.csv"])), "\n")
	header, records := strings.Split(records[0], ","), records[1:]
	records[3], records[800] = strings.Replace(records[3], ",web,", ",,", 1), strings.Replace(records[800], records[800][:3], "", 1)
	config := parse(t, fmt.Sprintf(salesConfig, ", weight: counts", 3, ""))
	third := len(records) / 3
	var models [][]byte
	var hashes []string
	for _, objects := range []rowstest.Objects{
		{"a.csv": asCSV(header, records)},
		{"a.jsonl": asJSONL(t, header, records)},
		{"a.parquet": asParquet(t, header, records)},
		{"a.csv": asCSV(header, records[:third]), "b.jsonl": asJSONL(t, header, records[third:2*third]), "c.parquet": asParquet(t, header, records[2*third:])},
	} {
		set := load(t, config, objects)
		store := newMemory()
		require.NoError(t, trainer(t, store).Train(t.Context(), plan(config), config, set))
		models, hashes = append(models, store.files[contract.FileModel]), append(hashes, set.Hash)
	}
	for i := range models {
		require.Equal(t, hashes[0], hashes[i], i)
		require.True(t, bytes.Equal(models[0], models[i]), i)
	}
}

func asCSV(header, records []string) []byte {
	return []byte("\ufeff" + strings.Join(header, ",") + "\r\n" + strings.Join(records, "\r\n") + "\r\n")
}

// asJSONL writes numbers as numbers, leaves a missing value out or null in turn,
// and puts the keys in another order on every other line.
func asJSONL(t *testing.T, header, records []string) []byte {
	var out bytes.Buffer
	for i, record := range records {
		var members []string
		for k, cell := range strings.Split(record, ",") {
			key := strconv.Quote(header[k])
			switch _, err := strconv.ParseFloat(cell, 64); {
			case cell == "" && i%2 == 0:
				members = append(members, key+": null")
			case cell == "":
			case err == nil:
				members = append(members, key+": "+cell)
			default:
				text, err := json.Marshal(cell)
				require.NoError(t, err)
				members = append(members, key+": "+string(text))
			}
		}
		if i%2 == 1 {
			members = append(members[2:len(members):len(members)], members[:2]...)
		}
		out.WriteString("{" + strings.Join(members, ", ") + "}\r\n")
	}
	return out.Bytes()
}

func asParquet(t *testing.T, header, records []string) []byte {
	columns := make([]parquet.Column, len(header))
	for k, name := range header {
		columns[k].Name, columns[k].Null = name, make([]bool, len(records))
		for i, record := range records {
			cell := strings.Split(record, ",")[k]
			columns[k].Null[i] = cell == ""
			if name == "price" || name == "counts" {
				v, err := strconv.ParseFloat(cell, 64)
				require.NoError(t, err)
				columns[k].Float = append(columns[k].Float, v)
			} else {
				columns[k].Text = append(columns[k].Text, cell)
			}
		}
	}
	var out bytes.Buffer
	require.NoError(t, parquet.Write(&out, columns))
	return out.Bytes()
}
