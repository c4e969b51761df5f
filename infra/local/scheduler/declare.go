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
		MaximumWindowInMinutes *int
	}
	ActionAfterCompletion string
}

// window gives the minutes of the flexible time window; 0 is OFF.
func (d definition) window() (int, error) {
	minutes := d.FlexibleTimeWindow.MaximumWindowInMinutes
	switch mode := d.FlexibleTimeWindow.Mode; {
	case mode == "OFF" && minutes == nil:
		return 0, nil
	case mode == "OFF":
		return 0, wire.Errorf("ValidationException", "schedule %s: FlexibleTimeWindow.MaximumWindowInMinutes is for the mode FLEXIBLE", d.Name)
	case mode != "FLEXIBLE":
		return 0, wire.Errorf("ValidationException", "schedule %s: FlexibleTimeWindow.Mode is %q, want OFF or FLEXIBLE", d.Name, mode)
	case minutes == nil || *minutes < 1 || *minutes > maxWindow:
		return 0, wire.Errorf("ValidationException", "schedule %s: FlexibleTimeWindow.MaximumWindowInMinutes: want 1 to %d", d.Name, maxWindow)
	}
	return *minutes, nil
}

// schedule checks a definition and gives the schedule it means.
func (s *Service) schedule(d definition) (Schedule, error) {
	window, err := d.window()
	if err != nil {
		return Schedule{}, err
	}
	if d.Target.Input != "" && !json.Valid([]byte(d.Target.Input)) {
		return Schedule{}, wire.Errorf("ValidationException", "schedule %s: Target.Input is not valid JSON: %s", d.Name, d.Target.Input)
	}
	sched := Schedule{Name: d.Name, Description: d.Description, Expression: d.ScheduleExpression,
		Timezone: d.ScheduleExpressionTimezone, State: d.State, Target: d.Target, Created: s.o.Now(), Modified: s.o.Now(), Window: window}
	if d.GroupName != defaultGroup {
		sched.Group = d.GroupName
	}
	switch d.ActionAfterCompletion {
	case "", "NONE", "DELETE":
		sched.DeleteAfter = d.ActionAfterCompletion == "DELETE"
	default:
		return Schedule{}, wire.Errorf("ValidationException", "ActionAfterCompletion is %q, want NONE or DELETE", d.ActionAfterCompletion)
	}
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
	if kept, ok := s.kept.Get(key(sched.Group, sched.Name)); ok && kept.Declared == sched.Declared {
		sched.State, sched.Created, sched.Modified = kept.State, kept.Created, kept.Modified
	}
	if err := s.put(sched); err != nil {
		return assembly.Created{}, err
	}
	return assembly.Created{Ref: sched.Name, Attributes: map[string]any{"Arn": s.arn(sched)}}, nil
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
