package launch

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/job"
)

// Grace is how long a program may take to end after SIGTERM: Batch kills 30
// seconds after it, and checkpoints have to be kept in between.
const Grace = 20 * time.Second

// Program is somebody's own program.
type Program struct {
	Argv  []string // the program and its own arguments
	Env   []string // beside the contract's; later ones win
	Out   io.Writer
	Grace time.Duration // 0 is Grace
}

// Ended is how a program ended.
type Ended struct {
	Code    int            // exit code; -1 when a signal ended it
	Signal  syscall.Signal // 0 when it exited
	Stopped bool           // ctx was done before it ended
	Killed  bool           // it outlived the grace
	Took    time.Duration  // from the request to stop to the end
	Said    string         // the last line it wrote that is not blank
}

// Run runs the program in a folder to its end; when ctx is done, SIGTERM asks it
// to end and SIGKILL makes it. The error says that it could not be started.
func (p Program) Run(ctx context.Context, f Folder, now func() time.Time) (Ended, error) {
	c := exec.Command(p.Argv[0], append(append([]string{}, p.Argv[1:]...), Argument)...)
	c.Env = append(append(os.Environ(), p.Env...), f.Environment()...)
	c.Dir = string(f)
	said := &lastLine{out: p.Out}
	c.Stdout, c.Stderr = said, said
	c.WaitDelay = time.Second // a child of its own may hold the output open
	dieWithParent(c)
	if err := c.Start(); err != nil {
		return Ended{}, fault.New(fault.Invalid, "start the trainer", "%w", err).WithHint("check the image's entry point")
	}
	exited := make(chan struct{})
	go func() {
		_ = c.Wait() // how it ended is in ProcessState
		close(exited)
	}()
	var e Ended
	select {
	case <-exited:
	case <-ctx.Done():
		e.Stopped = true
		begin := now()
		e.Killed = p.stop(c, exited)
		e.Took = now().Sub(begin)
	}
	e.Code, e.Said = c.ProcessState.ExitCode(), said.String()
	if status, ok := c.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		e.Signal = status.Signal()
	}
	return e, nil
}

func (p Program) stop(c *exec.Cmd, exited <-chan struct{}) (killed bool) {
	_ = c.Process.Signal(syscall.SIGTERM) // it may have ended already
	grace := p.Grace
	if grace == 0 {
		grace = Grace
	}
	select {
	case <-exited:
		return false
	case <-time.After(grace):
		_ = c.Process.Kill()
		<-exited
		return true
	}
}

// Err is what an end means: nil is done. The kinds are those that give the job
// the same exit code.
func (e Ended) Err() error {
	const op = "train"
	switch {
	case e.Code == job.Done:
		return nil
	case e.Stopped || e.Code == job.TryAgain:
		return fault.New(fault.Unavailable, op, "the program was interrupted (%v)", e).WithHint("another attempt resumes from its checkpoints")
	case e.Code == job.Wrong:
		return fault.New(fault.Invalid, op, "the program says that configuration or data are wrong (exit code %d)%s", job.Wrong, e.said()).
			WithHint("sluice run logs RUN has all that it said")
	}
	return fault.New(fault.Internal, op, "the program failed: %v%s", e, e.said()).WithHint("sluice run logs RUN has all that it said")
}

func (e Ended) said() string {
	if e.Said == "" {
		return ""
	}
	return "; its last line: " + e.Said
}

// String says how it ended.
func (e Ended) String() string {
	if e.Signal != 0 {
		return fmt.Sprintf("ended by signal %d, %v", int(e.Signal), e.Signal)
	}
	return fmt.Sprintf("exit code %d", e.Code)
}
