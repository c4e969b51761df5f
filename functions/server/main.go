// Command server is the model server: what a SageMaker endpoint or an ECS
// service runs. It is called with the argument "serve", reads the model from
// SM_MODEL_DIR (/opt/ml/model) and listens on SAGEMAKER_BIND_TO_PORT (8080).
// SIGTERM drains it.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/serving"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 || args[0] != "serve" {
		return fault.New(fault.Invalid, "start", "the arguments are %q", args).WithHint("run it as: server serve")
	}
	start := time.Now()
	folder := env("SM_MODEL_DIR", "/opt/ml/model")
	artifact, err := model.Open(folder)
	if err != nil {
		return err
	}
	// SLUICE_BIND_HOST is an address to listen on; every one by default, as a
	// container must.
	address := net.JoinHostPort(env("SLUICE_BIND_HOST", ""), env("SAGEMAKER_BIND_TO_PORT", "8080"))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fault.New(fault.Unavailable, "listen on "+address, "%w", err)
	}
	fmt.Printf("serving model %s (%d trees) from %s on %s, ready after %v\n",
		artifact.Schema.Model, artifact.Trees.Trees(), folder, listener.Addr(), time.Since(start).Round(time.Millisecond))
	return serving.New(artifact, serving.DefaultMaxBody, time.Now).Serve(ctx, listener)
}

func env(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}
