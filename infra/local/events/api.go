package events

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/assembly"
	"github.com/sluice-ml/sluice/infra/local/events/pattern"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Handler serves EventBridge's operations (AWS JSON 1.1, AWSEvents.*).
func (b *Bus) Handler() http.Handler {
	return wire.JSON("EventBridge", map[string]wire.Operation{
		"PutEvents":         wire.Op(b.putEvents),
		"PutRule":           wire.Op(b.putRule),
		"PutTargets":        wire.Op(b.putTargets),
		"RemoveTargets":     wire.Op(b.removeTargets),
		"DeleteRule":        wire.Op(b.deleteRule),
		"ListRules":         wire.Op(b.listRules),
		"ListTargetsByRule": wire.Op(b.listTargets),
		"DescribeRule":      wire.Op(b.describeRule),
		"EnableRule":        wire.Op(b.setState(enabled)),
		"DisableRule":       wire.Op(b.setState(disabled)),
		"TestEventPattern":  wire.Op(b.testPattern),
	})
}

// checkBus refuses every bus but the default one, by name or ARN.
func (b *Bus) checkBus(name string) error {
	if name == "" || name == "default" || name == "arn:aws:events:"+b.o.Region+":"+b.o.Account+":event-bus/default" {
		return nil
	}
	return wire.Errorf("ResourceNotFoundException", "Event bus %s does not exist: the local stack has only the default bus.", name)
}

type putRuleInput struct {
	Name, EventPattern, ScheduleExpression, State, Description, RoleArn, EventBusName string
	Tags                                                                              []assembly.Tag
}

type ruleARN struct{ RuleArn string }

func (b *Bus) putRule(_ context.Context, in putRuleInput) (ruleARN, error) {
	if err := b.checkBus(in.EventBusName); err != nil {
		return ruleARN{}, err
	}
	rule := Rule{Name: in.Name, Description: in.Description, Pattern: in.EventPattern, Schedule: in.ScheduleExpression,
		State: in.State, RoleARN: in.RoleArn, Created: b.o.Now()}
	if rule.State == "" {
		rule.State = enabled
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if before, ok := b.rules[in.Name]; ok {
		rule.Targets, rule.Created, rule.Declared = before.Targets, before.Created, before.Declared
	}
	return ruleARN{b.ARN(in.Name)}, b.put(rule)
}

type putTargetsInput struct {
	Rule, EventBusName string
	Targets            []Target
}

type failedEntries struct {
	FailedEntryCount int
	FailedEntries    []struct{}
}

func (b *Bus) putTargets(_ context.Context, in putTargetsInput) (failedEntries, error) {
	if err := b.checkBus(in.EventBusName); err != nil {
		return failedEntries{}, err
	}
	return failedEntries{}, b.change(in.Rule, func(rule *Rule) error {
		for _, target := range in.Targets {
			rule.Targets = slices.DeleteFunc(rule.Targets, func(t Target) bool { return t.ID == target.ID })
			rule.Targets = append(rule.Targets, target)
		}
		return nil
	})
}

type removeTargetsInput struct {
	Rule, EventBusName string
	Ids                []string
	Force              bool
}

func (b *Bus) removeTargets(_ context.Context, in removeTargetsInput) (failedEntries, error) {
	if err := b.checkBus(in.EventBusName); err != nil {
		return failedEntries{}, err
	}
	return failedEntries{}, b.change(in.Rule, func(rule *Rule) error {
		rule.Targets = slices.DeleteFunc(rule.Targets, func(t Target) bool { return slices.Contains(in.Ids, t.ID) })
		return nil
	})
}

type ruleInput struct {
	Name, EventBusName string
	Force              bool
}

func (b *Bus) deleteRule(_ context.Context, in ruleInput) (struct{}, error) {
	if err := b.checkBus(in.EventBusName); err != nil {
		return struct{}{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	rule, ok := b.rules[in.Name]
	if !ok {
		return struct{}{}, nil // as AWS: deleting what is not there succeeds
	}
	if len(rule.Targets) > 0 {
		return struct{}{}, wire.Errorf("ValidationException", "Rule can't be deleted since it has targets.")
	}
	delete(b.rules, in.Name)
	return struct{}{}, b.kept.Remove(in.Name)
}

type listRulesInput struct {
	NamePrefix, EventBusName, NextToken string
	Limit                               int
}

type describedRule struct {
	Name               string
	Arn                string
	EventPattern       string `json:",omitempty"`
	ScheduleExpression string `json:",omitempty"`
	State              string
	Description        string `json:",omitempty"`
	RoleArn            string `json:",omitempty"`
	EventBusName       string
}

type listRulesOutput struct {
	Rules     []describedRule
	NextToken string `json:",omitempty"`
}

func (b *Bus) describe(r Rule) describedRule {
	return describedRule{Name: r.Name, Arn: b.ARN(r.Name), EventPattern: r.Pattern, ScheduleExpression: r.Schedule,
		State: r.State, Description: r.Description, RoleArn: r.RoleARN, EventBusName: "default"}
}

// listRules pages by name: the token is the last name of the page before.
func (b *Bus) listRules(_ context.Context, in listRulesInput) (listRulesOutput, error) {
	if err := b.checkBus(in.EventBusName); err != nil {
		return listRulesOutput{}, err
	}
	limit := in.Limit
	if limit < 1 || limit > 100 {
		limit = 100
	}
	out := listRulesOutput{Rules: []describedRule{}}
	for _, rule := range b.snapshot() {
		if !strings.HasPrefix(rule.Name, in.NamePrefix) || rule.Name <= in.NextToken {
			continue
		}
		if len(out.Rules) == limit {
			out.NextToken = out.Rules[limit-1].Name
			break
		}
		out.Rules = append(out.Rules, b.describe(rule.Rule))
	}
	return out, nil
}

func (b *Bus) get(name, bus string) (Rule, error) {
	if err := b.checkBus(bus); err != nil {
		return Rule{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	rule, ok := b.rules[name]
	if !ok {
		return Rule{}, notFound(name)
	}
	return rule.Rule, nil
}

func (b *Bus) describeRule(_ context.Context, in ruleInput) (describedRule, error) {
	rule, err := b.get(in.Name, in.EventBusName)
	if err != nil {
		return describedRule{}, err
	}
	return b.describe(rule), nil
}

type listTargetsInput struct {
	Rule, EventBusName, NextToken string
	Limit                         int
}

type listTargetsOutput struct{ Targets []Target }

func (b *Bus) listTargets(_ context.Context, in listTargetsInput) (listTargetsOutput, error) {
	rule, err := b.get(in.Rule, in.EventBusName)
	if rule.Targets == nil {
		rule.Targets = []Target{}
	}
	return listTargetsOutput{rule.Targets}, err
}

func (b *Bus) setState(state string) func(context.Context, ruleInput) (struct{}, error) {
	return func(_ context.Context, in ruleInput) (struct{}, error) {
		if err := b.checkBus(in.EventBusName); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, b.change(in.Name, func(rule *Rule) error {
			rule.State = state
			return nil
		})
	}
}

type testPatternInput struct{ EventPattern, Event string }

type testPatternOutput struct{ Result bool }

func (b *Bus) testPattern(_ context.Context, in testPatternInput) (testPatternOutput, error) {
	compiledPattern, err := pattern.Compile([]byte(in.EventPattern))
	if err != nil {
		return testPatternOutput{}, wire.Errorf("InvalidEventPatternException", "%v", err)
	}
	event, err := pattern.ParseEvent([]byte(in.Event))
	if err != nil {
		return testPatternOutput{}, wire.Errorf("ValidationException", "Parameter Event is not valid: %v", err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(in.Event), &fields); err != nil {
		return testPatternOutput{}, wire.Errorf("ValidationException", "Parameter Event is not valid: %v", err)
	}
	for _, name := range []string{"id", "account", "source", "time", "region", "resources", "detail-type"} {
		if _, ok := fields[name]; !ok {
			return testPatternOutput{}, wire.Errorf("ValidationException", "Parameter Event is not valid: it has no %q; it has %v", name, slices.Sorted(maps.Keys(fields)))
		}
	}
	return testPatternOutput{compiledPattern.Match(event)}, nil
}
