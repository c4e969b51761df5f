package s3

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// The store keeps object locks, and the gateway judges them. What both do
// otherwise than S3 is put right here: S3 writes a bucket's default retention
// into each version when it is made, and a legal hold counts whether or not a
// retention has run out.

// lockOf gives the bucket's object lock configuration; false when it has none.
func (n *notifying) lockOf(ctx context.Context, bucket string) (auth.BucketLockConfig, bool, error) {
	raw, err := n.Posix.GetObjectLockConfiguration(ctx, bucket)
	var config auth.BucketLockConfig
	switch {
	case errors.Is(err, s3err.GetAPIError(s3err.ErrObjectLockConfigurationNotFound)):
		return config, false, nil
	case err != nil:
		return config, false, err
	}
	err = json.Unmarshal(raw, &config)
	return config, config.Enabled, err
}

// objectLock is what locks one version.
type objectLock struct {
	mode  types.ObjectLockMode
	until *time.Time
	hold  types.ObjectLockLegalHoldStatus
}

// objectLock reads what locks a version; nothing where the bucket has no locks.
func (n *notifying) objectLock(ctx context.Context, bucket, key, version string) objectLock {
	var lock objectLock
	if _, on, err := n.lockOf(ctx, bucket); err != nil || !on {
		return lock
	}
	if raw, err := n.Posix.GetObjectRetention(ctx, bucket, key, version); err == nil {
		var retention types.ObjectLockRetention
		if json.Unmarshal(raw, &retention) == nil {
			lock.mode, lock.until = types.ObjectLockMode(retention.Mode), retention.RetainUntilDate
		}
	}
	if held, err := n.Posix.GetObjectLegalHold(ctx, bucket, key, version); err == nil && held != nil {
		lock.hold = auth.ParseObjectLegalHoldOutput(held).Status
	}
	return lock
}

// GetObjectLockConfiguration hides when the default retention was set: the
// gateway would have it protect every object of the bucket, older ones as well.
func (n *notifying) GetObjectLockConfiguration(ctx context.Context, bucket string) ([]byte, error) {
	raw, err := n.Posix.GetObjectLockConfiguration(ctx, bucket)
	if err != nil {
		return nil, err
	}
	var config auth.BucketLockConfig
	if err := json.Unmarshal(raw, &config); err != nil {
		return nil, err
	}
	config.CreatedAt = nil
	return json.Marshal(config)
}

// until gives the end of a default retention that begins now.
func until(retention *types.DefaultRetention, now time.Time) time.Time {
	if retention.Years != nil {
		return now.AddDate(int(*retention.Years), 0, 0)
	}
	days := int32(0)
	if retention.Days != nil {
		days = *retention.Days
	}
	return now.AddDate(0, 0, int(days))
}

// retainByDefault gives a write the bucket's default retention unless it has
// one of its own.
func (n *notifying) retainByDefault(ctx context.Context, in *s3response.PutObjectInput) error {
	config, on, err := n.lockOf(ctx, text(in.Bucket))
	if s3Error, ok := errors.AsType[s3err.S3Error](err); ok && s3Error.StatusCode() == 404 {
		return nil // no bucket: the write says so
	}
	if err != nil || !on || config.DefaultRetention == nil || in.ObjectLockMode != "" {
		return err
	}
	end := until(config.DefaultRetention, n.o.Now()).UTC()
	in.ObjectLockMode, in.ObjectLockRetainUntilDate = types.ObjectLockMode(config.DefaultRetention.Mode), &end
	return nil
}

// retainUpload gives a finished upload the bucket's default retention unless it
// was begun with one of its own.
func (n *notifying) retainUpload(ctx context.Context, bucket, key string) error {
	config, on, err := n.lockOf(ctx, bucket)
	if err != nil || !on || config.DefaultRetention == nil {
		return err
	}
	if _, err := n.Posix.GetObjectRetention(ctx, bucket, key, ""); err == nil {
		return nil
	}
	end := until(config.DefaultRetention, n.o.Now()).UTC()
	raw, err := json.Marshal(types.ObjectLockRetention{Mode: config.DefaultRetention.Mode, RetainUntilDate: &end})
	if err != nil {
		return err
	}
	return n.Posix.PutObjectRetention(ctx, bucket, key, "", raw)
}

// mayDelete refuses to delete a version under legal hold for good, which the
// gateway lets through once the version's retention has run out.
func (n *notifying) mayDelete(ctx context.Context, i intent) error {
	if i.VersionID == "" {
		return nil // a delete marker
	}
	_, on, err := n.lockOf(ctx, i.Bucket)
	if err != nil || !on {
		return nil // no locks here, or a fault that is the delete's to report
	}
	held, err := n.Posix.GetObjectLegalHold(ctx, i.Bucket, i.Key, i.VersionID)
	if err == nil && held != nil && *held {
		return s3err.GetAPIError(s3err.ErrObjectLocked)
	}
	return nil
}

// GetBucketAcl names the account as every bucket's owner, where the store knows
// the access key only: x-amz-expected-bucket-owner is compared with it.
func (n *notifying) GetBucketAcl(ctx context.Context, in *sdk.GetBucketAclInput) ([]byte, error) {
	raw, err := n.Posix.GetBucketAcl(ctx, in)
	if err != nil {
		return nil, err
	}
	acl, err := auth.ParseACL(raw)
	if err != nil {
		return nil, err
	}
	acl.Owner = n.o.Account
	return json.Marshal(acl)
}
