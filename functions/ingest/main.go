// Command ingest commits a run's uploads to the dataset, on the run's own
// branch, lists the objects to learn from, and seals the plan with the commit
// and its hash. Only validate moves the data on to main.
package main

import (
	"context"
	"os"
	"time"

	"github.com/sluice-ml/sluice/shared/aws/hooks"
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
	client, err := s3store.ClientFromEnvironment(ctx)
	if err != nil {
		return nil, err
	}
	h.store, h.rules = s3store.New(client), s3store.NewRules(client, time.Now)
	h.hooks, err = hooks.FromEnvironment(ctx)
	return h.handle, err
}
