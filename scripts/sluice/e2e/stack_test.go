package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
)

// patience bounds every wait; nothing here takes as long unless it is stuck.
const patience = 2 * time.Minute

// root is the repository's top folder.
func root(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	return root
}

// built is a path that `make test` makes before the tests run.
func built(t *testing.T, path string) string {
	t.Helper()
	full := filepath.Join(root(t), path)
	if _, err := os.Stat(full); err != nil {
		t.Fatalf("%s is not there: run these tests with `make test`, which builds it first", path)
	}
	return full
}

func program(t *testing.T) string { return built(t, ".sluice/build/bin/sluice") }
func assembly(t *testing.T) string {
	built(t, ".sluice/cdk.out/manifest.json")
	return built(t, ".sluice/cdk.out")
}
func library(t *testing.T) string {
	built(t, ".sluice/cache/xgboost/lib/libxgboost.so")
	return built(t, ".sluice/cache/xgboost/lib")
}

// command is the sluice command with an environment that knows no other AWS.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(program(t), args...)
	c.Dir = t.TempDir()
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.Dir, "AWS_EC2_METADATA_DISABLED=true",
		"SLUICE_PYTHON=" + filepath.Join(root(t), ".sluice/cache/sklearn/bin/python")}
	return c
}

// ended is what a command left.
type ended struct {
	code           int
	stdout, stderr string
}

// sluice runs a command to its end.
func sluice(t *testing.T, args ...string) ended {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := command(t, args...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	require.NoError(t, c.Start())
	stop := context.AfterFunc(ctx, func() { _ = c.Process.Kill() })
	defer stop()
	var exit *exec.ExitError
	if err := c.Wait(); err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	require.NoError(t, ctx.Err(), "sluice %v does not end: %s", args, stderr.String())
	return ended{c.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// stackArgs are the options that say how to run a stack.
func stackArgs(t *testing.T, dir string) []string { return stackArgsOf(t, dir, assembly(t)) }

func stackArgsOf(t *testing.T, dir, assembly string) []string {
	return []string{"--dir", dir, "--assembly", assembly, "--library", library(t)}
}

// stack is a running `sluice up`.
type stack struct {
	*operator.Client
	url    string
	dir    string
	cmd    *exec.Cmd
	exited chan struct{}
	stderr *lockedBuffer
}

// up starts a stack on dir and waits until it serves.
func up(t *testing.T, dir string) *stack {
	t.Helper()
	return upOf(t, dir, assembly(t))
}

// upOf is up with an assembly of the test's own.
func upOf(t *testing.T, dir, assembly string) *stack {
	t.Helper()
	c := command(t, append([]string{"up", "--port", "0", "--json"}, stackArgsOf(t, dir, assembly)...)...)
	s := &stack{dir: dir, cmd: c, exited: make(chan struct{}), stderr: &lockedBuffer{}}
	c.Stderr = s.stderr
	stdout, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() { s.stop(t) })
	told := make(chan string, 1)
	go func() {
		defer close(s.exited)
		var answer struct{ URL string }
		err := json.NewDecoder(bufio.NewReader(stdout)).Decode(&answer)
		if err == nil {
			told <- answer.URL
		}
		_ = c.Wait()
	}()
	select {
	case s.url = <-told:
	case <-s.exited:
		t.Fatalf("the stack ended before it was up: %s", s.stderr)
	case <-time.After(patience):
		t.Fatalf("the stack is not up after %v: %s", patience, s.stderr)
	}
	s.Client, err = operator.Connect(t.Context(), operator.Target{Environment: "production", Endpoint: s.url})
	require.NoError(t, err)
	return s
}

// kill ends the stack as a power cut would, and checks that no process of it is
// left.
func (s *stack) kill(t *testing.T) {
	t.Helper()
	children := descendants(s.cmd.Process.Pid)
	require.NoError(t, s.cmd.Process.Kill())
	<-s.exited
	children = append(children, s.users()...) // one may have been started meanwhile
	for _, pid := range children {
		eventually(t, fmt.Sprintf("process %d of the killed stack ends", pid), func() bool { return gone(pid) })
	}
}

// users are the processes that were told to use this stack as their AWS.
func (s *stack) users() []int {
	var pids []int
	environments, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environments {
		environment, err := os.ReadFile(path)
		if err != nil || !slices.Contains(strings.Split(string(environment), "\x00"), "AWS_ENDPOINT_URL="+s.url) {
			continue
		}
		if pid, err := strconv.Atoi(strings.Split(path, "/")[2]); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// stop ends the stack in good order, if it still runs.
func (s *stack) stop(t *testing.T) {
	select {
	case <-s.exited:
		return
	default:
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(30 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.exited
		t.Errorf("the stack did not end within 30 s of SIGTERM: %s", s.stderr)
	}
	if t.Failed() {
		t.Logf("the stack said: %s", s.stderr)
	}
}

// descendants are the processes below pid, as /proc knows them now.
func descendants(pid int) []int {
	parents := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		id, parent, ok := parseStat(string(text))
		if ok {
			parents[parent] = append(parents[parent], id)
		}
	}
	var all []int
	for next := []int{pid}; len(next) > 0; {
		children := parents[next[0]]
		all, next = append(all, children...), append(next[1:], children...)
	}
	return all
}

func parseStat(text string) (pid, parent int, ok bool) {
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < 0 {
		return 0, 0, false
	}
	fields := strings.Fields(text[end+1:])
	pid, err := strconv.Atoi(strings.TrimSpace(text[:open]))
	if err != nil || len(fields) < 2 {
		return 0, 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return pid, parent, err == nil
}

// gone says that pid has ended, reaped or not.
func gone(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(text), ") Z ")
}

// eventually polls until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, patience, 20*time.Millisecond, "wait until %s", what)
}

// lockedBuffer is written by one goroutine while another reads it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
