package hooks

import (
	"context"
	"iter"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
)

// between walks the changes from base, "" for an empty dataset, to a commit.
func (h *Hooks) between(ctx context.Context, base string, to dataset.Commit) iter.Seq2[dataset.Change, error] {
	if base != "" {
		return h.Repository.DiffEach(ctx, base, to.ID, "")
	}
	return func(yield func(dataset.Change, error) bool) {
		for e, err := range h.Repository.Each(ctx, to.ID, "") {
			if !yield(dataset.Change{Key: e.Key, New: &e}, err) || err != nil {
				return
			}
		}
	}
}

// Open opens a model's dataset as every writer must: before a branch moves it asks
// the dataset's hooks, and looks that no collection of the lake is about to delete
// what the commit takes up.
func Open(h Hooks, model, lake string) *dataset.Repository {
	h.Model = model
	h.Repository = dataset.New(h.Objects.Refs(h.Bucket, contract.DatasetPrefix(model)))
	h.Gates = map[string]Gate{GateDataQuality: (&quality{objects: h.Objects, store: h.Bucket, lake: lake, repository: h.Repository}).judge}
	return h.Repository.Guarded(&h).Sharing(h.Objects.Refs(h.Bucket, contract.LakePrefix))
}

// FromEnvironment uses the SDK's default chain for credentials, region and
// endpoint.
func FromEnvironment(ctx context.Context) (Invoker, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fault.New(fault.Invalid, "read the AWS configuration", "%w", err)
	}
	return lambda.NewFromConfig(cfg), nil
}
