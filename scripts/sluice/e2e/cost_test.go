package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/rollout"
)

// TestARolloutThatBakesCostsNothingButItsLooks counts what a rollout uses while it
// bakes under live traffic: with plain limits nothing, because it waits for the
// bake's end or to be woken; with sequential tests what each look takes.
func TestARolloutThatBakesCostsNothingButItsLooks(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	s := up(t, dir)
	drive(t, s)
	s.configure(t, baking(config, "30m"))
	s.bakes(t, s.start(t, "limits"))
	used := s.counted(t, "20s")
	require.Zero(t, used["Step Functions state transitions"], "%v", used)
	require.Zero(t, used["CloudWatch API requests"], "%v", used)

	stopped := sluice(t, "rollout", "abort", model, "--dir", dir)
	require.Equal(t, 0, stopped.code, stopped.stderr)
	s.ends(t, "adult-income-2", "rolled_back")
	s.configure(t, strings.Replace(baking(config, "100s"), "max_failures: 1", "analysis: {mode: sequential}", 1)) // and a look every fifth of it
	s.bakes(t, s.start(t, "sequential"))
	used = s.counted(t, "60s")
	require.Positive(t, used["CloudWatch API requests"], "it looks every 20 s: %v", used)
	require.LessOrEqual(t, used["Step Functions state transitions"], 4*5.0, "five states a look, at most four looks: %v", used)
}

// bakes waits until a run's first step bakes.
func (s *stack) bakes(t *testing.T, run string) {
	t.Helper()
	eventually(t, "the first step of "+run+" bakes", func() bool {
		state, err := s.Rollout(t.Context(), model)
		return err == nil && state.Run == run && state.Phase == rollout.Baking
	})
}

// counted is what `sluice rollout cost` counts in a span, by item and unit.
func (s *stack) counted(t *testing.T, span string) map[string]float64 {
	t.Helper()
	ended := sluice(t, "rollout", "cost", "--for", span, "--dir", s.dir, "--json")
	require.Equal(t, 0, ended.code, ended.stderr)
	t.Logf("%s", ended.stdout)
	var told struct {
		Counted []struct {
			Item, Unit string
			Quantity   float64
		}
	}
	require.NoError(t, json.Unmarshal([]byte(ended.stdout), &told))
	all := map[string]float64{}
	for _, line := range told.Counted {
		all[line.Item+" "+line.Unit] = line.Quantity
	}
	return all
}
