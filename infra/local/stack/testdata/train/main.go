// Command train is the job of the stack's tests. Its first run says that it has
// begun and then waits to be stopped, when it writes a checkpoint; the next one
// finishes.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// write writes an object; with first, only where there is none.
func write(ctx context.Context, key, body string, first bool) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	in := &s3.PutObjectInput{Bucket: aws.String(os.Getenv("STORE")), Key: &key, Body: strings.NewReader(body)}
	if first {
		in.IfNoneMatch = aws.String("*")
	}
	_, err = s3.NewFromConfig(cfg).PutObject(ctx, in)
	return err
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	attempt := os.Getenv("AWS_BATCH_JOB_ATTEMPT")
	if err := write(ctx, "train/begun", os.Getenv("LD_LIBRARY_PATH"), true); err == nil {
		<-ctx.Done()
		return errors.Join(ctx.Err(), write(context.WithoutCancel(ctx), "train/checkpoint", "of attempt "+attempt, false))
	}
	return write(ctx, "train/model", "trained in attempt "+attempt, false)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
