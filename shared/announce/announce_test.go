package announce

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

var update = flag.Bool("update", false, "rewrite the golden texts")

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// at is a rollout of version 3 beside version 2, in a phase at 10 %.
func at(phase rollout.Phase) rollout.State {
	return rollout.State{Rollout: "adult-income-3-rollout", Model: "adult-income", Run: "adult-income-3", Decision: "s3://store/runs/adult-income/adult-income-3/decision.json",
		Artifact: rollout.Artifact{Version: 3, Digest: "sha256:0123"}, Candidate: rollout.Place{Version: 3, Slot: "green"}, Champion: rollout.Place{Version: 2, Slot: "blue", Instances: 2},
		Phase: phase, Weight: 10, Started: noon.Add(-10 * time.Minute), Since: noon.Add(-2 * time.Second), StepSince: noon.Add(-5 * time.Minute), Serving: noon.Add(-5 * time.Minute), BakeFrom: noon.Add(-5 * time.Minute), BakeUntil: noon,
		Policy: rollout.Policy{Steps: []float64{10, 50, 100}, Bake: trainconfig.Duration(5 * time.Minute), Deadline: trainconfig.Duration(2 * time.Hour),
			ErrorRate: 0.05, LatencyP99: trainconfig.Duration(500 * time.Millisecond), MinRequests: 50, MaxFailures: 1},
		History: []rollout.Record{{Time: noon.Add(-5 * time.Minute), Phase: rollout.Baking, Weight: 10, Reason: "10 % was read back"}}}
}

// bake is what a rollout measured: so many errors of 120 requests each.
func bake(candidate, champion int64) *rollout.Measurements {
	p99 := 21.5
	return &rollout.Measurements{From: noon.Add(-5 * time.Minute), To: noon,
		Candidate: rollout.Variant{Requests: 120, Errors: candidate, P99MS: &p99, Labels: 80, Correct: 66},
		Champion:  &rollout.Variant{Requests: 1080, Errors: champion, P99MS: &p99, Labels: 700, Correct: 590}}
}

// decided is a state and what the machine makes of observations, with the last
// change.
func decided(s rollout.State, now time.Time, all ...rollout.Observation) (old, next rollout.State) {
	for _, o := range all {
		old, s = s, rollout.Decide(s, o, now).State
	}
	return old, s
}

func with(s rollout.State, change func(*rollout.State)) rollout.State { change(&s); return s }

func TestTexts(t *testing.T) {
	baking := at(rollout.Baking)
	for name, c := range map[string]struct {
		change   func() (rollout.State, rollout.State)
		severity string
	}{
		"started": {severity: Info, change: func() (rollout.State, rollout.State) {
			return rollout.State{}, with(at(rollout.Acquired), func(s *rollout.State) { s.Weight, s.Reason = 0, "the decision allows it and the lease is held" })
		}},
		"step": {severity: Info, change: func() (rollout.State, rollout.State) {
			return decided(at(rollout.Verifying), noon, rollout.Looked{Condition: rollout.Settled})
		}},
		"rolling_back": {severity: Warning, change: func() (rollout.State, rollout.State) {
			return decided(baking, noon, rollout.Measured{Measurements: *bake(25, 3)})
		}},
		"rolling_back_alarm": {severity: Warning, change: func() (rollout.State, rollout.State) {
			return decided(baking, noon, rollout.Sounded{Alarm: rollout.Alarm{Name: "sluice-production-adult--income.green.errors", Slot: "green", Since: noon, Reason: "Threshold Crossed: 1 datapoint [0.2 (01/03/26 11:59:00)] was greater than the threshold (0.05)."}})
		}},
		"rolling_back_first": {severity: Critical, change: func() (rollout.State, rollout.State) {
			return decided(with(baking, func(s *rollout.State) { s.Champion = rollout.Place{} }), noon, rollout.Abort{Reason: "too early"})
		}},
		"rolled_back_alarm": {severity: Warning, change: func() (rollout.State, rollout.State) {
			quiet := bake(1, 3)
			quiet.Candidate.Requests = 20
			return decided(baking, noon, rollout.Measured{Measurements: *quiet}, rollout.Sounded{Alarm: rollout.Alarm{Name: "sluice-production-adult--income.green.errors", Slot: "green", Since: noon, Reason: "Threshold Crossed: 1 datapoint [0.2 (01/03/26 11:59:00)] was greater than the threshold (0.05)."}},
				rollout.Restored{Detail: "version 2 was read back with all the traffic on 2 instances: blue 100, green 0"})
		}},
		"rolled_back_blameless": {severity: Warning, change: func() (rollout.State, rollout.State) {
			return decided(with(baking, func(s *rollout.State) { s.Serving = time.Time{} }), noon, rollout.Abort{Reason: "asked for by somebody"},
				rollout.Restored{Detail: "version 2 was read back with all the traffic on 2 instances: blue 100, green 0"})
		}},
		"rolled_back": {severity: Warning, change: func() (rollout.State, rollout.State) {
			return decided(baking, noon, rollout.Measured{Measurements: *bake(25, 3)}, rollout.Restored{Detail: "version 2 was read back with all the traffic on 2 instances: blue 100, green 0"})
		}},
		"tried_dry_run": {severity: Info, change: func() (rollout.State, rollout.State) {
			return decided(with(at(rollout.Preparing), func(s *rollout.State) { s.Policy.DryRun, s.Weight = true, 0 }), noon, rollout.Looked{Condition: rollout.Settled},
				rollout.Restored{Detail: "version 2 was read back with all the traffic on 2 instances: blue 100, green 0"})
		}},
		"tried_shadow": {severity: Info, change: func() (rollout.State, rollout.State) {
			return decided(with(at(rollout.RollingBack), func(s *rollout.State) {
				s.Policy.ShadowOnly, s.Policy.Steps, s.Mirrored, s.Weight, s.Reason = true, nil, true, 0, "the shadow passed: it is taken away, and nothing is promoted"
			}), noon, rollout.Restored{Detail: "version 2 was read back with all the traffic on 2 instances: blue 100, green 0"})
		}},
		"held": {severity: Warning, change: func() (rollout.State, rollout.State) {
			return decided(baking, noon, rollout.Measured{Measurements: rollout.Measurements{From: noon.Add(-5 * time.Minute), To: noon, Champion: &rollout.Variant{}}})
		}},
		"held_for_good": {severity: Critical, change: func() (rollout.State, rollout.State) {
			return decided(with(baking, func(s *rollout.State) { s.Policy.Hold = true }), noon, rollout.Measured{Measurements: *bake(25, 3)})
		}},
		"both_unhealthy": {severity: Warning, change: func() (rollout.State, rollout.State) {
			return decided(baking, noon, rollout.Measured{Measurements: *bake(25, 240)})
		}},
		"approval_wanted": {severity: Warning, change: func() (rollout.State, rollout.State) {
			return decided(with(baking, func(s *rollout.State) { s.Policy.ApproveAt = []float64{50} }), noon, rollout.Measured{Measurements: *bake(0, 3)})
		}},
		"frozen": {severity: Info, change: func() (rollout.State, rollout.State) {
			return decided(with(baking, func(s *rollout.State) {
				s.Policy.Freeze = []trainconfig.Freeze{{From: "2026-03-01 11:00", To: "2026-03-01 18:00"}}
			}), noon, rollout.Measured{Measurements: *bake(0, 3)})
		}},
		"deadline_near": {severity: Warning, change: func() (rollout.State, rollout.State) {
			return decided(at(rollout.Verifying), noon.Add(95*time.Minute), rollout.Looked{Condition: rollout.Moving})
		}},
		"promoting": {severity: Info, change: func() (rollout.State, rollout.State) {
			return decided(with(baking, func(s *rollout.State) { s.Step, s.Weight = 2, 100 }), noon, rollout.Measured{Measurements: *bake(0, 3)})
		}},
		"promoted": {severity: Info, change: func() (rollout.State, rollout.State) {
			return decided(with(at(rollout.Promoting), func(s *rollout.State) { s.Step, s.Weight = 2, 100 }), noon, rollout.DonePromoting{})
		}},
		"provisional": {severity: Info, change: func() (rollout.State, rollout.State) {
			return decided(with(at(rollout.Promoting), func(s *rollout.State) {
				s.Step, s.Weight, s.Policy.Observe = 2, 100, trainconfig.Duration(24*time.Hour)
			}), noon, rollout.DonePromoting{})
		}},
		"reverting": {severity: Warning, change: func() (rollout.State, rollout.State) {
			return decided(with(at(rollout.Observing), func(s *rollout.State) { s.Step, s.Weight, s.Observed = 2, 100, noon.Add(time.Hour) }), noon, rollout.Revert{Reason: "asked for by somebody"})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			old, next := c.change()
			m := Of("production", old, next, later(next))
			require.NotNil(t, m, "%s → %s: %s", old.Phase, next.Phase, next.Reason)
			kind := name
			for _, which := range []string{"_alarm", "_first", "_for_good", "_blameless", "_dry_run", "_shadow"} {
				kind = strings.TrimSuffix(kind, which)
			}
			require.Equal(t, kind, m.Attributes["kind"])
			require.Equal(t, c.severity, m.Attributes["severity"])
			require.Equal(t, "adult-income", m.Attributes["model"])
			checkSubject(t, m.Subject)
			golden(t, name, m.Subject+"\n\n"+m.Body)
		})
	}
}

// later is when the last change was made.
func later(s rollout.State) time.Time {
	if s.Near.After(lastRecord(s).Time) {
		return s.Near
	}
	return lastRecord(s).Time
}

func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), text)
}

// checkSubject holds SNS's rule for subjects.
func checkSubject(t *testing.T, subject string) {
	t.Helper()
	require.LessOrEqual(t, len(subject), 100)
	require.Regexp(t, `^[!-~][ -~]*$`, subject)
}

func TestWhatIsNotTold(t *testing.T) {
	none := rollout.Measurements{From: noon.Add(-5 * time.Minute), To: noon}
	held := at(rollout.Baking)
	_, held = decided(held, noon, rollout.Measured{Measurements: none})
	old, next := decided(with(held, func(s *rollout.State) { s.BakeUntil = noon }), noon, rollout.Measured{Turn: held.Turn, Measurements: none})
	require.Greater(t, next.Turn, old.Turn)
	require.Nil(t, Of("production", old, next, noon), "one more bake that held says nothing new")
	old, next = decided(at(rollout.Baking), noon, rollout.Pause{By: "somebody"})
	require.Nil(t, Of("production", old, next, noon), "who paused it knows")
	old, next = decided(at(rollout.Shifting), noon, rollout.BeginShift{})
	require.Nil(t, Of("production", old, next, noon), "a weight is told once it is in force")
}

// A deadline comes near by time alone: whatever a look found, also where people
// know already that the step is held, and once.
func TestADeadlineComesNearByTime(t *testing.T) {
	none := rollout.Measurements{From: noon.Add(-5 * time.Minute), To: noon}
	s, told := at(rollout.Baking), 0
	for now := noon; now.Before(s.Deadline()) && s.Phase == rollout.Baking; now = now.Add(5 * time.Minute) {
		old := s
		s = rollout.Decide(old, rollout.Measured{Turn: old.Turn, Measurements: none}, now).State
		if m := Of("production", old, s, now); m != nil && m.Kind == DeadlineNear {
			told++
			require.Equal(t, 20*time.Minute, s.Deadline().Sub(now), "the first look in the last fifth")
			require.Contains(t, m.Body, "at its deadline")
		}
		s.BakeUntil = now
	}
	require.Equal(t, 1, told)
}

func TestPlainTextsAndLongSubjects(t *testing.T) {
	m := Plain("staging", "adult-income", "alarm sluice-staging-adult--income.blue.errors is on: größer\nthan the threshold; it watches the champion, so nothing was moved")
	checkSubject(t, m.Subject)
	require.True(t, strings.HasSuffix(m.Subject, "..."), m.Subject)
	require.Contains(t, m.Body, "größer\nthan")
	require.Contains(t, m.Body, "sluice rollout status adult-income -e staging")
	require.Equal(t, map[string]string{"kind": "notice", "severity": "warning", "model": "adult-income", "environment": "staging"}, m.Attributes)
}

func TestARefusedCandidateSaysTheWayOut(t *testing.T) {
	m := Refused("production", "adult-income-4", rollout.Quarantined{Model: "adult-income", Digest: "sha256:0123", Version: 3, Run: "adult-income-3",
		Rollout: "adult-income-3-rollout", Reason: "error_rate 0.2 is above 0.05", Time: noon})
	require.Equal(t, []string{"quarantined", Warning, "adult-income-3-rollout"}, []string{string(m.Kind), m.Severity, m.Attributes["rollout"]})
	require.LessOrEqual(t, len(m.Subject), 100)
	golden(t, "quarantined", m.Subject+"\n\n"+m.Body)
}
