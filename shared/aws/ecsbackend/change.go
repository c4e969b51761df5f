package ecsbackend

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// Prepare implements rollout.Backend.
func (b *Backend) Prepare(ctx context.Context, p rollout.Placement) (string, error) {
	op := fmt.Sprintf("deploy version %d of %s in slot %s", p.Artifact.Version, p.Model, p.Slot)
	now, err := b.read(ctx, op, p.Model)
	if err != nil {
		return "", err
	}
	slot, ok := now.slot(p.Slot)
	if !ok {
		return "", fault.New(fault.Invalid, op, "there is no slot %q: want blue or green", p.Slot)
	}
	if p.Champion != "" && !now.exists() {
		return "", fault.New(fault.NotFound, op, "nothing serves")
	}
	definition, err := b.ensureDefinition(ctx, op, p)
	if err != nil {
		return "", err
	}
	if p.Champion == "" {
		return b.create(ctx, op, now, slot, definition)
	}
	return b.join(ctx, op, now, slot, definition, p.Champion)
}

// create deploys the first version. The service first: a rule without a service
// behind it would be an endpoint that fails.
func (b *Backend) create(ctx context.Context, op string, now state, slot slotState, definition string) (string, error) {
	retry := slot.service.DesiredCount > 0 && aws.ToString(slot.service.TaskDefinition) == definition
	for _, one := range now.slots {
		if one.used() && (one.name != slot.name || !retry) {
			return "", fault.New(fault.Invalid, op, "%s serves %s", one.name, revision(aws.ToString(one.service.TaskDefinition))).
				WithHint("no champion is recorded for it; scale the services to 0 and the rule to nobody, or point the champion alias at what serves")
		}
	}
	if now.leaving() {
		return "", fault.New(fault.Busy, op, "the last version is leaving: %s", now.changing())
	}
	if !retry {
		if err := b.update(ctx, op, now.model, slot.name, definition, b.settings.Instances); err != nil {
			return "", err
		}
	}
	return expected(map[string]string{slot.name: definition}), b.route(ctx, op, now, map[string]float64{slot.name: 100})
}

// join deploys a candidate beside the champion. The weights first: what still
// holds the slot must not get traffic while it is replaced.
func (b *Backend) join(ctx context.Context, op string, now state, slot slotState, definition, champion string) (string, error) {
	c, ok := now.slot(champion)
	if !ok || !c.used() || champion == slot.name {
		return "", fault.New(fault.Invalid, op, "slot %s serves nothing that %s could join", champion, slot.name).WithHint("somebody else changed the services")
	}
	config := expected(map[string]string{slot.name: definition, champion: aws.ToString(c.service.TaskDefinition)})
	there := slot.service.DesiredCount > 0 && aws.ToString(slot.service.TaskDefinition) == definition
	if there && slot.attached {
		return config, nil // a retry
	}
	if why := now.changing(); why != "" && !there {
		return "", fault.New(fault.Busy, op, "the services are changing: %s", why)
	}
	if err := b.route(ctx, op, now, map[string]float64{champion: 100, slot.name: 0}); err != nil || there {
		return config, err
	}
	count := max(b.settings.Instances, int(c.service.DesiredCount), c.running())
	return config, b.update(ctx, op, now.model, slot.name, definition, count)
}

// update makes a slot's service want so many tasks, of a task definition when one
// is given.
func (b *Backend) update(ctx context.Context, op, model, slot, definition string, count int) error {
	in := &ecs.UpdateServiceInput{Cluster: &b.settings.Cluster, Service: aws.String(b.service(model, slot)), DesiredCount: aws.Int32(int32(count))}
	if definition != "" {
		in.TaskDefinition = &definition
	}
	_, err := b.services.UpdateService(ctx, in)
	return classify(op, err)
}

// SetWeights implements rollout.Backend. Capacity comes before weight.
func (b *Backend) SetWeights(ctx context.Context, model string, weights []rollout.Weight) error {
	op := "set the weights of " + model
	now, err := b.read(ctx, op, model)
	switch {
	case err != nil:
		return err
	case !now.exists():
		return fault.New(fault.NotFound, op, "nothing serves")
	case now.changing() != "":
		return fault.New(fault.Busy, op, "the services are changing: %s", now.changing())
	}
	percent, err := now.named(op, weights)
	if err != nil {
		return err
	}
	for _, w := range weights {
		slot, _ := now.slot(w.Slot)
		if w.Instances > int(slot.service.DesiredCount) {
			if err := b.update(ctx, op, model, w.Slot, "", w.Instances); err != nil {
				return err
			}
		}
	}
	return b.route(ctx, op, now, percent)
}

// named wants every slot of the endpoint to have a weight, and gives them.
func (s state) named(op string, weights []rollout.Weight) (map[string]float64, error) {
	percent := map[string]float64{}
	for _, w := range weights {
		if slot, ok := s.slot(w.Slot); !ok || !slot.used() {
			return nil, fault.New(fault.Invalid, op, "slot %s serves nothing", w.Slot)
		}
		percent[w.Slot] = w.Percent
	}
	if used := len(s.used()); len(percent) != used || len(weights) != used {
		return nil, fault.New(fault.Invalid, op, "%d slots are named, the endpoint has %d", len(weights), used)
	}
	if _, err := integers(percent); err != nil {
		return nil, fault.Wrap(fault.Invalid, op, err)
	}
	return percent, nil
}

// Retire implements rollout.Backend. It does not wait for a deployment in the
// slot that goes: that is how one that is stuck ends.
func (b *Backend) Retire(ctx context.Context, model, _, keep string) (string, error) {
	op := "leave only slot " + keep + " of " + model
	now, err := b.read(ctx, op, model)
	if err != nil {
		return "", err
	}
	if !now.exists() {
		return "", fault.New(fault.NotFound, op, "nothing serves")
	}
	kept, ok := now.slot(keep)
	if !ok || !kept.used() {
		return "", fault.New(fault.Invalid, op, "slot %s serves nothing", keep)
	}
	config := expected(map[string]string{keep: aws.ToString(kept.service.TaskDefinition)})
	if len(now.used()) == 1 {
		return config, nil // a retry
	}
	_, inForce := now.weights()
	for _, one := range now.used() {
		switch {
		case one.name == keep:
		case one.weight > 0:
			return "", fault.New(fault.Invalid, op, "slot %s still has weight %d", one.name, one.weight)
		case inForce[one.name] > 0:
			return "", fault.New(fault.Busy, op, "the load balancer may still send %v %% to slot %s", inForce[one.name], one.name)
		default:
			if err := b.update(ctx, op, model, one.name, "", 0); err != nil {
				return "", err
			}
		}
	}
	return config, b.route(ctx, op, now, map[string]float64{keep: 100})
}

// Delete implements rollout.Backend. The rule first, so that what still comes is
// told that nothing serves.
func (b *Backend) Delete(ctx context.Context, model string) error {
	op := "remove every version of " + model
	now, err := b.read(ctx, op, model)
	if err != nil || !now.exists() {
		return err
	}
	if why := now.changing(); why != "" {
		return fault.New(fault.Busy, op, "the services are changing: %s", why)
	}
	if err := b.route(ctx, op, now, nil); err != nil {
		return err
	}
	for _, one := range now.slots {
		if one.service.DesiredCount == 0 {
			continue
		}
		if err := b.update(ctx, op, model, one.name, "", 0); err != nil {
			return err
		}
	}
	return nil
}
