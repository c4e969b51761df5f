package s3

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"
)

func TestConditionsOnTheSourceOfACopy(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	etag := r.put(t, "store", "a", "1").ETag
	head, err := r.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: store, Key: aws.String("a")})
	require.NoError(t, err)
	at, before, other := head.LastModified, aws.Time(head.LastModified.Add(-time.Hour)), aws.String(`"0123456789abcdef0123456789abcdef"`)
	for name, test := range map[string]struct {
		in   sdk.CopyObjectInput
		want int
	}{
		"if-match":                             {sdk.CopyObjectInput{CopySourceIfMatch: etag}, 0},
		"if-match, other":                      {sdk.CopyObjectInput{CopySourceIfMatch: other}, 412},
		"if-none-match":                        {sdk.CopyObjectInput{CopySourceIfNoneMatch: other}, 0},
		"if-none-match, same":                  {sdk.CopyObjectInput{CopySourceIfNoneMatch: etag}, 412},
		"if-modified-since":                    {sdk.CopyObjectInput{CopySourceIfModifiedSince: before}, 0},
		"if-modified-since, not":               {sdk.CopyObjectInput{CopySourceIfModifiedSince: at}, 412},
		"if-unmodified-since":                  {sdk.CopyObjectInput{CopySourceIfUnmodifiedSince: at}, 0},
		"if-unmodified-since, not":             {sdk.CopyObjectInput{CopySourceIfUnmodifiedSince: before}, 412},
		"a match decides over the date":        {sdk.CopyObjectInput{CopySourceIfMatch: etag, CopySourceIfUnmodifiedSince: before}, 0},
		"an equal tag decides over the date":   {sdk.CopyObjectInput{CopySourceIfNoneMatch: etag, CopySourceIfModifiedSince: before}, 412},
		"a match alone does not make it newer": {sdk.CopyObjectInput{CopySourceIfMatch: other, CopySourceIfModifiedSince: before}, 412},
	} {
		test.in.Bucket, test.in.Key, test.in.CopySource = store, aws.String("b"), aws.String("store/a")
		_, err := r.client.CopyObject(ctx, &test.in)
		require.Equal(t, test.want, status(err), "%s: %v", name, err)
	}
}

func TestConditionsOnTheTargetOfACopy(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	r.put(t, "store", "a", "1")
	copyTo := func(ifMatch, ifNoneMatch *string) error {
		_, err := r.client.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: store, Key: aws.String("b"), CopySource: aws.String("store/a"), IfMatch: ifMatch, IfNoneMatch: ifNoneMatch})
		return err
	}
	require.NoError(t, copyTo(nil, aws.String("*")))
	require.Equal(t, 412, status(copyTo(nil, aws.String("*"))))
	b := r.put(t, "store", "b", "2")
	require.NoError(t, copyTo(b.ETag, nil))
	require.Equal(t, 412, status(copyTo(b.ETag, nil)))
}

func TestACopyOntoItselfIsAnotherVersion(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	first := r.put(t, "store", "a", "1")
	second := r.put(t, "store", "a", "2")
	self := func(in sdk.CopyObjectInput) (*sdk.CopyObjectOutput, error) {
		in.Bucket, in.Key = store, aws.String("a")
		if in.CopySource == nil {
			in.CopySource = aws.String("store/a")
		}
		return r.client.CopyObject(ctx, &in)
	}
	_, err := self(sdk.CopyObjectInput{})
	require.Equal(t, "InvalidRequest", code(err), "nothing changes")
	colder, err := self(sdk.CopyObjectInput{StorageClass: types.StorageClassStandardIa})
	require.NoError(t, err)
	require.NotEqual(t, *second.VersionId, *colder.VersionId)
	require.Equal(t, *second.VersionId, *colder.CopySourceVersionId)
	_, err = self(sdk.CopyObjectInput{StorageClass: types.StorageClassStandardIa})
	require.Equal(t, "InvalidRequest", code(err), "it has that class already")
	_, err = self(sdk.CopyObjectInput{StorageClass: types.StorageClassStandard})
	require.NoError(t, err)

	back, err := self(sdk.CopyObjectInput{CopySource: aws.String("store/a?versionId=" + *first.VersionId)})
	require.NoError(t, err)
	got, err := r.client.GetObject(ctx, &sdk.GetObjectInput{Bucket: store, Key: aws.String("a")})
	require.NoError(t, err)
	body, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	require.Equal(t, "1", string(body))
	require.Equal(t, *back.VersionId, *got.VersionId)
}

func TestWhatACopyCarries(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	_, err := r.client.PutObject(ctx, &sdk.PutObjectInput{Bucket: store, Key: aws.String("a b&ü"), Body: nil, ContentType: aws.String("text/csv"),
		CacheControl: aws.String("no-store"), Metadata: map[string]string{"m": "1"}, Tagging: aws.String("t=x%20%3D"), ChecksumAlgorithm: types.ChecksumAlgorithmSha256})
	require.NoError(t, err)
	source := aws.String("store/a%20b%26%C3%BC")
	copied, err := r.client.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: store, Key: aws.String("same"), CopySource: source})
	require.NoError(t, err)
	require.NotNil(t, copied.CopyObjectResult.ChecksumSHA256)
	head, err := r.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: store, Key: aws.String("same"), ChecksumMode: types.ChecksumModeEnabled})
	require.NoError(t, err)
	require.Equal(t, "text/csv", *head.ContentType)
	require.Equal(t, "no-store", *head.CacheControl)
	require.Equal(t, map[string]string{"m": "1"}, head.Metadata)
	require.NotNil(t, head.ChecksumSHA256)
	tags, err := r.client.GetObjectTagging(ctx, &sdk.GetObjectTaggingInput{Bucket: store, Key: aws.String("same")})
	require.NoError(t, err)
	require.Equal(t, "x =", *tags.TagSet[0].Value)

	_, err = r.client.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: store, Key: aws.String("new"), CopySource: source, MetadataDirective: types.MetadataDirectiveReplace,
		TaggingDirective: types.TaggingDirectiveReplace, Tagging: aws.String("u=2"), Metadata: map[string]string{"n": "2"}})
	require.NoError(t, err)
	head, err = r.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: store, Key: aws.String("new")})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"n": "2"}, head.Metadata)
	require.Nil(t, head.CacheControl)
	tags, err = r.client.GetObjectTagging(ctx, &sdk.GetObjectTaggingInput{Bucket: store, Key: aws.String("new")})
	require.NoError(t, err)
	require.Equal(t, "u", *tags.TagSet[0].Key)

	for want, in := range map[string]*sdk.CopyObjectInput{
		"NoSuchKey":    {CopySource: aws.String("store/none")},
		"NoSuchBucket": {CopySource: aws.String("nowhere/a")},
		"AccessDenied": {CopySource: source, ExpectedSourceBucketOwner: aws.String("111111111111")},
	} {
		in.Bucket, in.Key = store, aws.String("x")
		_, err := r.client.CopyObject(ctx, in)
		require.Equal(t, want, code(err))
	}
	_, err = r.client.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: store, Key: aws.String("x"), CopySource: source,
		ExpectedSourceBucketOwner: aws.String("000000000000"), ExpectedBucketOwner: aws.String("000000000000")})
	require.NoError(t, err)
}

func TestTagsOfObjects(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	first := r.put(t, "store", "a", "1")
	tags, err := r.client.GetObjectTagging(ctx, &sdk.GetObjectTaggingInput{Bucket: store, Key: aws.String("a")})
	require.NoError(t, err)
	require.Empty(t, tags.TagSet)
	_, err = r.client.PutObjectTagging(ctx, &sdk.PutObjectTaggingInput{Bucket: store, Key: aws.String("a"), Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}}})
	require.NoError(t, err)
	r.put(t, "store", "a", "2")
	tags, err = r.client.GetObjectTagging(ctx, &sdk.GetObjectTaggingInput{Bucket: store, Key: aws.String("a"), VersionId: first.VersionId})
	require.NoError(t, err)
	require.Equal(t, "k", *tags.TagSet[0].Key)
	require.Equal(t, *first.VersionId, *tags.VersionId)
	_, err = r.client.DeleteObjectTagging(ctx, &sdk.DeleteObjectTaggingInput{Bucket: store, Key: aws.String("a"), VersionId: first.VersionId})
	require.NoError(t, err)
	tags, err = r.client.GetObjectTagging(ctx, &sdk.GetObjectTaggingInput{Bucket: store, Key: aws.String("a"), VersionId: first.VersionId})
	require.NoError(t, err)
	require.Empty(t, tags.TagSet)
}
