package ecsbackend

import (
	"errors"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/sluice-ml/sluice/shared/fault"
)

// classify gives an SDK error its kind; nil stays nil. What the stack declares
// and is gone is Invalid, not NotFound: that would read as an endpoint that does
// not exist.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return fault.New(fault.Unavailable, op, "%w", err)
	}
	switch code := api.ErrorCode(); {
	case strings.Contains(code, "AccessDenied"), code == "UnrecognizedClientException", code == "OperationNotPermitted":
		return fault.New(fault.Denied, op, "%w", err).WithHint("the function's role must allow it")
	case strings.Contains(code, "Throttl"), strings.Contains(code, "RequestLimitExceeded"), code == "ServerException",
		code == "ServiceUnavailable", api.ErrorFault() == smithy.FaultServer:
		return fault.New(fault.Unavailable, op, "%w", err)
	case code == "UpdateInProgressException", code == "ConflictException", strings.Contains(api.ErrorMessage(), "concurrent attempts"):
		return fault.New(fault.Busy, op, "%w", err).WithHint("the same call works when the other is done")
	case code == "LimitExceededException", strings.HasPrefix(code, "TooMany"):
		return fault.New(fault.Denied, op, "%w", err).WithHint("ask for a higher service quota")
	case strings.HasSuffix(code, "NotFound"), strings.HasSuffix(code, "NotFoundException"), code == "ServiceNotActiveException":
		return fault.New(fault.Invalid, op, "%w", err).WithHint("the stack declares it: deploy the stack again")
	}
	return fault.New(fault.Invalid, op, "%w", err)
}
