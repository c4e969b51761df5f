// Package endpoint is rollout's Backend on SageMaker real-time endpoints.
//
// A model's endpoint has up to two production variants, named by slot, or one and
// a shadow variant. Changing
// which variants there are takes a new endpoint configuration and
// UpdateEndpoint; changing weights takes UpdateEndpointWeightsAndCapacities.
// Both are asynchronous, and both are refused while the endpoint is changing,
// which is Busy here.
//
// Every name is derived from what it names: a SageMaker model from the version
// and its bits, an endpoint configuration from its whole content and the
// rollout. So a retry finds what it made before, and a name that is taken with
// other content is an error.
//
// The configuration in use is never deleted, nor are old ones: they cost
// nothing, and a rollback may need them.
package endpoint

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// Control is what is used of the SageMaker client.
type Control interface {
	CreateModel(context.Context, *sagemaker.CreateModelInput, ...func(*sagemaker.Options)) (*sagemaker.CreateModelOutput, error)
	DescribeModel(context.Context, *sagemaker.DescribeModelInput, ...func(*sagemaker.Options)) (*sagemaker.DescribeModelOutput, error)
	CreateEndpointConfig(context.Context, *sagemaker.CreateEndpointConfigInput, ...func(*sagemaker.Options)) (*sagemaker.CreateEndpointConfigOutput, error)
	DescribeEndpointConfig(context.Context, *sagemaker.DescribeEndpointConfigInput, ...func(*sagemaker.Options)) (*sagemaker.DescribeEndpointConfigOutput, error)
	CreateEndpoint(context.Context, *sagemaker.CreateEndpointInput, ...func(*sagemaker.Options)) (*sagemaker.CreateEndpointOutput, error)
	DescribeEndpoint(context.Context, *sagemaker.DescribeEndpointInput, ...func(*sagemaker.Options)) (*sagemaker.DescribeEndpointOutput, error)
	UpdateEndpoint(context.Context, *sagemaker.UpdateEndpointInput, ...func(*sagemaker.Options)) (*sagemaker.UpdateEndpointOutput, error)
	UpdateEndpointWeightsAndCapacities(context.Context, *sagemaker.UpdateEndpointWeightsAndCapacitiesInput, ...func(*sagemaker.Options)) (*sagemaker.UpdateEndpointWeightsAndCapacitiesOutput, error)
	DeleteEndpoint(context.Context, *sagemaker.DeleteEndpointInput, ...func(*sagemaker.Options)) (*sagemaker.DeleteEndpointOutput, error)
}

// Runtime is what is used of the SageMaker runtime's client.
type Runtime interface {
	InvokeEndpoint(context.Context, *sagemakerruntime.InvokeEndpointInput, ...func(*sagemakerruntime.Options)) (*sagemakerruntime.InvokeEndpointOutput, error)
}

// Settings are the stack's, the same for every model.
type Settings struct {
	Environment   string // "staging" or "production"
	Role          string // ARN that models run as
	InstanceType  string // e.g. "ml.m5.large"
	InstanceCount int32  // per variant, at least 1
	MetricPeriod  int32  // seconds: 10 or 60
	Capture       string // S3 URI that captured requests go to
}

// Backend implements rollout.Backend.
type Backend struct {
	control  Control
	runtime  Runtime
	settings Settings
}

var _ rollout.Backend = (*Backend)(nil)

// New makes a Backend; Invalid when a setting is missing or out of bounds.
func New(control Control, runtime Runtime, s Settings) (*Backend, error) {
	wrong := func(why string, args ...any) (*Backend, error) {
		return nil, fault.New(fault.Invalid, "set up the endpoint backend", why, args...)
	}
	switch {
	case s.Environment == "" || s.Role == "" || s.InstanceType == "" || s.Capture == "":
		return wrong("environment %q, role %q, instance type %q, capture %q: all four must be given", s.Environment, s.Role, s.InstanceType, s.Capture)
	case s.InstanceCount < 1:
		return wrong("instance count is %d: want at least 1", s.InstanceCount)
	case s.MetricPeriod != 10 && s.MetricPeriod != 60:
		return wrong("metric period is %d s: want 10 or 60", s.MetricPeriod)
	}
	return &Backend{control, runtime, s}, nil
}

func (b *Backend) endpoint(model string) string {
	return shorten(contract.EndpointName(b.settings.Environment, model), "")
}

// Prepare implements rollout.Backend.
func (b *Backend) Prepare(ctx context.Context, p rollout.Placement) (string, error) {
	op := fmt.Sprintf("deploy version %d of %s in slot %s", p.Artifact.Version, p.Model, p.Slot)
	name, err := b.ensureModel(ctx, op, p)
	if err != nil {
		return "", err
	}
	candidate := types.ProductionVariant{VariantName: &p.Slot, ModelName: &name, InstanceType: types.ProductionVariantInstanceType(b.settings.InstanceType),
		InitialInstanceCount: &b.settings.InstanceCount, InitialVariantWeight: aws.Float32(100)}
	if p.Champion == "" {
		return b.create(ctx, op, p, candidate)
	}
	now, err := b.describe(ctx, op, p.Model)
	if err != nil {
		return "", err
	}
	for _, config := range []*described{now.serving, now.pending} {
		if config.has(p.Slot, name) && config.has(p.Champion, "") {
			return config.name, nil // a retry
		}
	}
	champion, err := now.keep(op, p.Champion)
	if err != nil {
		return "", err
	}
	candidate.InitialVariantWeight = aws.Float32(0)
	candidate.InitialInstanceCount = aws.Int32(max(b.settings.InstanceCount, *champion.InitialInstanceCount))
	return b.update(ctx, op, p.Model, p.Rollout, now, []types.ProductionVariant{champion, candidate})
}

func (b *Backend) ensureModel(ctx context.Context, op string, p rollout.Placement) (string, error) {
	name := modelName(b.settings.Environment, p.Model, p.Artifact)
	_, err := b.control.CreateModel(ctx, &sagemaker.CreateModelInput{ModelName: &name, ExecutionRoleArn: &b.settings.Role,
		PrimaryContainer: &types.ContainerDefinition{Image: &p.Artifact.Image, ModelDataUrl: &p.Artifact.URI}})
	if !alreadyExists(err) {
		return name, classify(op, err)
	}
	found, err := b.control.DescribeModel(ctx, &sagemaker.DescribeModelInput{ModelName: &name})
	if err != nil {
		return "", classify(op, err)
	}
	if c := found.PrimaryContainer; c == nil || aws.ToString(c.Image) != p.Artifact.Image || aws.ToString(c.ModelDataUrl) != p.Artifact.URI {
		return "", fault.New(fault.Invalid, op, "SageMaker model %s exists with another image or artefact", name).
			WithHint("somebody else made it; delete that model")
	}
	return name, nil
}

func (b *Backend) create(ctx context.Context, op string, p rollout.Placement, only types.ProductionVariant) (string, error) {
	config, err := b.ensureConfig(ctx, op, p.Model, p.Rollout, []types.ProductionVariant{only})
	if err != nil {
		return "", err
	}
	name := b.endpoint(p.Model)
	_, err = b.control.CreateEndpoint(ctx, &sagemaker.CreateEndpointInput{EndpointName: &name, EndpointConfigName: &config})
	if !alreadyExists(err) {
		return config, classify(op, err)
	}
	now, err := b.describe(ctx, op, p.Model)
	if err != nil {
		return "", err
	}
	if now.serving.named(config) || now.pending.named(config) {
		return config, nil
	}
	return "", fault.New(fault.Invalid, op, "endpoint %s exists and serves something else", name).
		WithHint("no champion is recorded for it; delete the endpoint, or point the champion alias at what it serves")
}

// update makes the endpoint serve these variants. Properties are retained, so
// capacity that was scaled since the configuration was made survives; the
// configuration carries the same values for variants that stay. Where a shadow
// comes or goes, weights are the configuration's: a shadow's weight, retained by
// a production variant of the same name, would be traffic that nobody decided.
func (b *Backend) update(ctx context.Context, op, model, id string, now state, variants []types.ProductionVariant, shadows ...types.ProductionVariant) (string, error) {
	config, err := b.ensureConfig(ctx, op, model, id, variants, shadows...)
	if err != nil {
		return "", err
	}
	in := &sagemaker.UpdateEndpointInput{EndpointName: aws.String(b.endpoint(model)), EndpointConfigName: &config, RetainAllVariantProperties: aws.Bool(true)}
	if len(shadows)+len(now.endpoint.ShadowProductionVariants) > 0 {
		in.ExcludeRetainedVariantProperties = []types.VariantProperty{{VariantPropertyType: types.VariantPropertyTypeDesiredWeight}}
	}
	_, err = b.control.UpdateEndpoint(ctx, in)
	return config, classify(op, err)
}

// SetWeights implements rollout.Backend.
func (b *Backend) SetWeights(ctx context.Context, model string, weights []rollout.Weight) error {
	op := "set the weights of " + model
	in := &sagemaker.UpdateEndpointWeightsAndCapacitiesInput{EndpointName: aws.String(b.endpoint(model))}
	sum, capacity := 0.0, false
	for _, w := range weights {
		if !(w.Percent >= 0) {
			return fault.New(fault.Invalid, op, "slot %s gets weight %v", w.Slot, w.Percent)
		}
		sum, capacity = sum+w.Percent, capacity || w.Instances > 0
		in.DesiredWeightsAndCapacities = append(in.DesiredWeightsAndCapacities,
			types.DesiredWeightAndCapacity{VariantName: aws.String(w.Slot), DesiredWeight: aws.Float32(float32(w.Percent))})
	}
	if !(sum > 0) {
		return fault.New(fault.Invalid, op, "they sum to %v: nothing would serve", sum)
	}
	if err := b.covers(ctx, op, model, weights, in, capacity); err != nil {
		return err
	}
	_, err := b.control.UpdateEndpointWeightsAndCapacities(ctx, in)
	return classify(op, err)
}

// covers refuses weights that leave a slot out, and raises capacity where it is
// below what is asked for.
func (b *Backend) covers(ctx context.Context, op, model string, weights []rollout.Weight, in *sagemaker.UpdateEndpointWeightsAndCapacitiesInput, capacity bool) error {
	view, err := b.View(ctx, model)
	switch {
	case err != nil:
		return err
	case !view.Exists:
		return fault.New(fault.NotFound, op, "the endpoint does not exist")
	case view.Status == rollout.Updating:
		return fault.New(fault.Busy, op, "the endpoint is changing: %s", view.Detail)
	case len(view.Slots) != len(weights):
		return fault.New(fault.Invalid, op, "%d slots are named, the endpoint has %d", len(weights), len(view.Slots))
	case !capacity:
		return nil
	}
	for i, w := range weights {
		if slot, ok := view.Slot(w.Slot); ok && w.Instances > max(slot.Instances, slot.Wanted) {
			in.DesiredWeightsAndCapacities[i].DesiredInstanceCount = aws.Int32(int32(w.Instances))
		}
	}
	return nil
}

// Retire implements rollout.Backend.
func (b *Backend) Retire(ctx context.Context, model, id, keep string) (string, error) {
	op := "leave only slot " + keep + " of " + model
	now, err := b.describe(ctx, op, model)
	if err != nil {
		return "", err
	}
	for _, config := range []*described{now.serving, now.pending} {
		if config != nil && len(config.variants) == 1 && len(config.shadows) == 0 && config.has(keep, "") {
			return config.name, nil
		}
	}
	for _, v := range now.endpoint.ProductionVariants {
		if name := aws.ToString(v.VariantName); name != keep && (aws.ToFloat32(v.CurrentWeight) > 0 || aws.ToFloat32(v.DesiredWeight) > 0) {
			return "", fault.New(fault.Invalid, op, "slot %s still has weight %v", name, max(aws.ToFloat32(v.CurrentWeight), aws.ToFloat32(v.DesiredWeight)))
		}
	}
	winner, err := now.keep(op, keep)
	if err != nil {
		return "", err
	}
	return b.update(ctx, op, model, id, now, []types.ProductionVariant{winner})
}

// Delete implements rollout.Backend.
func (b *Backend) Delete(ctx context.Context, model string) error {
	_, err := b.control.DeleteEndpoint(ctx, &sagemaker.DeleteEndpointInput{EndpointName: aws.String(b.endpoint(model))})
	err = classify("delete the endpoint of "+model, err)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}
