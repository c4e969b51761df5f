package trainconfig

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/shared/goal"
)

// Goal is what the model is for, by its estimator and its objective.
func (c *Config) Goal() goal.Goal { return c.Model.Goal() }

// Objective is what the model learns, by XGBoost's name: params.objective, else
// the estimator's default.
func (m Model) Objective() string {
	if name, ok := m.Params["objective"].(string); ok {
		return name
	}
	return goal.Objectives(goal.OfEstimator(m.Type)[0])[0]
}

// Goal is what the model is for; that of the estimator where it does not learn
// the objective, which is then refused.
func (m Model) Goal() goal.Goal {
	of, known := goal.OfObjective(m.Objective()), goal.OfEstimator(m.Type)
	if !slices.Contains(known, of) {
		return known[0]
	}
	return of
}

// EvalMetric is XGBoost's default evaluation metric of the objective.
func (m Model) EvalMetric() string {
	name := goal.EvalMetric(m.Objective())
	switch {
	case name == "tweedie-nloglik":
		power := 1.5
		if v, ok := asNumber(m.Params["tweedie_variance_power"]); ok {
			power = v
		}
		return name + "@" + strconv.FormatFloat(power, 'g', -1, 64)
	case m.Goal() == goal.Ranking && m.Params["lambdarank_pair_method"] != "mean":
		pairs := int64(32)
		if v, ok := m.Params["lambdarank_num_pair_per_sample"].(int64); ok {
			pairs = v
		}
		return name + "@" + strconv.FormatInt(pairs, 10)
	}
	return name
}

// deriveGoal fills the defaults that are others when the goal is not binary.
func (d *decoder) deriveGoal(c *Config) {
	g := c.Goal()
	if g == goal.Binary {
		return
	}
	e := &c.Evaluation
	for _, f := range []struct {
		path  string
		value *string
		def   []string
	}{
		{"training.eval_metric", &c.Training.EvalMetric, []string{c.Model.EvalMetric()}},
		{"evaluation.champion.metric", &e.Champion.Metric, g.Compared()},
		{"evaluation.robustness.metric", &e.Robustness.Metric, g.Compared()},
		{"evaluation.fairness.metric", &e.Fairness.Metric, g.Disparities()},
	} {
		if !d.has(f.path) && len(f.def) > 0 {
			*f.value = f.def[0]
		}
	}
	if !d.has("evaluation.metrics") {
		e.Metrics = g.Metrics()
	}
	if !d.has("evaluation.data_quality.class_balance") {
		e.DataQuality.ClassBalance = [2]float64{0, 1}
		if g == goal.Multiclass {
			e.DataQuality.ClassBalance = [2]float64{0.01, 0.9}
		}
	}
	if !d.has("deployment.limits.accuracy") && !hasClasses(g) {
		c.Deployment.Limits.Accuracy = 0
	}
}

// hasClasses says whether an answer can be right or wrong.
func hasClasses(g goal.Goal) bool { return g == goal.Binary || g == goal.Multiclass }

// checkGoal refuses what does not go with what the model is for.
func (d *decoder) checkGoal(c *Config) {
	g := c.Goal()
	if g != goal.Binary && c.Data.Positive != "" {
		d.failAt("data.positive", "%q is of a binary target, and the objective %s is for %s; remove it", clip(c.Data.Positive), c.Model.Objective(), g)
	}
	d.checkQuery(c, g)
	if g == goal.Ranking && c.Data.Split.By != "" {
		d.failAt("data.split.by", "rows of one query stay together by data.qid, which parting them by %s could cut up; remove it", c.Data.Split.By)
	}
	if !hasClasses(g) {
		d.checkWithoutClasses(c, g)
	}
	e := &c.Evaluation
	d.checkMeasure("evaluation.champion.metric", e.Champion.Metric, g, g.Compared())
	d.checkMeasure("evaluation.robustness.metric", e.Robustness.Metric, g, g.Compared())
	if g != goal.Ranking {
		d.checkMeasure("evaluation.fairness.metric", e.Fairness.Metric, g, g.Disparities())
		return
	}
	if len(e.Fairness.ProtectedAttributes) > 0 || e.Fairness.Metric != "" {
		d.failAt("evaluation.fairness", "ranking is judged by whole queries, which hold rows of several groups, so no metric of a group alone is defined; remove fairness, and audit exposure outside")
	}
	if len(e.Slices) > 0 {
		d.failAt("evaluation.slices", "ranking is judged by whole queries, which a slice of rows would cut up; remove slices")
	}
}

// checkMeasure checks which metric a gate compares by; "" is the only one.
func (d *decoder) checkMeasure(path, value string, g goal.Goal, known []string) {
	if value != "" && !slices.Contains(known, value) {
		d.failAt(path, "%s", unknownFor("metric", value, g, known))
	}
}

// unknownFor says that a name is not one of a goal's.
func unknownFor(what, value string, g goal.Goal, known []string) string {
	text := fmt.Sprintf("unknown %s %q; %s", what, clip(value), suggest(value, known))
	for _, other := range []goal.Goal{goal.Binary, goal.Multiclass, goal.Regression, goal.Ranking} {
		if other != g && slices.Contains(other.Metrics(), value) {
			return fmt.Sprintf("%s is a metric of %s, and the model is for %s; use one of %s", value, other, g, strings.Join(known, ", "))
		}
	}
	return text
}

// checkQuery checks the column that says which query a row belongs to.
func (d *decoder) checkQuery(c *Config, g goal.Goal) {
	qid := c.Data.QID
	switch {
	case g == goal.Ranking && qid == "":
		d.failAt("data.qid", "missing; name the column that says which query a row belongs to, by which %s ranks", c.Model.Type)
	case g != goal.Ranking && qid != "":
		d.failAt("data.qid", "%q is of ranking, and %s with the objective %s is for %s; use XGBRanker, or remove it", clip(qid), c.Model.Type, c.Model.Objective(), g)
	case qid != "" && qid == c.Data.Target:
		d.failAt("data.qid", "%q is the target; name the column of the queries", clip(qid))
	case qid != "" && slices.Contains(c.Data.Features, qid):
		d.failAt("data.features["+itoa(slices.Index(c.Data.Features, qid))+"]", "%q is data.qid; a name of a query tells nothing about the next one", clip(qid))
	}
}

// checkWithoutClasses refuses what is about shares of right answers.
func (d *decoder) checkWithoutClasses(c *Config, g goal.Goal) {
	if v := c.Evaluation.DataQuality.ClassBalance; v != [2]float64{0, 1} {
		d.failAt("evaluation.data_quality.class_balance", "[%v, %v]: %s has no classes to balance; remove it", v[0], v[1], g)
	}
	if v := c.Deployment.Limits.Accuracy; v != 0 {
		d.failAt("deployment.limits.accuracy", "%v: %s gives numbers, none of which is simply right or wrong, so a rollout cannot count right answers; write 0 or remove it (error_rate and latency_p99 are judged)", v, g)
	}
	if t, err := ParseTrigger(c.Deployment.Rollback.Trigger); err == nil && t.Measure == "accuracy_drop" {
		d.failAt("deployment.rollback.trigger", "%q: %s has no accuracy; use error_rate or latency_p99", clip(c.Deployment.Rollback.Trigger), g)
	}
	const at = "deployment.analysis."
	for _, path := range []string{at + "margin.accuracy", at + "effect.accuracy"} {
		if d.has(path) && c.Deployment.Limits.Accuracy == 0 {
			d.failAt(path, "%s has no accuracy to compare; remove it", g)
		}
	}
}

// checkObjective checks that the estimator learns the objective.
func (d *decoder) checkObjective(m *Model) {
	value, given := m.Params["objective"].(string)
	if !given || !slices.Contains(goal.Estimators(), m.Type) {
		return
	}
	var known []string
	for _, g := range goal.OfEstimator(m.Type) {
		known = append(known, goal.Objectives(g)...)
	}
	if slices.Contains(known, value) {
		return
	}
	if m.Type == "XGBClassifier" {
		d.failAt("model.params.objective", "%q does not give a probability; use binary:logistic, or multi:softprob for three classes or more", clip(value))
		return
	}
	d.failAt("model.params.objective", "%q is not an objective of %s that can be judged; %s", clip(value), m.Type, suggest(value, known))
}

// checkGoalParam refuses parameters that XGBoost would pass over.
func (d *decoder) checkGoalParam(m *Model, name, path string) {
	g, objective := m.Goal(), m.Objective()
	of := func(ok bool, what string) {
		if !ok {
			d.failAt(path, "it is of %s, and the objective is %s; remove it", what, objective)
		}
	}
	switch name {
	case "scale_pos_weight":
		of(g == goal.Binary, "binary:logistic")
	case "tweedie_variance_power":
		of(objective == "reg:tweedie", "reg:tweedie")
	case "huber_slope":
		of(objective == "reg:pseudohubererror", "reg:pseudohubererror")
	case "ndcg_exp_gain":
		of(objective == "rank:ndcg", "rank:ndcg")
	}
	if strings.HasPrefix(name, "lambdarank_") {
		of(g == goal.Ranking, "ranking")
	}
}

// checkEvalMetric checks what stops training.
func (d *decoder) checkEvalMetric(c *Config) {
	const path = "training.eval_metric"
	g, name := c.Goal(), c.Training.EvalMetric
	base, at, cut := strings.Cut(name, "@")
	known := g.EvalMetrics()
	if !cut || !slices.Contains(known, base) {
		if base == "tweedie-nloglik" && g == goal.Regression {
			d.failAt(path, "%q does not say which variance power; write tweedie-nloglik@1.5", clip(name))
			return
		}
		d.among(path, name, known)
		return
	}
	number, err := strconv.ParseFloat(strings.TrimSuffix(at, "-"), 64)
	whole := number == math.Trunc(number) && number >= 1
	switch {
	case base == "error":
		if at == "" {
			d.among(path, name, known)
		}
	case err != nil:
		d.failAt(path, "%q has no number after the @", clip(name))
	case g == goal.Ranking && !whole:
		d.failAt(path, "%q: want a whole number, 1 or more, after the @", clip(name))
	case base == "tweedie-nloglik" && !(number >= 1 && number < 2):
		d.failAt(path, "%q: want a variance power from 1 to below 2 after the @", clip(name))
	case g != goal.Ranking && base != "tweedie-nloglik":
		d.failAt(path, "%q: %s takes no number", clip(name), base)
	}
}
