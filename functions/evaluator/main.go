// Command evaluator is a Batch job: it serves the run's model as production
// will, and keeps what comes back for the gates. SLUICE_PLAN is the plan's S3
// URI and SLUICE_SERVER_PROGRAM the model server's program (by default
// /usr/local/bin/server, or "server" beside this program); the arguments, where
// there are any, are the command line of the program that serves models of an
// image of their own, without "serve". Exit codes: 0 done,
// 64 the plan or the model is wrong, 75 try again.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sluice-ml/sluice/shared/aws/jobstore"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/canonical"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/job"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/ref"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/scoring"
	"github.com/sluice-ml/sluice/shared/settings"
	"github.com/sluice-ml/sluice/shared/split"
	"github.com/sluice-ml/sluice/shared/trained"
	"github.com/sluice-ml/sluice/shared/training"
)

func main() { os.Exit(job.Run("evaluator", run)) }

func run(ctx context.Context) error {
	env := settings.Env(os.LookupEnv)
	planURI := env.Require(contract.EnvPlan)
	program := env.Optional("SLUICE_SERVER_PROGRAM", defaultProgram())
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
	evaluator := &scoring.Evaluator{Program: scoring.Program{Path: program}, Now: time.Now, Out: os.Stdout}
	if own := os.Args[1:]; len(own) > 0 {
		evaluator.Own = &scoring.Program{Path: own[0], Args: own[1:]}
	}
	return r.Failed(ctx, os.LookupEnv, measure(ctx, store, r, evaluator))
}

func measure(ctx context.Context, store *s3store.Store, r *jobstore.Run, evaluator *scoring.Evaluator) error {
	result, err := evaluate(ctx, r, evaluator)
	if err != nil {
		return err
	}
	if err := write(ctx, r, result); err != nil {
		return err
	}
	return record(ctx, store.Refs(r.Bucket(), ""), r)
}

// record says that this run trained its plan's model, once that is known to
// serve; not of a model that was adopted.
func record(ctx context.Context, refs ref.Store, r *jobstore.Run) error {
	adopted, err := r.Has(ctx, contract.FileAdopted)
	if err != nil || adopted {
		return err
	}
	artifact, err := r.Get(ctx, contract.FileModel)
	if err != nil {
		return err
	}
	return trained.Record(ctx, refs, r.Plan.Model, trained.Model{PlanHash: r.Plan.Hash, Run: r.Plan.Run, Digest: "sha256:" + canonical.Sum(artifact)})
}

// defaultProgram is where the image has the server, or the neighbour of this
// program.
func defaultProgram() string {
	const installed = "/usr/local/bin/server"
	if _, err := os.Stat(installed); err == nil {
		return installed
	}
	self, err := os.Executable()
	if err != nil {
		return installed
	}
	return filepath.Join(filepath.Dir(self), "server")
}

func evaluate(ctx context.Context, r *jobstore.Run, evaluator *scoring.Evaluator) (*scoring.Result, error) {
	config, err := r.Config(ctx)
	if err != nil {
		return nil, err
	}
	candidate, err := r.Get(ctx, contract.FileModel)
	if err != nil {
		return nil, err
	}
	var champion []byte
	if c := r.Plan.Champion; c != nil {
		if champion, err = r.Artifact(ctx, c.Artifact); err != nil {
			return nil, err
		}
		if err := scoring.CheckDigest(champion, c.Digest); err != nil {
			return nil, err
		}
	}
	// Where memory does not hold all rows, those to judge by are read alone.
	budget, _ := training.Memory(config, os.DirFS("/"))
	set, err := r.RowsWithin(ctx, config, rows.Memory{Budget: budget})
	if err != nil {
		return nil, err
	}
	if set, err = set.Load(ctx, split.Test); err != nil {
		return nil, err
	}
	fmt.Printf("run %s of model %s: %d rows\n", r.Plan.Run, r.Plan.Model, len(set.ID))
	return evaluator.Evaluate(ctx, config, set, r.Plan.Seed, candidate, champion)
}

func write(ctx context.Context, r *jobstore.Run, result *scoring.Result) error {
	var scored, perturbed bytes.Buffer
	if err := predictions.Write(&scored, result.Predictions); err != nil {
		return err
	}
	if err := predictions.WritePerturbed(&perturbed, result.Predictions.RowID, result.Perturbed); err != nil {
		return err
	}
	latency, err := json.MarshalIndent(result.Latency, "", "  ")
	if err != nil {
		return fault.New(fault.Internal, "write "+contract.FileLatency, "%w", err)
	}
	for _, file := range []struct {
		name string
		data []byte
	}{
		{contract.FilePerturbed, perturbed.Bytes()}, {contract.FileLatency, append(latency, '\n')},
		{contract.FilePredictions, scored.Bytes()},
	} {
		if err := r.Put(ctx, file.name, file.data); err != nil {
			return err
		}
		fmt.Printf("wrote %s, %d bytes\n", file.name, len(file.data))
	}
	return nil
}
