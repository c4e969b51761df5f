package s3store

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
)

// LockClient sets and reads Object Lock; *s3.Client is one.
type LockClient interface {
	GetObjectLockConfiguration(context.Context, *s3.GetObjectLockConfigurationInput, ...func(*s3.Options)) (*s3.GetObjectLockConfigurationOutput, error)
	GetObjectLegalHold(context.Context, *s3.GetObjectLegalHoldInput, ...func(*s3.Options)) (*s3.GetObjectLegalHoldOutput, error)
	PutObjectLegalHold(context.Context, *s3.PutObjectLegalHoldInput, ...func(*s3.Options)) (*s3.PutObjectLegalHoldOutput, error)
}

// Locks puts legal holds on versions of a bucket's objects.
type Locks struct {
	client LockClient
	bucket string
}

var _ dataset.Locker = (*Locks)(nil)

// NewLocks makes a Locks for a bucket.
func NewLocks(client LockClient, bucket string) *Locks { return &Locks{client, bucket} }

// Able implements dataset.Locker.
func (l *Locks) Able(ctx context.Context) error {
	out, err := l.client.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: &l.bucket})
	code, _ := codeOf(err)
	off := err == nil && (out.ObjectLockConfiguration == nil || out.ObjectLockConfiguration.ObjectLockEnabled != types.ObjectLockEnabledEnabled)
	if off || code == "ObjectLockConfigurationNotFoundError" {
		return fault.New(fault.Invalid, "hold objects of "+contract.URI(l.bucket, ""), "the bucket has no Object Lock").
			WithHint("turn it on, which changes nothing by itself and cannot be undone: aws s3api put-object-lock-configuration --bucket %s --object-lock-configuration ObjectLockEnabled=Enabled", l.bucket)
	}
	return needs("s3:GetBucketObjectLockConfiguration", classify("read the Object Lock of "+l.bucket, err))
}

// Held implements dataset.Locker.
func (l *Locks) Held(ctx context.Context, key, versionID string) (bool, error) {
	out, err := l.client.GetObjectLegalHold(ctx, &s3.GetObjectLegalHoldInput{Bucket: &l.bucket, Key: &key, VersionId: optional(versionID)})
	switch code, _ := codeOf(err); {
	case code == "NoSuchObjectLockConfiguration" || code == "ObjectLockConfigurationNotFoundError" || code == "InvalidRequest":
		return false, nil // nobody ever set one on this version, or the bucket has none
	case err != nil:
		return false, needs("s3:GetObjectLegalHold", classify("look at the legal hold of "+VersionURI(l.bucket, key, versionID), err))
	}
	return out.LegalHold != nil && out.LegalHold.Status == types.ObjectLockLegalHoldStatusOn, nil
}

// Hold implements dataset.Locker.
func (l *Locks) Hold(ctx context.Context, key, versionID string, on bool) error {
	status := types.ObjectLockLegalHoldStatusOff
	if on {
		status = types.ObjectLockLegalHoldStatusOn
	}
	_, err := l.client.PutObjectLegalHold(ctx, &s3.PutObjectLegalHoldInput{Bucket: &l.bucket, Key: &key, VersionId: optional(versionID),
		LegalHold: &types.ObjectLockLegalHold{Status: status}})
	return needs("s3:PutObjectLegalHold", classify("set the legal hold of "+VersionURI(l.bucket, key, versionID), err))
}
