package e2e

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheCommandNamesWhatIsWrong asks a stack for what it does not have.
func TestTheCommandNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := up(t, dir)
	address, err := url.Parse(s.url)
	require.NoError(t, err)
	config := filepath.Join(t.TempDir(), "train.yaml")
	require.NoError(t, os.WriteFile(config, []byte(strings.Replace(oneStep, "folds: 2", "fold: 2", 1)), 0o600))
	for _, c := range []struct {
		name  string
		args  []string
		code  int
		names []string
	}{
		{"a rollout of no model", []string{"rollout", "status", "nobody", "--dir", dir}, 1, []string{"nobody", "not known here"}},
		{"an abort of no model", []string{"rollout", "abort", "nobody", "--dir", dir}, 1, []string{"nobody", "not known here"}},
		{"no model", []string{"model", "show", "nobody", "--dir", dir}, 1, []string{`"nobody"`, "configs/nobody/train.yaml"}},
		{"no configuration", []string{"config", "show", "nobody", "--dir", dir}, 1, []string{`"nobody"`, "configs/nobody/train.yaml"}},
		{"a run of no model", []string{"run", "start", "nobody", "--dir", dir}, 1, []string{`nobody`, "configs/nobody/train.yaml"}},
		{"no run", []string{"run", "show", "nobody-7", "--dir", dir}, 1, []string{`"nobody-7"`, "no such run"}},
		{"no dataset", []string{"data", "log", "nobody", "--dir", dir}, 1, []string{"main"}},
		{"a wrong configuration", []string{"config", "check", config}, 1, []string{"training.fold", "folds", ":12:"}},
		{"no command", []string{"rollout", "stop"}, 2, []string{`"stop"`}},
		{"no function", []string{"invoke", "nothing", "--dir", dir, "--event", built(t, "events/plan.json")}, 1, []string{"sluice-production-nothing"}},
		{"a port that is taken", append([]string{"up", "--port", address.Port()}, stackArgs(t, t.TempDir())...), 1,
			[]string{"port " + address.Port(), strconv.Itoa(s.cmd.Process.Pid)}},
		{"a folder that is in use", append([]string{"up", "--port", "0"}, stackArgs(t, dir)...), 1,
			[]string{"in use", strconv.Itoa(s.cmd.Process.Pid)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := sluice(t, c.args...)
			require.Equal(t, c.code, got.code, "%s%s", got.stdout, got.stderr)
			for _, want := range c.names {
				require.Contains(t, got.stderr, want)
			}
			require.NotContains(t, got.stderr, "goroutine ")
		})
	}
	s.stop(t)
	down := sluice(t, "run", "list", "--dir", dir)
	require.Equal(t, 1, down.code)
	require.Contains(t, down.stderr, "make up", "it says how to start a stack")
}

// TestATypeThatIsNotImplementedIsRefused adds a resource to the template that
// the local stack does not know.
func TestATypeThatIsNotImplementedIsRefused(t *testing.T) {
	t.Parallel()
	copied := filepath.Join(t.TempDir(), "cdk.out")
	out, err := exec.Command("cp", "-a", assembly(t), copied).CombinedOutput()
	require.NoError(t, err, "%s", out)
	path := filepath.Join(copied, "Sluice-production.template.json")
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	var template map[string]any
	require.NoError(t, json.Unmarshal(raw, &template))
	template["Resources"].(map[string]any)["Crystal"] = map[string]any{"Type": "AWS::Future::CrystalBall"}
	raw, err = json.Marshal(template)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	got := sluice(t, "up", "--port", "0", "--dir", t.TempDir(), "--assembly", copied, "--library", library(t))
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "Crystal: AWS::Future::CrystalBall")
	require.Contains(t, got.stderr, "nothing was created")
}
