package trainconfig

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

func itoa(i int) string { return strconv.Itoa(i) }

// paramKinds are XGBoost's parameter names (3.x, and those of 1.7 that remain)
// with the form of their values: i whole number, n number, b true or false,
// s text, x anything. Sources: the XGBoost pages "XGBoost Parameters" and
// "Python API Reference".
func paramKinds() map[string]string {
	kinds := map[string]string{}
	for kind, names := range map[string]string{
		"i": `n_estimators max_depth max_leaves max_bin n_jobs nthread num_parallel_tree random_state seed
			verbosity max_cat_to_onehot max_cat_threshold max_cached_hist_node lambdarank_num_pair_per_sample`,
		"n": `learning_rate eta gamma min_split_loss min_child_weight max_delta_step subsample
			colsample_bytree colsample_bylevel colsample_bynode reg_alpha alpha reg_lambda lambda
			scale_pos_weight base_score missing rate_drop skip_drop sketch_ratio
			tweedie_variance_power huber_slope lambdarank_bias_norm`,
		"s": `grow_policy booster tree_method sampling_method device objective importance_type
			multi_strategy sample_type normalize_type predictor updater process_type lambdarank_pair_method`,
		"b": `enable_categorical validate_parameters one_drop refresh_leaf use_rmm seed_per_iteration
			ndcg_exp_gain lambdarank_unbiased lambdarank_normalization lambdarank_score_normalization`,
		"x": `monotone_constraints interaction_constraints feature_types feature_weights`,
	} {
		for _, name := range strings.Fields(names) {
			kinds[name] = kind
		}
	}
	return kinds
}

// Params are the parameter names that model.params can hold: those of
// XGBoost's scikit-learn estimators and the native ones.
func Params() []string { return slices.Sorted(maps.Keys(paramKinds())) }

// nativeNames maps the scikit-learn spelling to the native one.
func nativeNames() map[string]string {
	return map[string]string{
		"learning_rate": "eta", "reg_alpha": "alpha", "reg_lambda": "lambda", "gamma": "min_split_loss",
		"n_jobs": "nthread", "random_state": "seed",
	}
}

func (d *decoder) checkModel(m *Model) {
	if m.Type == TypeImage {
		return // its parameters are the image's own business
	}
	if boosted, isForest := strings.CutPrefix(m.Type, "XGBRF"); isForest && slices.Contains([]string{"Classifier", "Regressor"}, boosted) {
		d.failAt("model.type", "%s is not supported; use XGB%s with params num_parallel_tree: 100, n_estimators: 1, learning_rate: 1, subsample: 0.8, colsample_bynode: 0.8", m.Type, boosted)
	} else {
		d.among("model.type", m.Type, append(Estimators(), TypeImage))
	}
	d.checkObjective(m)
	kinds := paramKinds()
	for _, name := range slices.Sorted(maps.Keys(m.Params)) {
		d.checkParam(m, name, kinds)
	}
}

func (d *decoder) checkParam(m *Model, name string, kinds map[string]string) {
	path := "model.params." + clip(name)
	kind, known := kinds[name]
	if !known {
		if hint := elsewhere(name); hint != "" {
			d.failAt(path, "not a model parameter here; set %s", hint)
			return
		}
		d.failAt(path, "unknown parameter %q; %s", clip(name), suggest(name, Params()))
		return
	}
	if native := nativeNames()[name]; native != "" {
		if _, both := m.Params[native]; both {
			d.failAt(path, "%s and %s are the same parameter; give one", name, native)
		}
	}
	d.checkParamValue(m, path, name, kind)
	if slices.Contains(Estimators(), m.Type) {
		d.checkGoalParam(m, name, path)
	}
}

// elsewhere names the key to use for parameters of XGBoost's Python functions
// that have their own place in train.yaml.
func elsewhere(name string) string {
	return map[string]string{
		"eval_metric": "training.eval_metric", "early_stopping_rounds": "training.early_stopping_rounds",
		"num_boost_round": "n_estimators", "verbose": "training.verbose", "verbose_eval": "training.verbose",
		"nfold": "training.folds", "qid": "data.qid", "group": "data.qid",
		"num_class": "data.target: its values are the classes",
	}[name]
}

func (d *decoder) checkParamValue(m *Model, path, name, kind string) {
	value := m.Params[name]
	number, isNumber := asNumber(value)
	_, isInt := value.(int64)
	_, isText := value.(string)
	_, isBool := value.(bool)
	switch {
	case kind == "i" && !isInt:
		d.failAt(path, "%v is not a whole number", value)
	case kind == "n" && !isNumber:
		d.failAt(path, "%v is not a number", value)
	case kind == "s" && !isText:
		d.failAt(path, "%v is not text", value)
	case kind == "b" && !isBool:
		d.failAt(path, "%v is not true or false", value)
	case isNumber:
		d.checkParamRange(m, path, name, number)
	case name == "lambdarank_pair_method":
		d.among(path, value.(string), []string{"topk", "mean"})
	case name == "booster" && value != "gbtree" && value != "dart":
		d.among(path, value.(string), []string{"gbtree", "dart"})
	}
}

func asNumber(value any) (float64, bool) {
	switch v := value.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

func (d *decoder) checkParamRange(m *Model, path, name string, value float64) {
	switch name {
	case "subsample", "colsample_bytree", "colsample_bylevel", "colsample_bynode":
		if !(value > 0 && value <= 1) {
			d.failAt(path, "%v is not above 0 and at most 1", value)
		}
	case "learning_rate", "eta", "rate_drop", "skip_drop":
		d.within(path, value, 0, 1)
	case "base_score":
		d.checkBaseScore(m, path, value)
	case "tweedie_variance_power":
		if !(value > 1 && value < 2) {
			d.failAt(path, "%v is not between 1 and 2", value)
		}
	case "huber_slope":
		if !(value > 0) {
			d.failAt(path, "%v is not above 0", value)
		}
	case "n_estimators", "num_parallel_tree", "lambdarank_num_pair_per_sample":
		d.within(path, value, 1, 100000)
	case "max_bin":
		d.atLeast(path, value, 2)
	case "max_depth":
		d.within(path, value, 0, 64)
	case "n_jobs", "nthread", "missing", "seed", "random_state", "verbosity":
		// XGBoost gives negative values a meaning of their own.
	default:
		d.atLeast(path, value, 0)
	}
}

// checkBaseScore checks the score that boosting starts from.
func (d *decoder) checkBaseScore(m *Model, path string, value float64) {
	switch m.Objective() {
	case "binary:logistic":
		if !(value > 0 && value < 1) {
			d.failAt(path, "%v is not between 0 and 1", value)
		}
	case "count:poisson", "reg:gamma", "reg:tweedie":
		if !(value > 0) {
			d.failAt(path, "%v is not above 0, as the predictions of %s are", value, m.Objective())
		}
	}
}
