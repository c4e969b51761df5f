// Command sluice is the operator's command: it runs the stack on this machine,
// and asks a deployed Sluice, here or on AWS, about runs, data, models and
// rollouts. `sluice help` teaches the rest.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/sluice-ml/sluice/scripts/sluice/command"
)

func main() {
	// The first Ctrl-C ends what runs in good order, a second one at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := command.Root().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "sluice:", err)
		os.Exit(command.ExitCode(err))
	}
}
