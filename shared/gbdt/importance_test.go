package gbdt

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"math"
	"os"
	"strconv"
	"testing"
)

// TestImportanceIsXGBoosts compares with XGBoost's own get_score on every model;
// scripts/golden/gbdt_importance.py made the numbers. XGBoost sums in float32.
func TestImportanceIsXGBoosts(t *testing.T) {
	text, err := os.ReadFile("testdata/importance.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]map[string][2]float64
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if len(want) < 20 {
		t.Fatalf("only %d models", len(want))
	}
	for name, features := range want {
		got, err := Importances(importanceModel(t, name))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, f := range got {
			w, split := features[strconv.Itoa(f.Feature)]
			if !split && f.Splits > 0 || f.Splits != int64(w[1]) {
				t.Errorf("%s: feature %d has %d splits, XGBoost says %g", name, f.Feature, f.Splits, w[1])
			}
			if math.Abs(f.Gain-w[0]) > 1e-5*math.Max(1e-3, math.Abs(w[0])) {
				t.Errorf("%s: feature %d has the gain %g, XGBoost says %g", name, f.Feature, f.Gain, w[0])
			}
		}
	}
}

func importanceModel(t *testing.T, name string) []byte {
	t.Helper()
	var from io.Reader
	if name == "adult.ubj" {
		zipped, err := os.ReadFile("testdata/adult.ubj.gz")
		if err != nil {
			t.Fatal(err)
		}
		if from, err = gzip.NewReader(bytes.NewReader(zipped)); err != nil {
			t.Fatal(err)
		}
	} else {
		archive, err := zip.OpenReader("testdata/models.zip")
		if err != nil {
			t.Fatal(err)
		}
		defer archive.Close()
		file, err := archive.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		from = file
	}
	data, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func FuzzImportances(f *testing.F) {
	f.Add([]byte(`{"learner":{"learner_model_param":{"base_score":"5E-1","num_feature":"1"},"objective":{"name":"binary:logistic"},"gradient_booster":{"name":"gbtree","model":{"trees":[{"left_children":[-1],"right_children":[-1],"split_indices":[0],"split_conditions":[1],"default_left":[0],"loss_changes":[0]}],"tree_info":[0]}}},"version":[3,2,0]}`))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := Importances(data)
		if err == nil && all != nil && len(all) == 0 {
			t.Error("no features and no error")
		}
	})
}
