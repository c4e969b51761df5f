package gbdt

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLibmIsGlibcs(t *testing.T) {
	values := float32s(golden(t)["libm.f32"])
	n := len(values) / 3
	for i, x := range values[:n] {
		requireSameOrNaN(t, "expf", x, values[n+i], expf(x))
		requireSameOrNaN(t, "logf", x, values[2*n+i], logf(x))
	}
}

func requireSameOrNaN(t *testing.T, what string, x, want, got float32) {
	t.Helper()
	if want != want && got != got {
		return
	}
	require.Equalf(t, math.Float32bits(want), math.Float32bits(got), "%s(%v) is %v, want %v", what, x, got, want)
}

// edited is a golden JSON model after a change to its generic value.
func edited(t *testing.T, name string, change func(learner, model map[string]any)) []byte {
	t.Helper()
	var file map[string]any
	require.NoError(t, json.Unmarshal(golden(t)[name], &file))
	learner := file["learner"].(map[string]any)
	change(learner, learner["gradient_booster"].(map[string]any))
	data, err := json.Marshal(file)
	require.NoError(t, err)
	return data
}

// firstTree edits the first tree of the partition model.
func firstTree(t *testing.T, change func(tree map[string]any)) []byte {
	return edited(t, "partition.json", func(_, booster map[string]any) {
		change(booster["model"].(map[string]any)["trees"].([]any)[0].(map[string]any))
	})
}

func TestLoadNamesWhatIsWrong(t *testing.T) {
	set := func(name string, value any) func(map[string]any) {
		return func(tree map[string]any) { tree[name] = value }
	}
	at := func(name string, index int, value any) func(map[string]any) {
		return func(tree map[string]any) { tree[name].([]any)[index] = value }
	}
	param := func(name, value string) []byte {
		return edited(t, "partition.json", func(learner, _ map[string]any) {
			learner["learner_model_param"].(map[string]any)[name] = value
		})
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":              {nil, "the file is empty"},
		"old binary":         {[]byte("binf\x00\x00"), "the old binary format is not supported"},
		"cut JSON":           {golden(t)["partition.json"][:500], "JSON: unexpected end"},
		"cut UBJSON":         {golden(t)["multi-softprob.ubj"][:500], "UBJSON: byte"},
		"more after the end": {append(bytes.Clone(golden(t)["exact.ubj"]), 'Z'), "1 more bytes after the end"},
		"huge length":        {[]byte("{L\x7f\xff\xff\xff\xff\xff\xff\xff"), "a length of 9223372036854775807"},
		"deep":               {[]byte("{i\x01a" + strings.Repeat("[", 100)), "nested deeper than 64"},
		"child of its own":   {firstTree(t, at("left_children", 0, 0)), "node 0 has child 0"},
		"two parents":        {firstTree(t, at("right_children", 0, 1)), "no other parent"},
		"child beyond":       {firstTree(t, at("left_children", 0, 9999)), "node 0 has child 9999"},
		"unequal arrays":     {firstTree(t, set("split_indices", []int{0})), "split_indices has 1 entries"},
		"no nodes":           {firstTree(t, set("left_children", []int{})), "it has no nodes"},
		"feature beyond":     {firstTree(t, at("split_indices", 0, 77)), "splits feature 77: want 0 to 7"},
		"categories beyond":  {firstTree(t, set("categories", []int{})), "of 0"},
		"negative category":  {firstTree(t, at("categories", 0, -1)), "outside 0 to"},
		"vector leaves":      {firstTree(t, set("tree_param", map[string]any{"size_leaf_vector": "3"})), "its leaves have 3 values: want one for each of 1 outputs"},
		"a flag of 2":        {firstTree(t, at("default_left", 0, 2)), "want 0, 1, true or false"},
		"no base score":      {param("base_score", ""), `base_score is ""`},
		"base score of 1":    {param("base_score", "[1E0]"), "want a probability strictly between 0 and 1"},
		"base scores":        {param("base_score", "[1E-1,2E-1]"), "base_score has 2 values"},
		"no features":        {param("num_feature", "0"), "num_feature is 0"},
		"classes":            {param("num_class", "99999999"), "at most 65536 outputs"},
		"absurd base score":  {param("base_score", "["+strings.Repeat("1E-1,", 70000)+"1]"), "base_score has"},
		"word for a number":  {param("num_class", "many"), `num_class is "many"`},
		"other booster": {edited(t, "partition.json", func(_, booster map[string]any) {
			booster["name"] = "gbforest"
		}), `booster "gbforest" is not supported`},
		"other objective": {edited(t, "partition.json", func(learner, _ map[string]any) {
			learner["objective"].(map[string]any)["name"] = "my:objective"
		}), `objective "my:objective" is not supported`},
		"shared categories": {firstTree(t, func(tree map[string]any) {
			for i := range tree["categories_segments"].([]any) {
				tree["categories_segments"].([]any)[i] = 0
				tree["categories_sizes"].([]any)[i] = len(tree["categories"].([]any))
			}
		}), "shares categories with other nodes"},
		"rounds beyond": {edited(t, "partition.json", func(_, booster map[string]any) {
			booster["model"].(map[string]any)["iteration_indptr"] = []int{0, 99}
		}), "iteration_indptr 1 is 99"},
		"rounds of other trees": {edited(t, "partition.json", func(_, booster map[string]any) {
			booster["model"].(map[string]any)["iteration_indptr"] = []int{0, 1}
		}), "iteration_indptr ends at 1 of 8 trees"},
		"best round": {edited(t, "partition.json", func(learner, _ map[string]any) {
			learner["attributes"] = map[string]any{"best_iteration": "last"}
		}), `best_iteration is "last"`},
		"best round beyond": {edited(t, "partition.json", func(learner, _ map[string]any) {
			learner["attributes"] = map[string]any{"best_iteration": "8"}
		}), "best_iteration is 8: want a round below 8"},
		"tree info": {edited(t, "partition.json", func(_, booster map[string]any) {
			booster["model"].(map[string]any)["tree_info"] = []int{1, 2}
		}), "entries in tree_info"},
		"group": {edited(t, "partition.json", func(_, booster map[string]any) {
			booster["model"].(map[string]any)["tree_info"].([]any)[2] = 5
		}), "tree 2 is of group 5"},
		"linear weights": {edited(t, "linear-logistic.json", func(_, booster map[string]any) {
			booster["model"].(map[string]any)["weights"] = []float32{1}
		}), "booster gblinear has 1 weights: want 9"},
		"dart weights": {edited(t, "dart-softprob.json", func(_, booster map[string]any) {
			booster["weight_drop"] = []float32{1}
		}), "and 1 weights"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Load(c.data)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "read XGBoost model: ")
			require.Nil(t, m)
		})
	}
}

func TestLoadTakesOlderFiles(t *testing.T) {
	older := firstTree(t, func(tree map[string]any) {
		for i, flag := range tree["default_left"].([]any) {
			tree["default_left"].([]any)[i] = flag == 1.0
		}
	})
	older = bytes.Replace(older, []byte(`"base_score":"[`), []byte(`"base_score":"`), 1)
	older = bytes.Replace(older, []byte(`]","boost`), []byte(`","boost`), 1)
	m, err := Load(older)
	require.NoError(t, err)
	rows := float32s(golden(t)["rows.f32"])
	margins := make([]float32, len(rows)/m.Features())
	m.Margins(rows, margins)
	requireSameBits(t, "margin", float32s(golden(t)["partition.margin"]), margins)
}

func TestPredictDoesNotAllocate(t *testing.T) {
	rows := float32s(golden(t)["rows.f32"])
	for _, name := range []string{"depth-9.ubj", "multi-softprob.ubj", "multi-softmax.ubj", "wide-categories.ubj"} {
		m, err := Load(golden(t)[name])
		require.NoError(t, err)
		out := make([]float32, len(rows)/m.Features()*m.Outputs())
		require.Zero(t, testing.AllocsPerRun(10, func() {
			m.Predict(rows[:m.Features()], out[:m.Outputs()])
			m.PredictBatch(rows, out)
		}), name)
	}
}

func TestWrongLengthsPanic(t *testing.T) {
	m, err := Load(golden(t)["depth-3.ubj"])
	require.NoError(t, err)
	require.PanicsWithValue(t, "gbdt: 2 values in and 1 out for 1 rows of 8 features and 1 outputs", func() {
		m.Predict(make([]float32, 2), make([]float32, 1))
	})
}

// FuzzLoad: any bytes give a model that predicts or an error.
func FuzzLoad(f *testing.F) {
	for name, data := range golden(f) {
		if strings.HasSuffix(name, ".ubj") || strings.HasSuffix(name, ".json") {
			f.Add(data)
			f.Add(data[:len(data)/2])
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Load(data)
		if err != nil || m.Features() > 1000 || m.Groups() > 1000 {
			return
		}
		row := make([]float32, m.Features())
		for i := range row {
			row[i] = float32(i) - 0.5
		}
		m.Predict(row, make([]float32, m.Outputs()))
	})
}
