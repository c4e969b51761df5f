// Package process runs the stack's child processes: function binaries, Batch
// jobs and model servers.
//
// A child never outlives the stack, even when the stack is killed with
// SIGKILL: it is started with a parent-death signal from one OS thread that
// lives as long as the stack does (the signal is tied to the starting thread,
// not to the process).
package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Spec says what to run. Env is the whole environment: nothing is inherited.
type Spec struct {
	Path   string
	Args   []string // without the program's own name
	Env    []string // "NAME=value"
	Dir    string
	Stdout io.Writer
	Stderr io.Writer
}

// Process is a started child.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	peak atomic.Int64 // the highest that Memory saw
}

type request struct {
	cmd   *exec.Cmd
	reply chan error
}

// starter hands start requests to one locked OS thread.
var starter = sync.OnceValue(func() chan<- request {
	requests := make(chan request)
	go func() {
		runtime.LockOSThread()
		for r := range requests {
			r.reply <- r.cmd.Start()
		}
	}()
	return requests
})

// Start runs the child in its own process group. It returns an error that
// names the program when it cannot be started.
func Start(s Spec) (*Process, error) {
	cmd := exec.Command(s.Path, s.Args...)
	cmd.Env = s.Env
	if cmd.Env == nil {
		cmd.Env = []string{}
	}
	cmd.Dir = s.Dir
	cmd.Stdout, cmd.Stderr = s.Stdout, s.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	// A grandchild that keeps our pipes open must not keep Wait from returning.
	cmd.WaitDelay = 2 * time.Second
	reply := make(chan error, 1)
	starter() <- request{cmd, reply}
	if err := <-reply; err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Path, err)
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		// What the child left behind in its group goes with it.
		_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
		close(p.done)
	}()
	return p, nil
}

// PID is the child's process id, which is also its process group.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the child has ended and was reaped.
func (p *Process) Done() <-chan struct{} { return p.done }

// ExitCode is the child's exit status once Done is closed; 128+n when signal n
// ended it, as a shell reports it.
func (p *Process) ExitCode() int {
	<-p.done
	state := p.cmd.ProcessState
	if state == nil {
		return -1
	}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// Signal sends sig to the whole process group. A child that has already ended
// is not an error.
func (p *Process) Signal(sig syscall.Signal) error {
	select {
	case <-p.done:
		return nil // its id may belong to somebody else by now
	default:
	}
	err := syscall.Kill(-p.PID(), sig)
	if errors.Is(err, syscall.ESRCH) || errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Stop asks with SIGTERM, waits for grace, then kills the group. It returns
// when the child was reaped.
func (p *Process) Stop(grace time.Duration) {
	select {
	case <-p.done:
		return
	default:
	}
	_ = p.Signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		_ = p.Signal(syscall.SIGKILL)
		<-p.done
	}
}

// Status says how the child ended, e.g. "exit status 1" or "signal: killed",
// once Done is closed.
func (p *Process) Status() string {
	<-p.done
	if p.cmd.ProcessState == nil {
		return "unknown"
	}
	return p.cmd.ProcessState.String()
}
