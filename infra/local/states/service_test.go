package states_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-ml/sluice/infra/local/asl"
	"github.com/sluice-ml/sluice/infra/local/assembly"
	"github.com/sluice-ml/sluice/infra/local/states"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

const waits = `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":3600,"End":true}}}`

func jsonata(states string) string {
	return `{"QueryLanguage":"JSONata","StartAt":"A","States":{` + states + `}}`
}

// TestStartIdempotency: the same name and input while it runs is the same
// execution; every other use of the name is refused.
func TestStartIdempotency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, states.Options{Dir: t.TempDir()})
		arn := create(t, s, "m", waits)
		start := func(input string, status int) map[string]any {
			return call(t, s, "StartExecution", map[string]any{"stateMachineArn": arn, "name": "n", "input": input}, status)
		}
		first := start(`{"a":1}`, http.StatusOK)
		if again := start(`{"a":1}`, http.StatusOK); again["executionArn"] != first["executionArn"] || again["startDate"] != first["startDate"] {
			t.Errorf("the second start gave %v, the first %v", again, first)
		}
		if other := start(`{"a":2}`, http.StatusBadRequest); other["__type"] != "ExecutionAlreadyExists" {
			t.Errorf("another input: %v", other)
		}
		if _, err := s.Wait(t.Context(), first["executionArn"].(string)); err != nil {
			t.Fatal(err)
		}
		if ended := start(`{"a":1}`, http.StatusBadRequest); ended["__type"] != "ExecutionAlreadyExists" {
			t.Errorf("after the end: %v", ended)
		}
	})
}

func TestAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, states.Options{Dir: t.TempDir()})
		arn := create(t, s, "m", waits)
		create(t, s, "m", waits) // creating the same again is a success
		described := call(t, s, "DescribeStateMachine", map[string]any{"stateMachineArn": arn}, http.StatusOK)
		if described["name"] != "m" || described["definition"] != waits || described["status"] != "ACTIVE" || described["type"] != "STANDARD" {
			t.Errorf("described %v", described)
		}
		var names []string
		for _, name := range []string{"x", "y", "z"} {
			out := call(t, s, "StartExecution", map[string]any{"stateMachineArn": arn, "name": name}, http.StatusOK)
			names = append(names, out["executionArn"].(string))
			time.Sleep(time.Second)
		}
		stopped := call(t, s, "StopExecution", map[string]any{"executionArn": names[1], "error": "E", "cause": "C"}, http.StatusOK)
		if stopped["stopDate"] == nil {
			t.Errorf("stopped %v", stopped)
		}
		execution := call(t, s, "DescribeExecution", map[string]any{"executionArn": names[1]}, http.StatusOK)
		if execution["status"] != "ABORTED" || execution["error"] != "E" || execution["cause"] != "C" || execution["input"] != "{}" {
			t.Errorf("described %v", execution)
		}
		list := call(t, s, "ListExecutions", map[string]any{"stateMachineArn": arn, "maxResults": 2}, http.StatusOK)
		if got := list["executions"].([]any); len(got) != 2 || got[0].(map[string]any)["name"] != "z" || list["nextToken"] == nil {
			t.Errorf("listed %v", list)
		}
		list = call(t, s, "ListExecutions", map[string]any{"stateMachineArn": arn, "statusFilter": "RUNNING", "nextToken": "1"}, http.StatusOK)
		if got := list["executions"].([]any); len(got) != 1 || got[0].(map[string]any)["name"] != "x" {
			t.Errorf("listed %v", list)
		}
		history := call(t, s, "GetExecutionHistory", map[string]any{"executionArn": names[1], "reverseOrder": true, "maxResults": 1}, http.StatusOK)
		if got := history["events"].([]any)[0].(map[string]any); got["type"] != "ExecutionAborted" || history["nextToken"] != "1" {
			t.Errorf("history %v", history)
		}
		if all := call(t, s, "ListStateMachines", map[string]any{}, http.StatusOK)["stateMachines"].([]any); len(all) != 1 {
			t.Errorf("listed %v", all)
		}
	})
}

func TestAPIErrors(t *testing.T) {
	s := open(t, states.Options{Dir: t.TempDir()})
	arn := create(t, s, "m", `{"StartAt":"A","States":{"A":{"Type":"Succeed"}}}`)
	for _, c := range []struct {
		operation string
		in        any
		code      string
	}{
		{"CreateStateMachine", map[string]any{"name": "m", "definition": waits}, "StateMachineAlreadyExists"},
		{"CreateStateMachine", map[string]any{"name": "bad", "definition": `{"StartAt":"A"}`}, "InvalidDefinition"},
		{"CreateStateMachine", map[string]any{"name": "a b", "definition": waits}, "InvalidName"},
		{"CreateStateMachine", map[string]any{"name": "e", "definition": waits, "type": "EXPRESS"}, "ValidationException"},
		{"CreateStateMachine", map[string]any{"name": "e", "definition": waits, "publish": true}, "ValidationException"},
		{"DescribeStateMachine", map[string]any{"stateMachineArn": arn + "x"}, "StateMachineDoesNotExist"},
		{"StartExecution", map[string]any{"stateMachineArn": arn + "x"}, "StateMachineDoesNotExist"},
		{"StartExecution", map[string]any{"stateMachineArn": arn, "input": "{"}, "InvalidExecutionInput"},
		{"StartExecution", map[string]any{"stateMachineArn": arn, "input": ""}, "InvalidExecutionInput"},
		{"StartExecution", map[string]any{"stateMachineArn": arn, "name": "a/b"}, "InvalidName"},
		{"StartExecution", map[string]any{"stateMachineArn": arn, "input": `"` + strings.Repeat("x", asl.MaxPayload) + `"`}, "ValidationException"},
		{"DescribeExecution", map[string]any{"executionArn": "arn:none"}, "InvalidArn"},
		{"GetExecutionHistory", map[string]any{"executionArn": "none"}, "InvalidArn"},
		{"ListExecutions", map[string]any{"stateMachineArn": arn, "nextToken": "x"}, "InvalidToken"},
		{"SendTaskSuccess", map[string]any{"taskToken": "none", "output": "{}"}, "InvalidToken"},
		{"SendTaskSuccess", map[string]any{"taskToken": strings.Repeat("A", 43), "output": "{}"}, "TaskTimedOut"},
		{"SendTaskSuccess", map[string]any{"taskToken": "none", "output": "{"}, "InvalidOutput"},
		{"RedriveExecution", map[string]any{"executionArn": arn}, "InvalidArn"},
		{"UpdateStateMachine", map[string]any{"stateMachineArn": arn}, "MissingRequiredParameter"},
		{"UpdateStateMachine", map[string]any{"stateMachineArn": arn, "definition": "{}"}, "InvalidDefinition"},
		{"UpdateStateMachine", map[string]any{"stateMachineArn": arn + "x", "definition": "{}"}, "StateMachineDoesNotExist"},
		{"ListTagsForResource", map[string]any{"resourceArn": arn + "x"}, "ResourceNotFound"},
		{"DescribeStateMachineForExecution", map[string]any{"executionArn": strings.Replace(arn, "stateMachine", "execution", 1) + ":none"}, "ExecutionDoesNotExist"},
		{"CreateStateMachine", map[string]any{"name": "r", "definition": waits, "roleArn": "arn:role"}, "InvalidArn"},
		{"CreateStateMachine", map[string]any{"name": "r", "definition": waits, "roleArn": role, "loggingConfiguration": map[string]any{"level": "ALL"}}, "InvalidLoggingConfiguration"},
		{"CreateStateMachine", map[string]any{"name": "r", "definition": waits, "roleArn": role, "loggingConfiguration": map[string]any{"level": "LOUD"}}, "ValidationException"},
		{"UpdateStateMachine", map[string]any{"stateMachineArn": arn, "roleArn": "r"}, "InvalidArn"},
		{"DescribeStateMachine", map[string]any{"stateMachineArn": "m"}, "InvalidArn"},
		{"DeleteStateMachine", map[string]any{"stateMachineArn": "m"}, "InvalidArn"},
		{"ListExecutions", map[string]any{"stateMachineArn": arn, "statusFilter": "DONE"}, "ValidationException"},
		{"ListExecutions", map[string]any{"stateMachineArn": arn, "redriveFilter": "YES"}, "ValidationException"},
		{"ListExecutions", map[string]any{"stateMachineArn": arn, "maxResults": -1}, "ValidationException"},
		{"ListStateMachines", map[string]any{"maxResults": 1001}, "ValidationException"},
		{"StartSyncExecution", map[string]any{"stateMachineArn": arn}, "UnknownOperationException"},
	} {
		if out := call(t, s, c.operation, c.in, http.StatusBadRequest); out["__type"] != c.code {
			t.Errorf("%s %v: %v, want %s", c.operation, c.in, out, c.code)
		}
	}
}

// TestUnknownIntegration: a definition with a task that nobody runs is
// refused at its place.
func TestUnknownIntegration(t *testing.T) {
	s := open(t, states.Options{Dir: t.TempDir(), Lambda: lambdaFunc(nil)})
	for resource, why := range map[string]string{
		"arn:aws:states:::glue:startJobRun.sync":            "does not run the resource",
		"arn:aws:states:::lambda:invoke.sync":               "does not run the resource",
		"arn:aws:states:::batch:submitJob.waitForTaskToken": "does not run the resource",
		"arn:aws:states:::batch:submitJob.sync":             "JobName",
		"arn:aws:states:::aws-sdk:s3:listBuckets":           "no SDK",
		"arn:aws:states:::aws-sdk:s3:listBuckets.sync":      "have no .sync",
		"arn:aws:states:eu-west-1:1:activity:x":             "does not run the resource",
		"arn:aws:states:::lambda:invoke":                    `"Shout" is not supported`,
	} {
		definition := jsonata(`"A":{"Type":"Task","Resource":"` + resource + `","Arguments":{"FunctionName":"f","Shout":1},"End":true}`)
		out := call(t, s, "CreateStateMachine", map[string]any{"name": "m", "definition": definition}, http.StatusBadRequest)
		message := out["message"].(string)
		if out["__type"] != "InvalidDefinition" || !strings.Contains(message, why) || !strings.Contains(message, "at /States/A/Resource") {
			t.Errorf("%s: %v", resource, out)
		}
	}
}

type lambdaFunc func(ctx context.Context, function string, payload []byte) (states.InvokeResult, error)

func (f lambdaFunc) Invoke(ctx context.Context, function string, payload []byte) (states.InvokeResult, error) {
	return f(ctx, function, payload)
}

// TestLambdaErrors: function errors have their errorType; what goes wrong
// outside the function has Lambda's name.
func TestLambdaErrors(t *testing.T) {
	for name, c := range map[string]struct {
		result states.InvokeResult
		err    error
		want   string
		cause  string
	}{
		"function": {states.InvokeResult{FunctionError: "Unhandled", Payload: []byte(`{"errorType": "Sluice.Invalid", "errorMessage": "why"}`)}, nil, "Sluice.Invalid", `{"errorType":"Sluice.Invalid","errorMessage":"why"}`},
		"no type":  {states.InvokeResult{FunctionError: "Unhandled", Payload: []byte(`{}`)}, nil, "Lambda.Unknown", "{}"},
		"throttle": {states.InvokeResult{}, &wire.Error{Code: "TooManyRequestsException", Message: "slow down", Status: 429}, "Lambda.TooManyRequestsException", "slow down (Service: AWSLambda; Status Code: 429; Error Code: TooManyRequestsException; "},
		"unknown":  {states.InvokeResult{}, errors.New("the pipe broke"), "Lambda.Unknown", "the pipe broke"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := open(t, states.Options{Dir: t.TempDir(), Lambda: lambdaFunc(func(context.Context, string, []byte) (states.InvokeResult, error) { return c.result, c.err })})
			d := runTo(t, s, jsonata(`"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Arguments":{"FunctionName":"f"},"End":true}`), "{}")
			if d.Status != asl.Failed || d.Error != c.want || !strings.Contains(d.Cause, c.cause) {
				t.Errorf("%s: %+v", name, d)
			}
		})
	}
}

// runTo creates a machine, runs it once and gives how it ended.
func runTo(t *testing.T, s *states.Service, definition, input string) states.Description {
	t.Helper()
	d, err := s.Start(t.Context(), states.StartRequest{MachineARN: create(t, s, "m", definition), Input: input})
	if err != nil {
		t.Fatal(err)
	}
	if d, err = s.Wait(t.Context(), d.ARN); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestTaskToken: a task waits until its token comes back, once.
func TestTaskToken(t *testing.T) {
	definition := jsonata(`"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","HeartbeatSeconds":60,"End":true,
		"Arguments":{"FunctionName":"f","Payload":{"token":"{% $states.context.Task.Token %}"}}}`)
	for operation, want := range map[string]asl.Status{"SendTaskSuccess": asl.Succeeded, "SendTaskFailure": asl.Failed} {
		synctest.Test(t, func(t *testing.T) {
			tokens := make(chan string, 1)
			s := open(t, states.Options{Dir: t.TempDir(), Lambda: lambdaFunc(func(_ context.Context, _ string, payload []byte) (states.InvokeResult, error) {
				var in struct{ Token string }
				err := json.Unmarshal(payload, &in)
				tokens <- in.Token
				return states.InvokeResult{Payload: []byte("1")}, err
			})})
			go func() {
				token := <-tokens
				for range 3 {
					time.Sleep(50 * time.Second)
					call(t, s, "SendTaskHeartbeat", map[string]any{"taskToken": token}, http.StatusOK)
				}
				in := map[string]any{"taskToken": token, "output": `{"ok":true}`}
				if operation == "SendTaskFailure" {
					in = map[string]any{"taskToken": token, "error": "Human.Refused", "cause": "no"}
				}
				call(t, s, operation, in, http.StatusOK)
				call(t, s, operation, in, http.StatusBadRequest)
			}()
			d := runTo(t, s, definition, "{}")
			if d.Status != want || want == asl.Succeeded && d.Output != `{"ok":true}` || want == asl.Failed && d.Error != "Human.Refused" {
				t.Errorf("%s: %+v", operation, d)
			}
			synctest.Wait()
		})
	}
}

// TestChildExecution: .sync and .sync:2 wait for the child and describe it;
// its failure is the task's.
func TestChildExecution(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, states.Options{Dir: t.TempDir()})
		child := create(t, s, "child", jsonata(`"A":{"Type":"Wait","Seconds":600,"Next":"B"},
			"B":{"Type":"Choice","Choices":[{"Condition":"{% $states.input.fail %}","Next":"F"}],"Default":"S"},"F":{"Type":"Fail","Error":"Sluice.Invalid","Cause":"bad rows"},"S":{"Type":"Succeed"}`))
		parent := create(t, s, "parent", jsonata(`"A":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync:2","End":true,
			"Arguments":{"StateMachineArn":"`+child+`","Name":"{% $states.input.name %}","Input":"{% $states.input %}"},
			"Output":"{% {'output': $states.result.Output, 'status': $states.result.Status} %}",
			"Catch":[{"ErrorEquals":["States.TaskFailed"],"Output":"{% $parse($states.errorOutput.Cause).[Error, Cause, Status] %}","Next":"C"}]},"C":{"Type":"Succeed"}`))
		for input, want := range map[string]string{
			`{"name":"good","fail":false}`: `{"output":{"name":"good","fail":false},"status":"SUCCEEDED"}`,
			`{"name":"bad","fail":true}`:   `["Sluice.Invalid","bad rows","FAILED"]`,
		} {
			d, err := s.Start(t.Context(), states.StartRequest{MachineARN: parent, Input: input})
			if err != nil {
				t.Fatal(err)
			}
			if d, err = s.Wait(t.Context(), d.ARN); err != nil || d.Output != want {
				t.Errorf("%s: %+v %v", input, d, err)
			}
		}
		d, err := s.Start(t.Context(), states.StartRequest{MachineARN: parent, Input: `{"name":"stopped","fail":false}`})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := s.Stop(t.Context(), d.ARN, "", ""); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		stopped, err := s.Describe(strings.Replace(child, "stateMachine", "execution", 1) + ":stopped")
		if err != nil || stopped.Status != asl.Aborted {
			t.Errorf("stopping the parent left the child %+v %v", stopped, err)
		}
	})
}

// jobs is a Batch that keeps its jobs while services come and go.
type jobs struct {
	mu         sync.Mutex
	byAttempt  map[string]string
	parameters []json.RawMessage
	terminated []string
	takes      time.Duration
	fails      bool
}

func (j *jobs) Submit(ctx context.Context, parameters json.RawMessage) (string, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.byAttempt == nil {
		j.byAttempt = map[string]string{}
	}
	attempt := states.Attempt(ctx)
	if j.byAttempt[attempt] == "" {
		j.byAttempt[attempt] = "job-" + string(rune('a'+len(j.byAttempt)))
		j.parameters = append(j.parameters, parameters)
	}
	return j.byAttempt[attempt], nil
}

func (j *jobs) Wait(ctx context.Context, id string) (json.RawMessage, bool, error) {
	j.mu.Lock()
	takes := j.takes
	j.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, false, ctx.Err()
	case <-time.After(takes):
		return json.RawMessage(`{"JobId":"` + id + `","Status":"DONE"}`), j.fails, nil
	}
}

func (j *jobs) Terminate(_ context.Context, id, _ string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.terminated = append(j.terminated, id)
}

const trains = `"A":{"Type":"Task","Resource":"arn:aws:states:::batch:submitJob.sync","TimeoutSeconds":100,"End":true,
	"Arguments":{"JobName":"train","JobQueue":"q","JobDefinition":"d","ContainerOverrides":{"Environment":[{"Name":"A","Value":"1"}]}}}`

func TestBatch(t *testing.T) {
	for name, c := range map[string]struct {
		jobs       *jobs
		status     asl.Status
		err        string
		terminated int
	}{
		"succeeds": {&jobs{takes: time.Minute}, asl.Succeeded, "", 0},
		"fails":    {&jobs{takes: time.Minute, fails: true}, asl.Failed, asl.ErrTaskFailed, 0},
		"too late": {&jobs{takes: time.Hour}, asl.Failed, asl.ErrTimeout, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := open(t, states.Options{Dir: t.TempDir(), Batch: c.jobs})
			d := runTo(t, s, jsonata(trains), "{}")
			synctest.Wait()
			if d.Status != c.status || d.Error != c.err || len(c.jobs.terminated) != c.terminated {
				t.Errorf("%s: %+v, terminated %v", name, d, c.jobs.terminated)
			}
			const environment = `[{"Name":"A","Value":"1"},{"Name":"MANAGED_BY_AWS","Value":"STARTED_BY_STEP_FUNCTIONS"}]`
			if !strings.Contains(string(c.jobs.parameters[0]), environment) {
				t.Errorf("%s: submitted %s", name, c.jobs.parameters[0])
			}
		})
	}
}

// TestSDK: results pass through, errors get the service's name.
func TestSDK(t *testing.T) {
	s := open(t, states.Options{Dir: t.TempDir(), SDK: sdkFunc(func(service, operation string, parameters json.RawMessage) (json.RawMessage, error) {
		if operation == "describeEndpoint" {
			return nil, &wire.Error{Code: "ValidationException", Message: "no such endpoint"}
		}
		return json.RawMessage(`{"service":"` + service + `","operation":"` + operation + `","parameters":` + string(parameters) + `}`), nil
	})})
	d := runTo(t, s, jsonata(`"A":{"Type":"Task","Resource":"arn:aws:states:::sns:publish","Arguments":{"TopicArn":"t"},"End":true}`), "{}")
	if d.Output != `{"service":"sns","operation":"publish","parameters":{"TopicArn":"t"}}` {
		t.Errorf("%+v", d)
	}
	d, err := s.Start(t.Context(), states.StartRequest{MachineARN: create(t, s, "sdk", jsonata(`"A":{"Type":"Task","Resource":"arn:aws:states:::aws-sdk:sagemaker:describeEndpoint","Arguments":{},"End":true}`))})
	if err != nil {
		t.Fatal(err)
	}
	if d, err = s.Wait(t.Context(), d.ARN); err != nil {
		t.Fatal(err)
	}
	if d.Error != "SageMaker.ValidationException" || !strings.HasPrefix(d.Cause, "no such endpoint (Service: SageMaker, Status Code: 400") {
		t.Errorf("%+v", d)
	}
}

type sdkFunc func(service, operation string, parameters json.RawMessage) (json.RawMessage, error)

func (f sdkFunc) Check(string, string, []string) error { return nil }

func (f sdkFunc) Call(_ context.Context, service, operation string, parameters json.RawMessage) (json.RawMessage, error) {
	return f(service, operation, parameters)
}

func TestCreator(t *testing.T) {
	s := open(t, states.Options{Dir: t.TempDir()})
	fetch := func(_ context.Context, bucket, key string) ([]byte, error) {
		if bucket+"/"+key != "assets/definition.json" {
			return nil, errors.New("not there")
		}
		return []byte(`{"StartAt":"A","States":{"A":{"Type":"Pass","Result":"${Table} ${Other}","End":true}}}`), nil
	}
	makeIt := func(properties string) (assembly.Created, error) {
		return s.Creator(fetch)(t.Context(), assembly.Resource{LogicalID: "Lifecycle", Type: states.ResourceType, Properties: json.RawMessage(properties)})
	}
	made, err := makeIt(`{"StateMachineName":"sluice-staging-lifecycle","RoleArn":"arn:aws:iam::111111111111:role/role","StateMachineType":"STANDARD","DefinitionS3Location":{"Bucket":"assets","Key":"definition.json"},
		"DefinitionSubstitutions":{"Table":"lake"},"LoggingConfiguration":{"Level":"ALL","IncludeExecutionData":true,"Destinations":[{"CloudWatchLogsLogGroup":{"LogGroupArn":"arn:aws:logs:us-east-1:111111111111:log-group:g:*"}}]},
		"TracingConfiguration":{"Enabled":true},"Tags":[{"Key":"a","Value":"b"}]}`)
	arn := "arn:aws:states:us-east-1:111111111111:stateMachine:sluice-staging-lifecycle"
	if err != nil || made.Ref != arn || made.Attributes["Arn"] != arn || made.Attributes["Name"] != "sluice-staging-lifecycle" {
		t.Fatalf("%+v %v", made, err)
	}
	described := call(t, s, "DescribeStateMachine", map[string]any{"stateMachineArn": arn}, http.StatusOK)
	if !strings.Contains(described["definition"].(string), `"lake ${Other}"`) || described["loggingConfiguration"].(map[string]any)["level"] != "ALL" {
		t.Errorf("%v", described)
	}
	if made, err = makeIt(`{"DefinitionString":"{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Succeed\"}}}","RoleArn":"` + role + `"}`); err != nil || !strings.HasSuffix(made.Ref, ":Lifecycle") {
		t.Errorf("%+v %v", made, err)
	}
	for properties, why := range map[string]string{
		`{"RoleArn":"r"}`:                                        "is required",
		`{"DefinitionString":"{}","RoleArn":"r"}`:                "These fields are required",
		`{"DefinitionString":"{}","EncryptionConfiguration":{}}`: "EncryptionConfiguration",
		`{"DefinitionString":"{}","StateMachineType":"EXPRESS"}`: "STANDARD",
		`{"DefinitionS3Location":{"Bucket":"assets","Key":"x"}}`: "s3://assets/x",
	} {
		if _, err := makeIt(properties); err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), "Lifecycle") {
			t.Errorf("%s: %v", properties, err)
		}
	}
}
