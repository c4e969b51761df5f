// Package runstore opens a run: its sealed plan, its configuration, and the
// files under its prefix in the store bucket.
package runstore

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Run is an open run.
type Run struct {
	Store  *s3store.Store
	Bucket string // the store bucket
	Plan   contract.Plan
	Config *trainconfig.Config
}

// Open reads the plan that a step's input names and the configuration that the
// plan pins. Errors are faults: Invalid when the input, the plan or the
// configuration is wrong, NotFound when one is gone, Unavailable when S3 fails.
func Open(ctx context.Context, store *s3store.Store, bucket string, in contract.StepInput) (*Run, error) {
	const op = "open the run"
	if err := contract.CheckModel(in.Model); err != nil {
		return nil, fault.Wrap(fault.Invalid, op, err)
	}
	if in.Run == "" || strings.ContainsAny(in.Run, "/ ") || in.Plan == "" {
		return nil, fault.New(fault.Invalid, op, "run %q and plan %q: want a run's name and its plan's S3 URI", in.Run, in.Plan)
	}
	r := &Run{Store: store, Bucket: bucket}
	if err := store.GetJSON(ctx, in.Plan, &r.Plan); err != nil {
		return nil, fault.Wrap(fault.Unavailable, op, err)
	}
	if r.Plan.Model != in.Model || r.Plan.Run != in.Run {
		return nil, fault.New(fault.Invalid, op, "the plan %s is of run %s of model %s, not of run %s of model %s",
			in.Plan, r.Plan.Run, r.Plan.Model, in.Run, in.Model)
	}
	if r.Plan.Hash == "" || r.Plan.Dataset.Commit == "" {
		return nil, fault.New(fault.Invalid, op, "the plan %s is not sealed", in.Plan).WithHint("ingest seals it; run the lifecycle from there")
	}
	return r, r.readConfig(ctx)
}

func (r *Run) readConfig(ctx context.Context) error {
	data, _, err := r.Store.GetURI(ctx, r.Plan.Config)
	if err != nil {
		return fault.Wrap(fault.Unavailable, "read the configuration", err)
	}
	_, name, _, err := s3store.ParseURI(r.Plan.Config)
	if err != nil {
		return err
	}
	if r.Config, err = trainconfig.Parse(name, data); err != nil {
		return err
	}
	if hash := r.Config.Hash(); hash != r.Plan.ConfigHash {
		return fault.New(fault.Invalid, "read the configuration", "%s has the hash %s, the plan was made with %s",
			r.Plan.Config, hash, r.Plan.ConfigHash).WithHint("start a new run, which plans with today's configuration")
	}
	return nil
}

// Key is the key of a file of the run.
func (r *Run) Key(name string) string { return contract.RunKey(r.Plan.Model, r.Plan.Run, name) }

// URI is the S3 URI of a file of the run.
func (r *Run) URI(name string) string { return contract.URI(r.Bucket, r.Key(name)) }

// Read reads a whole file of the run; NotFound when it was not written.
func (r *Run) Read(ctx context.Context, name string) ([]byte, error) {
	data, _, err := r.Store.Get(ctx, r.Bucket, r.Key(name), "")
	return data, err
}

// ReadJSON decodes a JSON file of the run.
func (r *Run) ReadJSON(ctx context.Context, name string, into any) error {
	return r.Store.GetJSON(ctx, r.URI(name), into)
}

// WriteJSON writes a file of the run, over what an earlier try of the same step
// left, and gives its S3 URI.
func (r *Run) WriteJSON(ctx context.Context, name string, v any) (string, error) {
	return r.Store.PutJSON(ctx, r.Bucket, r.Key(name), v)
}

// Objects reads the list of the commit's objects.
func (r *Run) Objects(ctx context.Context) (contract.DatasetObjects, error) {
	var list contract.DatasetObjects
	if err := r.Store.GetJSON(ctx, r.Plan.Dataset.Objects, &list); err != nil {
		return list, err
	}
	if list.Commit != r.Plan.Dataset.Commit {
		return list, fault.New(fault.Internal, "read the commit's objects", "%s lists commit %s, the plan is for %s",
			r.Plan.Dataset.Objects, list.Commit, r.Plan.Dataset.Commit)
	}
	if len(list.Objects) == 0 {
		return list, fault.Wrap(fault.Invalid, "read the commit's objects", errors.New("the commit is empty"))
	}
	return list, nil
}

// Reader gives a file of the run for random access, held in memory.
func (r *Run) Reader(ctx context.Context, name string) (*bytes.Reader, error) {
	data, err := r.Read(ctx, name)
	if err != nil {
		return nil, err
	}
	return bytes.NewReader(data), nil
}
