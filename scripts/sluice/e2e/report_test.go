package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestARolloutUnderWayHasAPage reads a run's page while its rollout waits for a
// person, and again when it is over.
func TestARolloutUnderWayHasAPage(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	s := up(t, dir)
	drive(t, s)
	s.configure(t, strings.Replace(config, "bake: 2s", "bake: 2s\n  approve_at: [100]", 1))
	name := s.start(t, "page")
	s.waits(t, 2)
	folder := t.TempDir()
	page := func() string {
		t.Helper()
		written := sluice(t, "report", name, "--out", folder, "--dir", dir)
		require.Equal(t, 0, written.code, written.stderr)
		require.Equal(t, filepath.Join(folder, name+".html"), strings.TrimSpace(written.stdout), "it says where the page is")
		body, err := os.ReadFile(filepath.Join(folder, name+".html"))
		require.NoError(t, err)
		return string(body)
	}
	live := page()
	for _, want := range []string{"Rolling out", `<section id="rollout"`, "under way", "waits for people", "Share of traffic", `<section id="performance"`, "ROC curve", `<section id="drift"`, `<section id="features"`, "evaluation/predictions.parquet", "sluice decision replay " + name} {
		require.Contains(t, live, want)
	}
	s.says(t, "approve", "100 % was approved by")
	s.ends(t, name, "promoted")
	over := page()
	require.Contains(t, over, "Promoted")
	require.Contains(t, over, "approved by", "what people said is among the events")
	require.NotContains(t, over, "Left out:")
}
