// Package outside asks programs that know AWS, and nothing of Sluice, what they
// think: AWS's Python client talks to the stack, and moto's CloudFormation
// deploys the template.
//
// make .sluice/cdk.out and scripts/fetch-outside.sh make what the tests need.
package outside

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/model/modeltest"
)

const root = "../../.."

// needed gives a path below the repository's root. Where it is missing, the
// test is skipped on a developer's machine and fails in CI.
func needed(t testing.TB, path, command string) string {
	t.Helper()
	absolute, err := filepath.Abs(filepath.Join(root, path))
	require.NoError(t, err)
	if _, err := os.Stat(absolute); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing: run %s", path, command)
		}
		t.Skipf("%s is missing: run %s", path, command)
	}
	return absolute
}

func python(t *testing.T) string {
	t.Helper()
	needed(t, ".sluice/cache/outside/PACKAGES", "scripts/fetch-outside.sh")
	return needed(t, ".sluice/cache/outside/bin/python", "scripts/fetch-outside.sh")
}

func assembly(t testing.TB) string {
	t.Helper()
	needed(t, ".sluice/cdk.out/manifest.json", "make .sluice/cdk.out")
	return needed(t, ".sluice/cdk.out", "make .sluice/cdk.out")
}

// script runs a Python script of this folder and reports what it printed.
func script(t *testing.T, environment []string, name string, args ...string) {
	t.Helper()
	interpret(t, python(t), environment, name, args...)
}

func interpret(t *testing.T, python string, environment []string, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, python, append([]string{name}, args...)...)
	// Nothing of the caller's AWS configuration reaches the script.
	c.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "PYTHONDONTWRITEBYTECODE=1", "AWS_EC2_METADATA_DISABLED=true"}, environment...)
	var out, problems bytes.Buffer
	c.Stdout, c.Stderr = &out, &problems
	err := c.Run()
	t.Logf("%s\n%s", name, &out)
	if err != nil {
		text := problems.String()
		t.Fatalf("%s: %v\n%s", name, err, text[max(0, len(text)-6000):])
	}
}

// TestTemplateInMoto: another reader of CloudFormation makes what we declare.
func TestTemplateInMoto(t *testing.T) {
	script(t, nil, "template.py", assembly(t), "Sluice-production", "prove")
	script(t, nil, "template.py", assembly(t), "Sluice-staging")
}

// TestClient: AWS's Python client accepts every answer of the stack.
func TestClient(t *testing.T) {
	stack := up(t, build(t), filepath.Join(t.TempDir(), "stack"))
	defer stack.stop(t)
	archive := filepath.Join(t.TempDir(), "model.tar.gz")
	require.NoError(t, os.WriteFile(archive, modeltest.Stump(t), 0o600))
	arguments, err := json.Marshal(map[string]any{"outputs": stack.Outputs, "model": archive,
		"assets": filepath.Join(assembly(t), "Sluice-production.assets.json"), "readme": needed(t, "infra/local/README.md", "git checkout")})
	require.NoError(t, err)
	script(t, []string{"AWS_ENDPOINT_URL=" + stack.URL, "AWS_ACCESS_KEY_ID=sluice", "AWS_SECRET_ACCESS_KEY=sluice-local", "AWS_DEFAULT_REGION=us-east-1"},
		"client.py", string(arguments))
}

// build makes the sluice command.
func build(t testing.TB) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "sluice")
	out, err := exec.Command("go", "build", "-o", program, "../../../scripts/sluice").CombinedOutput()
	require.NoError(t, err, string(out))
	return program
}

// running is a stack that `sluice up` runs in a process of its own.
type running struct {
	URL     string
	Outputs map[string]string

	command  *exec.Cmd
	problems bytes.Buffer
}

// up runs the program's `up` over dir, on a free port, and waits until it is up.
func up(t testing.TB, program, dir string) *running {
	t.Helper()
	library := needed(t, ".sluice/cache/xgboost/lib", "make xgboost")
	r := &running{command: exec.Command(program, "up", "--json", "--port", "0", "--dir", dir, "--assembly", assembly(t), "--library", library)}
	r.command.Stderr = &r.problems
	stdout, err := r.command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, r.command.Start())
	if err := json.NewDecoder(stdout).Decode(r); err != nil {
		t.Fatalf("sluice up did not come up: %v\n%s", err, &r.problems)
	}
	return r
}

// stop is Ctrl-C.
func (r *running) stop(t testing.TB) {
	t.Helper()
	require.NoError(t, r.command.Process.Signal(syscall.SIGINT))
	err := r.command.Wait()
	if t.Failed() || err != nil {
		t.Logf("sluice up: %v\n%s", err, strings.TrimSpace(r.problems.String()))
	}
}
