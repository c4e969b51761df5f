// Command hook is a dataset's hook for the tests: the names of the keys that
// change say what becomes of it.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct {
	Dataset, Branch, Operation string
	Changes                    []string
	Diff                       struct{ First []string }
}

func answer(_ context.Context, e event) (any, error) {
	keys := strings.Join(e.Diff.First, " ")
	switch {
	case strings.Contains(keys, "refused"):
		return map[string]any{"allow": false, "reason": fmt.Sprintf("%s of %s into %s brings %s (see %s)", e.Operation, e.Dataset, e.Branch, keys, strings.Join(e.Changes, " "))}, nil
	case strings.Contains(keys, "crash"):
		os.Exit(3)
	case strings.Contains(keys, "slow"):
		time.Sleep(time.Minute) // not until ctx ends: an answer at the deadline would race with the time-out
	case strings.Contains(keys, "garbled"):
		return "perhaps", nil
	}
	return map[string]any{"allow": true}, nil
}

func main() { lambda.Start(answer) }
