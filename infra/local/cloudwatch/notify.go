package cloudwatch

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"
)

// notification is one thing to tell about a change of state. It is kept on disk
// with the state until it was delivered, so that a kill between the two loses
// nothing; it may then be delivered twice, as on AWS.
type notification struct {
	Kind     string          `json:"kind"` // "event", "sns" or "lambda"
	ARN      string          `json:"arn"`  // the alarm's, the topic's or the function's
	Time     time.Time       `json:"time"`
	Subject  string          `json:"subject,omitempty"`
	Payload  json.RawMessage `json:"payload"`
	Attempts int             `json:"attempts,omitempty"`
}

// maxAttempts bounds the delivery of one notification, about one a second.
const maxAttempts = 60

// change is one change of state.
type change struct {
	name, arn     string
	before, after status
}

type stateJSON struct {
	Value      State  `json:"value"`
	Reason     string `json:"reason"`
	ReasonData string `json:"reasonData,omitempty"`
	Timestamp  string `json:"timestamp"`
}

func (s status) json() stateJSON {
	return stateJSON{s.State, s.Reason, s.ReasonData, stamp(s.StateUpdated)}
}

// alarmData is the detail of a state-change event and the alarmData of a
// Lambda action.
type alarmData struct {
	AlarmName     string    `json:"alarmName"`
	State         stateJSON `json:"state"`
	PreviousState stateJSON `json:"previousState"`
	Configuration any       `json:"configuration"`
}

func (c change) data(configuration any) alarmData {
	return alarmData{c.name, c.after.json(), c.before.json(), configuration}
}

// event is the EventBridge notification of a change.
func (s *Service) event(c change, configuration any) notification {
	return notification{Kind: "event", ARN: c.arn, Time: c.after.StateUpdated, Payload: mustJSON(c.data(configuration))}
}

// action is the notification that carries out one alarm action.
func (s *Service) action(c change, arn string, configuration any, sns json.RawMessage) notification {
	if actionService(arn) == "sns" {
		return notification{Kind: "sns", ARN: arn, Time: c.after.StateUpdated, Payload: sns, Subject: s.subject(c)}
	}
	return notification{Kind: "lambda", ARN: arn, Time: c.after.StateUpdated, Payload: mustJSON(struct {
		Source    string    `json:"source"`
		AlarmARN  string    `json:"alarmArn"`
		AccountID string    `json:"accountId"`
		Time      string    `json:"time"`
		Region    string    `json:"region"`
		AlarmData alarmData `json:"alarmData"`
	}{"aws.cloudwatch", c.arn, s.config.Account, stamp(c.after.StateUpdated), s.config.Region, c.data(configuration)})}
}

func (s *Service) subject(c change) string {
	text := fmt.Sprintf("%s: %q in %s", c.after.State, c.name, s.config.Region)
	return text[:min(len(text), 100)]
}

func mustJSON(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("cloudwatch: encode %T: %v", v, err)) // every number in it was checked to be finite
	}
	return data
}

// metricConfiguration is detail.configuration of a metric alarm.
func metricConfiguration(a *MetricAlarm) any {
	type metricJSON struct {
		Namespace  string            `json:"namespace"`
		Name       string            `json:"name"`
		Dimensions map[string]string `json:"dimensions"`
	}
	type statJSON struct {
		Metric metricJSON `json:"metric"`
		Period int        `json:"period"`
		Stat   string     `json:"stat"`
		Unit   string     `json:"unit,omitempty"`
	}
	type queryJSON struct {
		ID         string    `json:"id"`
		Expression string    `json:"expression,omitempty"`
		Label      string    `json:"label,omitempty"`
		MetricStat *statJSON `json:"metricStat,omitempty"`
		Period     int       `json:"period,omitempty"`
		ReturnData bool      `json:"returnData"`
	}
	out := struct {
		Description string      `json:"description,omitempty"`
		Metrics     []queryJSON `json:"metrics"`
	}{Description: a.AlarmDescription}
	for _, q := range a.list() {
		one := queryJSON{ID: q.ID, Expression: q.Expression, Label: q.Label, Period: q.Period, ReturnData: q.returned()}
		if a.simple() {
			one.ID = stableUUID(a.AlarmName)
		}
		if m := q.MetricStat; m != nil {
			one.MetricStat = &statJSON{metricJSON{m.Metric.Namespace, m.Metric.MetricName, map[string]string{}}, m.Period, m.Stat, m.Unit}
			for _, d := range m.Metric.Dimensions {
				one.MetricStat.Metric.Dimensions[d.Name] = d.Value
			}
		}
		out.Metrics = append(out.Metrics, one)
	}
	return out
}

// stableUUID is the made-up query id that AWS gives a simple alarm.
func stableUUID(name string) string {
	h := sha256.Sum256([]byte(name))
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// snsMessage is the JSON that AWS publishes to a topic.
func (a *alarmRecord) snsMessage(s *Service, c change) json.RawMessage {
	alarm := &a.Alarm
	trigger := map[string]any{
		"Period": alarm.Period, "EvaluationPeriods": alarm.EvaluationPeriods, "DatapointsToAlarm": alarm.m(),
		"ComparisonOperator": alarm.ComparisonOperator, "Threshold": *alarm.Threshold,
		"TreatMissingData": alarm.TreatMissingData, "EvaluateLowSampleCountPercentile": alarm.EvaluateLowSampleCountPercentile,
	}
	if alarm.simple() {
		dimensions := []map[string]string{}
		for _, d := range alarm.Dimensions {
			dimensions = append(dimensions, map[string]string{"name": d.Name, "value": d.Value})
		}
		trigger["MetricName"], trigger["Namespace"], trigger["Dimensions"] = alarm.MetricName, alarm.Namespace, dimensions
		trigger["StatisticType"], trigger["Statistic"] = "Statistic", upper(alarm.Statistic)
		if alarm.ExtendedStatistic != "" {
			trigger["StatisticType"], trigger["Statistic"] = "ExtendedStatistic", alarm.ExtendedStatistic
		}
	} else {
		trigger["Metrics"] = alarm.Metrics
	}
	return s.snsEnvelope(c, a.Updated, alarm.AlarmDescription, [3][]string{alarm.OKActions, alarm.AlarmActions, alarm.InsufficientDataActions}, trigger)
}

func (s *Service) snsEnvelope(c change, updated time.Time, description string, actions [3][]string, trigger any) json.RawMessage {
	for i := range actions {
		if actions[i] == nil {
			actions[i] = []string{}
		}
	}
	return mustJSON(map[string]any{
		"AlarmName": c.name, "AlarmDescription": description, "AWSAccountId": s.config.Account,
		"AlarmConfigurationUpdatedTimestamp": stamp(updated), "NewStateValue": c.after.State,
		"NewStateReason": c.after.Reason, "StateChangeTime": stamp(c.after.StateUpdated), "Region": s.config.Region,
		"AlarmArn": c.arn, "OldStateValue": c.before.State, "OKActions": actions[0], "AlarmActions": actions[1],
		"InsufficientDataActions": actions[2], "Trigger": trigger,
	})
}

// upper turns "SampleCount" into "SAMPLE_COUNT", as in AWS's notifications.
func upper(statistic string) string {
	out := []byte{}
	for i, c := range []byte(statistic) {
		if i > 0 && c >= 'A' && c <= 'Z' {
			out = append(out, '_')
		}
		if c >= 'a' {
			c -= 'a' - 'A'
		}
		out = append(out, c)
	}
	return string(out)
}

// deliver tells what is pending, alarm by alarm in order. It holds no lock on
// the alarms while a receiver is called.
func (s *Service) deliver(ctx context.Context) error {
	s.delivering.Lock()
	defer s.delivering.Unlock()
	for _, one := range s.pending() {
		for _, n := range one.waiting {
			err := s.send(ctx, n)
			if err != nil {
				fmt.Fprintf(s.config.Log, "alarm %s: %s %s (attempt %d of %d): %v\n", one.name, n.Kind, n.ARN, n.Attempts+1, maxAttempts, err)
			}
			if err := s.settle(one.name, err); err != nil {
				return err
			}
			if err != nil {
				break // keep the order: the rest waits
			}
		}
	}
	return nil
}

type waiting struct {
	name    string
	waiting []notification
}

func (s *Service) pending() []waiting {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []waiting
	for _, name := range sortedKeys(s.alarms) {
		if p := s.alarms[name].Pending; len(p) > 0 {
			out = append(out, waiting{name, append([]notification(nil), p...)})
		}
	}
	for _, name := range sortedKeys(s.composites) {
		if p := s.composites[name].Pending; len(p) > 0 {
			out = append(out, waiting{name, append([]notification(nil), p...)})
		}
	}
	return out
}

func (s *Service) send(ctx context.Context, n notification) error {
	switch n.Kind {
	case "sns":
		return s.config.Actions.PublishAlarm(ctx, n.ARN, n.Subject, string(n.Payload))
	case "lambda":
		return s.config.Actions.InvokeAlarm(ctx, n.ARN, n.Payload)
	}
	return s.config.Events.PutEvent(ctx, Event{Source: "aws.cloudwatch", DetailType: "CloudWatch Alarm State Change",
		Time: n.Time, Resources: []string{n.ARN}, Detail: n.Payload})
}

// settle takes the first pending notification off the alarm when it was
// delivered, or when it has failed too often.
func (s *Service) settle(name string, failed error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.status(name)
	if st == nil || len(st.Pending) == 0 {
		return nil // the alarm was deleted meanwhile
	}
	st.Pending[0].Attempts++
	if failed == nil || st.Pending[0].Attempts >= maxAttempts {
		s.noteAction(name, st.Pending[0], failed)
		st.Pending = append([]notification(nil), st.Pending[1:]...)
	}
	return s.save()
}

func (s *Service) status(name string) *status {
	if a, ok := s.alarms[name]; ok {
		return &a.status
	}
	if c, ok := s.composites[name]; ok {
		return &c.status
	}
	return nil
}
