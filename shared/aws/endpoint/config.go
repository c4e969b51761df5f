package endpoint

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// ensureConfig makes the endpoint configuration, named by its content and the
// rollout, or finds the one it made before.
func (b *Backend) ensureConfig(ctx context.Context, op, model, id string, variants []types.ProductionVariant, shadows ...types.ProductionVariant) (string, error) {
	wanted := content(variants)
	if len(shadows) > 0 {
		wanted += "shadow " + content(shadows)
	}
	name := shorten(contract.EndpointName(b.settings.Environment, model), "-c"+hash(id+"\n"+wanted+fmt.Sprintf("%+v", b.settings)))
	_, err := b.control.CreateEndpointConfig(ctx, &sagemaker.CreateEndpointConfigInput{
		EndpointConfigName: &name, ProductionVariants: variants, ShadowProductionVariants: shadows, DataCaptureConfig: b.capture(),
		MetricsConfig: &types.MetricsConfig{EnableEnhancedMetrics: aws.Bool(true), EnableDetailedObservability: aws.Bool(false),
			MetricPublishFrequencyInSeconds: b.settings.MetricPeriod},
	})
	if !alreadyExists(err) {
		return name, classify(op, err)
	}
	found, err := b.config(ctx, op, name)
	if err != nil {
		return "", err
	}
	if found == nil || content(found.variants) != content(variants) || content(found.shadows) != content(shadows) {
		return "", fault.New(fault.Invalid, op, "endpoint configuration %s exists with other variants", name).
			WithHint("somebody else made it; delete that configuration")
	}
	return name, nil
}

// content is what makes variants the same.
func content(variants []types.ProductionVariant) string {
	text := ""
	for _, v := range variants {
		text += fmt.Sprintf("%s %s %s %d %v\n", aws.ToString(v.VariantName), aws.ToString(v.ModelName), v.InstanceType,
			aws.ToInt32(v.InitialInstanceCount), aws.ToFloat32(v.InitialVariantWeight))
	}
	return text
}

// capture keeps every request and answer: labels come later, and drift is
// measured on what was really asked.
func (b *Backend) capture() *types.DataCaptureConfig {
	return &types.DataCaptureConfig{EnableCapture: aws.Bool(true), InitialSamplingPercentage: aws.Int32(100),
		DestinationS3Uri: &b.settings.Capture,
		CaptureOptions:   []types.CaptureOption{{CaptureMode: types.CaptureModeInput}, {CaptureMode: types.CaptureModeOutput}},
		CaptureContentTypeHeader: &types.CaptureContentTypeHeader{
			CsvContentTypes: []string{"text/csv"}, JsonContentTypes: []string{"application/json"}},
	}
}

// described is an endpoint configuration as it was read back; nil is none.
type described struct {
	name     string
	variants []types.ProductionVariant
	shadows  []types.ProductionVariant
}

// has says that a slot has a model; "" is any.
func (d *described) has(slot, model string) bool {
	v := d.variant(slot)
	return v != nil && (model == "" || aws.ToString(v.ModelName) == model)
}

func (d *described) named(name string) bool { return d != nil && d.name == name }

func (d *described) variant(slot string) *types.ProductionVariant {
	if d == nil {
		return nil
	}
	return named(d.variants, slot)
}

func named(variants []types.ProductionVariant, slot string) *types.ProductionVariant {
	for i := range variants {
		if aws.ToString(variants[i].VariantName) == slot {
			return &variants[i]
		}
	}
	return nil
}

// config reads a configuration; nil when it is gone, which leaves an endpoint
// serving but unknown.
func (b *Backend) config(ctx context.Context, op, name string) (*described, error) {
	if name == "" {
		return nil, nil
	}
	out, err := b.control.DescribeEndpointConfig(ctx, &sagemaker.DescribeEndpointConfigInput{EndpointConfigName: &name})
	if err = classify(op, err); fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &described{name, out.ProductionVariants, out.ShadowProductionVariants}, nil
}

// state is an endpoint with the configuration that serves and the one that is
// being deployed.
type state struct {
	endpoint         *sagemaker.DescribeEndpointOutput
	serving, pending *described
}

// describe reads the endpoint; NotFound when it does not exist.
func (b *Backend) describe(ctx context.Context, op, model string) (state, error) {
	out, err := b.control.DescribeEndpoint(ctx, &sagemaker.DescribeEndpointInput{EndpointName: aws.String(b.endpoint(model))})
	if err != nil {
		return state{}, classify(op, err)
	}
	s := state{endpoint: out}
	if s.serving, err = b.config(ctx, op, aws.ToString(out.EndpointConfigName)); err != nil {
		return state{}, err
	}
	if p := out.PendingDeploymentSummary; p != nil {
		s.pending, err = b.config(ctx, op, aws.ToString(p.EndpointConfigName))
	}
	return s, err
}

// keep gives a slot's variant as it runs now, for a next configuration: Busy
// while the endpoint changes, Invalid when the slot is not there.
func (s state) keep(op, slot string) (types.ProductionVariant, error) {
	if status := s.endpoint.EndpointStatus; statusOf(status) == rollout.Updating {
		return types.ProductionVariant{}, fault.New(fault.Busy, op, "the endpoint is %s", status)
	}
	configured := s.serving.variant(slot)
	if configured == nil {
		return types.ProductionVariant{}, fault.New(fault.Invalid, op, "slot %s is not in configuration %s", slot, aws.ToString(s.endpoint.EndpointConfigName)).
			WithHint("somebody else changed the endpoint")
	}
	variant := *configured
	for _, running := range s.endpoint.ProductionVariants {
		if aws.ToString(running.VariantName) == slot {
			variant.InitialVariantWeight = running.DesiredWeight
			variant.InitialInstanceCount = aws.Int32(max(1, aws.ToInt32(running.CurrentInstanceCount), aws.ToInt32(running.DesiredInstanceCount)))
		}
	}
	return variant, nil
}

// View implements rollout.Backend.
func (b *Backend) View(ctx context.Context, model string) (rollout.View, error) {
	now, err := b.describe(ctx, "read the endpoint of "+model, model)
	if fault.Is(err, fault.NotFound) {
		return rollout.View{}, nil
	}
	if err != nil {
		return rollout.View{}, err
	}
	e := now.endpoint
	view := rollout.View{Exists: true, Status: statusOf(e.EndpointStatus), Config: aws.ToString(e.EndpointConfigName), Detail: string(e.EndpointStatus)}
	if reason := aws.ToString(e.FailureReason); reason != "" {
		view.Detail += ": " + reason
	}
	for _, v := range e.ProductionVariants {
		view.Slots = append(view.Slots, slotView(v, now.serving.variant(aws.ToString(v.VariantName))))
	}
	view.Shadow = now.shadow(view.Slots)
	return view, nil
}

func slotView(v types.ProductionVariantSummary, configured *types.ProductionVariant) rollout.SlotView {
	slot := rollout.SlotView{Slot: aws.ToString(v.VariantName),
		Weight: float64(aws.ToFloat32(v.CurrentWeight)), Desired: float64(aws.ToFloat32(v.DesiredWeight)),
		Instances: int(aws.ToInt32(v.CurrentInstanceCount)), Wanted: int(aws.ToInt32(v.DesiredInstanceCount))}
	if configured != nil {
		slot.Version = versionOf(aws.ToString(configured.ModelName))
	}
	return slot
}

func statusOf(s types.EndpointStatus) rollout.Status {
	switch s {
	case types.EndpointStatusInService:
		return rollout.Ready
	case types.EndpointStatusFailed, types.EndpointStatusOutOfService, types.EndpointStatusUpdateRollbackFailed:
		return rollout.Failed
	}
	return rollout.Updating
}
