package endpoint

import (
	"errors"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/sluice-ml/sluice/shared/fault"
)

// classify gives an SDK error its kind; nil stays nil. SageMaker says most
// things with one code, so the message's start decides.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return fault.New(fault.Unavailable, op, "%w", err)
	}
	message := api.ErrorMessage()
	switch code := api.ErrorCode(); {
	case strings.Contains(message, "Cannot update in-progress endpoint"), code == "ResourceInUse":
		return fault.New(fault.Busy, op, "%w", err).WithHint("the endpoint is changing; the same call works when it is done")
	case strings.Contains(message, "Could not find"), strings.Contains(message, " not found"), code == "ResourceNotFound":
		return fault.New(fault.NotFound, op, "%w", err)
	case code == "ConflictException":
		return fault.New(fault.Conflict, op, "%w", err)
	case code == "ResourceLimitExceeded":
		return fault.New(fault.Denied, op, "%w", err).WithHint("ask for a higher service quota, or use another instance type")
	case strings.Contains(code, "AccessDenied"), code == "UnrecognizedClientException":
		return fault.New(fault.Denied, op, "%w", err).WithHint("the function's role must allow it")
	case strings.Contains(code, "Throttl"), code == "RequestLimitExceeded", code == "TooManyRequestsException",
		code == "ModelNotReadyException", code == "ServiceUnavailable", api.ErrorFault() == smithy.FaultServer, !strings.Contains(code, "Validation"):
		return fault.New(fault.Unavailable, op, "%w", err)
	}
	return fault.New(fault.Invalid, op, "%w", err)
}

// alreadyExists says that a create call found the name taken.
func alreadyExists(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && strings.Contains(api.ErrorMessage(), "Cannot create already existing")
}
