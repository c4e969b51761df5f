package asl_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-ml/sluice/infra/local/asl"
)

// taskFunc is a Tasks of one function.
type taskFunc func(ctx context.Context, call asl.TaskCall) (json.RawMessage, *asl.TaskError)

func (f taskFunc) Do(ctx context.Context, call asl.TaskCall) (json.RawMessage, *asl.TaskError) {
	return f(ctx, call)
}

// ran is an execution that ended.
type ran struct {
	asl.Result
	events  []asl.Event
	saved   []asl.Checkpoint
	redrive asl.Redrive
}

// types are the events' types in order.
func (r ran) types() string {
	out := make([]string, len(r.events))
	for i, e := range r.events {
		out[i] = e.Type
	}
	return strings.Join(out, " ")
}

func prepare(t *testing.T, definition, input string, tasks asl.Tasks, r *ran) *asl.Execution {
	t.Helper()
	machine, err := asl.Parse([]byte(definition), nil)
	if err != nil {
		t.Fatal(err)
	}
	engine := asl.NewEngine(asl.Options{Tasks: tasks, Random: rand.NewPCG(1, 2), Region: "eu-west-1", Account: "111111111111"})
	x, err := engine.Prepare(asl.Spec{Machine: machine, Input: input, Start: time.Now(), ARN: "arn:execution", Name: "run", MachineName: "m", MachineARN: "arn:m",
		Event:        func(e asl.Event) { r.events = append(r.events, e) },
		Save:         func(c asl.Checkpoint) { r.saved = append(r.saved, c) },
		Unsuccessful: func(d asl.Redrive) { r.redrive = d }})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// run runs a definition in a bubble of virtual time.
func run(t *testing.T, definition, input string, tasks asl.Tasks) ran {
	t.Helper()
	var r ran
	synctest.Test(t, func(t *testing.T) {
		result, err := prepare(t, definition, input, tasks, &r).Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r.Result = result
	})
	return r
}

func jsonata(states string) string {
	return `{"QueryLanguage":"JSONata","StartAt":"A","States":{` + states + `}}`
}

func TestIntrinsics(t *testing.T) {
	for call, want := range map[string]string{
		`States.Array(1, 'a', null, true, $.a)`:       `[1,"a",null,true,[1,2,3,4]]`,
		`States.ArrayPartition($.a, 3)`:               `[[1,2,3],[4]]`,
		`States.ArrayContains($.a, 3)`:                `true`,
		`States.ArrayContains($.a, '3')`:              `false`,
		`States.ArrayRange(1, 9, 2)`:                  `[1,3,5,7,9]`,
		`States.ArrayRange(3, 1, -1)`:                 `[3,2,1]`,
		`States.ArrayGetItem($.a, 1)`:                 `2`,
		`States.ArrayLength($.a)`:                     `4`,
		`States.ArrayUnique($.dup)`:                   `[1,2,"1"]`,
		`States.Base64Encode('Data to encode')`:       `"RGF0YSB0byBlbmNvZGU="`,
		`States.Base64Decode('RGVjb2RlZCBkYXRh')`:     `"Decoded data"`,
		`States.Hash('input data', 'SHA-1')`:          `"aaff4a450a104cd177d28d18d74485e8cae074b7"`, // the User Guide's example
		`States.JsonMerge($.o, $.p, false)`:           `{"a":1,"b":3,"c":4}`,
		`States.JsonToString($.o)`:                    `"{\"a\":1,\"b\":2}"`,
		`States.StringToJson('{"x": [1.50]}')`:        `{"x":[1.50]}`,
		`States.MathAdd(111, -1)`:                     `110`,
		`States.StringSplit('1,2,3', ',')`:            `["1","2","3"]`,
		`States.StringSplit('This.is+a,test', '.+,')`: `["This","is","a","test"]`,
		`States.Format('It\'s \{{}\}: {}', 1, $.o)`:   `"It's {1}: {\"a\":1,\"b\":2}"`,
		`States.ArrayLength(States.Array($.a, $$))`:   `2`,
		`States.MathRandom(5, 6)`:                     `5`,
	} {
		pass := fmt.Sprintf(`{"StartAt":"A","States":{"A":{"Type":"Pass","Parameters":{"x.$":%q},"OutputPath":"$.x","End":true}}}`, call)
		r := run(t, pass, `{"a":[1,2,3,4],"dup":[1,2,1,"1",2],"o":{"a":1,"b":2},"p":{"b":3,"c":4}}`, nil)
		if r.Status != asl.Succeeded || r.Output != want {
			t.Errorf("%s gave %s %s, want %s", call, r.Status, r.Output, want)
		}
	}
}

func TestIntrinsicFailures(t *testing.T) {
	for call, why := range map[string]string{
		`States.ArrayGetItem($.a, 9)`:                      "out of bounds",
		`States.ArrayPartition($.a, 0)`:                    "positive",
		`States.ArrayRange(1, 5000, 1)`:                    "more than 1000",
		`States.ArrayRange(1, 2, 0)`:                       "not be 0",
		`States.Base64Decode('!')`:                         "not Base64",
		`States.Hash('a', 'SHA-3')`:                        "no hash algorithm",
		`States.JsonMerge($.o, $.o, true)`:                 "deep merging",
		`States.StringToJson('{')`:                         "not JSON",
		`States.Format('{} {}', 1)`:                        "more {} than arguments",
		`States.MathRandom(3, 3)`:                          "greater",
		`States.MathAdd('1', 2)`:                           "must be a number",
		`States.ArrayLength($.o)`:                          "must be an array",
		`States.StringSplit($.a, ',')`:                     "must be strings",
		`States.Base64Encode($.a)`:                         "must be a string",
		`States.ArrayRange(-9e18, 9000000000000000000, 1)`: "too large",
	} {
		pass := fmt.Sprintf(`{"StartAt":"A","States":{"A":{"Type":"Pass","Parameters":{"x.$":%q},"End":true}}}`, call)
		r := run(t, pass, `{"a":[1],"o":{}}`, nil)
		if r.Error == nil || *r.Error != asl.ErrIntrinsicFailure || !strings.Contains(*r.Cause, why) {
			t.Errorf("%s: want %q, got %+v", call, why, r.Result)
		}
	}
}

func TestPaths(t *testing.T) {
	const input = `{"s":[{"p":5,"t":"x"},{"p":9,"t":"yy","q":1},{"t":"z"}],"o":{"a":{"b":1},"c":{"b":2}}}`
	for path, want := range map[string]string{
		`$.s[0].p`:                               `5`,
		`$.s[-1].t`:                              `"z"`,
		`$['o']['a']['b']`:                       `1`,
		`$.s[*].p`:                               `[5,9]`,
		`$.s[0,2].t`:                             `["x","z"]`,
		`$.s[1:]['t','q']`:                       `["yy",1,"z"]`,
		`$..b`:                                   `[1,2]`,
		`$.o.*.b`:                                `[1,2]`,
		`$.s[?(@.p > 6)].t`:                      `["yy"]`,
		`$.s[?(@.q)].t`:                          `["yy"]`,
		`$.s[?(!@.p)].t`:                         `["z"]`,
		`$.s[?(@.p && @.p < 6 || @.t == 'z')].t`: `["x","z"]`,
		`$.s[?(@.t =~ /Y+/i)].p`:                 `[9]`,
		`$.s[?(@.t in ['x', 'z'])].t`:            `["x","z"]`,
		`$.s[?(@.t nin ['x', 'z'])].t`:           `["yy"]`,
		`$.s[?(@.p == $.s[0].p)].t`:              `["x"]`,
		`$.none[*]`:                              `[]`,
	} {
		pass := fmt.Sprintf(`{"StartAt":"A","States":{"A":{"Type":"Pass","Parameters":{"x.$":%q},"OutputPath":"$.x","End":true}}}`, path)
		if r := run(t, pass, input, nil); r.Status != asl.Succeeded || r.Output != want {
			t.Errorf("%s gave %s %s, want %s", path, r.Status, r.Output, want)
		}
	}
}

func TestChoiceOperators(t *testing.T) {
	const input = `{"s":"foo.log","n":5,"b":true,"z":null,"t":"2016-03-14T01:59:00Z","same":"foo.log","big":7}`
	for rule, want := range map[string]bool{
		`"Variable":"$.s","StringEquals":"foo.log"`:                                                          true,
		`"Variable":"$.s","StringEqualsPath":"$.same"`:                                                       true,
		`"Variable":"$.s","StringLessThan":"g"`:                                                              true,
		`"Variable":"$.s","StringGreaterThanEquals":"foo.log"`:                                               true,
		`"Variable":"$.s","StringMatches":"*.log"`:                                                           true,
		`"Variable":"$.s","StringMatches":"f*o.*g"`:                                                          true,
		`"Variable":"$.s","StringMatches":"foo\\*.log"`:                                                      false,
		`"Variable":"$.s","NumericEquals":5`:                                                                 false,
		`"Variable":"$.n","NumericEquals":5.0`:                                                               true,
		`"Variable":"$.n","NumericLessThanPath":"$.big"`:                                                     true,
		`"Variable":"$.n","NumericGreaterThan":5`:                                                            false,
		`"Variable":"$.n","NumericLessThanEquals":5`:                                                         true,
		`"Variable":"$.b","BooleanEquals":true`:                                                              true,
		`"Variable":"$.t","TimestampEquals":"2016-03-14T02:59:00+01:00"`:                                     true,
		`"Variable":"$.t","TimestampLessThan":"2016-03-14T01:59:00.5Z"`:                                      true,
		`"Variable":"$.s","TimestampEquals":"2016-03-14T01:59:00Z"`:                                          false,
		`"Variable":"$.z","IsNull":true`:                                                                     true,
		`"Variable":"$.none","IsPresent":false`:                                                              true,
		`"Variable":"$.n","IsNumeric":true`:                                                                  true,
		`"Variable":"$.s","IsString":false`:                                                                  false,
		`"Variable":"$.b","IsBoolean":true`:                                                                  true,
		`"Variable":"$.t","IsTimestamp":true`:                                                                true,
		`"Variable":"$.n","IsTimestamp":false`:                                                               true,
		`"And":[{"Variable":"$.n","NumericGreaterThan":1},{"Not":{"Variable":"$.b","BooleanEquals":false}}]`: true,
		`"Or":[{"Variable":"$.n","NumericGreaterThan":9},{"Variable":"$.b","BooleanEquals":false}]`:          false,
	} {
		r := run(t, `{"StartAt":"A","States":{"A":{"Type":"Choice","Choices":[{`+rule+`,"Next":"Y"}],"Default":"N"},"Y":{"Type":"Pass","Result":true,"End":true},"N":{"Type":"Pass","Result":false,"End":true}}}`, input, nil)
		if r.Output != fmt.Sprint(want) {
			t.Errorf("%s is %s, want %v (%+v)", rule, r.Output, want, r.Result)
		}
	}
}

func TestNoChoiceMatched(t *testing.T) {
	r := run(t, jsonata(`"A":{"Type":"Choice","Choices":[{"Condition":"{% false %}","Next":"B"}]},"B":{"Type":"Succeed"}`), `{}`, nil)
	if r.Status != asl.Failed || *r.Error != asl.ErrNoChoiceMatched {
		t.Errorf("got %+v", r.Result)
	}
	r = run(t, jsonata(`"A":{"Type":"Choice","Choices":[{"Condition":"{% 'x' %}","Next":"B"}]},"B":{"Type":"Succeed"}`), `{}`, nil)
	if r.Status != asl.Failed || *r.Error != asl.ErrQueryEvaluation || !strings.Contains(*r.Cause, "Expected 'boolean', but was 'string'") {
		t.Errorf("got %+v", r.Result)
	}
}

func TestAWSFunctions(t *testing.T) {
	for e, want := range map[string]string{
		`$partition([1,2,3,4], 3)`:             `[[1,2,3],[4]]`,
		`$range(0, 10, 5)`:                     `[0,5,10]`,
		`$hash('a', 'SHA-256')`:                `"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"`,
		`$parse('{"b":[1.0]}')`:                `{"b":[1.0]}`,
		`$length($uuid())`:                     `36`,
		`$random(7) = $random(7)`:              `true`,
		`$states.input.list[v > 1].v`:          `[2,3]`,
		`{'z': 1, 'a': $states.input.list[0]}`: `{"z":1,"a":{"v":1}}`,
		`$states.context.Execution.Name & $states.context.State.Name`: `"runA"`,
		`$states.input.nothing = null`:                                `true`,
		`/* it's a comment */ $count($states.input.list)`:             `3`,
	} {
		definition := jsonata(fmt.Sprintf(`"A":{"Type":"Pass","Output":%q,"End":true}`, "{% "+e+" %}"))
		if r := run(t, definition, `{"list":[{"v":1},{"v":2},{"v":3}],"nothing":null}`, nil); r.Output != want {
			t.Errorf("%s gave %s, want %s (%+v)", e, r.Output, want, r.Result)
		}
	}
}

// TestAssignReadsValuesAtEntry: Assign and Output see the old values.
func TestAssignReadsValuesAtEntry(t *testing.T) {
	r := run(t, jsonata(`"A":{"Type":"Pass","Assign":{"x":1,"y":2},"Next":"B"},
		"B":{"Type":"Pass","Assign":{"x":"{% $y %}","y":"{% $x %}"},"Output":"{% [$x,$y] %}","Next":"C"},
		"C":{"Type":"Pass","Output":"{% $append($states.input, [$x,$y]) %}","End":true}`), `{}`, nil)
	if r.Output != `[1,2,2,1]` {
		t.Errorf("got %+v", r.Result)
	}
}

// TestScopes: a branch reads outer variables, and its own end with it.
func TestScopes(t *testing.T) {
	r := run(t, jsonata(`"A":{"Type":"Pass","Assign":{"outer":1},"Next":"P"},
		"P":{"Type":"Parallel","Next":"Z","Branches":[{"StartAt":"B","States":{"B":{"Type":"Pass","Assign":{"inner":"{% $outer + 1 %}"},"Next":"C"},"C":{"Type":"Pass","Output":"{% $inner %}","End":true}}}]},
		"Z":{"Type":"Pass","Output":"{% [$states.input, $exists($inner)] %}","End":true}`), `{}`, nil)
	if r.Output != `[2,false]` { // JSONata's [ ] appends arrays
		t.Errorf("got %+v", r.Result)
	}
}

// TestRetry: intervals grow by the backoff rate up to the cap, each retrier
// counts for itself, and the first that matches decides.
func TestRetry(t *testing.T) {
	errors := []string{"X", "Y", "X", "X", "Y", "X"}
	var at []float64
	var start time.Time
	tasks := taskFunc(func(context.Context, asl.TaskCall) (json.RawMessage, *asl.TaskError) {
		if start.IsZero() {
			start = time.Now()
		}
		at = append(at, time.Since(start).Seconds())
		name := errors[0]
		errors = errors[1:]
		return nil, &asl.TaskError{Name: name, Cause: "again"}
	})
	r := run(t, jsonata(`"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","End":true,"Retry":[
		{"ErrorEquals":["X"],"IntervalSeconds":10,"BackoffRate":3,"MaxDelaySeconds":60,"MaxAttempts":3},
		{"ErrorEquals":["States.ALL"],"IntervalSeconds":1,"MaxAttempts":5}]}`), `{}`, tasks)
	if got := fmt.Sprint(at); got != "[0 10 11 41 101 103]" {
		t.Errorf("the attempts were at %s", got)
	}
	if r.Status != asl.Failed || *r.Error != "X" {
		t.Errorf("got %+v", r.Result)
	}
}

func TestJitter(t *testing.T) {
	var at []time.Time
	tasks := taskFunc(func(context.Context, asl.TaskCall) (json.RawMessage, *asl.TaskError) {
		at = append(at, time.Now())
		return nil, &asl.TaskError{Name: "X"}
	})
	run(t, jsonata(`"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","End":true,"Retry":[{"ErrorEquals":["X"],"IntervalSeconds":100,"JitterStrategy":"FULL","MaxAttempts":1}]}`), `{}`, tasks)
	if d := at[1].Sub(at[0]); d <= 0 || d >= 100*time.Second || d%time.Second == 0 {
		t.Errorf("the second attempt came after %s", d)
	}
}

// TestWait: half an hour passes in virtual time.
func TestWait(t *testing.T) {
	r := run(t, jsonata(`"A":{"Type":"Wait","Seconds":"{% 30 * 60 %}","End":true}`), `{}`, nil)
	entered, exited := r.events[1].Time, r.events[2].Time
	if exited.Sub(entered) != 30*time.Minute || r.Status != asl.Succeeded {
		t.Errorf("waited %s: %+v", exited.Sub(entered), r.Result)
	}
}

func hang(ctx context.Context, _ asl.TaskCall) (json.RawMessage, *asl.TaskError) {
	<-ctx.Done()
	return nil, &asl.TaskError{Name: "Cancelled"}
}

func TestTimeout(t *testing.T) {
	r := run(t, jsonata(`"A":{"Type":"Task","Resource":"arn:aws:states:::batch:submitJob.sync","TimeoutSeconds":7,"End":true,"Catch":[{"ErrorEquals":["States.TaskFailed"],"Next":"B"},{"ErrorEquals":["States.Timeout"],"Next":"C"}]},"B":{"Type":"Succeed"},"C":{"Type":"Pass","Output":"{% $states.input.Error %}","End":true}`), `{}`, taskFunc(hang))
	if r.Output != `"States.Timeout"` || !strings.Contains(r.types(), "TaskTimedOut") {
		t.Errorf("got %+v: %s", r.Result, r.types())
	}
}

// TestHeartbeat: beats keep a task alive; when they stop it times out.
func TestHeartbeat(t *testing.T) {
	tasks := taskFunc(func(ctx context.Context, call asl.TaskCall) (json.RawMessage, *asl.TaskError) {
		call.Submitted(json.RawMessage(`{"Job":1}`))
		for range 5 {
			time.Sleep(3 * time.Second)
			call.Heartbeat()
		}
		return hang(ctx, call)
	})
	r := run(t, jsonata(`"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","HeartbeatSeconds":4,"End":true,"Arguments":{"t":"{% $states.context.Task.Token %}"},"Catch":[{"ErrorEquals":["States.HeartbeatTimeout"],"Next":"B"}]},"B":{"Type":"Succeed"}`), `{}`, tasks)
	if r.Status != asl.Succeeded {
		t.Errorf("got %+v", r.Result)
	}
	const want = "ExecutionStarted TaskStateEntered TaskScheduled TaskStarted TaskSubmitted TaskTimedOut TaskStateExited SucceedStateEntered SucceedStateExited ExecutionSucceeded"
	if r.types() != want {
		t.Errorf("got  %s\nwant %s", r.types(), want)
	}
	if d := r.events[5].Time.Sub(r.events[3].Time); d != 19*time.Second {
		t.Errorf("timed out after %s", d)
	}
}

// TestExecutionTimeout: the machine's own bound.
func TestExecutionTimeout(t *testing.T) {
	r := run(t, `{"StartAt":"A","TimeoutSeconds":60,"States":{"A":{"Type":"Wait","Seconds":3600,"End":true}}}`, `{}`, nil)
	if r.Status != asl.TimedOut || *r.Error != asl.ErrTimeout {
		t.Errorf("got %+v", r.Result)
	}
}

// TestEventLimit: the 25,000th event ends the execution.
func TestEventLimit(t *testing.T) {
	r := run(t, `{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"A"}}}`, `{}`, nil)
	last := r.events[len(r.events)-1]
	if len(r.events) != asl.MaxEvents || last.Type != "ExecutionFailed" || last.ID != asl.MaxEvents || !strings.Contains(*r.Cause, "25000") {
		t.Errorf("%d events, the last is %+v", len(r.events), last)
	}
}

// TestFailureStopsSiblings: a failed branch cancels the tasks of the others.
func TestFailureStopsSiblings(t *testing.T) {
	cancelled := make(chan struct{}, 1)
	tasks := taskFunc(func(ctx context.Context, call asl.TaskCall) (json.RawMessage, *asl.TaskError) {
		if call.State == "Slow" {
			<-ctx.Done()
			cancelled <- struct{}{}
			return nil, &asl.TaskError{Name: "Cancelled"}
		}
		time.Sleep(time.Second)
		return nil, &asl.TaskError{Name: "Broken", Cause: "why"}
	})
	r := run(t, jsonata(`"A":{"Type":"Parallel","Next":"Z","Catch":[{"ErrorEquals":["Broken"],"Next":"C"}],"Branches":[
		{"StartAt":"Slow","States":{"Slow":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","End":true}}},
		{"StartAt":"Fast","States":{"Fast":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","End":true}}},
		{"StartAt":"Nap","States":{"Nap":{"Type":"Wait","Seconds":1000,"End":true}}}]},
		"C":{"Type":"Pass","Output":"{% $states.input.Cause %}","End":true},"Z":{"Type":"Succeed"}`), `{}`, tasks)
	if r.Output != `"why"` {
		t.Errorf("got %+v", r.Result)
	}
	<-cancelled
	if !strings.Contains(r.types(), "TaskFailed TaskStateAborted TaskStateAborted WaitStateAborted ParallelStateFailed ParallelStateExited") {
		t.Errorf("got %s", r.types())
	}
}

// TestMaxConcurrency: never more iterations than allowed, and results in the
// items' order.
func TestMaxConcurrency(t *testing.T) {
	running, most := 0, 0
	count := func(e asl.Event) {
		switch e.Type {
		case "MapIterationStarted":
			running++
		case "MapIterationSucceeded":
			running--
		}
		most = max(most, running)
	}
	r := run(t, jsonata(`"A":{"Type":"Map","Items":"{% [5,4,3,2,1] %}","MaxConcurrency":2,"End":true,"ItemProcessor":{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":"{% $states.input %}","End":true}}}}`), `{}`, nil)
	for _, e := range r.events {
		count(e)
	}
	if most != 2 || r.Output != "[5,4,3,2,1]" {
		t.Errorf("%d at once, output %s", most, r.Output)
	}
}

// TestToleratedFailures: a distributed Map tolerates as many failures as it
// says.
func TestToleratedFailures(t *testing.T) {
	for tolerated, want := range map[string]string{
		`"ToleratedFailureCount":1`:       `failed`,
		`"ToleratedFailureCount":2`:       `[1,3]`,
		`"ToleratedFailurePercentage":49`: `failed`,
		`"ToleratedFailurePercentage":50`: `[1,3]`,
		`"Label":"none"`:                  `failed`,
	} {
		r := run(t, jsonata(`"A":{"Type":"Map","Items":"{% [1,2,3,4] %}",`+tolerated+`,"End":true,"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"C","States":{
			"C":{"Type":"Choice","Choices":[{"Condition":"{% $states.input % 2 = 0 %}","Next":"F"}],"Default":"S"},"F":{"Type":"Fail","Error":"Even"},"S":{"Type":"Succeed"}}}}`), `{}`, nil)
		if want == "failed" {
			if r.Status != asl.Failed || *r.Error != asl.ErrExceedTolerated || !strings.Contains(r.types(), "MapRunFailed MapStateFailed ExecutionFailed") {
				t.Errorf("%s: got %+v %s", tolerated, r.Result, r.types())
			}
		} else if r.Output != want {
			t.Errorf("%s: got %+v, want %s", tolerated, r.Result, want)
		}
	}
}

// TestPayloadLimit: 262,144 bytes are carried, one more is not.
func TestPayloadLimit(t *testing.T) {
	for size, want := range map[int]asl.Status{asl.MaxPayload: asl.Succeeded, asl.MaxPayload + 1: asl.Failed} {
		tasks := taskFunc(func(context.Context, asl.TaskCall) (json.RawMessage, *asl.TaskError) {
			return json.RawMessage(`"` + strings.Repeat("x", size-2) + `"`), nil
		})
		r := run(t, jsonata(`"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","End":true}`), `{}`, tasks)
		if r.Status != want {
			t.Errorf("%d bytes: %s %v", size, r.Status, r.Error)
		}
	}
}

// TestAbort: StopExecution leaves the error and cause, and ends the task.
func TestAbort(t *testing.T) {
	var r ran
	synctest.Test(t, func(t *testing.T) {
		x := prepare(t, jsonata(`"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","End":true}`), `{}`, taskFunc(hang), &r)
		name, cause := "Stop", "enough"
		time.AfterFunc(time.Minute, func() { x.Abort(&name, &cause) })
		result, err := x.Run(t.Context())
		if err != nil || result.Status != asl.Aborted || *result.Error != "Stop" {
			t.Errorf("%+v %v", result, err)
		}
	})
	if last := r.events[len(r.events)-1]; last.Type != "ExecutionAborted" || last.Previous != 0 {
		t.Errorf("the last event is %+v", last)
	}
}

// TestErrors: every broken input fails the execution with its reason.
func TestErrors(t *testing.T) {
	for name, c := range map[string]struct{ state, input, err, cause string }{
		"items":         {`{"Type":"Map","ItemsPath":"$.a","ItemProcessor":{"StartAt":"B","States":{"B":{"Type":"Succeed"}}},"End":true}`, `{"a":1}`, asl.ErrRuntime, `Reference path "$.a" must point to array.`},
		"choice path":   {`{"Type":"Choice","Choices":[{"Variable":"$.a","IsNull":true,"Next":"A"}],"Default":"A"}`, `{}`, asl.ErrRuntime, "condition path references an invalid value"},
		"result path":   {`{"Type":"Pass","ResultPath":"$.a[3]","End":true}`, `{"a":[]}`, asl.ErrResultPathMatchFailure, "no element 3"},
		"intrinsic arg": {`{"Type":"Pass","Parameters":{"x.$":"States.MathAdd(1, $.no)"},"End":true}`, `{}`, asl.ErrRuntime, "could not be found in the input '{}'"},
		"variable":      {`{"Type":"Pass","Parameters":{"x.$":"$nope"},"End":true}`, `{}`, asl.ErrRuntime, "$nope"},
		"index":         {`{"Type":"Pass","InputPath":"$.a[1]","End":true}`, `{"a":[]}`, asl.ErrRuntime, "Index out of bounds"},
		"timeout":       {`{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","TimeoutSecondsPath":"$.t","End":true}`, `{"t":"x"}`, asl.ErrRuntime, "not a valid integer"},
		"concurrency":   {`{"Type":"Map","MaxConcurrencyPath":"$.c","ItemsPath":"$.i","ItemProcessor":{"StartAt":"B","States":{"B":{"Type":"Succeed"}}},"End":true}`, `{"c":-1,"i":[]}`, asl.ErrRuntime, "cannot be negative"},
	} {
		r := run(t, `{"StartAt":"A","States":{"A":`+c.state+`}}`, c.input, identity{})
		if r.Status != asl.Failed || *r.Error != c.err || !strings.Contains(*r.Cause, c.cause) {
			t.Errorf("%s: want %s %q, got %s %v %v", name, c.err, c.cause, r.Status, deref(r.Error), deref(r.Cause))
		}
	}
}

func deref(s *string) string {
	if s == nil {
		return "(none)"
	}
	return *s
}
