package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/launch"
	"github.com/sluice-ml/sluice/shared/trainconfig"
	"github.com/sluice-ml/sluice/shared/training"
	"github.com/sluice-ml/sluice/shared/xgboost"
)

// standalone trains from the files of the trainer contract.
func standalone(ctx context.Context) error {
	library, err := xgboost.Open()
	if err != nil {
		return fault.New(fault.Internal, "start", "%w", err)
	}
	inputs, err := launch.Inputs(os.LookupEnv)
	if err != nil {
		return err
	}
	job, set, err := inputs.Read(ctx)
	if err != nil {
		return err
	}
	config, err := asEstimator(job.Config)
	if err != nil {
		return err
	}
	fmt.Printf("run %s of model %s, XGBoost %s\n", job.Run, job.Model, library.Version())
	trainer := training.Trainer{Library: library, Store: inputs, CPUs: job.CPUs, Out: os.Stdout, Last: true}
	return trainer.Train(ctx, job.Plan(), config, set)
}

// asEstimator is the job's configuration with the type that this trainer is,
// where it says that an image trains: its parameters are then XGBoost's.
func asEstimator(text []byte) (*trainconfig.Config, error) {
	var loose map[string]any
	if err := json.Unmarshal(text, &loose); err != nil {
		return nil, fault.New(fault.Invalid, "read the job's configuration", "%w", err)
	}
	if block, ok := loose["model"].(map[string]any); ok && block["type"] == trainconfig.TypeImage {
		block["type"] = trainconfig.Estimators()[0]
	}
	text, err := json.Marshal(loose)
	if err != nil {
		return nil, fault.New(fault.Internal, "read the job's configuration", "%w", err)
	}
	return trainconfig.Parse(launch.EnvJob, text)
}
