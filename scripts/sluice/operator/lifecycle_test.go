package operator

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
)

type rules struct {
	list []types.LifecycleRule
	err  error
}

func (r rules) GetBucketLifecycleConfiguration(context.Context, *s3.GetBucketLifecycleConfigurationInput, ...func(*s3.Options)) (*s3.GetBucketLifecycleConfigurationOutput, error) {
	return &s3.GetBucketLifecycleConfigurationOutput{Rules: r.list}, r.err
}

func TestLakeRules(t *testing.T) {
	expire := &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(30), NewerNoncurrentVersions: aws.Int32(2)}
	on := types.ExpirationStatusEnabled
	c := &Client{Lake: "lake", Lifecycle: rules{list: []types.LifecycleRule{
		{ID: aws.String("old style"), Status: on, Prefix: aws.String("raw/"), NoncurrentVersionExpiration: expire}, //nolint:staticcheck // old rules still have it
		{ID: aws.String("off"), Status: types.ExpirationStatusDisabled, NoncurrentVersionExpiration: expire},
		{ID: aws.String("current"), Status: on, Expiration: &types.LifecycleExpiration{Days: aws.Int32(1)}},
		{ID: aws.String("filter"), Status: on, NoncurrentVersionExpiration: expire, Filter: &types.LifecycleRuleFilter{Prefix: aws.String("a/")}},
		{ID: aws.String("and"), Status: on, NoncurrentVersionExpiration: expire, Filter: &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{
			Prefix: aws.String("b/"), ObjectSizeGreaterThan: aws.Int64(10), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}}}},
	}}}
	got, err := c.LakeRules(t.Context())
	require.NoError(t, err)
	require.Equal(t, []dataset.LifecycleRule{
		{ID: "old style", Prefix: "raw/", Days: 30, Newer: 2},
		{ID: "filter", Prefix: "a/", Days: 30, Newer: 2},
		{ID: "and", Prefix: "b/", Days: 30, Newer: 2, LargerThan: 10, Tagged: true},
	}, got)
	for _, code := range []string{"NoSuchLifecycleConfiguration", "NotImplemented"} {
		c.Lifecycle = rules{err: &smithy.GenericAPIError{Code: code}}
		got, err := c.LakeRules(t.Context())
		require.NoError(t, err)
		require.Empty(t, got)
	}
	c.Lifecycle = rules{err: &smithy.GenericAPIError{Code: "AccessDenied"}}
	_, err = c.LakeRules(t.Context())
	require.ErrorContains(t, err, "s3:GetLifecycleConfiguration allows it")
}
