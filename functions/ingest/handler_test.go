package main

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/aws/s3store/s3test"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
)

func TestMain(m *testing.M) { s3test.Main(m) }

// bench is an ingest function with its buckets.
type bench struct {
	handler
	lake       string
	repository *dataset.Repository
}

func open(t *testing.T) bench {
	h := handler{store: s3store.New(s3test.Client(t)), bucket: s3test.Bucket(t), rules: s3store.NewRules(s3test.Client(t), time.Now)}
	return bench{h, s3test.Bucket(t), dataset.New(h.store.Refs(h.bucket, contract.DatasetPrefix("m")))}
}

func (b bench) upload(t *testing.T, key, content string) contract.ObjectVersion {
	info, err := b.store.Put(t.Context(), b.lake, key, []byte(content))
	require.NoError(t, err)
	return contract.ObjectVersion{Key: key, VersionID: info.VersionID, Size: info.Size}
}

// plan writes a run's request and its unsealed plan, as admit and plan do.
func (b bench) plan(t *testing.T, run, branch, name string, objects ...contract.ObjectVersion) contract.StepInput {
	request, err := b.store.PutJSON(t.Context(), b.bucket, contract.RunKey("m", run, contract.FileRequest), contract.Request{Objects: objects})
	require.NoError(t, err)
	p := contract.Plan{Model: "m", Run: run, Created: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), ConfigHash: "sha256:c", Request: request,
		Dataset: contract.Dataset{Bucket: b.lake, Prefix: "raw/m/", Ref: name, Branch: branch}, Seed: 7, TrainerImage: "t", ServerImage: "s"}
	uri, err := b.store.PutJSON(t.Context(), b.bucket, contract.RunKey("m", run, contract.FilePlan), p)
	require.NoError(t, err)
	return contract.StepInput{Model: "m", Run: run, Plan: uri}
}

func (b bench) objects(t *testing.T, in contract.StepInput) (keys []string, plan contract.Plan) {
	require.NoError(t, b.store.GetJSON(t.Context(), in.Plan, &plan))
	var list contract.DatasetObjects
	require.NoError(t, b.store.GetJSON(t.Context(), plan.Dataset.Objects, &list))
	require.Equal(t, plan.Dataset.Commit, list.Commit)
	for _, o := range list.Objects {
		keys = append(keys, o.Key)
	}
	return keys, plan
}

func TestUploadsAreCommittedAndThePlanSealed(t *testing.T) {
	b := open(t)
	var uploads []contract.ObjectVersion
	for n := range 20 {
		uploads = append(uploads, b.upload(t, fmt.Sprintf("raw/m/%02d.csv", n), "0123456789"))
	}
	b.upload(t, "raw/m/later.csv", "not in the request")
	in := b.plan(t, "m-1", "incoming/m-1", "main", uploads...)
	result, err := b.handle(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, []contract.Part{{Index: 0, First: 0, Count: 16}, {Index: 1, First: 16, Count: 4}}, result.Parts)
	require.Equal(t, 20, result.Count)
	require.EqualValues(t, 200, result.Bytes)
	keys, plan := b.objects(t, in)
	require.Len(t, keys, 20)
	require.Equal(t, result.PlanHash, plan.Hash)
	require.Regexp(t, `^sha256:[0-9a-f]{64}$`, plan.Hash)
	again, err := b.handle(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, result, again)
	_, err = b.repository.Head(t.Context(), dataset.Main)
	require.Equal(t, fault.NotFound, fault.KindOf(err), "only validate moves main")
}

func TestTheNextRunBuildsOnMain(t *testing.T) {
	b := open(t)
	first, err := b.handle(t.Context(), b.plan(t, "m-1", "incoming/m-1", "main", b.upload(t, "raw/m/a.csv", "a")))
	require.NoError(t, err)
	_, err = b.repository.FastForward(t.Context(), dataset.Main, first.Commit)
	require.NoError(t, err)
	bad := b.plan(t, "m-2", "incoming/m-2", "main", b.upload(t, "raw/m/bad.csv", "bad"))
	_, err = b.handle(t.Context(), bad)
	require.NoError(t, err)

	next := b.plan(t, "m-3", "incoming/m-3", "main", b.upload(t, "raw/m/b.csv", "b"))
	_, err = b.handle(t.Context(), next)
	require.NoError(t, err)
	keys, _ := b.objects(t, next)
	require.Equal(t, []string{"raw/m/a.csv", "raw/m/b.csv"}, keys, "what validate did not pass is not there")

	scheduled, err := b.handle(t.Context(), b.plan(t, "m-4", "incoming/m-4", "main"))
	require.NoError(t, err)
	require.Equal(t, first.Commit, scheduled.Commit, "no uploads: main's head")
	require.Equal(t, first.PlanHash, scheduled.PlanHash, "the same work has the same hash")

	pinned := b.plan(t, "m-5", first.Commit, first.Commit, b.upload(t, "raw/m/c.csv", "c"))
	_, err = b.handle(t.Context(), pinned)
	require.NoError(t, err)
	keys, _ = b.objects(t, pinned)
	require.Equal(t, []string{"raw/m/a.csv"}, keys, "a pinned ref is what is learnt from")
}

func TestAFirstRunWithoutUploadsTakesTheLake(t *testing.T) {
	b := open(t)
	_, err := b.handle(t.Context(), b.plan(t, "m-1", "incoming/m-1", "main"))
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	require.ErrorContains(t, err, "upload files to s3://"+b.lake+"/raw/m/")
	b.upload(t, "raw/m/a.csv", "a")
	b.upload(t, "raw/m/_SUCCESS", "x")
	b.upload(t, "raw/m/day=1/_SUCCESS", "")
	b.upload(t, "raw/other/c.csv", "c")
	in := b.plan(t, "m-2", "incoming/m-2", "main")
	_, err = b.handle(t.Context(), in)
	require.NoError(t, err)
	keys, _ := b.objects(t, in)
	require.Equal(t, []string{"raw/m/a.csv"}, keys)
}

func TestMarkersInACommitAreNotLearntFrom(t *testing.T) {
	b := open(t)
	in := b.plan(t, "m-1", "incoming/m-1", "main", b.upload(t, "raw/m/day=1/a.csv", "a"), b.upload(t, "raw/m/day=1/_committed_1", "x"))
	result, err := b.handle(t.Context(), in)
	require.NoError(t, err)
	keys, _ := b.objects(t, in)
	require.Equal(t, []string{"raw/m/day=1/a.csv"}, keys)
	require.Equal(t, 1, result.Count)
	require.EqualValues(t, 1, result.Bytes)
}

func TestBadUploads(t *testing.T) {
	b := open(t)
	empty := b.upload(t, "raw/m/empty.csv", "")
	_, err := b.handle(t.Context(), b.plan(t, "m-1", "incoming/m-1", "main", empty))
	require.Equal(t, fault.Invalid, fault.KindOf(err))
	require.ErrorContains(t, err, "pin raw/m/empty.csv: its version "+empty.VersionID+" is empty")
	gone := b.upload(t, "raw/m/gone.csv", "x")
	require.NoError(t, b.store.Delete(t.Context(), b.lake, gone.Key, gone.VersionID))
	_, err = b.handle(t.Context(), b.plan(t, "m-2", "incoming/m-2", "main", gone))
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	require.ErrorContains(t, err, "pin raw/m/gone.csv: its version "+gone.VersionID+" is gone")
	in := b.plan(t, "m-3", "incoming/m-3", "main")
	in.Run = "m-4"
	_, err = b.handle(t.Context(), in)
	require.ErrorContains(t, err, `is the plan of run "m-3" of "m"`)
}

// TestARetryAfterAnyStep seals a plan again from its unsealed state, with what
// the first attempt left behind.
func TestARetryAfterAnyStep(t *testing.T) {
	b := open(t)
	in := b.plan(t, "m-1", "incoming/m-1", "main", b.upload(t, "raw/m/a.csv", "a"))
	unsealed, info, err := b.store.GetURI(t.Context(), in.Plan)
	require.NoError(t, err)
	first, err := b.handle(t.Context(), in)
	require.NoError(t, err)
	var plan contract.Plan
	require.NoError(t, json.Unmarshal(unsealed, &plan))
	sealed, err := b.seal(t.Context(), in.Plan, plan, info.ETag)
	require.NoError(t, err, "the slower of two attempts takes the other's plan")
	require.Equal(t, first.PlanHash, sealed.Hash)
	_, err = b.store.Put(t.Context(), b.bucket, contract.RunKey("m", "m-1", contract.FilePlan), unsealed)
	require.NoError(t, err)
	again, err := b.handle(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, first, again)
}

// ruled is S3 with a lifecycle rule; the S3 server of these tests has none.
type ruled struct {
	s3store.RuleReader
	rule  types.LifecycleRule
	asked int
}

func (r *ruled) GetBucketLifecycleConfiguration(context.Context, *s3.GetBucketLifecycleConfigurationInput, ...func(*s3.Options)) (*s3.GetBucketLifecycleConfigurationOutput, error) {
	r.asked++
	return &s3.GetBucketLifecycleConfigurationOutput{Rules: []types.LifecycleRule{r.rule}}, nil
}

func TestALifecycleRuleThatWouldEatTheDataIsRefused(t *testing.T) {
	b := open(t)
	rule := &ruled{RuleReader: s3test.Client(t), rule: types.LifecycleRule{ID: aws.String("tidy"), Status: types.ExpirationStatusEnabled,
		Filter:                      &types.LifecycleRuleFilter{Prefix: aws.String("raw/m/old/")},
		NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(30)}}}
	b.rules = s3store.NewRules(rule, time.Now)
	good := b.plan(t, "m-1", "incoming/m-1", "main", b.upload(t, "raw/m/a.csv", "a"))
	_, err := b.handle(t.Context(), good)
	require.NoError(t, err)
	in := b.plan(t, "m-2", "incoming/m-2", "main", b.upload(t, "raw/m/old/b.csv", "b"))
	_, err = b.handle(t.Context(), in)
	require.Equal(t, "Sluice.Invalid", fault.KindOf(err).Name())
	require.ErrorContains(t, err, `pin raw/m/old/b.csv: lifecycle rule "tidy" deletes versions of raw/m/old/* 30 day(s) after they are replaced`)
	require.ErrorContains(t, err, "give the rule a filter that leaves raw/m/old/b.csv out, or delete it")
	require.Equal(t, 1, rule.asked, "one request for both runs")
	_, err = b.repository.Head(t.Context(), "incoming/m-2")
	require.True(t, fault.Is(err, fault.NotFound), "nothing was pinned: %v", err)
	var plan contract.Plan
	require.NoError(t, b.store.GetJSON(t.Context(), in.Plan, &plan))
	require.Empty(t, plan.Hash, "the plan is not sealed")

	b.rules = s3store.NewRules(s3test.Client(t), time.Now)
	first, err := b.handle(t.Context(), in)
	require.NoError(t, err)
	_, err = b.repository.FastForward(t.Context(), dataset.Main, first.Commit)
	require.NoError(t, err)
	b.rules = s3store.NewRules(rule, time.Now)
	_, err = b.handle(t.Context(), b.plan(t, "m-3", "incoming/m-3", "main"))
	require.ErrorContains(t, err, `lifecycle rule "tidy"`, "a rule that came later eats what main pins")
}

func TestAVersionThatCanBeOverwrittenIsRefused(t *testing.T) {
	b := open(t)
	client := s3test.Client(t)
	versioning := func(status types.BucketVersioningStatus) {
		_, err := client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: &b.lake,
			VersioningConfiguration: &types.VersioningConfiguration{Status: status}})
		require.NoError(t, err)
	}
	versioning(types.BucketVersioningStatusSuspended)
	b.upload(t, "raw/m/a.csv", "a")
	in := b.plan(t, "m-1", "incoming/m-1", "main", contract.ObjectVersion{Key: "raw/m/a.csv", VersionID: "null", Size: 1})
	_, err := b.handle(t.Context(), in)
	require.Equal(t, "Sluice.Invalid", fault.KindOf(err).Name())
	require.ErrorContains(t, err, "the bucket's versioning is Suspended")
	require.ErrorContains(t, err, "put-bucket-versioning --bucket "+b.lake)
	versioning(types.BucketVersioningStatusEnabled)
	_, err = b.handle(t.Context(), in)
	require.ErrorContains(t, err, `commit raw/m/a.csv: its VersionId is "null", which can be overwritten`)
	_, err = b.handle(t.Context(), b.plan(t, "m-2", "incoming/m-2", "main", contract.ObjectVersion{Key: "raw/m/a.csv", Size: 1}))
	require.ErrorContains(t, err, "commit raw/m/a.csv: it has no VersionId")
}

func TestParts(t *testing.T) {
	require.Empty(t, parts(0))
	for _, count := range []int{1, 16, 17, 8192, 8193, 100_000, 1_000_000} {
		all := parts(count)
		require.LessOrEqual(t, len(all), maxParts, "%d", count)
		next := 0
		for index, p := range all {
			require.Equal(t, contract.Part{Index: index, First: next, Count: p.Count}, p)
			require.Positive(t, p.Count)
			next += p.Count
		}
		require.Equal(t, count, next, "every object is in one part")
		body, err := json.Marshal(all)
		require.NoError(t, err)
		require.Less(t, len(body), 64<<10)
	}
}
