package states

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/sluice-ml/sluice/infra/local/asl"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// callFunction runs a Task whose resource is the function itself: input and
// output are the payloads.
func (s *Service) callFunction(ctx context.Context, function string, payload []byte) (json.RawMessage, *asl.TaskError) {
	out, err := s.options.Lambda.Invoke(ctx, function, payload)
	if err != nil {
		return nil, lambdaError(err)
	}
	if out.FunctionError != "" {
		return nil, functionError(out.Payload, string(out.Payload))
	}
	return jsonOrNull(out.Payload), nil
}

type invokeParameters struct {
	FunctionName   string
	Payload        json.RawMessage
	InvocationType string
	Qualifier      string
}

// invokeLambda runs lambda:invoke, whose output wraps the payload.
func (s *Service) invokeLambda(ctx context.Context, parameters json.RawMessage) (json.RawMessage, *asl.TaskError) {
	var p invokeParameters
	if failed := decodeParameters(parameters, &p); failed != nil {
		return nil, failed
	}
	if p.InvocationType != "" && p.InvocationType != "RequestResponse" {
		return nil, &asl.TaskError{Name: asl.ErrRuntime, Cause: fmt.Sprintf("the local stack does not invoke functions with the InvocationType %q", p.InvocationType)}
	}
	function := p.FunctionName
	if p.Qualifier != "" {
		function += ":" + p.Qualifier
	}
	out, err := s.options.Lambda.Invoke(ctx, function, invokePayload(p.Payload))
	if err != nil {
		return nil, lambdaError(err)
	}
	if out.FunctionError != "" {
		var compact bytes.Buffer
		if json.Compact(&compact, out.Payload) != nil {
			compact.Reset()
			compact.Write(out.Payload)
		}
		return nil, functionError(out.Payload, compact.String())
	}
	return invokeOutput(out), nil
}

// invokePayload: a string that holds JSON is sent as that JSON.
func invokePayload(p json.RawMessage) []byte {
	if len(p) == 0 || string(p) == "null" {
		return []byte("{}")
	}
	var text string
	if p[0] == '"' && json.Unmarshal(p, &text) == nil && json.Valid([]byte(text)) {
		return []byte(text)
	}
	return p
}

func jsonOrNull(payload []byte) json.RawMessage {
	if len(bytes.TrimSpace(payload)) == 0 {
		return json.RawMessage("null")
	}
	return payload
}

// invokeOutput is the response of Invoke as Step Functions gives it.
func invokeOutput(out InvokeResult) json.RawMessage {
	version := out.ExecutedVersion
	if version == "" {
		version = "$LATEST"
	}
	id := wire.RequestID()
	headers := map[string]string{
		"Content-Length": strconv.Itoa(len(out.Payload)), "Content-Type": "application/json",
		"X-Amz-Executed-Version": version, "x-amzn-RequestId": id,
	}
	all := map[string][]string{}
	for k, v := range headers {
		all[k] = []string{v}
	}
	return encode(struct {
		ExecutedVersion     string
		Payload             json.RawMessage
		SdkHttpMetadata     any
		SdkResponseMetadata any
		StatusCode          int
	}{version, jsonOrNull(out.Payload),
		map[string]any{"AllHttpHeaders": all, "HttpHeaders": headers, "HttpStatusCode": 200},
		map[string]string{"RequestId": id}, 200})
}

// functionError names a function's error by its errorType.
func functionError(payload []byte, cause string) *asl.TaskError {
	var e struct {
		ErrorType string `json:"errorType"`
	}
	if json.Unmarshal(payload, &e) != nil || e.ErrorType == "" {
		e.ErrorType = "Lambda.Unknown"
	}
	return &asl.TaskError{Name: e.ErrorType, Cause: cause}
}

// lambdaError names what went wrong outside the function.
func lambdaError(err error) *asl.TaskError {
	e, ok := errors.AsType[*wire.Error](err)
	if !ok {
		return &asl.TaskError{Name: "Lambda.Unknown", Cause: "The cause could not be determined because Lambda did not return an error type. " + err.Error()}
	}
	status := e.Status
	if status == 0 {
		status = 400
	}
	return &asl.TaskError{Name: "Lambda." + e.Code, Cause: fmt.Sprintf("%s (Service: AWSLambda; Status Code: %d; Error Code: %s; Request ID: %s; Proxy: null)",
		e.Message, status, e.Code, wire.RequestID())}
}

// decodeParameters reads a task's parameters, refusing what it does not know.
func decodeParameters(parameters json.RawMessage, into any) *asl.TaskError {
	if err := wire.DecodeStrict(parameters, into); err != nil {
		return &asl.TaskError{Name: asl.ErrRuntime, Cause: err.Error()}
	}
	return nil
}

// encode writes JSON without escaping HTML; its callers pass what encodes.
func encode(v any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return json.RawMessage("null")
	}
	return bytes.TrimSpace(b.Bytes())
}
