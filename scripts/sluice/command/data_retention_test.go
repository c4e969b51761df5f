package command

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/aws/s3store/s3test"
	"github.com/sluice-ml/sluice/shared/dataset"
)

// lockable gives the bench a lake with Object Lock.
func (b *bench) lockable() {
	name, client := b.client.Lake+"-locked", s3test.Client(b.t)
	_, err := client.CreateBucket(b.t.Context(), &s3.CreateBucketInput{Bucket: &name, ObjectLockEnabledForBucket: aws.Bool(true)})
	require.NoError(b.t, err)
	_, err = client.PutBucketVersioning(b.t.Context(), &s3.PutBucketVersioningInput{Bucket: &name,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
	require.NoError(b.t, err)
	b.client.Lake = name
	b.client.Locks, b.client.Tiers = s3store.NewLocks(client, name), s3store.NewTiers(client, name)
}

// TestLegalHoldsOnS3 holds a release on a real S3 server, which then refuses to
// delete its versions, whoever asks.
func TestLegalHoldsOnS3(t *testing.T) {
	b := newBench(t)
	b.upload("raw/m/a.csv", "1")
	b.commit("main")
	_, err := b.run("tag", "create", "m", "v0", "--legal-hold")
	require.ErrorContains(t, err, "the bucket has no Object Lock")
	require.ErrorContains(t, err, "put-object-lock-configuration --bucket "+b.client.Lake)
	var tags []dataset.TagInfo
	b.get(&tags, "tag", "list", "m")
	require.Empty(t, tags, "nothing was tagged")

	b = newBench(t)
	b.lockable()
	old := b.upload("raw/m/a.csv", "1")
	other := b.upload("raw/m/b.csv", "2")
	b.commit("main")
	var held dataset.Held
	b.get(&held, "tag", "create", "m", "v1", "--legal-hold", "--by", "me")
	require.Equal(t, []any{"held", 2, 2}, []any{held.State, held.Objects, held.Done})
	b.upload("raw/m/a.csv", "new")
	require.Error(t, b.client.Objects.Delete(t.Context(), b.client.Lake, "raw/m/a.csv", old), "S3 refuses")
	err = b.client.LakeSweeper().Delete(t.Context(), "raw/m/a.csv", old)
	require.True(t, errors.Is(err, dataset.ErrHeld), "%v", err)
	b.get(&held, "hold", "place", "m", "v1")
	require.Equal(t, []int{0, 2}, []int{held.Done, held.Found}, "placed again")
	var list []dataset.Hold
	b.get(&list, "hold", "list", "m")
	require.Len(t, list, 1)
	out, err := b.run("hold", "release", "m", "v1")
	require.NoError(t, err)
	require.Equal(t, "released the hold on tag v1: 2 object versions freed, 0 were free, 0 stay under another hold\n", out)
	require.NoError(t, b.client.LakeSweeper().Delete(t.Context(), "raw/m/a.csv", old))
	require.NoError(t, b.client.LakeSweeper().Delete(t.Context(), "raw/m/b.csv", other))
	_, err = b.run("hold", "release", "m", "v2")
	require.ErrorContains(t, err, "there is none")
}

// TestTheLakeIsCollectedOnS3 says what would go, and is refused where it is not allowed.
func TestTheLakeIsCollectedOnS3(t *testing.T) {
	b := newBench(t)
	b.upload("raw/m/a.csv", "first")
	b.upload("raw/m/a.csv", "second")
	kept := b.upload("raw/m/a.csv", "third")
	b.commit("main")
	_, err := b.run("gc", "m", "--lake", "--runs=false")
	require.ErrorContains(t, err, "nobody has allowed it")
	require.ErrorContains(t, err, "--lake --allow raw/m/")
	_, err = b.run("gc", "m", "--allow", "raw/m/")
	require.ErrorContains(t, err, "go with --lake")
	_, err = b.run("gc", "m", "--lake", "--pin", "main")
	require.ErrorContains(t, err, "every stored commit counts")
	out, err := b.run("gc", "m", "--lake", "--allow", "raw/m/")
	require.NoError(t, err)
	require.Contains(t, out, "s3://"+b.client.Lake+"/raw/m/")
	var found dataset.LakeCollection
	b.get(&found, "gc", "m", "--lake", "--runs=false")
	require.Equal(t, []int{1, 0, 2, 0}, []int{found.Pinned, found.Current, found.Young, len(found.Garbage)})
	b.get(&found, "gc", "m", "--lake", "--runs=false", "--plan")
	require.Empty(t, found.Plan, "all garbage is young")
	_, err = b.run("gc", "m", "--lake", "--runs=false", "--apply")
	require.ErrorContains(t, err, "no collection is planned")
	for _, args := range [][]string{{"--cancel"}, {"--allowed"}, {"--forbid", "raw/m/"}} {
		_, err := b.run(append([]string{"gc", "m", "--lake"}, args...)...)
		require.NoError(t, err, args)
	}
	n := 0
	for v, err := range b.client.LakeSweeper().Each(t.Context(), "raw/m/") {
		require.NoError(t, err)
		require.Equal(t, v.VersionID == kept, v.Latest)
		n++
	}
	require.Equal(t, 3, n)
}

func TestWhatADatasetCosts(t *testing.T) {
	b := newBench(t)
	b.upload("raw/m/a.csv", "lost")
	b.upload("raw/m/a.csv", "12345")
	b.commit("main")
	b.upload("raw/m/a.csv", "123")
	b.commit("main")
	b.upload("raw/m/b.csv", "not committed")
	b.upload("raw/other/x.csv", "elsewhere")
	var v storageView
	b.get(&v, "cost", "m", "--runs=false")
	require.Equal(t, []share{{Name: "STANDARD", Objects: 4, Bytes: 25, USD: v.Total.USD}}, v.Classes)
	byName := map[string]share{}
	for _, x := range v.Reach {
		byName[x.Name] = x
	}
	require.Equal(t, []int64{8, 13, 4}, []int64{byName["branches"].Bytes, byName[byNobody].Bytes, byName[byGarbage].Bytes})
	require.Zero(t, v.Freed.Objects, "it is young")
	require.Positive(t, v.Commits.Bytes)
	out, err := b.run("cost", "m", "--runs=false")
	require.NoError(t, err)
	for _, want := range []string{"STORAGE CLASS", "REACHED FROM", "gc --lake would free", "prices: AWS's public S3 price list, us-east-1", "2025-12"} {
		require.Contains(t, out, want)
	}
}

// ruled is S3 with lifecycle rules that can be written; the S3 server of these
// tests has none.
type ruled struct {
	s3store.TierClient
	rules  []types.LifecycleRule
	least  types.TransitionDefaultMinimumObjectSize
	denied bool
}

func (r *ruled) GetBucketLifecycleConfiguration(context.Context, *s3.GetBucketLifecycleConfigurationInput, ...func(*s3.Options)) (*s3.GetBucketLifecycleConfigurationOutput, error) {
	return &s3.GetBucketLifecycleConfigurationOutput{Rules: r.rules, TransitionDefaultMinimumObjectSize: r.least}, nil
}

func (r *ruled) PutBucketLifecycleConfiguration(_ context.Context, in *s3.PutBucketLifecycleConfigurationInput, _ ...func(*s3.Options)) (*s3.PutBucketLifecycleConfigurationOutput, error) {
	r.rules, r.least = in.LifecycleConfiguration.Rules, in.TransitionDefaultMinimumObjectSize
	return &s3.PutBucketLifecycleConfigurationOutput{}, nil
}

func (r *ruled) PutObjectTagging(ctx context.Context, in *s3.PutObjectTaggingInput, o ...func(*s3.Options)) (*s3.PutObjectTaggingOutput, error) {
	if r.denied {
		return nil, errors.New("killed")
	}
	return r.TierClient.PutObjectTagging(ctx, in, o...)
}

// TestColdVersionsAreTagged: on a real S3 server tags are put on versions, which
// stay what they are; the moving itself is S3's.
func TestColdVersionsAreTagged(t *testing.T) {
	b := newBench(t)
	client := s3test.Client(t)
	s := &ruled{TierClient: client, rules: []types.LifecycleRule{{ID: aws.String("theirs")}}, least: types.TransitionDefaultMinimumObjectSizeVariesByStorageClass}
	b.client.Tiers = s3store.NewTiers(s, b.client.Lake)
	big := strings.Repeat("x", 200<<10)
	cold := b.upload("raw/m/a.csv", big)
	b.upload("raw/m/small.csv", "x")
	b.commit("main")
	b.upload("raw/m/a.csv", big+"y")
	b.upload("raw/m/small.csv", "xy")
	b.commit("main")
	b.upload("raw/m/unpinned.csv", big)
	_, err := client.PutObjectTagging(t.Context(), &s3.PutObjectTaggingInput{Bucket: &b.client.Lake, Key: aws.String("raw/m/a.csv"), VersionId: &cold,
		Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("team"), Value: aws.String("blue")}}}})
	require.NoError(t, err)

	var v tierView
	b.get(&v, "tier", "m", "--to", "GLACIER_IR", "--older-than", "0d")
	require.Equal(t, []int{1, 2, 1, 0}, []int{v.Move.Objects, v.Warm, v.Small, v.Marked})
	require.False(t, v.Applied)
	b.get(&v, "tier", "m", "--to", "GLACIER_IR")
	require.Equal(t, 0, v.Move.Objects, "younger than 90 days")
	out, err := b.run("tier", "m", "main~1", "--to", "STANDARD_IA", "--older-than", "0s", "--dry-run")
	require.NoError(t, err)
	for _, want := range []string{"what is deleted within 30 days is billed for 30 days", "0 that a branch's head holds", "1 below 128 KiB", "nothing was done"} {
		require.Contains(t, out, want)
	}
	_, err = b.run("tier", "m", "--to", "GLACIER_IR", "--older-than", "0d", "--apply")
	require.ErrorContains(t, err, "the bucket has no lifecycle rule that does it")
	require.ErrorContains(t, err, `"NoncurrentVersionTransitions":[{"NoncurrentDays":1,"StorageClass":"GLACIER_IR"}]`)
	s.denied = true
	_, err = b.run("tier", "m", "--to", "GLACIER_IR", "--older-than", "0d", "--apply", "--install-rule")
	require.ErrorContains(t, err, "0 of 1 versions are tagged: run it again")
	s.denied = false
	require.Len(t, s.rules, 2, "theirs is still there")
	require.Equal(t, types.TransitionDefaultMinimumObjectSizeVariesByStorageClass, s.least)
	for _, want := range [][]int{{1, 0}, {0, 1}} {
		b.get(&v, "tier", "m", "--to", "GLACIER_IR", "--older-than", "0d", "--apply", "--install-rule")
		require.Equal(t, want, []int{v.Marked, v.Before}, "it may be run again")
	}
	require.Len(t, s.rules, 2)
	tags, err := client.GetObjectTagging(t.Context(), &s3.GetObjectTaggingInput{Bucket: &b.client.Lake, Key: aws.String("raw/m/a.csv"), VersionId: &cold})
	require.NoError(t, err)
	require.Len(t, tags.TagSet, 2)
	versions, err := b.client.Objects.ListVersions(t.Context(), b.client.Lake, "raw/m/a.csv")
	require.NoError(t, err)
	require.Len(t, versions, 2, "no version was made")
	folder := t.TempDir()
	_, err = b.run("checkout", "m", "main~1", folder, "--prefix", "raw/m/")
	require.NoError(t, err, "the pin still reads")
	for want, args := range map[string][]string{
		"want STANDARD_IA or GLACIER_IR":         {"--to", "DEEP_ARCHIVE"},
		"at most one of":                         {"--to", "GLACIER_IR", "--apply", "--dry-run"},
		`invalid argument "-3h"`:                 {"--to", "GLACIER_IR", "--older-than", "-3h"},
		"no branch, tag or commit has that name": {"nope", "--to", "GLACIER_IR"},
	} {
		_, err := b.run(append([]string{"tier", "m"}, args...)...)
		require.ErrorContains(t, err, want)
	}
}
