package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/aws/s3store/s3test"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/intake"
	"github.com/sluice-ml/sluice/shared/tracking"
)

func TestMain(m *testing.M) { s3test.Main(m) }

// sample is read before the S3 server of s3test moves to its own folder.
var sample, sampleErr = os.ReadFile("../../events/track-ended.json")

// tracker notes what it is told, or is down.
type tracker struct {
	down bool
	runs []string
}

func (k *tracker) Target() string { return "here" }
func (k *tracker) Run(_ context.Context, r tracking.Run) error {
	if k.down {
		return fault.New(fault.Unavailable, "write", "down")
	}
	k.runs = append(k.runs, r.Name+" "+r.Outcome)
	return nil
}
func (k *tracker) Version(context.Context, tracking.Version) error {
	return errors.New("there is none")
}
func (k *tracker) Champion(context.Context, string, int, []int) error {
	return errors.New("there is none")
}

func TestATrackerThatIsDownKeepsNoOtherWaiting(t *testing.T) {
	store, bucket := s3store.New(s3test.Client(t)), s3test.Bucket(t)
	for _, run := range []string{"a-1", "a-2", "b-1"} {
		record := intake.Record{Model: run[:1], Run: run, Outcome: contract.Outcome{Status: "rejected"}}
		_, err := store.PutJSON(t.Context(), bucket, contract.RunKey(run[:1], run, contract.FileRecord), record)
		require.NoError(t, err)
	}
	broken, good := &tracker{down: true}, &tracker{}
	outbox := func(name string, k *tracker) *tracking.Outbox {
		return &tracking.Outbox{Name: name, Store: store.Refs(bucket, ""), Files: files{store, bucket}, Bucket: bucket, Runs: k, Versions: k, Now: time.Now}
	}
	h := handler{outbox: []*tracking.Outbox{outbox("broken", broken), outbox("good", good)},
		folders: func(ctx context.Context) ([]string, error) { return store.Folders(ctx, bucket, "runs/") }}
	done, err := h.handle(t.Context(), json.RawMessage(`{}`))
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	require.Len(t, done.Tracked, 2)
	require.Equal(t, []string{"a-1 rejected", "a-2 rejected", "b-1 rejected"}, good.runs)

	broken.down = false
	done, err = h.handle(t.Context(), json.RawMessage(`{}`))
	require.NoError(t, err)
	require.Equal(t, good.runs, broken.runs)
	require.Len(t, good.runs, 3, "nothing is written twice")
	require.Len(t, done.Tracked, 4)
}

func TestWhichModels(t *testing.T) {
	h := handler{folders: func(context.Context) ([]string, error) { return []string{"a", "b"}, nil }}
	require.NoError(t, sampleErr)
	for event, want := range map[string][]string{`{}`: {"a", "b"}, `{"model":"m"}`: {"m"}, string(sample): {"adult-income"}} {
		got, err := h.which(t.Context(), json.RawMessage(event))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for event, want := range map[string]string{`[]`: "cannot unmarshal", `{"model":"a/b"}`: `model name "a/b"`, `{"detail-type":"Object Created"}`: `"Object Created"`,
		`{"detail-type":"Step Functions Execution Status Change","detail":{"input":"{}"}}`: `model name ""`,
		`{"detail-type":"Step Functions Execution Status Change"}`:                         "detail.input"} {
		_, err := h.which(t.Context(), json.RawMessage(event))
		require.ErrorContains(t, err, want)
		require.Equal(t, fault.Invalid, fault.KindOf(err))
	}
}
