// Command monitor watches what endpoints are asked: it joins captured
// predictions with labels into accuracy, and measures how far the inputs have
// moved from what the champion learned from; too far asks for a new run.
//
// It is called by the monitor state machine ({"operation": "models"}, then
// {"operation": "monitor", "model": …} for each), by EventBridge when labels
// arrive, and by people, who may leave the operation out.
package main

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/sluice-ml/sluice/shared/aws/lambdafn"
	"github.com/sluice-ml/sluice/shared/aws/metrics"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/feedback"
	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/settings"
)

func main() { lambdafn.Main(build) }

func build(ctx context.Context) (lambdafn.Handler[json.RawMessage, any], error) {
	env := settings.Env(os.LookupEnv)
	environment, lake, bucket := env.Require(contract.EnvEnvironment), env.Require(contract.EnvLake), env.Require(contract.EnvStore)
	admit := env.Optional("SLUICE_ADMIT_FUNCTION", "sluice-"+environment+"-admit")
	period := env.Seconds(contract.EnvMetricPeriod, time.Minute)
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
	gauge, err := metrics.New(cloudwatch.NewFromConfig(cfg), environment, period)
	if err != nil {
		return nil, err
	}
	admission := admission{client: lambda.NewFromConfig(cfg), function: admit}
	reference := baseline{store: store, bucket: bucket}
	rollouts := rollout.Records{Store: store.Refs(bucket, ""), Now: time.Now}
	return handler{lake: lake, refs: store.Refs(bucket, ""), monitor: &feedback.Monitor{Environment: environment, Store: store.Refs(bucket, ""),
		Captures: objects{store, bucket}, Labels: objects{store, lake}, Publisher: board{gauge}, Slices: watched(rollouts),
		Baseline: reference.of, Retrain: admission.start, Period: period, Now: time.Now}}.handle, nil
}
