// Package jobstore is a run as the jobs see it: its plan, what the plan names,
// and the files under the run's prefix in the store bucket.
package jobstore

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strconv"
	"time"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Store is what a Run needs of S3; *s3store.Store is one.
type Store interface {
	Get(ctx context.Context, bucket, key, versionID string) ([]byte, s3store.ObjectInfo, error)
	GetURI(ctx context.Context, uri string) ([]byte, s3store.ObjectInfo, error)
	GetJSON(ctx context.Context, uri string, into any) error
	Head(ctx context.Context, bucket, key, versionID string) (s3store.ObjectInfo, error)
	Put(ctx context.Context, bucket, key string, body []byte) (s3store.ObjectInfo, error)
	PutOnce(ctx context.Context, bucket, key string, body []byte) (s3store.ObjectInfo, error)
}

// Run is one run's files. It is a training.Store.
type Run struct {
	store  Store
	bucket string
	prefix string
	Plan   contract.Plan
}

// Open reads the plan at an S3 URI. The error is of kind Invalid when it is no
// plan, or not sealed yet, or not where its run keeps it.
func Open(ctx context.Context, store Store, planURI string) (*Run, error) {
	bucket, key, _, err := s3store.ParseURI(planURI)
	if err != nil {
		return nil, err
	}
	r := &Run{store: store, bucket: bucket, prefix: path.Dir(key)}
	if err := store.GetJSON(ctx, planURI, &r.Plan); err != nil {
		return nil, err
	}
	if want := contract.RunKey(r.Plan.Model, r.Plan.Run); want != r.prefix {
		return nil, fault.New(fault.Invalid, "read "+planURI, "it is the plan of %s", want)
	}
	if r.Plan.Hash == "" {
		return nil, fault.New(fault.Invalid, "read "+planURI, "it is not sealed").WithHint("run ingest first")
	}
	return r, nil
}

// Bucket is the store bucket.
func (r *Run) Bucket() string { return r.bucket }

// Config reads the plan's configuration.
func (r *Run) Config(ctx context.Context) (*trainconfig.Config, error) {
	body, _, err := r.store.GetURI(ctx, r.Plan.Config)
	if err != nil {
		return nil, err
	}
	return trainconfig.Parse(r.Plan.Config, body)
}

// Rows reads every row of the plan's commit, each object by its version.
func (r *Run) Rows(ctx context.Context, config *trainconfig.Config) (*rows.Set, error) {
	return r.RowsWithin(ctx, config, rows.Memory{})
}

// RowsWithin is Rows for as much memory as there is: see rows.ReadWithin.
func (r *Run) RowsWithin(ctx context.Context, config *trainconfig.Config, memory rows.Memory) (*rows.Set, error) {
	var objects contract.DatasetObjects
	if err := r.store.GetJSON(ctx, r.Plan.Dataset.Objects, &objects); err != nil {
		return nil, err
	}
	if objects.Commit != r.Plan.Dataset.Commit {
		return nil, fault.New(fault.Invalid, "read "+r.Plan.Dataset.Objects, "it lists commit %q and the plan names %q", objects.Commit, r.Plan.Dataset.Commit)
	}
	return rows.ReadWithin(ctx, config.Goal(), r.open, objects, config.Data, r.Plan.Seed, memory)
}

func (r *Run) open(ctx context.Context, bucket, key, versionID string) (io.ReaderAt, int64, error) {
	body, _, err := r.store.Get(ctx, bucket, key, versionID)
	if err != nil {
		return nil, 0, err
	}
	return bytes.NewReader(body), int64(len(body)), nil
}

// Artifact reads model.tar.gz of this run, or of another by its S3 URI.
func (r *Run) Artifact(ctx context.Context, uri string) ([]byte, error) {
	body, _, err := r.store.GetURI(ctx, uri)
	return body, err
}

// Get implements training.Store.
func (r *Run) Get(ctx context.Context, name string) ([]byte, error) {
	body, _, err := r.store.Get(ctx, r.bucket, path.Join(r.prefix, name), "")
	return body, err
}

// Put implements training.Store.
func (r *Run) Put(ctx context.Context, name string, data []byte) error {
	_, err := r.store.Put(ctx, r.bucket, path.Join(r.prefix, name), data)
	return err
}

// Create implements training.Store.
func (r *Run) Create(ctx context.Context, name string, data []byte) error {
	_, err := r.store.PutOnce(ctx, r.bucket, path.Join(r.prefix, name), data)
	return err
}

// Has implements training.Store.
func (r *Run) Has(ctx context.Context, name string) (bool, error) {
	_, err := r.store.Head(ctx, r.bucket, path.Join(r.prefix, name), "")
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// tellTime is how long a job may take to say why it fails: it is to end.
const tellTime = 10 * time.Second

// Failed writes down why an attempt of a Batch job does not end well, and gives
// err again, nil too. env is os.LookupEnv: Batch names the job there.
func (r *Run) Failed(ctx context.Context, env func(string) (string, bool), err error) error {
	id, _ := env("AWS_BATCH_JOB_ID")
	if err == nil || id == "" {
		return err
	}
	said := contract.JobFailure{Job: id, Attempt: 1, Kind: fault.KindOf(err), Reason: err.Error()}
	if text, ok := env("AWS_BATCH_JOB_ATTEMPT"); ok {
		if n, err := strconv.Atoi(text); err == nil {
			said.Attempt = n
		}
	}
	body, _ := json.Marshal(said) // strings and a number always encode
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTime)
	defer cancel()
	if put := r.Put(ctx, contract.FileFailure, body); put != nil {
		return fmt.Errorf("%w (and it could not be written down: %w)", err, put)
	}
	return err
}
