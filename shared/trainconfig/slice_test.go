package trainconfig

import (
	"reflect"
	"strings"
	"testing"
)

func TestSlices(t *testing.T) {
	c := mustParse(t, least+`evaluation:
  thresholds: {auc_roc: 0.9}
  fairness: {protected_attributes: [sex]}
  slices:
    - by: [occupation]
    - {by: [age, sex], edges: {age: [30, 50.5]}, min_size: 200, thresholds: {auc_roc: 0.8}}
`)
	want := []Slice{{By: []string{"occupation"}, MinSize: 100},
		{By: []string{"age", "sex"}, Edges: map[string][]float64{"age": {30, 50.5}}, MinSize: 200, Thresholds: map[string]float64{"auc_roc": 0.8}}}
	if !reflect.DeepEqual(c.Evaluation.Slices, want) {
		t.Errorf("%+v", c.Evaluation.Slices)
	}
	if got := c.Evaluation.Attributes(); !reflect.DeepEqual(got, []string{"age", "occupation", "sex"}) {
		t.Errorf("%q", got)
	}
	if strings.Contains(string(mustParse(t, short).Canonical()), "slices") {
		t.Error("a configuration without slices has another hash than before")
	}
	for text, wants := range map[string]string{
		"{}":                                  "slices[0].by: 0 columns; name 1 to 4",
		"{by: [a, b, c, d, e]}":               "slices[0].by: 5 columns",
		"{by: [a, a]}":                        `"a" is named twice`,
		"{by: [y]}":                           `"y" is the target`,
		"{by: [a]}, {by: [a]}":                `the slice by "a" is given twice`,
		"{by: [a], min_size: 0}":              "slices[0].min_size: 0 is less than 1",
		"{by: [a], min_sise: 5}":              `unknown key "min_sise"`,
		"{by: [a], thresholds: {f1: 1}}":      `unknown metric "f1"`,
		"{by: [a], thresholds: {auc_roc: 2}}": "slices[0].thresholds.auc_roc: 2 is not between 0 and 1",
		"{by: [a], edges: {b: [1]}}":          "slices[0].edges.b: edges of a column that the slice is not by",
		"{by: [a], edges: {a: []}}":           "no edges",
		"{by: [a], edges: {a: [2, 1]}}":       "slices[0].edges.a[1]: 1 does not rise",
		"{by: [a], edges: {a: [x]}}":          "is not a number",
		"{by: a}":                             "is not a list",
	} {
		_, err := Parse("train.yaml", []byte(least+"evaluation: {slices: ["+text+"]}\n"))
		if err == nil || !strings.Contains(err.Error(), wants) || !strings.Contains(err.Error(), "train.yaml:3:") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
