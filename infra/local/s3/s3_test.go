package s3

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/assembly"
	"github.com/sluice-ml/sluice/infra/local/events"
)

// board keeps what was published; it refuses while broken.
type board struct {
	mu     sync.Mutex
	events []events.Event
	broken bool
}

func (b *board) Publish(_ context.Context, e events.Event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken {
		return errors.New("the bus is down")
	}
	b.events = append(b.events, e)
	return nil
}

func (b *board) take() []events.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.events
	b.events = nil
	return all
}

type rig struct {
	service *Service
	board   *board
	client  *sdk.Client
	url     string
}

func openWith(t testing.TB, dir string, b *board) rig {
	t.Helper()
	service, err := Open(context.Background(), Options{Dir: dir, Region: "us-east-1", Account: "000000000000", Stack: "Demo",
		AccessKey: "key", SecretKey: "secret", Publisher: b, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	front := httptest.NewServer(service.Handler())
	closed := false
	t.Cleanup(func() {
		if front.Close(); !closed {
			_ = service.Close()
		}
	})
	client := sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: aws.String(front.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")})
	return rig{service, b, client, front.URL}
}

func newRig(t testing.TB) rig {
	r := openWith(t, filepath.Join(t.TempDir(), "s3"), &board{})
	r.declare(t, "Lake", `{"BucketName":"lake","VersioningConfiguration":{"Status":"Enabled"},
		"NotificationConfiguration":{"EventBridgeConfiguration":{"EventBridgeEnabled":true}}}`)
	r.declare(t, "Store", `{"BucketName":"store","VersioningConfiguration":{"Status":"Enabled"}}`)
	return r
}

func (r rig) declare(t testing.TB, id, properties string) assembly.Created {
	t.Helper()
	made, err := r.service.Creators()["AWS::S3::Bucket"](context.Background(),
		assembly.Resource{LogicalID: id, Type: "AWS::S3::Bucket", Properties: json.RawMessage(properties)})
	require.NoError(t, err)
	return made
}

func (r rig) put(t testing.TB, bucket, key, body string) *sdk.PutObjectOutput {
	t.Helper()
	out, err := r.client.PutObject(context.Background(), &sdk.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)})
	require.NoError(t, err)
	return out
}

func status(err error) int {
	var response interface{ HTTPStatusCode() int }
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func TestConditionalWrites(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	put := func(key, body, ifMatch, ifNoneMatch string) (*sdk.PutObjectOutput, error) {
		in := &sdk.PutObjectInput{Bucket: aws.String("store"), Key: &key, Body: strings.NewReader(body), Metadata: map[string]string{"write": "w1"}}
		if ifMatch != "" {
			in.IfMatch = &ifMatch
		}
		if ifNoneMatch != "" {
			in.IfNoneMatch = &ifNoneMatch
		}
		return r.client.PutObject(ctx, in)
	}
	first, err := put("ref.json", "1", "", "*")
	require.NoError(t, err)
	require.NotEmpty(t, *first.VersionId)
	_, err = put("ref.json", "2", "", "*")
	require.Equal(t, 412, status(err))
	require.Equal(t, "PreconditionFailed", code(err))
	second, err := put("ref.json", "2", *first.ETag, "")
	require.NoError(t, err)
	_, err = put("ref.json", "3", *first.ETag, "")
	require.Equal(t, 412, status(err))
	_, err = put("missing.json", "1", *second.ETag, "")
	require.Equal(t, 404, status(err), "If-Match on a missing key")
	head, err := r.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: aws.String("store"), Key: aws.String("ref.json")})
	require.NoError(t, err)
	require.Equal(t, "w1", head.Metadata["write"])
	require.Equal(t, *second.VersionId, *head.VersionId)

	_, err = r.client.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: aws.String("store"), Key: aws.String("ref.json")})
	require.NoError(t, err)
	_, err = put("ref.json", "4", *second.ETag, "")
	require.Contains(t, []int{404, 412}, status(err), "If-Match on a deleted key")
	_, err = put("ref.json", "4", "", "*")
	require.NoError(t, err, "If-None-Match * on a deleted key")
}

func TestOnlyOneOfManyWritersWins(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	for round := range 5 {
		key, wins, lost := fmt.Sprintf("lease-%d", round), 0, 0
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				_, err := r.client.PutObject(ctx, &sdk.PutObjectInput{Bucket: aws.String("store"), Key: &key, IfNoneMatch: aws.String("*"), Body: strings.NewReader(fmt.Sprint(i))})
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					wins++
				case status(err) == 412 || status(err) == 409:
					lost++
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, wins)
		require.Equal(t, 11, lost)
	}
}

// A delete that races a write must leave the written version alone.
func TestDeletesDoNotSwallowVersions(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	key := aws.String("contended")
	var mu sync.Mutex
	written := map[string]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				out := r.put(t, "store", *key, "x")
				mu.Lock()
				written[*out.VersionId] = true
				mu.Unlock()
				_, err := r.client.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: aws.String("store"), Key: key})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	list, err := r.client.ListObjectVersions(ctx, &sdk.ListObjectVersionsInput{Bucket: aws.String("store"), Prefix: key})
	require.NoError(t, err)
	for _, v := range list.Versions {
		delete(written, *v.VersionId)
	}
	require.Empty(t, written, "versions that were written and are gone")
}

func TestVersions(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	a, b := r.put(t, "store", "d/x", "one"), r.put(t, "store", "d/x", "two")
	r.put(t, "store", "d/a", "other")
	marker, err := r.client.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: aws.String("store"), Key: aws.String("d/x")})
	require.NoError(t, err)
	require.True(t, *marker.DeleteMarker)

	list, err := r.client.ListObjectVersions(ctx, &sdk.ListObjectVersionsInput{Bucket: aws.String("store"), Prefix: aws.String("d/")})
	require.NoError(t, err)
	var seen []string
	for _, v := range list.Versions {
		seen = append(seen, fmt.Sprint(*v.Key, " ", *v.VersionId, " ", *v.IsLatest))
	}
	require.Equal(t, "d/a", *list.Versions[0].Key)
	require.Equal(t, []string{fmt.Sprint("d/x ", *b.VersionId, " false"), fmt.Sprint("d/x ", *a.VersionId, " false")}, seen[1:], "newest first")
	require.Len(t, list.DeleteMarkers, 1)
	require.True(t, *list.DeleteMarkers[0].IsLatest)

	_, err = r.client.GetObject(ctx, &sdk.GetObjectInput{Bucket: aws.String("store"), Key: aws.String("d/x")})
	require.Equal(t, "NoSuchKey", code(err))
	old, err := r.client.GetObject(ctx, &sdk.GetObjectInput{Bucket: aws.String("store"), Key: aws.String("d/x"), VersionId: a.VersionId})
	require.NoError(t, err)
	body, err := io.ReadAll(old.Body)
	require.NoError(t, err)
	require.Equal(t, "one", string(body))
	_, err = r.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: aws.String("store"), Key: aws.String("none")})
	var missing *types.NotFound
	require.ErrorAs(t, err, &missing)
	_, err = r.client.GetObject(ctx, &sdk.GetObjectInput{Bucket: aws.String("store"), Key: aws.String("d/x"), VersionId: aws.String("01JJJJJJJJJJJJJJJJJJJJJJJJ")})
	require.Equal(t, "NoSuchVersion", code(err))
}

func TestVersionsArePaged(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	want := map[string]bool{}
	for i := range 7 {
		for range 3 {
			want[*r.put(t, "store", fmt.Sprintf("p/%d", i), "x").VersionId] = true
		}
	}
	got, in := map[string]bool{}, &sdk.ListObjectVersionsInput{Bucket: aws.String("store"), Prefix: aws.String("p/"), MaxKeys: aws.Int32(4)}
	for pages := 0; ; pages++ {
		require.Less(t, pages, 10)
		page, err := r.client.ListObjectVersions(ctx, in)
		require.NoError(t, err)
		for _, v := range page.Versions {
			require.False(t, got[*v.VersionId], "version listed twice")
			got[*v.VersionId] = true
		}
		if !*page.IsTruncated {
			break
		}
		in.KeyMarker, in.VersionIdMarker = page.NextKeyMarker, page.NextVersionIdMarker
	}
	require.Equal(t, want, got)
	for _, key := range []string{"q/a0", "q/a/b", "q/a.b", "q/a-b"} {
		r.put(t, "store", key, "x")
	}
	order, err := r.client.ListObjectVersions(ctx, &sdk.ListObjectVersionsInput{Bucket: aws.String("store"), Prefix: aws.String("q/")})
	require.NoError(t, err)
	listed, err := r.client.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{Bucket: aws.String("store"), Prefix: aws.String("q/")})
	require.NoError(t, err)
	for i, want := range []string{"q/a-b", "q/a.b", "q/a/b", "q/a0"} {
		require.Equal(t, want, *order.Versions[i].Key)
		require.Equal(t, want, *listed.Contents[i].Key)
	}
	keys, err := r.client.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{Bucket: aws.String("store"), Prefix: aws.String("p/"), StartAfter: aws.String("p/3")})
	require.NoError(t, err)
	require.Len(t, keys.Contents, 3)
}

func TestChecksums(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	for _, algorithm := range []types.ChecksumAlgorithm{types.ChecksumAlgorithmSha256, types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmCrc64nvme} {
		out, err := r.client.PutObject(ctx, &sdk.PutObjectInput{Bucket: aws.String("store"), Key: aws.String("c"), Body: strings.NewReader("hello"), ChecksumAlgorithm: algorithm})
		require.NoError(t, err)
		head, err := r.client.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: aws.String("store"), Key: aws.String("c"), VersionId: out.VersionId, ChecksumMode: types.ChecksumModeEnabled})
		require.NoError(t, err)
		if algorithm == types.ChecksumAlgorithmSha256 {
			require.Equal(t, "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=", *head.ChecksumSHA256)
		}
		require.Equal(t, types.ChecksumTypeFullObject, head.ChecksumType)
	}
	_, err := r.client.PutObject(ctx, &sdk.PutObjectInput{Bucket: aws.String("store"), Key: aws.String("c"), Body: strings.NewReader("hello"),
		ChecksumSHA256: aws.String("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")})
	require.Equal(t, 400, status(err))
	// an unseekable body goes over the wire in chunks with a trailing checksum
	_, err = r.client.PutObject(ctx, &sdk.PutObjectInput{Bucket: aws.String("store"), Key: aws.String("big"), Body: bytes.NewReader(make([]byte, 3<<20))})
	require.NoError(t, err)
	part, err := r.client.GetObject(ctx, &sdk.GetObjectInput{Bucket: aws.String("store"), Key: aws.String("big"), Range: aws.String("bytes=1048576-1048579")})
	require.NoError(t, err)
	require.EqualValues(t, 4, *part.ContentLength)
	require.NoError(t, part.Body.Close())
}

func TestMultipartAndCopyAnnounceThemselves(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	lake, key := aws.String("lake"), aws.String("raw/m/big.csv")
	upload, err := r.client.CreateMultipartUpload(ctx, &sdk.CreateMultipartUploadInput{Bucket: lake, Key: key})
	require.NoError(t, err)
	var parts []types.CompletedPart
	for n := int32(1); n <= 2; n++ {
		part, err := r.client.UploadPart(ctx, &sdk.UploadPartInput{Bucket: lake, Key: key, UploadId: upload.UploadId, PartNumber: &n, Body: bytes.NewReader(make([]byte, 5<<20))})
		require.NoError(t, err)
		parts = append(parts, types.CompletedPart{ETag: part.ETag, PartNumber: &n, ChecksumCRC32: part.ChecksumCRC32, ChecksumCRC64NVME: part.ChecksumCRC64NVME})
	}
	require.Empty(t, r.board.take())
	done, err := r.client.CompleteMultipartUpload(ctx, &sdk.CompleteMultipartUploadInput{Bucket: lake, Key: key, UploadId: upload.UploadId,
		IfNoneMatch: aws.String("*"), MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
	require.NoError(t, err)
	sent := r.board.take()
	require.Len(t, sent, 1)
	require.Contains(t, string(sent[0].Detail), `"reason":"CompleteMultipartUpload"`)
	require.Contains(t, string(sent[0].Detail), `"size":10485760`)
	require.Contains(t, string(sent[0].Detail), *done.VersionId)
	require.Contains(t, string(sent[0].Detail), strings.Trim(*done.ETag, `"`))

	copied, err := r.client.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: lake, Key: aws.String("raw/m/copy.csv"), CopySource: aws.String("lake/raw/m/big.csv")})
	require.NoError(t, err)
	sent = r.board.take()
	require.Len(t, sent, 1)
	require.Contains(t, string(sent[0].Detail), `"reason":"CopyObject"`)
	require.Contains(t, string(sent[0].Detail), *copied.VersionId)
	_, err = r.client.CopyObject(ctx, &sdk.CopyObjectInput{Bucket: lake, Key: aws.String("c"), CopySource: aws.String("lake/raw/m/big.csv"), IfNoneMatch: aws.String("*")})
	require.NoError(t, err)
	require.Len(t, r.board.take(), 1)
}

func TestPresignedRequests(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	presign := sdk.NewPresignClient(r.client)
	in := &sdk.PutObjectInput{Bucket: aws.String("store"), Key: aws.String("odd key/+&=é.csv")}
	put, err := presign.PresignPutObject(ctx, in)
	require.NoError(t, err)
	request, err := http.NewRequest(put.Method, put.URL, strings.NewReader("hi"))
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.Equal(t, 200, answer.StatusCode)
	require.NoError(t, answer.Body.Close())
	got, err := r.client.GetObject(ctx, &sdk.GetObjectInput{Bucket: in.Bucket, Key: in.Key})
	require.NoError(t, err)
	body, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	require.Equal(t, "hi", string(body))
}

func TestForeignCredentialsAreRefused(t *testing.T) {
	r := newRig(t)
	stranger := sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: aws.String(r.url), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("key", "wrong", "")})
	_, err := stranger.ListBuckets(context.Background(), &sdk.ListBucketsInput{})
	require.Equal(t, "SignatureDoesNotMatch", code(err))
}
