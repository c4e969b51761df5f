package trainconfig

import (
	"time"

	"github.com/sluice-ml/sluice/shared/goal"
)

// Default is a configuration with every default that does not depend on
// another value. It is not valid by itself: experiment.name and data.target
// have no default.
func Default() *Config {
	return &Config{
		Experiment: Experiment{Seed: 42, Framework: "xgboost"},
		Data: Data{
			Version:  "main",
			Features: []string{},
			Split:    Split{Train: 0.8, Test: 0.2},
		},
		Model:      Model{Type: "XGBClassifier", Params: map[string]any{}},
		Training:   Training{Folds: 5, EarlyStoppingRounds: 50, EvalMetric: "auc"},
		Evaluation: defaultEvaluation(),
		Deployment: defaultDeployment(),
	}
}

func defaultEvaluation() Evaluation {
	return Evaluation{
		Metrics:        Metrics(),
		Thresholds:     map[string]float64{},
		DecideOn:       "interval",
		Confidence:     0.95,
		OnInsufficient: map[string]string{},
		Fairness:       Fairness{ProtectedAttributes: []string{}, MaxDisparity: 0.1, MinGroupSize: 100},
		Robustness:     Robustness{Noise: []float64{0.001, 0.01, 0.1}, Draws: 3, MaxDegradation: 0.05},
		DataQuality:    DataQuality{NullRatio: 0.05, FeatureVariance: 1e-6, ClassBalance: [2]float64{0.2, 0.8}},
		Champion:       Champion{Margin: 0.01},
	}
}

func defaultDeployment() Deployment {
	return Deployment{
		Strategy:     "canary",
		Environments: []string{"staging", "production"},
		Bake:         Duration(5 * time.Minute),
		Limits:       Limits{LatencyP99: Duration(500 * time.Millisecond), ErrorRate: 0.01, Accuracy: 0.85},
		MinRequests:  50,
		MaxFailures:  3,
		Deadline:     Duration(2 * time.Hour),
		Rollback:     Rollback{Enabled: true},
	}
}

// derive fills the defaults that follow from other values: the data's path
// from the name, every gate's on_insufficient, the least size of a slice, the
// steps from the strategy, the latency gate's limit from the rollout's.
func (d *decoder) derive(c *Config) {
	d.deriveGoal(c)
	if !d.has("data.path") {
		c.Data.Path = "s3://lake/raw/" + c.Experiment.Name + "/"
	}
	d.deriveSplit(&c.Data.Split)
	if c.Training.Folds == 0 {
		c.Training.Folds = 1 // both are one hold-out
	}
	for _, gate := range Gates() {
		if _, given := c.Evaluation.OnInsufficient[gate]; !given {
			c.Evaluation.OnInsufficient[gate] = "hold"
		}
	}
	for i := range c.Evaluation.Slices {
		if !d.has("evaluation.slices[" + itoa(i) + "].min_size") {
			c.Evaluation.Slices[i].MinSize = 100
		}
	}
	if !d.has("evaluation.latency.p99") {
		c.Evaluation.Latency.P99 = c.Deployment.Limits.LatencyP99
	}
	if c.Deployment.Analysis.Mode == "sequential" {
		d.deriveAnalysis(&c.Deployment.Analysis)
	}
	d.deriveShadow(&c.Deployment)
	if d.has("deployment.slices") {
		d.deriveSliceHealth(&c.Deployment.Slices)
	}
	if d.has("deployment.steps") {
		return
	}
	switch c.Deployment.Strategy {
	case "canary":
		c.Deployment.Steps = []float64{10, 20, 30, 40, 50, 60, 70, 80, 90, 100}
	case "shadow":
		c.Deployment.Steps = []float64{}
	default:
		c.Deployment.Steps = []float64{100}
	}
}

func (d *decoder) deriveShadow(p *Deployment) {
	if p.Strategy != "shadow" && !d.has("deployment.shadow") {
		return
	}
	if !d.has("deployment.shadow.duration") {
		p.Shadow.Duration = Duration(30 * time.Minute)
	}
	if !d.has("deployment.shadow.sample") {
		p.Shadow.Sample = 100
	}
	if !d.has("deployment.shadow.max_disagreement") {
		p.Shadow.MaxDisagreement = 0.1
	}
}

func (d *decoder) deriveSliceHealth(h *SliceHealth) {
	if !d.has("deployment.slices.max_drop") {
		h.MaxDrop = 0.05
	}
	if !d.has("deployment.slices.min_labels") {
		h.MinLabels = 50
	}
	if !d.has("deployment.slices.on_unknown") {
		h.OnUnknown = "hold"
	}
}

// deriveAnalysis fills in what is not given. Zero is a margin, so presence
// counts, not the value.
func (d *decoder) deriveAnalysis(a *Analysis) {
	const at = "deployment.analysis."
	for _, f := range []struct {
		path  string
		value *float64
		def   float64
	}{
		{"alpha", &a.Alpha, 0.01}, {"power", &a.Power, 0.8},
		{"margin.error_rate", &a.Margin.ErrorRate, 0.005}, {"margin.slow_rate", &a.Margin.SlowRate, 0.005}, {"margin.accuracy", &a.Margin.Accuracy, 0.02},
		{"effect.error_rate", &a.Effect.ErrorRate, 0.03}, {"effect.slow_rate", &a.Effect.SlowRate, 0.03}, {"effect.accuracy", &a.Effect.Accuracy, 0.05},
	} {
		if !d.has(at + f.path) {
			*f.value = f.def
		}
	}
}

// Metrics are the names of a binary model's metrics; goal.Goal.Metrics gives
// those of the others.
func Metrics() []string { return goal.Binary.Metrics() }

// LowerIsBetter says whether a metric's threshold is the most that passes.
func LowerIsBetter(metric string) bool { return goal.LowerIsBetter(metric) }

// Gates are the names of the gates, as they stand in JSON and file names.
func Gates() []string {
	return []string{"performance", "fairness", "robustness", "data_quality", "champion", "latency"}
}

// TypeImage is the model type of those who bring their own trainer and server
// as images, which cdk.json names; params are then the trainer's own.
const TypeImage = "image"

// Estimators are XGBoost's estimators that Sluice can train and judge.
func Estimators() []string { return goal.Estimators() }
