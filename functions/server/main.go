// Command server is the model server: what a SageMaker endpoint or an ECS
// service runs. It is called with the argument "serve" and listens on
// SAGEMAKER_BIND_TO_PORT (8080). SIGTERM drains it.
//
// SageMaker unpacks the model for it at SM_MODEL_DIR (/opt/ml/model). Nobody does
// on ECS: there SLUICE_MODEL is the S3 URI of model.tar.gz, with ?versionId= for
// one version of it, and the server fetches it when it starts. SLUICE_MODEL wins.
// Nor does anybody capture there what a model is asked: with SLUICE_CAPTURE the
// server does.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
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
	artifact, from, err := load(ctx)
	if err != nil {
		return err
	}
	recorder, err := capturing(ctx, os.LookupEnv)
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
		artifact.Schema.Model, artifact.Trees.Trees(), from, listener.Addr(), time.Since(start).Round(time.Millisecond))
	server := serving.New(artifact, serving.DefaultMaxBody, time.Now)
	if recorder == nil {
		return server.Serve(ctx, listener)
	}
	return captured(ctx, recorder, server, listener)
}

// load reads the model from where the environment says it is; from names that.
// An object is checked before anything is served, and never touches the disk.
func load(ctx context.Context) (artifact *model.Artifact, from string, err error) {
	uri := os.Getenv(contract.EnvModel)
	if uri == "" {
		folder := env("SM_MODEL_DIR", "/opt/ml/model")
		artifact, err = model.Open(folder)
		return artifact, folder, err
	}
	if _, _, _, err := s3store.ParseURI(uri); err != nil {
		return nil, "", fault.New(fault.Invalid, "read "+contract.EnvModel, "%w", err).WithHint("set it to s3://BUCKET/KEY of a model.tar.gz, with ?versionId=VERSION for one version")
	}
	store, err := s3store.FromEnvironment(ctx)
	if err != nil {
		return nil, "", err
	}
	archive, _, err := store.GetURI(ctx, uri)
	if err != nil {
		return nil, "", err
	}
	if artifact, err = model.Unpack(archive); err != nil {
		return nil, "", fault.Wrap(fault.Invalid, "read the model at "+uri, err)
	}
	return artifact, uri, nil
}

func env(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}
