package e2e

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// samples says what each file of events/ is answered with once adult-income-1 is
// promoted: members of the answer. None of them fails there.
var samples = map[string]map[string]any{
	"admit-finish":      {"run": "", "reason": "nothing is waiting"},
	"admit-schedule":    {"run": "", "reason": "nothing is new since run adult-income-1"},
	"admit-settle":      {"settled": true, "objects": 1.0},
	"admit-upload":      {"run": "adult-income-2", "started": true},
	"admit":             {"run": "adult-income-2", "started": false}, // it comes after admit-upload
	"analyze":           {"action": "release", "outcome": "promoted"},
	"decide":            {"action": "ship"},
	"gate-champion":     {"gate": "champion", "verdict": "pass"},
	"gate-data-quality": {"gate": "data_quality", "verdict": "pass"},
	"gate-fairness":     {"gate": "fairness", "verdict": "pass"},
	"gate-latency":      {"gate": "latency", "verdict": "pass"},
	"gate-performance":  {"gate": "performance", "verdict": "pass"},
	"gate-robustness":   {"gate": "robustness", "verdict": "pass"},
	"ingest":            {"count": 1.0},
	"monitor-schedule":  {"model": model},
	"monitor":           {"model": model},
	"plan":              {"deploys": true},
	"profile":           {"part": 0.0, "rows": 3000.0},
	"promote":           {"action": "release", "outcome": "promoted"},
	"register":          {},
	"rollback-operator": {"action": "release", "outcome": "promoted"}, // a promotion is not undone
	"rollback":          {"action": "release", "outcome": "promoted"}, // nor by an old alarm
	"shift":             {"action": "release", "outcome": "promoted"},
	"track":             {},
	"track-ended":       {},
	"validate":          {"verdict": "pass", "rows": 3000.0},
}

// TestEverySampleEventIsAnswered sends each file of events/ to the real binary
// of its function, on what a finished run left.
func TestEverySampleEventIsAnswered(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(built(t, "events"), "*.json"))
	require.NoError(t, err)
	require.Len(t, files, len(samples)+1, "and probe, which a stack with ECS has: TestTheLifecycleOnECS")
	dir := seeded(t)
	s := up(t, dir)
	before, err := s.Version(t.Context(), model, 1)
	require.NoError(t, err)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		if name == "probe" {
			continue
		}
		answered(t, name, sluice(t, "invoke", function(name), "--event", file, "--dir", dir))
	}
	run := s.ends(t, "adult-income-2", "failed") // the sample's object version was never there
	require.Contains(t, run.Outcome.Reason, "01J00000000000000000000000")
	s.consistent(t, 1)
	after, err := s.Version(t.Context(), model, 1)
	require.NoError(t, err)
	require.Equal(t, before, after, "doing a step again changes nothing")

	s.stop(t) // without a stack that is up, one is started for the call
	answered(t, "gate-fairness", sluice(t, append([]string{"invoke", "gate-fairness", "--port", "0",
		"--event", built(t, "events/gate-fairness.json")}, stackArgs(t, dir)...)...))
}

// answered asserts a sample's answer.
func answered(t *testing.T, name string, got ended) {
	t.Helper()
	require.Equal(t, 0, got.code, "%s: %s%s", name, got.stdout, got.stderr)
	var answer map[string]any
	require.NoError(t, json.Unmarshal([]byte(got.stdout), &answer), "%s: %s", name, got.stdout)
	require.Contains(t, samples, name)
	for member, want := range samples[name] {
		require.Equal(t, want, answer[member], "%s: %s", name, got.stdout)
	}
}

// function is the function that a sample is for: its name, or what comes before
// the sample's own "-variant".
func function(sample string) string {
	for _, of := range []string{"admit", "monitor", "rollback", "track"} {
		if strings.HasPrefix(sample, of+"-") {
			return of
		}
	}
	return sample
}
