// Package lambdafn runs a function's handler as an AWS Lambda and gives its
// errors the names that state machines branch on: a *fault.Error of kind K
// fails the invocation with the ASL error name "Sluice.K", so Retry and Catch
// need no table of their own.
package lambdafn

import (
	"context"
	"encoding/json"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Handler answers one invocation: JSON in, JSON out. json.RawMessage as In
// leaves the decoding to the handler.
type Handler[In, Out any] func(ctx context.Context, in In) (Out, error)

// Start serves invocations until the process ends. It does not return.
func Start[In, Out any](handler Handler[In, Out]) { lambda.Start(Adapt(handler)) }

// Main builds the handler once and serves it. When build fails (a setting is
// missing, say) the function still starts and every invocation fails with that
// error and its own name; a failed start would only show as Runtime.ExitError.
func Main[In, Out any](build func(ctx context.Context) (Handler[In, Out], error)) {
	handler, err := build(context.Background())
	if err != nil {
		handler = func(context.Context, In) (out Out, _ error) { return out, err }
	}
	Start(handler)
}

// Adapt makes the function that Start serves: it decodes the event, calls the
// handler and names its error.
func Adapt[In, Out any](handler Handler[In, Out]) func(context.Context, json.RawMessage) (Out, error) {
	return func(ctx context.Context, event json.RawMessage) (out Out, err error) {
		var in In
		if err := json.Unmarshal(event, &in); err != nil {
			return out, Named(fault.New(fault.Invalid, "read the event", "%w", err).
				WithHint("events/ holds a sample event for every function"))
		}
		if out, err = handler(ctx, in); err != nil {
			return out, Named(err)
		}
		return out, nil
	}
}

// Named gives err the Lambda error type of its kind, Sluice.Internal when it
// has none; nil stays nil.
func Named(err error) error {
	if err == nil {
		return nil
	}
	return messages.InvokeResponse_Error{Type: fault.KindOf(err).Name(), Message: err.Error()}
}
