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

var store = aws.String("store")

func TestStorageClasses(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	key := aws.String("c/x")
	first, err := r.client.PutObject(ctx, &sdk.PutObjectInput{Bucket: store, Key: key, Body: strings.NewReader("1"), StorageClass: types.StorageClassStandardIa,
		Metadata: map[string]string{"storage-class": "mine"}})
	require.NoError(t, err)
	second := r.put(t, "store", "c/x", "22")

	head, err := r.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: store, Key: key})
	require.NoError(t, err)
	require.Empty(t, head.StorageClass, "S3 says nothing of STANDARD")
	old, err := r.client.GetObject(ctx, &sdk.GetObjectInput{Bucket: store, Key: key, VersionId: first.VersionId})
	require.NoError(t, err)
	require.Equal(t, types.StorageClassStandardIa, old.StorageClass)
	require.Equal(t, map[string]string{"storage-class": "mine"}, old.Metadata)
	require.NoError(t, old.Body.Close())

	versions, err := r.client.ListObjectVersions(ctx, &sdk.ListObjectVersionsInput{Bucket: store, Prefix: aws.String("c/")})
	require.NoError(t, err)
	require.Equal(t, *second.VersionId, *versions.Versions[0].VersionId)
	require.EqualValues(t, "STANDARD", versions.Versions[0].StorageClass)
	require.EqualValues(t, "STANDARD_IA", versions.Versions[1].StorageClass)
	attributes, err := r.client.GetObjectAttributes(ctx, &sdk.GetObjectAttributesInput{Bucket: store, Key: key, VersionId: first.VersionId,
		ObjectAttributes: []types.ObjectAttributes{types.ObjectAttributesStorageClass, types.ObjectAttributesObjectSize, types.ObjectAttributesEtag}})
	require.NoError(t, err)
	require.Equal(t, types.StorageClassStandardIa, attributes.StorageClass)
	require.EqualValues(t, 1, *attributes.ObjectSize)
	require.Equal(t, strings.Trim(*first.ETag, `"`), *attributes.ETag)

	_, err = r.client.PutObject(ctx, &sdk.PutObjectInput{Bucket: store, Key: key, Body: strings.NewReader("1"), StorageClass: "COLD"})
	require.Equal(t, "InvalidStorageClass", code(err))
	objects, err := r.client.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{Bucket: store, Prefix: aws.String("c/")})
	require.NoError(t, err)
	require.EqualValues(t, "STANDARD", objects.Contents[0].StorageClass)
}

func TestStorageClassOfCopiesAndUploads(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	r.put(t, "store", "a", "1")
	_, err := r.client.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: store, Key: aws.String("b"), CopySource: aws.String("store/a"), StorageClass: types.StorageClassGlacierIr})
	require.NoError(t, err)
	_, err = r.client.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: store, Key: aws.String("back"), CopySource: aws.String("store/b")})
	require.NoError(t, err)

	upload, err := r.client.CreateMultipartUpload(ctx, &sdk.CreateMultipartUploadInput{Bucket: store, Key: aws.String("m"), StorageClass: types.StorageClassOnezoneIa})
	require.NoError(t, err)
	uploads, err := r.client.ListMultipartUploads(ctx, &sdk.ListMultipartUploadsInput{Bucket: store})
	require.NoError(t, err)
	require.Equal(t, types.StorageClassOnezoneIa, uploads.Uploads[0].StorageClass)
	part, err := r.client.UploadPart(ctx, &sdk.UploadPartInput{Bucket: store, Key: aws.String("m"), UploadId: upload.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader([]byte("x"))})
	require.NoError(t, err)
	parts, err := r.client.ListParts(ctx, &sdk.ListPartsInput{Bucket: store, Key: aws.String("m"), UploadId: upload.UploadId})
	require.NoError(t, err)
	require.Equal(t, types.StorageClassOnezoneIa, parts.StorageClass)
	_, err = r.client.CompleteMultipartUpload(ctx, &sdk.CompleteMultipartUploadInput{Bucket: store, Key: aws.String("m"), UploadId: upload.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{ETag: part.ETag, PartNumber: aws.Int32(1), ChecksumCRC32: part.ChecksumCRC32, ChecksumCRC64NVME: part.ChecksumCRC64NVME}}}})
	require.NoError(t, err)

	listed, err := r.client.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{Bucket: store})
	require.NoError(t, err)
	got := map[string]string{}
	for _, object := range listed.Contents {
		got[*object.Key] = string(object.StorageClass)
	}
	require.Equal(t, map[string]string{"a": "STANDARD", "b": "GLACIER_IR", "back": "STANDARD", "m": "ONEZONE_IA"}, got)
}

func TestArchivedObjectsCannotBeRead(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	for _, class := range []types.StorageClass{types.StorageClassGlacier, types.StorageClassDeepArchive} {
		_, err := r.client.PutObject(ctx, &sdk.PutObjectInput{Bucket: store, Key: aws.String("cold"), Body: strings.NewReader("1"), StorageClass: class})
		require.NoError(t, err)
		_, err = r.client.GetObject(ctx, &sdk.GetObjectInput{Bucket: store, Key: aws.String("cold")})
		require.Equal(t, "InvalidObjectState", code(err))
		head, err := r.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: store, Key: aws.String("cold")})
		require.NoError(t, err)
		require.Equal(t, class, head.StorageClass)
		_, err = r.client.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: store, Key: aws.String("warm"), CopySource: aws.String("store/cold")})
		require.Equal(t, "ObjectNotInActiveTierError", code(err))
		_, err = r.client.RestoreObject(ctx, &sdk.RestoreObjectInput{Bucket: store, Key: aws.String("cold"), RestoreRequest: &types.RestoreRequest{Days: aws.Int32(1)}})
		require.Equal(t, "NotImplemented", code(err))
		require.ErrorContains(t, err, "put the object again")
	}
}

func TestClassesOutliveTheProcess(t *testing.T) {
	dir, ctx := t.TempDir()+"/s3", context.Background()
	r := openWith(t, dir, &board{})
	r.declare(t, "Store", `{"BucketName":"store","VersioningConfiguration":{"Status":"Enabled"}}`)
	_, err := r.client.PutObject(ctx, &sdk.PutObjectInput{Bucket: store, Key: aws.String("k"), Body: strings.NewReader("1"), StorageClass: types.StorageClassStandardIa})
	require.NoError(t, err)
	require.NoError(t, r.service.Close())
	again := openWith(t, dir, &board{})
	head, err := again.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: store, Key: aws.String("k")})
	require.NoError(t, err)
	require.Equal(t, types.StorageClassStandardIa, head.StorageClass)
}

// Last-Modified has whole seconds, and so has what clients send back of it.
func TestDateConditionsHaveWholeSeconds(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	r.put(t, "store", "k", "1")
	head, err := r.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: store, Key: aws.String("k")})
	require.NoError(t, err)
	at, before := head.LastModified, aws.Time(head.LastModified.Add(-time.Second))
	_, err = r.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: store, Key: aws.String("k"), IfUnmodifiedSince: at})
	require.NoError(t, err)
	_, err = r.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: store, Key: aws.String("k"), IfUnmodifiedSince: before})
	require.Equal(t, 412, status(err))
	_, err = r.client.GetObject(ctx, &sdk.GetObjectInput{Bucket: store, Key: aws.String("k"), IfModifiedSince: at})
	require.Equal(t, 304, status(err))
	got, err := r.client.GetObject(ctx, &sdk.GetObjectInput{Bucket: store, Key: aws.String("k"), IfModifiedSince: before})
	require.NoError(t, err)
	require.NoError(t, got.Body.Close())
}

func TestNullVersions(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	r.declare(t, "Plain", `{"BucketName":"plain"}`)
	plain := aws.String("plain")
	r.put(t, "plain", "k", "1")
	_, err := r.client.PutBucketVersioning(ctx, &sdk.PutBucketVersioningInput{Bucket: plain, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
	require.NoError(t, err)
	head, err := r.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: plain, Key: aws.String("k"), VersionId: aws.String("null")})
	require.NoError(t, err)
	require.Equal(t, "null", *head.VersionId)
	r.put(t, "plain", "k", "22")
	head, err = r.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: plain, Key: aws.String("k"), VersionId: aws.String("null")})
	require.NoError(t, err)
	require.EqualValues(t, 1, *head.ContentLength)
}
