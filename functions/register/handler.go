package main

import (
	"context"
	"time"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/decision"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/registry"
)

type handler struct {
	store    *s3store.Store
	bucket   string
	verifier decision.Verifier
	now      func() time.Time
}

// handle registers the run's model as the next version. It refuses, Denied,
// without a signed decision to ship exactly this plan and this artefact. A retry
// gives the version that is there.
func (h handler) handle(ctx context.Context, in contract.StepInput) (contract.RegisterResult, error) {
	if in.Decision == "" {
		return contract.RegisterResult{}, fault.New(fault.Denied, "register run "+in.Run, "there is no decision").
			WithHint("nothing ships without one; run the lifecycle")
	}
	var plan contract.Plan
	if err := h.store.GetJSON(ctx, in.Plan, &plan); err != nil {
		return contract.RegisterResult{}, err
	}
	encoded, _, err := h.store.GetURI(ctx, in.Decision)
	if err != nil {
		return contract.RegisterResult{}, err
	}
	d, err := decision.Open(ctx, h.verifier, encoded)
	if err != nil {
		return contract.RegisterResult{}, err
	}
	artifact := contract.RunKey(in.Model, in.Run, contract.FileModel)
	digest, _, err := h.store.Digest(ctx, h.bucket, artifact, "")
	if err != nil {
		return contract.RegisterResult{}, err
	}
	if err := h.require(ctx, in, plan, d, digest); err != nil {
		return contract.RegisterResult{}, err
	}
	v, err := registry.New(h.store.Refs(h.bucket, "")).Register(ctx, contract.Version{Model: in.Model, Run: in.Run, Plan: in.Plan,
		PlanHash: d.PlanHash, Artifact: contract.URI(h.bucket, artifact), Digest: digest, Image: d.ServerImage,
		Decision: in.Decision, Created: h.now().UTC()})
	return contract.RegisterResult{Version: v}, err
}

// require holds the decision against the plan, the artefact and what the gates
// read, as they are now.
func (h handler) require(ctx context.Context, in contract.StepInput, plan contract.Plan, d decision.Decision, digest string) error {
	if err := d.Require(in.Model, in.Run, plan.Hash, digest); err != nil {
		return err
	}
	if err := d.RequirePlan(plan); err != nil {
		return err
	}
	return d.RequireEvidence(func(name string) (string, error) {
		found, _, err := h.store.Digest(ctx, h.bucket, contract.RunKey(in.Model, in.Run, name), "")
		return found, err
	})
}
