package states_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-ml/sluice/infra/local/asl"
	"github.com/sluice-ml/sluice/infra/local/states"
)

// ledger is a Lambda that takes a while for each payload, and counts them.
type ledger struct {
	mu    sync.Mutex
	takes time.Duration
	calls map[string]int // payload → calls that were finished
	begun map[string]int
}

func newLedger(takes time.Duration) *ledger {
	return &ledger{takes: takes, calls: map[string]int{}, begun: map[string]int{}}
}

func (l *ledger) Invoke(ctx context.Context, _ string, payload []byte) (states.InvokeResult, error) {
	l.mu.Lock()
	l.begun[string(payload)]++
	l.mu.Unlock()
	select {
	case <-ctx.Done():
		return states.InvokeResult{}, ctx.Err()
	case <-time.After(l.takes):
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls[string(payload)]++
	if string(payload) == `"bad"` {
		return states.InvokeResult{Payload: []byte(`{"errorType":"Bad","errorMessage":"no"}`), FunctionError: "Unhandled"}, nil
	}
	return states.InvokeResult{Payload: payload}, nil
}

// mapped is a machine whose children call a function and then wait a minute.
func mapped(fields, execution string) string {
	return jsonata(`"A":{"Type":"Map","Label":"each",` + fields + `,"End":true,"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"` + execution + `"},"StartAt":"T","States":{
		"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Arguments":{"FunctionName":"f","Payload":"{% $states.input %}"},"Output":"{% $states.result.Payload %}","Next":"W"},
		"W":{"Type":"Wait","Seconds":60,"End":true}}}}`)
}

func start(t *testing.T, s *states.Service, machine, input string) string {
	t.Helper()
	d, err := s.Start(t.Context(), states.StartRequest{MachineARN: machine, Name: "run", Input: input})
	if err != nil {
		t.Fatal(err)
	}
	return d.ARN
}

// onlyRun is the ARN of the execution's one map run.
func onlyRun(t *testing.T, s *states.Service, execution string) string {
	t.Helper()
	runs := call(t, s, "ListMapRuns", map[string]any{"executionArn": execution}, http.StatusOK)["mapRuns"].([]any)
	if len(runs) != 1 {
		t.Fatalf("%d map runs: %v", len(runs), runs)
	}
	return runs[0].(map[string]any)["mapRunArn"].(string)
}

// someCounts are the counts of DescribeMapRun that are not zero.
func someCounts(described map[string]any, member string) string {
	counts := described[member].(map[string]any)
	maps.DeleteFunc(counts, func(_ string, v any) bool { return v == 0.0 })
	text, _ := json.Marshal(counts)
	return string(text)
}

// TestMapRun: a map run and its child executions by the API, while it runs and
// afterwards.
func TestMapRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, states.Options{Dir: t.TempDir(), Lambda: newLedger(time.Minute)})
		machine := create(t, s, "m", mapped(`"Items":"{% ['a','bad','c','d'] %}","MaxConcurrency":2,"ToleratedFailurePercentage":25`, "STANDARD"))
		arn := start(t, s, machine, `{}`)
		time.Sleep(90 * time.Second) // two have been called, one has failed, the third is called
		run := onlyRun(t, s, arn)
		described := call(t, s, "DescribeMapRun", map[string]any{"mapRunArn": run}, http.StatusOK)
		if got := someCounts(described, "itemCounts"); got != `{"failed":1,"pending":1,"resultsWritten":1,"running":2,"total":4}` {
			t.Errorf("while it runs: %s", got)
		}
		if described["status"] != "RUNNING" || described["maxConcurrency"] != 2.0 || described["toleratedFailurePercentage"] != 25.0 || described["executionArn"] != arn || described["stopDate"] != nil {
			t.Errorf("described %v", described)
		}
		d, err := s.Wait(t.Context(), arn)
		if err != nil || d.Output != `["a","c","d"]` {
			t.Fatalf("%+v %v", d, err)
		}
		described = call(t, s, "DescribeMapRun", map[string]any{"mapRunArn": run}, http.StatusOK)
		if got := someCounts(described, "executionCounts"); got != `{"failed":1,"resultsWritten":4,"succeeded":3,"total":4}` || described["status"] != "SUCCEEDED" || described["stopDate"] == nil {
			t.Errorf("at the end: %s %v", got, described)
		}
		checkChildren(t, s, machine, run)
		events := eventTypes(t, s, arn)
		if want := "ExecutionStarted MapStateEntered MapStateStarted MapRunStarted MapRunSucceeded MapStateSucceeded MapStateExited ExecutionSucceeded"; events != want {
			t.Errorf("the history is %s", events)
		}
	})
}

func checkChildren(t *testing.T, s *states.Service, machine, run string) {
	t.Helper()
	first := call(t, s, "ListExecutions", map[string]any{"mapRunArn": run, "maxResults": 3}, http.StatusOK)
	rest := call(t, s, "ListExecutions", map[string]any{"mapRunArn": run, "nextToken": first["nextToken"]}, http.StatusOK)
	all := append(first["executions"].([]any), rest["executions"].([]any)...)
	if len(all) != 4 {
		t.Fatalf("%d children", len(all))
	}
	failed := call(t, s, "ListExecutions", map[string]any{"mapRunArn": run, "statusFilter": "FAILED"}, http.StatusOK)["executions"].([]any)
	if len(failed) != 1 {
		t.Fatalf("failed: %v", failed)
	}
	child := all[3].(map[string]any) // the newest is first
	if child["mapRunArn"] != run || child["itemCount"] != 1.0 || child["stateMachineArn"] != machine+"/each" || child["status"] != "SUCCEEDED" {
		t.Errorf("the child is %v", child)
	}
	arn := child["executionArn"].(string)
	described := call(t, s, "DescribeExecution", map[string]any{"executionArn": arn}, http.StatusOK)
	if described["input"] != `"a"` || described["output"] != `"a"` || described["mapRunArn"] != run || described["name"] != child["name"] {
		t.Errorf("the child is described as %v", described)
	}
	want := "ExecutionStarted TaskStateEntered TaskScheduled TaskStarted TaskSucceeded TaskStateExited WaitStateEntered WaitStateExited ExecutionSucceeded"
	if got := eventTypes(t, s, arn); got != want {
		t.Errorf("the child's history is %s", got)
	}
	described = call(t, s, "DescribeExecution", map[string]any{"executionArn": failed[0].(map[string]any)["executionArn"]}, http.StatusOK)
	if described["error"] != "Bad" || described["output"] != nil {
		t.Errorf("the failed child is described as %v", described)
	}
	if main := call(t, s, "ListExecutions", map[string]any{"stateMachineArn": machine}, http.StatusOK)["executions"].([]any); len(main) != 1 {
		t.Errorf("the machine's own executions are %v", main)
	}
}

func TestMapRunErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, states.Options{Dir: t.TempDir(), Lambda: newLedger(time.Second)})
		machine := create(t, s, "m", mapped(`"Items":[1]`, "STANDARD"))
		arn := start(t, s, machine, `{}`)
		if _, err := s.Wait(t.Context(), arn); err != nil {
			t.Fatal(err)
		}
		run := onlyRun(t, s, arn)
		for _, c := range []struct {
			operation string
			in        map[string]any
			code      string
		}{
			{"DescribeMapRun", map[string]any{"mapRunArn": run + "x"}, "ResourceNotFound"},
			{"DescribeMapRun", map[string]any{"mapRunArn": arn}, "InvalidArn"},
			{"ListMapRuns", map[string]any{"executionArn": arn + "x"}, "ExecutionDoesNotExist"},
			{"ListExecutions", map[string]any{"mapRunArn": run + "x"}, "ResourceNotFound"},
			{"ListExecutions", map[string]any{"mapRunArn": run, "stateMachineArn": machine}, "ValidationException"},
			{"UpdateMapRun", map[string]any{"mapRunArn": run, "maxConcurrency": 2}, "ValidationException"}, // it has ended
			{"UpdateMapRun", map[string]any{"mapRunArn": run, "maxConcurrency": -1}, "ValidationException"},
			{"UpdateMapRun", map[string]any{"mapRunArn": run, "toleratedFailureCount": -1}, "ValidationException"},
			{"UpdateMapRun", map[string]any{"mapRunArn": run, "toleratedFailurePercentage": 100.5}, "ValidationException"},
			{"UpdateMapRun", map[string]any{"mapRunArn": run + "x", "maxConcurrency": 1}, "ResourceNotFound"},
			{"DescribeExecution", map[string]any{"executionArn": strings.Replace(arn, "m:run", "m/each:run", 1)}, "ExecutionDoesNotExist"},
		} {
			if got := call(t, s, c.operation, c.in, http.StatusBadRequest); got["__type"] != c.code {
				t.Errorf("%s %v: %v, want %s", c.operation, c.in, got, c.code)
			}
		}
		refused := call(t, s, "CreateStateMachine", map[string]any{"name": "r", "roleArn": role, "definition": mapped(
			`"ItemReader":{"Resource":"arn:aws:states:::s3:listObjectsV2","Arguments":{"Bucket":"b"}}`, "STANDARD")}, http.StatusBadRequest)
		if refused["__type"] != "InvalidDefinition" || !strings.Contains(refused["message"].(string), "no S3") {
			t.Errorf("without S3: %v", refused)
		}
	})
}

// TestUpdateMapRun: limits change while the run runs, and stay over a kill.
func TestUpdateMapRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, lambda := t.TempDir(), newLedger(time.Minute)
		s := open(t, states.Options{Dir: dir, Lambda: lambda})
		arn := start(t, s, create(t, s, "m", mapped(`"Items":"{% ['bad',2,3,4] %}","MaxConcurrency":1`, "STANDARD")), `{}`)
		time.Sleep(30 * time.Second)
		run := onlyRun(t, s, arn)
		call(t, s, "UpdateMapRun", map[string]any{"mapRunArn": run, "maxConcurrency": 3, "toleratedFailureCount": 1}, http.StatusOK)
		synctest.Wait()
		if described := call(t, s, "DescribeMapRun", map[string]any{"mapRunArn": run}, http.StatusOK); someCounts(described, "itemCounts") != `{"pending":1,"running":3,"total":4}` || described["maxConcurrency"] != 3.0 {
			t.Errorf("described %v", described)
		}
		dir = kill(t, s, dir)
		s = recovered(t, states.Options{Dir: dir, Lambda: lambda})
		d, err := s.Wait(t.Context(), arn)
		if err != nil || d.Output != `[2,3,4]` {
			t.Fatalf("%+v %v", d, err)
		}
		if described := call(t, s, "DescribeMapRun", map[string]any{"mapRunArn": run}, http.StatusOK); described["toleratedFailureCount"] != 1.0 || described["status"] != "SUCCEEDED" {
			t.Errorf("described %v", described)
		}
	})
}

// TestStopChild: StopExecution of a child aborts that child alone; of the
// execution, all that still run.
func TestStopChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, states.Options{Dir: t.TempDir(), Lambda: newLedger(time.Minute)})
		arn := start(t, s, create(t, s, "m", mapped(`"Items":[1,2,3],"ToleratedFailureCount":1`, "STANDARD")), `{}`)
		time.Sleep(90 * time.Second)
		run := onlyRun(t, s, arn)
		list := call(t, s, "ListExecutions", map[string]any{"mapRunArn": run}, http.StatusOK)["executions"].([]any)
		child := list[0].(map[string]any)["executionArn"].(string)
		call(t, s, "StopExecution", map[string]any{"executionArn": child, "error": "Enough", "cause": "seen"}, http.StatusOK)
		d, err := s.Describe(child)
		if err != nil || d.Status != asl.Aborted || d.Error != "Enough" || d.Cause != "seen" {
			t.Errorf("the child: %+v %v", d, err)
		}
		if out := call(t, s, "RedriveExecution", map[string]any{"executionArn": child}, http.StatusBadRequest); out["__type"] != "ExecutionNotRedrivable" || d.RedriveStatus() != "NOT_REDRIVABLE" {
			t.Errorf("the child's redrive: %v", out)
		}
		if got := eventTypes(t, s, child); !strings.HasSuffix(got, "WaitStateEntered ExecutionAborted") {
			t.Errorf("the child's history is %s", got)
		}
		call(t, s, "StopExecution", map[string]any{"executionArn": child}, http.StatusOK) // again is no error
		call(t, s, "StopExecution", map[string]any{"executionArn": arn}, http.StatusOK)
		described := call(t, s, "DescribeMapRun", map[string]any{"mapRunArn": run}, http.StatusOK)
		if got := someCounts(described, "itemCounts"); got != `{"aborted":3,"resultsWritten":3,"total":3}` || described["status"] != "ABORTED" {
			t.Errorf("after the stop: %s %v", got, described["status"])
		}
	})
}

// TestExpressChildren are not executions that one can ask about.
func TestExpressChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, states.Options{Dir: dir, Lambda: newLedger(time.Second)})
		arn := start(t, s, create(t, s, "m", mapped(`"Items":[1,2]`, "EXPRESS")), `{}`)
		if d, err := s.Wait(t.Context(), arn); err != nil || d.Output != `[1,2]` {
			t.Fatalf("%+v %v", d, err)
		}
		run := onlyRun(t, s, arn)
		if list := call(t, s, "ListExecutions", map[string]any{"mapRunArn": run}, http.StatusOK)["executions"].([]any); len(list) != 0 {
			t.Errorf("listed %v", list)
		}
		if described := call(t, s, "DescribeMapRun", map[string]any{"mapRunArn": run}, http.StatusOK); someCounts(described, "executionCounts") != `{"resultsWritten":2,"succeeded":2,"total":2}` {
			t.Errorf("described %v", described)
		}
		journals, err := filepath.Glob(filepath.Join(dir, "executions", "m", "run", "map-runs", "*", "journal.jsonl"))
		if err != nil || len(journals) != 1 {
			t.Fatal(journals, err)
		}
		if text, _ := os.ReadFile(journals[0]); strings.Contains(string(text), " event ") || strings.Count(string(text), "\n") != 4 {
			t.Errorf("the journal is %s", text)
		}
	})
}

// TestRecoverMapRun kills the stack at every stage of a map run. No item that
// was done is done again, and children go on where they were.
func TestRecoverMapRun(t *testing.T) {
	for _, kind := range []string{"STANDARD", "EXPRESS"} {
		for _, at := range [][]time.Duration{{30 * time.Second}, {90 * time.Second}, {3 * time.Minute}, {10 * time.Second, 100 * time.Second, 200 * time.Second}} {
			t.Run(fmt.Sprint(kind, at), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					dir, lambda := t.TempDir(), newLedger(time.Minute)
					s := open(t, states.Options{Dir: dir, Lambda: lambda})
					machine := create(t, s, "m", mapped(`"Items":"{% $states.input %}","ItemBatcher":{"MaxItemsPerBatch":2},"MaxConcurrency":2`, kind))
					arn := start(t, s, machine, `[1,2,3,4,5,6,7]`)
					begin := time.Now()
					run := ""
					for _, when := range at {
						time.Sleep(time.Until(begin.Add(when)))
						run = onlyRun(t, s, arn)
						dir = kill(t, s, dir)
						s = recovered(t, states.Options{Dir: dir, Lambda: lambda})
					}
					d, err := s.Wait(t.Context(), arn)
					if err != nil || d.Output != `[{"Items":[1,2]},{"Items":[3,4]},{"Items":[5,6]},{"Items":[7]}]` {
						t.Fatalf("%+v %v", d, err)
					}
					if again := onlyRun(t, s, arn); again != run {
						t.Errorf("the map run was %s and is %s", run, again)
					}
					for payload, n := range lambda.calls {
						if n != 1 && kind == "STANDARD" {
							t.Errorf("%s was done %d times", payload, n)
						}
					}
					described := call(t, s, "DescribeMapRun", map[string]any{"mapRunArn": run}, http.StatusOK)
					if got := someCounts(described, "itemCounts"); got != `{"resultsWritten":7,"succeeded":7,"total":7}` {
						t.Errorf("items %s", got)
					}
					if got := someCounts(described, "executionCounts"); got != `{"resultsWritten":4,"succeeded":4,"total":4}` {
						t.Errorf("executions %s", got)
					}
					checkHistories(t, s, run, kind)
				})
			})
		}
	}
}

// checkHistories: every child's history is whole, whatever was cut off.
func checkHistories(t *testing.T, s *states.Service, run, kind string) {
	t.Helper()
	list := call(t, s, "ListExecutions", map[string]any{"mapRunArn": run}, http.StatusOK)["executions"].([]any)
	if kind == "EXPRESS" {
		if len(list) != 0 {
			t.Errorf("listed %v", list)
		}
		return
	}
	if len(list) != 4 {
		t.Fatalf("%d children", len(list))
	}
	for _, c := range list {
		want := "ExecutionStarted TaskStateEntered TaskScheduled TaskStarted TaskSucceeded TaskStateExited WaitStateEntered WaitStateExited ExecutionSucceeded"
		if got := eventTypes(t, s, c.(map[string]any)["executionArn"].(string)); got != want {
			t.Errorf("a child's history is %s", got)
		}
	}
}

// TestRecoverMapRunOfFailedRun: a kill between a run's failure and the
// execution's end does not bring the run back to life.
func TestRecoverFailedMapRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, lambda := t.TempDir(), newLedger(time.Minute)
		s := open(t, states.Options{Dir: dir, Lambda: lambda})
		arn := start(t, s, create(t, s, "m", mapped(`"Items":"{% [1,'bad',3] %}"`, "STANDARD")), `{}`)
		d, err := s.Wait(t.Context(), arn)
		if err != nil || d.Error != asl.ErrExceedTolerated {
			t.Fatalf("%+v %v", d, err)
		}
		run := onlyRun(t, s, arn)
		dir = kill(t, s, dir)
		events := filepath.Join(dir, "executions", "m", "run", "events.jsonl")
		text, err := os.ReadFile(events)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(string(text), "\n")
		if err := os.WriteFile(events, []byte(strings.Join(lines[:4], "")), 0o644); err != nil { // up to MapRunStarted
			t.Fatal(err)
		}
		s = recovered(t, states.Options{Dir: dir, Lambda: lambda})
		d, err = s.Wait(t.Context(), arn)
		if err != nil || d.Error != asl.ErrExceedTolerated {
			t.Errorf("%+v %v", d, err)
		}
		if lambda.begun[`"bad"`] != 1 {
			t.Errorf("the failed item was done %d times", lambda.begun[`"bad"`])
		}
		if again := onlyRun(t, s, arn); again != run {
			t.Errorf("the map run was %s and is %s", run, again)
		}
	})
}

// TestRecoverTornMapRun: what a kill leaves of a write is no obstacle, and
// neither is a dataset that has changed meanwhile.
func TestRecoverTornMapRun(t *testing.T) {
	for name, tear := range map[string]func(t *testing.T, dir string){
		"torn line": func(t *testing.T, dir string) {
			appendTo(t, filepath.Join(dir, "journal.jsonl"), `1 end {"status":"SUC`)
		},
		"next run.json": func(t *testing.T, dir string) { appendTo(t, filepath.Join(dir, "run.json.next"), `{"arn`) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir, lambda := t.TempDir(), newLedger(time.Minute)
				s := open(t, states.Options{Dir: dir, Lambda: lambda})
				arn := start(t, s, create(t, s, "m", mapped(`"Items":[1,2]`, "STANDARD")), `{}`)
				time.Sleep(90 * time.Second)
				dir = kill(t, s, dir)
				folders, err := filepath.Glob(filepath.Join(dir, "executions", "m", "run", "map-runs", "*"))
				if err != nil || len(folders) != 1 {
					t.Fatal(folders, err)
				}
				tear(t, folders[0])
				s = recovered(t, states.Options{Dir: dir, Lambda: lambda})
				if d, err := s.Wait(t.Context(), arn); err != nil || d.Output != `[1,2]` {
					t.Errorf("%+v %v", d, err)
				}
				for _, n := range lambda.calls {
					if n != 1 {
						t.Errorf("calls %v", lambda.calls)
					}
				}
				if keys := slices.Sorted(maps.Keys(lambda.calls)); len(keys) != 2 {
					t.Errorf("calls %v", keys)
				}
			})
		})
	}
}

// TestMapRunsOfAttempts: every attempt of a Map state is a map run of its own,
// and a run that a failing sibling cuts off is aborted.
func TestMapRunsOfAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, states.Options{Dir: t.TempDir(), Lambda: newLedger(time.Minute)})
		retried := create(t, s, "m", mapped(`"Items":"{% ['bad'] %}","Retry":[{"ErrorEquals":["States.ExceedToleratedFailureThreshold"],"MaxAttempts":1}]`, "STANDARD"))
		arn := start(t, s, retried, `{}`)
		if d, err := s.Wait(t.Context(), arn); err != nil || d.Error != asl.ErrExceedTolerated {
			t.Fatalf("%+v %v", d, err)
		}
		if runs := call(t, s, "ListMapRuns", map[string]any{"executionArn": arn}, http.StatusOK)["mapRuns"].([]any); len(runs) != 2 {
			t.Errorf("%d map runs", len(runs))
		}
		branch := strings.Replace(mapped(`"Items":[1,2]`, "STANDARD"), `"QueryLanguage":"JSONata",`, "", 1)
		arn = start(t, s, create(t, s, "p",
			`{"QueryLanguage":"JSONata","StartAt":"P","States":{"P":{"Type":"Parallel","End":true,"Branches":[`+branch+`,{"StartAt":"N","States":{"N":{"Type":"Wait","Seconds":30,"Next":"F"},"F":{"Type":"Fail"}}}]}}}`), `{}`)
		if d, err := s.Wait(t.Context(), arn); err != nil || d.Status != asl.Failed {
			t.Fatalf("%+v %v", d, err)
		}
		described := call(t, s, "DescribeMapRun", map[string]any{"mapRunArn": onlyRun(t, s, arn)}, http.StatusOK)
		if got := someCounts(described, "executionCounts"); described["status"] != "ABORTED" || got != `{"aborted":2,"resultsWritten":2,"total":2}` {
			t.Errorf("%v %s", described["status"], got)
		}
	})
}

// TestRecoverNestedMapRuns: a child that runs a map of its own resumes it.
func TestRecoverNestedMapRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, lambda := t.TempDir(), newLedger(time.Minute)
		s := open(t, states.Options{Dir: dir, Lambda: lambda})
		inner := `"I":{"Type":"Map","Label":"inner","MaxConcurrency":1,"End":true,"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"T","States":{
			"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Arguments":{"FunctionName":"f","Payload":"{% $states.input %}"},"Output":"{% $states.result.Payload %}","End":true}}}}`
		arn := start(t, s, create(t, s, "m", jsonata(`"A":{"Type":"Map","Label":"outer","End":true,"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"I","States":{`+inner+`}}}`)), `[[1,2],[3,4,5]]`)
		for _, at := range []time.Duration{90 * time.Second, 30 * time.Second} {
			time.Sleep(at)
			dir = kill(t, s, dir)
			s = recovered(t, states.Options{Dir: dir, Lambda: lambda})
		}
		if d, err := s.Wait(t.Context(), arn); err != nil || d.Output != `[[1,2],[3,4,5]]` {
			t.Fatalf("%+v %v", d, err)
		}
		for payload, n := range lambda.calls {
			if n != 1 {
				t.Errorf("%s was done %d times", payload, n)
			}
		}
		for _, c := range call(t, s, "ListExecutions", map[string]any{"mapRunArn": onlyRun(t, s, arn)}, http.StatusOK)["executions"].([]any) {
			child := c.(map[string]any)["executionArn"].(string)
			grandchildren := call(t, s, "ListExecutions", map[string]any{"mapRunArn": onlyRun(t, s, child)}, http.StatusOK)["executions"].([]any)
			if n := len(grandchildren); n != 2 && n != 3 {
				t.Errorf("%s has %d children", child, n)
			}
		}
	})
}

// BenchmarkDistributedMap runs 10,000 items as child executions, with their
// histories and checkpoints in the journal.
func BenchmarkDistributedMap(b *testing.B) {
	const items = 10_000
	s, err := states.Open(states.Options{Dir: b.TempDir(), Region: "us-east-1", Account: "111111111111"})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	definition := jsonata(`"A":{"Type":"Map","Items":"{% [1..10000] %}","End":true,"Output":"{% $count($states.result) %}","ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"P","States":{
		"P":{"Type":"Pass","Output":{"n":"{% $states.input %}"},"Next":"Q"},"Q":{"Type":"Succeed","Output":"{% $states.input.n * 2 %}"}}}}`)
	body, err := json.Marshal(map[string]any{"name": "m", "definition": definition, "roleArn": role})
	if err != nil {
		b.Fatal(err)
	}
	post(s, "CreateStateMachine", body)
	for b.Loop() {
		d, err := s.Start(b.Context(), states.StartRequest{MachineARN: "arn:aws:states:us-east-1:111111111111:stateMachine:m"})
		if err != nil {
			b.Fatal(err)
		}
		if d, err = s.Wait(b.Context(), d.ARN); err != nil || d.Output != "10000" {
			b.Fatalf("%+v %v", d, err)
		}
	}
	b.ReportMetric(items*float64(b.N)/b.Elapsed().Seconds(), "items/s")
}

// TestRecoverMapRunAtEveryLine: whatever part of its journal a kill leaves, a
// run ends as if nothing had happened, and what the journal says was done is
// not done again.
func TestRecoverMapRunAtEveryLine(t *testing.T) {
	for cut := range 34 {
		synctest.Test(t, func(t *testing.T) {
			dir, lambda := t.TempDir(), newLedger(time.Minute)
			s := open(t, states.Options{Dir: dir, Lambda: lambda})
			arn := start(t, s, create(t, s, "m", mapped(`"Items":[1,2,3],"MaxConcurrency":2`, "STANDARD")), `{}`)
			time.Sleep(150 * time.Second) // the first two have ended, the third is called
			dir = kill(t, s, dir)
			journals, err := filepath.Glob(filepath.Join(dir, "executions", "m", "run", "map-runs", "*", "journal.jsonl"))
			if err != nil || len(journals) != 1 {
				t.Fatal(journals, err)
			}
			text, err := os.ReadFile(journals[0])
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.SplitAfter(string(text), "\n")
			kept := strings.Join(lines[:min(cut, len(lines))], "")
			if err := os.WriteFile(journals[0], []byte(kept+`2 end {"stat`), 0o644); err != nil {
				t.Fatal(err)
			}
			again := newLedger(time.Minute)
			s = recovered(t, states.Options{Dir: dir, Lambda: again})
			if d, err := s.Wait(t.Context(), arn); err != nil || d.Output != `[1,2,3]` {
				t.Fatalf("cut after line %d: %+v %v", cut, d, err)
			}
			ended, saved := strings.Count(kept, " end "), strings.Count(kept, `save {"state":"W"`)
			if most := 3 - max(ended, saved); len(again.calls) > most {
				t.Errorf("cut after line %d: %d were done and %d were done again", cut, 3-most, len(again.calls))
			}
			if cut == 33 && len(lines) > 34 {
				t.Errorf("the journal has %d lines, more than are tried", len(lines))
			}
			for _, c := range call(t, s, "ListExecutions", map[string]any{"mapRunArn": onlyRun(t, s, arn)}, http.StatusOK)["executions"].([]any) {
				want := "ExecutionStarted TaskStateEntered TaskScheduled TaskStarted TaskSucceeded TaskStateExited WaitStateEntered WaitStateExited ExecutionSucceeded"
				if got := eventTypes(t, s, c.(map[string]any)["executionArn"].(string)); got != want {
					t.Errorf("cut after line %d: a child's history is %s", cut, got)
				}
			}
		})
	}
}
