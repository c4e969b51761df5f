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
	models       []string                   // that have alarms in this environment
	own          map[string]contract.Images // of the models that bring theirs
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
	result := contract.PlanResult{Plan: uri, ConfigHash: plan.ConfigHash, Deploys: h.deploys(in.Model, config)}
	if config.Model.Type == trainconfig.TypeImage {
		own := h.own[in.Model]
		if own.Trainer != plan.TrainerImage || own.Server != plan.ServerImage {
			return contract.PlanResult{}, fault.New(fault.Invalid, "plan run "+in.Run, "its plan names the images %s and %s, and the stack has others since", plan.TrainerImage, plan.ServerImage).
				WithHint("start a new run: sluice run start %s", in.Model)
		}
		result.TrainerJob, result.EvaluatorJob = own.TrainerJob, own.EvaluatorJob
	}
	return result, nil
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
	trainer, server, err := h.images(in.Model, config)
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
		Seed: config.Experiment.Seed, TrainerImage: trainer, ServerImage: server, Champion: champion}, nil
}

// images are what trains and serves the model: the stack's own, or, for
// model.type image, those that cdk.json gives it.
func (h handler) images(model string, config *trainconfig.Config) (trainer, server string, err error) {
	own, has := h.own[model]
	asks := config.Model.Type == trainconfig.TypeImage
	switch {
	case asks && has:
		return own.Trainer, own.Server, nil
	case asks:
		return "", "", fault.New(fault.Invalid, "choose the images", "model.type is %s, and the stack has no images of model %s", trainconfig.TypeImage, model).
			WithHint("name their folders in cdk.json under models.%s.images (trainer and server) and deploy", model)
	case has:
		return "", "", fault.New(fault.Invalid, "choose the images", "model.type is %s, and the stack has images of model %s", config.Model.Type, model).
			WithHint("write type: %s, or remove models.%s.images from cdk.json", trainconfig.TypeImage, model)
	}
	return h.trainer, h.server, nil
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
