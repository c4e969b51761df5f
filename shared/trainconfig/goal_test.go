package trainconfig

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/goal"
)

const goalLeast = "experiment: {name: m}\n"

func TestGoalsHaveTheirOwnDefaults(t *testing.T) {
	for _, c := range []struct {
		data, params string
		goal         goal.Goal
		metric       string // training.eval_metric
		compared     string
		accuracy     float64
	}{
		{"{target: y}", "XGBClassifier", goal.Binary, "auc", "", 0.85},
		{"{target: y}", `XGBClassifier, params: {objective: "multi:softprob"}`, goal.Multiclass, "mlogloss", "auc_roc_ovr", 0.85},
		{"{target: y}", "XGBRegressor", goal.Regression, "rmse", "rmse", 0},
		{"{target: y}", `XGBRegressor, params: {objective: "reg:absoluteerror"}`, goal.Regression, "mae", "rmse", 0},
		{"{target: y}", `XGBRegressor, params: {objective: "reg:squaredlogerror"}`, goal.Regression, "rmsle", "rmse", 0},
		{"{target: y}", `XGBRegressor, params: {objective: "reg:pseudohubererror", huber_slope: 2}`, goal.Regression, "mphe", "rmse", 0},
		{"{target: y}", `XGBRegressor, params: {objective: "count:poisson"}`, goal.Regression, "poisson-nloglik", "rmse", 0},
		{"{target: y}", `XGBRegressor, params: {objective: "reg:gamma"}`, goal.Regression, "gamma-deviance", "rmse", 0},
		{"{target: y}", `XGBRegressor, params: {objective: "reg:tweedie"}`, goal.Regression, "tweedie-nloglik@1.5", "rmse", 0},
		{"{target: y}", `XGBRegressor, params: {objective: "reg:tweedie", tweedie_variance_power: 1.3}`, goal.Regression, "tweedie-nloglik@1.3", "rmse", 0},
		{"{target: y, qid: q}", "XGBRanker", goal.Ranking, "ndcg@32", "ndcg", 0},
		{"{target: y, qid: q}", `XGBRanker, params: {objective: "rank:map", lambdarank_pair_method: mean}`, goal.Ranking, "map", "ndcg", 0},
		{"{target: y, qid: q}", `XGBRanker, params: {objective: "rank:pairwise", lambdarank_num_pair_per_sample: 5}`, goal.Ranking, "ndcg@5", "ndcg", 0},
	} {
		text := goalLeast + "data: " + c.data + "\nmodel: {type: " + c.params + "}\n"
		config := mustParse(t, text)
		require.Equal(t, c.goal, config.Goal(), text)
		require.Equal(t, c.metric, config.Training.EvalMetric, text)
		require.Equal(t, c.compared, config.Evaluation.Champion.Metric, text)
		require.Equal(t, c.compared, config.Evaluation.Robustness.Metric, text)
		require.Equal(t, c.goal.Metrics(), config.Evaluation.Metrics, text)
		require.InDelta(t, c.accuracy, config.Deployment.Limits.Accuracy, 0)
		again, err := Parse("canonical.json", config.Canonical())
		require.NoError(t, err, "what is written out is read again: %s", config.Canonical())
		require.Equal(t, config, again)
	}
}

func TestWhatDoesNotGoWithTheGoalIsRefused(t *testing.T) {
	regression := goalLeast + "data: {target: y}\nmodel: {type: XGBRegressor}\n"
	multiclass := goalLeast + "data: {target: y}\nmodel: {type: XGBClassifier, params: {objective: \"multi:softprob\"}}\n"
	ranking := goalLeast + "data: {target: y, qid: q}\nmodel: {type: XGBRanker}\n"
	for _, c := range []struct{ text, want string }{
		{regression + "evaluation: {thresholds: {auc_roc: 0.9}}\n", "train.yaml:4:36: evaluation.thresholds.auc_roc: auc_roc is a metric of binary, and the model is for regression; use one of rmse, mae"},
		{regression + "evaluation: {metrics: [accuracy]}\n", "accuracy is a metric of binary, and the model is for regression"},
		{regression + "evaluation: {thresholds: {r2: 1.5}}\n", "1.5 is more than 1"},
		{regression + "evaluation: {thresholds: {rmse: -1}}\n", "-1 is less than 0"},
		{regression + "evaluation: {data_quality: {class_balance: [0.2, 0.8]}}\n", "regression has no classes to balance; remove it"},
		{regression + "deployment: {limits: {accuracy: 0.9}}\n", "a rollout cannot count right answers; write 0 or remove it"},
		{regression + "deployment: {rollback: {trigger: accuracy_drop > 5%}}\n", "regression has no accuracy; use error_rate or latency_p99"},
		{regression + "deployment: {analysis: {mode: sequential, margin: {accuracy: 0.1}}}\n", "regression has no accuracy to compare"},
		{regression + "evaluation: {champion: {metric: auc_roc_ovr}}\n", "auc_roc_ovr is a metric of multiclass, and the model is for regression"},
		{regression + "evaluation: {fairness: {metric: auc_roc}}\n", "auc_roc is a metric of binary"},
		{regression + "training: {eval_metric: auc}\n", `training.eval_metric: unknown value "auc"`},
		{regression + "training: {eval_metric: tweedie-nloglik}\n", "write tweedie-nloglik@1.5"},
		{regression + "training: {eval_metric: \"tweedie-nloglik@3\"}\n", "want a variance power"},
		{regression + "training: {eval_metric: \"rmse@3\"}\n", "rmse takes no number"},
		{multiclass + "evaluation: {thresholds: {recall: 0.9}}\n", "recall is a metric of binary, and the model is for multiclass"},
		{multiclass + "evaluation: {fairness: {metric: mae}}\n", "mae is a metric of regression"},
		{ranking + "evaluation: {fairness: {protected_attributes: [sex]}}\n", "ranking is judged by whole queries"},
		{ranking + "evaluation: {slices: [{by: [sex]}]}\n", "ranking is judged by whole queries, which a slice of rows would cut up"},
		{ranking + "evaluation: {thresholds: {ndcg@7: 0.9}}\n", `unknown metric "ndcg@7"; did you mean "ndcg@`},
		{ranking + "training: {eval_metric: \"ndcg@x\"}\n", "has no number after the @"},
		{ranking + "training: {eval_metric: \"ndcg@1.5\"}\n", "want a whole number"},
		{goalLeast + "data: {target: y}\nmodel: {type: XGBRanker}\n", "data.qid: missing; name the column that says which query a row belongs to"},
		{goalLeast + "data: {target: y, qid: q}\n", `data.qid: "q" is of ranking, and XGBClassifier with the objective binary:logistic is for binary`},
		{goalLeast + "data: {target: y, qid: y}\nmodel: {type: XGBRanker}\n", `"y" is the target`},
		{goalLeast + "data: {target: y, qid: q, features: [a, q]}\nmodel: {type: XGBRanker}\n", `data.features[1]: "q" is data.qid`},
		{goalLeast + "data: {target: y, positive: a}\nmodel: {type: XGBRegressor}\n", `data.positive: "a" is of a binary target`},
		{goalLeast + "data: {target: y}\nmodel: {type: XGBRegressor, params: {objective: \"reg:quantileerror\"}}\n", `"reg:quantileerror" is not an objective of XGBRegressor that can be judged`},
		{goalLeast + "data: {target: y}\nmodel: {type: XGBClassifier, params: {objective: \"multi:softmax\"}}\n", "does not give a probability; use binary:logistic, or multi:softprob for three classes or more"},
		{goalLeast + "data: {target: y}\nmodel: {type: XGBRegressor, params: {scale_pos_weight: 2}}\n", "it is of binary:logistic, and the objective is reg:squarederror; remove it"},
		{goalLeast + "data: {target: y}\nmodel: {type: XGBRegressor, params: {tweedie_variance_power: 1.2}}\n", "it is of reg:tweedie"},
		{goalLeast + "data: {target: y}\nmodel: {type: XGBRegressor, params: {objective: \"reg:tweedie\", tweedie_variance_power: 2.5}}\n", "2.5 is not between 1 and 2"},
		{goalLeast + "data: {target: y}\nmodel: {type: XGBRegressor, params: {objective: \"reg:gamma\", base_score: -1}}\n", "-1 is not above 0"},
		{goalLeast + "data: {target: y}\nmodel: {type: XGBRegressor, params: {lambdarank_pair_method: topk}}\n", "it is of ranking"},
		{goalLeast + "data: {target: y, qid: q}\nmodel: {type: XGBRanker, params: {lambdarank_pair_method: top}}\n", `did you mean "topk"`},
		{goalLeast + "data: {target: y}\nmodel: {type: XGBClassifier, params: {num_class: 3}}\n", "set data.target: its values are the classes"},
		{goalLeast + "data: {target: y}\nmodel: {type: XGBRFClassifier}\n", "use XGBClassifier with params num_parallel_tree: 100"},
	} {
		_, err := Parse("train.yaml", []byte(c.text))
		require.Error(t, err, c.text)
		require.True(t, fault.Is(err, fault.Invalid))
		require.Contains(t, err.Error(), c.want, c.text)
		require.Contains(t, err.Error(), "train.yaml:", c.text)
		require.False(t, strings.Contains(err.Error(), "%!"), err)
	}
	mustParse(t, regression+"training: {eval_metric: \"tweedie-nloglik@1.7\"}\ndeployment: {limits: {accuracy: 0}}\nevaluation: {thresholds: {r2: -0.5, rmse: 1000}}\n")
	mustParse(t, ranking+"training: {eval_metric: \"map@10-\"}\nevaluation: {thresholds: {map@10: 0.5}}\n")
	for _, of := range []string{"XGBRegressor", "XGBClassifier, params: {objective: \"multi:softprob\"}"} {
		mustParse(t, goalLeast+"data: {target: y, weight: w}\nmodel: {type: "+of+"}\n")
	}
	mustParse(t, goalLeast+"data: {target: y, qid: q, weight: w}\nmodel: {type: XGBRanker}\n")
}
