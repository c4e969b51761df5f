package process_test

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/process"
)

func sh(t *testing.T, script string, env ...string) (*process.Process, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	p, err := process.Start(process.Spec{Path: "/bin/sh", Args: []string{"-c", script}, Env: env, Stdout: &out, Stderr: &out})
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Kill(); <-p.Done() })
	return p, &out
}

func TestTheEnvironmentIsOnlyWhatIsGiven(t *testing.T) {
	p, out := sh(t, `/usr/bin/env`, "A=1")
	<-p.Done()
	require.Contains(t, out.String(), "A=1\n")
	require.NotContains(t, out.String(), "HOME=")
}

func TestExitCodes(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 75": 75, "kill -KILL $$": 137, "kill -TERM $$": 143} {
		p, _ := sh(t, script)
		require.Equal(t, want, p.ExitCode(), script)
	}
}

func TestStopKillsAChildThatIgnoresSIGTERM(t *testing.T) {
	var out bytes.Buffer
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	p, err := process.Start(process.Spec{Path: "/bin/sh", Args: []string{"-c", "trap '' TERM; echo ready >&2; while :; do :; done"}, Stdout: &out, Stderr: writer})
	require.NoError(t, err)
	_, err = reader.Read(make([]byte, 6))
	require.NoError(t, err)
	p.Stop(10 * time.Millisecond)
	require.Equal(t, 137, p.ExitCode())
	require.NoError(t, p.Signal(syscall.SIGTERM), "signalling an ended child is not an error")
}

func TestAGrandchildEndsWithTheChild(t *testing.T) {
	p, out := sh(t, "sleep 600 >/dev/null 2>&1 & echo $!")
	<-p.Done()
	pid, err := strconv.Atoi(strings.TrimSpace(out.String()))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return ended(pid) }, 5*time.Second, time.Millisecond)
}

// ended says whether pid is gone or only waits to be reaped by init.
func ended(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestMemoryLimitKills(t *testing.T) {
	p, _ := sh(t, "x=0123456789abcdef; while :; do x=$x$x; done")
	exceeded := p.LimitMemory(64<<20, time.Millisecond, nil)
	<-p.Done()
	require.Equal(t, 137, p.ExitCode())
	<-exceeded
	require.Greater(t, p.PeakSeen(), int64(64<<20))
	_, err := p.Memory()
	require.Error(t, err)
}

// What a grandchild uses counts for the child.
func TestMemoryOfDescendantsCounts(t *testing.T) {
	p, _ := sh(t, "/bin/sh -c '/bin/sh -c \"x=0123456789abcdef; while :; do x=\\$x\\$x; done\"; :'; :")
	exceeded := p.LimitMemory(64<<20, time.Millisecond, nil)
	<-p.Done()
	<-exceeded
	require.Equal(t, 137, p.ExitCode())
	require.Greater(t, p.PeakSeen(), int64(64<<20))
	_, err := p.Tree()
	require.Error(t, err)
}

func TestStartNamesTheProgram(t *testing.T) {
	_, err := process.Start(process.Spec{Path: "/no/such/program"})
	require.ErrorContains(t, err, "/no/such/program")
}
