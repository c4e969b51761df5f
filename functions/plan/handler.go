package main

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/registry"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

type handler struct {
	store        *s3store.Store
	lake, bucket string
	environment  string
	trainer      string
	server       string
	models       []string // that have alarms in this environment
}

// handle gives the plan of a run. The first plan that was written stays: a retry
// finds it, whatever has changed since.
func (h handler) handle(ctx context.Context, in contract.StepInput) (contract.PlanResult, error) {
	if err := contract.CheckModel(in.Model); err != nil || in.Run == "" {
		return contract.PlanResult{}, fault.New(fault.Invalid, "plan", "model %q, run %q: both are needed", in.Model, in.Run)
	}
	uri := contract.URI(h.bucket, contract.RunKey(in.Model, in.Run, contract.FilePlan))
	var plan contract.Plan
	err := h.store.GetJSON(ctx, uri, &plan)
	if fault.Is(err, fault.NotFound) {
		plan, err = h.make(ctx, in)
	}
	if err != nil {
		return contract.PlanResult{}, err
	}
	config, err := h.config(ctx, plan.Config)
	if err != nil {
		return contract.PlanResult{}, err
	}
	return contract.PlanResult{Plan: uri, ConfigHash: plan.ConfigHash,
		Deploys: h.deploys(in.Model, config)}, nil
}

// make resolves everything the run will use and writes it down.
func (h handler) make(ctx context.Context, in contract.StepInput) (contract.Plan, error) {
	latest := contract.URI(h.bucket, contract.ConfigKey(in.Model))
	_, info, err := h.store.GetURI(ctx, latest)
	if fault.Is(err, fault.NotFound) {
		return contract.Plan{}, fault.New(fault.NotFound, "plan run "+in.Run, "%w", err).WithHint("write the model's train.yaml to %s", latest)
	}
	if err != nil {
		return contract.Plan{}, err
	}
	pinned := s3store.VersionURI(h.bucket, contract.ConfigKey(in.Model), info.VersionID)
	config, err := h.config(ctx, pinned)
	if err != nil {
		return contract.Plan{}, err
	}
	plan, err := h.resolve(ctx, in, config)
	if err != nil {
		return contract.Plan{}, err
	}
	plan.Config, plan.ConfigHash = pinned, config.Hash()
	return h.write(ctx, plan)
}

func (h handler) config(ctx context.Context, uri string) (*trainconfig.Config, error) {
	body, _, err := h.store.GetURI(ctx, uri)
	if err != nil {
		return nil, err
	}
	return trainconfig.Parse(uri, body)
}

func (h handler) resolve(ctx context.Context, in contract.StepInput, config *trainconfig.Config) (contract.Plan, error) {
	source, err := h.source(in, config)
	if err != nil {
		return contract.Plan{}, err
	}
	request := contract.RunKey(in.Model, in.Run, contract.FileRequest)
	made, err := h.store.Head(ctx, h.bucket, request, "")
	if err != nil {
		return contract.Plan{}, err
	}
	champion, err := registry.New(h.store.Refs(h.bucket, "")).Resolve(ctx, in.Model, registry.Champion)
	if err != nil {
		return contract.Plan{}, err
	}
	return contract.Plan{Model: in.Model, Run: in.Run, Environment: h.environment, Cause: in.Cause,
		Created: made.LastModified.UTC(), Request: contract.URI(h.bucket, request), Dataset: source,
		Seed: config.Experiment.Seed, TrainerImage: h.trainer, ServerImage: h.server, Champion: champion}, nil
}

// source is where the run's data comes from. Uploads are told to models by
// their prefix, so data.path must lie under the model's own.
func (h handler) source(in contract.StepInput, config *trainconfig.Config) (contract.Dataset, error) {
	bucket, prefix, err := contract.ParseURI(config.Data.Path)
	if bucket == "lake" {
		bucket = h.lake
	}
	own := contract.RawPrefix(in.Model)
	if err != nil || bucket != h.lake || !strings.HasPrefix(prefix, own) {
		return contract.Dataset{}, fault.New(fault.Invalid, "plan run "+in.Run, "data.path is %q: want %s, or a folder below it",
			config.Data.Path, contract.URI("lake", own)).
			WithHint("leave data.path out and name experiment %q; uploads of this model arrive there", in.Model)
	}
	d := contract.Dataset{Bucket: bucket, Prefix: prefix, Ref: config.Data.Version, Branch: config.Data.Version}
	if d.Ref == dataset.Main {
		d.Branch = "incoming/" + in.Run
	}
	return d, nil
}

func (h handler) write(ctx context.Context, plan contract.Plan) (contract.Plan, error) {
	body, err := json.MarshalIndent(plan, "", "  ")
	if err != nil {
		return plan, fault.New(fault.Internal, "encode the plan", "%w", err)
	}
	key := contract.RunKey(plan.Model, plan.Run, contract.FilePlan)
	_, err = h.store.PutIfAbsent(ctx, h.bucket, key, append(body, '\n'))
	if fault.Is(err, fault.Conflict) { // another attempt of the same step was first
		err = h.store.GetJSON(ctx, contract.URI(h.bucket, key), &plan)
	}
	return plan, err
}

// deploys says whether the run ends in a rollout here: train.yaml asks for it,
// and the stack has alarms that can roll the model back. Without them it would
// serve unwatched.
func (h handler) deploys(model string, config *trainconfig.Config) bool {
	return slices.Contains(config.Deployment.Environments, h.environment) && slices.Contains(h.models, model)
}
