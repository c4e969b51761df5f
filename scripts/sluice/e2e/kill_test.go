package e2e

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/rollout"
)

// TestAKilledStackCarriesOn kills the stack at a moment of a run and starts it
// again on the same folder. The run must end as if nothing had happened: the
// same model, to the byte, promoted, with nothing left over.
func TestAKilledStackCarriesOn(t *testing.T) {
	for _, moment := range []struct {
		name, config string
		wait         func(*stack, *testing.T, string)
	}{
		{"while a function validates", oneStep, phase("Validate")},
		{"while the trainer runs", oneStep, (*stack).trains},
		{"while the evaluator runs", oneStep, phase("Evaluate")},
		{"between the gates and the decision", oneStep, phase("Gates")},
		{"as the rollout begins", oneStep, phase("Rollout")},
		{"as the promotion is carried out", oneStep, (*stack).promotes},
		{"while both versions have traffic", config, (*stack).shared},
	} {
		t.Run(moment.name, func(t *testing.T) {
			t.Parallel()
			dir := seeded(t)
			s := up(t, dir)
			live := drive(t, s)
			s.configure(t, moment.config)
			name := s.start(t, "kill")
			moment.wait(s, t, name)
			s.kill(t)
			s = up(t, dir)
			live.stack.Store(s)
			run := s.ends(t, name, "promoted")
			require.Equal(t, 2, run.Outcome.Version)
			s.consistent(t, 2)
			s.runs(t, 2)
			if moment.config == oneStep { // as the first run's, which nobody killed
				s.sameModel(t, 1, 2)
			}
			s.servesOnly(t, live)
		})
	}
}

// TestAnUploadSurvivesAKillInEveryState kills the stack as soon as it confirmed
// an upload, and again whenever the run that comes of it enters a new state.
func TestAnUploadSurvivesAKillInEveryState(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	s := up(t, dir)
	live := drive(t, s)
	s.upload(t, "part-1.csv", text(t, rows(t, 3000, 500)))
	for _, state := range []string{"", "Settle", "Plan", "Ingest", "Profile", "Train", "Decide", "Register", "Rollout"} {
		if state != "" {
			s.enters(t, "adult-income-2", state)
		}
		s.kill(t)
		s = up(t, dir)
		live.stack.Store(s)
	}
	s.ends(t, "adult-income-2", "promoted")
	s.consistent(t, 2)
	s.runs(t, 2)
	require.Equal(t, []string{"raw/adult-income/part-0.csv", "raw/adult-income/part-1.csv"}, s.keys(t))
	s.servesOnly(t, live)
}

// TestAStackKilledTwiceInOneRolloutStillRollsBack kills the stack in the middle
// of a rollout, and again right after an operator asked for the champion back.
func TestAStackKilledTwiceInOneRolloutStillRollsBack(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	s := up(t, dir)
	live := drive(t, s)
	s.configure(t, config)
	name := s.start(t, "kill")
	s.shared(t, name)
	s.kill(t)
	s = up(t, dir)
	live.stack.Store(s)
	state, err := s.Rollout(t.Context(), model)
	require.NoError(t, err)
	require.False(t, state.Phase.Done())
	abort := command(t, "rollout", "abort", model, "--dir", dir, "--reason", "e2e")
	require.NoError(t, abort.Start())
	eventually(t, "the rollback has begun", func() bool {
		state, err := s.Rollout(t.Context(), model)
		return err == nil && !state.Phase.Open()
	})
	s.kill(t)
	_ = abort.Wait() // whether it heard the answer before the kill is open
	s = up(t, dir)
	live.stack.Store(s)
	run := s.ends(t, name, "rolled_back")
	require.Contains(t, run.Outcome.Reason, "e2e")
	s.consistent(t, 1)
	s.servesOnly(t, live)
	next := s.start(t, "next")
	s.enters(t, next, "Plan") // the run's place is free
}

// phase waits until the run is in a state of the lifecycle.
func phase(state string) func(*stack, *testing.T, string) {
	return func(s *stack, t *testing.T, run string) { s.enters(t, run, state) }
}

// trains waits until the trainer's process runs.
func (s *stack) trains(t *testing.T, run string) {
	t.Helper()
	s.enters(t, run, "Train")
	eventually(t, "the trainer runs", func() bool {
		return slices.ContainsFunc(descendants(s.cmd.Process.Pid), func(pid int) bool {
			name, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
			return strings.TrimSpace(string(name)) == "trainer"
		})
	})
}

// promotes waits until the promotion is decided; it may be over by then.
func (s *stack) promotes(t *testing.T, run string) {
	t.Helper()
	eventually(t, "the promotion is decided", func() bool {
		state, err := s.Rollout(t.Context(), model)
		return err == nil && state.Run == run && (state.Phase == rollout.Promoting || state.Phase == rollout.Promoted)
	})
}

// shared waits until champion and candidate both have a part of the traffic.
func (s *stack) shared(t *testing.T, run string) {
	t.Helper()
	s.enters(t, run, "Rollout")
	eventually(t, "the candidate has a part of the traffic", func() bool {
		endpoint, err := s.ShowEndpoint(t.Context(), model)
		if err != nil || len(endpoint.Variants) != 2 {
			return false
		}
		share := endpoint.Share(endpoint.Variants[0].Slot)
		return share > 0 && share < 1
	})
}

// sameModel asserts that two versions are the same to the byte.
func (s *stack) sameModel(t *testing.T, a, b int) {
	t.Helper()
	first, err := s.Version(t.Context(), model, a)
	require.NoError(t, err)
	second, err := s.Version(t.Context(), model, b)
	require.NoError(t, err)
	require.Equal(t, first.Digest, second.Digest, "the same data and configuration make the same model, killed or not")
	require.NotEqual(t, first.Artifact, second.Artifact, "each run made its own")
}

// servesOnly waits until live traffic was answered by the one slot that is left.
func (s *stack) servesOnly(t *testing.T, live *traffic) {
	t.Helper()
	endpoint, err := s.ShowEndpoint(t.Context(), model)
	require.NoError(t, err)
	require.Len(t, endpoint.Variants, 1)
	slot := endpoint.Variants[0].Slot
	before, failedBefore := live.counts()
	eventually(t, "live traffic is answered", func() bool {
		now, _ := live.counts()
		return now[slot] >= before[slot]+20
	})
	after, failed := live.counts()
	for name := range after {
		if name != slot {
			require.LessOrEqual(t, after[name]-before[name], 2, "slot %s is retired; only a request on its way may still come from it", name)
		}
	}
	require.LessOrEqual(t, failed[""]+failed[slot]-failedBefore[""]-failedBefore[slot], 2, "an endpoint at rest answers: %v", live.last)
}
