// Command trainer is the reference trainer, a Batch job: it learns from the
// commit that the plan at SLUICE_PLAN names and writes the run's model. Exit
// codes: 0 done, 64 configuration or data are wrong, 75 try again.
//
// With the argument "train" it keeps the trainer contract of shared/launch
// instead, as a program of somebody's own does: files in, files out, no AWS.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/sluice-ml/sluice/shared/aws/jobstore"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/job"
	"github.com/sluice-ml/sluice/shared/launch"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/settings"
	"github.com/sluice-ml/sluice/shared/trainconfig"
	"github.com/sluice-ml/sluice/shared/training"
	"github.com/sluice-ml/sluice/shared/xgboost"
)

// gcPercent keeps the heap near what is in use: the library needs the memory
// that garbage would take, and collecting is little beside training.
const gcPercent = 40

func main() {
	debug.SetGCPercent(gcPercent)
	os.Exit(job.Run("trainer", run))
}

func run(ctx context.Context) error {
	if len(os.Args) == 2 && os.Args[1] == launch.Argument {
		return standalone(ctx)
	}
	env := settings.Env(os.LookupEnv)
	planURI := env.Require(contract.EnvPlan)
	if err := env.Err(); err != nil {
		return err
	}
	library, err := xgboost.Open()
	if err != nil {
		return fault.New(fault.Internal, "start", "%w", err)
	}
	store, err := s3store.FromEnvironment(ctx)
	if err != nil {
		return err
	}
	r, err := jobstore.Open(ctx, store, planURI)
	if err != nil {
		return err
	}
	return r.Failed(ctx, os.LookupEnv, train(ctx, r, library))
}

func train(ctx context.Context, r *jobstore.Run, library *xgboost.Library) error {
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
	set, err := read(ctx, r, config)
	if err != nil {
		return err
	}
	fmt.Printf("run %s of model %s, XGBoost %s\n", r.Plan.Run, r.Plan.Model, library.Version())
	trainer := training.Trainer{Library: library, Store: r, CPUs: runtime.GOMAXPROCS(0), Out: os.Stdout, Last: true}
	return trainer.Train(ctx, r.Plan, config, set)
}

// read reads the rows: into memory where they fit, and as an earlier attempt did.
func read(ctx context.Context, r *jobstore.Run, config *trainconfig.Config) (*rows.Set, error) {
	onDisk, err := training.OnDisk(ctx, r, r.Plan.Hash)
	if err != nil {
		return nil, err
	}
	budget, from := training.Memory(config, os.DirFS("/"))
	if budget > 0 {
		// Rows that are read object by object leave garbage behind: collect it
		// before the container's limit does.
		debug.SetMemoryLimit(budget)
		fmt.Printf("training may plan with %d bytes, of %s\n", budget, from)
	}
	return r.RowsWithin(ctx, config, rows.Memory{Budget: budget, OnDisk: onDisk})
}
