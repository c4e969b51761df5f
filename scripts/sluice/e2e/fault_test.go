package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFaultsOnRequest: what the command can have go wrong does not keep a run
// from its end, or stops it as it should; and every fault struck.
func TestFaultsOnRequest(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	s := up(t, dir)
	live := drive(t, s)
	s.configure(t, config)
	fault := func(args ...string) {
		t.Helper()
		done := sluice(t, append([]string{"fault", "--dir", dir}, args...)...)
		require.Equal(t, 0, done.code, done.stderr)
	}
	fault("function", "sluice-production-plan", "throttle", "--times", "2")
	fault("function", "sluice-production-decide", "timeout", "--times", "1")
	fault("function", "sluice-production-analyze", "fail", "--times", "1")
	fault("api", "sagemaker:UpdateEndpointWeightsAndCapacities", "lose", "--times", "1")
	fault("api", "s3:PUT */runs/*", "throttle", "--times", "3")
	fault("event", "Object Created", "duplicate", "--times", "2")
	s.upload(t, "part-1.csv", text(t, rows(t, 3000, 500)))
	s.ends(t, "adult-income-2", "promoted")
	s.consistent(t, 2)
	listed := sluice(t, "fault", "list", "--dir", dir, "--json")
	require.Equal(t, 0, listed.code, listed.stderr)
	require.NotContains(t, listed.stdout, `"struck": 0`, "every fault struck")
	fault("clear")

	fault("update", "sluice-production-adult-income", "rollback", "--times", "1")
	run := s.ends(t, s.start(t, "update"), "rolled_back")
	require.Contains(t, run.Outcome.Reason, "could not be deployed")
	s.consistent(t, 2)
	_, failed := live.counts()
	require.Empty(t, failed, "no answer was lost: %v", live.last)

	for _, wrong := range [][]string{{"function", "x", "explode"}, {"event", "x", "delay", "--by", "soon"}, {"clock", "tomorrow"}, {"clear", "99"}} {
		done := sluice(t, append([]string{"fault", "--dir", dir}, wrong...)...)
		require.NotEqual(t, 0, done.code, "%v", wrong)
		require.Contains(t, done.stderr, "want")
	}
}
