package states_test

import (
	"context"
	"encoding/json"
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

// broken is a Lambda whose functions fail until they are mended. Its calls
// take a minute.
type broken struct {
	mu     sync.Mutex
	fails  map[string]bool
	called []string
}

func (b *broken) Invoke(ctx context.Context, function string, payload []byte) (states.InvokeResult, error) {
	b.mu.Lock()
	b.called = append(b.called, function)
	fails := b.fails[function]
	b.mu.Unlock()
	select {
	case <-ctx.Done():
		return states.InvokeResult{}, ctx.Err()
	case <-time.After(time.Minute):
	}
	if fails {
		return states.InvokeResult{FunctionError: "Unhandled", Payload: []byte(`{"errorType":"Broken"}`)}, nil
	}
	return states.InvokeResult{Payload: payload}, nil
}

// mend makes the functions work and gives the calls so far, sorted.
func (b *broken) mend() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	called := b.called
	b.fails, b.called = nil, nil
	slices.Sort(called)
	return strings.Join(called, " ")
}

func invokes(name, function, rest string) string {
	return `"` + name + `":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Output":"{% $states.result.Payload %}","Arguments":{"FunctionName":"` + function + `","Payload":{"f":"` + function +
		`","v":"{% $v %}","redrives":"{% $states.context.Execution.RedriveCount %}","retries":"{% $states.context.State.RetryCount %}"}},` + rest + `}`
}

// fragile fails in a branch of a branch, while siblings have succeeded, wait,
// or run.
var fragile = `"A":{"Type":"Pass","Assign":{"v":7},"Next":"P"},"P":{"Type":"Parallel","Next":"L","Branches":[
	{"StartAt":"G","States":{` + invokes("G", "good", `"End":true`) + `}},
	{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":600,"Next":"H"},` + invokes("H", "after", `"End":true`) + `}},
	{"StartAt":"M","States":{"M":{"Type":"Map","Items":[0,1,2,3],"MaxConcurrency":2,"End":true,"ItemProcessor":{"StartAt":"C","States":{
		"C":{"Type":"Choice","Choices":[{"Condition":"{% $states.input = 1 %}","Next":"B"}],"Default":"O"},` +
	strings.Replace(invokes("O", "other", `"End":true`), `:"other"`, `:"{% 'other' & $states.input %}"`, 1) + `,` + invokes("B", "bad", `"Retry":[{"ErrorEquals":["Broken"],"IntervalSeconds":1,"MaxAttempts":1}],"End":true`) + `}}}}}]},` +
	invokes("L", "last", `"End":true`)

func redrive(t *testing.T, s *states.Service, arn, token string, status int) map[string]any {
	t.Helper()
	return call(t, s, "RedriveExecution", map[string]any{"executionArn": arn, "clientToken": token}, status)
}

// failOnce starts the machine and lets it fail.
func failOnce(t *testing.T, s *states.Service, definition string) states.Description {
	t.Helper()
	d, err := s.Start(t.Context(), states.StartRequest{MachineARN: create(t, s, "m", definition), Name: "run"})
	if err == nil {
		d, err = s.Wait(t.Context(), d.ARN)
	}
	if err != nil || d.Status == asl.Succeeded {
		t.Fatalf("%+v %v", d, err)
	}
	return d
}

// TestRedrive: only what failed or was aborted is done again, with its retries
// and its wait, however often the stack is killed meanwhile.
func TestRedrive(t *testing.T) {
	for name, every := range map[string]time.Duration{"undisturbed": time.Hour, "killed every 25 s": 25 * time.Second, "killed every 5 min": 5 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { redriveThrough(t, every) })
		})
	}
}

func redriveThrough(t *testing.T, every time.Duration) {
	dir, lambda := t.TempDir(), &broken{fails: map[string]bool{"bad": true}}
	s := open(t, states.Options{Dir: dir, Lambda: lambda})
	failed := failOnce(t, s, jsonata(fragile))
	before := eventTypes(t, s, failed.ARN)
	if got := lambda.mend(); got != "bad bad good other0 other2 other3" { // the last was under way
		t.Fatalf("before the redrive: %s", got)
	}
	dir = kill(t, s, dir)
	s = recovered(t, states.Options{Dir: dir, Lambda: lambda})
	if d := call(t, s, "DescribeExecution", map[string]any{"executionArn": failed.ARN}, http.StatusOK); d["redriveStatus"] != "REDRIVABLE" || d["redriveCount"] != 0.0 || d["redriveDate"] != nil {
		t.Errorf("described %v", d)
	}
	start := time.Now()
	out := redrive(t, s, failed.ARN, "token", http.StatusOK)
	if again := redrive(t, s, failed.ARN, "token", http.StatusOK); again["redriveDate"] != out["redriveDate"] {
		t.Errorf("the same token again gave %v, first %v", again, out)
	}
	kills := 0
	for n := 1; time.Duration(n)*every < 660*time.Second; n++ {
		time.Sleep(time.Until(start.Add(time.Duration(n) * every)))
		dir = kill(t, s, dir)
		s = recovered(t, states.Options{Dir: dir, Lambda: lambda})
		kills++
	}
	if every < time.Minute { // a call takes a minute: let the last ones end
		time.Sleep(time.Minute)
	}
	end, err := s.Wait(t.Context(), failed.ARN)
	if err != nil || end.Status != asl.Succeeded || end.Output != `{"f":"last","v":7,"redrives":1,"retries":0}` || end.Redrives != 1 || end.Error != "" {
		t.Fatalf("%+v %v", end, err)
	}
	after := eventTypes(t, s, failed.ARN)
	if !strings.HasPrefix(after, before+" ExecutionRedriven ") || strings.Count(after, "ParallelStateEntered") != 1 || strings.Count(after, "MapIterationStarted") != 4 {
		t.Errorf("the history is %s", after)
	}
	events, err := s.History(failed.ARN)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Type == "WaitStateExited" && e.Time.Sub(start).Round(time.Second) != 600*time.Second {
			t.Errorf("the Wait took %s from the redrive on", e.Time.Sub(start))
		}
	}
	if got := lambda.mend(); kills == 0 && got != "after bad last other3" {
		t.Errorf("the redrive called %s", got)
	} else if strings.Contains(got, "good") || strings.Contains(got, "other0") || strings.Contains(got, "other2") {
		t.Errorf("the redrive called what had succeeded: %s", got)
	}
	if out := redrive(t, s, failed.ARN, "another", http.StatusBadRequest); out["__type"] != "ExecutionNotRedrivable" || !strings.Contains(out["message"].(string), "Execution is SUCCEEDED and cannot be redriven") {
		t.Errorf("after its success: %v", out)
	}
}

// TestRedriveCut: a kill while RedriveExecution writes leaves the execution
// either as it was or redriven.
func TestRedriveCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, lambda := t.TempDir(), &broken{fails: map[string]bool{"f": true}}
		s := open(t, states.Options{Dir: dir, Lambda: lambda})
		failed := failOnce(t, s, jsonata(`"A":{"Type":"Pass","Assign":{"v":1},"Next":"B"},`+invokes("B", "f", `"End":true`)))
		run := filepath.Join("executions", "m", "run")
		history, err := os.ReadFile(filepath.Join(dir, run, "events.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		lambda.mend()
		redrive(t, s, failed.ARN, "token", http.StatusOK)
		dir = kill(t, s, dir)
		after, err := os.ReadFile(filepath.Join(dir, run, "events.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		event := strings.SplitAfter(string(after[len(history):]), "\n")[0]
		for name, c := range map[string]struct {
			events   string
			redrives int
		}{"before the event": {string(history), 0}, "within the event": {string(history) + event[:20], 0}, "after the event": {string(history) + event, 1}} {
			copied := t.TempDir()
			if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(copied, run, "events.jsonl"), []byte(c.events), 0o644); err != nil {
				t.Fatal(err)
			}
			s := recovered(t, states.Options{Dir: copied, Lambda: lambda})
			if d, err := s.Describe(failed.ARN); err != nil || d.Redrives != c.redrives || (d.Status == asl.Running) != (c.redrives == 1) {
				t.Errorf("%s: %+v %v", name, d, err)
			}
			redrive(t, s, failed.ARN, "token", http.StatusOK)
			if end, err := s.Wait(t.Context(), failed.ARN); err != nil || end.Status != asl.Succeeded || end.Redrives != 1 {
				t.Errorf("%s: %+v %v", name, end, err)
			}
		}
	})
}

// TestNotRedrivable: every reason, by its name.
func TestNotRedrivable(t *testing.T) {
	fails := `"A":{"Type":"Fail","Error":"E"}`
	for name, c := range map[string]struct {
		definition string
		before     func(t *testing.T, s *states.Service, arn string)
		reason     string
	}{
		"running":   {waits, func(*testing.T, *states.Service, string) {}, "Execution is RUNNING and cannot be redriven"},
		"succeeded": {waits, func(_ *testing.T, _ *states.Service, _ string) { time.Sleep(2 * time.Hour) }, "Execution is SUCCEEDED and cannot be redriven"},
		"too late":  {jsonata(fails), func(_ *testing.T, _ *states.Service, _ string) { time.Sleep(15 * 24 * time.Hour) }, "Execution redrivable period exceeded"},
		"too old": {`{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":31622400,"Next":"F"},"F":{"Type":"Fail"}}}`,
			func(_ *testing.T, _ *states.Service, _ string) { time.Sleep(367 * 24 * time.Hour) }, "Execution has exceeded the max execution time"},
		"history": {jsonata(`"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"A"}`), func(*testing.T, *states.Service, string) {}, "Execution history event limit exceeded"},
		"no machine": {jsonata(fails), func(t *testing.T, s *states.Service, _ string) {
			call(t, s, "DeleteStateMachine", map[string]any{"stateMachineArn": "arn:aws:states:us-east-1:111111111111:stateMachine:m"}, http.StatusOK)
		}, "State machine is in DELETING status"},
		"distributed Map": {jsonata(`"A":{"Type":"Map","Items":[1,2],"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"F","States":{"F":{"Type":"Fail"}}},"End":true}`),
			func(*testing.T, *states.Service, string) {}, "the distributed Map state 'A'"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := open(t, states.Options{Dir: t.TempDir()})
				d, err := s.Start(t.Context(), states.StartRequest{MachineARN: create(t, s, "m", c.definition), Name: "run"})
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				c.before(t, s, d.ARN)
				if out := redrive(t, s, d.ARN, "", http.StatusBadRequest); out["__type"] != "ExecutionNotRedrivable" || !strings.Contains(out["message"].(string), c.reason) {
					t.Errorf("%v", out)
				}
				if out := call(t, s, "DescribeExecution", map[string]any{"executionArn": d.ARN}, http.StatusOK); out["redriveStatus"] != "NOT_REDRIVABLE" || !strings.Contains(out["redriveStatusReason"].(string), c.reason) {
					t.Errorf("described %v", out)
				}
			})
		})
	}
}

// TestRedriveTimeout: an execution that timed out or was stopped is redriven
// too; its TimeoutSeconds begin anew.
func TestRedriveTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, states.Options{Dir: dir})
		d := failOnce(t, s, `{"TimeoutSeconds":1000,"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":900,"Next":"X"},"X":{"Type":"Wait","Seconds":900,"End":true}}}`)
		if d.Status != asl.TimedOut {
			t.Fatalf("%+v", d)
		}
		redrive(t, s, d.ARN, "", http.StatusOK)
		time.Sleep(500 * time.Second)
		if stopped, err := s.Stop(t.Context(), d.ARN, "Enough", ""); err != nil || stopped.Status != asl.Aborted || stopped.Error != "Enough" {
			t.Fatalf("%+v %v", stopped, err)
		}
		time.Sleep(time.Hour)
		redrive(t, s, d.ARN, "", http.StatusOK)
		time.Sleep(300 * time.Second)
		dir = kill(t, s, dir)
		s = recovered(t, states.Options{Dir: dir})
		end, err := s.Wait(t.Context(), d.ARN)
		if err != nil || end.Status != asl.Succeeded || end.Redrives != 2 {
			t.Fatalf("%+v %v", end, err)
		}
		if want := "ExecutionStarted WaitStateEntered WaitStateExited WaitStateEntered ExecutionTimedOut ExecutionRedriven ExecutionAborted ExecutionRedriven WaitStateExited ExecutionSucceeded"; eventTypes(t, s, d.ARN) != want {
			t.Errorf("got  %s\nwant %s", eventTypes(t, s, d.ARN), want)
		}
		events, _ := s.History(d.ARN)
		if waited := events[8].Time.Sub(events[7].Time); waited != 900*time.Second {
			t.Errorf("after the redrive it waited %s", waited)
		}
		list := call(t, s, "ListExecutions", map[string]any{"stateMachineArn": d.MachineARN, "redriveFilter": "REDRIVEN"}, http.StatusOK)["executions"].([]any)
		if len(list) != 1 || list[0].(map[string]any)["redriveCount"] != 2.0 {
			t.Errorf("listed %v", list)
		}
		if none := call(t, s, "ListExecutions", map[string]any{"stateMachineArn": d.MachineARN, "redriveFilter": "NOT_REDRIVEN"}, http.StatusOK)["executions"].([]any); len(none) != 0 {
			t.Errorf("listed %v", none)
		}
	})
}

// TestRedriveTokens: a token is good for 15 minutes, and for this execution.
func TestRedriveTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, states.Options{Dir: t.TempDir()})
		d := failOnce(t, s, jsonata(`"A":{"Type":"Fail","Error":"E"}`))
		first := redrive(t, s, d.ARN, "t", http.StatusOK)
		synctest.Wait()
		time.Sleep(14 * time.Minute)
		if again := redrive(t, s, d.ARN, "t", http.StatusOK); again["redriveDate"] != first["redriveDate"] {
			t.Errorf("within its life the token gave %v, first %v", again, first)
		}
		time.Sleep(2 * time.Minute)
		if later := redrive(t, s, d.ARN, "t", http.StatusOK); later["redriveDate"] == first["redriveDate"] {
			t.Errorf("the token lived on: %v", later)
		}
		synctest.Wait()
		if end, err := s.Describe(d.ARN); err != nil || end.Status != asl.Failed || end.Redrives != 2 || end.Error != "E" {
			t.Errorf("%+v %v", end, err)
		}
	})
}

// TestRedriveNewAttempts: a redriven task is another attempt for the service
// that does it, and the whole Parallel runs again when its result was too
// large.
func TestRedriveNewAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		batch := &jobs{takes: time.Minute, fails: true}
		s := open(t, states.Options{Dir: t.TempDir(), Batch: batch})
		d := failOnce(t, s, jsonata(trains))
		batch.fails = false
		redrive(t, s, d.ARN, "", http.StatusOK)
		if end, err := s.Wait(t.Context(), d.ARN); err != nil || end.Status != asl.Succeeded || len(batch.byAttempt) != 2 {
			t.Errorf("%+v %v, jobs %v", end, err, batch.byAttempt)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		size := 200_000
		lambda := lambdaFunc(func(context.Context, string, []byte) (states.InvokeResult, error) {
			text, err := json.Marshal(strings.Repeat("x", size))
			return states.InvokeResult{Payload: text}, err
		})
		s := open(t, states.Options{Dir: t.TempDir(), Lambda: lambda})
		branch := func(name string) string {
			return `{"StartAt":"` + name + `","States":{"` + name + `":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Arguments":{"FunctionName":"f"},"Output":"{% $states.result.Payload %}","End":true}}}`
		}
		d := failOnce(t, s, jsonata(`"A":{"Type":"Parallel","Branches":[`+branch("X")+`,`+branch("Y")+`],"End":true}`))
		if d.Error != asl.ErrDataLimitExceeded {
			t.Fatalf("%+v", d)
		}
		size = 10
		redrive(t, s, d.ARN, "", http.StatusOK)
		if end, err := s.Wait(t.Context(), d.ARN); err != nil || end.Output != `["xxxxxxxxxx","xxxxxxxxxx"]` {
			t.Errorf("%+v %v", end, err)
		}
	})
}
