// Command decide turns the gates' verdicts into one signed decision that binds
// them to the plan and to the model artefact's digest.
package main

import (
	"context"
	"os"
	"time"

	"github.com/sluice-ml/sluice/shared/aws/kmssign"
	"github.com/sluice-ml/sluice/shared/aws/lambdafn"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/settings"
)

func main() { lambdafn.Main(build) }

func build(ctx context.Context) (lambdafn.Handler[contract.StepInput, contract.DecideResult], error) {
	env := settings.Env(os.LookupEnv)
	bucket, keyID := env.Require(contract.EnvStore), env.Require(contract.EnvKeyID)
	if err := env.Err(); err != nil {
		return nil, err
	}
	store, err := s3store.FromEnvironment(ctx)
	if err != nil {
		return nil, err
	}
	key, err := kmssign.FromEnvironment(ctx, keyID)
	return handler{store: store, bucket: bucket, key: key, now: time.Now}.handle, err
}
