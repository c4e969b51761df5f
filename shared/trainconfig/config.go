// Package trainconfig reads train.yaml: one file per model that says what to
// learn from, how to train, what a good model is, and how it goes live. It is
// strict: an unknown key is an error that names the line and the nearest known
// key. Every default is written into the value that Parse returns.
package trainconfig

import "time"

// Config is a whole train.yaml with its defaults filled in.
type Config struct {
	Experiment Experiment `yaml:"experiment" json:"experiment"`
	Data       Data       `yaml:"data" json:"data"`
	Model      Model      `yaml:"model" json:"model"`
	Training   Training   `yaml:"training" json:"training"`
	Evaluation Evaluation `yaml:"evaluation" json:"evaluation"`
	Deployment Deployment `yaml:"deployment" json:"deployment"`
}

type Experiment struct {
	Name      string `yaml:"name" json:"name"`
	Seed      int64  `yaml:"seed" json:"seed"`           // default 42
	Framework string `yaml:"framework" json:"framework"` // "xgboost", the default
}

type Data struct {
	Version  string   `yaml:"version" json:"version"`   // a ref; default "main"
	Path     string   `yaml:"path" json:"path"`         // S3 URI of the prefix, "s3://lake/raw/…"; the bucket name "lake" means the stack's
	Features []string `yaml:"features" json:"features"` // empty: every column but target and row id
	Target   string   `yaml:"target" json:"target"`
	Positive string   `yaml:"positive" json:"positive"` // the target's positive value; default "1", or the greater of two text values
	Split    Split    `yaml:"split" json:"split"`
	Weight   string   `yaml:"weight" json:"weight,omitempty"` // the column that says how much a row counts, in learning and in judging; default: each 1
	QID      string   `yaml:"qid" json:"qid,omitempty"`       // ranking: the column that says which query a row belongs to
}

// Split is a fraction each; they sum to 1. Rows are assigned by a hash of
// their content and the seed, so a row stays where it was as the data grows,
// and duplicates never straddle two sides. By group, all rows with the same
// value of a column are together. By time, the sides follow each other, at
// shares of the rows or at given times.
type Split struct {
	Train      float64 `yaml:"train" json:"train"`           // default 0.8
	Validation float64 `yaml:"validation" json:"validation"` // default 0
	Test       float64 `yaml:"test" json:"test"`             // default 0.2
	// What follows is left out of the canonical form where it is not used.
	By             string `yaml:"by" json:"by,omitempty"`                           // "group" or "time"; default by row
	Column         string `yaml:"column" json:"column,omitempty"`                   // whose values are the groups, or the times
	Gap            Gap    `yaml:"gap" json:"gap,omitzero"`                          // by time: left out before each later side or fold; rows or a duration
	ValidationFrom string `yaml:"validation_from" json:"validation_from,omitempty"` // by time, instead of shares: the first time of the validation side
	TestFrom       string `yaml:"test_from" json:"test_from,omitempty"`             // by time, instead of shares: the first time of the test side
}

type Model struct {
	Type   string         `yaml:"type" json:"type"`     // "XGBClassifier", or TypeImage
	Params map[string]any `yaml:"params" json:"params"` // XGBoost's own names
}

type Training struct {
	Folds               int    `yaml:"folds" json:"folds"`                                 // default 5; 1 or 0: one hold-out, the validation side
	EarlyStoppingRounds int    `yaml:"early_stopping_rounds" json:"early_stopping_rounds"` // default 50; 0 is off
	EvalMetric          string `yaml:"eval_metric" json:"eval_metric"`                     // default "auc"
	Verbose             bool   `yaml:"verbose" json:"verbose"`

	ClassWeight ClassWeight `yaml:"class_weight" json:"class_weight,omitzero"` // "balanced", or a factor for each class; default none
	Memory      Size        `yaml:"memory" json:"memory,omitempty"`            // that training may use, e.g. 8GiB; beyond, it learns from disk; default: the container's
}

type Evaluation struct {
	Metrics    []string           `yaml:"metrics" json:"metrics"`       // what is computed and shown
	Thresholds map[string]float64 `yaml:"thresholds" json:"thresholds"` // the least (for losses and errors the most) that passes
	DecideOn   string             `yaml:"decide_on" json:"decide_on"`   // "interval" (default) or "point"
	Confidence float64            `yaml:"confidence" json:"confidence"` // default 0.95
	// OnInsufficient: "hold" (default), "pass" or "fail", per gate name.
	OnInsufficient map[string]string `yaml:"on_insufficient" json:"on_insufficient"`
	Fairness       Fairness          `yaml:"fairness" json:"fairness"`
	Robustness     Robustness        `yaml:"robustness" json:"robustness"`
	DataQuality    DataQuality       `yaml:"data_quality" json:"data_quality"`
	Champion       Champion          `yaml:"champion" json:"champion"`
	Latency        Latency           `yaml:"latency" json:"latency"`
	// Slices are parts of the rows in which performance and fairness are judged
	// as well. Left out of the canonical form where there are none.
	Slices []Slice `yaml:"slices" json:"slices,omitempty"`
}

// Slice parts the rows by the joint values of columns.
type Slice struct {
	By []string `yaml:"by" json:"by"` // columns of the data
	// Edges part a numeric column into ranges: [30, 50] is below 30, from 30 to
	// below 50, and from 50.
	Edges      map[string][]float64 `yaml:"edges" json:"edges,omitempty"`
	MinSize    int                  `yaml:"min_size" json:"min_size"`               // rows that a part needs to be judged; default 100
	Thresholds map[string]float64   `yaml:"thresholds" json:"thresholds,omitempty"` // in each part; default evaluation.thresholds
}

type Fairness struct {
	ProtectedAttributes []string `yaml:"protected_attributes" json:"protected_attributes"`
	MaxDisparity        float64  `yaml:"max_disparity" json:"max_disparity"`   // default 0.1, of Metric between groups; regression: in standard deviations of the target
	MinGroupSize        int      `yaml:"min_group_size" json:"min_group_size"` // default 100
	Metric              string   `yaml:"metric" json:"metric,omitempty"`       // binary: auc_roc; multiclass: recall (of each class) or accuracy; regression: mean_residual or mae
}

type Robustness struct {
	Noise          []float64 `yaml:"noise" json:"noise"`                     // default 0.001, 0.01, 0.1 × each feature's standard deviation
	Draws          int       `yaml:"draws" json:"draws"`                     // default 3 repeated draws
	MaxDegradation float64   `yaml:"max_degradation" json:"max_degradation"` // default 0.05 of Metric; of an error or a loss a share of it
	Metric         string    `yaml:"metric" json:"metric,omitempty"`         // what must not suffer; default as champion.metric
}

type DataQuality struct {
	NullRatio       float64    `yaml:"null_ratio" json:"null_ratio"`             // default < 0.05
	FeatureVariance float64    `yaml:"feature_variance" json:"feature_variance"` // default > 1e-6
	ClassBalance    [2]float64 `yaml:"class_balance" json:"class_balance"`       // default 0.2…0.8 share of the positive class; multiclass: 0.01…0.9 of each
}

type Champion struct {
	Margin float64 `yaml:"margin" json:"margin"`           // how much worse in Metric the candidate may be; of an error or a loss a share of the champion's; default 0.01
	Metric string  `yaml:"metric" json:"metric,omitempty"` // binary: auc_roc; default of the others: auc_roc_ovr, rmse, ndcg
}

type Latency struct {
	P99 Duration `yaml:"p99" json:"p99"` // default: deployment.limits.latency_p99
}

type Deployment struct {
	Strategy     string    `yaml:"strategy" json:"strategy"`         // "canary" (default), "blue_green" or "shadow"
	Environments []string  `yaml:"environments" json:"environments"` // default staging, production
	Steps        []float64 `yaml:"steps" json:"steps"`               // candidate's percent; default 10, 20, … 100
	Bake         Duration  `yaml:"bake" json:"bake"`                 // default 5m
	Limits       Limits    `yaml:"limits" json:"limits"`
	MinRequests  int       `yaml:"min_requests" json:"min_requests"` // per step, to judge at all; default 50
	MaxFailures  int       `yaml:"max_failures" json:"max_failures"` // in a row; default 3
	Deadline     Duration  `yaml:"deadline" json:"deadline"`         // of the whole rollout; default 2h
	Rollback     Rollback  `yaml:"rollback" json:"rollback"`

	// What follows is left out of the canonical form where it is not used, so
	// that it does not change the hash of a configuration without it.
	WarmUp       Duration  `yaml:"warm_up" json:"warm_up,omitzero"`             // after a step's weight is in force, not judged
	StepDeadline Duration  `yaml:"step_deadline" json:"step_deadline,omitzero"` // of one step; default none of its own
	OnDeadline   string    `yaml:"on_deadline" json:"on_deadline,omitempty"`    // "rollback" (default), or "proceed" where nothing speaks against the candidate
	ApproveAt    []float64 `yaml:"approve_at" json:"approve_at,omitempty"`      // steps that a person must approve first
	HoldDeadline Duration  `yaml:"hold_deadline" json:"hold_deadline,omitzero"` // how long people may take to approve or resume; default 24h
	Freeze       []Freeze  `yaml:"freeze" json:"freeze,omitempty"`              // no weight is raised in these
	DryRun       bool      `yaml:"dry_run" json:"dry_run,omitempty"`            // deploy at weight 0, try it, take it away
	Observe      Duration  `yaml:"observe" json:"observe,omitzero"`             // promotion is provisional for so long; default 0
	Analysis     Analysis  `yaml:"analysis" json:"analysis,omitzero"`

	Shadow Shadow      `yaml:"shadow" json:"shadow,omitzero"` // before the steps; all there is of the strategy shadow
	Slices SliceHealth `yaml:"slices" json:"slices,omitzero"` // accuracy in evaluation.slices
}

// Shadow has the candidate answer copies of the champion's requests, which
// nobody gets to see, and compares the answers.
type Shadow struct {
	Duration        Duration `yaml:"duration" json:"duration"`                 // at least; default 30m
	Sample          float64  `yaml:"sample" json:"sample"`                     // percent of the requests; default 100
	MaxDisagreement float64  `yaml:"max_disagreement" json:"max_disagreement"` // share of answers that decide otherwise than the champion's; default 0.1, 1 is off
}

// SliceHealth judges the accuracy in every part of evaluation.slices while a
// rollout goes on: the candidate's against the champion's in the same time.
type SliceHealth struct {
	MaxDrop   float64 `yaml:"max_drop" json:"max_drop"`     // below the champion's; default 0.05
	Accuracy  float64 `yaml:"accuracy" json:"accuracy"`     // at least, in each part; default 0, off
	MinLabels int     `yaml:"min_labels" json:"min_labels"` // of each version, to judge a part at all; default 50
	OnUnknown string  `yaml:"on_unknown" json:"on_unknown"` // where a part has fewer: "hold" (default) or "tell"
}

// Analysis is how a rollout's measurements are judged: by the plain limits, or
// by sequential tests of the candidate against the champion in the same time,
// which are looked at all the time and keep their bound on false rollbacks.
type Analysis struct {
	Mode   string  `yaml:"mode" json:"mode,omitempty"`    // "limits" (default) or "sequential"
	Alpha  float64 `yaml:"alpha" json:"alpha,omitzero"`   // chance of a false rollback, over all looks and metrics; default 0.01
	Power  float64 `yaml:"power" json:"power,omitzero"`   // chance that a step notices the effect; default 0.8
	Margin Rates   `yaml:"margin" json:"margin"`          // how much worse than the champion is allowed; default 0.005, 0.005, 0.02
	Effect Rates   `yaml:"effect" json:"effect,omitzero"` // beyond the margin, what a step must be able to notice; default 0.03, 0.03, 0.05
}

// Rates are differences of shares of requests, 0..1.
type Rates struct {
	ErrorRate float64 `yaml:"error_rate" json:"error_rate"`
	SlowRate  float64 `yaml:"slow_rate" json:"slow_rate"` // slower than limits.latency_p99
	Accuracy  float64 `yaml:"accuracy" json:"accuracy"`
}

type Limits struct {
	LatencyP99 Duration `yaml:"latency_p99" json:"latency_p99"` // default 500ms
	ErrorRate  float64  `yaml:"error_rate" json:"error_rate"`   // default 0.01
	Accuracy   float64  `yaml:"accuracy" json:"accuracy"`       // default 0.85; 0 is off
}

type Rollback struct {
	Enabled bool   `yaml:"enabled" json:"enabled"` // default true
	Trigger string `yaml:"trigger" json:"trigger"` // e.g. "accuracy_drop > 5%"; default none
}

// Duration is written as Go writes it ("5m", "500ms") in YAML and JSON.
type Duration time.Duration
