package command

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// baking is a rollout at 10 % whose bake ends in a minute.
func baking() rollout.State {
	return rollout.State{Rollout: "m-3-rollout", Model: "m", Phase: rollout.Baking, Weight: 10, Reason: "10 % was read back",
		Candidate: rollout.Place{Version: 3, Slot: "green"}, Champion: rollout.Place{Version: 2, Slot: "blue"},
		Started: noon.Add(-10 * time.Minute), BakeFrom: noon.Add(-4 * time.Minute), BakeUntil: noon.Add(time.Minute),
		Policy: rollout.Policy{Steps: []float64{10, 50, 100}, Bake: trainconfig.Duration(5 * time.Minute), Deadline: trainconfig.Duration(2 * time.Hour),
			ErrorRate: 0.05, LatencyP99: trainconfig.Duration(500 * time.Millisecond), Accuracy: 0.8, MinRequests: 50, MaxFailures: 3},
		History: []rollout.Record{{Time: noon.Add(-4 * time.Minute), Phase: rollout.Baking, Weight: 10, Reason: "10 % was read back"}}}
}

func TestStatusBeforeTheFirstLook(t *testing.T) {
	v := viewStatus(baking(), noon)
	require.Nil(t, v.Look)
	require.Equal(t, noon.Add(time.Minute), *v.Times.NextLook)
	require.Equal(t, noon.Add(11*time.Minute), *v.Times.EarliestGood, "two more steps")
	require.Equal(t, noon.Add(11*time.Minute), *v.Times.EarliestBad, "two more failures")
	require.Equal(t, noon.Add(110*time.Minute), *v.Times.Deadline)
	var b bytes.Buffer
	describeRollout(&b, v, noon)
	require.Contains(t, b.String(), "last look\tnone yet")
	require.Contains(t, b.String(), "next look\tin 1m (2026-03-01T12:01:00Z)")
	body, err := json.Marshal(v)
	require.NoError(t, err)
	var read map[string]any
	require.NoError(t, json.Unmarshal(body, &read))
	require.Equal(t, "m-3-rollout", read["rollout"], "the state's fields stay where they were")
	require.Nil(t, read["look"])
	require.Equal(t, "2026-03-01T12:01:00Z", read["times"].(map[string]any)["next_look"])
}

func TestStatusShowsEachMeasureOfTheLastLook(t *testing.T) {
	p99 := 21.5
	at := noon.Add(time.Minute)
	looked := rollout.Decide(baking(), rollout.Measured{Measurements: rollout.Measurements{From: noon.Add(-4 * time.Minute), To: at,
		Candidate: rollout.Variant{Requests: 120, Errors: 1, P99MS: &p99, Labels: 20, Correct: 18}}}, at).State
	v := viewStatus(looked, at)
	require.Len(t, v.Look.Measures, 3)
	errors, accuracy := v.Look.Measures[0], v.Look.Measures[2]
	require.InDelta(t, 1.0/120, *errors.Value, 1e-12)
	require.Equal(t, []int64{120, 50, 20, 50}, []int64{*errors.Seen, *errors.Wanted, *accuracy.Seen, *accuracy.Wanted})
	require.Equal(t, []string{"requests", "pass", "labels", "insufficient"}, []string{errors.Of, errors.Verdict, accuracy.Of, accuracy.Verdict})
	require.Nil(t, accuracy.Value)
	var b bytes.Buffer
	describeRollout(&b, v, at)
	require.Contains(t, b.String(), "error_rate\t0.008333\t0.001473 to 0.0457\t0.05\t120 requests\t50\tpass")
	require.Contains(t, b.String(), "accuracy\tnot known\t-\t0.8\t20 labels\t50\tinsufficient")
	require.Contains(t, lookLines(v.Look), "\n    error_rate 0.008333 (0.001473 to 0.0457), limit 0.05, 120 requests of 50 wanted: pass")
	require.Empty(t, lookLines(lookOf(looked.Policy, looked.History[0])))
}

// Too few requests: when there are enough at the rate of the last look.
func TestStatusSaysWhenThereIsEnough(t *testing.T) {
	at := noon.Add(time.Minute)
	looked := rollout.Decide(baking(), rollout.Measured{Measurements: rollout.Measurements{From: noon.Add(-4 * time.Minute), To: at,
		Candidate: rollout.Variant{Requests: 25}}}, at).State
	m := viewStatus(looked, at).Look.Measures[0]
	require.InDelta(t, 300, *m.Left, 1e-9)
	require.Equal(t, "50, in about 5m at this rate", m.wanted())
}

func TestStatusOfWhatIsOverAndOfAFirstVersion(t *testing.T) {
	s := baking()
	s.Phase, s.Outcome, s.Champion = rollout.Promoted, "promoted", rollout.Place{}
	v := viewStatus(s, noon)
	require.Equal(t, times{}, v.Times)
	var b bytes.Buffer
	describeRollout(&b, v, noon)
	require.Contains(t, b.String(), "champion\tnone: it is the first version")
	b.Reset()
	explainRollout(&b, s)
	require.Contains(t, b.String(), "ended\tpromoted: ")
	b.Reset()
	explainRollout(&b, baking())
	require.Contains(t, b.String(), "under way\tbaking: ")
	require.NotContains(t, b.String(), "ended")
}
