package stack

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestContextIsChecked(t *testing.T) {
	for _, c := range []struct {
		name      string
		overrides map[string]any
		want      string
	}{
		{"environment", map[string]any{"environments": `["qa"]`}, `context "environments" is [qa]`},
		{"no environment", map[string]any{"environments": `[]`}, "at least one environment"},
		{"architecture", map[string]any{"architecture": "x86"}, `want "x86_64" or "arm64"`},
		{"period", map[string]any{"metricPeriodSeconds": "30"}, "want 10 or 60"},
		{"balancer's period", map[string]any{"balancerPeriodSeconds": 30}, "60, or 10 on the local stack"},
		{"quiet", map[string]any{"quietSeconds": "0"}, "want 1 to 3600"},
		{"type", map[string]any{"quietSeconds": "soon"}, "quietSeconds"},
		{"tracking server", map[string]any{"mlflowUri": "mlflow.internal"}, `context "mlflowUri": MLflow address "mlflow.internal"`},
		{"credentials", map[string]any{"mlflowUri": "https://me:secret@mlflow.internal"}, `"https://…@mlflow.internal": it holds credentials`},
		{"no models", map[string]any{"models": "{}"}, "at least one model"},
		{"model name", map[string]any{"models": `{"-x": {"errorRate": 0.1, "latencyP99": "1s"}}`}, `model name "-x"`},
		{"error rate", map[string]any{"models": `{"m": {"errorRate": 5, "latencyP99": "1s"}}`}, `"models.m.errorRate" is 5`},
		{"latency", map[string]any{"models": `{"m": {"errorRate": 0.1, "latencyP99": "500"}}`}, `"models.m.latencyP99" is "500"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadSettings(filepath.Join(root, "cdk.json"), c.overrides)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestContextFileProblemsAreNamed(t *testing.T) {
	_, err := ReadSettings("nowhere/cdk.json", nil)
	require.ErrorContains(t, err, "repository's top folder")
	path := filepath.Join(t.TempDir(), "cdk.json")
	require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
	_, err = ReadSettings(path, nil)
	require.ErrorContains(t, err, path)
}

func TestConstructIDsKeepModelsApart(t *testing.T) {
	require.Equal(t, "AdultIncome", pascal("adult-income"))
	require.NotEqual(t, pascal("adult-income"), pascal("adult_income"))
	require.Equal(t, "alarm-fired", kebab("AlarmFired"))
}
