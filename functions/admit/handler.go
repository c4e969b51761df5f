package main

import (
	"context"
	"encoding/json"
	"log/slog"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/intake"
)

type handler struct {
	lake   string
	intake *intake.Intake
	log    *slog.Logger
}

// handle tells calls from EventBridge events by their "operation".
func (h handler) handle(ctx context.Context, raw json.RawMessage) (any, error) {
	var request contract.AdmitRequest
	if err := json.Unmarshal(raw, &request); err != nil {
		return nil, fault.New(fault.Invalid, "read the event", "%w", err)
	}
	switch request.Operation {
	case "start":
		return h.intake.Start(ctx, request.Model, request.Cause)
	case "settle":
		return h.intake.Settle(ctx, request.Model, request.Run)
	case "why":
		return h.why(ctx, request)
	case "finish":
		if request.Outcome == nil {
			return nil, fault.New(fault.Invalid, "finish run "+request.Run, "outcome is missing")
		}
		outcome := *request.Outcome
		outcome.Reason = contract.Reason(outcome.Reason)
		return h.intake.Finish(ctx, request.Model, request.Run, outcome)
	case "":
		return h.upload(ctx, raw)
	}
	return nil, fault.New(fault.Invalid, "read the event", "operation %q: want start, settle, why or finish", request.Operation)
}

// why says what was wrong when a job of a run failed.
func (h handler) why(ctx context.Context, request contract.AdmitRequest) (any, error) {
	if request.Outcome == nil {
		return nil, fault.New(fault.Invalid, "explain run "+request.Run, "outcome is missing")
	}
	said, err := h.intake.Store.Get(ctx, contract.RunKey(request.Model, request.Run, contract.FileFailure))
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	return contract.WhyJobFailed(request.Outcome.Reason, said.Body, *request.Outcome), nil
}

// upload takes in an S3 event: an upload, or a configuration, which uploads may
// wait for.
func (h handler) upload(ctx context.Context, raw json.RawMessage) (any, error) {
	if model, ok := intake.ParseConfigured(raw, h.intake.Bucket); ok {
		return h.intake.Configured(ctx, model)
	}
	u, err := intake.ParseEvent(raw, h.lake)
	if err != nil {
		return nil, err
	}
	if u.Ignored != "" {
		return contract.AdmitResult{Model: u.Model, Reason: "ignored: " + u.Ignored}, nil
	}
	result, err := h.intake.Upload(ctx, u.Model, u.Version, u.Cause)
	if err == nil && result.Run == "" && !result.Duplicate {
		h.log.Info("an upload waits", "model", u.Model, "key", u.Version.Key, "reason", result.Reason)
	}
	return result, err
}
