package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestShadowsCostNothing: under live traffic a candidate that is only a shadow
// passes and is taken away; one whose every answer fails is refused; and one
// goes on from its shadow to the steps. Nobody loses an answer or gets a shadow's.
func TestShadowsCostNothing(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	s := up(t, dir)
	live := drive(t, s)
	shadowed := func(old, new string) string {
		yaml := strings.Replace(config, old, new+"\n  shadow: {duration: 25s, max_disagreement: 0.5}", 1)
		require.NotEqual(t, config, yaml)
		return strings.Replace(yaml, "max_failures: 100", "max_failures: 1", 1)
	}

	s.configure(t, shadowed("steps: [50, 100]", "strategy: shadow"))
	run := s.ends(t, s.start(t, "shadow"), "shadowed")
	require.Contains(t, run.Outcome.Reason, "answers decide otherwise than the champion's")
	s.consistent(t, 1)
	status := sluice(t, "rollout", "status", model, "--dir", dir)
	require.Contains(t, status.stdout, "100 % of the champion's requests for 25s, at most 0.5 of the answers may decide otherwise: passed; nothing is promoted")
	explained := sluice(t, "rollout", "explain", s.rollout(t).Rollout, "--dir", dir)
	require.Contains(t, explained.stdout, "decide otherwise; the scores differ by")
	require.Contains(t, explained.stdout, "disagreement")
	history := sluice(t, "rollout", "history", model, "--dir", dir)
	require.Contains(t, history.stdout, "shadowed")
	served, failed := live.counts()
	require.Empty(t, failed, "no answer was lost: %v", live.last)
	require.Len(t, served, 1, "the champion alone answered: %v", served)

	candidate := s.rollout(t).Candidate.Slot
	fault, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.url+"/_sluice/faults/sluice-production-adult-income/"+candidate, strings.NewReader(`{"error_rate": 1}`))
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(fault)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusNoContent, answer.StatusCode)
	run = s.ends(t, s.start(t, "broken"), "rolled_back")
	require.Regexp(t, "error_rate 1 is above 0.9|alarm .* is on", run.Outcome.Reason)
	s.consistent(t, 1)
	served, failed = live.counts()
	require.Empty(t, failed, "a shadow's failures are nobody's: %v", live.last)
	require.Len(t, served, 1)

	clear, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, s.url+"/_sluice/faults", nil)
	require.NoError(t, err)
	answer, err = http.DefaultClient.Do(clear)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	s.configure(t, shadowed("steps: [50, 100]", "steps: [50, 100]"))
	s.ends(t, s.start(t, "both"), "promoted")
	require.True(t, s.rollout(t).Mirrored)
	_, failed = live.counts()
	require.Empty(t, failed, "no answer was lost: %v", live.last)
}
