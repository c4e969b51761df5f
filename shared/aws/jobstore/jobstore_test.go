package jobstore_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/jobstore"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/aws/s3store/s3test"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/trainconfig"
	"github.com/sluice-ml/sluice/shared/training"
)

var (
	_ jobstore.Store = (*s3store.Store)(nil)
	_ training.Store = (*jobstore.Run)(nil)
)

func TestMain(m *testing.M) { s3test.Main(m) }

func TestOpenRefusesPlansThatAreNotTheRuns(t *testing.T) {
	store, bucket := s3store.New(s3test.Client(t)), s3test.Bucket(t)
	open := func(key string, plan any) error {
		uri, err := store.PutJSON(t.Context(), bucket, key, plan)
		require.NoError(t, err)
		_, err = jobstore.Open(t.Context(), store, uri)
		return err
	}
	require.NoError(t, open("runs/m/r1/plan.json", contract.Plan{Model: "m", Run: "r1", Hash: "h"}))
	require.ErrorContains(t, open("runs/m/r2/plan.json", contract.Plan{Model: "m", Run: "r1", Hash: "h"}), "it is the plan of runs/m/r1")
	require.ErrorContains(t, open("runs/m/r1/plan.json", contract.Plan{Model: "m", Run: "r1"}), "it is not sealed")
	require.True(t, fault.Is(open("runs/m/r1/plan.json", []int{1}), fault.Invalid))
	_, err := jobstore.Open(t.Context(), store, "plan.json")
	require.True(t, fault.Is(err, fault.Invalid))
	_, err = jobstore.Open(t.Context(), store, contract.URI(bucket, "runs/m/r9/plan.json"))
	require.True(t, fault.Is(err, fault.NotFound))
}

func TestFilesOfARun(t *testing.T) {
	ctx := t.Context()
	store, bucket := s3store.New(s3test.Client(t)), s3test.Bucket(t)
	uri, err := store.PutJSON(ctx, bucket, "runs/m/r1/plan.json", contract.Plan{Model: "m", Run: "r1", Hash: "h"})
	require.NoError(t, err)
	r, err := jobstore.Open(ctx, store, uri)
	require.NoError(t, err)

	has, err := r.Has(ctx, "a/b")
	require.NoError(t, err)
	require.False(t, has)
	_, err = r.Get(ctx, "a/b")
	require.True(t, fault.Is(err, fault.NotFound))
	require.NoError(t, r.Put(ctx, "a/b", []byte("1")))
	require.NoError(t, r.Put(ctx, "a/b", []byte("2")))
	require.NoError(t, r.Create(ctx, "a/b", []byte("2")))
	require.True(t, fault.Is(r.Create(ctx, "a/b", []byte("3")), fault.Conflict))
	has, err = r.Has(ctx, "a/b")
	require.NoError(t, err)
	require.True(t, has)
	data, err := r.Artifact(ctx, contract.URI(bucket, "runs/m/r1/a/b"))
	require.NoError(t, err)
	require.Equal(t, "2", string(data))
}

func TestRowsAreThoseOfThePlansCommit(t *testing.T) {
	ctx := t.Context()
	store, bucket := s3store.New(s3test.Client(t)), s3test.Bucket(t)
	old, err := store.Put(ctx, bucket, "raw/m/a.csv", []byte("x,y\n1,yes\n2,no\n"))
	require.NoError(t, err)
	_, err = store.Put(ctx, bucket, "raw/m/a.csv", []byte("x,y\n9,no\n"))
	require.NoError(t, err)
	objects, err := store.PutJSON(ctx, bucket, "datasets/m/c1.json", contract.DatasetObjects{Commit: "c1", Bucket: bucket,
		Objects: []contract.ObjectVersion{{Key: "raw/m/a.csv", VersionID: old.VersionID}}})
	require.NoError(t, err)
	config := &trainconfig.Config{Data: trainconfig.Data{Target: "y"}}
	for commit, want := range map[string]string{"c1": "", "c2": `it lists commit "c1" and the plan names "c2"`} {
		uri, err := store.PutJSON(ctx, bucket, "runs/m/r1/plan.json", contract.Plan{Model: "m", Run: "r1", Hash: "h",
			Dataset: contract.Dataset{Commit: commit, Objects: objects}})
		require.NoError(t, err)
		r, err := jobstore.Open(ctx, store, uri)
		require.NoError(t, err)
		set, err := r.Rows(ctx, config)
		if want != "" {
			require.ErrorContains(t, err, want)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, []string{"raw/m/a.csv#0", "raw/m/a.csv#1"}, set.ID, "the pinned version is read")
	}
}

func TestAJobWritesDownWhyItFails(t *testing.T) {
	ctx := t.Context()
	store, bucket := s3store.New(s3test.Client(t)), s3test.Bucket(t)
	uri, err := store.PutJSON(ctx, bucket, "runs/m/r1/plan.json", contract.Plan{Model: "m", Run: "r1", Hash: "h"})
	require.NoError(t, err)
	r, err := jobstore.Open(ctx, store, uri)
	require.NoError(t, err)
	batch := map[string]string{"AWS_BATCH_JOB_ID": "j1", "AWS_BATCH_JOB_ATTEMPT": "2"}
	env := func(name string) (string, bool) { v, ok := batch[name]; return v, ok }
	wrong := fault.New(fault.Invalid, "read it", "it is wrong")

	require.NoError(t, r.Failed(ctx, env, nil))
	require.Equal(t, wrong, r.Failed(ctx, func(string) (string, bool) { return "", false }, wrong), "outside of Batch")
	has, err := r.Has(ctx, contract.FileFailure)
	require.NoError(t, err)
	require.False(t, has)

	interrupted, stop := context.WithCancel(ctx)
	stop()
	require.Equal(t, wrong, r.Failed(interrupted, env, wrong))
	body, err := r.Get(ctx, contract.FileFailure)
	require.NoError(t, err)
	require.JSONEq(t, `{"job":"j1","attempt":2,"kind":"Invalid","reason":"read it: it is wrong"}`, string(body))
}
