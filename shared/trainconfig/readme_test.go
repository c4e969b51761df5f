package trainconfig

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReadmeShowsEveryDeploymentField: what the README shows as all of
// deployment is valid, and is all of it.
func TestReadmeShowsEveryDeploymentField(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, block, found := strings.Cut(string(readme), "```yaml\ndeployment:\n")
	require.True(t, found)
	block, _, _ = strings.Cut(block, "```")
	_, err = Parse("README.md", []byte("experiment: {name: m}\ndata: {target: y}\nevaluation: {slices: [{by: [sex]}]}\ndeployment:\n"+block))
	require.NoError(t, err)
	for _, key := range []string{"strategy", "steps", "bake", "min_requests", "warm_up", "limits", "max_failures", "deadline", "step_deadline", "on_deadline",
		"approve_at", "hold_deadline", "freeze", "observe", "dry_run", "analysis", "rollback", "shadow", "slices"} {
		require.Contains(t, block, key)
	}
}

// TestReadmeShowsHowRowsArePartedAndLearntFrom: what the README shows is valid,
// and names every key of data.split and training.
func TestReadmeShowsHowRowsArePartedAndLearntFrom(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, block, found := strings.Cut(string(readme), "```yaml\ndata:\n")
	require.True(t, found)
	block, _, _ = strings.Cut(block, "```")
	config, err := Parse("README.md", []byte("experiment: {name: m}\ndata:\n"+block))
	require.NoError(t, err)
	require.Equal(t, ByTime, config.Data.Split.By)
	for _, key := range []string{"by", "column", "gap", "validation_from", "test_from", "weight", "folds", "early_stopping_rounds", "eval_metric", "class_weight", "memory"} {
		require.Contains(t, block, key+":")
	}
}
