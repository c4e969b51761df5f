// Command profile sums up one part of a run's objects, each read by its
// VersionId. An object's profile is a function of its version and the
// configuration, so it is kept beside the dataset and read again by later runs.
package main

import (
	"context"
	"os"

	"github.com/sluice-ml/sluice/shared/aws/lambdafn"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/settings"
)

func main() { lambdafn.Main(build) }

func build(ctx context.Context) (lambdafn.Handler[contract.StepInput, contract.ProfileResult], error) {
	env := settings.Env(os.LookupEnv)
	bucket := env.Require(contract.EnvStore)
	if err := env.Err(); err != nil {
		return nil, err
	}
	store, err := s3store.FromEnvironment(ctx)
	if err != nil {
		return nil, err
	}
	return handler{store: store, bucket: bucket}.handle, nil
}
