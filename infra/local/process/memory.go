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

// Memory reads the child's own resident memory; see Tree for what its
// descendants use. An error means the child has ended.
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

// Tree reads the resident memory of the child and all its descendants, in bytes.
// Pages that they share are counted for each, and a descendant whose parent has
// ended is not found any more. An error means the child has ended.
func (p *Process) Tree() (int64, error) {
	m, err := p.Memory()
	if err != nil {
		return 0, err
	}
	total := m.RSS
	pending, seen := []int{p.PID()}, map[int]bool{p.PID(): true}
	for len(pending) > 0 {
		pid := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		for _, child := range childrenOf(pid) {
			if seen[child] {
				continue
			}
			seen[child] = true
			pending = append(pending, child)
			if status, err := os.ReadFile("/proc/" + strconv.Itoa(child) + "/status"); err == nil {
				total += kilobytes(status, "\nVmRSS:")
			}
		}
	}
	p.peak.Store(max(p.peak.Load(), total))
	return total, nil
}

// childrenOf gives the processes that a process has started, from any thread.
func childrenOf(pid int) []int {
	threads, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	if err != nil {
		return nil // it has ended
	}
	var children []int
	for _, thread := range threads {
		list, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/task/" + thread.Name() + "/children")
		if err != nil {
			continue
		}
		for _, text := range bytes.Fields(list) {
			if child, err := strconv.Atoi(string(text)); err == nil {
				children = append(children, child)
			}
		}
	}
	return children
}

// PeakSeen is the highest that Memory and Tree have read, in bytes; it stays when the
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

// LimitMemory kills the child's group when the resident memory of the child and
// its descendants passes limit bytes, looking every interval, until stop is closed or the child ends. The
// returned channel is closed when it had to kill. A burst of the child itself that
// comes and goes between two looks shows in Memory's Peak.
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
			if used, err := p.Tree(); err == nil && used > limit {
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
