package stack

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestModelsThatECSCannotServe(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "cdk.json"))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "cdk.json")
	require.NoError(t, os.WriteFile(path, text, 0o644))
	good := map[string]any{"backend": "ecs", "errorRate": 0.05, "latencyP99": "500ms"}
	read := func(change map[string]any) (Settings, error) {
		model := maps.Clone(good)
		maps.Copy(model, change)
		return ReadSettings(path, map[string]any{"models": map[string]any{"churn": model, "adult": map[string]any{"errorRate": 0.05, "latencyP99": "1s"}}})
	}
	settings, err := read(nil)
	require.NoError(t, err)
	require.Equal(t, []string{"churn"}, settings.ecsModels())
	_, err = read(map[string]any{"backend": "eks"})
	require.ErrorContains(t, err, `"models.churn.backend" is "eks": want "sagemaker" or "ecs"`)
	_, err = read(map[string]any{"accuracy": 0.8})
	require.NoError(t, err, "the servers capture what they are asked")

	for i := range maxECSModels {
		settings.Models[string(rune('a'+i))] = Brake{Backend: backendECS}
	}
	require.ErrorContains(t, settings.checkECS(), "7 models have the backend ecs: at most 6")
}

// A model's priorities are its own whatever other models there are: another
// priority in the template would have CloudFormation put the weights back.
func TestPrioritiesFollowFromTheName(t *testing.T) {
	require.Equal(t, 37708, priorityOf("churn"), "it must never change")
	for _, model := range []string{"a", "adult-income", "churn"} {
		require.True(t, priorityOf(model) >= 1 && priorityOf(model)+2 <= maxPriority)
		require.Equal(t, 1, priorityOf(model)%3)
	}
}
