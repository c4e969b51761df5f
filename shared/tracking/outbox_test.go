package tracking_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
	"github.com/sluice-ml/sluice/shared/tracking"
	"github.com/sluice-ml/sluice/shared/tracking/trackingtest"
)

// tracker remembers what it was told and refuses what it is told to.
type tracker struct {
	target string
	refuse map[string]fault.Kind
	told   []string
	runs   []tracking.Run
}

func (k *tracker) take(what string) error {
	if kind, ok := k.refuse[what]; ok {
		return fault.New(kind, "write "+what, "as the test wants it")
	}
	k.told = append(k.told, what)
	return nil
}

func (k *tracker) Target() string { return k.target }
func (k *tracker) Run(_ context.Context, r tracking.Run) error {
	k.runs = append(k.runs, r)
	return k.take(r.Name)
}
func (k *tracker) Version(_ context.Context, v tracking.Version) error {
	return k.take(fmt.Sprintf("version %d %s", v.Version.Version, v.Outcome))
}
func (k *tracker) Champion(_ context.Context, _ string, champion int, before []int) error {
	return k.take(fmt.Sprintf("champion %d after %v", champion, before))
}

func outbox(b *trackingtest.Bucket, k *tracker) *tracking.Outbox {
	return &tracking.Outbox{Name: "t", Store: b, Files: b, Bucket: trackingtest.Name, Runs: k, Versions: k, Now: func() time.Time { return trackingtest.Noon }}
}

// three is a bucket with m-1 promoted, m-2 failed and m-10 promoted after it.
func three(t *testing.T) *trackingtest.Bucket {
	b := trackingtest.New(t)
	for _, run := range []string{"m-1", "m-10"} {
		b.Train("m", run)
		n := b.Register("m", run)
		b.Promote("m", n-1, n)
		b.End("m", run, "promoted")
	}
	b.End("m", "m-2", "failed")
	return b
}

func TestARefusedThingKeepsNothingElseBack(t *testing.T) {
	b := three(t)
	k := &tracker{refuse: map[string]fault.Kind{"m-1": fault.Invalid, "version 2 promoted": fault.Busy}}
	result, err := outbox(b, k).CatchUp(t.Context(), "m", "test")
	require.NoError(t, err)
	require.Equal(t, []string{"m-2", "m-10", "version 1 promoted", "champion 2 after []"}, k.told)
	require.Len(t, result.Refused, 1)
	require.Contains(t, result.Refused[0], "run m-1: write m-1")
	k.refuse, k.told = nil, nil
	_, err = outbox(b, k).CatchUp(t.Context(), "m", "test")
	require.NoError(t, err)
	require.Equal(t, []string{"m-1", "version 2 promoted"}, k.told)
}

func TestADownTrackerStopsTheLook(t *testing.T) {
	b := three(t)
	k := &tracker{refuse: map[string]fault.Kind{"m-2": fault.Unavailable}}
	_, err := outbox(b, k).CatchUp(t.Context(), "m", "test")
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	require.Equal(t, []string{"m-1"}, k.told)
	k.refuse, k.told = nil, nil
	_, err = outbox(b, k).CatchUp(t.Context(), "m", "test")
	require.NoError(t, err)
	require.Equal(t, []string{"m-2", "m-10", "version 1 promoted", "version 2 promoted", "champion 2 after []"}, k.told)
}

func TestAnotherTargetGetsEverything(t *testing.T) {
	b := three(t)
	here, there := &tracker{target: "here"}, &tracker{target: "there"}
	for _, k := range []*tracker{here, there} {
		_, err := outbox(b, k).CatchUp(t.Context(), "m", "test")
		require.NoError(t, err)
	}
	require.Equal(t, here.told, there.told)
}

func TestEveryVersionThatWasEverMarkedIsUnmarked(t *testing.T) {
	b := three(t)
	k := &tracker{refuse: map[string]fault.Kind{"champion 2 after []": fault.Unavailable}} // it may have been done
	_, err := outbox(b, k).CatchUp(t.Context(), "m", "test")
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
	b.Train("m", "m-11")
	b.Promote("m", 2, b.Register("m", "m-11"))
	k.told = nil
	_, err = outbox(b, k).CatchUp(t.Context(), "m", "test")
	require.NoError(t, err)
	require.Equal(t, []string{"version 3 ", "champion 3 after [2]"}, k.told)
}

func TestOneAtATime(t *testing.T) {
	b := three(t)
	_, err := ref.Acquire(t.Context(), b, "tracking/m/t-lease.json", "another", time.Minute, trackingtest.Noon)
	require.NoError(t, err)
	_, err = outbox(b, &tracker{}).CatchUp(t.Context(), "m", "test")
	require.Equal(t, fault.Busy, fault.KindOf(err))
}

// FuzzMetrics: any metrics.json, which is a trainer's own, gives finite metrics
// or an error.
func FuzzMetrics(f *testing.F) {
	f.Add([]byte(`{"folds": [{"auc": 0.5}, {"auc": 1e300}], "rounds": 3, "name": "x", "none": null}`))
	f.Add([]byte(`[1, [2, {"a": -0}]]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		b := trackingtest.New(t)
		b.End("m", "m-1", "rejected")
		_, err := b.Create(t.Context(), contract.RunKey("m", "m-1", contract.FileMetrics), body)
		require.NoError(t, err)
		k := &tracker{}
		result, err := outbox(b, k).CatchUp(t.Context(), "m", "test")
		require.NoError(t, err)
		require.Equal(t, 1, len(k.runs)+len(result.Refused))
		for _, r := range k.runs {
			for _, m := range r.Metrics {
				require.False(t, math.IsNaN(m.Value) || math.IsInf(m.Value, 0), m.Name)
			}
		}
	})
}
