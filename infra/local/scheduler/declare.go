package scheduler

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sluice-ml/sluice/infra/local/assembly"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// definition is a schedule as the template and the API write it; target-specific
// parameters (SqsParameters and the like) are refused by name.
type definition struct {
	Name                       string
	Description                string
	GroupName                  string
	ScheduleExpression         string
	ScheduleExpressionTimezone string
	State                      string
	Target                     Target
	FlexibleTimeWindow         struct {
		Mode                   string
		MaximumWindowInMinutes int
	}
}

// schedule checks a definition and gives the schedule it means.
func (s *Service) schedule(d definition) (Schedule, error) {
	if d.GroupName != "" && d.GroupName != "default" {
		return Schedule{}, wire.Errorf("ResourceNotFoundException", "Schedule group %s does not exist: the local stack has only the default group.", d.GroupName)
	}
	if d.FlexibleTimeWindow.Mode != "OFF" {
		return Schedule{}, wire.Errorf("ValidationException", "schedule %s: FlexibleTimeWindow.Mode is %q; the local stack implements OFF", d.Name, d.FlexibleTimeWindow.Mode)
	}
	if d.Target.Input != "" && !json.Valid([]byte(d.Target.Input)) {
		return Schedule{}, wire.Errorf("ValidationException", "schedule %s: Target.Input is not valid JSON: %s", d.Name, d.Target.Input)
	}
	sched := Schedule{Name: d.Name, Description: d.Description, Expression: d.ScheduleExpression,
		Timezone: d.ScheduleExpressionTimezone, State: d.State, Target: d.Target, Created: s.o.Now()}
	if sched.Timezone == "" {
		sched.Timezone = "UTC"
	}
	if sched.State == "" {
		sched.State = "ENABLED"
	}
	return sched, nil
}

// CreateSchedule is the Creator of AWS::Scheduler::Schedule. One whose
// declaration has not changed keeps the state it was given through the API.
func (s *Service) CreateSchedule(_ context.Context, r assembly.Resource) (assembly.Created, error) {
	var p struct {
		definition
		StartDate string
		EndDate   string
	}
	if err := r.Decode(&p); err != nil {
		return assembly.Created{}, err
	}
	if p.Name == "" {
		p.Name = assembly.PhysicalName(s.o.Stack, r.LogicalID, 64)
	}
	sched, err := s.schedule(p.definition)
	if err != nil {
		return assembly.Created{}, err
	}
	sched.Declared = string(r.Properties)
	if sched.StartDate, err = parseDate("StartDate", p.StartDate); err != nil {
		return assembly.Created{}, err
	}
	if sched.EndDate, err = parseDate("EndDate", p.EndDate); err != nil {
		return assembly.Created{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if kept, ok := s.kept.All()[sched.Name]; ok && kept.Declared == sched.Declared {
		sched.State, sched.Created = kept.State, kept.Created
	}
	if err := s.put(sched); err != nil {
		return assembly.Created{}, err
	}
	return assembly.Created{Ref: sched.Name, Attributes: map[string]any{"Arn": s.ARN(sched.Name)}}, nil
}

func parseDate(property, value string) (*time.Time, error) {
	if value == "" {
		return nil, nil
	}
	t, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return nil, fmt.Errorf("%s %q: want a time such as 2030-01-02T03:04:05Z", property, value)
	}
	return &t, nil
}
