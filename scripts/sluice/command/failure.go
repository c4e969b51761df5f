package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Run executes a command line and tells on stderr why it failed. It gives the
// process's exit status.
func Run(ctx context.Context, root *cobra.Command, stderr io.Writer) int {
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	code := ExitCode(err)
	if asJSON, _ := root.PersistentFlags().GetBool("json"); asJSON {
		_ = json.NewEncoder(stderr).Encode(failureOf(err, code))
	} else {
		fmt.Fprintln(stderr, "sluice:", err)
	}
	return code
}

// failure is an error for a script.
type failure struct {
	Error struct {
		Kind      string             `json:"kind"`    // as in package fault; "Usage" for a wrong command line
		Message   string             `json:"message"` // what a person would read, the hint too
		Hint      string             `json:"hint,omitempty"`
		Retry     bool               `json:"retry"` // the same command may succeed later
		Conflicts []dataset.Conflict `json:"conflicts,omitempty"`
	} `json:"error"`
	Exit int `json:"exit"`
}

func failureOf(err error, code int) failure {
	f := failure{Exit: code}
	kind := fault.KindOf(err)
	f.Error.Kind, f.Error.Message, f.Error.Retry = string(kind), err.Error(), kind.Retryable()
	f.Error.Conflicts = dataset.AsConflicts(err)
	var usage usageError
	switch {
	case errors.As(err, &usage):
		f.Error.Kind, f.Error.Retry = "Usage", false
	case errors.Is(err, context.Canceled):
		f.Error.Kind, f.Error.Retry = "Interrupted", true
	case len(f.Error.Conflicts) > 0:
		f.Error.Retry = false // it wants a choice
	}
	model := ""
	if m, ok := errors.AsType[modelError](err); ok {
		model = m.model
	}
	for e, ok := errors.AsType[*fault.Error](err); ok && f.Error.Hint == ""; e, ok = errors.AsType[*fault.Error](e.Err) {
		f.Error.Hint = withModel(e.Hint, model)
	}
	return f
}

// modelError writes the model into the commands that an error advises: packages
// below know a dataset, and not its name.
type modelError struct {
	err   error
	model string
}

func (e modelError) Error() string { return withModel(e.err.Error(), e.model) }
func (e modelError) Unwrap() error { return e.err }

var advised = regexp.MustCompile(`\b(sluice data(?: [a-z-]+){1,2}) MODEL\b`)

func withModel(text, model string) string {
	if model == "" {
		return text
	}
	return advised.ReplaceAllString(text, "${1} "+model)
}

// nameModel lets the errors of a command, and of those below it, name the model
// that is the first argument.
func nameModel(c *cobra.Command) {
	for _, below := range c.Commands() {
		nameModel(below)
	}
	run := c.RunE
	if run == nil || c.HasSubCommands() {
		return
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := run(c, args); err != nil {
			return modelError{err, args[0]}
		}
		return nil
	}
}
