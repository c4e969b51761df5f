package lambda

import (
	"encoding/json"
	"fmt"
)

// Faults says which invocations go wrong on request.
type Faults interface {
	// Strike says whether an invocation of a function is to end so: "fail",
	// "timeout" or "throttle". It counts the ones it meets.
	Strike(function, how string) bool
}

func (o *Options) struck(function, how string) bool {
	return o.Faults != nil && o.Faults.Strike(function, how)
}

// failure is the result of an invocation that goes wrong on request: the
// function does not run.
func (o *Options) failure(c *config, id string) (Result, bool) {
	kind, message := "", ""
	switch {
	case o.struck(c.name, "timeout"):
		kind, message = "Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", id, c.timeout.Seconds())
	case o.struck(c.name, "fail"):
		kind, message = "Runtime.ExitError", fmt.Sprintf("RequestId: %s Error: Runtime exited with error: exit status 1 (injected fault)", id)
	default:
		return Result{}, false
	}
	payload, err := json.Marshal(map[string]string{"errorType": kind, "errorMessage": message})
	if err != nil {
		return Result{}, false // a map of strings always encodes
	}
	return Result{RequestID: id, Payload: payload, FunctionError: "Unhandled", Version: "$LATEST"}, true
}
