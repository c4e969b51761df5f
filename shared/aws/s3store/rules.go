package s3store

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
)

// RuleReader reads how a bucket is configured; *s3.Client is one.
type RuleReader interface {
	GetBucketLifecycleConfiguration(context.Context, *s3.GetBucketLifecycleConfigurationInput, ...func(*s3.Options)) (*s3.GetBucketLifecycleConfigurationOutput, error)
	GetBucketVersioning(context.Context, *s3.GetBucketVersioningInput, ...func(*s3.Options)) (*s3.GetBucketVersioningOutput, error)
}

// rulesFor is how long an answer is believed. Rules run once a day, and delete
// what became noncurrent a day ago at the earliest.
const rulesFor = 5 * time.Minute

// Rules knows which of a bucket's lifecycle rules delete versions. It asks once
// in five minutes for each bucket, and is safe for concurrent use.
type Rules struct {
	client RuleReader
	now    func() time.Time

	mu    sync.Mutex
	known map[string]answer
}

type answer struct {
	rules []dataset.LifecycleRule
	asked time.Time
}

// NewRules makes a Rules over a client.
func NewRules(client RuleReader, now func() time.Time) *Rules {
	return &Rules{client: client, now: now, known: map[string]answer{}}
}

// Of gives a bucket's rules that delete noncurrent versions. Denied, when it may
// not be asked, names the permission: what cannot be checked is not safe.
func (r *Rules) Of(ctx context.Context, bucket string) ([]dataset.LifecycleRule, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a, ok := r.known[bucket]; ok && r.now().Sub(a.asked) < rulesFor {
		return a.rules, nil
	}
	rules, err := r.read(ctx, bucket)
	if err == nil {
		r.known[bucket] = answer{rules, r.now()}
	}
	return rules, err
}

func (r *Rules) read(ctx context.Context, bucket string) ([]dataset.LifecycleRule, error) {
	out, err := r.client.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &bucket})
	if code, _ := codeOf(err); code == "NoSuchLifecycleConfiguration" || code == "NotImplemented" {
		return nil, nil // a server that has no such rules deletes nothing by them
	}
	if err != nil {
		return nil, needs("s3:GetLifecycleConfiguration", classify("read the lifecycle rules of "+bucket, err))
	}
	var rules []dataset.LifecycleRule
	for _, rule := range out.Rules {
		if rule.Status == types.ExpirationStatusEnabled && rule.NoncurrentVersionExpiration != nil {
			rules = append(rules, ruleOf(rule))
		}
	}
	return rules, nil
}

// needs names the permission that a Denied request wants.
func needs(permission string, err error) error {
	if !fault.Is(err, fault.Denied) {
		return err
	}
	return fault.New(fault.Denied, "ask S3", "%w", err).WithHint("the permission %s allows it", permission)
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

// Versioned refuses a bucket that does not keep versions: what it holds can be
// overwritten, so no commit can pin it. Invalid names the bucket and the way out.
func (r *Rules) Versioned(ctx context.Context, bucket string) error {
	out, err := r.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &bucket})
	if err != nil {
		return needs("s3:GetBucketVersioning", classify("read the versioning of "+bucket, err))
	}
	if out.Status == types.BucketVersioningStatusEnabled {
		return nil
	}
	status := "was never turned on"
	if out.Status != "" {
		status = "is " + string(out.Status)
	}
	return fault.New(fault.Invalid, "pin objects of "+contract.URI(bucket, ""), "the bucket's versioning %s, so what lies there can be overwritten", status).
		WithHint("turn it on, then upload the objects again: aws s3api put-bucket-versioning --bucket %s --versioning-configuration Status=Enabled", bucket)
}
