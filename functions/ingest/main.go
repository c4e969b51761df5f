// Command ingest commits a run's uploads to the dataset, on the run's own
// branch, lists the objects to learn from, and seals the plan with the commit
// and its hash. Only validate moves the data on to main.
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

func build(ctx context.Context) (lambdafn.Handler[contract.StepInput, contract.IngestResult], error) {
	env := settings.Env(os.LookupEnv)
	h := handler{bucket: env.Require(contract.EnvStore)}
	if err := env.Err(); err != nil {
		return nil, err
	}
	var err error
	h.store, err = s3store.FromEnvironment(ctx)
	return h.handle, err
}
