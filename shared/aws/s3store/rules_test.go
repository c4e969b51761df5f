package s3store_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/aws/s3store/s3test"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
)

type rules struct {
	list  []types.LifecycleRule
	err   error
	asked int
}

func (r *rules) GetBucketVersioning(context.Context, *s3.GetBucketVersioningInput, ...func(*s3.Options)) (*s3.GetBucketVersioningOutput, error) {
	return &s3.GetBucketVersioningOutput{}, r.err
}

func (r *rules) GetBucketLifecycleConfiguration(context.Context, *s3.GetBucketLifecycleConfigurationInput, ...func(*s3.Options)) (*s3.GetBucketLifecycleConfigurationOutput, error) {
	r.asked++
	return &s3.GetBucketLifecycleConfigurationOutput{Rules: r.list}, r.err
}

func TestRulesThatDeleteVersions(t *testing.T) {
	expire := &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(30), NewerNoncurrentVersions: aws.Int32(2)}
	on := types.ExpirationStatusEnabled
	client, now := &rules{list: []types.LifecycleRule{
		{ID: aws.String("old style"), Status: on, Prefix: aws.String("raw/"), NoncurrentVersionExpiration: expire}, //nolint:staticcheck // old rules still have it
		{ID: aws.String("off"), Status: types.ExpirationStatusDisabled, NoncurrentVersionExpiration: expire},
		{ID: aws.String("current"), Status: on, Expiration: &types.LifecycleExpiration{Days: aws.Int32(1)}},
		{ID: aws.String("filter"), Status: on, NoncurrentVersionExpiration: expire, Filter: &types.LifecycleRuleFilter{Prefix: aws.String("a/")}},
		{ID: aws.String("and"), Status: on, NoncurrentVersionExpiration: expire, Filter: &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{
			Prefix: aws.String("b/"), ObjectSizeGreaterThan: aws.Int64(10), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}}}},
	}}, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := s3store.NewRules(client, func() time.Time { return now })
	got, err := c.Of(t.Context(), "lake")
	require.NoError(t, err)
	require.Equal(t, []dataset.LifecycleRule{
		{ID: "old style", Prefix: "raw/", Days: 30, Newer: 2},
		{ID: "filter", Prefix: "a/", Days: 30, Newer: 2},
		{ID: "and", Prefix: "b/", Days: 30, Newer: 2, LargerThan: 10, Tagged: true},
	}, got)
	client.list = nil
	again, err := c.Of(t.Context(), "lake")
	require.NoError(t, err)
	require.Equal(t, got, again)
	require.Equal(t, 1, client.asked, "within five minutes it is not asked again")
	now = now.Add(6 * time.Minute)
	again, err = c.Of(t.Context(), "lake")
	require.NoError(t, err)
	require.Empty(t, again)
	for _, code := range []string{"NoSuchLifecycleConfiguration", "NotImplemented"} {
		got, err := s3store.NewRules(&rules{err: &smithy.GenericAPIError{Code: code}}, time.Now).Of(t.Context(), "lake")
		require.NoError(t, err)
		require.Empty(t, got)
	}
	denied := s3store.NewRules(&rules{err: answer(403, "AccessDenied")}, time.Now)
	_, err = denied.Of(t.Context(), "lake")
	require.Equal(t, fault.Denied, fault.KindOf(err))
	require.ErrorContains(t, err, "the permission s3:GetLifecycleConfiguration allows it")
	require.ErrorContains(t, denied.Versioned(t.Context(), "lake"), "s3:GetBucketVersioning")
}

func TestABucketWithoutVersioningIsRefused(t *testing.T) {
	client := s3test.Client(t)
	bucket, rules := s3test.Bucket(t), s3store.NewRules(client, time.Now)
	require.NoError(t, rules.Versioned(t.Context(), bucket))
	_, err := client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: &bucket,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusSuspended}})
	require.NoError(t, err)
	err = rules.Versioned(t.Context(), bucket)
	require.Equal(t, fault.Invalid, fault.KindOf(err))
	require.ErrorContains(t, err, "the bucket's versioning is Suspended")
	require.ErrorContains(t, err, "put-bucket-versioning --bucket "+bucket)
	never := bucket + "-never"
	_, err = client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &never})
	require.NoError(t, err)
	require.ErrorContains(t, rules.Versioned(t.Context(), never), "was never turned on")
}
