package intake_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/intake"
	"github.com/sluice-ml/sluice/shared/intake/intaketest"
)

func TestManyUploadsBecomeOneRun(t *testing.T) {
	w := newWorld()
	i := w.intake()
	first, err := upload(t.Context(), i, "a@1")
	require.NoError(t, err)
	require.Equal(t, contract.AdmitResult{Model: model, Run: "adult-income-1", Started: true, Reason: "it opened run adult-income-1"}, first)
	for n := range 20 {
		w.now = w.now.Add(time.Second)
		more, err := upload(t.Context(), i, fmt.Sprintf("part-%02d@1", n))
		require.NoError(t, err)
		require.Equal(t, "adult-income-1", more.Run)
		require.False(t, more.Started)
	}
	again, err := upload(t.Context(), i, "a@1")
	require.NoError(t, err)
	require.True(t, again.Duplicate)

	w.now = w.now.Add(10 * time.Second)
	settling, err := i.Settle(t.Context(), model, "adult-income-1")
	require.NoError(t, err)
	require.Equal(t, contract.SettleResult{WaitSeconds: 20}, settling)
	w.now = w.now.Add(20 * time.Second)
	settled, err := i.Settle(t.Context(), model, "adult-income-1")
	require.NoError(t, err)
	require.Equal(t, contract.SettleResult{Settled: true, Request: "s3://store/runs/adult-income/adult-income-1/request.json", Objects: 21}, settled)
	repeated, err := i.Settle(t.Context(), model, "adult-income-1")
	require.NoError(t, err)
	require.Equal(t, settled, repeated)
	require.Equal(t, []string{"adult-income-1"}, w.order)

	finished, err := i.Finish(t.Context(), model, "adult-income-1", contract.Outcome{Status: "promoted", Version: 1})
	require.NoError(t, err)
	require.Equal(t, contract.AdmitResult{Model: model, Reason: "nothing is waiting"}, finished)
	late, err := i.Settle(t.Context(), model, "adult-income-1")
	require.NoError(t, err)
	require.Equal(t, settled, late)
	again, err = upload(t.Context(), i, "a@1")
	require.NoError(t, err)
	require.True(t, again.Duplicate, "also after its run")
}

func TestAnUploadDuringARunMakesOneFollowUp(t *testing.T) {
	w := newWorld()
	require.NoError(t, w.playAll(t.Context(), []string{"upload a@1", "settle", "upload b@1", "upload c@1", "manual x"}))
	require.Equal(t, []string{"adult-income-1"}, w.order)
	next, err := w.intake().Finish(t.Context(), model, "adult-income-1", contract.Outcome{Status: "rejected"})
	require.NoError(t, err)
	require.Equal(t, contract.AdmitResult{Model: model, Run: "adult-income-2", Started: true, Reason: "it follows run adult-income-1"}, next)
	again, err := w.intake().Finish(t.Context(), model, "adult-income-1", contract.Outcome{Status: "rejected"})
	require.NoError(t, err)
	require.False(t, again.Started)
	require.Equal(t, []string{"adult-income-1", "adult-income-2"}, w.order)
	w.executions["adult-income-1"] = "SUCCEEDED"
	require.NoError(t, w.act(t.Context(), "settle"))
	names, ok := w.request("adult-income-2")
	require.True(t, ok)
	require.Equal(t, []string{"b@1", "c@1"}, names)
}

func TestSchedules(t *testing.T) {
	w := newWorld()
	i := w.intake()
	start := func(kind, id string) contract.AdmitResult {
		t.Helper()
		r, err := i.Start(t.Context(), model, contract.Cause{Kind: kind, ID: id})
		require.NoError(t, err)
		return r
	}
	require.True(t, start("schedule", "day 1").Started, "the first one looks for data")
	require.True(t, start("schedule", "day 1").Duplicate)
	require.NoError(t, w.playAll(t.Context(), []string{"settle", "finish promoted"}))
	none := start("schedule", "day 2")
	require.Equal(t, contract.AdmitResult{Model: model, Reason: "nothing is new since run adult-income-1"}, none)
	require.Equal(t, "adult-income-2", start("manual", "me").Run)
	require.NoError(t, w.playAll(t.Context(), []string{"settle", "finish promoted"}))
	require.Equal(t, "adult-income-3", start("drift", "psi").Run)
	require.NoError(t, w.act(t.Context(), "settle"))
	require.Equal(t, "", start("schedule", "day 3").Run)
	require.Equal(t, "run adult-income-3 is going on; another follows it", start("drift", "psi 2").Reason)
	require.NoError(t, w.act(t.Context(), "finish promoted"))
	require.Equal(t, []string{"adult-income-4"}, w.running())
}

func TestABrokenRunCarriesItsUploads(t *testing.T) {
	w := newWorld()
	empty := version("empty@1")
	empty.Size = 0
	_, err := w.intake().Upload(t.Context(), model, empty, contract.Cause{Kind: "upload", ID: "e"})
	require.NoError(t, err)
	require.NoError(t, w.playAll(t.Context(), []string{"upload a@1", "upload b@1", "settle", "finish failed"}))
	require.Empty(t, w.running(), "breakage does not loop")
	w.deleted["raw/adult-income/b@1"] = true
	require.NoError(t, w.playAll(t.Context(), []string{"schedule tomorrow", "settle"}))
	names, ok := w.request("adult-income-2")
	require.True(t, ok)
	require.Equal(t, []string{"a@1"}, names)
}

func TestARunThatBreaksWhileCollectingDoesNotLoop(t *testing.T) {
	w := newWorld()
	require.NoError(t, w.playAll(t.Context(), []string{"upload a@1", "finish failed"}))
	require.Empty(t, w.running())
	require.NoError(t, w.playAll(t.Context(), []string{"upload b@1", "settle"}))
	names, _ := w.request("adult-income-2")
	require.Equal(t, []string{"a@1", "b@1"}, names)
}

func TestALostFinishIsNoticed(t *testing.T) {
	w := newWorld()
	require.NoError(t, w.playAll(t.Context(), []string{"upload a@1", "settle", "abort", "upload b@1"}))
	require.Equal(t, []string{"adult-income-2"}, w.running())
	item, err := w.store.Get(t.Context(), "runs/adult-income/adult-income-1/run.json")
	require.NoError(t, err)
	var record intake.Record
	require.NoError(t, json.Unmarshal(item.Body, &record))
	require.Equal(t, "failed", record.Outcome.Status)
	require.Equal(t, "its execution ended as ABORTED without reporting an outcome", record.Outcome.Reason)
	require.Equal(t, 1, record.Objects)
}

func TestAnExecutionThatIsNotVisibleIsNotStartedTwice(t *testing.T) {
	w := newWorld()
	require.NoError(t, w.act(t.Context(), "upload a@1"))
	delete(w.executions, "adult-income-1")
	require.NoError(t, w.act(t.Context(), "upload b@1"))
	require.Equal(t, "RUNNING", w.executions["adult-income-1"])
	require.Len(t, w.executions, 1)
}

func TestOutOfOrderVersions(t *testing.T) {
	w := newWorld()
	require.NoError(t, w.playAll(t.Context(), []string{"upload a@2", "upload a@1", "settle"}))
	names, _ := w.request("adult-income-1")
	require.Equal(t, []string{"a@2"}, names)
	require.NoError(t, w.playAll(t.Context(), []string{"finish promoted", "upload a@0"}))
	require.Empty(t, w.running(), "an older version than the one in a past run starts nothing")
}

func TestUploadsThatNeverPause(t *testing.T) {
	w := newWorld()
	i := w.intake()
	for n := range 400 {
		_, err := upload(t.Context(), i, fmt.Sprintf("part@%03d", n))
		require.NoError(t, err)
		settled, err := i.Settle(t.Context(), model, "adult-income-1")
		require.NoError(t, err)
		require.Equal(t, n == 360, settled.Settled, "after an hour of an upload each 10 seconds")
		if settled.Settled {
			return
		}
		w.now = w.now.Add(10 * time.Second)
	}
}

func TestAModelWithoutConfiguration(t *testing.T) {
	w := newWorld()
	w.store = intaketest.New(func() time.Time { return w.now })
	for n := range 3 {
		waits, err := upload(t.Context(), w.intake(), "a@1")
		require.NoError(t, err, "a retry would not help")
		require.Equal(t, contract.AdmitResult{Model: model, Duplicate: n > 0,
			Reason: "it waits for a configuration at s3://store/configs/adult-income/train.yaml"}, waits)
	}
	_, err := upload(t.Context(), w.intake(), "b@1")
	require.NoError(t, err)
	left, err := intake.Look(t.Context(), w.store, w.store, model)
	require.NoError(t, err)
	require.Equal(t, 2, left.Uploads)
	require.False(t, left.Configured)
	require.Error(t, w.act(t.Context(), "schedule s"))
	require.Empty(t, w.order)
	_, err = w.intake().Configured(t.Context(), model)
	require.Equal(t, fault.NotFound, fault.KindOf(err))

	_, err = w.store.Create(t.Context(), contract.ConfigKey(model), []byte("x"))
	require.NoError(t, err)
	opened, err := w.intake().Configured(t.Context(), model)
	require.NoError(t, err)
	require.True(t, opened.Started)
	require.Equal(t, "adult-income-1", opened.Run)
	again, err := w.intake().Configured(t.Context(), model)
	require.NoError(t, err)
	require.False(t, again.Started)
	require.NoError(t, w.act(t.Context(), "settle"))
	names, _ := w.request("adult-income-1")
	require.Equal(t, []string{"a@1", "b@1"}, names)
	require.NoError(t, w.act(t.Context(), "finish promoted"))
	none, err := w.intake().Configured(t.Context(), model)
	require.NoError(t, err)
	require.Equal(t, "no upload waits for the configuration", none.Reason)
	require.Empty(t, w.running())
}

func TestARetryFindsTheConfiguration(t *testing.T) {
	w := newWorld()
	w.store = intaketest.New(func() time.Time { return w.now })
	_, err := upload(t.Context(), w.intake(), "a@1")
	require.NoError(t, err)
	_, err = w.store.Create(t.Context(), contract.ConfigKey(model), []byte("x"))
	require.NoError(t, err)
	retried, err := upload(t.Context(), w.intake(), "a@1")
	require.NoError(t, err)
	require.True(t, retried.Started)
}

func TestBadCallsAreRefused(t *testing.T) {
	i := newWorld().intake()
	for _, c := range []contract.Cause{{}, {Kind: "schedule"}, {Kind: "upload", ID: "x"}, {Kind: "Schedule", ID: "x"}} {
		_, err := i.Start(t.Context(), model, c)
		require.Equal(t, fault.Invalid, fault.KindOf(err), "%v", c)
	}
	_, err := i.Start(t.Context(), "no spaces", contract.Cause{Kind: "manual", ID: "x"})
	require.Equal(t, fault.Invalid, fault.KindOf(err))
	_, err = i.Settle(t.Context(), model, "adult-income-7")
	require.ErrorContains(t, err, "settle run adult-income-7: it is not the run that goes on")
	_, err = i.Settle(t.Context(), "../x", "r")
	require.Equal(t, fault.Invalid, fault.KindOf(err))
	_, err = i.Finish(t.Context(), model, "adult-income-1", contract.Outcome{})
	require.Equal(t, fault.Invalid, fault.KindOf(err))
}

func TestRunNames(t *testing.T) {
	require.Equal(t, "adult-income-3", intake.RunName("adult-income", 3))
	require.Equal(t, "adult--income-3", intake.RunName("adult_income", 3))
	long := intake.RunName(strings.Repeat("a__", 13)+"b", 1234567)
	require.LessOrEqual(t, len(long), 64)
	require.NotEqual(t, long, intake.RunName(strings.Repeat("a__", 13)+"c", 1234567))
}

func event(bucket, key string, size int) string {
	return fmt.Sprintf(`{"version":"0","id":"e-1","source":"aws.s3","detail-type":"Object Created","detail":{"version":"0",
		"bucket":{"name":%q},"object":{"key":%q,"size":%d,"etag":"abc","version-id":"v1","sequencer":"0055"},"reason":"PutObject"}}`, bucket, key, size)
}

func TestParseEvent(t *testing.T) {
	u, err := intake.ParseEvent([]byte(event("lake", "raw/adult-income/2026/a b+c.csv", 12)), "lake")
	require.NoError(t, err)
	require.Equal(t, intake.Upload{Model: "adult-income", Cause: contract.Cause{Kind: "upload", ID: "e-1"},
		Version: contract.ObjectVersion{Key: "raw/adult-income/2026/a b+c.csv", VersionID: "v1", ETag: "abc", Size: 12, Sequencer: "0055"}}, u)
	u, err = intake.ParseEvent([]byte(event("lake", "raw/m/_day=1/part_0.csv", 12)), "lake")
	require.NoError(t, err)
	require.Empty(t, u.Ignored, "a partition")
	for _, c := range []struct{ bucket, key, why string }{
		{"other", "raw/m/a.csv", "is not the lake"}, {"lake", "labels/m/a.jsonl", "not under raw/<model>/"},
		{"lake", "raw/a.csv", "not under raw/<model>/"}, {"lake", "raw/m/", "is a folder"}, {"lake", "raw/m/sub/", "is a folder"},
		{"lake", "raw/m/_SUCCESS", "is a marker, not data"}, {"lake", "raw/m/_tmp/a.csv", "is a marker, not data"},
		{"lake", "raw/m/day=1/_SUCCESS", "starts with _ or ."}, {"lake", "raw/m/day=1/.part-0.csv.crc", "is a marker, not data"},
	} {
		u, err := intake.ParseEvent([]byte(event(c.bucket, c.key, 0)), "lake")
		require.NoError(t, err)
		require.Contains(t, u.Ignored, c.why, c.key)
	}
	for _, raw := range []string{``, `[]`, `{}`, `{"source":"aws.s3","detail-type":"Object Deleted","id":"x"}`,
		`{"source":"aws.s3","detail-type":"Object Created","id":"x","detail":{}}`} {
		_, err := intake.ParseEvent([]byte(raw), "lake")
		require.Equal(t, fault.Invalid, fault.KindOf(err), raw)
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add([]byte(event("lake", "raw/m/a.csv", 1)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if u, err := intake.ParseEvent(raw, "lake"); err == nil && u.Ignored == "" {
			require.True(t, strings.HasPrefix(u.Version.Key, contract.RawPrefix(u.Model)))
		}
	})
}
