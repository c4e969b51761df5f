package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// interruptedError says how far a command came before Ctrl-C ended it.
type interruptedError struct {
	err  error
	told string
}

func (e interruptedError) Error() string { return "interrupted: " + e.told }
func (e interruptedError) Unwrap() error { return e.err }

// cutOff tells what is done and what is left, where it is Ctrl-C that ended the
// command; any other error is as it was.
func cutOff(c *cobra.Command, err error, format string, args ...any) error {
	if err == nil || c.Context().Err() == nil {
		return err
	}
	return interruptedError{err, fmt.Sprintf(format, args...)}
}

func isInterrupted(err error) bool {
	_, told := errors.AsType[interruptedError](err)
	return told
}

// interruption is an error of a command that Ctrl-C ended.
func interruption(ctx context.Context, err error) error {
	if ctx.Err() == nil || isInterrupted(err) {
		return err
	}
	return interruptedError{err, "nothing half-done is left behind; run it again"}
}
