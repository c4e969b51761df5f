package main

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/feedback"
	"github.com/sluice-ml/sluice/shared/ref"
)

type handler struct {
	lake    string
	refs    ref.Store // of the store bucket
	monitor *feedback.Monitor
}

// step is a call by the state machine or by people.
type step struct {
	Operation string `json:"operation"` // "models" or "monitor"
	Model     string `json:"model"`     // monitor
}

// models answers "models": those that ever had a rollout.
type models struct {
	Models []string `json:"models"`
}

func (h handler) handle(ctx context.Context, event json.RawMessage) (any, error) {
	in, err := decode(event, h.lake)
	if err != nil {
		return nil, err
	}
	if in.Operation == "models" {
		return h.models(ctx)
	}
	return h.monitor.Watch(ctx, in.Model, holder(ctx))
}

// holder names this call, so that a retry of another one is told apart.
func holder(ctx context.Context) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		return lc.AwsRequestID
	}
	return "by hand"
}

func (h handler) models(ctx context.Context) (models, error) {
	keys, err := h.refs.List(ctx, "rollouts/")
	if err != nil {
		return models{}, err
	}
	found := models{Models: []string{}}
	for _, key := range keys {
		name, rest, _ := strings.Cut(strings.TrimPrefix(key, "rollouts/"), "/")
		if rest == "state.json" && contract.RolloutStateKey(name) == key {
			found.Models = append(found.Models, name)
		}
	}
	return found, nil
}

// decode tells an "Object Created" event from a step; Invalid says what is
// wrong.
func decode(event json.RawMessage, lake string) (step, error) {
	const op = "read the event"
	var e struct {
		step
		Source     string `json:"source"`
		DetailType string `json:"detail-type"`
		Detail     struct {
			Bucket struct {
				Name string `json:"name"`
			} `json:"bucket"`
			Object struct {
				Key string `json:"key"`
			} `json:"object"`
		} `json:"detail"`
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return step{}, fault.New(fault.Invalid, op, "%w", err)
	}
	if e.Source == "" && e.DetailType == "" {
		return e.step.check(op)
	}
	labels, ok := strings.CutPrefix(e.Detail.Object.Key, "labels/")
	model, _, nested := strings.Cut(labels, "/")
	if e.DetailType != "Object Created" || e.Detail.Bucket.Name != lake || !ok || !nested {
		return step{}, fault.New(fault.Invalid, op, "%q of %s: want Object Created under %s",
			e.DetailType, contract.URI(e.Detail.Bucket.Name, e.Detail.Object.Key), contract.URI(lake, "labels/<model>/")).
			WithHint("the rule must match new labels only")
	}
	return step{"monitor", model}.check(op)
}

func (s step) check(op string) (step, error) {
	if s.Operation == "" && s.Model != "" {
		s.Operation = "monitor"
	}
	switch s.Operation {
	case "models":
		return s, nil
	case "monitor":
		return s, fault.Wrap(fault.Invalid, op, contract.CheckModel(s.Model))
	}
	return step{}, fault.New(fault.Invalid, op, `operation is %q: want "models" or "monitor"`, s.Operation)
}
