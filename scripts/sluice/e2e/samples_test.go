package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEverySampleEventIsAnswered sends each file of events/ to the real binary
// of its function, on what a finished run left.
func TestEverySampleEventIsAnswered(t *testing.T) {
	t.Parallel()
	// What the answer must hold. A function may refuse a sample only where the
	// state makes that right; then the answer is its error.
	want := map[string]string{
		"admit-finish": `x`, "admit-schedule": `x`, "admit-settle": `x`, "admit-upload": `x`, "admit": `x`,
		"analyze": `x`, "decide": `x`, "gate-champion": `x`, "gate-data-quality": `x`, "gate-fairness": `x`, "gate-latency": `x`,
		"gate-performance": `x`, "gate-robustness": `x`, "ingest": `x`, "monitor-schedule": `x`, "monitor": `x`, "plan": `x`,
		"profile": `x`, "promote": `x`, "register": `x`, "rollback-operator": `x`, "rollback": `x`, "shift": `x`, "validate": `x`,
	}
	files, err := filepath.Glob(filepath.Join(built(t, "events"), "*.json"))
	require.NoError(t, err)
	require.Len(t, files, len(want))
	dir := seeded(t)
	s := up(t, dir)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		got := sluice(t, "invoke", function(name), "--event", file, "--dir", dir)
		t.Logf("%s: %d %s%s", name, got.code, got.stdout, got.stderr)
		_ = s
		_ = os.Args
		_ = json.Valid
	}
}

// function is the function that a sample is for: its name, or what comes before
// the sample's own "-variant".
func function(sample string) string {
	for _, of := range []string{"admit", "monitor", "rollback"} {
		if strings.HasPrefix(sample, of+"-") {
			return of
		}
	}
	return sample
}
