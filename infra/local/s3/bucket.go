package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

// Bucket is what the template declared of a bucket and the store does not keep.
type Bucket struct {
	EventBridge bool            `json:"event_bridge"`
	Lifecycle   []LifecycleRule `json:"lifecycle,omitempty"`
	Declared    json.RawMessage `json:"declared"`
}

// properties of AWS::S3::Bucket. What is not listed (CORS, logging, replication,
// websites, …) is refused by name. Encryption, ownership and public access are
// accepted: they change nothing that a client of the local stack can see.
type properties struct {
	BucketName              string
	VersioningConfiguration struct{ Status string }
	BucketEncryption        struct {
		ServerSideEncryptionConfiguration []struct {
			BucketKeyEnabled              bool
			BlockedEncryptionTypes        json.RawMessage
			ServerSideEncryptionByDefault struct{ SSEAlgorithm, KMSMasterKeyID string }
		}
	}
	PublicAccessBlockConfiguration struct {
		BlockPublicAcls, BlockPublicPolicy, IgnorePublicAcls, RestrictPublicBuckets bool
	}
	OwnershipControls struct {
		Rules []struct{ ObjectOwnership string }
	}
	NotificationConfiguration struct {
		EventBridgeConfiguration *struct{ EventBridgeEnabled *bool }
	}
	LifecycleConfiguration struct {
		Rules                              []LifecycleRule
		TransitionDefaultMinimumObjectSize string
	}
	Tags []assembly.Tag
}

// Creators are the Creators of the S3 types.
func (s *Service) Creators() map[string]assembly.Creator {
	return map[string]assembly.Creator{
		"AWS::S3::Bucket":       s.createBucket,
		"AWS::S3::BucketPolicy": s.createPolicy,
	}
}

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

func (s *Service) createBucket(ctx context.Context, r assembly.Resource) (assembly.Created, error) {
	var p properties
	if err := r.Decode(&p); err != nil {
		return assembly.Created{}, err
	}
	name := p.BucketName
	if name == "" {
		name = strings.ToLower(assembly.PhysicalName(s.o.Stack, r.LogicalID, 63))
	}
	if !bucketName.MatchString(name) {
		return assembly.Created{}, fmt.Errorf("bucket name %q: want 3 to 63 small letters, digits, '.' and '-'", name)
	}
	if err := s.makeBucket(ctx, name, p.VersioningConfiguration.Status); err != nil {
		return assembly.Created{}, err
	}
	kept := Bucket{Lifecycle: p.LifecycleConfiguration.Rules, Declared: r.Properties}
	if bridge := p.NotificationConfiguration.EventBridgeConfiguration; bridge != nil {
		kept.EventBridge = bridge.EventBridgeEnabled == nil || *bridge.EventBridgeEnabled
	}
	if err := s.buckets.Put(name, kept); err != nil {
		return assembly.Created{}, err
	}
	return assembly.Created{Ref: name, Attributes: map[string]any{
		"Arn":                 "arn:aws:s3:::" + name,
		"DomainName":          name + ".s3.amazonaws.com",
		"RegionalDomainName":  name + ".s3." + s.o.Region + ".amazonaws.com",
		"DualStackDomainName": name + ".s3.dualstack." + s.o.Region + ".amazonaws.com",
	}}, nil
}

// makeBucket creates the bucket if it is not there and sets its versioning.
func (s *Service) makeBucket(ctx context.Context, name, versioning string) error {
	client := s.Client()
	_, err := client.CreateBucket(ctx, &sdk.CreateBucketInput{Bucket: &name})
	if _, ours := errors.AsType[*types.BucketAlreadyOwnedByYou](err); err != nil && !ours {
		return fmt.Errorf("create bucket %s: %w", name, err)
	}
	if versioning == "" {
		return nil
	}
	_, err = client.PutBucketVersioning(ctx, &sdk.PutBucketVersioningInput{Bucket: &name,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatus(versioning)}})
	if err != nil {
		return fmt.Errorf("set the versioning of bucket %s to %q: %w", name, versioning, err)
	}
	return nil
}

func (s *Service) createPolicy(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	var p struct {
		Bucket         string
		PolicyDocument json.RawMessage
	}
	if err := r.Decode(&p); err != nil {
		return assembly.Created{}, err
	}
	if _, ok := s.buckets.All()[p.Bucket]; !ok {
		return assembly.Created{}, fmt.Errorf("bucket policy %s: the stack has no bucket %q", r.LogicalID, p.Bucket)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policies[p.Bucket] = p.PolicyDocument
	return assembly.Created{Ref: p.Bucket}, nil
}

func (s *Service) notifies(bucket string) bool {
	kept, ok := s.buckets.Get(bucket)
	return ok && kept.EventBridge
}
