// Package ecsbackend is rollout's Backend on Amazon ECS behind an Application
// Load Balancer.
//
// For each model the stack declares, once, what a rollout moves:
//
//   - two services, one for each slot (blue, green), each behind a target group
//     of its own;
//   - the rule: one listener rule, for requests with the model's X-Sluice-Model
//     header. While nothing serves its action is a fixed 503; otherwise it
//     forwards to the attached slots by weight;
//   - a side door for each slot: a listener rule of higher priority that also
//     wants X-Sluice-Slot, and forwards to that slot's group alone. Smoke tests
//     use it, and it keeps the group with a load balancer while it is not
//     attached, without which its targets would not be checked;
//   - the base: a task definition with the roles, the size and the log group, of
//     which every version's task definition is a copy.
//
// A slot is of the endpoint while it is attached to the rule or its service wants
// tasks. It joins at weight 0, is checked for health there, gets its weight by
// ModifyRule, and leaves when its service wants no task and its group is detached
// again. So a champion that somebody scaled to nothing is still seen, with no
// instances, whatever its weight.
//
// The configuration is the task definitions of the slots, by their families and
// revisions: "blue sluice-staging-adult-blue:3, green sluice-staging-adult-green:7".
// A deployment that failed, or that took longer than Settings.Patience, is marked
// in it, so that it is not taken for what was asked.
//
// The load balancer takes a rule at once and its nodes follow it soon after. That
// delay cannot be read, so the weights before a change and its time are kept as
// tags of the rule, and are the ones in force until Settings.Propagation is over.
// Nothing waits for that to change the weights again: a rollback least of all.
//
// Target groups weigh 0 to 999. A share is the nearest pair of such weights, at
// most 0.026 percentage points off; the percentages that were asked for are tags
// too, and are what View gives while the rule has their weights. Shares below
// 0.1 % are refused.
//
// A rule whose action has group stickiness is refused: the cookie would keep
// clients with the candidate after a rollback.
package ecsbackend

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// Services is what is used of the ECS client.
type Services interface {
	DescribeServices(context.Context, *ecs.DescribeServicesInput, ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error)
	UpdateService(context.Context, *ecs.UpdateServiceInput, ...func(*ecs.Options)) (*ecs.UpdateServiceOutput, error)
	DescribeTaskDefinition(context.Context, *ecs.DescribeTaskDefinitionInput, ...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error)
	RegisterTaskDefinition(context.Context, *ecs.RegisterTaskDefinitionInput, ...func(*ecs.Options)) (*ecs.RegisterTaskDefinitionOutput, error)
}

// Rules is what is used of the load balancers' client.
type Rules interface {
	DescribeRules(context.Context, *elasticloadbalancingv2.DescribeRulesInput, ...func(*elasticloadbalancingv2.Options)) (*elasticloadbalancingv2.DescribeRulesOutput, error)
	ModifyRule(context.Context, *elasticloadbalancingv2.ModifyRuleInput, ...func(*elasticloadbalancingv2.Options)) (*elasticloadbalancingv2.ModifyRuleOutput, error)
	DescribeTags(context.Context, *elasticloadbalancingv2.DescribeTagsInput, ...func(*elasticloadbalancingv2.Options)) (*elasticloadbalancingv2.DescribeTagsOutput, error)
	AddTags(context.Context, *elasticloadbalancingv2.AddTagsInput, ...func(*elasticloadbalancingv2.Options)) (*elasticloadbalancingv2.AddTagsOutput, error)
	DescribeTargetHealth(context.Context, *elasticloadbalancingv2.DescribeTargetHealthInput, ...func(*elasticloadbalancingv2.Options)) (*elasticloadbalancingv2.DescribeTargetHealthOutput, error)
}

// Doer sends the smoke tests' requests; an http.Client whose network reaches the
// load balancer, or what stands for one.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// Settings are the stack's.
type Settings struct {
	Environment string           // "staging" or "production"
	Cluster     string           // name or ARN
	URL         string           // of the listener, e.g. "http://internal-….elb.amazonaws.com:8480"
	Instances   int              // tasks of a first version, at least 1
	Models      map[string]Model // those that are served here
	Propagation time.Duration    // from a change of a rule until every node follows it
	Patience    time.Duration    // a deployment that takes longer has failed
	Now         func() time.Time
}

// Model is what the stack declares for one.
type Model = contract.ECSModel

// slots are all there are.
var slots = [...]string{contract.SlotBlue, contract.SlotGreen}

// Backend implements rollout.Backend.
type Backend struct {
	services Services
	rules    Rules
	http     Doer
	settings Settings
	known    definitions
}

var _ rollout.Backend = (*Backend)(nil)

// New makes a Backend; Invalid when a setting is missing or out of bounds.
func New(services Services, rules Rules, http Doer, s Settings) (*Backend, error) {
	wrong := func(why string, args ...any) (*Backend, error) {
		return nil, fault.New(fault.Invalid, "set up the ECS backend", why, args...)
	}
	address, err := url.Parse(s.URL)
	switch {
	case s.Environment == "" || s.Cluster == "":
		return wrong("environment %q, cluster %q: both must be given", s.Environment, s.Cluster)
	case err != nil || address.Host == "":
		return wrong("the load balancer's address is %q: want one such as http://host:8480", s.URL)
	case s.Instances < 1:
		return wrong("instances is %d: want at least 1", s.Instances)
	case s.Propagation < 0 || s.Patience <= 0 || s.Now == nil:
		return wrong("propagation is %v and patience %v, with a clock: %v; want 0 or more, more than 0, and one", s.Propagation, s.Patience, s.Now != nil)
	}
	for name, model := range s.Models {
		if model.Rule == "" || model.Groups[slots[0]] == "" || model.Groups[slots[1]] == "" {
			return wrong("model %s has rule %q and groups %v: want a rule, and the groups of blue and green", name, model.Rule, model.Groups)
		}
	}
	return &Backend{services: services, rules: rules, http: http, settings: s}, nil
}

// Has says whether a model is served here.
func (b *Backend) Has(model string) bool { _, ok := b.settings.Models[model]; return ok }

// place finds what the stack declares for a model.
func (b *Backend) place(op, model string) (Model, error) {
	place, ok := b.settings.Models[model]
	if !ok {
		return Model{}, fault.New(fault.Invalid, op, "no services are declared for model %s", model).
			WithHint(`say "backend": "ecs" of it in cdk.json, and deploy`)
	}
	return place, nil
}

// service is a slot's service, and the family of its task definitions.
func (b *Backend) service(model, slot string) string {
	return contract.EndpointName(b.settings.Environment, model) + "-" + slot
}
