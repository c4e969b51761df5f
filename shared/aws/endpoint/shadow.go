package endpoint

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// Mirrors implements rollout.Backend: SageMaker has shadow variants.
func (b *Backend) Mirrors(string) error { return nil }

// Shadow implements rollout.Backend: a configuration whose only production
// variant is the champion, with the version as its shadow variant. SageMaker takes
// one of each. The shadow's weight over the champion's is the share that is copied.
func (b *Backend) Shadow(ctx context.Context, p rollout.Placement, sample float64) (string, error) {
	op := fmt.Sprintf("attach version %d of %s in slot %s as a shadow", p.Artifact.Version, p.Model, p.Slot)
	if !(sample > 0 && sample <= 100) {
		return "", fault.New(fault.Invalid, op, "sample is %v: want a percentage above 0", sample)
	}
	name, err := b.ensureModel(ctx, op, p)
	if err != nil {
		return "", err
	}
	now, err := b.describe(ctx, op, p.Model)
	if err != nil {
		return "", err
	}
	for _, config := range []*described{now.serving, now.pending} {
		if config.mirroring(p.Champion, p.Slot, name, sample) {
			return config.name, nil // a retry
		}
	}
	champion, err := now.keep(op, p.Champion)
	if err != nil {
		return "", err
	}
	weight := aws.ToFloat32(champion.InitialVariantWeight)
	if !(weight > 0) {
		return "", fault.New(fault.Invalid, op, "the champion in slot %s has no traffic that could be copied", p.Champion)
	}
	shadow := types.ProductionVariant{VariantName: &p.Slot, ModelName: &name, InstanceType: types.ProductionVariantInstanceType(b.settings.InstanceType),
		InitialInstanceCount: aws.Int32(max(b.settings.InstanceCount, *champion.InitialInstanceCount)),
		InitialVariantWeight: aws.Float32(weight * float32(sample) / 100)}
	return b.update(ctx, op, p.Model, p.Rollout, now, []types.ProductionVariant{champion}, shadow)
}

// mirroring says that a configuration has the champion alone, and a shadow of its
// with a model and a share.
func (d *described) mirroring(champion, slot, model string, sample float64) bool {
	if d == nil || len(d.variants) != 1 || len(d.shadows) != 1 || !d.has(champion, "") {
		return false
	}
	shadow := named(d.shadows, slot)
	share := float64(aws.ToFloat32(d.shadows[0].InitialVariantWeight)) / float64(aws.ToFloat32(d.variants[0].InitialVariantWeight)) * 100
	return shadow != nil && aws.ToString(shadow.ModelName) == model && share > sample-1e-3 && share < sample+1e-3
}

// shadow is the endpoint's shadow variant, its weight as a percent of those that
// serve; nil is none.
func (s state) shadow(serving []rollout.SlotView) *rollout.SlotView {
	if len(s.endpoint.ShadowProductionVariants) == 0 {
		return nil
	}
	v := s.endpoint.ShadowProductionVariants[0]
	var configured *types.ProductionVariant
	if s.serving != nil {
		configured = named(s.serving.shadows, aws.ToString(v.VariantName))
	}
	slot := slotView(v, configured)
	weight, desired := 0.0, 0.0
	for _, one := range serving {
		weight, desired = weight+one.Weight, desired+one.Desired
	}
	slot.Weight, slot.Desired = percent(slot.Weight, weight), percent(slot.Desired, desired)
	return &slot
}

func percent(part, whole float64) float64 {
	if !(whole > 0) {
		return 0
	}
	return min(100, part/whole*100)
}
