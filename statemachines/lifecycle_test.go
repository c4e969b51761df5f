package statemachines_test

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/asl"
)

// message is what a task publishes.
type message struct {
	Subject, Message  string
	MessageAttributes map[string]struct{ DataType, StringValue string }
}

// topic takes what is published; finishing a run works.
type topic struct{ said []message }

func (p *topic) Do(_ context.Context, call asl.TaskCall) (json.RawMessage, *asl.TaskError) {
	if !strings.HasSuffix(call.Resource, "sns:publish") {
		return json.RawMessage(`{"Payload":{}}`), nil
	}
	var m message
	if err := json.Unmarshal(call.Arguments, &m); err != nil {
		return nil, &asl.TaskError{Name: "Unknown", Cause: err.Error()}
	}
	p.said = append(p.said, m)
	return json.RawMessage(`{"MessageId":"1"}`), nil
}

// endOf runs the lifecycle from one of its last states on, with an outcome.
func endOf(t *testing.T, from string, outcome map[string]string) []message {
	t.Helper()
	body, err := os.ReadFile("lifecycle.asl.json")
	require.NoError(t, err)
	var machine map[string]any
	require.NoError(t, json.Unmarshal(body, &machine))
	states := machine["States"].(map[string]any)
	first := map[string]any{"Type": "Pass", "Assign": map[string]any{"model": "adult-income", "run": "adult-income-3", "cause": "x", "outcome": outcome,
		"failure": map[string]string{"Error": "Sluice.Denied", "Cause": "no permission"}}, "Next": from}
	kept := map[string]any{"First": first}
	for _, name := range []string{"Told?", "Tell", "Finish", "Done", "TellFailure", "Failed"} {
		kept[name] = states[name]
	}
	if from != "TellFailure" {
		delete(kept, "TellFailure")
		delete(kept, "Failed")
	} else {
		kept = map[string]any{"First": first, "TellFailure": states["TellFailure"], "Failed": states["Failed"]}
	}
	if from == "Tell" {
		delete(kept, "Told?")
	}
	machine["States"], machine["StartAt"] = kept, "First"
	text, err := json.Marshal(machine)
	require.NoError(t, err)
	filled := strings.NewReplacer("${TopicArn}", "arn:aws:sns:us-east-1:1:people", "${AdmitArn}", "admit", "${Environment}", "production").Replace(string(text))
	parsed, err := asl.Parse([]byte(filled), func(asl.TaskDefinition) error { return nil })
	require.NoError(t, err)
	p := &topic{}
	x, err := asl.NewEngine(asl.Options{Tasks: p}).Prepare(asl.Spec{Machine: parsed, Name: "m", Input: "{}", Start: time.Now(), Event: func(asl.Event) {}})
	require.NoError(t, err)
	_, err = x.Run(t.Context())
	require.NoError(t, err)
	return p.said
}

// A run that ends without a rollout is told with the attributes that subscriptions
// filter by; one whose rollout has told its outcome is not told again.
func TestARunsEndIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said := endOf(t, "Tell", map[string]string{"status": "invalid", "reason": "age is text"})
		require.Len(t, said, 1)
		require.Equal(t, "Sluice production adult-income: run adult-income-3 ended invalid", said[0].Subject)
		require.Contains(t, said[0].Message, "WHAT\n  run adult-income-3 of adult-income ended invalid\n  age is text\n\nNEXT\n  sluice run show adult-income-3 -e production ")
		for name, want := range map[string]string{"kind": "run_invalid", "severity": "warning", "model": "adult-income", "environment": "production"} {
			require.Equal(t, want, said[0].MessageAttributes[name].StringValue)
		}
		for _, status := range []string{"promoted", "rolled_back", "dry_run", "shadowed"} {
			require.Empty(t, endOf(t, "Told?", map[string]string{"status": status, "reason": "error_rate 0.2 is above 0.05"}), status)
		}
		require.Len(t, endOf(t, "Told?", map[string]string{"status": "rolled_back", "reason": "quarantined: the same model was rolled back"}), 1, "nothing began, so no rollout told it")
		said = endOf(t, "TellFailure", nil)
		require.Len(t, said, 1)
		require.Equal(t, "run_failed", said[0].MessageAttributes["kind"].StringValue)
		require.Contains(t, said[0].Message, "ended failed\n  Sluice.Denied: no permission")
	})
}

// answers takes what is published, and gives functions' answers by operation.
type answers struct {
	topic
	failed  string                     // the error that a Batch job ends with
	results map[string]json.RawMessage // by operation
	asked   []string
}

func (a *answers) Do(ctx context.Context, call asl.TaskCall) (json.RawMessage, *asl.TaskError) {
	var arguments struct{ Payload struct{ Operation string } }
	_ = json.Unmarshal(call.Arguments, &arguments) // others have none
	if strings.Contains(call.Resource, "batch:") {
		return nil, &asl.TaskError{Name: "States.TaskFailed", Cause: a.failed}
	}
	if operation := arguments.Payload.Operation; operation != "" {
		a.asked = append(a.asked, operation)
		return json.RawMessage(`{"Payload":` + string(a.results[operation]) + `}`), nil
	}
	return a.topic.Do(ctx, call)
}

// A job that fails is asked why: wrong data end the run "invalid", with the job's
// words, and everything else fails it.
func TestAFailedJobIsAskedWhy(t *testing.T) {
	for status, want := range map[string]struct{ execution, kind, text string }{
		"invalid": {"SUCCEEDED", "run_invalid", "ended invalid\n  no column y"},
		"failed":  {"FAILED", "run_failed", "ended failed\n  States.TaskFailed: no column y"},
	} {
		t.Run(status, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				body, err := os.ReadFile("lifecycle.asl.json")
				require.NoError(t, err)
				var machine map[string]any
				require.NoError(t, json.Unmarshal(body, &machine))
				states := machine["States"].(map[string]any)
				states["Skip"] = map[string]any{"Type": "Choice", "Choices": []any{map[string]any{"Condition": "{% false %}", "Next": machine["StartAt"]}}, "Default": "Train"}
				states["First"] = map[string]any{"Type": "Pass", "Next": "Skip", "Assign": map[string]any{"model": "m", "run": "m-1",
					"cause": "x", "plan": "p", "trainerJob": "j", "evaluatorJob": "j", "trained": "", "unchanged": ""}}
				machine["StartAt"] = "First"
				text, err := json.Marshal(machine)
				require.NoError(t, err)
				parsed, err := asl.Parse(text, func(asl.TaskDefinition) error { return nil })
				require.NoError(t, err)
				a := &answers{failed: `{"JobId":"j1"}`, results: map[string]json.RawMessage{"finish": json.RawMessage("{}"),
					"why": json.RawMessage(`{"status":"` + status + `","reason":"no column y","error":"States.TaskFailed"}`)}}
				x, err := asl.NewEngine(asl.Options{Tasks: a}).Prepare(asl.Spec{Machine: parsed, Name: "m", Input: "{}", Start: time.Now(), Event: func(asl.Event) {}})
				require.NoError(t, err)
				result, err := x.Run(t.Context())
				require.NoError(t, err)
				require.Equal(t, want.execution, string(result.Status))
				require.Equal(t, []string{"why", "finish"}, a.asked)
				require.Len(t, a.said, 1)
				require.Equal(t, want.kind, a.said[0].MessageAttributes["kind"].StringValue)
				require.Contains(t, a.said[0].Message, want.text)
			})
		})
	}
}
