package asl

import "fmt"

// The error names that Amazon States Language reserves.
const (
	ErrAll                    = "States.ALL"
	ErrTimeout                = "States.Timeout"
	ErrHeartbeatTimeout       = "States.HeartbeatTimeout"
	ErrTaskFailed             = "States.TaskFailed"
	ErrRuntime                = "States.Runtime"
	ErrDataLimitExceeded      = "States.DataLimitExceeded"
	ErrQueryEvaluation        = "States.QueryEvaluationError"
	ErrNoChoiceMatched        = "States.NoChoiceMatched"
	ErrIntrinsicFailure       = "States.IntrinsicFailure"
	ErrParameterPathFailure   = "States.ParameterPathFailure"
	ErrResultPathMatchFailure = "States.ResultPathMatchFailure"
	ErrBranchFailed           = "States.BranchFailed"
	ErrItemReaderFailed       = "States.ItemReaderFailed"
	ErrResultWriterFailed     = "States.ResultWriterFailed"
	ErrPermissions            = "States.Permissions"
	ErrExceedTolerated        = "States.ExceedToleratedFailureThreshold"
)

// Failure is why a state failed. Name and Cause are nil where AWS has none: a
// Fail state may omit both.
type Failure struct {
	Name  *string
	Cause *string

	location  string // the field, for an EvaluationFailed event
	evaluated bool   // a JSONata failure: EvaluationFailed goes with it
	fromTask  bool   // States.TaskFailed stands for it
	heartbeat bool   // a missed heartbeat, which is reported as a timeout
}

func failure(name, cause string) *Failure { return &Failure{Name: &name, Cause: &cause} }

func (f *Failure) name() string {
	if f.Name == nil {
		return ""
	}
	return *f.Name
}

func (f *Failure) cause() string {
	if f.Cause == nil {
		return ""
	}
	return *f.Cause
}

// errorOutput is what a catcher gives its next state.
func (f *Failure) errorOutput() any {
	return objectOf("Error", f.name(), "Cause", f.cause())
}

// matches says whether an ErrorEquals entry stands for f. Nothing catches
// States.Runtime; States.ALL does not stand for States.DataLimitExceeded.
func (f *Failure) matches(entry string) bool {
	switch name := f.name(); {
	case name == ErrRuntime:
		return false
	case entry == ErrAll:
		return name != ErrDataLimitExceeded
	case entry == ErrTaskFailed:
		return name == ErrTaskFailed || f.fromTask && name != ErrTimeout
	case entry == ErrHeartbeatTimeout:
		return f.heartbeat || name == ErrHeartbeatTimeout
	default:
		return f.Name != nil && entry == name
	}
}

func (f *Failure) matchesAny(entries []string) bool {
	for _, e := range entries {
		if f.matches(e) {
			return true
		}
	}
	return false
}

// in prefixes a cause with the state it happened in, as AWS does.
func (a *activation) in(format string, args ...any) string {
	return fmt.Sprintf("An error occurred while executing the state '%s' (entered at the event id #%d). ", a.state.Name, a.enteredID) +
		fmt.Sprintf(format, args...)
}

// runtime is a failure that no catcher can catch.
func (a *activation) runtime(format string, args ...any) *Failure {
	return failure(ErrRuntime, a.in(format, args...))
}

// query is a JSONata failure at a field.
func (a *activation) query(location, format string, args ...any) *Failure {
	f := failure(ErrQueryEvaluation, a.in(format, args...))
	f.location, f.evaluated = location, true
	return f
}

// tooLarge: what is the state's name or, for a service, the service's.
func tooLarge(what string) *Failure {
	return failure(ErrDataLimitExceeded, fmt.Sprintf("The state/task '%s' returned a result with a size exceeding the maximum number of bytes service limit.", what))
}
