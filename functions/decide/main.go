// Command decide turns the gates' verdicts into one signed decision that binds
// them to the plan and to the model artefact's digest. A model that would ship is
// rejected all the same while its bytes are in quarantine: they were rolled back.
package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/sluice-ml/sluice/shared/aws/kmssign"
	"github.com/sluice-ml/sluice/shared/aws/lambdafn"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/settings"
)

func main() { lambdafn.Main(build) }

func build(ctx context.Context) (lambdafn.Handler[contract.StepInput, contract.DecideResult], error) {
	env := settings.Env(os.LookupEnv)
	bucket, keyID := env.Require(contract.EnvStore), env.Require(contract.EnvKeyID)
	people := people{environment: env.Require(contract.EnvEnvironment), topic: env.Require(contract.EnvTopicARN), log: slog.New(slog.NewJSONHandler(os.Stdout, nil))}
	if err := env.Err(); err != nil {
		return nil, err
	}
	store, err := s3store.FromEnvironment(ctx)
	if err != nil {
		return nil, err
	}
	key, err := kmssign.FromEnvironment(ctx, keyID)
	if err != nil {
		return nil, err
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fault.New(fault.Invalid, "read the AWS configuration", "%w", err)
	}
	people.client = sns.NewFromConfig(cfg)
	return handler{store: store, bucket: bucket, key: key, people: people, now: time.Now}.handle, nil
}
