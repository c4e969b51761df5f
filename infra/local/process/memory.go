package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// Memory is a child's resident memory as /proc tells it, in bytes.
type Memory struct {
	RSS  int64 // now
	Peak int64 // since the child started
}

// Memory reads the child's own resident memory; what its children use is not
// counted. An error means the child has ended.
func (p *Process) Memory() (Memory, error) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID()) + "/status")
	if err != nil {
		return Memory{}, fmt.Errorf("read the memory of process %d: %w", p.PID(), err)
	}
	m := Memory{RSS: kilobytes(status, "\nVmRSS:"), Peak: kilobytes(status, "\nVmHWM:")}
	p.peak.Store(max(p.peak.Load(), m.Peak))
	if m.Peak == 0 {
		return Memory{}, fmt.Errorf("read the memory of process %d: it has ended", p.PID())
	}
	return m, nil
}

// PeakSeen is the highest Peak that Memory has read, in bytes; it stays when the
// child has ended. (The kernel's own figure for an ended child, ru_maxrss, is of
// no use: it starts from the memory of the process that forked.)
func (p *Process) PeakSeen() int64 { return p.peak.Load() }

// kilobytes reads a line such as "VmRSS:\t  1234 kB" as bytes; 0 without it.
func kilobytes(status []byte, label string) int64 {
	_, rest, found := bytes.Cut(status, []byte(label))
	if !found {
		return 0
	}
	fields := bytes.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(string(fields[0]), 10, 64)
	if err != nil {
		return 0
	}
	return n * 1024
}

// LimitMemory kills the child's group when its resident memory passes limit
// bytes, looking every interval, until stop is closed or the child ends. The
// returned channel is closed when it had to kill. A burst that comes and goes
// between two looks shows in Memory's Peak.
func (p *Process) LimitMemory(limit int64, interval time.Duration, stop <-chan struct{}) <-chan struct{} {
	exceeded := make(chan struct{})
	go func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-p.done:
				return
			case <-ticker.C:
			}
			if m, err := p.Memory(); err == nil && m.RSS > limit {
				close(exceeded)
				_ = p.Kill()
				return
			}
		}
	}()
	return exceeded
}

// Kill ends the whole process group at once.
func (p *Process) Kill() error { return p.Signal(syscall.SIGKILL) }
