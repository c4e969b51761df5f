package outside

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkStack starts the whole stack as a process, in an empty folder and
// then over what the first one left, and reports its resident memory at rest.
func BenchmarkStack(b *testing.B) {
	program := build(b)
	var first, again time.Duration
	var rest int
	for i := range b.N {
		dir := filepath.Join(b.TempDir(), fmt.Sprint(i))
		began := time.Now()
		stack := up(b, program, dir)
		first += time.Since(began)
		time.Sleep(2 * time.Second) // until what starting used is collected
		rest = resident(b, stack.command.Process.Pid)
		stack.stop(b)
		began = time.Now()
		stack = up(b, program, dir)
		again += time.Since(began)
		stack.stop(b)
	}
	b.ReportMetric(first.Seconds()/float64(b.N), "start-s")
	b.ReportMetric(again.Seconds()/float64(b.N), "restart-s")
	b.ReportMetric(float64(rest)/1024, "resident-MiB")
}

// resident is a process's resident memory in KiB. At rest the stack has no
// children: functions start when they are called.
func resident(b *testing.B, pid int) int {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(b, err)
	_, after, found := strings.Cut(string(status), "VmRSS:")
	require.True(b, found)
	size, err := strconv.Atoi(strings.Fields(after)[0])
	require.NoError(b, err)
	return size
}
