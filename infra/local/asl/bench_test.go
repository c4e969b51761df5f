package asl_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ml/sluice/infra/local/asl"
)

// loop counts to n in a Choice loop: two transitions a turn.
const loop = `{"QueryLanguage": "JSONata", "StartAt": "Count", "States": {
  "Count": {"Type": "Pass", "Assign": {"n": "{%% $n + 1 %%}"}, "Output": {"n": "{%% $n %%}", "name": "{%% $states.input.name %%}"}, "Next": "Enough"},
  "Zero": {"Type": "Pass", "Assign": {"n": 0}, "Next": "Count"},
  "Enough": {"Type": "Choice", "Choices": [{"Condition": "{%% $n >= %d %%}", "Next": "Done"}], "Default": "Count"},
  "Done": {"Type": "Succeed"}}}`

// The turns a benchmark execution makes: 4 events each, within the history's
// limit.
const turns = 5000

func BenchmarkTransitionsJSONata(b *testing.B) {
	definition := fmt.Sprintf(loop, turns)
	definition = replaceOnce(definition, `"StartAt": "Count"`, `"StartAt": "Zero"`)
	benchmarkTransitions(b, definition, 2*turns)
}

func BenchmarkTransitionsJSONPath(b *testing.B) {
	benchmarkTransitions(b, fmt.Sprintf(`{"StartAt": "Zero", "States": {
  "Zero": {"Type": "Pass", "Assign": {"n": 0}, "Next": "Count"},
  "Count": {"Type": "Pass", "Parameters": {"name.$": "$.name", "n.$": "$n"}, "Assign": {"n.$": "States.MathAdd($n, 1)"}, "Next": "Enough"},
  "Enough": {"Type": "Choice", "Choices": [{"Variable": "$n", "NumericGreaterThanEquals": %d, "Next": "Done"}], "Default": "Count"},
  "Done": {"Type": "Succeed"}}}`, turns), 2*turns)
}

func BenchmarkTransitionsTask(b *testing.B) {
	benchmarkTransitions(b, `{"QueryLanguage": "JSONata", "StartAt": "Each", "States": {"Each": {"Type": "Map", "Items": "{% [1..2000] %}", "End": true, "MaxConcurrency": 1,
  "ItemProcessor": {"StartAt": "Work", "States": {"Work": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
  "Arguments": {"FunctionName": "f", "Payload": "{% $states.input %}"}, "Output": "{% $states.result.Payload %}", "End": true}}}}}}`, 2000)
}

func benchmarkTransitions(b *testing.B, definition string, transitions int) {
	machine, err := asl.Parse([]byte(definition), nil)
	if err != nil {
		b.Fatal(err)
	}
	engine := asl.NewEngine(asl.Options{Tasks: identity{}, Region: "eu-west-1", Account: "111111111111"})
	runs := 0
	for b.Loop() {
		x, err := engine.Prepare(asl.Spec{Machine: machine, Input: `{"name": "adult-income"}`, Start: time.Now(), ARN: "arn", Event: func(e asl.Event) {
			if _, err := e.MarshalJSON(); err != nil {
				b.Fatal(err)
			}
		}})
		if err != nil {
			b.Fatal(err)
		}
		result, err := x.Run(b.Context())
		if err != nil || result.Status != asl.Succeeded {
			b.Fatalf("%v %+v %s", err, result, *result.Cause)
		}
		runs++
	}
	b.ReportMetric(float64(runs*transitions)/b.Elapsed().Seconds(), "transitions/s")
}

func replaceOnce(s, old, with string) string { return strings.Replace(s, old, with, 1) }
