package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/intake"
	"github.com/sluice-ml/sluice/shared/intake/intaketest"
)

type executions map[string]contract.RunInput

func (e executions) Start(_ context.Context, in contract.RunInput) error { e[in.Run] = in; return nil }
func (e executions) Ended(context.Context, string) (bool, string, error) {
	return false, "RUNNING", nil
}

type lake struct{}

func (lake) Stat(context.Context, string, string) (dataset.Entry, error) { return dataset.Entry{}, nil }

func TestTheLifeOfARun(t *testing.T) {
	started, now := executions{}, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	store := intaketest.New(func() time.Time { return now })
	h := handler{lake: "lake", log: slog.New(slog.DiscardHandler), intake: &intake.Intake{Store: store, Inbox: store, Bucket: "store", Executions: started, Lake: lake{},
		Quiet: time.Minute, Now: func() time.Time { return now }}}
	call := func(format string, args ...any) string {
		t.Helper()
		out, err := h.handle(t.Context(), json.RawMessage(fmt.Sprintf(format, args...)))
		require.NoError(t, err)
		text, err := json.Marshal(out)
		require.NoError(t, err)
		return string(text)
	}
	const event = `{"id":"e","source":"aws.s3","detail-type":"Object Created","detail":{"bucket":{"name":"lake"},
		"object":{"key":%q,"size":3,"etag":"x","version-id":"v1","sequencer":"01"}}}`
	const written = `{"id":"c","source":"aws.s3","detail-type":"Object Created","detail":{"bucket":{"name":"store"},"object":{"key":"configs/m/train.yaml"}}}`
	require.Contains(t, call(event, "raw/m/a.csv"), "it waits for a configuration at s3://store/configs/m/train.yaml")
	_, err := store.Create(t.Context(), contract.ConfigKey("m"), []byte("x"))
	require.NoError(t, err)
	require.JSONEq(t, `{"model":"m","run":"m-1","started":true,"duplicate":false,"reason":"run m-1 is collecting"}`, call(written))
	require.Equal(t, contract.RunInput{Model: "m", Run: "m-1", Cause: contract.Cause{Kind: "upload", ID: "e"}}, started["m-1"])
	require.JSONEq(t, `{"model":"m","run":"m-1","started":false,"duplicate":true,"reason":"run m-1 is collecting"}`, call(event, "raw/m/a.csv"))
	require.Contains(t, call(event, "raw/m/_b.csv"), `"reason":"ignored: `)
	require.JSONEq(t, `{"settled":false,"wait_seconds":60,"request":"","objects":0}`, call(`{"operation":"settle","model":"m","run":"m-1"}`))
	now = now.Add(time.Minute)
	require.JSONEq(t, `{"settled":true,"wait_seconds":0,"request":"s3://store/runs/m/m-1/request.json","objects":1}`,
		call(`{"operation":"settle","model":"m","run":"m-1"}`))
	require.Contains(t, call(`{"operation":"start","model":"m","cause":{"kind":"schedule","id":"2026-03-02T02:00:00Z"}}`), `"started":false`)
	require.Contains(t, call(`{"operation":"finish","model":"m","run":"m-1","outcome":{"status":"promoted"}}`), "nothing is waiting")
}

func TestBadEvents(t *testing.T) {
	store := intaketest.New(time.Now)
	h := handler{lake: "lake", intake: &intake.Intake{Store: store, Inbox: store, Bucket: "store", Now: time.Now}}
	for _, raw := range []string{`{}`, `[]`, `{"operation":"stop"}`, `{"operation":"finish","model":"m","run":"m-1"}`,
		`{"source":"aws.s3","detail-type":"Object Created","id":"c","detail":{"bucket":{"name":"store"}}}`,
		`{"operation":"start","model":"../m","cause":{"kind":"manual","id":"x"}}`, `{"operation":1}`} {
		_, err := h.handle(t.Context(), json.RawMessage(raw))
		require.Equal(t, fault.Invalid, fault.KindOf(err), raw)
	}
}

// Why a job failed is what it wrote down, and what Batch says where it wrote nothing.
func TestWhyAJobFailed(t *testing.T) {
	store := intaketest.New(time.Now)
	h := handler{lake: "lake", intake: &intake.Intake{Store: store, Inbox: store, Bucket: "store", Now: time.Now}}
	ask := func() contract.Outcome {
		request, err := json.Marshal(contract.AdmitRequest{Operation: "why", Model: "m", Run: "m-1",
			Outcome: &contract.Outcome{Status: "failed", Error: "States.TaskFailed", Reason: `{"JobId":"j1","JobName":"train-m-1","StatusReason":"it exited","Attempts":[{}]}`}})
		require.NoError(t, err)
		out, err := h.handle(t.Context(), request)
		require.NoError(t, err)
		return out.(contract.Outcome)
	}
	require.Equal(t, contract.Outcome{Status: "failed", Error: "States.TaskFailed", Reason: "job train-m-1 failed: it exited (what it wrote: sluice run logs RUN)"}, ask())
	_, err := store.Create(t.Context(), contract.RunKey("m", "m-1", contract.FileFailure), []byte(`{"job":"j1","attempt":1,"kind":"Invalid","reason":"no column \"y\""}`))
	require.NoError(t, err)
	require.Equal(t, contract.Outcome{Status: "invalid", Error: "States.TaskFailed", Reason: `no column "y"`}, ask())
	_, err = h.handle(t.Context(), json.RawMessage(`{"operation":"why","model":"m","run":"m-1"}`))
	require.Equal(t, fault.Invalid, fault.KindOf(err))
}
