package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/feedback"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// bySequentialTests is the configuration with anytime-valid tests in place of the
// limits. The effects are as large as the short bakes have power for.
func bySequentialTests(seed string) string {
	return strings.NewReplacer("seed: 7", "seed: "+seed, "accuracy: 0}", "accuracy: 0.5}", "bake: 2s",
		"bake: 10s\n  analysis: {mode: sequential, effect: {error_rate: 0.3, slow_rate: 0.3, accuracy: 0.3}}").Replace(config)
}

// testedSequentially goes on where a stack serves version 1 and traffic runs: a
// healthy candidate is promoted; one that late labels say is wrong once in five
// answers, too seldom for the alarm, is rolled back by the test of accuracies at
// one of its looks. What an operator reads has the intervals and the p-values.
func (s *stack) testedSequentially(t *testing.T, labelled map[string]bool) {
	t.Helper()
	right := func(_ string, p feedback.Prediction) bool { return p.Positive }
	before := s.rollout(t).Candidate.Version
	s.configure(t, bySequentialTests("8"))
	s.labels(t, s.start(t, "tested"), "promoted", labelled, right)
	s.consistent(t, before+1)
	for _, measure := range []string{"error_rate_rise", "slow_rate_rise", "accuracy_drop", "error_rate", "slow_rate"} {
		found := s.told(t, "status", model, measure)
		require.NotEmpty(t, found, measure)
		last := found[len(found)-1]
		require.Equal(t, rollout.Pass, last.Verdict, "%+v", last)
		require.LessOrEqual(t, last.Low, last.Value)
		require.GreaterOrEqual(t, last.High, last.Value)
		require.Greater(t, last.P, 0.002, "%+v", last)
	}

	s.configure(t, bySequentialTests("9"))
	run := s.labels(t, s.start(t, "worse"), "rolled_back", labelled, func(slot string, p feedback.Prediction) bool {
		state := s.rollout(t)
		wrong := slot == state.Candidate.Slot && state.Candidate.Version == before+2
		return p.Positive != (wrong && (p.ID[len(p.ID)-1]-'0') < 2)
	})
	require.Contains(t, run.Outcome.Reason, "accuracy_drop 0.")
	s.consistent(t, before+1)
	found := s.told(t, "explain", s.rollout(t).Rollout, "accuracy_drop")
	last := found[len(found)-1]
	require.Equal(t, rollout.Fail, last.Verdict)
	require.LessOrEqual(t, last.P, 0.002, "a fifth of the alpha of 0.01: five tests share it")
	require.Greater(t, last.Low, last.Limit, "the interval lies beyond the margin too")
	explained := sluice(t, "rollout", "explain", s.rollout(t).Rollout, "--dir", s.dir)
	require.Contains(t, explained.stdout, "accuracy_drop")
}

// labels uploads the truth until a run ends, as it must.
func (s *stack) labels(t *testing.T, name, status string, labelled map[string]bool, truth func(slot string, p feedback.Prediction) bool) operator.Run {
	t.Helper()
	eventually(t, "run "+name+" ends", func() bool {
		s.label(t, labelled, truth)
		run, err := s.ShowRun(t.Context(), name)
		return err == nil && run.Status != "running"
	})
	return s.ends(t, name, status)
}

// told are the findings of a measure that a rollout command answers in JSON.
func (s *stack) told(t *testing.T, what, of, measure string) []rollout.Finding {
	t.Helper()
	said := sluice(t, "rollout", what, of, "--json", "--dir", s.dir)
	require.Equal(t, 0, said.code, said.stderr)
	var state rollout.State
	require.NoError(t, json.Unmarshal([]byte(said.stdout), &state))
	var all []rollout.Finding
	for _, r := range state.History {
		i := slices.IndexFunc(r.Findings, func(f rollout.Finding) bool { return f.Measure == measure && !f.Unknown })
		if i >= 0 {
			all = append(all, r.Findings[i])
		}
	}
	return all
}
