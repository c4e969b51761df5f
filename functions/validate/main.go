// Command validate judges a run's data before anything learns from it: the
// dataset as a whole, everything that the run added, and each added object. Data
// that passes becomes the head of the dataset's branch; data that does not stays
// on the run's own branch, and the run ends there.
package main

import (
	"context"
	"os"

	"github.com/sluice-ml/sluice/shared/aws/hooks"
	"github.com/sluice-ml/sluice/shared/aws/lambdafn"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/settings"
)

func main() { lambdafn.Main(build) }

func build(ctx context.Context) (lambdafn.Handler[contract.StepInput, contract.ValidateResult], error) {
	env := settings.Env(os.LookupEnv)
	bucket := env.Require(contract.EnvStore)
	if err := env.Err(); err != nil {
		return nil, err
	}
	store, err := s3store.FromEnvironment(ctx)
	if err != nil {
		return nil, err
	}
	functions, err := hooks.FromEnvironment(ctx)
	return handler{store: store, bucket: bucket, hooks: functions}.handle, err
}
