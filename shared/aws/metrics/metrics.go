// Package metrics reads and writes what CloudWatch knows of an endpoint's
// slots: it is rollout's Gauge, and where the monitor publishes accuracy and
// drift.
//
// SageMaker publishes Invocations, Invocation5XXErrors and ModelLatency (in
// microseconds) for every variant; Sluice publishes Accuracy, a 1 for each
// right prediction and a 0 for each wrong one at the time of the prediction, so
// the sum counts the right ones, the sample count all, and the average is the
// accuracy.
//
// Models that ECS serves are measured by their load balancer, which publishes
// RequestCount, HTTPCode_Target_5XX_Count, TargetConnectionErrorCount and
// TargetResponseTime (in seconds) for each target group, once a minute.
package metrics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// Client is what is used of the CloudWatch client.
type Client interface {
	GetMetricData(context.Context, *cloudwatch.GetMetricDataInput, ...func(*cloudwatch.Options)) (*cloudwatch.GetMetricDataOutput, error)
	DescribeAlarms(context.Context, *cloudwatch.DescribeAlarmsInput, ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error)
	PutMetricData(context.Context, *cloudwatch.PutMetricDataInput, ...func(*cloudwatch.Options)) (*cloudwatch.PutMetricDataOutput, error)
}

// Names of Sluice's own metrics.
const (
	Accuracy = "Accuracy"
	Drift    = "Drift"
)

// Gauge reads and writes the metrics of one environment.
type Gauge struct {
	client      Client
	environment string
	period      time.Duration // 10 or 60 s
	balancers   map[string]Balancer
}

var _ rollout.Gauge = (*Gauge)(nil)

// New makes a Gauge. The period is the endpoints' publishing frequency: 10 or
// 60 seconds.
func New(client Client, environment string, period time.Duration) (*Gauge, error) {
	if period != 10*time.Second && period != time.Minute {
		return nil, fault.New(fault.Invalid, "set up the metrics", "the period is %v: want 10 s or 60 s", period)
	}
	return &Gauge{client: client, environment: environment, period: period}, nil
}

// Measure implements rollout.Gauge. Requests, errors and latency are of the
// bake, from the first whole period in it; accuracy is of everything since
// serving began.
func (g *Gauge) Measure(ctx context.Context, q rollout.Question) (rollout.Measurements, error) {
	period := g.source(q.Model).period()
	m := rollout.Measurements{From: up(q.From, period), To: up(q.To, period)}
	if q.Increment {
		return g.increment(ctx, q, m)
	}
	if !m.From.Before(m.To) {
		return m, fault.New(fault.Unavailable, "measure "+q.Model, "the bake from %v to %v has no whole period of %v", q.From, q.To, period)
	}
	return g.both(ctx, q, m)
}

// increment measures the whole periods that are surely published: what is read
// once is never read again, so a period counts only when the next one is over.
func (g *Gauge) increment(ctx context.Context, q rollout.Question, m rollout.Measurements) (rollout.Measurements, error) {
	period := g.source(q.Model).period()
	m.To = q.To.UTC().Truncate(period).Add(-period)
	if m.From.Before(m.To) {
		return g.both(ctx, q, m)
	}
	m.To = m.From
	if q.Champion != "" {
		m.Champion = &rollout.Variant{}
	}
	var err error
	m.Alarms, err = g.alarms(ctx, q.Model, q.Candidate)
	return m, err
}

func (g *Gauge) both(ctx context.Context, q rollout.Question, m rollout.Measurements) (rollout.Measurements, error) {
	var err error
	if m.Candidate, err = g.variant(ctx, q, q.Candidate, m); err != nil {
		return m, err
	}
	if q.Champion != "" {
		champion, err := g.variant(ctx, q, q.Champion, m)
		if err != nil {
			return m, err
		}
		m.Champion = &champion
	}
	m.Alarms, err = g.alarms(ctx, q.Model, q.Candidate)
	return m, err
}

// up is the first start of a period at or after t.
func up(t time.Time, period time.Duration) time.Time {
	start := t.UTC().Truncate(period)
	if start.Before(t) {
		start = start.Add(period)
	}
	return start
}

func (g *Gauge) variant(ctx context.Context, q rollout.Question, slot string, m rollout.Measurements) (rollout.Variant, error) {
	source := g.source(q.Model)
	bake, err := g.series(ctx, m.From, m.To, source.period(), source.queries(slot, q.Slow))
	if err != nil {
		return rollout.Variant{}, err
	}
	dimensions := g.dimensions(q.Model, slot)
	period := g.coarse(q.Serving, q.To)
	whole, err := g.series(ctx, q.Serving.UTC().Truncate(period), q.To.UTC().Add(period), period, []types.MetricDataQuery{
		query("correct", contract.MetricNamespace, Accuracy, "Sum", period, dimensions),
		query("labels", contract.MetricNamespace, Accuracy, "SampleCount", period, dimensions),
	})
	if err != nil {
		return rollout.Variant{}, err
	}
	v := rollout.Variant{Requests: bake["requests"].sum(), Errors: bake["errors"].sum() + bake["refused"].sum(), Labels: whole["labels"].sum(), Correct: whole["correct"].sum()}
	v.P99MS = weighted(bake["p99"], bake["requests"], source.unit())
	if q.Slow > 0 {
		v.Slow = slower(bake["fast"], bake["requests"])
	}
	return v, nil
}

// slower counts the requests above a limit, from the share of each period's that
// are not; nil when that is not known of some period.
func slower(fast, requests points) *int64 {
	total := int64(0)
	for at, n := range requests {
		percent, known := fast[at]
		if !known && n > 0 {
			return nil
		}
		total += int64(n*(1-percent/100) + 0.5)
	}
	return &total
}

// coarse is a period that keeps a long query small and within what CloudWatch
// keeps: periods under a minute are there for three hours.
func (g *Gauge) coarse(from, to time.Time) time.Duration {
	if to.Sub(from) > 2*time.Hour+30*time.Minute {
		return time.Minute
	}
	return g.period
}

func (g *Gauge) dimensions(model, slot string) []types.Dimension {
	return []types.Dimension{
		{Name: aws.String("EndpointName"), Value: aws.String(contract.EndpointName(g.environment, model))},
		{Name: aws.String("VariantName"), Value: aws.String(slot)},
	}
}

func query(id, namespace, name, stat string, period time.Duration, dimensions []types.Dimension) types.MetricDataQuery {
	return types.MetricDataQuery{Id: &id, MetricStat: &types.MetricStat{Stat: &stat, Period: aws.Int32(int32(period.Seconds())),
		Metric: &types.Metric{Namespace: &namespace, MetricName: &name, Dimensions: dimensions}}}
}

// points is a series by time, in Unix seconds.
type points map[int64]float64

func (p points) sum() int64 {
	total := 0.0
	for _, v := range p {
		total += v
	}
	return int64(total + 0.5)
}

// weighted is the mean of the periods' percentiles, each counting for its
// requests, in milliseconds; nil when no period has one. A percentile of the
// whole cannot be had from those of its parts; this lies between the best and
// the worst of them, and one slow quiet period does not decide it.
func weighted(p99, requests points, unit time.Duration) *float64 {
	sum, weight := 0.0, 0.0
	for at, latency := range p99 {
		n := requests[at]
		if n <= 0 {
			continue
		}
		sum += latency * float64(unit) / float64(time.Millisecond) * n
		weight += n
	}
	if weight == 0 {
		return nil
	}
	mean := sum / weight
	return &mean
}

// series reads every page of the queries. A series that CloudWatch could not
// give whole is an error: half the data would look like a quiet slot.
func (g *Gauge) series(ctx context.Context, from, to time.Time, period time.Duration, queries []types.MetricDataQuery) (map[string]points, error) {
	out := map[string]points{}
	in := &cloudwatch.GetMetricDataInput{StartTime: &from, EndTime: &to, MetricDataQueries: queries, ScanBy: types.ScanByTimestampAscending}
	state := map[string]types.StatusCode{}
	for {
		page, err := g.client.GetMetricData(ctx, in)
		if err != nil {
			return nil, classify("read metrics", err)
		}
		for _, r := range page.MetricDataResults {
			id := aws.ToString(r.Id)
			state[id] = r.StatusCode
			if out[id] == nil {
				out[id] = points{}
			}
			for i := range min(len(r.Timestamps), len(r.Values)) {
				out[id][r.Timestamps[i].Unix()] += r.Values[i]
			}
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			break
		}
	}
	for _, q := range queries {
		if code := state[*q.Id]; code != types.StatusCodeComplete {
			return nil, fault.New(fault.Unavailable, "read metric "+*q.MetricStat.Metric.MetricName, "its status is %q", code)
		}
	}
	return out, nil
}

// alarms are those on a slot that are on now. They are polled because an alarm
// tells its transitions only.
func (g *Gauge) alarms(ctx context.Context, model, slot string) ([]rollout.Alarm, error) {
	var names []string
	for _, measure := range []string{"errors", "latency", "accuracy", "health"} {
		names = append(names, contract.AlarmName(g.environment, model, slot, measure))
	}
	out, err := g.client.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: names, StateValue: types.StateValueAlarm,
		AlarmTypes: []types.AlarmType{types.AlarmTypeMetricAlarm}})
	if err != nil {
		return nil, classify("read alarms", err)
	}
	var on []rollout.Alarm
	for _, a := range out.MetricAlarms {
		since := aws.ToTime(a.StateTransitionedTimestamp)
		if since.IsZero() {
			since = aws.ToTime(a.StateUpdatedTimestamp)
		}
		from, to := Newest(aws.ToString(a.StateReasonData))
		on = append(on, rollout.Alarm{Name: aws.ToString(a.AlarmName), Slot: slot, Since: since, Reason: aws.ToString(a.StateReason), From: from, To: to})
	}
	return on, nil
}

// Newest gives the bounds of the newest datapoint that an alarm's state stands on,
// by CloudWatch's reasonData; zero when it tells none.
func Newest(reasonData string) (from, to time.Time) {
	var data struct {
		Period    int64 `json:"period"` // seconds
		Evaluated []struct {
			Timestamp string `json:"timestamp"`
		} `json:"evaluatedDatapoints"`
	}
	if json.Unmarshal([]byte(reasonData), &data) != nil || data.Period <= 0 {
		return time.Time{}, time.Time{}
	}
	for _, d := range data.Evaluated {
		if at, err := time.Parse("2006-01-02T15:04:05.999-0700", d.Timestamp); err == nil && at.After(from) {
			from = at.UTC()
		}
	}
	if from.IsZero() {
		return from, from
	}
	return from, from.Add(time.Duration(data.Period) * time.Second)
}

// classify gives an SDK error its kind; nil stays nil.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorFault() == smithy.FaultServer {
		return fault.New(fault.Unavailable, op, "%w", err)
	}
	switch code := api.ErrorCode(); code {
	case "AccessDenied", "AccessDeniedException", "UnrecognizedClientException":
		return fault.New(fault.Denied, op, "%w", err).WithHint("the function's role must allow it")
	case "Throttling", "ThrottlingException", "LimitExceeded", "LimitExceededException", "RequestLimitExceeded", "InternalServiceFault", "InternalServiceError":
		return fault.New(fault.Unavailable, op, "%w", err)
	}
	return fault.New(fault.Invalid, op, "%w", err)
}

// Point is how many predictions of a slot were right and wrong, at one time.
type Point struct {
	Time    time.Time
	Correct int64
	Wrong   int64
}

// maxAge is how old a datum CloudWatch takes.
const maxAge = 14*24*time.Hour - time.Hour

// PutAccuracy publishes points of a slot and gives how many labels were too old
// for CloudWatch. Publishing one twice counts it twice: it is for the caller to
// know what was published.
func (g *Gauge) PutAccuracy(ctx context.Context, model, slot string, points []Point, now time.Time) (tooOld int64, err error) {
	var data []types.MetricDatum
	for _, p := range points {
		if now.Sub(p.Time) > maxAge {
			tooOld += p.Correct + p.Wrong
			continue
		}
		d := g.datum(Accuracy, p.Time, g.dimensions(model, slot))
		for value, n := range map[float64]int64{1: p.Correct, 0: p.Wrong} {
			if n > 0 {
				d.Values, d.Counts = append(d.Values, value), append(d.Counts, float64(n))
			}
		}
		if len(d.Values) > 0 {
			data = append(data, d)
		}
	}
	return tooOld, g.put(ctx, data)
}

// PutDrift publishes a model's greatest population stability index.
func (g *Gauge) PutDrift(ctx context.Context, model string, psi float64, at time.Time) error {
	d := g.datum(Drift, at, []types.Dimension{{Name: aws.String("Model"), Value: &model}})
	d.Value = &psi
	return g.put(ctx, []types.MetricDatum{d})
}

func (g *Gauge) datum(name string, at time.Time, dimensions []types.Dimension) types.MetricDatum {
	resolution := int32(60)
	if g.period < time.Minute {
		resolution = 1
	}
	return types.MetricDatum{MetricName: &name, Dimensions: dimensions, Timestamp: aws.Time(at.UTC()), StorageResolution: &resolution, Unit: types.StandardUnitNone}
}

// putBatch is PutMetricData's limit.
const putBatch = 1000

func (g *Gauge) put(ctx context.Context, data []types.MetricDatum) error {
	for len(data) > 0 {
		n := min(len(data), putBatch)
		_, err := g.client.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{Namespace: aws.String(contract.MetricNamespace), MetricData: data[:n]})
		if err != nil {
			return classify(fmt.Sprintf("publish %d metric data", n), err)
		}
		data = data[n:]
	}
	return nil
}
