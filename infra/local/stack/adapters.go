package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sluice-ml/sluice/infra/local/assembly"
	"github.com/sluice-ml/sluice/infra/local/batch"
	"github.com/sluice-ml/sluice/infra/local/cloudwatch"
	"github.com/sluice-ml/sluice/infra/local/ecs"
	"github.com/sluice-ml/sluice/infra/local/elb"
	"github.com/sluice-ml/sluice/infra/local/events"
	"github.com/sluice-ml/sluice/infra/local/faults"
	"github.com/sluice-ml/sluice/infra/local/lambda"
	"github.com/sluice-ml/sluice/infra/local/network"
	"github.com/sluice-ml/sluice/infra/local/states"
	"github.com/sluice-ml/sluice/infra/local/wire"
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
	_, err := a.router.services.SNS.Publish(ctx, topicARN, subject, message, nil)
	return err
}

func (a alarmActions) InvokeAlarm(ctx context.Context, functionARN string, payload []byte) error {
	return a.router.invoke(ctx, functionARN, payload)
}

// subscribers delivers what topics publish.
type subscribers struct{ router *router }

func (s subscribers) InvokeSubscribed(ctx context.Context, functionARN string, event []byte) error {
	return s.router.invoke(ctx, functionARN, event)
}

func (s subscribers) SendSubscribed(_ context.Context, queueARN, body string) error {
	_, err := s.router.services.SQS.Send(queueARN, body, nil)
	return err
}

// destinations takes the records of asynchronous invocations.
type destinations struct{ router *router }

func (d destinations) Deliver(ctx context.Context, target string, body []byte, attributes map[string]string) error {
	return d.router.deliver(ctx, target, body, attributes)
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

// functions lets state machines invoke functions.
type functions struct{ lambda *lambda.Service }

func (f functions) Invoke(ctx context.Context, function string, payload []byte) (states.InvokeResult, error) {
	result, err := f.lambda.Invoke(ctx, function, payload)
	return states.InvokeResult{Payload: result.Payload, FunctionError: result.FunctionError, ExecutedVersion: result.Version}, err
}

// jobs lets state machines run jobs. An attempt of a task that is done again
// after a restart finds the job it had submitted.
type jobs struct{ batch *batch.Service }

func (j jobs) Submit(ctx context.Context, parameters json.RawMessage) (string, error) {
	var in batch.SubmitInput // its members are PascalCase here, which decodes the same
	if err := wire.DecodeStrict(parameters, &in); err != nil {
		return "", err
	}
	out, err := j.batch.SubmitOnce(ctx, states.Attempt(ctx), in)
	return out.JobID, err
}

func (j jobs) Wait(ctx context.Context, jobID string) (json.RawMessage, bool, error) {
	detail, err := j.batch.Wait(ctx, jobID)
	if err != nil {
		return nil, false, err
	}
	result, err := detail.TaskResult()
	return result, detail.Failed(), err
}

func (j jobs) Terminate(_ context.Context, jobID, reason string) {
	_ = j.batch.Terminate(jobID, reason) // a job that is not there needs no end
}

// jobEvents puts the state changes of jobs on the bus.
type jobEvents struct {
	bus *events.Bus
	log *slog.Logger
}

func (e jobEvents) Put(ctx context.Context, source, detailType string, detail any) {
	raw, err := json.Marshal(detail)
	if err == nil {
		err = e.bus.Publish(ctx, events.Event{Source: source, DetailType: detailType, Resources: jobARN(raw), Detail: raw})
	}
	if err != nil {
		e.log.Error("a job's state change could not be published", "error", err)
	}
}

// taskEvents puts the events of ECS on the bus.
type taskEvents struct {
	bus *events.Bus
	log *slog.Logger
}

func (t taskEvents) Put(ctx context.Context, e ecs.Event) {
	err := t.bus.Publish(ctx, events.Event{Source: "aws.ecs", DetailType: e.DetailType, Time: events.Timestamp(e.Time), Resources: e.Resources, Detail: e.Detail})
	if err != nil {
		t.log.Error("an event of ECS could not be published", "type", e.DetailType, "error", err)
	}
}

// jobARN gives the resources of a job's event.
func jobARN(detail []byte) []string {
	var job struct{ JobArn string }
	if err := json.Unmarshal(detail, &job); err != nil || job.JobArn == "" {
		return nil
	}
	return []string{job.JobArn}
}

// objects lets SageMaker read artefacts and write what it captured.
type objects struct{ client *s3.Client }

func (o objects) Get(ctx context.Context, bucket, key string) (io.ReadCloser, error) {
	out, err := o.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	return out.Body, nil
}

func (o objects) Put(ctx context.Context, bucket, key string, body []byte) error {
	_, err := o.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body)})
	return err
}

// taskNetwork tells load balancers where tasks listen. It asks Services.tasks
// each time: tasks register with load balancers, so they are opened after them.
type taskNetwork struct{ services *Services }

var _ elb.Network = taskNetwork{}

func (t taskNetwork) Address(id string, port int) (hostport string, ok bool) {
	tasks := t.services.tasks.Load()
	if tasks == nil {
		return "", false
	}
	return (*tasks).Address(id, port)
}

// subnets tells load balancers of the template's networking.
type subnets struct{ network *network.Service }

var _ elb.Subnets = subnets{}

func (s subnets) Subnet(id string) (vpc, zone string, ok bool) {
	var p struct{ VpcId, AvailabilityZone string }
	record, ok := s.network.Records()[id]
	if !ok || record.Type != "AWS::EC2::Subnet" || json.Unmarshal(record.Properties, &p) != nil {
		return "", "", false
	}
	return p.VpcId, p.AvailabilityZone, true
}

func (s subnets) SecurityGroup(id string) (vpc string, ok bool) {
	var p struct{ VpcId string }
	record, ok := s.network.Records()[id]
	if !ok || record.Type != "AWS::EC2::SecurityGroup" || json.Unmarshal(record.Properties, &p) != nil {
		return "", false
	}
	return p.VpcId, true
}

// readAsset reads a state machine's definition.
func readAsset(assets *assembly.Assets) states.FetchAsset {
	return func(_ context.Context, _, key string) ([]byte, error) {
		path, err := assets.File(key)
		if err != nil {
			return nil, err
		}
		return os.ReadFile(path)
	}
}

// executionEvents puts the status changes of executions on the bus.
type executionEvents struct {
	bus *events.Bus
	log *slog.Logger
}

type executionDetail struct {
	ExecutionARN string  `json:"executionArn"`
	MachineARN   string  `json:"stateMachineArn"`
	Name         string  `json:"name"`
	Status       string  `json:"status"`
	StartDate    int64   `json:"startDate"` // milliseconds since 1970
	StopDate     *int64  `json:"stopDate"`
	Input        string  `json:"input"`
	Output       *string `json:"output"`
	Error        *string `json:"error"`
	Cause        *string `json:"cause"`

	RedriveCount        int     `json:"redriveCount"`
	RedriveDate         *int64  `json:"redriveDate"`
	RedriveStatus       string  `json:"redriveStatus"`
	RedriveStatusReason *string `json:"redriveStatusReason"`
}

func (x executionEvents) changed(d states.Description) {
	detail := executionDetail{ExecutionARN: d.ARN, MachineARN: d.MachineARN, Name: d.Name, Status: string(d.Status),
		StartDate: d.Start.UnixMilli(), Input: d.Input, Output: optional(d.Output), Error: optional(d.Error), Cause: optional(d.Cause),
		RedriveCount: d.Redrives, RedriveStatus: d.RedriveStatus(), RedriveStatusReason: optional(d.NotRedrivable)}
	if !d.Redriven.IsZero() {
		at := d.Redriven.UnixMilli()
		detail.RedriveDate = &at
	}
	if !d.Stop.IsZero() {
		stop := d.Stop.UnixMilli()
		detail.StopDate = &stop
	}
	raw, err := json.Marshal(detail)
	if err == nil {
		err = x.bus.Publish(context.Background(), events.Event{Source: "aws.states", DetailType: "Step Functions Execution Status Change",
			Resources: []string{d.ARN}, Detail: raw})
	}
	if err != nil {
		x.log.Error("an execution's status change could not be published", "execution", d.ARN, "error", err)
	}
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// functionFaults has functions fail on request.
type functionFaults struct{ *faults.Injector }

func (f functionFaults) Strike(function, how string) bool {
	return f.Strikes(faults.Function, how, function)
}

// eventFaults has events go wrong on request.
type eventFaults struct{ *faults.Injector }

func (f eventFaults) Strike(detailType string) (copies int, wait time.Duration) {
	rule, struck := f.Meet(faults.Event, detailType)
	switch {
	case !struck:
		return 1, 0
	case rule.Do == faults.Drop:
		return 0, 0
	case rule.Do == faults.Duplicate:
		return 2, 0
	}
	return 1, rule.Wait()
}

// updateFaults has updates of endpoints fail on request.
func updateFaults(i *faults.Injector) func(endpoint string) (fails, badly bool) {
	return func(endpoint string) (fails, badly bool) {
		rule, struck := i.Meet(faults.Update, endpoint)
		return struck, struck && rule.Do == faults.RollBackBadly
	}
}
