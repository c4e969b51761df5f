package trainconfig

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/goal"
)

// check reports every value that is known but cannot work.
func (d *decoder) check(c *Config) {
	d.checkExperiment(&c.Experiment)
	d.checkData(&c.Data)
	d.checkModel(&c.Model)
	d.checkTraining(&c.Training)
	d.checkFolds(c)
	d.checkClassWeight(c)
	d.checkMemory(&c.Training)
	d.checkEvaluation(c)
	d.checkFairness(c)
	d.checkSlices(c)
	d.checkRobustness(&c.Evaluation.Robustness)
	d.checkDataQuality(&c.Evaluation.DataQuality)
	d.checkDeployment(&c.Deployment)
	d.checkShadow(&c.Deployment)
	d.checkSliceHealth(c)
	d.checkSteps(&c.Deployment)
	if slices.Contains(Estimators(), c.Model.Type) {
		d.checkEvalMetric(c)
		d.checkGoal(c)
	}
}

// among reports a value that is not one of the known ones.
func (d *decoder) among(path, value string, known []string) bool {
	if slices.Contains(known, value) {
		return true
	}
	d.failAt(path, "unknown value %q; %s", clip(value), suggest(value, known))
	return false
}

func (d *decoder) within(path string, value, low, high float64) {
	if !(value >= low && value <= high) {
		d.failAt(path, "%v is not between %v and %v", value, low, high)
	}
}

func (d *decoder) atLeast(path string, value, low float64) {
	if !(value >= low) || math.IsInf(value, 0) {
		d.failAt(path, "%v is less than %v", value, low)
	}
}

func (d *decoder) positive(path string, value Duration) {
	if value <= 0 {
		d.failAt(path, "%s is not above zero", value)
	}
}

func (d *decoder) notNegative(path string, value Duration) {
	if value < 0 {
		d.failAt(path, "%s is below zero", value)
	}
}

// unique reports empty and repeated names in a list.
func (d *decoder) unique(path string, names []string) {
	seen := map[string]bool{}
	for i, name := range names {
		child := path + "[" + itoa(i) + "]"
		switch {
		case strings.TrimSpace(name) == "":
			d.failAt(child, "an empty name")
		case seen[name]:
			d.failAt(child, "%q is named twice", clip(name))
		}
		seen[name] = true
	}
}

func (d *decoder) checkExperiment(e *Experiment) {
	if e.Name == "" {
		d.failAt("experiment.name", "missing; name the model, e.g. adult-income")
	} else if err := contract.CheckModel(e.Name); err != nil {
		d.failAt("experiment.name", "%v", err)
	}
	d.atLeast("experiment.seed", float64(e.Seed), 0)
	d.among("experiment.framework", e.Framework, []string{"xgboost"})
}

func (d *decoder) checkData(c *Data) {
	if strings.TrimSpace(c.Version) == "" {
		d.failAt("data.version", "empty; name a ref such as main or v2.1, or leave it out")
	}
	if _, _, err := contract.ParseURI(c.Path); err != nil {
		d.failAt("data.path", "%v", err)
	}
	if c.Target == "" {
		d.failAt("data.target", "missing; name the column to predict")
	}
	d.unique("data.features", c.Features)
	if i := slices.Index(c.Features, c.Target); i >= 0 && c.Target != "" {
		d.failAt("data.features["+itoa(i)+"]", "%q is the target; a model that sees it learns nothing else", clip(c.Target))
	}
	d.checkSplit(c)
	d.checkWeight(c)
}

func (d *decoder) checkTraining(t *Training) {
	d.atLeast("training.early_stopping_rounds", float64(t.EarlyStoppingRounds), 0)
}

func (d *decoder) checkEvaluation(c *Config) {
	e, g := &c.Evaluation, c.Goal()
	d.unique("evaluation.metrics", e.Metrics)
	for i, m := range e.Metrics {
		if !slices.Contains(g.Metrics(), m) {
			d.failAt("evaluation.metrics["+itoa(i)+"]", "%s", unknownFor("value", m, g, g.Metrics()))
		}
	}
	d.checkThresholds(c, "evaluation.thresholds.", e.Thresholds)
	d.among("evaluation.decide_on", e.DecideOn, []string{"interval", "point"})
	if !(e.Confidence >= 0.5 && e.Confidence < 1) {
		d.failAt("evaluation.confidence", "%v is not between 0.5 and 1", e.Confidence)
	}
	for _, gate := range slices.Sorted(maps.Keys(e.OnInsufficient)) {
		path := "evaluation.on_insufficient." + gate
		if !slices.Contains(Gates(), gate) {
			d.failAt(path, "unknown gate %q; %s", clip(gate), suggest(gate, Gates()))
			continue
		}
		d.among(path, e.OnInsufficient[gate], []string{"hold", "pass", "fail"})
	}
	if !(e.Champion.Margin >= 0 && e.Champion.Margin < 1) {
		d.failAt("evaluation.champion.margin", "%v is not between 0 and 1", e.Champion.Margin)
	}
	if d.has("evaluation.latency.p99") { // else it is the deployment's, which has its own problem
		d.positive("evaluation.latency.p99", e.Latency.P99)
	}
}

// checkThresholds checks thresholds whose paths start with at.
func (d *decoder) checkThresholds(c *Config, at string, thresholds map[string]float64) {
	e, g := &c.Evaluation, c.Goal()
	for _, name := range slices.Sorted(maps.Keys(thresholds)) {
		path, value := at+name, thresholds[name]
		if !slices.Contains(g.Metrics(), name) {
			d.failAt(path, "%s", unknownFor("metric", name, g, g.Metrics()))
			continue
		}
		if !slices.Contains(e.Metrics, name) {
			d.failAt(path, "a threshold for a metric that is not computed; add %s to evaluation.metrics, which has %s", name, quoted(e.Metrics))
		}
		switch low, high := goal.Bounds(name); {
		case math.IsInf(high, 1):
			d.atLeast(path, value, low)
		case math.IsInf(low, -1) && !(value <= high && !math.IsInf(value, 0)):
			d.failAt(path, "%v is more than %v", value, high)
		case !math.IsInf(low, -1):
			d.within(path, value, low, high)
		}
	}
}

func (d *decoder) checkFairness(c *Config) {
	f := c.Evaluation.Fairness
	d.unique("evaluation.fairness.protected_attributes", f.ProtectedAttributes)
	for i, name := range f.ProtectedAttributes {
		if name == c.Data.Target && name != "" {
			d.failAt("evaluation.fairness.protected_attributes["+itoa(i)+"]", "%q is the target; name a column that tells people apart", clip(name))
		}
	}
	if !(f.MaxDisparity > 0 && f.MaxDisparity <= 1) {
		d.failAt("evaluation.fairness.max_disparity", "%v is not above 0 and at most 1", f.MaxDisparity)
	}
	d.atLeast("evaluation.fairness.min_group_size", float64(f.MinGroupSize), 1)
}

func (d *decoder) checkRobustness(r *Robustness) {
	for i, noise := range r.Noise {
		if !(noise > 0 && noise <= 10) {
			d.failAt("evaluation.robustness.noise["+itoa(i)+"]", "%v is not above 0 and at most 10 standard deviations", noise)
		}
		if slices.Index(r.Noise, noise) < i {
			d.failAt("evaluation.robustness.noise["+itoa(i)+"]", "%v is named twice", noise)
		}
	}
	if r.Draws < 1 || r.Draws > 100 {
		d.failAt("evaluation.robustness.draws", "%d is not between 1 and 100", r.Draws)
	}
	if !(r.MaxDegradation >= 0 && r.MaxDegradation < 1) {
		d.failAt("evaluation.robustness.max_degradation", "%v is not between 0 and 1", r.MaxDegradation)
	}
}

func (d *decoder) checkDataQuality(q *DataQuality) {
	d.within("evaluation.data_quality.null_ratio", q.NullRatio, 0, 1)
	d.atLeast("evaluation.data_quality.feature_variance", q.FeatureVariance, 0)
	low, high := q.ClassBalance[0], q.ClassBalance[1]
	if !(low >= 0 && low < high && high <= 1) {
		d.failAt("evaluation.data_quality.class_balance", "[%v, %v] must be two shares from 0 to 1, the lower one first", low, high)
	}
}

func (d *decoder) checkDeployment(p *Deployment) {
	d.among("deployment.strategy", p.Strategy, []string{"canary", "blue_green", "shadow"})
	d.unique("deployment.environments", p.Environments)
	for i, env := range p.Environments {
		d.among("deployment.environments["+itoa(i)+"]", env, []string{"staging", "production"})
	}
	d.positive("deployment.bake", p.Bake)
	d.positive("deployment.deadline", p.Deadline)
	d.positive("deployment.limits.latency_p99", p.Limits.LatencyP99)
	d.within("deployment.limits.error_rate", p.Limits.ErrorRate, 0, 1)
	d.within("deployment.limits.accuracy", p.Limits.Accuracy, 0, 1)
	d.atLeast("deployment.min_requests", float64(p.MinRequests), 1)
	d.atLeast("deployment.max_failures", float64(p.MaxFailures), 1)
	if _, err := ParseTrigger(p.Rollback.Trigger); err != nil {
		d.failAt("deployment.rollback.trigger", "%v", err)
	}
	d.checkReach(p)
	d.checkHolds(p)
}

// fastest is more requests a second than any endpoint of a model gets.
const fastest = 1e6

// checkReach refuses counts that the deadline comes before.
func (d *decoder) checkReach(p *Deployment) {
	deadline := time.Duration(p.Deadline).Seconds()
	if deadline <= 0 || p.Bake <= 0 {
		return
	}
	if float64(p.MinRequests) > fastest*deadline {
		d.failAt("deployment.min_requests", "%d requests do not come before the deadline of %s, even at %.0f a second", p.MinRequests, p.Deadline, fastest)
	}
	takes := float64(p.MaxFailures) * time.Duration(p.Bake).Seconds()
	if d.has("deployment.max_failures") && p.Analysis.Mode != "sequential" && takes > deadline {
		d.failAt("deployment.max_failures", "%d failed bakes of %s each cannot come before the deadline of %s, so measurements could never roll back", p.MaxFailures, p.Bake, p.Deadline)
	}
}

func (d *decoder) checkHolds(p *Deployment) {
	if p.OnDeadline != "" {
		d.among("deployment.on_deadline", p.OnDeadline, []string{"rollback", "proceed"})
	}
	d.notNegative("deployment.warm_up", p.WarmUp)
	d.notNegative("deployment.observe", p.Observe)
	d.notNegative("deployment.hold_deadline", p.HoldDeadline)
	d.notNegative("deployment.step_deadline", p.StepDeadline)
	if p.StepDeadline > 0 && p.StepDeadline < p.Bake+p.WarmUp {
		d.failAt("deployment.step_deadline", "%s is less than what a step takes, warm_up and bake, %s", p.StepDeadline, p.Bake+p.WarmUp)
	}
	if d.has("deployment.hold_deadline") && p.HoldDeadline == 0 && len(p.ApproveAt) > 0 {
		d.failAt("deployment.hold_deadline", "0s leaves nobody time to approve the steps %v; write how long people may take, or leave it out for 24h", p.ApproveAt)
	}
	for i, percent := range p.ApproveAt {
		if !slices.Contains(p.Steps, percent) {
			d.failAt("deployment.approve_at["+itoa(i)+"]", "%v is not one of the steps %v", percent, p.Steps)
		}
	}
	for i, f := range p.Freeze {
		if err := f.Check(); err != nil {
			d.failAt("deployment.freeze["+itoa(i)+"]", "%v", err)
		}
	}
	if err := CheckFreezes(p.Freeze); err != nil {
		d.failAt("deployment.freeze", "%v", err)
	}
	d.checkAnalysis(p)
}

func (d *decoder) checkAnalysis(p *Deployment) {
	a := p.Analysis
	if a.Mode != "" {
		d.among("deployment.analysis.mode", a.Mode, []string{"limits", "sequential"})
	}
	if a.Mode != "sequential" {
		if d.has("deployment.analysis") && a != (Analysis{Mode: a.Mode}) {
			d.failAt("deployment.analysis", "alpha, power, margin and effect are of the mode sequential; write mode: sequential, or remove them")
		}
		return
	}
	for path, value := range map[string]float64{"alpha": a.Alpha, "power": a.Power,
		"effect.error_rate": a.Effect.ErrorRate, "effect.slow_rate": a.Effect.SlowRate, "effect.accuracy": a.Effect.Accuracy} {
		if !(value > 0 && value < 1) {
			d.failAt("deployment.analysis."+path, "%v is not between 0 and 1", value)
		}
	}
	for path, value := range map[string]float64{"error_rate": a.Margin.ErrorRate, "slow_rate": a.Margin.SlowRate, "accuracy": a.Margin.Accuracy} {
		d.within("deployment.analysis.margin."+path, value, 0, 0.5)
	}
	if p.Strategy == "blue_green" {
		d.failAt("deployment.analysis.mode", "sequential compares with the champion in the same time, and blue_green leaves it no traffic; use the strategy canary")
	}
}

// leastStep is the smallest percent that a step may have: one request in a million.
const leastStep = 0.0001

func (d *decoder) checkSteps(p *Deployment) {
	before := 0.0
	if p.Strategy == "shadow" {
		if len(p.Steps) > 0 {
			d.failAt("deployment.steps", "the strategy shadow moves no traffic; leave steps out, or use the strategy canary with the block deployment.shadow, which comes before its steps")
		}
		d.checkFits(p)
		return
	}
	for i, step := range p.Steps {
		path := "deployment.steps[" + itoa(i) + "]"
		if !(step > before && step <= 100) {
			d.failAt(path, "%v does not rise from %v towards 100", step, before)
			return
		}
		if step < leastStep {
			d.failAt(path, "%v %% is finer than a backend's weights, %v %% at least (ECS: 0.1 %%)", step, leastStep)
			return
		}
		before = step
	}
	if before != 100 {
		d.failAt("deployment.steps", "the last step is %v; steps must rise to 100", before)
		return
	}
	if p.Strategy == "blue_green" && len(p.Steps) > 1 {
		d.failAt("deployment.steps", "blue_green moves all traffic at once; leave steps out, or use the strategy canary")
	}
	d.checkFits(p)
}

// checkFits compares the deadline with what the shadow and the bakes take.
func (d *decoder) checkFits(p *Deployment) {
	takes := time.Duration(p.Bake+p.WarmUp).Seconds() * float64(len(p.Steps))
	what := itoa(len(p.Steps)) + " steps that bake " + p.Bake.String() + " each"
	if p.Shadow.Duration > 0 {
		takes += time.Duration(p.Shadow.Duration + p.WarmUp).Seconds()
		what += " after a shadow of " + p.Shadow.Duration.String()
	}
	if deadline := time.Duration(p.Deadline).Seconds(); p.Bake > 0 && deadline > 0 && takes > deadline {
		d.failAt("deployment.deadline", "%s take %s, which does not fit in %s; raise the deadline, or bake less",
			what, Duration(takes*float64(time.Second)), p.Deadline)
	}
}
