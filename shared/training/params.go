package training

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/trainconfig"
	"github.com/sluice-ml/sluice/shared/xgboost"
)

// defaultRounds is XGBoost's own n_estimators.
const defaultRounds = 100

// params is a model block in XGBoost's native terms.
type params struct {
	rounds  int // n_estimators: the most rounds that are trained
	threads int
	native  []xgboost.Param // sorted by name, threads and seed among them
	metric  string          // the evaluation metric, by XGBoost's name
}

// natives are the parameters that pass to XGBoost as they are.
var natives = strings.Fields(`eta gamma max_depth max_leaves max_bin min_child_weight max_delta_step subsample
	colsample_bytree colsample_bylevel colsample_bynode alpha lambda scale_pos_weight base_score grow_policy booster
	tree_method sampling_method device num_parallel_tree max_cat_to_onehot max_cat_threshold max_cached_hist_node
	sample_type normalize_type rate_drop skip_drop one_drop refresh_leaf verbosity seed nthread updater objective
	validate_parameters tweedie_variance_power huber_slope lambdarank_pair_method lambdarank_num_pair_per_sample
	lambdarank_unbiased lambdarank_bias_norm lambdarank_normalization lambdarank_score_normalization ndcg_exp_gain`)

// sklearn maps the scikit-learn spelling of a parameter to the native one.
func sklearn(name string) string {
	switch name {
	case "learning_rate":
		return "eta"
	case "reg_alpha":
		return "alpha"
	case "reg_lambda":
		return "lambda"
	case "min_split_loss":
		return "gamma"
	case "n_jobs":
		return "nthread"
	case "random_state":
		return "seed"
	}
	return name
}

// nativeParams translates a model block. features are the names that
// constraints may use; cpus is the number of threads when none is configured.
func nativeParams(c *trainconfig.Config, features []string, seed int64, cpus int) (*params, error) {
	if !slices.Contains(goal.Estimators(), c.Model.Type) {
		return nil, fault.New(fault.Invalid, "read model.type", "%q is not supported: the reference trainer has %q", c.Model.Type, goal.Estimators()).
			WithHint("use one of them")
	}
	values := map[string]string{
		"objective": c.Model.Objective(),
		"seed":      strconv.FormatInt(seed, 10),
		"nthread":   strconv.Itoa(cpus),
		// Each round draws from the seed and its own number, so what a round
		// does never depends on how many came before it in this process.
		"seed_per_iteration": "1",
	}
	p := &params{rounds: defaultRounds, metric: metric(c.Training.EvalMetric)}
	for _, name := range slices.Sorted(maps.Keys(c.Model.Params)) {
		if err := p.set(values, name, c.Model.Params[name], features); err != nil {
			return nil, fault.New(fault.Invalid, "read model.params."+name, "%w", err).WithHint("correct or remove it")
		}
	}
	var err error
	if p.threads, err = strconv.Atoi(values["nthread"]); err != nil || p.threads < 1 {
		p.threads = cpus
		values["nthread"] = strconv.Itoa(cpus)
	}
	values["eval_metric"] = p.metric
	for _, name := range slices.Sorted(maps.Keys(values)) {
		p.native = append(p.native, xgboost.Param{Name: name, Value: values[name]})
	}
	return p, nil
}

func (p *params) set(values map[string]string, name string, value any, features []string) error {
	native := sklearn(name)
	switch {
	case native == "n_estimators":
		rounds, err := strconv.Atoi(text(value))
		if err != nil || rounds < 1 {
			return fmt.Errorf("it is %v: want a whole number, 1 or more", value)
		}
		p.rounds = rounds
	case native == "importance_type":
		// It only says how importances are shown.
	case native == "enable_categorical" && value == true:
		// Text columns are always categorical here.
	case native == "monotone_constraints" || native == "interaction_constraints":
		constraint, err := constraints(native, value, features)
		if err != nil {
			return err
		}
		values[native] = constraint
	case slices.Contains(natives, native):
		values[native] = text(value)
	default:
		return fmt.Errorf("the reference trainer does not support %s = %v", name, value)
	}
	return nil
}

// text writes a scalar as XGBoost reads it.
func text(value any) string {
	switch v := value.(type) {
	case bool:
		if v {
			return "1"
		}
		return "0"
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return fmt.Sprint(value)
}

// constraints writes monotone_constraints ({feature: -1|0|1} or a list in the
// features' order) as "(1,0,-1)", and interaction_constraints (lists of
// features) as lists of positions. Text passes as it is.
func constraints(name string, value any, features []string) (string, error) {
	if raw, ok := value.(string); ok {
		return raw, nil
	}
	data, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	if name == "interaction_constraints" {
		return interactions(data, features)
	}
	signs := make([]int, len(features))
	byName := map[string]int{}
	if json.Unmarshal(data, &byName) == nil {
		for feature, sign := range byName {
			at := slices.Index(features, feature)
			if at < 0 {
				return "", fmt.Errorf("there is no feature %q", feature)
			}
			signs[at] = sign
		}
	} else if err := json.Unmarshal(data, &signs); err != nil || len(signs) != len(features) {
		return "", fmt.Errorf("want -1, 0 or 1 for each of %d features, or a map from feature to one of them", len(features))
	}
	return "(" + strings.Trim(strings.Join(strings.Fields(fmt.Sprint(signs)), ","), "[]") + ")", nil
}

func interactions(data []byte, features []string) (string, error) {
	var groups [][]string
	if err := json.Unmarshal(data, &groups); err != nil {
		return "", fmt.Errorf("want a list of lists of features")
	}
	positions := make([][]int, len(groups))
	for i, group := range groups {
		positions[i] = []int{}
		for _, feature := range group {
			at := slices.Index(features, feature)
			if at < 0 {
				return "", fmt.Errorf("there is no feature %q", feature)
			}
			positions[i] = append(positions[i], at)
		}
	}
	out, err := json.Marshal(positions)
	return string(out), err
}

// metric is XGBoost's name of an evaluation metric.
func metric(name string) string {
	switch name {
	case "auc_roc":
		return "auc"
	case "pr_auc":
		return "aucpr"
	case "log_loss":
		return "logloss"
	}
	return name
}

// useClasses tells XGBoost how many classes there are.
func (p *params) useClasses(classes int) {
	p.native = append(p.native, xgboost.Param{Name: "num_class", Value: strconv.Itoa(classes)})
	slices.SortFunc(p.native, func(a, b xgboost.Param) int { return strings.Compare(a.Name, b.Name) })
}

// grows says that a round adds trees and changes nothing of the rounds before it,
// so that the first rounds of a long training are a short training: not where
// DART weighs old trees again, where an updater may prune or refresh them, nor
// where a ranking keeps what it learned of positions beside the trees.
func (p *params) grows() bool {
	for _, param := range p.native {
		switch param.Name {
		case "booster":
			if param.Value != "gbtree" {
				return false
			}
		case "updater":
			return false
		case "lambdarank_unbiased":
			if param.Value != "0" && param.Value != "false" {
				return false
			}
		}
	}
	return true
}

// useThreads replaces the number of threads.
func (p *params) useThreads(threads int) {
	p.threads = threads
	for i := range p.native {
		if p.native[i].Name == "nthread" {
			p.native[i].Value = strconv.Itoa(threads)
		}
	}
}
