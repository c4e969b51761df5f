// Package job is how a Batch job starts and ends: its exit codes are the
// contract with the queue's retry rules.
package job

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Exit codes.
const (
	Done     = 0
	Failed   = 1  // Sluice itself is wrong
	Wrong    = 64 // configuration or data are wrong: never retried
	TryAgain = 75 // a retry resumes from the checkpoint
)

// ExitCode is what an error means to the queue.
func ExitCode(err error) int {
	if err == nil {
		return Done
	}
	switch kind := fault.KindOf(err); {
	case kind.Retryable():
		return TryAgain
	case kind == fault.Internal:
		return Failed
	}
	return Wrong
}

// Run runs a job until it ends or SIGTERM or an interrupt stops it, reports an
// error on standard error, and gives the exit code.
func Run(name string, work func(context.Context) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	return report(os.Stderr, name, work(ctx))
}

func report(w io.Writer, name string, err error) int {
	if err != nil {
		fmt.Fprintf(w, "%s: %v\n", name, err)
	}
	return ExitCode(err)
}
