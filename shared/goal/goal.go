// Package goal names what a model is for, from which everything else follows:
// what a label and a score are, which metrics there are, and which way they
// improve.
//
//   - binary: a row is positive or not; the score is the probability that it is.
//   - multiclass: a row is of one of several classes; the model gives each its
//     probability.
//   - regression: a label is a number, and so is the score.
//   - ranking: rows belong to queries; a label says how relevant the row is to
//     its query, and a higher score puts the row further up.
package goal

import (
	"math"
	"slices"
	"strings"
)

// Goal is what a model is for. The zero value is Binary.
type Goal int

const (
	Binary Goal = iota
	Multiclass
	Regression
	Ranking
)

// String is "binary", "multiclass", "regression" or "ranking".
func (g Goal) String() string {
	return [...]string{"binary", "multiclass", "regression", "ranking"}[g]
}

// objective is one that the reference trainer learns, with the metric that
// XGBoost evaluates it by when nothing else is said.
type objective struct {
	name   string
	goal   Goal
	metric string
}

// objectives are in the order they are suggested; the first of a goal is its
// default. Source of the metrics: the DefaultEvalMetric of each in XGBoost 3.
func objectives() []objective {
	return []objective{
		{"binary:logistic", Binary, "logloss"},
		{"multi:softprob", Multiclass, "mlogloss"},
		{"reg:squarederror", Regression, "rmse"},
		{"reg:absoluteerror", Regression, "mae"},
		{"reg:squaredlogerror", Regression, "rmsle"},
		{"reg:pseudohubererror", Regression, "mphe"},
		{"count:poisson", Regression, "poisson-nloglik"},
		{"reg:gamma", Regression, "gamma-deviance"},
		{"reg:tweedie", Regression, "tweedie-nloglik"},
		{"rank:ndcg", Ranking, "ndcg"},
		{"rank:pairwise", Ranking, "ndcg"},
		{"rank:map", Ranking, "map"},
	}
}

// Objectives are XGBoost's names of what can be learned towards a goal, the
// default first.
func Objectives(g Goal) []string {
	var names []string
	for _, o := range objectives() {
		if o.goal == g {
			names = append(names, o.name)
		}
	}
	return names
}

// OfObjective is the goal of an objective by XGBoost's name for it, also of those
// that only other trainers learn; what is unknown is Binary, whose models give
// one score a row.
func OfObjective(name string) Goal {
	for _, o := range objectives() {
		if o.name == name {
			return o.goal
		}
	}
	family, _, _ := strings.Cut(name, ":")
	switch {
	case family == "multi":
		return Multiclass
	case family == "rank":
		return Ranking
	case (family == "reg" || family == "count") && name != "reg:logistic":
		return Regression
	}
	return Binary
}

// EvalMetric is the metric that XGBoost evaluates an objective by when nothing
// else is said; "" for one that is not known.
func EvalMetric(name string) string {
	for _, o := range objectives() {
		if o.name == name {
			return o.metric
		}
	}
	return ""
}

// Estimators are XGBoost's estimators that can be trained and judged.
func Estimators() []string { return []string{"XGBClassifier", "XGBRegressor", "XGBRanker"} }

// OfEstimator are the goals that an estimator learns towards, its default first.
func OfEstimator(name string) []Goal {
	switch name {
	case "XGBRegressor":
		return []Goal{Regression}
	case "XGBRanker":
		return []Goal{Ranking}
	}
	return []Goal{Binary, Multiclass}
}

// Metrics are the names of every metric that can be computed and given a
// threshold, in the order they are shown.
func (g Goal) Metrics() []string {
	switch g {
	case Multiclass:
		return []string{"accuracy", "balanced_accuracy", "precision_macro", "f1_macro", "f1_weighted", "auc_roc_ovr", "log_loss"}
	case Regression:
		return []string{"rmse", "mae", "mse", "median_absolute_error", "mape", "rmsle", "r2", "explained_variance"}
	case Ranking:
		return []string{"ndcg", "ndcg@3", "ndcg@5", "ndcg@10", "ndcg@20", "map", "map@3", "map@5", "map@10", "map@20"}
	}
	return []string{"auc_roc", "pr_auc", "precision", "recall", "f1_score", "accuracy", "log_loss", "brier"}
}

// AllMetrics are the metrics of all goals.
func AllMetrics() []string {
	var all []string
	for _, g := range []Goal{Binary, Multiclass, Regression, Ranking} {
		for _, name := range g.Metrics() {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}

// LowerIsBetter says whether a metric is a loss or an error.
func LowerIsBetter(metric string) bool {
	switch metric {
	case "log_loss", "brier", "rmse", "mae", "mse", "median_absolute_error", "mape", "rmsle":
		return true
	}
	return false
}

// Bounds are the least and the greatest value that a metric can have; infinite
// where there is none.
func Bounds(metric string) (low, high float64) {
	switch metric {
	case "brier":
		return 0, 1
	case "r2", "explained_variance":
		return math.Inf(-1), 1
	}
	if LowerIsBetter(metric) {
		return 0, math.Inf(1)
	}
	return 0, 1
}

// Compared are the metrics by which two scorings of the same rows can be
// compared, the default first.
func (g Goal) Compared() []string {
	switch g {
	case Multiclass:
		return []string{"auc_roc_ovr", "accuracy", "balanced_accuracy", "f1_macro", "f1_weighted", "log_loss"}
	case Regression:
		return []string{"rmse", "mae", "mse", "rmsle", "mape", "r2"}
	case Ranking:
		return g.Metrics()
	}
	return []string{"auc_roc"}
}

// Disparities are the measures by which groups of rows can be told to be treated
// differently, the default first; none for ranking.
func (g Goal) Disparities() []string {
	switch g {
	case Multiclass:
		return []string{"recall", "accuracy"}
	case Regression:
		return []string{"mean_residual", "mae"}
	case Ranking:
		return nil
	}
	return []string{"auc_roc"}
}

// EvalMetrics are the metrics, by XGBoost's names, that can stop training.
func (g Goal) EvalMetrics() []string {
	switch g {
	case Multiclass:
		return []string{"mlogloss", "merror", "auc"}
	case Regression:
		return []string{"rmse", "rmsle", "mae", "mape", "mphe", "poisson-nloglik", "gamma-nloglik", "gamma-deviance", "tweedie-nloglik"}
	case Ranking:
		return []string{"ndcg", "map", "pre"}
	}
	return []string{"auc", "aucpr", "logloss", "error", "rmse", "mae"}
}

// EvalHigherIsBetter says which way an evaluation metric improves, by XGBoost's
// name of it.
func EvalHigherIsBetter(metric string) bool {
	name, _, _ := strings.Cut(metric, "@")
	switch strings.TrimSuffix(name, "-") {
	case "auc", "aucpr", "ndcg", "map", "pre":
		return true
	}
	return false
}
