package metrics_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/stretchr/testify/require"

	local "github.com/sluice-ml/sluice/infra/local/cloudwatch"
	"github.com/sluice-ml/sluice/shared/aws/metrics"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type deaf struct{}

func (deaf) PutEvent(context.Context, local.Event) error                { return nil }
func (deaf) PublishAlarm(context.Context, string, string, string) error { return nil }
func (deaf) InvokeAlarm(context.Context, string, []byte) error          { return nil }

// bench is the SDK's client on the local CloudWatch.
type bench struct {
	*metrics.Gauge
	service *local.Service
	client  *cloudwatch.Client
	now     time.Time
}

func open(t *testing.T, period time.Duration) *bench {
	b := &bench{now: noon.Add(time.Hour)}
	var err error
	b.service, err = local.Open(local.Config{Dir: t.TempDir(), Region: "eu-west-1", Account: "000000000000", Now: func() time.Time { return b.now }, Events: deaf{}, Actions: deaf{}})
	require.NoError(t, err)
	server := httptest.NewServer(b.service.Handler())
	t.Cleanup(func() { server.Close(); _ = b.service.Close() })
	b.client = cloudwatch.New(cloudwatch.Options{Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")})
	b.Gauge, err = metrics.New(b.client, "staging", period)
	require.NoError(t, err)
	return b
}

// publish is what SageMaker does for a slot in one period.
func (b *bench) publish(t *testing.T, slot string, at time.Time, requests, errors int, micros ...float64) {
	dimensions := []local.Dimension{{Name: "EndpointName", Value: "sluice-staging-adult--income"}, {Name: "VariantName", Value: slot}}
	datum := func(name string, values, counts []float64) local.Datum {
		return local.Datum{Name: name, Dimensions: dimensions, Time: at, HighResolution: true, Values: values, Counts: counts}
	}
	failed := datum("Invocation5XXErrors", nil, nil)
	for value, n := range map[float64]int{1: errors, 0: requests - errors} {
		if n > 0 {
			failed.Values, failed.Counts = append(failed.Values, value), append(failed.Counts, float64(n))
		}
	}
	require.NoError(t, b.service.Put("AWS/SageMaker", datum("Invocations", []float64{1}, []float64{float64(requests)}), failed, datum("ModelLatency", micros, nil)))
}

func question(from, to time.Time) rollout.Question {
	return rollout.Question{Model: "adult_income", Candidate: "green", Champion: "blue", From: from, To: to, Serving: noon.Add(-time.Hour)}
}

func TestMeasuresTheBakeAndBothSlots(t *testing.T) {
	b := open(t, 10*time.Second)
	b.publish(t, "green", noon, 1000, 1000, 9e6) // before the first whole period of the bake
	b.publish(t, "green", noon.Add(10*time.Second), 30, 3, 20_000)
	b.publish(t, "green", noon.Add(20*time.Second), 10, 1, 60_000)
	b.publish(t, "blue", noon.Add(10*time.Second), 300, 0, 15_000)
	b.publish(t, "blue", noon.Add(60*time.Second), 300, 300, 15_000) // after it
	m, err := b.Measure(t.Context(), question(noon.Add(3*time.Second), noon.Add(33*time.Second)))
	require.NoError(t, err)
	require.True(t, m.From.Equal(noon.Add(10*time.Second)))
	require.True(t, m.To.Equal(noon.Add(40*time.Second)))
	require.EqualValues(t, 40, m.Candidate.Requests)
	require.EqualValues(t, 4, m.Candidate.Errors)
	require.InDelta(t, 30, *m.Candidate.P99MS, 1e-9, "20 ms of 30 requests and 60 ms of 10")
	require.Equal(t, 0.0, m.Champion.ErrorRate())
	require.InDelta(t, 15, *m.Champion.P99MS, 1e-9)
	require.Empty(t, m.Alarms)
}

func TestNothingPublishedIsNothingKnown(t *testing.T) {
	b := open(t, time.Minute)
	m, err := b.Measure(t.Context(), question(noon, noon.Add(5*time.Minute)))
	require.NoError(t, err)
	require.Equal(t, rollout.Variant{}, m.Candidate)
	require.Equal(t, rollout.Variant{}, *m.Champion)
	_, err = b.Measure(t.Context(), question(noon, noon))
	require.ErrorContains(t, err, "no whole period")
}

func TestAccuracyIsCountedSinceTheCandidateServed(t *testing.T) {
	b := open(t, 10*time.Second)
	points := []metrics.Point{{Time: noon.Add(-2 * time.Hour), Correct: 1000}, {Time: noon.Add(-time.Minute), Correct: 70, Wrong: 20}, {Time: noon, Correct: 5, Wrong: 5},
		{Time: noon.Add(-30 * 24 * time.Hour), Wrong: 7}}
	tooOld, err := b.PutAccuracy(t.Context(), "adult_income", "green", points, b.now)
	require.NoError(t, err)
	require.EqualValues(t, 7, tooOld)
	m, err := b.Measure(t.Context(), question(noon, noon.Add(time.Minute)))
	require.NoError(t, err)
	require.EqualValues(t, 100, m.Candidate.Labels)
	require.EqualValues(t, 75, m.Candidate.Correct)
	require.Zero(t, m.Champion.Labels)
	out, err := b.client.GetMetricData(t.Context(), &cloudwatch.GetMetricDataInput{StartTime: aws.Time(noon), EndTime: aws.Time(noon.Add(time.Minute)),
		MetricDataQueries: []types.MetricDataQuery{{Id: aws.String("a"), MetricStat: &types.MetricStat{Stat: aws.String("Average"), Period: aws.Int32(60),
			Metric: &types.Metric{Namespace: aws.String("Sluice"), MetricName: aws.String("Accuracy"), Dimensions: []types.Dimension{
				{Name: aws.String("EndpointName"), Value: aws.String("sluice-staging-adult--income")}, {Name: aws.String("VariantName"), Value: aws.String("green")}}}}}}})
	require.NoError(t, err)
	require.InDeltaSlice(t, []float64{0.5}, out.MetricDataResults[0].Values, 1e-12, "the average is the accuracy, as alarms see it")
}

func TestAlarmsThatAreOnArePolled(t *testing.T) {
	b := open(t, 10*time.Second)
	_, err := b.client.PutMetricAlarm(t.Context(), &cloudwatch.PutMetricAlarmInput{AlarmName: aws.String("sluice-staging-adult--income.green.errors"),
		Namespace: aws.String("AWS/SageMaker"), MetricName: aws.String("Invocation5XXErrors"), Statistic: "Sum", Period: aws.Int32(10), EvaluationPeriods: aws.Int32(1),
		Threshold: aws.Float64(1), ComparisonOperator: types.ComparisonOperatorGreaterThanThreshold,
		Dimensions: []types.Dimension{{Name: aws.String("EndpointName"), Value: aws.String("sluice-staging-adult--income")}, {Name: aws.String("VariantName"), Value: aws.String("green")}}})
	require.NoError(t, err)
	b.publish(t, "green", b.now.Add(-20*time.Second), 100, 50, 10)
	b.now = b.now.Add(5 * time.Second)
	require.NoError(t, b.service.Evaluate(t.Context(), b.now))
	m, err := b.Measure(t.Context(), question(noon, b.now))
	require.NoError(t, err)
	require.Len(t, m.Alarms, 1)
	require.Equal(t, "green", m.Alarms[0].Slot)
	require.WithinDuration(t, b.now, m.Alarms[0].Since, time.Second)
}

// partial answers as CloudWatch does when it could not give all of a metric.
type partial struct {
	metrics.Client
	code  types.StatusCode
	pages int
}

func (p *partial) GetMetricData(_ context.Context, in *cloudwatch.GetMetricDataInput, _ ...func(*cloudwatch.Options)) (*cloudwatch.GetMetricDataOutput, error) {
	out := &cloudwatch.GetMetricDataOutput{}
	for _, q := range in.MetricDataQueries {
		out.MetricDataResults = append(out.MetricDataResults, types.MetricDataResult{Id: q.Id, StatusCode: p.code, Timestamps: []time.Time{noon}, Values: []float64{10}})
	}
	if p.pages > 1 && in.NextToken == nil {
		out.NextToken = aws.String("2")
		for i := range out.MetricDataResults {
			out.MetricDataResults[i].StatusCode = types.StatusCodePartialData
		}
	}
	return out, nil
}

func (p *partial) DescribeAlarms(context.Context, *cloudwatch.DescribeAlarmsInput, ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error) {
	return &cloudwatch.DescribeAlarmsOutput{}, nil
}

func TestHalfTheDataIsNoMeasurement(t *testing.T) {
	for _, code := range []types.StatusCode{types.StatusCodePartialData, types.StatusCodeInternalError, types.StatusCodeForbidden, ""} {
		g, err := metrics.New(&partial{code: code}, "staging", time.Minute)
		require.NoError(t, err)
		_, err = g.Measure(t.Context(), question(noon, noon.Add(time.Minute)))
		require.Equal(t, fault.Unavailable, fault.KindOf(err), "%v", err)
	}
	g, err := metrics.New(&partial{code: types.StatusCodeComplete, pages: 2}, "staging", time.Minute)
	require.NoError(t, err)
	m, err := g.Measure(t.Context(), question(noon, noon.Add(time.Minute)))
	require.NoError(t, err)
	require.EqualValues(t, 20, m.Candidate.Requests, "both pages count")
}

func TestPeriodIsChecked(t *testing.T) {
	_, err := metrics.New(nil, "staging", 30*time.Second)
	require.Equal(t, fault.Invalid, fault.KindOf(err))
}
