package s3

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

func decode(t *testing.T, raw []byte) detail {
	t.Helper()
	var d detail
	require.NoError(t, json.Unmarshal(raw, &d))
	return d
}

func TestEventsHaveEventBridgesShape(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	out := r.put(t, "lake", "raw/m/a b.csv", "hello")
	again := r.put(t, "lake", "raw/m/a b.csv", "hello")
	r.put(t, "store", "silent", "x")
	sent := r.board.take()
	require.Len(t, sent, 2)
	e := sent[0]
	require.Equal(t, "aws.s3", e.Source)
	require.Equal(t, "Object Created", e.DetailType)
	require.Equal(t, []string{"arn:aws:s3:::lake"}, e.Resources)
	d := decode(t, e.Detail)
	require.Equal(t, "lake", d.Bucket.Name)
	require.Equal(t, "raw/m/a b.csv", d.Object.Key, "not URL-encoded")
	require.EqualValues(t, 5, *d.Object.Size)
	require.Equal(t, "5d41402abc4b2a76b9719d911017c592", d.Object.ETag)
	require.Equal(t, *out.VersionId, d.Object.VersionID)
	require.Equal(t, "PutObject", d.Reason)
	require.NotEmpty(t, d.RequestID)
	require.Equal(t, "000000000000", d.Requester)
	require.NotEmpty(t, d.SourceIP)
	second := decode(t, sent[1].Detail)
	require.Equal(t, *again.VersionId, second.Object.VersionID)
	require.Less(t, d.Object.Sequencer, second.Object.Sequencer)

	marker, err := r.client.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: aws.String("lake"), Key: aws.String("raw/m/a b.csv")})
	require.NoError(t, err)
	_, err = r.client.DeleteObjects(ctx, &sdk.DeleteObjectsInput{Bucket: aws.String("lake"), Delete: &types.Delete{
		Objects: []types.ObjectIdentifier{{Key: aws.String("raw/m/a b.csv"), VersionId: out.VersionId}}}})
	require.NoError(t, err)
	sent = r.board.take()
	require.Len(t, sent, 2)
	require.Equal(t, "Object Deleted", sent[0].DetailType)
	d = decode(t, sent[0].Detail)
	require.Equal(t, "Delete Marker Created", d.DeletionType)
	require.Equal(t, *marker.VersionId, d.Object.VersionID)
	d = decode(t, sent[1].Detail)
	require.Equal(t, "Permanently Deleted", d.DeletionType)
	require.Equal(t, *out.VersionId, d.Object.VersionID)
	require.Zero(t, r.service.backend.intents.Len())
}

func TestAFailedWriteSaysNothing(t *testing.T) {
	r := newRig(t)
	r.put(t, "lake", "k", "x")
	r.board.take()
	_, err := r.client.PutObject(context.Background(), &sdk.PutObjectInput{Bucket: aws.String("lake"), Key: aws.String("k"), IfNoneMatch: aws.String("*"), Body: strings.NewReader("y")})
	require.Equal(t, 412, status(err))
	require.Empty(t, r.board.take())
	require.Zero(t, r.service.backend.intents.Len())
}

func TestEventsThatTheBusRefusedAreTriedAgain(t *testing.T) {
	r := newRig(t)
	r.board.broken = true
	r.put(t, "lake", "k", "x")
	require.Error(t, r.service.Tick(context.Background()))
	require.Empty(t, r.board.take())
	r.board.broken = false
	require.NoError(t, r.service.Tick(context.Background()))
	require.Len(t, r.board.take(), 1)
	require.NoError(t, r.service.Tick(context.Background()))
	require.Empty(t, r.board.take())
}

// The process can end at any point of a write. What it leaves behind are an
// intent, and maybe the object; recovery must announce exactly what landed.
func TestWritesThatWereCutOffAreAnnouncedAtTheNextStart(t *testing.T) {
	dir, ctx := filepath.Join(t.TempDir(), "s3"), context.Background()
	b := &board{}
	first := openWith(t, dir, b)
	lake := `{"BucketName":"lake","VersioningConfiguration":{"Status":"Enabled"},"NotificationConfiguration":{"EventBridgeConfiguration":{}}}`
	first.declare(t, "Lake", lake)
	old := first.put(t, "lake", "old", "x")
	gone := first.put(t, "lake", "gone", "x")
	b.take()
	n := first.service.backend
	begin := func(i intent) {
		i.Bucket = "lake"
		_, err := n.begin(i)
		require.NoError(t, err)
	}
	// written but not announced
	begin(intent{Key: "landed", Reason: reasonPut})
	b.broken = true
	landed := first.put(t, "lake", "landed", "hello")
	// announced to a bus that was down: the event itself was kept
	// begun only
	begin(intent{Key: "never", Reason: reasonPut})
	begin(intent{Key: "gone", VersionID: *gone.VersionId, Reason: reasonDelete})
	_, err := n.Posix.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: aws.String("lake"), Key: aws.String("gone"), VersionId: gone.VersionId})
	require.NoError(t, err)
	begin(intent{Key: "old", VersionID: *old.VersionId, Reason: reasonDelete}) // begun, not done
	require.NoError(t, first.service.Close())

	b.broken = false
	second := openWith(t, dir, b)
	second.declare(t, "Lake", lake)
	require.NoError(t, second.service.Recover(ctx))
	seen := map[string]int{}
	for _, e := range b.take() {
		d := decode(t, e.Detail)
		seen[e.DetailType+" "+d.Object.Key+" "+d.Object.VersionID]++
	}
	require.Equal(t, map[string]int{
		"Object Created landed " + *landed.VersionId: 2, // once by each intent: at least once
		"Object Deleted gone " + *gone.VersionId:     1,
	}, seen)
	require.Zero(t, second.service.backend.intents.Len())
	require.NoError(t, second.service.Recover(ctx))
	require.Empty(t, b.take())
}

func TestBucketsSurviveAndAreMadeOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "s3")
	first := openWith(t, dir, &board{})
	made := first.declare(t, "Lake", `{"VersioningConfiguration":{"Status":"Enabled"}}`)
	require.Regexp(t, `^demo-lake-[0-9a-f]{12}$`, made.Ref)
	require.Equal(t, "arn:aws:s3:::"+made.Ref, made.Attributes["Arn"])
	v := first.put(t, made.Ref, "k", "kept")
	require.NoError(t, first.service.Close())
	second := openWith(t, dir, &board{})
	require.Equal(t, made.Ref, second.declare(t, "Lake", `{"VersioningConfiguration":{"Status":"Enabled"}}`).Ref)
	got, err := second.client.HeadObject(context.Background(), &sdk.HeadObjectInput{Bucket: &made.Ref, Key: aws.String("k"), VersionId: v.VersionId})
	require.NoError(t, err)
	require.EqualValues(t, 4, *got.ContentLength)
}

func TestBucketPropertiesThatAreRefused(t *testing.T) {
	r := newRig(t)
	for properties, want := range map[string]string{
		`{"CorsConfiguration":{}}`:                                                    `"CorsConfiguration"`,
		`{"LoggingConfiguration":{}}`:                                                 `"LoggingConfiguration"`,
		`{"NotificationConfiguration":{"LambdaConfigurations":[]}}`:                   `"LambdaConfigurations"`,
		`{"BucketName":"Has Capitals"}`:                                               "small letters",
		`{"BucketName":"fine-name","VersioningConfiguration":{"Status":"Sometimes"}}`: "versioning",
		`{"LifecycleConfiguration":{"Rules":[{"Status":"Enabled","Transition":{"StorageClass":"STANDARD_IA","TransitionInDays":3}}]}}`: "greater than or equal to 30",
	} {
		_, err := r.service.Creators()["AWS::S3::Bucket"](context.Background(),
			assembly.Resource{LogicalID: "B", Type: "AWS::S3::Bucket", Properties: json.RawMessage(properties)})
		require.ErrorContains(t, err, want, properties)
	}
}

func TestLifecycleRulesCanBeReadBack(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	r.declare(t, "B", `{"BucketName":"with-rules","LifecycleConfiguration":{"Rules":[
		{"Id":"old","Status":"Enabled","Prefix":"tmp/","NoncurrentVersionExpiration":{"NoncurrentDays":30}},
		{"Status":"Enabled","AbortIncompleteMultipartUpload":{"DaysAfterInitiation":7}}]}}`)
	got, err := r.client.GetBucketLifecycleConfiguration(ctx, &sdk.GetBucketLifecycleConfigurationInput{Bucket: aws.String("with-rules")})
	require.NoError(t, err)
	require.Len(t, got.Rules, 2)
	require.EqualValues(t, 30, *got.Rules[0].NoncurrentVersionExpiration.NoncurrentDays)
	require.Equal(t, "tmp/", *got.Rules[0].Filter.Prefix)
	require.EqualValues(t, 7, *got.Rules[1].AbortIncompleteMultipartUpload.DaysAfterInitiation)
	_, err = r.client.GetBucketLifecycleConfiguration(ctx, &sdk.GetBucketLifecycleConfigurationInput{Bucket: aws.String("lake")})
	require.Equal(t, "NoSuchLifecycleConfiguration", code(err))
}

func BenchmarkPut1KB(b *testing.B) {
	r := newRig(b)
	body := strings.Repeat("x", 1024)
	for i := 0; b.Loop(); i++ {
		r.put(b, "lake", "bench/"+time.Duration(i).String(), body)
	}
}

func BenchmarkGet1KB(b *testing.B) {
	r := newRig(b)
	r.put(b, "lake", "k", strings.Repeat("x", 1024))
	for b.Loop() {
		out, err := r.client.GetObject(context.Background(), &sdk.GetObjectInput{Bucket: aws.String("lake"), Key: aws.String("k")})
		require.NoError(b, err)
		require.NoError(b, out.Body.Close())
	}
}
