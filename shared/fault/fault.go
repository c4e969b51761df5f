// Package fault gives every error of Sluice a place, a kind and a next step.
//
// The kind says whether a retry can help and maps to exactly one ASL error
// name, so a state machine's Retry and Catch branch on the same facts that the
// Go code does.
package fault

import (
	"errors"
	"fmt"
)

// Kind classifies an error by what can be done about it.
type Kind string

const (
	// Invalid: the input, configuration or data is wrong. A retry cannot help.
	Invalid Kind = "Invalid"
	// NotFound: a thing that was named does not exist. A retry cannot help.
	NotFound Kind = "NotFound"
	// Conflict: somebody else moved the same thing first. Read again, then redo.
	Conflict Kind = "Conflict"
	// Denied: the caller may not do this. A retry cannot help.
	Denied Kind = "Denied"
	// Busy: the thing is there and healthy but not ready yet. Retry after a wait.
	Busy Kind = "Busy"
	// Unavailable: a service or the network failed. Retry with backoff.
	Unavailable Kind = "Unavailable"
	// Internal: Sluice itself is wrong. A retry cannot help; report it.
	Internal Kind = "Internal"
)

// Name is the ASL error name of k, e.g. "Sluice.Invalid".
func (k Kind) Name() string { return "Sluice." + string(k) }

// Retryable says whether the same call can succeed later.
func (k Kind) Retryable() bool { return k == Conflict || k == Busy || k == Unavailable }

// Error is an error with its place, kind and next step.
type Error struct {
	Op   string // what was being done, e.g. "read configuration"
	Kind Kind
	Err  error  // why it failed
	Hint string // what to do about it; a sentence, may be empty
}

// New makes an error of a kind. The message reads "{op}: {why}".
func New(kind Kind, op, why string, args ...any) *Error {
	return &Error{Op: op, Kind: kind, Err: fmt.Errorf(why, args...)}
}

// Wrap adds a place and a kind to err; nil stays nil. A *Error underneath
// keeps its own kind: what is known deepest is known best.
func Wrap(kind Kind, op string, err error) error {
	if err == nil {
		return nil
	}
	if inner, ok := errors.AsType[*Error](err); ok {
		return &Error{Op: op, Kind: inner.Kind, Err: err}
	}
	return &Error{Op: op, Kind: kind, Err: err}
}

// WithHint sets the next step and returns e.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// Error reads "{what happened}: {why}", and the next step in parentheses.
func (e *Error) Error() string {
	text := e.Op
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of the outermost *Error in err's chain, Internal when
// there is none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Is reports whether err has the kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }
