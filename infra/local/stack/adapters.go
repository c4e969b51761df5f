package stack

import (
	"bytes"
	"context"
	"log/slog"

	"github.com/sluice-ml/sluice/infra/local/cloudwatch"
	"github.com/sluice-ml/sluice/infra/local/events"
)

// alarmEvents puts CloudWatch's events on the bus.
type alarmEvents struct{ services *Services }

func (a alarmEvents) PutEvent(ctx context.Context, e cloudwatch.Event) error {
	return a.services.Events.Publish(ctx, events.Event{Source: e.Source, DetailType: e.DetailType,
		Time: events.Timestamp(e.Time), Resources: e.Resources, Detail: e.Detail})
}

// alarmActions carries out the actions of alarms.
type alarmActions struct{ router *router }

func (a alarmActions) PublishAlarm(ctx context.Context, topicARN, subject, message string) error {
	return a.router.publish(ctx, topicARN, subject, message)
}

func (a alarmActions) InvokeAlarm(ctx context.Context, functionARN string, payload []byte) error {
	return a.router.invoke(ctx, functionARN, payload)
}

// destinations takes the records of asynchronous invocations.
type destinations struct{ router *router }

func (d destinations) Deliver(ctx context.Context, target string, body []byte, attributes map[string]string) error {
	return d.router.deliver(ctx, target, body, attributes)
}

// embeddedMetrics stores the metrics that functions print.
type embeddedMetrics struct{ cloudwatch *cloudwatch.Service }

func (m embeddedMetrics) PutEMF(_ context.Context, document []byte) error {
	_, err := m.cloudwatch.PutEMF(document)
	return err
}

// logWriter gives a service that writes lines a place in the log.
type logWriter struct {
	log     *slog.Logger
	service string
}

func (w logWriter) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		w.log.Warn(string(bytes.TrimRight(line, "\n")), "service", w.service)
	}
	return len(p), nil
}
