// Command function is a Lambda function whose event says what it does.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do    string
	Text  string
	Count int
	File  string
}

func handle(ctx context.Context, e event) (any, error) {
	switch e.Do {
	case "", "echo":
		return e, nil
	case "print":
		fmt.Println(e.Text)
		fmt.Print("without an end")
		return "printed", nil
	case "environment":
		return os.Environ(), nil
	case "context":
		lc, _ := lambdacontext.FromContext(ctx)
		deadline, _ := ctx.Deadline()
		return map[string]any{"arn": lc.InvokedFunctionArn, "id": lc.AwsRequestID, "trace": os.Getenv("_X_AMZN_TRACE_ID"),
			"client": lc.ClientContext.Client.AppTitle, "deadline": deadline.UnixMilli(), "pid": os.Getpid()}, nil
	case "fail":
		return nil, errors.New(e.Text)
	case "fault":
		return nil, messages.InvokeResponse_Error{Type: "Sluice.Busy", Message: e.Text}
	case "panic":
		panic(e.Text)
	case "exit":
		os.Exit(e.Count)
	case "hang":
		touch(e.File)
		time.Sleep(time.Hour) // until it is stopped
	case "meet": // waits until as many as Count are here
		touch(fmt.Sprintf("%s/%d", e.File, os.Getpid()))
		for {
			if entries, err := os.ReadDir(e.File); err == nil && len(entries) >= e.Count {
				return os.Getpid(), nil
			}
			time.Sleep(time.Millisecond)
		}
	case "until": // waits for a file
		touch(e.Text)
		for {
			if _, err := os.Stat(e.File); err == nil {
				return "seen", nil
			}
			time.Sleep(time.Millisecond)
		}
	case "attempts": // fails until it was called Count times, then succeeds
		f, err := os.OpenFile(e.File, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		fmt.Fprintln(f, "call")
		text, err := os.ReadFile(e.File)
		if err != nil {
			return nil, err
		}
		if n := strings.Count(string(text), "\n"); n < e.Count {
			return nil, fmt.Errorf("attempt %d of %d", n, e.Count)
		}
		return "at last", nil
	case "allocate":
		var kept [][]byte
		for {
			block := make([]byte, 1<<20)
			for i := range block {
				block[i] = 1
			}
			kept = append(kept, block)
			if len(kept) == e.Count {
				return len(kept), nil
			}
		}
	case "spawn":
		out, err := exec.CommandContext(ctx, "/bin/sh", "-c", e.Text).Output()
		return string(out), err
	case "large":
		return strings.Repeat("x", e.Count), nil
	}
	return nil, fmt.Errorf("do what? %q", e.Do)
}

func touch(file string) {
	if file != "" {
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			panic(err)
		}
	}
}

func main() {
	// SABOTAGE names a file: while it is there, the init fails the way it says.
	if text, err := os.ReadFile(os.Getenv("SABOTAGE")); err == nil {
		switch string(text) {
		case "once":
			os.Remove(os.Getenv("SABOTAGE"))
			os.Exit(3)
		case "exit":
			os.Exit(4)
		case "hang":
			time.Sleep(time.Hour) // until it is stopped
		}
	}
	lambda.Start(handle)
}
