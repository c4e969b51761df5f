package cloudwatch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-ml/sluice/infra/local/durable"
)

// alarmFile is the state file.
type alarmFile struct {
	Metric    []*alarmRecord     `json:"metric"`
	Composite []*compositeRecord `json:"composite"`
}

// save writes every alarm; s.mu is held.
func (s *Service) save() error {
	var kept alarmFile
	for _, name := range sortedKeys(s.alarms) {
		kept.Metric = append(kept.Metric, s.alarms[name])
	}
	for _, name := range sortedKeys(s.composites) {
		kept.Composite = append(kept.Composite, s.composites[name])
	}
	return durable.WriteJSON(s.alarmPath(), kept)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Evaluate judges every alarm by its complete periods at now, then the
// composite alarms, keeps the new states, and tells about those that changed.
// The stack calls it about once a second. An error means that a state could not
// be kept or an alarm not be computed; the next call tries again.
func (s *Service) Evaluate(ctx context.Context, now time.Time) error {
	err := s.evaluateAll(now)
	if delivered := s.deliver(ctx); err == nil {
		err = delivered
	}
	return err
}

func (s *Service) evaluateAll(now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := false
	for _, name := range sortedKeys(s.alarms) {
		c, err := s.evaluateOne(s.alarms[name], now)
		if err != nil {
			return fmt.Errorf("evaluate alarm %s: %w", name, err)
		}
		changed = changed || c
	}
	changed = s.evaluateComposites(now) || changed
	if !changed {
		return nil
	}
	return s.save()
}

func (s *Service) evaluateOne(a *alarmRecord, now time.Time) (changed bool, err error) {
	if a.queries == nil {
		if a.queries, err = a.Alarm.check(); err != nil {
			return false, err
		}
	}
	points, period, err := s.points(a, now)
	if err != nil {
		return false, err
	}
	r := a.Alarm.rule(a.queries)
	v := r.judge(points)
	if v.retain || v.state == a.State {
		return false, nil
	}
	evidence := evidence{alarm: &a.Alarm, rule: r, verdict: v, points: points, period: period, now: now, from: a.State}
	s.transit(a, v.state, evidence.reason(), evidence.data(), now)
	return true, nil
}

// points is the alarm's evaluation range at now: the last complete periods.
func (s *Service) points(a *alarmRecord, now time.Time) ([]datapoint, int, error) {
	watched := a.Alarm.watched()
	period, err := a.queries.period(watched)
	if err != nil {
		return nil, 0, err
	}
	n, step := a.Alarm.rule(a.queries).rangeOf(), int64(period)
	g := grid{floor(now.Unix(), step) - int64(n)*step, step, n}
	results, err := a.queries.evaluate(s.store, g, a.queries.needs(watched))
	if err != nil {
		return nil, 0, err
	}
	r := results[watched]
	points := make([]datapoint, n)
	for i := range points {
		points[i] = datapoint{at: g.at(i), value: r.values[i]}
		if r.samples != nil {
			points[i].samples = r.samples[i]
		}
	}
	return points, period, nil
}

// transit changes the state and notes what is to be told; s.mu is held.
func (s *Service) transit(a *alarmRecord, to State, reason, data string, now time.Time) {
	before := a.status
	a.State, a.Reason, a.ReasonData, a.StateUpdated = to, reason, data, now
	change := change{name: a.Alarm.AlarmName, arn: s.alarmARN(a.Alarm.AlarmName), before: before, after: a.status}
	a.Pending = append(a.Pending, s.event(change, metricConfiguration(&a.Alarm)))
	s.noteState(change)
	if a.Alarm.actionsEnabled() {
		for _, arn := range a.Alarm.actions(to) {
			a.Pending = append(a.Pending, s.action(change, arn, metricConfiguration(&a.Alarm), a.snsMessage(s, change)))
		}
	}
}
