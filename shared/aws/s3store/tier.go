package s3store

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

// TierTag is the tag that a version waits for its storage class with; its value
// is the class.
const TierTag = "sluice-tier"

// mostTags is how many tags S3 lets a version have.
const mostTags = 10

// TierClient reads and writes tags and lifecycle rules; *s3.Client is one.
type TierClient interface {
	GetObjectTagging(context.Context, *s3.GetObjectTaggingInput, ...func(*s3.Options)) (*s3.GetObjectTaggingOutput, error)
	PutObjectTagging(context.Context, *s3.PutObjectTaggingInput, ...func(*s3.Options)) (*s3.PutObjectTaggingOutput, error)
	GetBucketLifecycleConfiguration(context.Context, *s3.GetBucketLifecycleConfigurationInput, ...func(*s3.Options)) (*s3.GetBucketLifecycleConfigurationOutput, error)
	PutBucketLifecycleConfiguration(context.Context, *s3.PutBucketLifecycleConfigurationInput, ...func(*s3.Options)) (*s3.PutBucketLifecycleConfigurationOutput, error)
}

// Tiers moves versions of a bucket's objects to cheaper storage classes without
// changing their VersionIds. A copy would make a new version, which no commit pins,
// and leave the old one where it was; only a lifecycle rule moves a version in
// place. So a version is tagged, which makes no new version either, and a rule for
// that tag moves it, current or not, within a day or two. A version is never in a
// class that has to be restored before it can be read.
type Tiers struct {
	client TierClient
	bucket string
}

// NewTiers makes a Tiers for a bucket.
func NewTiers(client TierClient, bucket string) *Tiers { return &Tiers{client, bucket} }

// tierDays is how long the rule waits. S3 wants at least 30 days for the
// infrequent-access classes.
var tierDays = map[string]int32{
	string(types.StorageClassStandardIa): 30,
	string(types.StorageClassGlacierIr):  1,
}

// CheckClass refuses a class that versions cannot be moved to; Invalid.
func CheckClass(class string) error {
	if tierDays[class] > 0 {
		return nil
	}
	return fault.New(fault.Invalid, "move versions to "+class, "want STANDARD_IA or GLACIER_IR").
		WithHint("a checkout must be able to read every version at once: GLACIER and DEEP_ARCHIVE want a restore first, ONEZONE_IA is lost with its zone")
}

func tierRule(class string) types.LifecycleRule {
	days := tierDays[class]
	return types.LifecycleRule{ID: aws.String("sluice-tier-" + strings.ToLower(strings.ReplaceAll(class, "_", "-"))), Status: types.ExpirationStatusEnabled,
		Filter:                       &types.LifecycleRuleFilter{Tag: &types.Tag{Key: aws.String(TierTag), Value: &class}},
		Transitions:                  []types.Transition{{Days: &days, StorageClass: types.TransitionStorageClass(class)}},
		NoncurrentVersionTransitions: []types.NoncurrentVersionTransition{{NoncurrentDays: &days, StorageClass: types.TransitionStorageClass(class)}}}
}

// Ready refuses a bucket without the rule that moves what Mark tags; Invalid, with
// the rule.
func (t *Tiers) Ready(ctx context.Context, class string) error {
	if err := CheckClass(class); err != nil {
		return err
	}
	rules, _, err := t.rules(ctx)
	if err != nil || hasRule(rules, tierRule(class)) {
		return err
	}
	text, err := json.Marshal(map[string]any{"ID": *tierRule(class).ID, "Status": "Enabled",
		"Filter":                       map[string]any{"Tag": map[string]string{"Key": TierTag, "Value": class}},
		"Transitions":                  []any{map[string]any{"Days": tierDays[class], "StorageClass": class}},
		"NoncurrentVersionTransitions": []any{map[string]any{"NoncurrentDays": tierDays[class], "StorageClass": class}}})
	if err != nil {
		return fault.New(fault.Internal, "encode a lifecycle rule", "%w", err)
	}
	return fault.New(fault.Invalid, "move versions of "+contract.URI(t.bucket, "")+" to "+class, "the bucket has no lifecycle rule that does it").
		WithHint("add --install-rule, or put this rule beside the others yourself: %s", text)
}

func hasRule(rules []types.LifecycleRule, want types.LifecycleRule) bool {
	return slices.ContainsFunc(rules, func(r types.LifecycleRule) bool {
		return r.Status == want.Status && r.Filter != nil && reflect.DeepEqual(plainTag(r.Filter.Tag), plainTag(want.Filter.Tag)) &&
			slices.ContainsFunc(r.Transitions, func(t types.Transition) bool { return t.StorageClass == want.Transitions[0].StorageClass }) &&
			slices.ContainsFunc(r.NoncurrentVersionTransitions, func(t types.NoncurrentVersionTransition) bool {
				return t.StorageClass == want.Transitions[0].StorageClass
			})
	})
}

func plainTag(t *types.Tag) string {
	if t == nil {
		return ""
	}
	return aws.ToString(t.Key) + "=" + aws.ToString(t.Value)
}

// rules are the bucket's rules, and the least size that they move by themselves.
func (t *Tiers) rules(ctx context.Context) ([]types.LifecycleRule, types.TransitionDefaultMinimumObjectSize, error) {
	out, err := t.client.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &t.bucket})
	if code, _ := codeOf(err); code == "NoSuchLifecycleConfiguration" {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", needs("s3:GetLifecycleConfiguration", classify("read the lifecycle rules of "+t.bucket, err))
	}
	return out.Rules, out.TransitionDefaultMinimumObjectSize, nil
}

// Install adds the rule for a class to the bucket's rules and reads them back. S3
// has no conditional write for them: Conflict when a rule that was there is not
// any more, because somebody else wrote them at the same time.
func (t *Tiers) Install(ctx context.Context, class string) error {
	if err := CheckClass(class); err != nil {
		return err
	}
	before, least, err := t.rules(ctx)
	if err != nil || hasRule(before, tierRule(class)) {
		return err
	}
	rule := tierRule(class)
	next := slices.DeleteFunc(slices.Clone(before), func(r types.LifecycleRule) bool { return aws.ToString(r.ID) == *rule.ID })
	kept := slices.Clone(next)
	_, err = t.client.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{Bucket: &t.bucket,
		LifecycleConfiguration:             &types.BucketLifecycleConfiguration{Rules: append(next, rule)},
		TransitionDefaultMinimumObjectSize: least})
	if err != nil {
		return needs("s3:PutLifecycleConfiguration", classify("write the lifecycle rules of "+t.bucket, err))
	}
	after, _, err := t.rules(ctx)
	if err != nil {
		return err
	}
	for _, r := range append(kept, rule) {
		if !slices.ContainsFunc(after, func(now types.LifecycleRule) bool { return aws.ToString(now.ID) == aws.ToString(r.ID) }) {
			return fault.New(fault.Conflict, "write the lifecycle rules of "+t.bucket, "rule %q is gone: somebody else wrote them at the same time", aws.ToString(r.ID)).
				WithHint("compare them with what they should be: aws s3api get-bucket-lifecycle-configuration --bucket %s", t.bucket)
		}
	}
	return nil
}

// Mark tags a version for a class, and keeps its other tags. It says whether it
// had to; a version that is tagged already is left alone. Invalid when the version
// has as many tags as it may.
func (t *Tiers) Mark(ctx context.Context, key, versionID, class string) (bool, error) {
	what := VersionURI(t.bucket, key, versionID)
	out, err := t.client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: &t.bucket, Key: &key, VersionId: &versionID})
	if err != nil {
		return false, needs("s3:GetObjectVersionTagging", classify("read the tags of "+what, err))
	}
	var tags []types.Tag
	for _, tag := range out.TagSet {
		if aws.ToString(tag.Key) != TierTag {
			tags = append(tags, tag)
		} else if aws.ToString(tag.Value) == class {
			return false, nil
		}
	}
	if len(tags) >= mostTags {
		return false, fault.New(fault.Invalid, "tag "+what, "it has %d tags already", len(tags)).WithHint("take one off")
	}
	tags = append(tags, types.Tag{Key: aws.String(TierTag), Value: &class})
	_, err = t.client.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: &t.bucket, Key: &key, VersionId: &versionID, Tagging: &types.Tagging{TagSet: tags}})
	return err == nil, needs("s3:PutObjectVersionTagging", classify(fmt.Sprintf("tag %s for %s", what, class), err))
}
