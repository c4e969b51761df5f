package asl_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-ml/sluice/infra/local/asl"
)

// jobs is a Tasks whose work goes on while nobody waits for it: an attempt
// that is done again finds what it had begun. The arguments say how long a job
// takes and which attempts fail.
type jobs struct {
	mu    sync.Mutex
	begun map[string]time.Time // by attempt
	tries map[string]int       // attempts by the job's name
	done  []string
}

type job struct {
	Name  string
	Takes int // seconds
	Fails int // how many attempts fail
}

func (j *jobs) begin(attempt string, in job) (begun time.Time, try int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.begun == nil {
		j.begun, j.tries = map[string]time.Time{}, map[string]int{}
	}
	at, ok := j.begun[attempt]
	if !ok {
		at = time.Now() // no two jobs begin at the same time: the order of what happens is fixed
		for _, letter := range in.Name {
			at = at.Add(time.Duration(letter) * time.Millisecond)
		}
		j.begun[attempt] = at
		j.tries[in.Name]++
	}
	return at, j.tries[in.Name]
}

func (j *jobs) Do(ctx context.Context, call asl.TaskCall) (json.RawMessage, *asl.TaskError) {
	var in job
	if err := json.Unmarshal(call.Arguments, &in); err != nil {
		return nil, &asl.TaskError{Name: "Test", Cause: err.Error()}
	}
	begun, try := j.begin(call.Attempt, in)
	for _, stage := range []func(){func() { call.Submitted(json.RawMessage(`"submitted"`)) }, func() {}} {
		select {
		case <-ctx.Done():
			return nil, &asl.TaskError{Name: "Test.Stopped"}
		case <-time.After(time.Until(begun)):
			stage()
		}
		begun = begun.Add(time.Duration(in.Takes) * time.Second)
	}
	if try <= in.Fails {
		return nil, &asl.TaskError{Name: "Again", Cause: in.Name}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.done = append(j.done, in.Name)
	return call.Arguments, nil
}

const batchTask = `"Type":"Task","Resource":"arn:aws:states:::batch:submitJob.sync"`

// branching has waits, retries and timeouts in branches of branches.
const branching = `"A":{"Type":"Pass","Assign":{"v":[1,{"k":null}]},"Next":"P"},
	"P":{"Type":"Parallel","Next":"Z","Output":"{% $states.result %}","Branches":[
		{"StartAt":"W1","States":{"W1":{"Type":"Wait","Seconds":1000,"Assign":{"w":"{% $v[0] + 1 %}"},"Next":"W2"},"W2":{"Type":"Wait","Seconds":"{% $w * 100 %}","Output":"{% $w %}","End":true}}},
		{"StartAt":"T1","States":{"T1":{` + batchTask + `,"Arguments":{"Name":"t1","Takes":130,"Fails":2},"Retry":[{"ErrorEquals":["Again"],"IntervalSeconds":300,"MaxAttempts":2}],"Output":"{% $states.context.State.RetryCount %}","End":true}}},
		{"StartAt":"T2","States":{"T2":{` + batchTask + `,"TimeoutSeconds":700,"Arguments":{"Name":"t2","Takes":9000,"Fails":0},"Catch":[{"ErrorEquals":["States.Timeout"],"Output":"late","Next":"C"}],"End":true},"C":{"Type":"Pass","End":true}}},
		{"StartAt":"M","States":{"M":{"Type":"Map","Items":[5,6,7,8,9],"MaxConcurrency":2,"ItemProcessor":{"StartAt":"I","States":{
			"I":{"Type":"Wait","Seconds":"{% 50 * $states.input %}","Next":"J"},
			"J":{` + batchTask + `,"Arguments":{"Name":"{% 'j' & $states.context.Map.Item.Index %}","Takes":77,"Fails":1},"Retry":[{"ErrorEquals":["States.ALL"],"IntervalSeconds":60}],"Output":"{% $states.result.Name & $v[0] %}","End":true}}},"End":true}}}]},
	"Z":{"Type":"Wait","Timestamp":"{% $fromMillis($millis() + 600000) %}","End":true}`

// TestResume: an execution that is interrupted takes up where its branches
// were. Its history is that of one that was never interrupted, with the same
// times: waits, retries' delays and timeouts keep their deadlines.
func TestResume(t *testing.T) {
	for name, states := range map[string]string{
		"states in a row": `"A":{"Type":"Pass","Assign":{"v":[1,{"k":null}]},"Output":{"o":1},"Next":"W"},"W":{"Type":"Wait","Seconds":3600,"Next":"T"},
			"T":{` + batchTask + `,"Arguments":{"Name":"t","Takes":100,"Fails":2},"Retry":[{"ErrorEquals":["Again"],"IntervalSeconds":600,"MaxAttempts":2}],"Output":"{% $v %}","End":true}`,
		"branches": branching,
		"a retried Parallel": `"A":{"Type":"Parallel","Retry":[{"ErrorEquals":["Again"],"IntervalSeconds":600}],"End":true,"Branches":[
			{"StartAt":"X","States":{"X":{` + batchTask + `,"Arguments":{"Name":"x","Takes":100,"Fails":1},"End":true}}},
			{"StartAt":"Y","States":{"Y":{"Type":"Wait","Seconds":500,"End":true}}}]}`,
	} {
		whole := run(t, jsonata(states), `{"i":1}`, &jobs{})
		if whole.Status != asl.Succeeded {
			t.Fatalf("%s: got %s %s %s", name, whole.Status, deref(whole.Error), deref(whole.Cause))
		}
		for _, every := range []time.Duration{41 * time.Second, 97 * time.Second, 10 * time.Minute} {
			got := interrupted(t, jsonata(states), every, &jobs{})
			sameRun(t, fmt.Sprintf("%s, interrupted every %s", name, every), got, whole)
		}
	}
}

// interrupted runs a definition in pieces.
func interrupted(t *testing.T, definition string, every time.Duration, tasks asl.Tasks) ran {
	var r ran
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		x := prepare(t, definition, `{"i":1}`, tasks, &r)
		for n := 1; ; n++ {
			ctx, cancel := context.WithTimeout(t.Context(), time.Until(start.Add(time.Duration(n)*every+time.Millisecond)))
			result, err := x.Run(ctx)
			cancel()
			if err == nil {
				r.Result = result
				return
			}
			c := r.checkpoint(t)
			r.events = r.events[:c.LastEvent]
			x = resume(t, definition, tasks, &r, c, asl.Spec{Start: start})
		}
	})
	return r
}

// checkpoint is where the execution resumes, read back from JSON.
func (r *ran) checkpoint(t *testing.T) *asl.Checkpoint {
	t.Helper()
	var whole asl.Checkpoint
	for _, c := range r.saved {
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var read asl.Checkpoint
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatal(err)
		}
		whole.Merge(read)
	}
	return &whole
}

func resume(t *testing.T, definition string, tasks asl.Tasks, r *ran, c *asl.Checkpoint, s asl.Spec) *asl.Execution {
	t.Helper()
	machine, err := asl.Parse([]byte(definition), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Machine, s.Input, s.ARN, s.Name, s.MachineName, s.MachineARN, s.Checkpoint = machine, `{"i":1}`, "arn:execution", "run", "m", "arn:m", c
	s.Event = func(e asl.Event) { r.events = append(r.events, e) }
	s.Save = func(c asl.Checkpoint) { r.saved = append(r.saved, c) }
	s.Unsuccessful = func(d asl.Redrive) { r.redrive = d }
	x, err := asl.NewEngine(asl.Options{Tasks: tasks, Region: "eu-west-1", Account: "111111111111"}).Prepare(s)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func sameRun(t *testing.T, name string, got, want ran) {
	t.Helper()
	if got.Output != want.Output {
		t.Errorf("%s: the output is %s, want %s", name, got.Output, want.Output)
	}
	if a, b := timeline(got), timeline(want); a != b {
		t.Errorf("%s:\n%s\nwant\n%s", name, a, b)
	}
}

// timeline is a history with its times and what follows what.
func timeline(r ran) string {
	var b strings.Builder
	for _, e := range r.events {
		fmt.Fprintf(&b, "%d %d %s %s\n", e.ID, e.Previous, e.Type, e.Time.Sub(r.events[0].Time).Round(time.Second))
	}
	return b.String()
}

// TestNothingIsDoneUnknown: when a task is called, a checkpoint that knows of
// it has been written.
func TestNothingIsDoneUnknown(t *testing.T) {
	var r ran
	var seen []string
	synctest.Test(t, func(t *testing.T) {
		tasks := taskFunc(func(_ context.Context, call asl.TaskCall) (json.RawMessage, *asl.TaskError) {
			for _, p := range r.checkpoint(t).Branches {
				if p.State == call.State && p.Progress != nil && p.Progress.Call.Arguments == string(call.Arguments) {
					seen = append(seen, p.State)
				}
			}
			return json.RawMessage("1"), nil
		})
		if _, err := prepare(t, jsonata(`"A":{"Type":"Pass","Assign":{"id":"{% $uuid() %}"},"Next":"P"},"P":{"Type":"Parallel","End":true,"Branches":[
			{"StartAt":"B","States":{"B":{`+batchTask+`,"Arguments":{"id":"{% $id %}"},"End":true}}}]}`), `{}`, tasks, &r).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if strings.Join(seen, " ") != "B" {
		t.Errorf("the checkpoint knew of %v", seen)
	}
}

// TestBadCheckpoint: one that does not fit the machine is refused.
func TestBadCheckpoint(t *testing.T) {
	machine, err := asl.Parse([]byte(jsonata(`"A":{"Type":"Succeed"}`)), nil)
	if err != nil {
		t.Fatal(err)
	}
	good := asl.Position{State: "A", Input: "{}", Variables: json.RawMessage("{}")}
	for want, p := range map[string]*asl.Position{
		"does not say where":                 nil,
		"has no position":                    {Done: true}, // stands for null below
		"a state that the machine does not ": {State: "B", Input: "{}", Variables: json.RawMessage("{}")},
		"unexpected end":                     {State: "A", Variables: json.RawMessage("{}")},
		"invalid character":                  {State: "A", Input: "{}", Variables: json.RawMessage("x")},
	} {
		c := &asl.Checkpoint{Branches: map[string]*asl.Position{}}
		switch {
		case p != nil && p.Done:
			c.Branches[""] = nil
		case p != nil:
			c.Branches[""] = p
		}
		if _, err := asl.NewEngine(asl.Options{}).Prepare(asl.Spec{Machine: machine, Input: "{}", Checkpoint: c}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", p, err, want)
		}
	}
	if _, err := asl.NewEngine(asl.Options{}).Prepare(asl.Spec{Machine: machine, Input: "{}", Checkpoint: &asl.Checkpoint{Branches: map[string]*asl.Position{"": &good}}}); err != nil {
		t.Error(err)
	}
}

// FuzzCheckpoint: no checkpoint can panic or hang the engine.
func FuzzCheckpoint(f *testing.F) {
	machine, err := asl.Parse([]byte(jsonata(`"A":{"Type":"Parallel","Next":"W","Branches":[{"StartAt":"T","States":{"T":{`+batchTask+`,"TimeoutSeconds":5,"Retry":[{"ErrorEquals":["X"]}],"End":true}}},
		{"StartAt":"M","States":{"M":{"Type":"Map","Items":[1,2],"ItemProcessor":{"StartAt":"P","States":{"P":{"Type":"Wait","Seconds":1,"End":true}}},"End":true}}}]},"W":{"Type":"Wait","Seconds":3,"End":true}`)), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(`{"lastEvent":5,"branches":{"":{"state":"W","input":"{}","variables":{"v":1},"enteredId":4,"progress":{"until":"2026-01-01T00:00:00Z"},"previous":4}}}`)
	f.Add(`{"lastEvent":9,"branches":{"":{"state":"A","input":"{}","variables":{},"steps":1,"enteredId":2,"progress":{"started":3}},
		"2-0/0":{"state":"T","input":"{}","variables":{},"steps":1,"enteredId":4,"progress":{"call":{"arguments":"{}","timeout":5,"started":"2026-01-01T00:00:00Z"}},"submitted":1},
		"2-0/1":{"state":"M","input":"{}","variables":{},"steps":1,"enteredId":5,"progress":{"started":6,"items":[1,2]}},
		"2-0/1.1-0/0":{"done":true,"output":"1"},"2-0/1.1-0/1":{"state":"P","input":"2","variables":{},"steps":1,"enteredId":8,"retryAt":"2026-01-01T00:00:00Z","counts":[1,2,3]}}}`)
	f.Add(`{"branches":{"":null,"x":null}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var c asl.Checkpoint
		if json.Unmarshal([]byte(text), &c) != nil {
			return
		}
		var whole asl.Checkpoint
		whole.Merge(c)
		engine := asl.NewEngine(asl.Options{Clock: asl.NewLeapClock(time.Now()), Tasks: taskFunc(func(context.Context, asl.TaskCall) (json.RawMessage, *asl.TaskError) {
			return json.RawMessage("1"), nil
		})})
		x, err := engine.Prepare(asl.Spec{Machine: machine, Input: "{}", Start: time.Now(), Checkpoint: &whole, Save: func(asl.Checkpoint) {}, Unsuccessful: func(asl.Redrive) {}})
		if err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := x.Run(ctx); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	})
}
