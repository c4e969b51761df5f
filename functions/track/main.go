// Command track copies what became of runs, versions and champions to the
// SageMaker Model Registry, and to an MLflow server where one is configured.
//
// It is called by EventBridge whenever a run ends, and every 15 minutes for all
// models ({}), which is how a tracker that was down is caught up and how a
// champion that moved between runs is seen. Nothing waits for it: it is no step
// of the lifecycle, so a tracker can neither delay nor fail a run.
package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"

	"github.com/sluice-ml/sluice/shared/aws/lambdafn"
	"github.com/sluice-ml/sluice/shared/aws/modelpackage"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/mlflow"
	"github.com/sluice-ml/sluice/shared/settings"
	"github.com/sluice-ml/sluice/shared/tracking"
)

// patience bounds one request to the MLflow server.
const patience = 20 * time.Second

func main() { lambdafn.Main(build) }

func build(ctx context.Context) (lambdafn.Handler[json.RawMessage, result], error) {
	env := settings.Env(os.LookupEnv)
	environment, bucket := env.Require(contract.EnvEnvironment), env.Require(contract.EnvStore)
	address := env.Optional(contract.EnvMLflowURI, "")
	if err := env.Err(); err != nil {
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fault.New(fault.Invalid, "read the AWS configuration", "%w", err)
	}
	store, err := s3store.FromEnvironment(ctx)
	if err != nil {
		return nil, err
	}
	outbox := func(name string, runs tracking.Runs, versions tracking.Versions) *tracking.Outbox {
		return &tracking.Outbox{Name: name, Store: store.Refs(bucket, ""), Files: files{store, bucket}, Bucket: bucket, Runs: runs, Versions: versions, Now: time.Now}
	}
	packages := modelpackage.Registry{Client: sagemaker.NewFromConfig(cfg), Environment: environment}
	h := handler{outbox: []*tracking.Outbox{outbox("sagemaker", nil, packages)}}
	h.folders = func(ctx context.Context) ([]string, error) { return store.Folders(ctx, bucket, "runs/") }
	if address != "" {
		server, err := mlflow.New(address, &http.Client{Timeout: patience})
		if err != nil {
			return nil, err
		}
		tracker := mlflow.Tracker{Server: server, Environment: environment}
		h.outbox = append(h.outbox, outbox("mlflow", tracker, tracker))
	}
	return h.handle, nil
}
