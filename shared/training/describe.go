package training

import (
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/split"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Describe is the schema of a model that an image of its own trains and serves:
// the same features, categories, means and deviations that the reference trainer
// would write. The error is of kind Invalid when configuration or data are wrong.
func Describe(plan contract.Plan, config *trainconfig.Config, set *rows.Set) (*model.Schema, error) {
	which := set.On(split.Train)
	if _, err := classes(set, which); err != nil {
		return nil, err
	}
	list, err := features(set, config.Data, which)
	if err != nil {
		return nil, err
	}
	schema := &model.Schema{
		Format: model.SchemaFormat, Model: plan.Model, Features: list, Target: config.Data.Target, Positive: set.Positive,
		Objective: "binary:logistic", TrainRows: len(which), Commit: plan.Dataset.Commit, PlanHash: plan.Hash, Program: model.ProgramImage,
	}
	if err := schema.Prepare(); err != nil {
		return nil, fault.Wrap(fault.Invalid, "describe the model", err)
	}
	return schema, nil
}
