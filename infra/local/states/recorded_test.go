package states_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/sluice-ml/sluice/infra/local/asl"
	"github.com/sluice-ml/sluice/infra/local/asl/asltest"
	"github.com/sluice-ml/sluice/infra/local/states"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// TestRecordedExecutions runs all that AWS ran, through the service: the same
// definition and input, with functions that give what they gave there.
func TestRecordedExecutions(t *testing.T) {
	for _, c := range asltest.Load(t) {
		t.Run(c.Short(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runRecorded(t, c) })
		})
	}
}

func runRecorded(t *testing.T, c asltest.Case) {
	s := open(t, states.Options{Dir: t.TempDir(), Lambda: functionsOf(t, c), SDK: noSDK{}})
	arn := create(t, s, "machine", string(c.Definition))
	d, err := s.Start(t.Context(), states.StartRequest{MachineARN: arn, Input: c.InputText()})
	if err != nil {
		t.Fatal(err)
	}
	if d, err = s.Wait(t.Context(), d.ARN); err != nil {
		t.Fatal(err)
	}
	events, err := s.History(d.ARN)
	if err != nil {
		t.Fatal(err)
	}
	history := make([]json.RawMessage, len(events))
	for i, e := range events {
		if history[i], err = json.Marshal(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Compare(history); err != nil {
		t.Error(err)
	}
	checkStatus(t, d, events[len(events)-1])
}

// checkStatus: the description says what the last event says.
func checkStatus(t *testing.T, d states.Description, last asl.Event) {
	t.Helper()
	want := map[string]asl.Status{"ExecutionSucceeded": asl.Succeeded, "ExecutionFailed": asl.Failed}[last.Type]
	var output, name, cause string
	for _, m := range []struct {
		from *string
		into *string
	}{{last.Details.Output, &output}, {last.Details.Error, &name}, {last.Details.Cause, &cause}} {
		if m.from != nil {
			*m.into = *m.from
		}
	}
	if d.Status != want || d.Output != output || d.Error != name || d.Cause != cause {
		t.Errorf("the description %+v does not say what the last event does: %+v", d, last.Details)
	}
}

type noSDK struct{}

func (noSDK) Check(string, string, []string) error { return nil }

func (noSDK) Call(_ context.Context, service, operation string, _ json.RawMessage) (json.RawMessage, error) {
	return nil, fmt.Errorf("no recorded execution calls %s:%s", service, operation)
}

// recordedFunctions give what the functions of a recording gave.
type recordedFunctions struct {
	c        asltest.Case
	mu       sync.Mutex
	outcomes []*recordedOutcome
}

type recordedOutcome struct {
	payload any // of a success
	err     map[string]any
	hangs   bool
	used    bool
}

func functionsOf(t *testing.T, c asltest.Case) *recordedFunctions {
	f := &recordedFunctions{c: c}
	for _, e := range c.Events {
		switch e["type"] {
		case "TaskSucceeded":
			output := e["taskSucceededEventDetails"].(map[string]any)["output"].(map[string]any)
			f.outcomes = append(f.outcomes, &recordedOutcome{payload: output["Payload"]})
		case "LambdaFunctionSucceeded":
			output := e["lambdaFunctionSucceededEventDetails"].(map[string]any)["output"]
			if text, ok := output.(string); ok {
				if err := json.Unmarshal([]byte(text), &output); err != nil {
					t.Fatal(err)
				}
			}
			f.outcomes = append(f.outcomes, &recordedOutcome{payload: output})
		case "TaskFailed":
			f.outcomes = append(f.outcomes, &recordedOutcome{err: e["taskFailedEventDetails"].(map[string]any)})
		case "LambdaFunctionFailed":
			f.outcomes = append(f.outcomes, &recordedOutcome{err: e["lambdaFunctionFailedEventDetails"].(map[string]any)})
		case "TaskTimedOut":
			f.outcomes = append(f.outcomes, &recordedOutcome{hangs: true})
		}
	}
	return f
}

func (f *recordedFunctions) Invoke(ctx context.Context, function string, payload []byte) (states.InvokeResult, error) {
	o := f.next(payload)
	switch {
	case o == nil:
		return states.InvokeResult{Payload: payload}, nil
	case o.hangs:
		<-ctx.Done()
		return states.InvokeResult{}, ctx.Err()
	case o.err == nil:
		return states.InvokeResult{Payload: python(o.payload)}, nil
	}
	switch name := o.err["error"].(string); {
	case name == "States.DataLimitExceeded":
		return states.InvokeResult{Payload: python(strings.Repeat("a", asl.MaxPayload))}, nil
	case strings.HasPrefix(name, "Lambda."):
		message := fmt.Sprintf("Function not found: arn:aws:lambda:us-east-1:111111111111:function:%s:$LATEST", function)
		return states.InvokeResult{}, &wire.Error{Code: strings.TrimPrefix(name, "Lambda."), Message: message, Status: 404}
	}
	return states.InvokeResult{Payload: python(o.err["cause"]), FunctionError: "Unhandled"}, nil
}

// next is the outcome of this call: what returned this very payload, or else
// the next one recorded. A distributed Map's calls were not recorded; its
// functions are identities.
func (f *recordedFunctions) next(payload []byte) *recordedOutcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	var given any
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber()
	_ = decoder.Decode(&given)
	var first *recordedOutcome
	for _, o := range f.outcomes {
		if o.used {
			continue
		}
		if first == nil {
			first = o
		}
		if o.payload != nil && reflect.DeepEqual(o.payload, given) {
			first = o
			break
		}
	}
	if first != nil {
		first.used = true
	}
	return first
}

// python writes JSON as the recorded functions' runtime did: a space after
// each comma and colon.
func python(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	return []byte(asltest.Case{Input: b.Bytes()}.InputText())
}
