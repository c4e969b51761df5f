package hooks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/hooks"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/aws/s3store/s3test"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
)

func TestMain(m *testing.M) { s3test.Main(m) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// functions answers invocations.
type functions struct {
	answer func(hooks.Event) (*lambda.InvokeOutput, error)
	events []hooks.Event
	raw    []byte
}

func (f *functions) Invoke(_ context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	var e hooks.Event
	f.raw = in.Payload
	if err := json.Unmarshal(in.Payload, &e); err != nil {
		return nil, err
	}
	f.events = append(f.events, e)
	return f.answer(e)
}

func answering(payload string) func(hooks.Event) (*lambda.InvokeOutput, error) {
	return func(hooks.Event) (*lambda.InvokeOutput, error) {
		return &lambda.InvokeOutput{Payload: []byte(payload)}, nil
	}
}

type bench struct {
	*functions
	store      *s3store.Store
	bucket     string
	lake       string
	repository *dataset.Repository
}

func open(t *testing.T) *bench {
	b := &bench{functions: &functions{answer: answering(`{"allow": true}`)}, store: s3store.New(s3test.Client(t)), bucket: s3test.Bucket(t), lake: s3test.Bucket(t)}
	b.repository = hooks.Open(hooks.Hooks{Functions: b, Objects: b.store, Bucket: b.bucket}, "m", b.lake)
	return b
}

func (b *bench) commit(t *testing.T, branch, base string, keys ...string) (dataset.Commit, error) {
	var c dataset.Changes
	for _, key := range keys {
		c.Puts = append(c.Puts, dataset.Entry{Key: key, VersionID: "v-" + branch, Size: 10})
	}
	return b.repository.Commit(t.Context(), dataset.Request{Branch: branch, Base: base, Changes: c, Message: "why", Author: "me", Time: noon, Metadata: map[string]string{"git": "abc"}})
}

func TestAFunctionIsToldWhatChanges(t *testing.T) {
	b := open(t)
	require.NoError(t, b.repository.SetHooks(t.Context(), dataset.HookSpec{Name: "owners", On: []string{dataset.PreCommit, dataset.PreMerge}, Lambda: "f"}))
	first, err := b.commit(t, "main", "", "a", "b")
	require.NoError(t, err)
	side, err := b.commit(t, "side", "main", "b", "c")
	require.NoError(t, err)
	_, err = b.repository.FastForward(t.Context(), "main", "side")
	require.NoError(t, err)
	require.Len(t, b.events, 3)
	want := hooks.Event{Format: 1, Dataset: "m", Hook: "owners", Operation: "commit", Branch: "side", Base: first.ID, NewBranch: true, Head: side.ID,
		Message: "why", Author: "me", Time: noon, Metadata: map[string]string{"git": "abc"}, Stats: side.Stats,
		Diff: hooks.Diff{Added: 1, Changed: 1, Bytes: 10, First: []string{"b", "c"}}, Changes: b.events[1].Changes}
	require.Equal(t, want, b.events[1])
	want.Operation, want.Branch, want.NewBranch = "merge", "main", false
	require.Equal(t, want, b.events[2], "one changeset, one object")
	require.Equal(t, "", b.events[0].Base)
	text, _, err := b.store.GetURI(t.Context(), b.events[1].Changes[0])
	require.NoError(t, err)
	var lines []dataset.Change
	for line := range bytes.Lines(text) {
		var c dataset.Change
		require.NoError(t, json.Unmarshal(line, &c))
		lines = append(lines, c)
	}
	require.Equal(t, []string{"b", "c"}, []string{lines[0].Key, lines[1].Key})
	require.Equal(t, "v-main", lines[0].Old.VersionID)
	require.Nil(t, lines[1].Old)
	require.JSONEq(t, `{"format":1,"dataset":"m","hook":"owners","operation":"merge","branch":"main","base":"`+first.ID+`","new_branch":false,"head":"`+side.ID+`",
		"message":"why","author":"me","time":"2026-03-01T12:00:00Z","metadata":{"git":"abc"},"stats":{"objects":3,"bytes":30,"added":1,"changed":1,"removed":0},
		"diff":{"added":1,"changed":1,"removed":0,"bytes":10,"first":["b","c"]},"changes":["`+b.events[1].Changes[0]+`"]}`, string(b.raw), "the documented event")
}

func TestALargeChangesetHasParts(t *testing.T) {
	b := open(t)
	require.NoError(t, b.repository.SetHooks(t.Context(), dataset.HookSpec{Name: "h", On: []string{dataset.PreCommit}, Lambda: "f"}))
	var keys []string
	for n := range 20_001 {
		keys = append(keys, fmt.Sprintf("k%05d", n))
	}
	_, err := b.commit(t, "main", "", keys...)
	require.NoError(t, err)
	require.Len(t, b.events[0].Changes, 3)
	require.Len(t, b.events[0].Diff.First, 20)
	text, _, err := b.store.GetURI(t.Context(), b.events[0].Changes[2])
	require.NoError(t, err)
	require.Equal(t, 1, bytes.Count(text, []byte("\n")))
}

func answer(status int, code string) error {
	return &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
		Err:      &smithy.GenericAPIError{Code: code, Message: "scripted"}}}
}

func TestEverythingButAYesRefuses(t *testing.T) {
	failing := func(err error) func(hooks.Event) (*lambda.InvokeOutput, error) {
		return func(hooks.Event) (*lambda.InvokeOutput, error) { return nil, err }
	}
	for _, c := range []struct {
		name   string
		answer func(hooks.Event) (*lambda.InvokeOutput, error)
		kind   fault.Kind
		want   string
	}{
		{"no", answering(`{"allow": false, "reason": "raw/m/x is not yours"}`), fault.Denied, "refuses commit"},
		{"no reason", answering(`{"allow": false}`), fault.Denied, `got "{\"allow\": false}"`},
		{"nothing", answering(``), fault.Denied, "want {"},
		{"null", answering(`null`), fault.Denied, `got "null"`},
		{"an empty object", answering(`{}`), fault.Denied, `got "{}"`},
		{"text", answering(`"yes"`), fault.Denied, `got "\"yes\""`},
		{"a word for allow", answering(`{"allow": "yes"}`), fault.Denied, "cannot unmarshal string"},
		{"two answers", answering(`{"allow": true} {"allow": false}`), fault.Denied, "got"},
		{"long nonsense", answering(strings.Repeat("x", 5000)), fault.Denied, "…"},
		{"failed", func(hooks.Event) (*lambda.InvokeOutput, error) {
			return &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte(`{"errorType":"Sandbox.Timedout","errorMessage":"Task timed out after 3.00 seconds"}`)}, nil
		}, fault.Denied, "it failed: Sandbox.Timedout: Task timed out after 3.00 seconds"},
		{"gone", failing(answer(404, "ResourceNotFoundException")), fault.Denied, "there is no such function"},
		{"forbidden", failing(answer(403, "AccessDeniedException")), fault.Denied, "lambda:InvokeFunction"},
		{"throttled", failing(answer(429, "TooManyRequestsException")), fault.Unavailable, "scripted"},
		{"broken", failing(answer(500, "ServiceException")), fault.Unavailable, "scripted"},
		{"no network", failing(errors.New("connection refused")), fault.Unavailable, "connection refused"},
		{"wrong", failing(answer(400, "InvalidParameterValueException")), fault.Denied, "scripted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := open(t)
			first, err := b.commit(t, "main", "", "a")
			require.NoError(t, err)
			_, err = b.commit(t, "side", "main", "b")
			require.NoError(t, err)
			b.answer = c.answer
			h := dataset.HookSpec{Name: "h", On: []string{dataset.PreMerge}, Lambda: "f"}
			require.NoError(t, b.repository.SetHooks(t.Context(), h))
			_, err = b.repository.FastForward(t.Context(), "main", "side")
			require.Equal(t, c.kind, fault.KindOf(err), "%v", err)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "hook h (function f)")
			head, err := b.repository.Head(t.Context(), "main")
			require.NoError(t, err)
			require.Equal(t, first.ID, head.ID)
			h.OnError = dataset.ErrorAllows
			require.NoError(t, b.repository.SetHooks(t.Context(), h))
			_, err = b.repository.FastForward(t.Context(), "main", "side")
			require.Equal(t, c.name == "no", err != nil, "only its own no refuses now: %v", err)
		})
	}
}

func (b *bench) upload(t *testing.T, key, body string) dataset.Entry {
	info, err := b.store.Put(t.Context(), b.lake, key, []byte(body))
	require.NoError(t, err)
	return dataset.Entry{Key: key, VersionID: info.VersionID, ETag: info.ETag, Size: info.Size}
}

func TestTheDataQualityGateIsAHook(t *testing.T) {
	b := open(t)
	put := func(branch, base string, entries ...dataset.Entry) error {
		_, err := b.repository.Commit(t.Context(), dataset.Request{Branch: branch, Base: base, Changes: dataset.Changes{Puts: entries}, Time: noon})
		return err
	}
	require.NoError(t, b.repository.SetHooks(t.Context(), dataset.HookSpec{Name: "quality", On: []string{dataset.PreMerge}, Branches: []string{"main"}, Gate: "data_quality"}))
	good := "x,y\n" + strings.Repeat("1,0\n2,1\n", 500)
	require.NoError(t, put("incoming/1", "", b.upload(t, "raw/m/a.csv", good)))
	_, err := b.repository.FastForward(t.Context(), "main", "incoming/1")
	require.ErrorContains(t, err, "configs/m/train.yaml", "without a configuration nothing can be judged")
	require.ErrorContains(t, err, "upload a train.yaml there, or take the hook away: sluice data hooks remove MODEL HOOK")
	_, err = b.store.Put(t.Context(), b.bucket, contract.ConfigKey("m"), []byte("experiment: {name: m}\ndata: {target: y}\nevaluation: {thresholds: {auc_roc: 0.5}}\n"))
	require.NoError(t, err)
	_, err = b.repository.FastForward(t.Context(), "main", "incoming/1")
	require.NoError(t, err)

	require.NoError(t, put("incoming/2", "main", b.upload(t, "raw/m/b.csv", "x,y\n"+strings.Repeat(",0\n", 900))))
	_, err = b.repository.FastForward(t.Context(), "main", "incoming/2")
	require.Equal(t, fault.Denied, fault.KindOf(err))
	require.ErrorContains(t, err, `move branch main: hook quality (gate data_quality) refuses commit`)
	require.ErrorContains(t, err, `column "x" has no value in`)
	require.NoError(t, put("incoming/3", "main", b.upload(t, "raw/m/c.csv", "x,y\n1\n")))
	_, err = b.repository.Merge(t.Context(), dataset.MergeRequest{Branch: "main", From: "incoming/3", Time: noon})
	require.ErrorContains(t, err, "raw/m/c.csv: line 2: 1 values where the header has 2 columns")
	require.NoError(t, put("incoming/4", "main", b.upload(t, "raw/m/d.csv", good)))
	_, err = b.repository.Merge(t.Context(), dataset.MergeRequest{Branch: "main", From: "incoming/4", Time: noon, Commit: true})
	require.NoError(t, err)
	require.NoError(t, b.repository.SetHooks(t.Context(), dataset.HookSpec{Name: "quality", On: []string{dataset.PreMerge}, Gate: "taste"}))
	_, err = b.repository.Merge(t.Context(), dataset.MergeRequest{Branch: "main", From: "incoming/3", Time: noon})
	require.ErrorContains(t, err, "there is no gate")
}
