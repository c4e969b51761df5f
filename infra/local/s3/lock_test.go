package s3

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"
)

var vault = aws.String("vault")

// deleteVersion deletes a version for good and gives the error's code.
func (r rig) deleteVersion(bucket, key string, version *string, bypass bool) string {
	_, err := r.client.DeleteObject(context.Background(), &sdk.DeleteObjectInput{Bucket: &bucket, Key: &key, VersionId: version, BypassGovernanceRetention: &bypass})
	return code(err)
}

func TestLegalHold(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	r.declare(t, "Vault", `{"BucketName":"vault","VersioningConfiguration":{"Status":"Enabled"},"ObjectLockEnabled":true}`)
	key := aws.String("k")
	first := r.put(t, "vault", "k", "1")
	hold := func(version *string, status types.ObjectLockLegalHoldStatus) {
		t.Helper()
		_, err := r.client.PutObjectLegalHold(ctx, &sdk.PutObjectLegalHoldInput{Bucket: vault, Key: key, VersionId: version, LegalHold: &types.ObjectLockLegalHold{Status: status}})
		require.NoError(t, err)
	}
	_, err := r.client.GetObjectLegalHold(ctx, &sdk.GetObjectLegalHoldInput{Bucket: vault, Key: key})
	require.Equal(t, "NoSuchObjectLockConfiguration", code(err))
	hold(nil, types.ObjectLockLegalHoldStatusOn)
	got, err := r.client.GetObjectLegalHold(ctx, &sdk.GetObjectLegalHoldInput{Bucket: vault, Key: key})
	require.NoError(t, err)
	require.Equal(t, types.ObjectLockLegalHoldStatusOn, got.LegalHold.Status)

	second := r.put(t, "vault", "k", "2") // a new version: not held
	_, err = r.client.GetObjectLegalHold(ctx, &sdk.GetObjectLegalHoldInput{Bucket: vault, Key: key})
	require.Equal(t, "NoSuchObjectLockConfiguration", code(err))
	head, err := r.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: vault, Key: key, VersionId: first.VersionId})
	require.NoError(t, err)
	require.Equal(t, types.ObjectLockLegalHoldStatusOn, head.ObjectLockLegalHoldStatus)

	require.Equal(t, "AccessDenied", r.deleteVersion("vault", "k", first.VersionId, true), "no bypass for a hold")
	many, err := r.client.DeleteObjects(ctx, &sdk.DeleteObjectsInput{Bucket: vault, Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: key, VersionId: first.VersionId}, {Key: key, VersionId: second.VersionId}}}})
	require.NoError(t, err)
	require.Len(t, many.Errors, 1)
	require.Equal(t, "AccessDenied", *many.Errors[0].Code)
	require.Len(t, many.Deleted, 1)
	_, err = r.client.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: vault, Key: key})
	require.NoError(t, err, "a delete marker deletes nothing")
	hold(first.VersionId, types.ObjectLockLegalHoldStatusOff)
	require.Empty(t, r.deleteVersion("vault", "k", first.VersionId, false))

	r.put(t, "store", "k", "1")
	_, err = r.client.PutObjectLegalHold(ctx, &sdk.PutObjectLegalHoldInput{Bucket: store, Key: key, LegalHold: &types.ObjectLockLegalHold{Status: types.ObjectLockLegalHoldStatusOn}})
	require.Equal(t, "InvalidRequest", code(err), "the bucket has no object lock")
	_, err = r.client.GetObjectLockConfiguration(ctx, &sdk.GetObjectLockConfigurationInput{Bucket: store})
	require.Equal(t, "ObjectLockConfigurationNotFoundError", code(err))
}

func TestRetention(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	r.declare(t, "Vault", `{"BucketName":"vault","VersioningConfiguration":{"Status":"Enabled"},"ObjectLockEnabled":true}`)
	key := aws.String("k")
	put := r.put(t, "vault", "k", "1")
	retain := func(mode types.ObjectLockRetentionMode, end time.Time, bypass bool) string {
		_, err := r.client.PutObjectRetention(ctx, &sdk.PutObjectRetentionInput{Bucket: vault, Key: key, VersionId: put.VersionId, BypassGovernanceRetention: &bypass,
			Retention: &types.ObjectLockRetention{Mode: mode, RetainUntilDate: &end}})
		return code(err)
	}
	day := time.Now().Add(24 * time.Hour).Truncate(time.Second)
	require.Equal(t, "InvalidArgument", retain(types.ObjectLockRetentionModeGovernance, time.Now().Add(-time.Hour), false), "in the past")
	require.Empty(t, retain(types.ObjectLockRetentionModeGovernance, day, false))
	got, err := r.client.GetObjectRetention(ctx, &sdk.GetObjectRetentionInput{Bucket: vault, Key: key, VersionId: put.VersionId})
	require.NoError(t, err)
	require.Equal(t, types.ObjectLockRetentionModeGovernance, got.Retention.Mode)
	require.True(t, day.Equal(*got.Retention.RetainUntilDate))
	require.Equal(t, "AccessDenied", r.deleteVersion("vault", "k", put.VersionId, false))
	require.Equal(t, "AccessDenied", retain(types.ObjectLockRetentionModeGovernance, day.Add(-time.Hour), false), "shorter")
	require.Empty(t, retain(types.ObjectLockRetentionModeGovernance, day.Add(time.Hour), false), "longer")
	require.Empty(t, retain(types.ObjectLockRetentionModeCompliance, day, true), "with bypass")
	require.Equal(t, "AccessDenied", r.deleteVersion("vault", "k", put.VersionId, true), "compliance")
	require.Equal(t, "AccessDenied", retain(types.ObjectLockRetentionModeGovernance, day, true), "compliance stays")
}

// A default retention is written into the versions made from then on.
func TestDefaultRetention(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	r.declare(t, "Vault", `{"BucketName":"vault","VersioningConfiguration":{"Status":"Enabled"},"ObjectLockEnabled":true}`)
	before := r.put(t, "vault", "k", "1")
	_, err := r.client.PutObjectLockConfiguration(ctx, &sdk.PutObjectLockConfigurationInput{Bucket: vault, ObjectLockConfiguration: &types.ObjectLockConfiguration{
		ObjectLockEnabled: types.ObjectLockEnabledEnabled, Rule: &types.ObjectLockRule{DefaultRetention: &types.DefaultRetention{Mode: types.ObjectLockRetentionModeGovernance, Days: aws.Int32(7)}}}})
	require.NoError(t, err)
	config, err := r.client.GetObjectLockConfiguration(ctx, &sdk.GetObjectLockConfigurationInput{Bucket: vault})
	require.NoError(t, err)
	require.EqualValues(t, 7, *config.ObjectLockConfiguration.Rule.DefaultRetention.Days)
	require.Empty(t, r.deleteVersion("vault", "k", before.VersionId, false), "older versions are not retained")

	after := r.put(t, "vault", "k", "2")
	copied, err := r.client.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: vault, Key: aws.String("c"), CopySource: aws.String("vault/k")})
	require.NoError(t, err)
	upload, err := r.client.CreateMultipartUpload(ctx, &sdk.CreateMultipartUploadInput{Bucket: vault, Key: aws.String("m")})
	require.NoError(t, err)
	part, err := r.client.UploadPart(ctx, &sdk.UploadPartInput{Bucket: vault, Key: aws.String("m"), UploadId: upload.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader([]byte("x"))})
	require.NoError(t, err)
	done, err := r.client.CompleteMultipartUpload(ctx, &sdk.CompleteMultipartUploadInput{Bucket: vault, Key: aws.String("m"), UploadId: upload.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{ETag: part.ETag, PartNumber: aws.Int32(1), ChecksumCRC32: part.ChecksumCRC32, ChecksumCRC64NVME: part.ChecksumCRC64NVME}}}})
	require.NoError(t, err)
	for key, version := range map[string]*string{"k": after.VersionId, "c": copied.VersionId, "m": done.VersionId} {
		head, err := r.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: vault, Key: &key, VersionId: version})
		require.NoError(t, err)
		require.Equal(t, types.ObjectLockModeGovernance, head.ObjectLockMode, key)
		require.WithinDuration(t, time.Now().AddDate(0, 0, 7), *head.ObjectLockRetainUntilDate, time.Minute, key)
		require.Equal(t, "AccessDenied", r.deleteVersion("vault", key, version, false), key)
		require.Empty(t, r.deleteVersion("vault", key, version, true), key)
	}
	own, err := r.client.PutObject(ctx, &sdk.PutObjectInput{Bucket: vault, Key: aws.String("own"), Body: strings.NewReader("x"),
		ObjectLockMode: types.ObjectLockModeGovernance, ObjectLockRetainUntilDate: aws.Time(time.Now().Add(time.Hour)), ObjectLockLegalHoldStatus: types.ObjectLockLegalHoldStatusOn})
	require.NoError(t, err)
	head, err := r.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: vault, Key: aws.String("own"), VersionId: own.VersionId})
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(time.Hour), *head.ObjectLockRetainUntilDate, time.Minute)
	require.Equal(t, types.ObjectLockLegalHoldStatusOn, head.ObjectLockLegalHoldStatus)
}

func TestTheTemplateDeclaresALock(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	r.declare(t, "Vault", `{"BucketName":"vault","VersioningConfiguration":{"Status":"Enabled"},"ObjectLockEnabled":true,
		"ObjectLockConfiguration":{"ObjectLockEnabled":"Enabled","Rule":{"DefaultRetention":{"Mode":"COMPLIANCE","Years":1}}}}`)
	config, err := r.client.GetObjectLockConfiguration(ctx, &sdk.GetObjectLockConfigurationInput{Bucket: vault})
	require.NoError(t, err)
	require.Equal(t, types.ObjectLockRetentionModeCompliance, config.ObjectLockConfiguration.Rule.DefaultRetention.Mode)
	require.EqualValues(t, 1, *config.ObjectLockConfiguration.Rule.DefaultRetention.Years)
	_, err = r.client.PutBucketVersioning(ctx, &sdk.PutBucketVersioningInput{Bucket: vault, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusSuspended}})
	require.Equal(t, "InvalidBucketState", code(err))
}
