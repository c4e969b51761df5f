package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/sluice-ml/sluice/shared/aws/metrics"
	"github.com/sluice-ml/sluice/shared/aws/runstore"
	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/feedback"
	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/profile"
	"github.com/sluice-ml/sluice/shared/registry"
	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// objects is a bucket as feedback.Files.
type objects struct {
	store  *s3store.Store
	bucket string
}

func (o objects) List(ctx context.Context, prefix string) ([]feedback.File, error) {
	infos, err := o.store.List(ctx, o.bucket, prefix)
	files := make([]feedback.File, len(infos))
	for i, info := range infos {
		files[i] = feedback.File{Key: info.Key, ETag: info.ETag}
	}
	return files, err
}

func (o objects) Read(ctx context.Context, key string) ([]byte, error) {
	body, _, err := o.store.Get(ctx, o.bucket, key, "")
	return body, err
}

// board is CloudWatch as feedback.Publisher.
type board struct{ gauge *metrics.Gauge }

func (b board) PutAccuracy(ctx context.Context, model string, points []feedback.Point, now time.Time) (tooOld int64, err error) {
	bySlot := map[string][]metrics.Point{}
	for _, p := range points {
		bySlot[p.Slot] = append(bySlot[p.Slot], metrics.Point{Time: p.Time, Correct: p.Correct, Wrong: p.Wrong})
	}
	for slot, of := range bySlot {
		old, err := b.gauge.PutAccuracy(ctx, model, slot, of, now)
		if err != nil {
			return tooOld, err
		}
		tooOld += old
	}
	return tooOld, nil
}

func (b board) PutDrift(ctx context.Context, model string, psi float64, at time.Time) error {
	return b.gauge.PutDrift(ctx, model, psi, at)
}

// baseline reads what the champion learned from.
type baseline struct {
	store  *s3store.Store
	bucket string
}

func (b baseline) of(ctx context.Context, name string) (*feedback.Baseline, error) {
	champion, err := registry.New(b.store.Refs(b.bucket, "")).Resolve(ctx, name, registry.Champion)
	if champion == nil || err != nil {
		return nil, err
	}
	run, err := runstore.Open(ctx, b.store, b.bucket, contract.StepInput{Model: champion.Model, Run: champion.Run, Plan: champion.Plan})
	if err != nil {
		return nil, err
	}
	body, err := run.Read(ctx, contract.FileProfile)
	if err != nil {
		return nil, err
	}
	learned, err := profile.Decode(body)
	if err != nil {
		return nil, err
	}
	archive, _, err := b.store.GetURI(ctx, champion.Artifact)
	if err != nil {
		return nil, err
	}
	schema, err := model.SchemaOf(archive)
	if err != nil {
		return nil, err
	}
	return &feedback.Baseline{Version: champion.Version, Features: schema.Names(), Profile: &learned, Config: run.Config}, nil
}

// watched gives the slices that the model's present, or last, rollout watches.
func watched(states rollout.States) func(context.Context, string) ([]trainconfig.Slice, error) {
	return func(ctx context.Context, model string) ([]trainconfig.Slice, error) {
		s, err := states.Load(ctx, model)
		if fault.Is(err, fault.NotFound) {
			return nil, nil
		}
		return s.Policy.Slices.By, err
	}
}

// invoker is what is used of the Lambda client.
type invoker interface {
	Invoke(context.Context, *lambda.InvokeInput, ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
}

// admission asks the admit function for a run.
type admission struct {
	client   invoker
	function string
}

// start asks without waiting: Lambda keeps the call and retries it, and admit
// takes each cause once. Unavailable may be retried.
func (a admission) start(ctx context.Context, name, id string) error {
	body, err := json.Marshal(contract.AdmitRequest{Operation: "start", Model: name, Cause: contract.Cause{Kind: "drift", ID: id}})
	if err != nil {
		return fault.New(fault.Internal, "ask for a run of "+name, "%w", err)
	}
	out, err := a.client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &a.function, InvocationType: types.InvocationTypeEvent, Payload: body})
	if err != nil {
		return fault.New(fault.Unavailable, "ask "+a.function+" for a run of "+name, "%w", err)
	}
	if out.StatusCode != 202 {
		return fault.New(fault.Unavailable, "ask "+a.function+" for a run of "+name, "it answered %d, not 202", out.StatusCode)
	}
	return nil
}
