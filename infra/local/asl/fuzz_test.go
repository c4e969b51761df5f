package asl_test

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ml/sluice/infra/local/asl"
	"github.com/sluice-ml/sluice/infra/local/asl/asltest"
)

// seeds adds definitions of every state type and both languages.
func seeds(f *testing.F) {
	f.Add(`{"StartAt":"A","States":{"A":{"Type":"Succeed"}}}`, `{}`)
	f.Add(`{"StartAt":"A","States":{"A":{"Type":"Pass","Parameters":{"a.$":"States.Format('{} {}', $.b, States.UUID())"},"Next":"W"},"W":{"Type":"Wait","Seconds":99999999,"End":true}}}`, `{"b":[1]}`)
	f.Add(`{"StartAt":"A","States":{"A":{"Type":"Map","ItemsPath":"$..a[?(@.b > 1 && !@.c || @.d =~ /x.*/i)]","MaxConcurrency":2,"ItemProcessor":{"StartAt":"B","States":{"B":{"Type":"Fail","ErrorPath":"$$.Map.Item.Value"}}},"Retry":[{"ErrorEquals":["States.ALL"],"JitterStrategy":"FULL"}],"Catch":[{"ErrorEquals":["States.ALL"],"Next":"A"}],"End":true}}}`, `[{"a":[{"b":2}]}]`)
	f.Add(`{"QueryLanguage":"JSONata","StartAt":"P","States":{"P":{"Type":"Parallel","Branches":[{"StartAt":"T","States":{"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Arguments":{"x":"{% $states.input.x %}"},"TimeoutSeconds":3,"End":true}}},{"StartAt":"C","States":{"C":{"Type":"Choice","Choices":[{"Condition":"{% $states.input.x = 1 %}","Next":"S"}]},"S":{"Type":"Succeed","Output":"{% $states.context %}"}}}],"End":true}}}`, `{"x":1}`)
	for _, fields := range []string{`"ItemReader":{"Resource":"arn:aws:states:::s3:listObjectsV2","Parameters":{"Bucket.$":"$.b"}},"ItemBatcher":{"MaxInputBytesPerBatchPath":"$.n"}`,
		`"ItemReader":{"Resource":"arn:aws:states:::s3:getObject","Parameters":{"Bucket":"b","Key.$":"$.k"},"ReaderConfig":{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW","MaxItemsPath":"$.n"}},"ItemSelector":{"v.$":"$$.Map.Item.Value"},"ToleratedFailureCountPath":"$.n"`,
		`"ItemsPath":"$.a","ItemBatcher":{"MaxItemsPerBatchPath":"$.n","BatchInput":{"n.$":"$.n"}},"ResultWriter":{"Resource":"arn:aws:states:::s3:putObject","Parameters":{"Bucket.$":"$.b","Prefix":"p"},"WriterConfig":{"OutputType":"JSONL","Transformation":"FLATTEN"}}`} {
		f.Add(each("JSONPath", fields), `{"b":"b","k":"rows.csv","n":2,"a":[1,[2],{"c":3}]}`)
	}
	path := os.Getenv(asltest.Environment)
	if path == "" {
		path = "../../../../shared/asl/recorded-executions.jsonl"
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return // the seeds above are enough to begin with
	}
	for line := range strings.Lines(string(text)) {
		var c asltest.Case
		if json.Unmarshal([]byte(line), &c) == nil && len(c.Definition) < 4000 {
			f.Add(string(c.Definition), string(c.Input))
		}
	}
}

// FuzzRun: no definition and no input makes the engine panic or hang, and
// every history is whole.
func FuzzRun(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, definition, input string) {
		machine, err := asl.Parse([]byte(definition), nil)
		if err != nil {
			return
		}
		engine := asl.NewEngine(asl.Options{Tasks: identity{}, Clock: asl.NewLeapClock(time.Unix(1e9, 0)),
			Objects: &bucket{objects: map[string]string{"b/rows.csv": "a,b\n1,2\n3\n", "b/x.json": `[1,{"a":2}]`}}})
		var last asl.Event
		x, err := engine.Prepare(asl.Spec{Machine: machine, Input: input, Start: time.Unix(1e9, 0), Event: func(e asl.Event) {
			if e.ID != last.ID+1 || e.Previous >= e.ID {
				t.Errorf("event %d follows %d and comes after %d", e.ID, e.Previous, last.ID)
			}
			last = e
		}})
		if err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		result, err := x.Run(ctx)
		if err != nil {
			t.Fatalf("the execution hangs: %v", err)
		}
		if result.Cause != nil && strings.Contains(*result.Cause, "engine failed") {
			t.Fatalf("the engine failed: %s", *result.Cause)
		}
		if !strings.HasPrefix(last.Type, "Execution") {
			t.Fatalf("the last event is %s", last.Type)
		}
	})
}

// FuzzEvent: what reads as an event is written again as the same event.
func FuzzEvent(f *testing.F) {
	f.Add(`{"id":3,"previousEventId":2,"timestamp":946684800.5,"type":"PassStateExited","stateExitedEventDetails":{"name":"A","output":"{}","assignedVariables":{"x":"1"},"assignedVariablesDetails":{"truncated":false}}}`)
	f.Add(`{"id":1,"previousEventId":0,"timestamp":1,"type":"ExecutionFailed","executionFailedEventDetails":{}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var first, second asl.Event
		if json.Unmarshal([]byte(text), &first) != nil {
			return
		}
		again, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(again, &second); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if third, _ := json.Marshal(second); string(third) != string(again) {
			t.Fatalf("%s became %s", again, third)
		}
	})
}

// runOnce runs a definition and fails the test when the engine fails or hangs.
func runOnce(t *testing.T, definition any, input string) {
	text, err := json.Marshal(definition)
	if err != nil {
		t.Fatal(err)
	}
	machine, err := asl.Parse(text, nil)
	if err != nil {
		return
	}
	engine := asl.NewEngine(asl.Options{Tasks: identity{}, Clock: asl.NewLeapClock(time.Unix(1e9, 0))})
	x, err := engine.Prepare(asl.Spec{Machine: machine, Input: input, Start: time.Unix(1e9, 0)})
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	result, err := x.Run(ctx)
	if err != nil {
		t.Fatalf("the execution hangs: %v", err)
	}
	if result.Cause != nil && strings.Contains(*result.Cause, "engine failed") {
		t.Fatalf("the engine failed: %s", *result.Cause)
	}
	if result.Status == asl.Succeeded && !json.Valid([]byte(result.Output)) {
		t.Fatalf("the output is not JSON: %s", result.Output)
	}
}

// FuzzJSONPath: no path or intrinsic function makes the engine panic or hang.
func FuzzJSONPath(f *testing.F) {
	for _, e := range []string{"$", "$.a.b[0]", "$['a','b'][1:-1]", "$..b[?(@.c == 'x' && !(@.d < 1) || @ in [1,2])]", "$$.Execution.Id", "$v[*]",
		"States.Format('{} \\{ {}', $.a, States.MathAdd(1, -2))", "States.JsonMerge($, $.a, false)", "States.ArrayRange(0, 9, 3)",
		"States.Hash($.a, 'SHA-256')", "States.StringSplit('a,b', ',')", "States.ArrayPartition($.c, 2)"} {
		f.Add(e, `{"a":{"b":[1,2,{"c":"x"}]},"c":[3,4,5]}`)
	}
	f.Fuzz(func(t *testing.T, expression, input string) {
		pass := map[string]any{"Type": "Pass", "Parameters": map[string]any{"x.$": expression}, "End": true}
		runOnce(t, map[string]any{"StartAt": "A", "States": map[string]any{"A": pass}}, input)
	})
}

// FuzzJSONata: no expression makes the engine panic or hang.
func FuzzJSONata(f *testing.F) {
	for _, e := range []string{"$states.input.a.b[c='x']", "$map($states.input.c, function($x){$x * 2})", "$states.context.Execution.Id",
		"($f := function($n){$n > 0 ? $f($n - 1) : 0}; $f(10))", "$partition([1..5], 2)", "$range(0, 10, 3)", "$hash('a', 'MD5')",
		"$parse('[1]')", "$uuid() & $string($random(1))", "$sort($states.input.c, function($a,$b){$a > $b})", "$states.input ~> |a|{'z':1}|",
		"{'a': 1/0}", "$states.input.c ^ (>$)", "$formatNumber(12.5, '#,##0.0')", "$toMillis('2017-11-07T15:07:54.972Z')", "$match('ab', /a(b)/)"} {
		f.Add(e, `{"a":{"b":[{"c":"x"}]},"c":[3,4,5]}`)
	}
	f.Fuzz(func(t *testing.T, expression, input string) {
		pass := map[string]any{"Type": "Pass", "Output": "{% " + expression + " %}", "End": true}
		runOnce(t, map[string]any{"QueryLanguage": "JSONata", "StartAt": "A", "States": map[string]any{"A": pass}}, input)
	})
}
