package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// TestAlarmsAndOperatorsStopARollout lets alarms and operators interfere with
// rollouts on one stack: each may come twice and beside the state machine.
func TestAlarmsAndOperatorsStopARollout(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	s := up(t, dir)
	live := drive(t, s)
	s.configure(t, config)

	name := s.start(t, "alarm")
	s.shared(t, name)
	state := s.rollout(t)
	require.True(t, state.Phase.Open())

	told := s.alarm(t, state.Champion.Slot)
	require.Contains(t, told.Reason, "watches the champion")
	require.Equal(t, state.Weight, s.rollout(t).Weight, "an alarm on the champion moves nothing")
	require.True(t, s.rollout(t).Phase.Open())

	answers := make(chan contract.RolloutCommand, 2)
	for range 2 {
		go func() { answers <- s.alarm(t, state.Candidate.Slot) }()
	}
	for range 2 {
		require.Equal(t, "rolled_back", (<-answers).Outcome, "the alarm's call itself puts the champion back")
	}
	endpoint, err := s.ShowEndpoint(t.Context(), model)
	require.NoError(t, err)
	require.InDelta(t, 1, endpoint.Share(state.Champion.Slot), 0)
	require.Equal(t, "rolled_back", s.alarm(t, state.Candidate.Slot).Outcome, "a late duplicate is harmless")
	run := s.ends(t, name, "rolled_back")
	require.Contains(t, run.Outcome.Reason, ".errors is on")
	s.consistent(t, 1)
	s.servesOnly(t, live)

	run = s.ends(t, s.start(t, "reproduced"), "rejected") // continuous training makes the same bytes of the same data
	require.Regexp(t, "^quarantined: the same model was rolled back as version [0-9]+ by rollout .*; train another, or release it: sluice rollout release "+model, run.Outcome.Reason)
	require.Equal(t, state.Rollout, s.rollout(t).Rollout, "no rollout was begun")
	released := sluice(t, "rollout", "release", model, fmt.Sprint(state.Candidate.Version), "--dir", dir) // the next run makes the same bytes
	require.Equal(t, 0, released.code, released.stderr)
	require.Contains(t, sluice(t, "rollout", "release", model, fmt.Sprint(state.Candidate.Version), "--dir", dir).stdout, "already")
	name = s.start(t, "abort")
	s.shared(t, name)
	stopped := sluice(t, "rollout", "abort", model, "--dir", dir, "--reason", "it looks odd")
	require.Equal(t, 0, stopped.code, stopped.stderr)
	require.Contains(t, stopped.stdout, "rolled_back")
	again := sluice(t, "rollout", "abort", model, "--dir", dir)
	require.Equal(t, 1, again.code)
	require.Contains(t, again.stderr, "is over: it was rolled_back")
	repeated, err := s.AbortRollout(t.Context(), s.rollout(t), "once more, past the command's own check")
	require.NoError(t, err)
	require.Equal(t, "rolled_back", repeated.Outcome)
	run = s.ends(t, name, "rolled_back")
	require.Contains(t, run.Outcome.Reason, "it looks odd")
	s.consistent(t, 1)
	s.servesOnly(t, live)
	_, failed := live.counts()
	require.Empty(t, failed, "no answer was lost: %v", live.last)
}

// TestAFirstReleaseCanBeStopped: there is no champion to go back to, so nothing
// serves afterwards, and the next run is a first release again.
func TestAFirstReleaseCanBeStopped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := up(t, dir)
	s.configure(t, baking(oneStep, "10m"))
	s.upload(t, "part-0.csv", text(t, rows(t, 0, 2000)))
	eventually(t, "the first version bakes", func() bool {
		state, err := s.Rollout(t.Context(), model)
		return err == nil && state.Phase == rollout.Baking
	})
	stopped := sluice(t, "rollout", "abort", model, "--dir", dir, "--reason", "too early")
	require.Equal(t, 0, stopped.code, stopped.stderr)
	_, err := s.ShowEndpoint(t.Context(), model)
	require.ErrorContains(t, err, "Could not find endpoint")
	s.ends(t, "adult-income-1", "rolled_back") // the execution does not wait for the bake's end
	s.kill(t)
	s = up(t, dir)
	_, err = s.ShowEndpoint(t.Context(), model)
	require.ErrorContains(t, err, "Could not find endpoint", "what was deleted does not come back")
	_, err = s.Champion(t.Context(), model)
	require.True(t, fault.Is(err, fault.NotFound), "%v", err)
}

// rollout is the state of the latest rollout.
func (s *stack) rollout(t *testing.T) rollout.State {
	t.Helper()
	state, err := s.Rollout(t.Context(), model)
	require.NoError(t, err)
	return state
}

// alarm sends the sample alarm event, for a slot and now, to the function that
// EventBridge sends it to.
func (s *stack) alarm(t *testing.T, slot string) contract.RolloutCommand {
	t.Helper()
	sample, err := os.ReadFile(built(t, "events/rollback.json"))
	require.NoError(t, err)
	var event map[string]any
	require.NoError(t, json.Unmarshal(sample, &event))
	detail := event["detail"].(map[string]any)
	detail["alarmName"] = contract.AlarmName(s.Environment, model, slot, "errors")
	detail["state"].(map[string]any)["timestamp"] = time.Now().UTC().Format("2006-01-02T15:04:05.000-0700")
	payload, err := json.Marshal(event)
	require.NoError(t, err)
	answer, failed, err := s.Invoke(t.Context(), "rollback", payload)
	require.NoError(t, err)
	require.False(t, failed, "%s", answer)
	var command contract.RolloutCommand
	require.NoError(t, json.Unmarshal(answer, &command))
	return command
}
