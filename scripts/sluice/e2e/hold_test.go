package e2e

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/rollout"
)

// TestPeopleSteerARollout: approval, pause and resume at a step; a provisional
// promotion that is taken back; one that is forced and that the next release
// makes final; and a dry run, all under live traffic.
func TestPeopleSteerARollout(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	s := up(t, dir)
	live := drive(t, s)
	held := strings.Replace(config, "bake: 2s", "bake: 2s\n  approve_at: [100]\n  observe: 1h", 1)
	s.configure(t, held)

	name := s.start(t, "approved")
	s.waits(t, 2)
	require.InDelta(t, 50, s.rollout(t).Weight, 0)
	s.says(t, "pause", "paused by")
	s.says(t, "approve", "100 % was approved by")
	refused := sluice(t, "rollout", "approve", model, "--dir", dir)
	require.Equal(t, 1, refused.code)
	require.Contains(t, refused.stderr, "nothing needs approval")
	require.Equal(t, rollout.Waiting, s.rollout(t).Phase, "it is paused still")
	s.says(t, "resume", "resumed by")
	s.ends(t, name, "promoted")
	s.observed(t, 2)

	aborted := sluice(t, "rollout", "abort", model, "--dir", dir)
	require.Equal(t, 1, aborted.code)
	require.Contains(t, aborted.stderr, "sluice rollout revert")
	s.says(t, "revert", "asked for by")
	s.consistent(t, 1)
	again := sluice(t, "rollout", "revert", model, "--dir", dir)
	require.Equal(t, 1, again.code)
	require.Contains(t, again.stderr, "nothing to revert")

	released := sluice(t, "rollout", "release", model, "2", "--dir", dir) // the next run makes the same bytes
	require.Equal(t, 0, released.code, released.stderr)
	name = s.start(t, "forced")
	s.waits(t, 3)
	s.says(t, "promote", "promoted without further looks")
	s.ends(t, name, "promoted")
	s.observed(t, 3)

	s.configure(t, strings.Replace(config, "bake: 2s", "bake: 2s\n  dry_run: true", 1))
	run := s.ends(t, s.start(t, "dry"), "dry_run")
	require.Contains(t, run.Outcome.Reason, "was deployed and answered a row")
	s.consistent(t, 3)
	history := sluice(t, "rollout", "history", model, "--dir", dir)
	require.Equal(t, 0, history.code, history.stderr)
	require.Equal(t, 4, strings.Count(history.stdout, "-rollout "), history.stdout)
	explained := sluice(t, "rollout", "explain", s.rollout(t).Rollout, "--dir", dir)
	require.Equal(t, 0, explained.code, explained.stderr)
	require.Contains(t, explained.stdout, "dry run")
	_, failed := live.counts()
	require.Empty(t, failed, "no answer was lost: %v", live.last)
}

// waits until the rollout of a version waits.
func (s *stack) waits(t *testing.T, version int) {
	t.Helper()
	eventually(t, "the rollout waits", func() bool {
		state, err := s.Rollout(t.Context(), model)
		return err == nil && state.Phase == rollout.Waiting && state.Candidate.Version == version
	})
}

// says is what a person says of the rollout, and what the answer must contain.
func (s *stack) says(t *testing.T, what, answer string) {
	t.Helper()
	said := sluice(t, "rollout", what, model, "--dir", s.dir)
	require.Equal(t, 0, said.code, said.stderr)
	require.Contains(t, said.stdout, answer)
}

// observed asserts a provisional promotion: the old champion is there at weight 0.
func (s *stack) observed(t *testing.T, version int) {
	t.Helper()
	require.Equal(t, rollout.Observing, s.rollout(t).Phase)
	champion, err := s.Champion(t.Context(), model)
	require.NoError(t, err)
	require.Equal(t, version, champion.Version)
	endpoint, err := s.ShowEndpoint(t.Context(), model)
	require.NoError(t, err)
	require.Len(t, endpoint.Variants, 2)
	require.InDelta(t, 1, endpoint.Share(s.rollout(t).Candidate.Slot), 0)
}
