// Command train is the job of the stack's tests. Its first attempt says that it
// has begun and then waits to be killed; the next one finishes.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func write(ctx context.Context, key, body string) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	_, err = s3.NewFromConfig(cfg).PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(os.Getenv("STORE")), Key: &key, Body: strings.NewReader(body)})
	return err
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	attempt := os.Getenv("AWS_BATCH_JOB_ATTEMPT")
	if err := write(ctx, "train/begun-"+attempt, os.Getenv("LD_LIBRARY_PATH")); err != nil {
		return err
	}
	if attempt == "1" {
		<-ctx.Done()
		return ctx.Err()
	}
	return write(ctx, "train/model", "trained in attempt "+attempt)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
