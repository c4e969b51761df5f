package cloudwatch

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

type tag struct {
	Key   string `json:"Key"`
	Value string `json:"Value"`
}

type putMetricAlarmInput struct {
	MetricAlarm
	Tags []tag `json:"Tags,omitempty"` // of a new alarm
}

// putMetricAlarm makes an alarm, or overwrites its configuration and keeps its
// state, as AWS does.
func (s *Service) putMetricAlarm(_ context.Context, in *putMetricAlarmInput) (*empty, error) {
	return &empty{}, s.putAlarm(in.MetricAlarm, in.Tags)
}

// PutAlarm makes or changes an alarm, in-process.
func (s *Service) PutAlarm(a MetricAlarm) error { return s.putAlarm(a, nil) }

// putAlarm is PutAlarm with the tags of a new alarm.
func (s *Service) putAlarm(a MetricAlarm, tags []tag) error {
	q, err := a.check()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.composites[a.AlarmName]; ok {
		return refused("alarm %s exists and is a composite alarm", a.AlarmName)
	}
	now := s.config.Now()
	record, ok := s.alarms[a.AlarmName]
	if !ok {
		record = &alarmRecord{status: newStatus(now), Tags: tagsOf(tags)}
		s.noteConfiguration(a.AlarmName, "created", now, a)
	} else if !bytes.Equal(mustJSON(record.Alarm), mustJSON(a)) {
		s.noteConfiguration(a.AlarmName, "updated", now, a)
	}
	s.alarms[a.AlarmName] = &alarmRecord{Alarm: a, Updated: now, Tags: record.Tags, status: record.status, queries: q}
	return s.save()
}

type putCompositeAlarmInput struct {
	CompositeAlarm
	Tags []tag `json:"Tags,omitempty"`
}

func (s *Service) putCompositeAlarm(_ context.Context, in *putCompositeAlarmInput) (*empty, error) {
	return &empty{}, s.putComposite(in.CompositeAlarm, in.Tags)
}

// PutComposite makes or changes a composite alarm. The alarms it watches must
// exist.
func (s *Service) PutComposite(c CompositeAlarm) error { return s.putComposite(c, nil) }

// putComposite is PutComposite with the tags of a new alarm.
func (s *Service) putComposite(c CompositeAlarm, tags []tag) error {
	rule, err := c.check()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.alarms[c.AlarmName]; ok {
		return refused("alarm %s exists and is a metric alarm", c.AlarmName)
	}
	for _, name := range rule.alarms() {
		if s.status(name) == nil {
			return refused("composite alarm %s: it watches alarm %q, which does not exist", c.AlarmName, name)
		}
	}
	now := s.config.Now()
	record, ok := s.composites[c.AlarmName]
	verb := "updated"
	if !ok {
		record, verb = &compositeRecord{status: newStatus(now), Tags: tagsOf(tags)}, "created"
	}
	changed := !ok || !bytes.Equal(mustJSON(record.Alarm), mustJSON(c))
	s.composites[c.AlarmName] = &compositeRecord{Alarm: c, Updated: now, Tags: record.Tags, status: record.status, rule: rule}
	if changed {
		s.noteConfiguration(c.AlarmName, verb, now, c)
	}
	return s.save()
}

type describeAlarmsInput struct {
	AlarmNames      []string `json:"AlarmNames"`
	AlarmNamePrefix string   `json:"AlarmNamePrefix"`
	AlarmTypes      []string `json:"AlarmTypes"`
	StateValue      State    `json:"StateValue"`
	ActionPrefix    string   `json:"ActionPrefix"`
	MaxRecords      *int     `json:"MaxRecords"`
	NextToken       string   `json:"NextToken"`
}

// described is what DescribeAlarms adds to a configuration.
type described struct {
	AlarmARN                           string    `json:"AlarmArn"`
	AlarmConfigurationUpdatedTimestamp time.Time `json:"AlarmConfigurationUpdatedTimestamp"`
	StateValue                         State     `json:"StateValue"`
	StateReason                        string    `json:"StateReason"`
	StateReasonData                    string    `json:"StateReasonData,omitempty"`
	StateUpdatedTimestamp              time.Time `json:"StateUpdatedTimestamp"`
	StateTransitionedTimestamp         time.Time `json:"StateTransitionedTimestamp"`
}

type metricAlarmOut struct {
	MetricAlarm
	described
}

type compositeAlarmOut struct {
	CompositeAlarm
	described
}

type describeAlarmsOutput struct {
	MetricAlarms    []metricAlarmOut    `json:"MetricAlarms"`
	CompositeAlarms []compositeAlarmOut `json:"CompositeAlarms"`
	NextToken       string              `json:"NextToken,omitempty"`
}

func (s *Service) described(name string, updated time.Time, st status) described {
	return described{s.alarmARN(name), updated, st.State, st.Reason, st.ReasonData, st.StateUpdated, st.StateUpdated}
}

// describeAlarms pages over metric and composite alarms together, by name.
func (s *Service) describeAlarms(_ context.Context, in *describeAlarmsInput) (*describeAlarmsOutput, error) {
	types, limit, err := in.check()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &describeAlarmsOutput{}
	names := slices.Concat(sortedKeys(s.alarms), sortedKeys(s.composites))
	slices.Sort(names)
	last, found := "", 0
	for _, name := range names {
		if name <= in.NextToken || !s.wanted(in, types, name) {
			continue
		}
		if found == limit {
			out.NextToken = last
			break
		}
		found, last = found+1, name
		if a, ok := s.alarms[name]; ok {
			out.MetricAlarms = append(out.MetricAlarms, a.describe(s))
		} else {
			c := s.composites[name]
			out.CompositeAlarms = append(out.CompositeAlarms, c.describe(s))
		}
	}
	return out, nil
}

func (a *alarmRecord) describe(s *Service) metricAlarmOut {
	out := metricAlarmOut{a.Alarm, s.described(a.Alarm.AlarmName, a.Updated, a.status)}
	enabled := a.Alarm.actionsEnabled()
	out.ActionsEnabled = &enabled
	return out
}

func (c *compositeRecord) describe(s *Service) compositeAlarmOut {
	out := compositeAlarmOut{c.Alarm, s.described(c.Alarm.AlarmName, c.Updated, c.status)}
	enabled := c.Alarm.actionsEnabled()
	out.ActionsEnabled = &enabled
	return out
}

func (in *describeAlarmsInput) check() (types []string, limit int, err error) {
	types, limit = in.AlarmTypes, 50
	if len(types) == 0 {
		types = []string{"MetricAlarm"}
		if len(in.AlarmNames) > 0 {
			types = []string{"MetricAlarm", "CompositeAlarm"}
		}
	}
	for _, t := range types {
		if t != "MetricAlarm" && t != "CompositeAlarm" {
			return nil, 0, refused("AlarmTypes %q: the local stack has MetricAlarm and CompositeAlarm", t)
		}
	}
	if in.MaxRecords != nil {
		limit = *in.MaxRecords
	}
	if limit < 1 || limit > 100 {
		return nil, 0, refused("MaxRecords %d: want 1 to 100", limit)
	}
	if len(in.AlarmNames) > 100 {
		return nil, 0, refused("AlarmNames has %d members: at most 100", len(in.AlarmNames))
	}
	if len(in.AlarmNames) > 0 && in.AlarmNamePrefix != "" {
		return nil, 0, wire.Errorf("InvalidParameterCombination", "AlarmNames and AlarmNamePrefix exclude each other")
	}
	if len(in.AlarmNames) > 0 {
		limit = 100
	}
	return types, limit, nil
}

func (s *Service) wanted(in *describeAlarmsInput, types []string, name string) bool {
	kind, st, actions := "MetricAlarm", s.status(name), []string(nil)
	if a, ok := s.alarms[name]; ok {
		actions = slices.Concat(a.Alarm.OKActions, a.Alarm.AlarmActions, a.Alarm.InsufficientDataActions)
	} else {
		kind = "CompositeAlarm"
		c := s.composites[name].Alarm
		actions = slices.Concat(c.OKActions, c.AlarmActions, c.InsufficientDataActions)
	}
	return slices.Contains(types, kind) &&
		(len(in.AlarmNames) == 0 || slices.Contains(in.AlarmNames, name)) &&
		strings.HasPrefix(name, in.AlarmNamePrefix) &&
		(in.StateValue == "" || in.StateValue == st.State) &&
		(in.ActionPrefix == "" || slices.ContainsFunc(actions, func(a string) bool { return strings.HasPrefix(a, in.ActionPrefix) }))
}

type alarmNamesInput struct {
	AlarmNames []string `json:"AlarmNames"`
}

// deleteAlarms ignores names that do not exist, but refuses to delete an alarm
// that a composite alarm watches, as AWS does.
func (s *Service) deleteAlarms(_ context.Context, in *alarmNamesInput) (*empty, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, c := range s.composites {
		if c.rule == nil || slices.Contains(in.AlarmNames, name) {
			continue
		}
		for _, watched := range c.rule.alarms() {
			if slices.Contains(in.AlarmNames, watched) {
				return nil, wire.Errorf("ValidationError", "cannot delete %s as there are composite alarm(s) depending on it: %s", watched, name)
			}
		}
	}
	for _, name := range in.AlarmNames {
		if a, ok := s.alarms[name]; ok {
			s.noteConfiguration(name, "deleted", s.config.Now(), a.Alarm)
		} else if c, ok := s.composites[name]; ok {
			s.noteConfiguration(name, "deleted", s.config.Now(), c.Alarm)
		}
		delete(s.alarms, name)
		delete(s.composites, name)
	}
	return &empty{}, s.save()
}

type setAlarmStateInput struct {
	AlarmName       string `json:"AlarmName"`
	StateValue      State  `json:"StateValue"`
	StateReason     string `json:"StateReason"`
	StateReasonData string `json:"StateReasonData"`
}

// setAlarmState changes the state until the next evaluation. Actions run when
// it differs from the present one.
func (s *Service) setAlarmState(ctx context.Context, in *setAlarmStateInput) (*empty, error) {
	if !slices.Contains([]State{OK, Alarm, InsufficientData}, in.StateValue) {
		return nil, refused("StateValue %q: want OK, ALARM or INSUFFICIENT_DATA", in.StateValue)
	}
	if err := s.setState(in); err != nil {
		return nil, err
	}
	return &empty{}, s.deliver(ctx)
}

func (s *Service) setState(in *setAlarmStateInput) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Now()
	st := s.status(in.AlarmName)
	switch {
	case st == nil:
		return &wire.Error{Code: "ResourceNotFound", Message: "alarm " + in.AlarmName + " does not exist", Status: 404}
	case st.State == in.StateValue:
		st.Reason, st.ReasonData = in.StateReason, in.StateReasonData
		return s.save()
	}
	if a, ok := s.alarms[in.AlarmName]; ok {
		s.transit(a, in.StateValue, in.StateReason, in.StateReasonData, now)
	} else {
		s.transitComposite(s.composites[in.AlarmName], in.StateValue, in.StateReason, in.StateReasonData, now)
	}
	return s.save()
}

func (s *Service) enableAlarmActions(_ context.Context, in *alarmNamesInput) (*empty, error) {
	return &empty{}, s.setActions(in.AlarmNames, true)
}

func (s *Service) disableAlarmActions(_ context.Context, in *alarmNamesInput) (*empty, error) {
	return &empty{}, s.setActions(in.AlarmNames, false)
}

func (s *Service) setActions(names []string, enabled bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		if a, ok := s.alarms[name]; ok {
			a.Alarm.ActionsEnabled = &enabled
		}
		if c, ok := s.composites[name]; ok {
			c.Alarm.ActionsEnabled = &enabled
		}
	}
	return s.save()
}
