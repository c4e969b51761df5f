package s3

import (
	"bytes"
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

// Bucket is what the store does not keep of a bucket: what the template declared,
// and the lifecycle rules as they are now.
type Bucket struct {
	EventBridge bool            `json:"event_bridge"`
	Rules       []LifecycleRule `json:"rules,omitempty"`
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
		Rules                              []declaredRule
		TransitionDefaultMinimumObjectSize string
	}
	ObjectLockEnabled       bool
	ObjectLockConfiguration *struct {
		ObjectLockEnabled string
		Rule              *struct {
			DefaultRetention struct {
				Mode        string
				Days, Years *int32
			}
		}
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
	if err := s.makeBucket(ctx, name, p); err != nil {
		return assembly.Created{}, err
	}
	if err := s.lockBucket(ctx, name, p); err != nil {
		return assembly.Created{}, err
	}
	kept, err := s.declaredBucket(name, p, r.Properties)
	if err != nil {
		return assembly.Created{}, fmt.Errorf("bucket %s: %w", r.LogicalID, err)
	}
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

// declaredBucket is what the template says of a bucket. Lifecycle rules that the
// API changed since stay as they are while the template says the same as before,
// as after a deployment on AWS that leaves the bucket alone.
func (s *Service) declaredBucket(name string, p properties, declared json.RawMessage) (Bucket, error) {
	kept := Bucket{Declared: declared}
	rules, err := lifecycleOf(p.LifecycleConfiguration.Rules)
	if err != nil {
		return kept, err
	}
	if rules != nil {
		kept.Rules = rules.Rules
	}
	if before, ok := s.buckets.Get(name); ok && bytes.Equal(before.Declared, declared) {
		kept.Rules = before.Rules
	}
	return kept, nil
}

// lockBucket sets the object lock that the template declares.
func (s *Service) lockBucket(ctx context.Context, name string, p properties) error {
	declared := p.ObjectLockConfiguration
	if declared == nil || declared.Rule == nil {
		return nil
	}
	retention := declared.Rule.DefaultRetention
	_, err := s.Client().PutObjectLockConfiguration(ctx, &sdk.PutObjectLockConfigurationInput{Bucket: &name,
		ObjectLockConfiguration: &types.ObjectLockConfiguration{ObjectLockEnabled: types.ObjectLockEnabledEnabled,
			Rule: &types.ObjectLockRule{DefaultRetention: &types.DefaultRetention{Mode: types.ObjectLockRetentionMode(retention.Mode),
				Days: retention.Days, Years: retention.Years}}}})
	if err != nil {
		return fmt.Errorf("set the object lock of bucket %s: %w", name, err)
	}
	return nil
}

// makeBucket creates the bucket if it is not there and sets its versioning.
func (s *Service) makeBucket(ctx context.Context, name string, p properties) error {
	client, versioning := s.Client(), p.VersioningConfiguration.Status
	lock := p.ObjectLockEnabled || p.ObjectLockConfiguration != nil
	_, err := client.CreateBucket(ctx, &sdk.CreateBucketInput{Bucket: &name, ObjectLockEnabledForBucket: &lock})
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
