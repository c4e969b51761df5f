package states

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"

	"github.com/sluice-ml/sluice/infra/local/asl"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

var startExecution = integration{service: "states", operation: "startExecution"}

type startParameters struct {
	StateMachineArn string
	Name            string
	Input           json.RawMessage
	TraceHeader     string
}

// runExecution runs states:startExecution. A task that is done again after a
// restart finds the execution that it started; a task that is stopped stops
// the execution that it waits for.
func (s *Service) runExecution(ctx context.Context, p pattern, call asl.TaskCall) (json.RawMessage, *asl.TaskError) {
	var in startParameters
	if failed := decodeParameters(call.Arguments, &in); failed != nil {
		return nil, failed
	}
	attempt := Attempt(ctx)
	if in.Name == "" {
		sum := sha256.Sum256([]byte(attempt))
		in.Name = hex.EncodeToString(sum[:16])
	}
	d, err := s.Start(ctx, StartRequest{MachineARN: in.StateMachineArn, Name: in.Name, Input: childInput(in.Input), startedBy: attempt})
	if err != nil {
		failed := serviceError(startExecution, err)
		failed.SubmitFailed = p == patternSync || p == patternSync2
		return nil, failed
	}
	response := startResponse(d)
	if p == patternRequest {
		return response, nil
	}
	call.Submitted(response)
	d, err = s.Wait(ctx, d.ARN)
	if err != nil {
		if !s.closing() {
			_, _ = s.Stop(context.WithoutCancel(ctx), d.ARN, "", "The parent execution stopped waiting for this one.")
		}
		return nil, stopped()
	}
	out := waitedFor(d, p == patternSync2)
	if d.Status != asl.Succeeded {
		return nil, &asl.TaskError{Name: asl.ErrTaskFailed, Cause: string(waitedFor(d, false))}
	}
	return out, nil
}

// childInput: a string is the input's JSON text, anything else is the input.
func childInput(input json.RawMessage) string {
	var text string
	if len(input) > 0 && input[0] == '"' && json.Unmarshal(input, &text) == nil {
		return text
	}
	return string(input)
}

func startResponse(d Description) json.RawMessage {
	id := wire.RequestID()
	headers := map[string]string{"Content-Type": "application/x-amz-json-1.0", "x-amzn-RequestId": id}
	all := map[string][]string{}
	for k, v := range headers {
		all[k] = []string{v}
	}
	return encode(struct {
		ExecutionArn        string
		SdkHttpMetadata     any
		SdkResponseMetadata any
		StartDate           int64
	}{d.ARN, map[string]any{"AllHttpHeaders": all, "HttpHeaders": headers, "HttpStatusCode": http.StatusOK},
		map[string]string{"RequestId": id}, d.Start.UnixMilli()})
}

type included struct{ Included bool }

// waited is the output of .sync: DescribeExecution in PascalCase.
type waited struct {
	Cause           string `json:",omitempty"`
	Error           string `json:",omitempty"`
	ExecutionArn    string
	Input           json.RawMessage
	InputDetails    included
	Name            string
	Output          json.RawMessage `json:",omitempty"`
	OutputDetails   *included       `json:",omitempty"`
	StartDate       int64
	StateMachineArn string
	Status          asl.Status
	StopDate        int64
}

// waitedFor describes a child that ended; .sync:2 has input and output as
// JSON, .sync as strings of it.
func waitedFor(d Description, asJSON bool) json.RawMessage {
	form := func(text string) json.RawMessage {
		if asJSON {
			return json.RawMessage(text)
		}
		return encode(text)
	}
	w := waited{
		Cause: d.Cause, Error: d.Error, ExecutionArn: d.ARN, Input: form(d.Input), InputDetails: included{true}, Name: d.Name,
		StartDate: d.Start.UnixMilli(), StateMachineArn: d.MachineARN, Status: d.Status, StopDate: d.Stop.UnixMilli(),
	}
	if d.Status == asl.Succeeded {
		w.Output, w.OutputDetails = form(d.Output), &included{true}
	}
	return encode(w)
}
