// Package runtest makes runs on a real S3 server for the tests of functions:
// uploads, commits and sealed plans as admit, plan and ingest leave them.
package runtest

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/aws/s3store/s3test"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Model is the model of every run here.
const Model = "m"

// Bench is one model's buckets.
type Bench struct {
	T             testing.TB
	Store         *s3store.Store
	Bucket, Lake  string
	Repository    *dataset.Repository
	configuration s3store.ObjectInfo
	Config        *trainconfig.Config
}

// New makes a bench with a configuration; TestMain must be s3test.Main.
func New(t testing.TB, config string) *Bench {
	b := &Bench{T: t, Store: s3store.New(s3test.Client(t)), Bucket: s3test.Bucket(t), Lake: s3test.Bucket(t)}
	b.Repository = dataset.New(b.Store.Refs(b.Bucket, contract.DatasetPrefix(Model)))
	b.Configure(config)
	return b
}

// Configure replaces the model's configuration for the runs that follow.
func (b *Bench) Configure(config string) {
	var err error
	b.Config, err = trainconfig.Parse("train.yaml", []byte(config))
	require.NoError(b.T, err)
	b.configuration, err = b.Store.Put(b.T.Context(), b.Bucket, contract.ConfigKey(Model), []byte(config))
	require.NoError(b.T, err)
}

// Upload puts an object into the lake.
func (b *Bench) Upload(key, body string) dataset.Entry {
	_, err := b.Store.Put(b.T.Context(), b.Lake, key, []byte(body))
	require.NoError(b.T, err)
	info, err := b.Store.Head(b.T.Context(), b.Lake, key, "")
	require.NoError(b.T, err)
	return dataset.Entry{Key: key, VersionID: info.VersionID, ETag: info.ETag, Size: info.Size}
}

// Run commits the entries on top of main to the run's own branch, and writes
// the list of objects and the sealed plan. change may edit the plan; nil leaves
// it. The commit is a function of the run's name and its entries.
func (b *Bench) Run(run string, change func(*contract.Plan), added ...dataset.Entry) contract.StepInput {
	ctx := b.T.Context()
	base := ""
	if head, err := b.Repository.Head(ctx, dataset.Main); err == nil {
		base = head.ID
	}
	branch := "incoming/" + run
	commit, err := b.Repository.Commit(ctx, dataset.Request{Branch: branch, Base: base, Changes: dataset.Changes{Puts: added},
		Message: run, Author: "test", Time: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)})
	require.NoError(b.T, err)
	entries, err := b.Repository.Entries(ctx, commit.ID, "")
	require.NoError(b.T, err)
	list := contract.DatasetObjects{Commit: commit.ID, Bucket: b.Lake}
	for _, e := range entries {
		list.Objects = append(list.Objects, contract.ObjectVersion{Key: e.Key, VersionID: e.VersionID, ETag: e.ETag, Size: e.Size})
	}
	objects, err := b.Store.PutJSON(ctx, b.Bucket, contract.RunKey(Model, run, "objects.json"), list)
	require.NoError(b.T, err)
	plan := contract.Plan{Model: Model, Run: run, Environment: "staging", Seed: 7, Hash: "sealed",
		Config: s3store.VersionURI(b.Bucket, contract.ConfigKey(Model), b.configuration.VersionID), ConfigHash: b.Config.Hash(),
		Dataset: contract.Dataset{Bucket: b.Lake, Prefix: contract.RawPrefix(Model), Ref: dataset.Main, Branch: branch,
			Commit: commit.ID, Objects: objects, Count: len(entries)}}
	if change != nil {
		change(&plan)
	}
	uri, err := b.Store.PutJSON(ctx, b.Bucket, contract.RunKey(Model, run, contract.FilePlan), plan)
	require.NoError(b.T, err)
	return contract.StepInput{Model: Model, Run: run, Plan: uri}
}

// Write puts a file under a run's prefix.
func (b *Bench) Write(run, name string, body []byte) {
	_, err := b.Store.Put(b.T.Context(), b.Bucket, contract.RunKey(Model, run, name), body)
	require.NoError(b.T, err)
}

// ReadJSON reads what a function wrote, by its URI.
func (b *Bench) ReadJSON(uri string, into any) {
	data, _, err := b.Store.GetURI(context.Background(), uri)
	require.NoError(b.T, err)
	require.NoError(b.T, json.Unmarshal(data, into))
}
