package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sluice-ml/sluice/shared/aws/metrics"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// controller is what is used of rollout.Controller.
type controller interface {
	Rollback(context.Context, contract.RolloutStep) (contract.RolloutCommand, error)
	Do(context.Context, contract.RolloutStep) (contract.RolloutCommand, error)
	Alarm(context.Context, string, rollout.Alarm) (contract.RolloutCommand, error)
}

type handler struct {
	environment string
	controller  controller
}

func (h handler) handle(ctx context.Context, event json.RawMessage) (contract.RolloutCommand, error) {
	in, err := decode(event)
	if err != nil {
		return contract.RolloutCommand{}, err
	}
	switch {
	case in.alarm != nil:
		return h.alarm(ctx, *in.alarm)
	case in.step.Operation == "revert":
		return h.controller.Do(ctx, in.step)
	}
	return h.controller.Rollback(ctx, in.step)
}

// alarm passes on an alarm of this environment that went off. Whatever else
// the rule let through is nobody's fault: it is answered, not failed.
func (h handler) alarm(ctx context.Context, e stateChange) (contract.RolloutCommand, error) {
	environment, model, slot, _, ok := contract.ParseAlarmName(e.name)
	switch {
	case !ok || environment != h.environment:
		return ignored("alarm %s is not one of a %s endpoint", e.name, h.environment), nil
	case e.state != "ALARM":
		return ignored("alarm %s is %s", e.name, e.state), nil
	}
	from, to := metrics.Newest(e.data)
	return h.controller.Alarm(ctx, model, rollout.Alarm{Name: e.name, Slot: slot, Since: e.since, Reason: e.reason, From: from, To: to})
}

func ignored(why string, args ...any) contract.RolloutCommand {
	return contract.RolloutCommand{Action: string(rollout.Finish), Reason: fmt.Sprintf(why, args...) + ": nothing to do"}
}

// input is one of a step and an alarm's change of state.
type input struct {
	step  contract.RolloutStep
	alarm *stateChange
}

type stateChange struct {
	name, state, reason, data string // data is the event's reasonData
	since                     time.Time
}

// decode tells a CloudWatch event from a step; Invalid says what is wrong.
func decode(event json.RawMessage) (input, error) {
	const op = "read the event"
	var e struct {
		Source     string `json:"source"`
		DetailType string `json:"detail-type"`
		Detail     struct {
			AlarmName string `json:"alarmName"`
			State     struct {
				Value     string `json:"value"`
				Reason    string `json:"reason"`
				Data      string `json:"reasonData"`
				Timestamp string `json:"timestamp"`
			} `json:"state"`
		} `json:"detail"`
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return input{}, fault.New(fault.Invalid, op, "%w", err)
	}
	if e.Source == "" && e.DetailType == "" {
		var step contract.RolloutStep
		if err := json.Unmarshal(event, &step); err != nil {
			return input{}, fault.New(fault.Invalid, op, "%w", err)
		}
		if step.Model == "" {
			return input{}, fault.New(fault.Invalid, op, "model is missing").WithHint(`send {"model": "…", "reason": "…"}`)
		}
		return input{step: step}, nil
	}
	if e.Source != "aws.cloudwatch" || e.DetailType != "CloudWatch Alarm State Change" || e.Detail.AlarmName == "" || e.Detail.State.Value == "" {
		return input{}, fault.New(fault.Invalid, op, "source %q, detail-type %q, alarm %q, state %q: want a CloudWatch Alarm State Change",
			e.Source, e.DetailType, e.Detail.AlarmName, e.Detail.State.Value).WithHint("the rule must match alarms' changes of state only")
	}
	since, err := timestamp(e.Detail.State.Timestamp)
	if err != nil {
		return input{}, fault.New(fault.Invalid, op, "detail.state.timestamp: %w", err)
	}
	return input{alarm: &stateChange{e.Detail.AlarmName, e.Detail.State.Value, e.Detail.State.Reason, e.Detail.State.Data, since}}, nil
}

// timestamp reads CloudWatch's form (2026-03-01T12:00:00.000+0000) and RFC 3339.
func timestamp(text string) (time.Time, error) {
	if t, err := time.Parse("2006-01-02T15:04:05.999-0700", text); err == nil {
		return t, nil
	}
	return time.Parse(time.RFC3339, text)
}
