// Command plan resolves what a run will do: the configuration's version, the
// images, the dataset's ref, the champion to compare with. It writes plan.json
// once; ingest adds the commit and seals it.
package main

import (
	"context"
	"encoding/json"
	"os"
	"strings"

	"github.com/sluice-ml/sluice/shared/aws/lambdafn"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/settings"
)

func main() { lambdafn.Main(build) }

func build(ctx context.Context) (lambdafn.Handler[contract.StepInput, contract.PlanResult], error) {
	env := settings.Env(os.LookupEnv)
	h := handler{lake: env.Require(contract.EnvLake), bucket: env.Require(contract.EnvStore),
		environment: env.Require(contract.EnvEnvironment), trainer: env.Require(contract.EnvTrainerImage),
		server: env.Require(contract.EnvServerImage)}
	if text := env.Optional(contract.EnvImages, "{}"); json.Unmarshal([]byte(text), &h.own) != nil {
		return nil, fault.New(fault.Internal, "read "+contract.EnvImages, "%q is no JSON of models' images", text)
	}
	h.models = strings.Split(env.Require(contract.EnvModels), ",")
	if err := env.Err(); err != nil {
		return nil, err
	}
	var err error
	h.store, err = s3store.FromEnvironment(ctx)
	return h.handle, err
}
