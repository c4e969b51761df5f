package rollouts_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/metrics"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/feedback"
	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// published is CloudWatch as feedback.Publisher.
type published struct{ gauge *metrics.Gauge }

func (p published) PutAccuracy(ctx context.Context, model string, points []feedback.Point, now time.Time) (int64, error) {
	for _, point := range points {
		if _, err := p.gauge.PutAccuracy(ctx, model, point.Slot, []metrics.Point{{Time: point.Time, Correct: point.Correct, Wrong: point.Wrong}}, now); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

func (published) PutDrift(context.Context, string, float64, time.Time) error { return nil }

// watchingSlices is a world whose champion is version 1, where every fourth row is
// of a woman, whose labels come soon, and whose rollouts watch the slices by sex.
// truth is the label of a row.
func watchingSlices(t *testing.T, truth func(sex string) int) (*world, func(int)) {
	t.Parallel()
	w := open(t)
	require.Equal(t, "promoted", w.ship(1, "good").Outcome)
	sex := func(i int) string {
		switch {
		case i%79 == 78:
			return "Other"
		case i%4 == 0:
			return "Female"
		}
		return "Male"
	}
	w.rate = 120 // of each version enough women in every look, however the dice fall
	w.row = func(i int) string { return fmt.Sprintf(`{"age":39,"sex":%q}`, sex(i)) }
	w.policy.Slices = rollout.Slices{By: []trainconfig.Slice{{By: []string{"sex"}}}, SliceHealth: trainconfig.SliceHealth{MaxDrop: 0.1, Accuracy: 0.5, MinLabels: 10, OnUnknown: "tell"}}
	records := rollout.Records{Store: w.store, Now: w.clock.Now}
	monitor := &feedback.Monitor{Environment: "staging", Store: w.store, Captures: w.bucket, Labels: w.bucket, Publisher: published{w.gauge}, Period: 10 * time.Second, Now: w.clock.Now,
		Baseline: func(context.Context, string) (*feedback.Baseline, error) { return nil, nil },
		Slices: func(ctx context.Context, model string) ([]trainconfig.Slice, error) {
			s, err := records.Load(ctx, model)
			return s.Policy.Slices.By, err
		}}
	files := 0
	return w, func(seconds int) {
		from := w.asked
		w.traffic(seconds)
		var labels strings.Builder
		for i := from; i < w.asked; i++ {
			fmt.Fprintf(&labels, "{\"inference_id\":\"q%d\",\"label\":%d}\n", i, truth(sex(i)))
		}
		require.NoError(t, w.bucket.Put(t.Context(), "", fmt.Sprintf("labels/adult_income/%d.jsonl", files), []byte(labels.String())))
		files++
		_, err := monitor.Watch(t.Context(), "adult_income", "test")
		require.NoError(t, err)
	}
}

// The candidate is as good as ever, except for women; all the other measures are
// fine. The champion is not worse there, so it is the candidate's fault.
func TestADropInOneSliceRollsBackAndNamesIt(t *testing.T) {
	for _, mode := range []string{"limits", "sequential"} {
		t.Run(mode, func(t *testing.T) {
			w, bake := watchingSlices(t, func(string) int { return 0 })
			if mode == "sequential" {
				w.policy.Analysis = trainconfig.Analysis{Mode: mode, Alpha: 0.01, Power: 0.8, Effect: trainconfig.Rates{ErrorRate: 0.1, SlowRate: 0.1, Accuracy: 0.1}}
			}
			command := w.run(w.start(2, "unfair"), done, bake)
			require.Equal(t, "rolled_back", command.Outcome)
			require.Contains(t, command.Reason, "slice sex=Female: accuracy")
			require.Contains(t, command.Reason, "below the champion's")
			w.serves(1)
			s, err := w.States.Archived(t.Context(), "adult_income", "r-2")
			require.NoError(t, err)
			failed := map[string]bool{}
			for _, r := range s.History {
				for _, f := range r.Findings {
					if f.Verdict == rollout.Fail {
						failed[f.Measure+" "+f.Slice] = true
					}
				}
			}
			require.True(t, failed["slice_drop sex=Female"], "%v", failed)
			require.False(t, failed["slice_drop sex=Male"])
			require.False(t, failed["error_rate "])
		})
	}
}

// The labels of women say otherwise than ever, of both versions: the world has
// changed, not the model.
func TestADropThatTheChampionShowsTooHoldsAndTells(t *testing.T) {
	w, bake := watchingSlices(t, func(sex string) int {
		if sex == "Female" {
			return 1
		}
		return 0
	})
	looks := 0
	step := w.start(2, "good")
	w.run(step, func(contract.RolloutCommand) bool { return looks == 4 }, func(seconds int) { looks++; bake(seconds) })
	s, err := w.States.Load(t.Context(), "adult_income")
	require.NoError(t, err)
	require.Equal(t, rollout.Baking, s.Phase, "it holds")
	require.Zero(t, s.Failures)
	require.True(t, slices.ContainsFunc(w.told, func(text string) bool {
		return strings.Contains(text, "the environment is to blame") && strings.Contains(text, "slice sex=Female: accuracy 0 ")
	}), "%v", w.told)
	w.rolledBack(step)
	w.serves(1)
}

// Where nothing drops the candidate is promoted, and what was not known is told.
func TestHealthySlicesPassAndUnknownOnesAreTold(t *testing.T) {
	w, bake := watchingSlices(t, func(string) int { return 0 })
	command := w.run(w.start(2, "good"), done, bake)
	require.Equal(t, "promoted", command.Outcome, command.Reason)
	require.True(t, slices.ContainsFunc(w.told, func(text string) bool {
		return strings.Contains(text, "not all slices are known") && strings.Contains(text, "slice sex=Other is not known")
	}), "%v", w.told)
}

// With on_unknown: hold the same waits for labels until the deadline.
func TestUnknownSlicesHold(t *testing.T) {
	w, bake := watchingSlices(t, func(string) int { return 0 })
	w.policy.Slices.OnUnknown, w.policy.Slices.MinLabels = "hold", 10_000
	w.policy.Deadline = trainconfig.Duration(10 * time.Minute)
	command := w.run(w.start(2, "good"), done, bake)
	require.Equal(t, "rolled_back", command.Outcome)
	require.Contains(t, command.Reason, "the deadline of 10m passed")
	require.Contains(t, command.Reason, "slice sex=Female is not known")
}
