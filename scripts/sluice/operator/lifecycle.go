package operator

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/sluice-ml/sluice/shared/dataset"
)

// LifecycleReader reads a bucket's lifecycle rules; *s3.Client is one.
type LifecycleReader interface {
	GetBucketLifecycleConfiguration(context.Context, *s3.GetBucketLifecycleConfigurationInput, ...func(*s3.Options)) (*s3.GetBucketLifecycleConfigurationOutput, error)
}

// LakeRules are the lake's lifecycle rules that delete versions.
func (c *Client) LakeRules(ctx context.Context) ([]dataset.LifecycleRule, error) {
	out, err := c.Lifecycle.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &c.Lake})
	if api, ok := errors.AsType[smithy.APIError](err); ok && (api.ErrorCode() == "NoSuchLifecycleConfiguration" || api.ErrorCode() == "NotImplemented") {
		return nil, nil // a server that has no such rules deletes nothing by them
	}
	if err != nil {
		return nil, fmt.Errorf("read the lifecycle rules of %s: %w (s3:GetLifecycleConfiguration allows it)", c.Lake, err)
	}
	var rules []dataset.LifecycleRule
	for _, rule := range out.Rules {
		if rule.Status == types.ExpirationStatusEnabled && rule.NoncurrentVersionExpiration != nil {
			rules = append(rules, ruleOf(rule))
		}
	}
	return rules, nil
}

func ruleOf(rule types.LifecycleRule) dataset.LifecycleRule {
	r := dataset.LifecycleRule{ID: aws.ToString(rule.ID), Prefix: aws.ToString(rule.Prefix), //nolint:staticcheck // old rules still have it
		Days:  int(aws.ToInt32(rule.NoncurrentVersionExpiration.NoncurrentDays)),
		Newer: int(aws.ToInt32(rule.NoncurrentVersionExpiration.NewerNoncurrentVersions))}
	if f := rule.Filter; f != nil {
		r.Tagged = f.Tag != nil
		r.LargerThan, r.SmallerThan = aws.ToInt64(f.ObjectSizeGreaterThan), aws.ToInt64(f.ObjectSizeLessThan)
		if f.Prefix != nil {
			r.Prefix = *f.Prefix
		}
		if a := f.And; a != nil {
			r.Prefix, r.Tagged = aws.ToString(a.Prefix), len(a.Tags) > 0
			r.LargerThan, r.SmallerThan = aws.ToInt64(a.ObjectSizeGreaterThan), aws.ToInt64(a.ObjectSizeLessThan)
		}
	}
	return r
}
