package main

import (
	"context"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/trained"
)

// adopt gives the run the model that an earlier one trained from the same plan,
// and names that run; "" when there is none, or when this run is to train. The
// model is copied last, so a run that has it has all.
func (h handler) adopt(ctx context.Context, plan contract.Plan) (from string, err error) {
	if plan.Cause.Kind == contract.CauseRetrain {
		return "", nil
	}
	known, err := trained.Find(ctx, h.store.Refs(h.bucket, ""), plan.Model, plan.Hash)
	if err != nil || known == nil || known.Run == plan.Run {
		return "", err
	}
	digest, _, err := h.store.Digest(ctx, h.bucket, contract.RunKey(plan.Model, known.Run, contract.FileModel), "")
	if fault.Is(err, fault.NotFound) || err == nil && digest != known.Digest { // it is gone, or another: train anew
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if _, err := h.store.PutJSON(ctx, h.bucket, contract.RunKey(plan.Model, plan.Run, contract.FileAdopted), known); err != nil {
		return "", err
	}
	for _, name := range []string{contract.FileMetrics, contract.FileEnvironment, contract.FileFolds, contract.FileModel} {
		if err := h.copy(ctx, plan.Model, known.Run, plan.Run, name); err != nil {
			return "", err
		}
	}
	return known.Run, nil
}

// copy copies a file of a run to another; a trainer need not write every one.
func (h handler) copy(ctx context.Context, model, from, to, name string) error {
	body, _, err := h.store.Get(ctx, h.bucket, contract.RunKey(model, from, name), "")
	if fault.Is(err, fault.NotFound) && name != contract.FileModel {
		return nil
	}
	if err == nil {
		_, err = h.store.PutOnce(ctx, h.bucket, contract.RunKey(model, to, name), body)
	}
	return err
}
