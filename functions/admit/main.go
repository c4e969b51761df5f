// Command admit takes in uploads, schedules and starts, and decides which run
// takes them. It is the lifecycle's first and last step too: "settle" closes a
// run's request when uploads have paused, "finish" records the outcome and
// starts what waited meanwhile.
package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"time"

	"github.com/sluice-ml/sluice/shared/aws/lambdafn"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/aws/sfnstart"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/intake"
	"github.com/sluice-ml/sluice/shared/settings"
)

func main() { lambdafn.Main(build) }

func build(ctx context.Context) (lambdafn.Handler[json.RawMessage, any], error) {
	env := settings.Env(os.LookupEnv)
	lake, bucket := env.Require(contract.EnvLake), env.Require(contract.EnvStore)
	arn := env.Require(contract.EnvLifecycleARN)
	quiet := env.Seconds(contract.EnvQuietPeriod, time.Minute)
	if err := env.Err(); err != nil {
		return nil, err
	}
	store, err := s3store.FromEnvironment(ctx)
	if err != nil {
		return nil, err
	}
	machine, err := sfnstart.FromEnvironment(ctx, arn)
	if err != nil {
		return nil, err
	}
	h := handler{lake: lake, log: slog.Default(), intake: &intake.Intake{Store: store.Refs(bucket, ""), Inbox: store.Inbox(bucket), Bucket: bucket, Executions: machine,
		Lake: store.Lake(lake), Quiet: quiet, Now: time.Now}}
	return h.handle, nil
}
