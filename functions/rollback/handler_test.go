package main

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// recorder keeps what it was called with.
type recorder struct {
	steps  []contract.RolloutStep
	models []string
	alarms []rollout.Alarm
}

func (r *recorder) Rollback(_ context.Context, s contract.RolloutStep) (contract.RolloutCommand, error) {
	r.steps = append(r.steps, s)
	return contract.RolloutCommand{Action: "release"}, nil
}

func (r *recorder) Do(_ context.Context, s contract.RolloutStep) (contract.RolloutCommand, error) {
	return contract.RolloutCommand{Action: "release", Reason: s.Operation + " " + s.Model}, nil
}

func (r *recorder) Alarm(_ context.Context, model string, a rollout.Alarm) (contract.RolloutCommand, error) {
	r.models, r.alarms = append(r.models, model), append(r.alarms, a)
	return contract.RolloutCommand{Action: "release"}, nil
}

const event = `{"version":"0","id":"c4c1","detail-type":"CloudWatch Alarm State Change","source":"aws.cloudwatch","account":"000000000000",
"time":"2026-03-01T12:00:01Z","region":"eu-west-1","resources":["arn:aws:cloudwatch:eu-west-1:000000000000:alarm:sluice-staging-adult--income.green.errors"],
"detail":{"alarmName":"sluice-staging-adult--income.green.errors","state":{"value":"ALARM","reason":"Threshold Crossed","reasonData":"{\"period\":60,\"evaluatedDatapoints\":[{\"timestamp\":\"2026-03-01T11:58:00.000+0000\"}]}","timestamp":"2026-03-01T12:00:00.554+0000"},
"previousState":{"value":"OK"},"configuration":{"metrics":[]}}}`

func TestRevert(t *testing.T) {
	r := &recorder{}
	command, err := handler{"staging", r}.handle(t.Context(), json.RawMessage(`{"operation": "revert", "model": "m"}`))
	require.NoError(t, err)
	require.Equal(t, "revert m", command.Reason)
	require.Empty(t, r.steps)
}

func TestAlarmEvent(t *testing.T) {
	r := &recorder{}
	_, err := handler{"staging", r}.handle(t.Context(), json.RawMessage(event))
	require.NoError(t, err)
	require.Equal(t, []string{"adult_income"}, r.models)
	require.Len(t, r.alarms, 1)
	require.True(t, r.alarms[0].Since.Equal(time.Date(2026, 3, 1, 12, 0, 0, 554e6, time.UTC)))
	r.alarms[0].Since = time.Time{}
	require.Equal(t, rollout.Alarm{Name: "sluice-staging-adult--income.green.errors", Slot: "green", Reason: "Threshold Crossed",
		From: time.Date(2026, 3, 1, 11, 58, 0, 0, time.UTC), To: time.Date(2026, 3, 1, 11, 59, 0, 0, time.UTC)}, r.alarms[0])
}

func TestEventsThatAskForNothing(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"recovered":           func(d map[string]any) { d["state"].(map[string]any)["value"] = "OK" },
		"another environment": func(d map[string]any) { d["alarmName"] = "sluice-production-m.green.errors" },
		"somebody else's":     func(d map[string]any) { d["alarmName"] = "cpu-is-high" },
		"a third slot":        func(d map[string]any) { d["alarmName"] = "sluice-staging-m.red.errors" },
	} {
		t.Run(name, func(t *testing.T) {
			var e map[string]any
			require.NoError(t, json.Unmarshal([]byte(event), &e))
			change(e["detail"].(map[string]any))
			body, err := json.Marshal(e)
			require.NoError(t, err)
			r := &recorder{}
			command, err := handler{"staging", r}.handle(t.Context(), body)
			require.NoError(t, err)
			require.Equal(t, "done", command.Action)
			require.Contains(t, command.Reason, "nothing to do")
			require.Empty(t, r.alarms)
		})
	}
}

func TestStepsFromTheStateMachineAndFromPeople(t *testing.T) {
	r := &recorder{}
	for _, body := range []string{`{"model":"m","run":"m-3","version":3,"decision":"s3://store/d","rollout":"m-3","reason":"failure 3 of 3"}`,
		`{"model":"m","reason":"it looks odd"}`} {
		_, err := handler{"staging", r}.handle(t.Context(), json.RawMessage(body))
		require.NoError(t, err)
	}
	require.Equal(t, []contract.RolloutStep{{Model: "m", Run: "m-3", Version: 3, Decision: "s3://store/d", Rollout: "m-3", Reason: "failure 3 of 3"},
		{Model: "m", Reason: "it looks odd"}}, r.steps)
}

func TestBadInput(t *testing.T) {
	for body, want := range map[string]string{
		`{}`:   "model is missing",
		`[]`:   "cannot unmarshal array",
		`"x"`:  "cannot unmarshal string",
		`{"mo`: "unexpected end",
		`null`: "model is missing",
		`{"source":"aws.s3","detail-type":"Object Created","detail":{}}`:                                                                                     `source "aws.s3"`,
		`{"source":"aws.cloudwatch","detail-type":"CloudWatch Alarm State Change","detail":{"alarmName":"a","state":{"value":"ALARM","timestamp":"today"}}}`: `"today"`,
		`{"model":7}`: "cannot unmarshal number",
	} {
		_, err := handler{"staging", &recorder{}}.handle(t.Context(), json.RawMessage(body))
		require.ErrorContains(t, err, want, body)
		require.Equal(t, fault.Invalid, fault.KindOf(err), body)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(event))
	f.Add([]byte(`{"model":"m"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		in, err := decode(body)
		if err == nil && in.alarm == nil && in.step.Model == "" {
			t.Fatal("a step without a model was let through")
		}
		if err != nil && !fault.Is(err, fault.Invalid) {
			t.Fatalf("%v is not Invalid", err)
		}
	})
}
