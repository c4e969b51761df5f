package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/aws/s3store/s3test"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/feedback"
	"github.com/sluice-ml/sluice/shared/model/modeltest"
	"github.com/sluice-ml/sluice/shared/profile"
	"github.com/sluice-ml/sluice/shared/ref"
	"github.com/sluice-ml/sluice/shared/registry"
	"github.com/sluice-ml/sluice/shared/table"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

func TestMain(m *testing.M) { s3test.Main(m) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestDecode(t *testing.T) {
	for body, want := range map[string]step{
		`{"operation":"models"}`:              {Operation: "models"},
		`{"model":"m"}`:                       {Operation: "monitor", Model: "m"},
		`{"operation":"monitor","model":"m"}`: {Operation: "monitor", Model: "m"},
		`{"source":"aws.s3","detail-type":"Object Created","detail":{"bucket":{"name":"lake"},"object":{"key":"labels/m/2026/a.jsonl"}}}`: {Operation: "monitor", Model: "m"},
	} {
		got, err := decode(json.RawMessage(body), "lake")
		require.NoError(t, err, body)
		require.Equal(t, want, got)
	}
	for body, want := range map[string]string{
		`{}`:                                    `operation is ""`,
		`{"operation":"watch"}`:                 `operation is "watch"`,
		`{"operation":"monitor"}`:               `model name ""`,
		`[]`:                                    "cannot unmarshal",
		`{"operation":"monitor","model":"a/b"}`: `model name "a/b"`,
		`{"source":"aws.s3","detail-type":"Object Created","detail":{"bucket":{"name":"lake"},"object":{"key":"raw/m/a.csv"}}}`:        "s3://lake/raw/m/a.csv",
		`{"source":"aws.s3","detail-type":"Object Created","detail":{"bucket":{"name":"other"},"object":{"key":"labels/m/a.jsonl"}}}`:  "s3://other/labels/m/a.jsonl",
		`{"source":"aws.s3","detail-type":"Object Deleted","detail":{"bucket":{"name":"lake"},"object":{"key":"labels/m/a.jsonl"}}}`:   `"Object Deleted"`,
		`{"source":"aws.s3","detail-type":"Object Created","detail":{"bucket":{"name":"lake"},"object":{"key":"labels/stray.jsonl"}}}`: "labels/stray.jsonl",
	} {
		_, err := decode(json.RawMessage(body), "lake")
		require.ErrorContains(t, err, want, body)
		require.Equal(t, fault.Invalid, fault.KindOf(err))
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"operation":"monitor","model":"m"}`))
	f.Add([]byte(`{"source":"aws.s3","detail-type":"Object Created","detail":{"bucket":{"name":"lake"},"object":{"key":"labels/m/a.jsonl"}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := decode(body, "lake")
		if err == nil && s.Operation == "monitor" && contract.CheckModel(s.Model) != nil {
			t.Fatalf("model %q was let through", s.Model)
		}
	})
}

func TestModelsAreThoseWithARollout(t *testing.T) {
	store := ref.NewMemory()
	for _, key := range []string{"rollouts/a/state.json", "rollouts/a/lease.json", "rollouts/a/history/state.json", "rollouts/b_2/state.json", "rollouts/c/lease.json"} {
		_, err := store.Create(t.Context(), key, []byte("{}"))
		require.NoError(t, err)
	}
	out, err := handler{refs: store}.handle(t.Context(), json.RawMessage(`{"operation":"models"}`))
	require.NoError(t, err)
	require.Equal(t, models{[]string{"a", "b_2"}}, out)
}

// lambdaAt is the SDK's client on a server that answers every invocation so.
func lambdaAt(t *testing.T, status int, body string, seen func(*http.Request, string)) *lambda.Client {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		seen(r, string(sent))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return lambda.New(lambda.Options{Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")})
}

func TestDriftAsksAdmitWithoutWaiting(t *testing.T) {
	calls := 0
	client := lambdaAt(t, 202, "", func(r *http.Request, body string) {
		calls++
		require.Equal(t, "/2015-03-31/functions/sluice-staging-admit/invocations", r.URL.Path)
		require.Equal(t, "Event", r.Header.Get("X-Amz-Invocation-Type"))
		require.JSONEq(t, `{"operation":"start","model":"m","cause":{"kind":"drift","id":"2026-03-01"}}`, body)
	})
	require.NoError(t, admission{client, "sluice-staging-admit"}.start(t.Context(), "m", "2026-03-01"))
	require.Equal(t, 1, calls)
	for _, status := range []int{200, 429, 500} {
		client := lambdaAt(t, status, `{"message":"no"}`, func(*http.Request, string) {})
		err := admission{client, "f"}.start(t.Context(), "m", "d")
		require.Equal(t, fault.Unavailable, fault.KindOf(err), "%d: %v", status, err)
	}
}

// champion leaves behind what a run of a promoted version does.
func champion(t *testing.T) baseline {
	ctx, b := t.Context(), baseline{s3store.New(s3test.Client(t)), s3test.Bucket(t)}
	text := "experiment: {name: m}\ndata: {path: s3://lake/raw/m/, target: income}\nmodel: {type: XGBClassifier}\n"
	config, err := trainconfig.Parse("train.yaml", []byte(text))
	require.NoError(t, err)
	info, err := b.store.Put(ctx, b.bucket, "configs/m/train.yaml", []byte(text))
	require.NoError(t, err)
	var rows strings.Builder
	rows.WriteString("age,sex,income\n")
	for i := range 2000 {
		fmt.Fprintf(&rows, "%d,%s,%d\n", 20+i%40, []string{"Female", "Male"}[i%2], i%2)
	}
	learned, err := table.Read(ctx, "t.csv", strings.NewReader(rows.String()), int64(rows.Len()), table.Options{})
	require.NoError(t, err)
	_, err = b.store.PutJSON(ctx, b.bucket, "runs/m/m-1/profile.json", profile.Of(learned, config))
	require.NoError(t, err)
	_, err = b.store.Put(ctx, b.bucket, "runs/m/m-1/model.tar.gz", modeltest.Stump(t))
	require.NoError(t, err)
	plan, err := b.store.PutJSON(ctx, b.bucket, "runs/m/m-1/plan.json", contract.Plan{Model: "m", Run: "m-1", Hash: "sha256:p",
		Config: s3store.VersionURI(b.bucket, "configs/m/train.yaml", info.VersionID), ConfigHash: config.Hash(), Dataset: contract.Dataset{Commit: "abc"}})
	require.NoError(t, err)
	versions := registry.New(b.store.Refs(b.bucket, ""))
	v, err := versions.Register(ctx, contract.Version{Model: "m", Run: "m-1", Plan: plan, Artifact: contract.URI(b.bucket, "runs/m/m-1/model.tar.gz")})
	require.NoError(t, err)
	_, err = versions.Move(ctx, "m", registry.Champion, registry.Step{To: v.Version, Fence: 1, Reason: "test"}, noon)
	require.NoError(t, err)
	return b
}

func TestBaselineIsWhatTheChampionLearnedFrom(t *testing.T) {
	b := champion(t)
	got, err := b.of(t.Context(), "m")
	require.NoError(t, err)
	require.Equal(t, 1, got.Version)
	require.Equal(t, []string{"age", "sex"}, got.Features)
	require.EqualValues(t, 2000, got.Profile.Rows)
	none, err := b.of(t.Context(), "new")
	require.NoError(t, err)
	require.Nil(t, none)
}

// The monitor on a real S3 server: two looks, one of them with new labels.
func TestWatchOnS3(t *testing.T) {
	b := champion(t)
	lake := s3test.Bucket(t)
	var captures, labels strings.Builder
	for i := range 600 {
		fmt.Fprintf(&captures, `{"captureData":{"endpointInput":{"observedContentType":"text/csv","mode":"INPUT","data":"%d,%s\n","encoding":"CSV"},"endpointOutput":{"observedContentType":"text/csv; charset=utf-8","mode":"OUTPUT","data":"0.9\n","encoding":"CSV"}},"eventMetadata":{"eventId":"e","inferenceId":"q%d","inferenceTime":"2026-03-01T12:00:00Z"},"eventVersion":"0"}`+"\n",
			20+i%40, []string{"Female", "Male"}[i%2], i)
		fmt.Fprintf(&labels, `{"inference_id":"q%d","label":%d}`+"\n", i, min(1, i%4))
	}
	_, err := b.store.Put(t.Context(), b.bucket, "capture/sluice-staging-m/green/2026/03/01/12/00-00.jsonl", []byte(captures.String()))
	require.NoError(t, err)
	published := &published{}
	h := handler{lake: lake, refs: b.store.Refs(b.bucket, ""), monitor: &feedback.Monitor{Environment: "staging", Store: b.store.Refs(b.bucket, ""),
		Captures: objects{b.store, b.bucket}, Labels: objects{b.store, lake}, Publisher: published, Baseline: b.of, Period: time.Minute,
		Now: func() time.Time { return noon.Add(time.Minute) }}}
	_, err = h.handle(t.Context(), json.RawMessage(`{"operation":"monitor","model":"m"}`))
	require.NoError(t, err)
	_, err = b.store.Put(t.Context(), lake, "labels/m/today.jsonl", []byte(labels.String()))
	require.NoError(t, err)
	event := fmt.Sprintf(`{"source":"aws.s3","detail-type":"Object Created","detail":{"bucket":{"name":%q},"object":{"key":"labels/m/today.jsonl"}}}`, lake)
	for range 2 {
		out, err := h.handle(t.Context(), json.RawMessage(event))
		require.NoError(t, err)
		r := out.(feedback.Result)
		require.EqualValues(t, 600, r.Totals.Joined)
		require.Zero(t, r.Waiting)
		require.Equal(t, "pass", r.Drift.Verdict)
		require.EqualValues(t, 600, r.Drift.Rows)
	}
	require.Equal(t, []feedback.Point{{Slot: "green", Time: noon, Correct: 450, Wrong: 150}}, published.points)
}

type published struct {
	points []feedback.Point
}

func (p *published) PutAccuracy(_ context.Context, _ string, points []feedback.Point, _ time.Time) (int64, error) {
	p.points = append(p.points, points...)
	return 0, nil
}
func (p *published) PutDrift(context.Context, string, float64, time.Time) error { return nil }
