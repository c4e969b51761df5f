package ecsbackend

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// slotState is a slot as it was read.
type slotState struct {
	name     string
	attached bool
	weight   int32 // of the rule
	service  types.Service
	healthy  int // targets
}

// used says that the slot is of the endpoint.
func (s slotState) used() bool { return s.attached || s.service.DesiredCount > 0 }

// running is how many tasks serve: those that the load balancer sends requests to.
func (s slotState) running() int { return min(int(s.service.RunningCount), s.healthy) }

// leaving says that tasks are left of a service that wants none.
func (s slotState) leaving() bool {
	return s.service.DesiredCount == 0 && s.service.RunningCount+s.service.PendingCount > 0
}

// deployment is the one that the service moves to.
func (s slotState) deployment() types.Deployment {
	for _, d := range s.service.Deployments {
		if aws.ToString(d.Status) == "PRIMARY" {
			return d
		}
	}
	return types.Deployment{}
}

// progress is how a slot's deployment stands.
type progress string

const (
	deployed  progress = ""
	deploying progress = " (in progress)"
	lost      progress = " (failed)"
)

func (s slotState) progress(now time.Time, patience time.Duration) progress {
	d := s.deployment()
	switch {
	case s.service.DesiredCount == 0 || d.RolloutState == types.DeploymentRolloutStateCompleted:
		return deployed
	case d.RolloutState == types.DeploymentRolloutStateFailed || now.Sub(aws.ToTime(d.CreatedAt)) > patience:
		return lost
	}
	return deploying
}

// state is an endpoint as it was read.
type state struct {
	model  string
	place  Model
	rule   rule
	slots  []slotState // blue, green
	now    time.Time
	limits Settings
}

// read reads everything about a model's endpoint.
func (b *Backend) read(ctx context.Context, op, model string) (state, error) {
	place, err := b.place(op, model)
	if err != nil {
		return state{}, err
	}
	s := state{model: model, place: place, now: b.settings.Now(), limits: b.settings}
	if s.rule, err = b.readRule(ctx, op, place); err != nil {
		return s, err
	}
	names := []string{b.service(model, slots[0]), b.service(model, slots[1])}
	out, err := b.services.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &b.settings.Cluster, Services: names})
	if err != nil {
		return s, classify(op, err)
	}
	for i, slot := range slots {
		one := slotState{name: slot}
		one.weight, one.attached = s.rule.weight(place.Groups[slot])
		at := slices.IndexFunc(out.Services, func(v types.Service) bool { return aws.ToString(v.ServiceName) == names[i] })
		if at < 0 {
			return s, fault.New(fault.Invalid, op, "service %s does not exist", names[i]).WithHint("the stack declares it: deploy the stack again")
		}
		one.service = out.Services[at]
		if one.service.RunningCount > 0 {
			if one.healthy, err = b.healthy(ctx, op, place.Groups[slot]); err != nil {
				return s, err
			}
		}
		s.slots = append(s.slots, one)
	}
	return s, nil
}

// healthy counts a group's targets that get requests.
func (b *Backend) healthy(ctx context.Context, op, group string) (int, error) {
	out, err := b.rules.DescribeTargetHealth(ctx, &elasticloadbalancingv2.DescribeTargetHealthInput{TargetGroupArn: &group})
	if err != nil {
		return 0, classify(op, err)
	}
	n := 0
	for _, t := range out.TargetHealthDescriptions {
		if t.TargetHealth != nil && t.TargetHealth.State == elb.TargetHealthStateEnumHealthy {
			n++
		}
	}
	return n, nil
}

func (s state) slot(name string) (slotState, bool) {
	for _, one := range s.slots {
		if one.name == name {
			return one, true
		}
	}
	return slotState{}, false
}

// used are the slots of the endpoint.
func (s state) used() []slotState {
	return slices.DeleteFunc(slices.Clone(s.slots), func(one slotState) bool { return !one.used() })
}

func (s state) leaving() bool { return slices.ContainsFunc(s.slots, slotState.leaving) }

func (s state) exists() bool { return len(s.used()) > 0 || s.leaving() }

// others says whether a slot but this one has a weight.
func (s state) others(name string) bool {
	return slices.ContainsFunc(s.slots, func(one slotState) bool { return one.name != name && one.weight > 0 })
}

// changing says what is under way, "" when nothing is. A deployment in a slot
// whose traffic another slot could take is not: it must not keep a rollback out.
func (s state) changing() string {
	for _, one := range s.slots {
		switch {
		case one.used() && one.progress(s.now, s.limits.Patience) == deploying && (one.weight == 0 || !s.others(one.name)):
			return fmt.Sprintf("%s deploys %s, %d of %d tasks run", one.name, revision(aws.ToString(one.service.TaskDefinition)), one.running(), one.service.DesiredCount)
		case one.leaving():
			return fmt.Sprintf("%s drains, %d tasks are left", one.name, one.service.RunningCount+one.service.PendingCount)
		}
	}
	return ""
}

// config is what serves.
func (s state) config() string {
	var parts []string
	for _, one := range s.used() {
		part := one.name + " " + revision(aws.ToString(one.service.TaskDefinition))
		if p := one.progress(s.now, s.limits.Patience); p != deployed {
			part += string(p)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// expected is the config once these slots have these task definitions.
func expected(definitions map[string]string) string {
	var parts []string
	for _, slot := range slots {
		if arn := definitions[slot]; arn != "" {
			parts = append(parts, slot+" "+revision(arn))
		}
	}
	return strings.Join(parts, ", ")
}

// revision is the "family:revision" of a task definition's ARN.
func revision(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// View implements rollout.Backend.
func (b *Backend) View(ctx context.Context, model string) (rollout.View, error) {
	op := "read the services of " + model
	now, err := b.read(ctx, op, model)
	if err != nil || !now.exists() {
		return rollout.View{}, err
	}
	view := rollout.View{Exists: true, Status: rollout.Ready, Config: now.config(), Detail: now.detail()}
	if why := now.changing(); why != "" {
		view.Status, view.Detail = rollout.Updating, why
	}
	desired, inForce := now.weights()
	serving := false
	for _, one := range now.used() {
		version, err := b.versionOf(ctx, op, aws.ToString(one.service.TaskDefinition))
		if err != nil {
			return rollout.View{}, err
		}
		view.Slots = append(view.Slots, rollout.SlotView{Slot: one.name, Version: version, Weight: inForce[one.name], Desired: desired[one.name],
			Instances: one.running(), Wanted: int(one.service.DesiredCount)})
		serving = serving || one.running() > 0 || one.progress(now.now, b.settings.Patience) != lost
	}
	if view.Status == rollout.Ready && !serving {
		view.Status = rollout.Failed
	}
	return view, nil
}

// detail is why a deployment failed, in ECS's words, and what the services say.
func (s state) detail() string {
	var parts []string
	for _, one := range s.used() {
		d := one.deployment()
		part := fmt.Sprintf("%s runs %d of %d tasks", one.name, one.running(), one.service.DesiredCount)
		if one.progress(s.now, s.limits.Patience) == lost {
			part += ": " + aws.ToString(d.RolloutStateReason)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}
