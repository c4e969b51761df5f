package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/tracking"
)

// files is the store bucket as tracking.Files.
type files struct {
	*s3store.Store
	bucket string
}

func (f files) Folders(ctx context.Context, prefix string) ([]string, error) {
	return f.Store.Folders(ctx, f.bucket, prefix)
}

func (f files) Read(ctx context.Context, uri string) ([]byte, error) {
	body, _, err := f.GetURI(ctx, uri)
	return body, err
}

type handler struct {
	outbox  []*tracking.Outbox
	folders func(ctx context.Context) ([]string, error) // models that ever had a run
}

// request is a call by the schedule or by people: one model, or all of them.
type request struct {
	Model string `json:"model"`
}

// result is what was done, for each model and tracker.
type result struct {
	Tracked []tracking.Result `json:"tracked"`
}

// handle catches up with every tracker. One that is down keeps no other waiting;
// the error says so at the end, and the schedule asks again.
func (h handler) handle(ctx context.Context, event json.RawMessage) (result, error) {
	models, err := h.which(ctx, event)
	done := result{Tracked: []tracking.Result{}}
	if err != nil {
		return done, err
	}
	var down []error
	for _, outbox := range h.outbox {
		for _, model := range models {
			r, err := outbox.CatchUp(ctx, model, holder(ctx))
			if fault.Is(err, fault.Busy) { // another call is at it
				continue
			}
			if err != nil {
				down = append(down, err)
				break
			}
			done.Tracked = append(done.Tracked, r)
		}
	}
	return done, fault.Wrap(fault.Unavailable, "catch up with the trackers", errors.Join(down...))
}

// holder names this call, so that a retry of another one is told apart.
func holder(ctx context.Context) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		return lc.AwsRequestID
	}
	return "by hand"
}

// which reads the event: an execution of the lifecycle that ended, or a request.
func (h handler) which(ctx context.Context, event json.RawMessage) ([]string, error) {
	const op = "read the event"
	var e struct {
		request
		DetailType string `json:"detail-type"`
		Detail     struct {
			Input string `json:"input"`
		} `json:"detail"`
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return nil, fault.New(fault.Invalid, op, "%w", err)
	}
	model := e.Model
	switch e.DetailType {
	case "":
	case "Step Functions Execution Status Change":
		var input contract.RunInput
		if err := json.Unmarshal([]byte(e.Detail.Input), &input); err != nil {
			return nil, fault.New(fault.Invalid, op, "detail.input: %w", err)
		}
		model = input.Model
	default:
		return nil, fault.New(fault.Invalid, op, "detail-type is %q: want Step Functions Execution Status Change", e.DetailType)
	}
	if model == "" && e.DetailType == "" {
		return h.folders(ctx)
	}
	return []string{model}, fault.Wrap(fault.Invalid, op, contract.CheckModel(model))
}
