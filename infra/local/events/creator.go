package events

import (
	"context"
	"encoding/json"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

// properties of AWS::Events::Rule.
type properties struct {
	Name               string
	Description        string
	EventBusName       string
	EventPattern       json.RawMessage
	ScheduleExpression string
	State              string
	RoleArn            string
	Targets            []Target
	Tags               []assembly.Tag
}

// CreateRule is the Creator of AWS::Events::Rule. A rule whose declaration has
// not changed keeps the state it was given through the API.
func (b *Bus) CreateRule(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	var p properties
	if err := r.Decode(&p); err != nil {
		return assembly.Created{}, err
	}
	if err := b.checkBus(p.EventBusName); err != nil {
		return assembly.Created{}, err
	}
	rule := Rule{Name: p.Name, Description: p.Description, Pattern: string(p.EventPattern), Schedule: p.ScheduleExpression,
		State: p.State, RoleARN: p.RoleArn, Targets: p.Targets, Declared: string(r.Properties), Created: b.o.Now()}
	if rule.Name == "" {
		rule.Name = assembly.PhysicalName(b.o.Stack, r.LogicalID, 64)
	}
	if rule.State == "" {
		rule.State = enabled
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if kept, ok := b.kept.All()[rule.Name]; ok && kept.Declared == rule.Declared {
		rule.State, rule.Created = kept.State, kept.Created
	}
	if err := b.put(rule); err != nil {
		return assembly.Created{}, err
	}
	return assembly.Created{Ref: rule.Name, Attributes: map[string]any{"Arn": b.ARN(rule.Name)}}, nil
}
