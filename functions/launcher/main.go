// Command launcher is a Batch job: it trains by a program of the model's own, as
// an image of one's own has it. Its arguments are that program's command line,
// to which it adds "train". SLUICE_PLAN is the plan's S3 URI. Exit codes: 0 done,
// 64 configuration or data are wrong, 75 try again.
//
// The stack puts it into the image; the program sees the trainer contract alone
// (shared/launch).
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/sluice-ml/sluice/shared/aws/jobstore"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/job"
	"github.com/sluice-ml/sluice/shared/launch"
	"github.com/sluice-ml/sluice/shared/settings"
	"github.com/sluice-ml/sluice/shared/training"
)

func main() { os.Exit(job.Run("launcher", run)) }

func run(ctx context.Context) error {
	env := settings.Env(os.LookupEnv)
	planURI := env.Require(contract.EnvPlan)
	if err := env.Err(); err != nil {
		return err
	}
	store, err := s3store.FromEnvironment(ctx)
	if err != nil {
		return err
	}
	r, err := jobstore.Open(ctx, store, planURI)
	if err != nil {
		return err
	}
	return r.Failed(ctx, os.LookupEnv, train(ctx, r))
}

func train(ctx context.Context, r *jobstore.Run) error {
	if done, err := training.Done(ctx, r); err != nil {
		return err
	} else if done {
		fmt.Printf("run %s has its model: nothing to do\n", r.Plan.Run)
		return nil
	}
	config, err := r.Config(ctx)
	if err != nil {
		return err
	}
	set, err := r.Rows(ctx, config)
	if err != nil {
		return err
	}
	schema, err := training.Describe(r.Plan, config, set)
	if err != nil {
		return err
	}
	fmt.Printf("run %s of model %s by %q\n", r.Plan.Run, r.Plan.Model, os.Args[1:])
	launcher := launch.Launcher{Program: launch.Program{Argv: os.Args[1:], Out: os.Stdout}, Store: r,
		CPUs: runtime.GOMAXPROCS(0), Attempt: attempt(), Now: time.Now, Out: os.Stdout}
	return launcher.Train(ctx, r.Plan, config, set, schema)
}

// attempt is Batch's count of attempts.
func attempt() int {
	n, err := strconv.Atoi(os.Getenv("AWS_BATCH_JOB_ATTEMPT"))
	if err != nil {
		return 1
	}
	return n
}
