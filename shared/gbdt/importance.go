package gbdt

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Importance is what the splits on one feature did in a whole model.
type Importance struct {
	Feature int // its place in a row
	Splits  int64
	// Gain is the sum of how much each split lowered the training loss, which
	// XGBoost calls total_gain.
	Gain float64
}

// splitFile is what importance needs of a model file, and prediction does not.
type splitFile struct {
	Learner struct {
		Booster splitBooster `json:"gradient_booster"`
		Param   learnerParam `json:"learner_model_param"`
	} `json:"learner"`
}

type splitBooster struct {
	Model struct {
		Trees []splitTree `json:"trees"`
	} `json:"model"`
	GBTree *splitBooster `json:"gbtree"`
}

type splitTree struct {
	LeftChildren []int32 `json:"left_children"`
	SplitIndices []int32 `json:"split_indices"`
	LossChanges  floats  `json:"loss_changes"`
}

// Importances sums up the splits of a model file, JSON or UBJSON, by feature, as
// XGBoost's get_score does: one entry for every feature of a row. Nil for a model
// without trees (gblinear). A retry cannot help an error.
func Importances(data []byte) ([]Importance, error) {
	if _, err := Load(data); err != nil {
		return nil, err
	}
	f := new(splitFile)
	if len(data) > 1 && data[0] == '{' && data[1] != '"' && data[1] != ' ' && data[1] != '\n' && data[1] != '\r' && data[1] != '\t' && data[1] != '}' {
		if err := decodeUBJSON(data, f); err != nil {
			return nil, fmt.Errorf("read XGBoost model: %w", err)
		}
	} else if err := json.Unmarshal(quoteSpecials(data), f); err != nil {
		return nil, fmt.Errorf("read XGBoost model: JSON: %w", err)
	}
	features, err := strconv.Atoi(f.Learner.Param.NumFeature)
	if err != nil {
		return nil, fmt.Errorf("read XGBoost model: num_feature is %q", clip(f.Learner.Param.NumFeature))
	}
	trees := f.Learner.Booster.Model.Trees
	if f.Learner.Booster.GBTree != nil {
		trees = f.Learner.Booster.GBTree.Model.Trees
	}
	if len(trees) == 0 {
		return nil, nil
	}
	out := make([]Importance, features)
	for i := range out {
		out[i].Feature = i
	}
	for t, tree := range trees {
		if err := tree.add(out); err != nil {
			return nil, fmt.Errorf("read XGBoost model: tree %d: %w", t, err)
		}
	}
	return out, nil
}

// add counts one tree's inner nodes.
func (t *splitTree) add(out []Importance) error {
	if len(t.LossChanges) != len(t.LeftChildren) || len(t.SplitIndices) != len(t.LeftChildren) {
		return fmt.Errorf("%d nodes have %d loss_changes and %d split_indices", len(t.LeftChildren), len(t.LossChanges), len(t.SplitIndices))
	}
	for i, left := range t.LeftChildren {
		if left < 0 {
			continue
		}
		feature := int(t.SplitIndices[i])
		if feature < 0 || feature >= len(out) {
			return fmt.Errorf("node %d splits feature %d of %d", i, feature, len(out))
		}
		out[feature].Splits++
		out[feature].Gain += float64(t.LossChanges[i])
	}
	return nil
}
