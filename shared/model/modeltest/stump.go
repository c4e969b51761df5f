// Package modeltest makes small artefacts for tests.
package modeltest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/model"
)

// Stump packs a model of one tree over age (numeric) and sex (Female, Male):
// under 30 the margin is low, from 30 it is high, and men score higher than
// women from 30 on.
func Stump(t testing.TB) []byte {
	t.Helper()
	archive, err := model.Pack(Schema(t), Trees(2))
	require.NoError(t, err)
	return archive
}

// Schema is Stump's.
func Schema(t testing.TB) *model.Schema {
	t.Helper()
	schema := &model.Schema{
		Format: model.SchemaFormat, Model: "stump", Target: "income", Positive: ">50K", Objective: "binary:logistic",
		Features: []model.Feature{
			{Name: "age", Kind: model.Numeric, Mean: 40, StdDev: 10},
			{Name: "sex", Kind: model.Categorical, Categories: []string{"Female", "Male"}},
		},
		Versions: model.Versions{XGBoost: "3.2.0"},
	}
	require.NoError(t, schema.Prepare())
	return schema
}

// Trees is a model file of one tree over so many features: -1 where feature 0
// is below 30 or missing, else 1, or 2 for category 1 of feature 1.
func Trees(features int) []byte {
	return fmt.Appendf(nil, `{"learner":{"feature_names":[],"feature_types":[],
"gradient_booster":{"name":"gbtree","model":{"tree_info":[0],"trees":[{
"left_children":[1,-1,3,-1,-1],"right_children":[2,-1,4,-1,-1],"split_indices":[0,0,1,0,0],
"split_conditions":[30,-1,0,1,2],"default_left":[1,0,1,0,0],"split_type":[0,0,1,0,0],
"categories":[1],"categories_nodes":[2],"categories_segments":[0],"categories_sizes":[1],
"tree_param":{"size_leaf_vector":"1"}}]}},
"learner_model_param":{"base_score":"[5E-1]","num_class":"0","num_feature":"%d","num_target":"1"},
"objective":{"name":"binary:logistic"}},"version":[3,2,0]}`, features)
}
