package cloudwatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/durable"
)

// Event is an EventBridge event before the bus gives it an id.
type Event struct {
	Source     string // "aws.cloudwatch"
	DetailType string // "CloudWatch Alarm State Change"
	Time       time.Time
	Resources  []string // ARNs
	Detail     json.RawMessage
}

// Events takes state-change events. An error means the event was not taken;
// it is offered again on the next Evaluate.
type Events interface {
	PutEvent(ctx context.Context, event Event) error
}

// Actions carries out alarm actions. Both calls are asynchronous on AWS and
// must not wait for the receiver's work. An error means it was not accepted;
// it is tried again on the next Evaluate.
type Actions interface {
	// PublishAlarm sends AWS's alarm notification (JSON) to an SNS topic.
	PublishAlarm(ctx context.Context, topicARN, subject, message string) error
	// InvokeAlarm invokes a Lambda function with AWS's alarm action event.
	InvokeAlarm(ctx context.Context, functionARN string, payload []byte) error
}

// Config is what the service needs.
type Config struct {
	Dir     string // where metric data and alarm states are kept
	Region  string
	Account string // twelve digits
	Now     func() time.Time
	Events  Events
	Actions Actions
	Log     io.Writer // deliveries that failed; nil discards
}

// Service is a CloudWatch. It is safe for concurrent use.
type Service struct {
	config  Config
	store   *store
	history *history

	mu         sync.Mutex // guards alarms and composites
	alarms     map[string]*alarmRecord
	composites map[string]*compositeRecord

	delivering sync.Mutex // one delivery at a time, so that order holds
}

// Open reads the state kept under c.Dir. It returns an error that names the
// file when something other than a torn last line is wrong with it.
func Open(c Config) (*Service, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = io.Discard
	}
	if c.Events == nil || c.Actions == nil {
		return nil, errors.New("open cloudwatch: Config needs Events and Actions, or alarms would fire into the void")
	}
	st, err := openStore(filepath.Join(c.Dir, "metrics"), c.Now)
	if err != nil {
		return nil, fmt.Errorf("open cloudwatch: %w", err)
	}
	past, err := openHistory(filepath.Join(c.Dir, "history"), c.Now())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open cloudwatch: %w", err), st.close())
	}
	s := &Service{config: c, store: st, history: past, alarms: map[string]*alarmRecord{}, composites: map[string]*compositeRecord{}}
	var kept alarmFile
	if _, err := durable.ReadJSON(s.alarmPath(), &kept); err != nil {
		return nil, errors.Join(fmt.Errorf("open cloudwatch: %w", err), s.Close())
	}
	for _, a := range kept.Metric {
		s.alarms[a.Alarm.AlarmName] = a
	}
	for _, c := range kept.Composite {
		s.composites[c.Alarm.AlarmName] = c
	}
	return s, nil
}

// Close stops writing metric data. The state on disk is complete without it.
func (s *Service) Close() error { return errors.Join(s.store.close(), s.history.journal.Close()) }

// Handler serves the API.
func (s *Service) Handler() http.Handler {
	return handler(map[string]cborOperation{
		"PutMetricData":           op(s.putMetricData),
		"GetMetricData":           op(s.getMetricData),
		"GetMetricStatistics":     op(s.getMetricStatistics),
		"ListMetrics":             op(s.listMetrics),
		"PutMetricAlarm":          op(s.putMetricAlarm),
		"PutCompositeAlarm":       op(s.putCompositeAlarm),
		"DescribeAlarms":          op(s.describeAlarms),
		"DeleteAlarms":            op(s.deleteAlarms),
		"SetAlarmState":           op(s.setAlarmState),
		"EnableAlarmActions":      op(s.enableAlarmActions),
		"DisableAlarmActions":     op(s.disableAlarmActions),
		"DescribeAlarmHistory":    op(s.describeAlarmHistory),
		"DescribeAlarmsForMetric": op(s.describeAlarmsForMetric),
		"TagResource":             op(s.tagResource),
		"UntagResource":           op(s.untagResource),
		"ListTagsForResource":     op(s.listTags),
	})
}

func (s *Service) alarmARN(name string) string {
	return fmt.Sprintf("arn:aws:cloudwatch:%s:%s:alarm:%s", s.config.Region, s.config.Account, name)
}

func (s *Service) alarmPath() string { return filepath.Join(s.config.Dir, "alarms.json") }
