package rollout_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// BenchmarkLook is one decision on a look of the sequential analysis, with a
// million of the candidate's requests and the longest history behind it.
func BenchmarkLook(b *testing.B) {
	text := "experiment: {name: a}\ndata: {target: y}\nevaluation: {thresholds: {auc_roc: 0.5}}\ndeployment: {deadline: 200h, analysis: {mode: sequential}}"
	config, err := trainconfig.Parse("train.yaml", []byte(text))
	require.NoError(b, err)
	policy, err := rollout.NewPolicy(config)
	require.NoError(b, err)
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	s := rollout.State{
		Rollout: "bench", Model: "bench", Policy: policy, Phase: rollout.Baking, Started: now, Serving: now, Weight: 10,
		Candidate: rollout.Place{Version: 2, Slot: "b"}, Champion: rollout.Place{Version: 1, Slot: "a"},
		BakeFrom: now, BakeUntil: now.Add(100 * time.Hour), NextLook: now,
	}
	look := func() rollout.Observation {
		slow := []int64{6, 54}
		return rollout.Measured{Turn: s.Turn, Measurements: rollout.Measurements{
			From: now.Add(-time.Minute), To: now,
			Candidate: rollout.Variant{Requests: 5000, Errors: 10, Slow: &slow[0], Labels: s.Turn * 2500, Correct: s.Turn * 2250},
			Champion:  &rollout.Variant{Requests: 45000, Errors: 90, Slow: &slow[1], Labels: s.Turn * 22500, Correct: s.Turn * 20250},
		}}
	}
	for range 250 {
		now = s.NextLook
		d := rollout.Decide(s, look(), now)
		require.True(b, d.Changed)
		s = d.State
	}
	require.Equal(b, rollout.Baking, s.Phase)
	require.GreaterOrEqual(b, s.Trial.Errors.Seen.Candidate.All, int64(1_000_000))
	now = s.NextLook
	o := look()
	b.ResetTimer()
	for range b.N {
		if !rollout.Decide(s, o, now).Changed {
			b.Fatal("the look changed nothing")
		}
	}
}
