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
