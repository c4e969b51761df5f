package s3

import (
	"context"
	"encoding/xml"
	"io"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"
)

// A key with characters that XML cannot carry comes through encoding-type=url.
func TestKeysAreEncodedWhenAsked(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	prefix, key, encoded := "x y/", "x y/\x01\x02+é&%.csv", "x+y/%01%02%2B%C3%A9%26%25.csv"
	for _, k := range []string{"x y/+", key} {
		r.put(t, "store", k, "1")
	}
	url := types.EncodingTypeUrl
	one, err := r.client.ListObjects(ctx, &sdk.ListObjectsInput{Bucket: store, Prefix: &prefix, EncodingType: url, MaxKeys: aws.Int32(1)})
	require.NoError(t, err)
	require.Equal(t, []string{encoded, "x+y/", encoded, "url"}, []string{*one.Contents[0].Key, *one.Prefix, *one.NextMarker, string(one.EncodingType)})
	two, err := r.client.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{Bucket: store, Prefix: &prefix, EncodingType: url, StartAfter: aws.String("x y/\x00")})
	require.NoError(t, err)
	require.Equal(t, []string{encoded, "x+y/%2B", "x+y/", "x+y/%00"}, []string{*two.Contents[0].Key, *two.Contents[1].Key, *two.Prefix, *two.StartAfter})
	folders, err := r.client.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{Bucket: store, Delimiter: aws.String("/"), EncodingType: url})
	require.NoError(t, err)
	require.Equal(t, "x+y/", *folders.CommonPrefixes[0].Prefix)
	versions, err := r.client.ListObjectVersions(ctx, &sdk.ListObjectVersionsInput{Bucket: store, Prefix: &prefix, EncodingType: url, MaxKeys: aws.Int32(1)})
	require.NoError(t, err)
	require.Equal(t, []string{encoded, encoded}, []string{*versions.Versions[0].Key, *versions.NextKeyMarker})
	_, err = r.client.CreateMultipartUpload(ctx, &sdk.CreateMultipartUploadInput{Bucket: store, Key: &key})
	require.NoError(t, err)
	uploads, err := r.client.ListMultipartUploads(ctx, &sdk.ListMultipartUploadsInput{Bucket: store, Prefix: &prefix, EncodingType: url})
	require.NoError(t, err)
	require.Equal(t, []string{encoded, "x+y/"}, []string{*uploads.Uploads[0].Key, *uploads.Prefix})

	plain, err := r.client.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{Bucket: store, StartAfter: &key})
	require.NoError(t, err)
	require.Equal(t, "x y/+", *plain.Contents[0].Key, "not asked, not encoded")
	require.Empty(t, plain.EncodingType)
	_, err = r.client.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{Bucket: store, EncodingType: "utf-8"})
	require.Equal(t, "InvalidArgument", code(err))
}

// Pages of keys that XML cannot carry: the tokens are opaque.
func TestTokensCarryAnyKey(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	for _, k := range []string{"\x01a", "\x01b", "\x01c"} {
		r.put(t, "store", k, "1")
	}
	pages := sdk.NewListObjectsV2Paginator(r.client, &sdk.ListObjectsV2Input{Bucket: store, MaxKeys: aws.Int32(1), EncodingType: types.EncodingTypeUrl})
	var keys []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		require.NoError(t, err)
		for _, object := range page.Contents {
			keys = append(keys, *object.Key)
		}
	}
	require.Equal(t, []string{"%01a", "%01b", "%01c"}, keys)
	_, err := r.client.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{Bucket: store, ContinuationToken: aws.String("no token!")})
	require.Equal(t, "InvalidArgument", code(err))
}

// get answers a presigned GET of a path below the service.
func (r rig) get(t *testing.T, url string) (int, string) {
	t.Helper()
	answer, err := http.Get(url) //nolint:gosec // the test's own server
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(body)
}

// errorCode reads an S3 error's code.
func errorCode(t *testing.T, body string) string {
	t.Helper()
	var e struct{ Code, Message string }
	require.NoError(t, xml.Unmarshal([]byte(body), &e), body)
	require.NotEmpty(t, e.Message)
	return e.Code
}
