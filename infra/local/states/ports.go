package states

import (
	"context"
	"encoding/json"
)

// InvokeResult is what a function gave. FunctionError is "" when it returned,
// and "Handled" or "Unhandled" when Payload is its error.
type InvokeResult struct {
	Payload         []byte
	FunctionError   string
	ExecutedVersion string
}

// Lambda invokes functions. function is a name or an ARN. The error is for
// what went wrong outside the function: a *wire.Error keeps its code, e.g.
// ResourceNotFoundException or TooManyRequestsException.
type Lambda interface {
	Invoke(ctx context.Context, function string, payload []byte) (InvokeResult, error)
}

// Batch runs jobs. Submit gets the parameters of submitJob as the definition
// has them (JobName, JobQueue, …) and must give the same job for the same
// Attempt of the context. Wait gives the job's description once it ended, and
// whether it failed.
type Batch interface {
	Submit(ctx context.Context, parameters json.RawMessage) (jobID string, err error)
	Wait(ctx context.Context, jobID string) (job json.RawMessage, failed bool, err error)
	Terminate(ctx context.Context, jobID, reason string)
}

// SDK calls an operation of a service, with the parameters and the result as
// Step Functions has them: members in PascalCase. An optimized integration's
// service is "sns", the AWS SDK's is "aws-sdk:sns". A *wire.Error keeps its
// code.
type SDK interface {
	// Check refuses a call that cannot be made. fields are the names of the
	// parameters, nil when they are only known at run time.
	Check(service, operation string, fields []string) error
	Call(ctx context.Context, service, operation string, parameters json.RawMessage) (json.RawMessage, error)
}

type attemptKey struct{}

// Attempt names the task attempt that a port is called for. It is the same
// when the attempt is done again after a restart, so a port can make a call
// idempotent with it. It is "" outside a task.
func Attempt(ctx context.Context) string {
	name, _ := ctx.Value(attemptKey{}).(string)
	return name
}
