// Command sluice is the operator's command: it runs the stack on this machine,
// and asks a deployed Sluice, here or on AWS, about runs, data, models and
// rollouts. `sluice help` teaches the rest.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/sluice-ml/sluice/scripts/sluice/command"
)

func main() {
	// The first Ctrl-C ends what runs in good order, a second one at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	// Standard output is the command's answer alone, so that a script can parse
	// it; what libraries print there (the S3 server does) is a message.
	root := command.Root()
	root.SetOut(os.Stdout)
	os.Stdout = os.Stderr
	os.Exit(command.Run(ctx, root, os.Args[1:], os.Stderr))
}
