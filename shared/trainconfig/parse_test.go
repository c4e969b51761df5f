package trainconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/fault"
)

const short = `experiment: {name: adult_income, seed: 7, framework: xgboost}
data:
  path: s3://lake/raw/adult_income/
  features: [age, education_num, hours_per_week, occupation]
  target: income
model: {type: XGBClassifier, params: {n_estimators: 300, max_depth: 6, learning_rate: 0.1}}
training: {early_stopping_rounds: 30, eval_metric: auc}
evaluation:
  thresholds: {auc_roc: 0.90}
  fairness: {protected_attributes: [sex, race], max_disparity: 0.1}
deployment: {strategy: canary, environments: [staging, production]}
`

const least = "experiment: {name: m}\ndata: {target: y}\n"

func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse("train.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaultsAreFilledIn(t *testing.T) {
	c := mustParse(t, short)
	want := `{"data":{"features":["age","education_num","hours_per_week","occupation"],"path":"s3://lake/raw/adult_income/",` +
		`"positive":"","split":{"test":0.2,"train":0.8,"validation":0},"target":"income","version":"main"},` +
		`"deployment":{"bake":"5m","deadline":"2h","environments":["staging","production"],` +
		`"limits":{"accuracy":0.85,"error_rate":0.01,"latency_p99":"500ms"},"max_failures":3,"min_requests":50,` +
		`"rollback":{"enabled":true,"trigger":""},"steps":[10,20,30,40,50,60,70,80,90,100],"strategy":"canary"},` +
		`"evaluation":{"champion":{"margin":0.01},"confidence":0.95,"data_quality":{"class_balance":[0.2,0.8],` +
		`"feature_variance":0.000001,"null_ratio":0.05},"decide_on":"interval",` +
		`"fairness":{"max_disparity":0.1,"min_group_size":100,"protected_attributes":["sex","race"]},"latency":{"p99":"500ms"},` +
		`"metrics":["auc_roc","pr_auc","precision","recall","f1_score","accuracy","log_loss","brier"],` +
		`"on_insufficient":{"champion":"hold","data_quality":"hold","fairness":"hold","latency":"hold","performance":"hold","robustness":"hold"},` +
		`"robustness":{"draws":3,"max_degradation":0.05,"noise":[0.001,0.01,0.1]},"thresholds":{"auc_roc":0.9}},` +
		`"experiment":{"framework":"xgboost","name":"adult_income","seed":7},` +
		`"model":{"params":{"learning_rate":0.1,"max_depth":6,"n_estimators":300},"type":"XGBClassifier"},` +
		`"training":{"early_stopping_rounds":30,"eval_metric":"auc","folds":5,"verbose":false}}`
	if got := string(c.Canonical()); got != want {
		t.Errorf("canonical form:\n got %s\nwant %s", got, want)
	}
}

func TestGivenZeroesStay(t *testing.T) {
	c := mustParse(t, least+"training: {early_stopping_rounds: 0}\ndeployment: {limits: {accuracy: 0, latency_p99: 80ms}, rollback: {enabled: false}}\n")
	if c.Training.EarlyStoppingRounds != 0 || c.Deployment.Limits.Accuracy != 0 || c.Deployment.Rollback.Enabled {
		t.Errorf("a zero that was written became a default: %s", c.Canonical())
	}
	if c.Evaluation.Latency.P99 != Duration(80*time.Millisecond) {
		t.Errorf("the latency gate's limit is %s, want the rollout's 80ms", c.Evaluation.Latency.P99)
	}
	if c.Data.Path != "s3://lake/raw/m/" {
		t.Errorf("path %q", c.Data.Path)
	}
}

func TestBlueGreenMovesAllAtOnce(t *testing.T) {
	c := mustParse(t, least+"deployment: {strategy: blue_green}\n")
	if fmt.Sprint(c.Deployment.Steps) != "[100]" {
		t.Errorf("steps %v", c.Deployment.Steps)
	}
}

func TestScalarsThatAreTextStayAsWritten(t *testing.T) {
	c := mustParse(t, "experiment: {name: m}\ndata: {target: y, version: 2.10, positive: 1}\n")
	if c.Data.Version != "2.10" || c.Data.Positive != "1" {
		t.Errorf("version %q, positive %q", c.Data.Version, c.Data.Positive)
	}
}

func TestYAMLAndJSONHaveOneHash(t *testing.T) {
	yamlForm := mustParse(t, short)
	fromJSON := mustParse(t, string(yamlForm.Canonical()))
	indented, _ := json.MarshalIndent(json.RawMessage(yamlForm.Canonical()), "", "\t")
	fromIndented := mustParse(t, string(indented))
	marshalled, err := yaml.Marshal(yamlForm)
	if err != nil {
		t.Fatal(err)
	}
	fromYAML := mustParse(t, string(marshalled))
	var unmarshalled Config
	if err := json.Unmarshal(yamlForm.Canonical(), &unmarshalled); err != nil {
		t.Fatal(err)
	}
	for i, c := range []*Config{fromJSON, fromIndented, fromYAML, &unmarshalled} {
		if c.Hash() != yamlForm.Hash() {
			t.Errorf("form %d: %s", i, c.Canonical())
		}
	}
	if !strings.HasPrefix(yamlForm.Hash(), "sha256:") || len(yamlForm.Hash()) != 71 {
		t.Errorf("hash %q", yamlForm.Hash())
	}
	if other := mustParse(t, strings.Replace(short, "seed: 7", "seed: 8", 1)); other.Hash() == yamlForm.Hash() {
		t.Error("another seed, the same hash")
	}
}

func TestProblemsNamePlaceValueAndWayOut(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "the file is empty"},
		{"unknown block", least + "evalution: {}\n", `train.yaml:3:1: evalution: unknown key "evalution"; did you mean "evaluation"?`},
		{"unknown key", least + "evaluation:\n  fairness:\n    max_disparty: 0.1\n", `train.yaml:5:5: evaluation.fairness.max_disparty: unknown key "max_disparty"; did you mean "max_disparity"?`},
		{"wrong type", least + "training: {folds: five}\n", `train.yaml:3:19: training.folds: the text "five" is not a whole number`},
		{"fraction for count", least + "training: {folds: 2.5}\n", "training.folds: 2.5 is not a whole number"},
		{"percent", least + "evaluation: {champion: {margin: 5%}}\n", `the text "5%" is not a number; write 0.05`},
		{"list for mapping", least + "evaluation: [a]\n", "evaluation: a list is not a mapping with the keys champion"},
		{"mapping for text", "experiment: {name: {a: b}}\ndata: {target: y}\n", "experiment.name: a mapping is not text"},
		{"text for list", least + "evaluation: {metrics: auc_roc}\n", `the text "auc_roc" is not a list; write [a, b]`},
		{"text for bool", least + "training: {verbose: loud}\n", `the text "loud" is not true or false`},
		{"top level list", "- a\n", "train.yaml:1:1: a list is not a mapping with the keys data, deployment"},
		{"bare duration", least + "deployment: {bake: 5}\n", "train.yaml:3:20: deployment.bake: 5 has no unit; write 5ms, 5s or 5m"},
		{"bad duration", least + "deployment: {bake: 5 minutes}\n", `"5 minutes" is not a duration`},
		{"negative duration", least + "deployment: {bake: -5m}\n", "deployment.bake: -5m is not above zero"},
		{"three class shares", least + "evaluation: {data_quality: {class_balance: [0.1, 0.2, 0.3]}}\n", "3 values where 2 are wanted"},
		{"null item", least + "evaluation: {metrics: [auc_roc, null]}\n", "evaluation.metrics[1]: nothing stands here"},
		{"twice", least + "training: {folds: 3, folds: 4}\n", "train.yaml:3:22: training.folds: given twice; the first is on line 3"},
		{"no name", "data: {target: y}\n", "experiment.name: missing"},
		{"bad name", "experiment: {name: a b}\ndata: {target: y}\n", `experiment.name: model name "a b"`},
		{"no target", "experiment: {name: m}\n", "data.target: missing"},
		{"path", "experiment: {name: m}\ndata: {target: y, path: raw/m/}\n", `data.path: S3 URI "raw/m/": want s3://bucket/key`},
		{"target is a feature", "experiment: {name: m}\ndata: {target: y, features: [x, y]}\n", `data.features[1]: "y" is the target`},
		{"feature twice", "experiment: {name: m}\ndata: {target: y, features: [x, x]}\n", `data.features[1]: "x" is named twice`},
		{"split", "experiment: {name: m}\ndata: {target: y, split: {train: 0.7}}\n", "train.yaml:2:26: data.split: train 0.7 + validation 0 + test 0.2 = 0.8999999999999999; they must sum to 1"},
		{"no test rows", "experiment: {name: m}\ndata: {target: y, split: {train: 1, test: 0}}\n", "without test rows nothing can be judged"},
		{"unknown estimator", least + "model: {type: XGBClasifier}\n", `unknown value "XGBClasifier"; did you mean "XGBClassifier"?`},
		{"unsupported estimator", least + "model: {type: XGBRFRegressor}\n", "XGBRFRegressor is not supported"},
		{"unknown param", least + "model: {params: {max_dept: 3}}\n", `model.params.max_dept: unknown parameter "max_dept"; did you mean "max_depth"?`},
		{"param elsewhere", least + "model: {params: {eval_metric: auc}}\n", "set training.eval_metric"},
		{"param twice", least + "model: {params: {eta: 0.1, learning_rate: 0.2}}\n", "learning_rate and eta are the same parameter"},
		{"param type", least + "model: {params: {max_depth: deep}}\n", "model.params.max_depth: deep is not a whole number"},
		{"param range", least + "model: {params: {subsample: 1.5}}\n", "1.5 is not above 0 and at most 1"},
		{"param objective", least + "model: {params: {objective: 'multi:softmax'}}\n", "does not give a probability; use binary:logistic"},
		{"eval metric", least + "training: {eval_metric: roc}\n", `training.eval_metric: unknown value "roc"`},
		{"unknown threshold", least + "evaluation: {thresholds: {auc: 0.9}}\n", `unknown metric "auc"; did you mean "auc_roc"? known: auc_roc, pr_auc, precision, recall, f1_score, accuracy, log_loss, brier`},
		{"uncomputed threshold", least + "evaluation: {metrics: [auc_roc], thresholds: {recall: 0.5}}\n", "a threshold for a metric that is not computed"},
		{"threshold range", least + "evaluation: {thresholds: {auc_roc: 90}}\n", "90 is not between 0 and 1"},
		{"attribute twice", least + "evaluation: {fairness: {protected_attributes: [sex, sex]}}\n", `protected_attributes[1]: "sex" is named twice`},
		{"unknown gate", least + "evaluation: {on_insufficient: {fairnes: pass}}\n", `unknown gate "fairnes"; did you mean "fairness"?`},
		{"unknown remedy", least + "evaluation: {on_insufficient: {fairness: ignore}}\n", `unknown value "ignore"`},
		{"noise", least + "evaluation: {robustness: {noise: [-1]}}\n", "-1 is not above 0"},
		{"draws", least + "evaluation: {robustness: {draws: 0}}\n", "0 is not between 1 and 100"},
		{"class balance", least + "evaluation: {data_quality: {class_balance: [0.8, 0.2]}}\n", "the lower one first"},
		{"steps fall", least + "deployment: {steps: [50, 10, 100]}\n", "deployment.steps[1]: 10 does not rise from 50 towards 100"},
		{"steps end early", least + "deployment: {steps: [10, 50]}\n", "the last step is 50; steps must rise to 100"},
		{"deadline", least + "deployment: {bake: 1h}\n", "10 steps that bake 1h each take 10h, which does not fit in 2h"},
		{"environment", least + "deployment: {environments: [prod]}\n", `unknown value "prod"; did you mean`},
		{"blue green steps", least + "deployment: {strategy: blue_green, steps: [10, 100]}\n", "blue_green moves all traffic at once"},
		{"trigger", least + "deployment: {rollback: {trigger: acc_drop > 5%}}\n", `unknown measure "acc_drop": did you mean "accuracy_drop"?`},
		{"approval of no step", least + "deployment: {approve_at: [55]}\n", "deployment.approve_at[0]: 55 is not one of the steps [10 20"},
		{"freeze", least + "deployment: {freeze: [{from: Fr 16:00, to: Mon 08:00}]}\n", `deployment.freeze[0]: "Fr 16:00" is not a time`},
		{"always frozen", least + "deployment: {freeze: [{from: \"06:00\", to: \"22:00\"}, {from: \"22:00\", to: \"06:00\"}]}\n", "the freezes leave no time"},
		{"short step", least + "deployment: {step_deadline: 1m}\n", "deployment.step_deadline: 1m is less than what a step takes, warm_up and bake, 5m"},
		{"warm-up", least + "deployment: {warm_up: -1s}\n", "deployment.warm_up: -1s is below zero"},
		{"long warm-up", least + "deployment: {warm_up: 1h}\n", "which does not fit in 2h"},
		{"alpha of limits", least + "deployment: {analysis: {alpha: 0.05}}\n", "deployment.analysis: alpha, power, margin and effect are of the mode sequential"},
		{"alpha", least + "deployment: {analysis: {mode: sequential, alpha: 1}}\n", "deployment.analysis.alpha: 1 is not between 0 and 1"},
		{"margin", least + "deployment: {analysis: {mode: sequential, margin: {accuracy: 0.9}}}\n", "deployment.analysis.margin.accuracy: 0.9"},
		{"sequential blue green", least + "deployment: {strategy: blue_green, analysis: {mode: sequential}}\n", "blue_green leaves it no traffic"},
		{"on deadline", least + "deployment: {on_deadline: promote}\n", `unknown value "promote"`},
		{"shadow with steps", least + "deployment: {strategy: shadow, steps: [100]}\n", "deployment.steps: the strategy shadow moves no traffic"},
		{"shadow that is observed", least + "deployment: {strategy: shadow, observe: 1h}\n", "deployment.observe: the strategy shadow moves no traffic"},
		{"shadow by tests", least + "deployment: {strategy: shadow, analysis: {mode: sequential}}\n", "deployment.analysis.mode: a shadow is judged by its limits"},
		{"shadow sample", least + "deployment: {shadow: {sample: 0}}\n", "deployment.shadow.sample: 0 is not a percentage above 0"},
		{"shadow agreement", least + "deployment: {shadow: {max_disagreement: 10}}\n", "deployment.shadow.max_disagreement: 10 is not above 0"},
		{"long shadow", least + "deployment: {shadow: {duration: 90m}}\n", "10 steps that bake 5m each after a shadow of 1h30m0s take 2h20m0s, which does not fit in 2h"},
		{"slices of nothing", least + "deployment: {slices: {max_drop: 0.1}}\n", "deployment.slices: there are no slices to watch"},
		{"slice drop", least + "evaluation: {slices: [{by: [sex]}]}\ndeployment: {slices: {max_drop: 5}}\n", "deployment.slices.max_drop: 5 is not at least 0"},
		{"slice unknown", least + "evaluation: {slices: [{by: [sex]}]}\ndeployment: {slices: {on_unknown: pass}}\n", `unknown value "pass"`},
		{"slices blue green", least + "evaluation: {slices: [{by: [sex]}]}\ndeployment: {strategy: blue_green, slices: {}}\n", "leaves it no traffic"},
		{"slices at once", least + "evaluation: {slices: [{by: [sex]}]}\ndeployment: {steps: [100], slices: {}}\n", "leaves it no traffic"},
		{"negative", least + "deployment: {min_requests: -1}\n", "deployment.min_requests: -1 is less than 1"},
		{"anchor", "experiment: &e {name: m}\ndata: *e\n", "anchors and aliases are not supported"},
		{"tag", "experiment: !x {name: m}\n", "tags such as"},
		{"two documents", least + "---\n" + least, "a second document"},
		{"yaml syntax", "experiment: {name: m\n", "train.yaml:1:"},
		{"not utf-8", "experiment: {name: \xff}\n", "train.yaml:1:20: a byte that is not UTF-8"},
		{"nan", least + "evaluation: {confidence: .nan}\n", ".nan is not a number that can be used here"},
		{"deep", strings.Repeat("[", 5000), "nested more than 64 deep"},
		{"large", strings.Repeat("#", 300<<10), "larger than 256 KiB"},
		{"json key", "{\n\t\"experiment\": {\"name\": \"m\"},\n\t\"data\": {\"target\": \"y\", \"splt\": {}}\n}", `train.yaml:3:26: data.splt: unknown key "splt"; did you mean "split"?`},
		{"json number", `{"experiment": {"name": "m"}, "data": {"target": "y"}, "training": {"folds": 1e999}}`, "number 1e999 is out of range"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("train.yaml", []byte(c.text))
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("kind %s", fault.KindOf(err))
			}
		})
	}
}

func TestAllProblemsAtOnceInFileOrder(t *testing.T) {
	_, err := Parse("train.yaml", []byte("data: {target: y, splitt: 1}\nexperiment: {name: m}\ntraining: {folds: x, eval_metric: roc}\ndeployment: {bake: 7}\n"))
	problems, ok := errors.AsType[Problems](err)
	if !ok || len(problems) != 4 {
		t.Fatalf("%d problems: %v", len(problems), err)
	}
	for i, p := range problems {
		if want := []int{1, 3, 3, 4}[i]; p.Line != want {
			t.Errorf("problem %d is on line %d, want %d", i, p.Line, want)
		}
	}
}

func TestTriggers(t *testing.T) {
	for text, want := range map[string]Trigger{
		"":                    {},
		"accuracy_drop > 5%":  {Measure: "accuracy_drop", Limit: 0.05},
		"error_rate>=0.01":    {Measure: "error_rate", OrEqual: true, Limit: 0.01},
		"latency_p99 > 800ms": {Measure: "latency_p99", Limit: 0.8},
	} {
		if got, err := ParseTrigger(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"accuracy_drop":         "is not a trigger",
		"accuracy_drop < 5%":    "use > or >=, not <",
		"accuracy_drop > 5":     "not a share",
		"accuracy_drop > 5ms":   "write 5% or 0.05",
		"latency_p99 > 800":     "has no unit",
		"latency_p99 > -8s":     "is not above zero",
		"latency_p99 > 5%":      "is not a duration",
		"error_rate > 1% or so": "is not a trigger",
		"error_rate > e%":       "is not a number",
	} {
		if _, err := ParseTrigger(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	tr := Trigger{Measure: "error_rate", Limit: 0.1}
	if tr.Fires(0.1) || !tr.Fires(0.11) || (Trigger{}).Fires(9) {
		t.Error("Fires")
	}
}

func TestDurationsInJSON(t *testing.T) {
	var d Duration
	for _, bad := range []string{"5", "0", `"5"`, "true", "{}"} {
		if err := json.Unmarshal([]byte(bad), &d); err == nil {
			t.Errorf("%s became %s", bad, d)
		}
	}
	for text, want := range map[string]string{"90s": "1m30s", "60m": "1h", "300s": "5m", "0.5s": "500ms", "90m": "1h30m0s", "0s": "0s"} {
		if d, err := ParseDuration(text); err != nil || d.String() != want {
			t.Errorf("%s: %s, %v", text, d, err)
		}
	}
}

func TestShadowAndSlicesFillTheirDefaults(t *testing.T) {
	for text, want := range map[string]Deployment{
		"deployment: {strategy: shadow}\n":                             {Strategy: "shadow", Steps: []float64{}, Shadow: Shadow{Duration(30 * time.Minute), 100, 0.1}},
		"deployment: {strategy: blue_green, shadow: {duration: 5m}}\n": {Strategy: "blue_green", Steps: []float64{100}, Shadow: Shadow{Duration(5 * time.Minute), 100, 0.1}},
		"evaluation: {slices: [{by: [sex]}]}\ndeployment: {steps: [5, 100], slices: {max_drop: 0}}\n": {Strategy: "canary", Steps: []float64{5, 100},
			Slices: SliceHealth{MaxDrop: 0, MinLabels: 50, OnUnknown: "hold"}},
	} {
		c, err := Parse("train.yaml", []byte(least+text))
		require.NoError(t, err, text)
		got := c.Deployment
		require.Equal(t, want, Deployment{Strategy: got.Strategy, Steps: got.Steps, Shadow: got.Shadow, Slices: got.Slices}, text)
		again, err := Parse("canonical", c.Canonical())
		require.NoError(t, err)
		require.Equal(t, c.Hash(), again.Hash(), text)
	}
}

// A margin of 0 is a margin, not a default, in the canonical form too.
func TestAMarginOfNothingIsKept(t *testing.T) {
	c, err := Parse("train.yaml", []byte(least+"deployment: {analysis: {mode: sequential, margin: {error_rate: 0, slow_rate: 0, accuracy: 0}}}\n"))
	require.NoError(t, err)
	again, err := Parse("canonical", c.Canonical())
	require.NoError(t, err)
	require.Equal(t, Rates{}, again.Deployment.Analysis.Margin)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(short))
	f.Add([]byte(least))
	f.Add([]byte(`{"experiment": {"name": "m"}, "data": {"target": "y"}}`))
	f.Add([]byte("a: &x\n  - {b: [1, 2]}\n<<: *x\n? k\n: |\n  v\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("f", data)
		if err != nil {
			if _, ok := errors.AsType[Problems](err); !ok {
				t.Fatalf("an error without problems: %v", err)
			}
			return
		}
		again, err := Parse("f", c.Canonical())
		if err != nil {
			t.Fatalf("the canonical form is refused: %v\n%s", err, c.Canonical())
		}
		if again.Hash() != c.Hash() {
			t.Fatalf("%s\n%s", c.Canonical(), again.Canonical())
		}
	})
}
