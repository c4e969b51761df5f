package cloudwatch

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/assembly"
)

const (
	topic    = "arn:aws:sns:eu-west-1:000000000000:alerts"
	function = "arn:aws:lambda:eu-west-1:000000000000:function:f"
)

func errorsAlarm() *cloudwatch.PutMetricAlarmInput {
	return &cloudwatch.PutMetricAlarmInput{AlarmName: aws.String("e.green.errors"), Namespace: aws.String("Sluice"), MetricName: aws.String("Errors"),
		Statistic: types.StatisticSum, Period: aws.Int32(10), EvaluationPeriods: aws.Int32(3), DatapointsToAlarm: aws.Int32(2),
		Threshold: aws.Float64(5), ComparisonOperator: types.ComparisonOperatorGreaterThanThreshold, TreatMissingData: aws.String("notBreaching"),
		AlarmActions: []string{topic, function}, OKActions: []string{topic}}
}

func (b *bench) state(t *testing.T, name string) types.MetricAlarm {
	t.Helper()
	out, err := b.client.DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{name}})
	require.NoError(t, err)
	require.Len(t, out.MetricAlarms, 1)
	return out.MetricAlarms[0]
}

func TestAlarmTellsTransitionsOnly(t *testing.T) {
	b := newBench(t)
	_, err := b.client.PutMetricAlarm(t.Context(), errorsAlarm())
	require.NoError(t, err)
	require.Equal(t, types.StateValueInsufficientData, b.state(t, "e.green.errors").StateValue)

	b.evaluate(t) // nothing there: notBreaching makes it OK
	require.Equal(t, types.StateValueOk, b.state(t, "e.green.errors").StateValue)
	for range 3 {
		b.put(t, "Errors", 9)
		b.evaluate(t) // the period is not complete yet
		b.clock.Advance(10 * time.Second)
		b.evaluate(t)
		b.evaluate(t)
	}
	require.Equal(t, []string{"INSUFFICIENT_DATA -> OK", "OK -> ALARM"}, b.receiver.states(t))
	require.Equal(t, []string{topic + ` OK: "e.green.errors" in eu-west-1`, topic + ` ALARM: "e.green.errors" in eu-west-1`}, b.receiver.messages)
	require.Equal(t, []string{function}, b.receiver.invoked)

	b.clock.Advance(time.Minute)
	b.evaluate(t)
	require.Equal(t, "ALARM -> OK", b.receiver.states(t)[2])

	_, err = b.client.DisableAlarmActions(t.Context(), &cloudwatch.DisableAlarmActionsInput{AlarmNames: []string{"e.green.errors"}})
	require.NoError(t, err)
	require.False(t, *b.state(t, "e.green.errors").ActionsEnabled)
	told := len(b.receiver.messages)
	_, err = b.client.SetAlarmState(t.Context(), &cloudwatch.SetAlarmStateInput{AlarmName: aws.String("e.green.errors"), StateValue: "ALARM", StateReason: aws.String("drill")})
	require.NoError(t, err)
	require.Len(t, b.receiver.messages, told, "no actions")
	require.Equal(t, "OK -> ALARM", b.receiver.states(t)[3], "but an event")
}

// The shape and the words are those of AWS's own events.
func TestStateChangeEvent(t *testing.T) {
	b := newBench(t)
	in := errorsAlarm()
	in.Dimensions = []types.Dimension{{Name: aws.String("EndpointName"), Value: aws.String("e")}}
	in.AlarmDescription = aws.String("too many errors")
	_, err := b.client.PutMetricAlarm(t.Context(), in)
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, b.Put("Sluice", Datum{Name: "Errors", HighResolution: true, Values: []float64{9}, Dimensions: []Dimension{{"EndpointName", "e"}}}))
		b.clock.Advance(10 * time.Second)
	}
	b.evaluate(t)
	require.Len(t, b.receiver.events, 1)
	e := b.receiver.events[0]
	require.Equal(t, "aws.cloudwatch", e.Source)
	require.Equal(t, "CloudWatch Alarm State Change", e.DetailType)
	require.Equal(t, []string{"arn:aws:cloudwatch:eu-west-1:000000000000:alarm:e.green.errors"}, e.Resources)
	require.JSONEq(t, `{
	  "alarmName": "e.green.errors",
	  "state": {
	    "value": "ALARM",
	    "reason": "Threshold Crossed: 3 out of the last 3 datapoints [9.0 (02/03/26 10:00:20), 9.0 (02/03/26 10:00:10), 9.0 (02/03/26 10:00:00)] were greater than the threshold (5.0) (minimum 2 datapoints for OK -> ALARM transition).",
	    "reasonData": "{\"version\":\"1.0\",\"queryDate\":\"2026-03-02T10:00:30.000+0000\",\"startDate\":\"2026-03-02T10:00:00.000+0000\",\"statistic\":\"Sum\",\"period\":10,\"recentDatapoints\":[9.0,9.0,9.0],\"threshold\":5.0,\"evaluatedDatapoints\":[{\"timestamp\":\"2026-03-02T10:00:20.000+0000\",\"sampleCount\":1.0,\"value\":9.0}]}",
	    "timestamp": "2026-03-02T10:00:30.000+0000"
	  },
	  "previousState": {
	    "value": "INSUFFICIENT_DATA",
	    "reason": "Unchecked: Initial alarm creation",
	    "timestamp": "2026-03-02T10:00:00.000+0000"
	  },
	  "configuration": {
	    "description": "too many errors",
	    "metrics": [{"id": "`+stableUUID("e.green.errors")+`", "returnData": true,
	      "metricStat": {"metric": {"namespace": "Sluice", "name": "Errors", "dimensions": {"EndpointName": "e"}}, "period": 10, "stat": "Sum"}}]
	  }
	}`, string(e.Detail))

	var lambda struct {
		Source    string
		AlarmARN  string `json:"alarmArn"`
		AlarmData alarmData
	}
	require.NoError(t, json.Unmarshal(b.receiver.payloads[1], &lambda))
	require.Equal(t, e.Resources[0], lambda.AlarmARN)
	require.Equal(t, Alarm, lambda.AlarmData.State.Value)
	var sns map[string]any
	require.NoError(t, json.Unmarshal(b.receiver.payloads[0], &sns))
	require.Equal(t, "ALARM", sns["NewStateValue"])
	require.Equal(t, "SUM", sns["Trigger"].(map[string]any)["Statistic"])
}

func TestReasonsWithoutData(t *testing.T) {
	b := newBench(t)
	in := errorsAlarm()
	in.TreatMissingData, in.AlarmActions, in.OKActions = nil, nil, nil
	_, err := b.client.PutMetricAlarm(t.Context(), in)
	require.NoError(t, err)
	_, err = b.client.SetAlarmState(t.Context(), &cloudwatch.SetAlarmStateInput{AlarmName: in.AlarmName, StateValue: "OK", StateReason: aws.String("test")})
	require.NoError(t, err)
	b.evaluate(t)
	got := b.state(t, "e.green.errors")
	require.Equal(t, "Insufficient Data: 3 datapoints were unknown.", *got.StateReason)
	require.Contains(t, *got.StateReasonData, `"evaluatedDatapoints":[{"timestamp":"2026-03-02T09:59:50.000+0000"},`)

	in.TreatMissingData, in.EvaluationPeriods, in.DatapointsToAlarm = aws.String("breaching"), aws.Int32(1), nil
	_, err = b.client.PutMetricAlarm(t.Context(), in)
	require.NoError(t, err)
	b.evaluate(t)
	require.Equal(t, "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as [Breaching].", *b.state(t, "e.green.errors").StateReason)
}

func TestMetricMathAlarm(t *testing.T) {
	b := newBench(t)
	yes, no := true, false
	threshold := 0.01
	require.NoError(t, b.PutAlarm(MetricAlarm{AlarmName: "rate", EvaluationPeriods: 1, Threshold: &threshold, ComparisonOperator: "GreaterThanThreshold", TreatMissingData: "ignore",
		Metrics: []MetricDataQuery{
			{ID: "rate", Expression: "IF(n >= 20, FILL(e, 0) / n, 0)", ReturnData: &yes},
			{ID: "e", ReturnData: &no, MetricStat: &MetricStat{Metric: Metric{Namespace: "Sluice", MetricName: "Errors"}, Period: 10, Stat: "Sum"}},
			{ID: "n", ReturnData: &no, MetricStat: &MetricStat{Metric: Metric{Namespace: "Sluice", MetricName: "Requests"}, Period: 10, Stat: "SampleCount"}},
		}}))
	b.put(t, "Requests", 1, 1, 1)
	b.put(t, "Errors", 1)
	b.clock.Advance(10 * time.Second)
	b.evaluate(t)
	require.Equal(t, types.StateValueOk, b.state(t, "rate").StateValue, "three requests are too few to judge")
	b.put(t, "Requests", make([]float64, 30)...)
	b.put(t, "Errors", 1)
	b.clock.Advance(10 * time.Second)
	b.evaluate(t)
	require.Equal(t, types.StateValueAlarm, b.state(t, "rate").StateValue)
	b.clock.Advance(time.Hour)
	b.evaluate(t)
	require.Equal(t, types.StateValueAlarm, b.state(t, "rate").StateValue, "ignore holds the state")
}

func TestBadAlarms(t *testing.T) {
	b := newBench(t)
	for want, change := range map[string]func(*cloudwatch.PutMetricAlarmInput){
		"DatapointsToAlarm 4": func(in *cloudwatch.PutMetricAlarmInput) { in.DatapointsToAlarm = aws.Int32(4) },
		"period 7":            func(in *cloudwatch.PutMetricAlarmInput) { in.Period = aws.Int32(7) },
		"TreatMissingData":    func(in *cloudwatch.PutMetricAlarmInput) { in.TreatMissingData = aws.String("maybe") },
		"alarm action": func(in *cloudwatch.PutMetricAlarmInput) {
			in.AlarmActions = []string{"arn:aws:automate:eu-west-1:ec2:stop"}
		},
		"no anomaly detection":                  func(in *cloudwatch.PutMetricAlarmInput) { in.ComparisonOperator = "GreaterThanUpperThreshold" },
		"either Statistic or ExtendedStatistic": func(in *cloudwatch.PutMetricAlarmInput) { in.ExtendedStatistic = aws.String("p99") },
		"is for percentile alarms":              func(in *cloudwatch.PutMetricAlarmInput) { in.EvaluateLowSampleCountPercentile = aws.String("ignore") },
		"ThresholdMetricId":                     func(in *cloudwatch.PutMetricAlarmInput) { in.ThresholdMetricId = aws.String("ad1") },
		"at most a day": func(in *cloudwatch.PutMetricAlarmInput) {
			in.Period, in.EvaluationPeriods = aws.Int32(1800), aws.Int32(49)
		},
		"Threshold is required": func(in *cloudwatch.PutMetricAlarmInput) { in.Threshold = nil },
	} {
		in := errorsAlarm()
		change(in)
		_, err := b.client.PutMetricAlarm(t.Context(), in)
		require.ErrorContains(t, err, want)
	}
}

func TestPercentileAlarmIgnoresLowSamples(t *testing.T) {
	b := newBench(t)
	in := errorsAlarm()
	in.Statistic, in.ExtendedStatistic, in.EvaluateLowSampleCountPercentile = "", aws.String("p90"), aws.String("ignore")
	in.EvaluationPeriods, in.DatapointsToAlarm = aws.Int32(1), aws.Int32(1)
	_, err := b.client.PutMetricAlarm(t.Context(), in)
	require.NoError(t, err)
	b.evaluate(t)
	require.NoError(t, b.Put("Sluice", Datum{Name: "Errors", HighResolution: true, Values: []float64{100}, Counts: []float64{99}}))
	b.clock.Advance(10 * time.Second)
	b.evaluate(t)
	require.Equal(t, types.StateValueOk, b.state(t, "e.green.errors").StateValue, "p90 wants 100 samples")
	require.NoError(t, b.Put("Sluice", Datum{Name: "Errors", HighResolution: true, Values: []float64{100}, Counts: []float64{100}}))
	b.clock.Advance(10 * time.Second)
	b.evaluate(t)
	require.Equal(t, types.StateValueAlarm, b.state(t, "e.green.errors").StateValue)
}

func TestCompositeAlarm(t *testing.T) {
	b := newBench(t)
	_, err := b.client.PutMetricAlarm(t.Context(), errorsAlarm())
	require.NoError(t, err)
	_, err = b.client.PutCompositeAlarm(t.Context(), &cloudwatch.PutCompositeAlarmInput{AlarmName: aws.String("any"), AlarmActions: []string{topic},
		AlarmRule: aws.String(`ALARM("e.green.errors") OR (FALSE AND NOT OK(e.green.errors))`)})
	require.NoError(t, err)
	_, err = b.client.PutCompositeAlarm(t.Context(), &cloudwatch.PutCompositeAlarmInput{AlarmName: aws.String("lost"), AlarmRule: aws.String("ALARM(nobody)")})
	require.ErrorContains(t, err, `"nobody", which does not exist`)
	b.evaluate(t)
	for range 3 {
		b.put(t, "Errors", 9)
		b.clock.Advance(10 * time.Second)
	}
	b.evaluate(t)
	out, err := b.client.DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{AlarmTypes: []types.AlarmType{"CompositeAlarm"}})
	require.NoError(t, err)
	require.Len(t, out.CompositeAlarms, 1)
	require.Equal(t, types.StateValueAlarm, out.CompositeAlarms[0].StateValue)
	require.Contains(t, *out.CompositeAlarms[0].StateReasonData, "triggeringAlarms")
	_, err = b.client.DeleteAlarms(t.Context(), &cloudwatch.DeleteAlarmsInput{AlarmNames: []string{"e.green.errors"}})
	require.ErrorContains(t, err, "composite alarm(s) depending on it")
	_, err = b.client.DeleteAlarms(t.Context(), &cloudwatch.DeleteAlarmsInput{AlarmNames: []string{"e.green.errors", "any"}})
	require.NoError(t, err)
}

func TestBadRules(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "0 characters",
		"ALARM":              "want a state and an alarm's name",
		"ALARM(a) ALARM(b)":  "unexpected ALARM",
		"(ALARM(a)":          "closing parenthesis",
		"NOT":                "ends too early",
		"BROKEN(a)":          "unexpected BROKEN",
		"ALARM(a) AND OR":    "unexpected OR",
		"AT_LEAST(1, ALARM)": "unexpected AT_LEAST",
	} {
		_, err := parseRule(text)
		require.ErrorContains(t, err, want, text)
	}
}

// The state was kept but nobody was told when the stack was killed: the next
// start tells.
func TestKillBetweenStateAndEvent(t *testing.T) {
	b := newBench(t)
	_, err := b.client.PutMetricAlarm(t.Context(), errorsAlarm())
	require.NoError(t, err)
	b.receiver.refuse = true
	b.evaluate(t)
	require.Empty(t, b.receiver.events)

	again := openBench(t, b.dir, b.clock, &receiver{})
	require.Equal(t, types.StateValueOk, again.state(t, "e.green.errors").StateValue)
	again.evaluate(t)
	require.Equal(t, []string{"INSUFFICIENT_DATA -> OK"}, again.receiver.states(t))
	require.Len(t, again.receiver.messages, 1)
	again.evaluate(t)
	require.Len(t, again.receiver.events, 1, "told once")
}

func TestMetricsSurviveAKillInTheMiddleOfALine(t *testing.T) {
	b := newBench(t)
	b.put(t, "Errors", 9)
	b.clock.Advance(time.Second)
	b.put(t, "Errors", 4)
	paths, err := filepath.Glob(filepath.Join(b.dir, "metrics", "*.jsonl"))
	require.NoError(t, err)
	require.Len(t, paths, 1)
	data, err := os.ReadFile(paths[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(paths[0], data[:len(data)-5], 0o600))

	again := openBench(t, b.dir, b.clock, &receiver{})
	buckets := again.store.query(Metric{Namespace: "Sluice", MetricName: "Errors"}, "", grid{start.Unix(), 10, 1})
	require.Equal(t, 9.0, buckets[0].sum)
	again.put(t, "Errors", 1)
	third := openBench(t, b.dir, b.clock, &receiver{})
	buckets = third.store.query(Metric{Namespace: "Sluice", MetricName: "Errors"}, "", grid{start.Unix(), 10, 1})
	require.Equal(t, 10.0, buckets[0].sum)
}

func TestSecondsRollUpToMinutes(t *testing.T) {
	b := newBench(t)
	for range 60 {
		b.put(t, "Errors", 1)
		b.clock.Advance(time.Second)
	}
	metric := Metric{Namespace: "Sluice", MetricName: "Errors"}
	require.Equal(t, 10.0, b.store.query(metric, "", grid{start.Unix(), 10, 1})[0].sum)
	b.clock.Advance(4 * time.Hour)
	b.put(t, "Errors", 5)
	require.Equal(t, 60.0, b.store.query(metric, "", grid{start.Unix(), 60, 1})[0].sum)
	require.Empty(t, b.store.series[metric.key()].streams["None"].seconds[start.Unix()+1])
	b.clock.Advance(16 * 24 * time.Hour)
	b.store.sweep(b.clock.Now())
	require.Empty(t, b.store.list())
}

func TestCreators(t *testing.T) {
	b := newBench(t)
	create := b.Creators()["AWS::CloudWatch::Alarm"]
	resource := assembly.Resource{LogicalID: "BlueErrors", Type: "AWS::CloudWatch::Alarm", Properties: json.RawMessage(`{
		"AlarmName": "e.blue.errors", "ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1, "Threshold": 0.01, "TreatMissingData": "notBreaching",
		"AlarmActions": ["` + topic + `"], "Metrics": [
			{"Id": "expr_1", "Expression": "errors / requests", "Label": "rate", "ReturnData": true},
			{"Id": "errors", "ReturnData": false, "MetricStat": {"Metric": {"Namespace": "AWS/SageMaker", "MetricName": "Invocation5XXErrors",
				"Dimensions": [{"Name": "EndpointName", "Value": "e"}, {"Name": "VariantName", "Value": "blue"}]}, "Period": 10, "Stat": "Sum"}},
			{"Id": "requests", "ReturnData": false, "MetricStat": {"Metric": {"Namespace": "AWS/SageMaker", "MetricName": "Invocations"}, "Period": 10, "Stat": "Sum"}}]}`)}
	created, err := create(t.Context(), resource)
	require.NoError(t, err)
	require.Equal(t, "e.blue.errors", created.Ref)
	require.Equal(t, "arn:aws:cloudwatch:eu-west-1:000000000000:alarm:e.blue.errors", created.Attributes["Arn"])
	b.evaluate(t)
	_, err = create(t.Context(), resource)
	require.NoError(t, err)
	require.Equal(t, types.StateValueOk, b.state(t, "e.blue.errors").StateValue, "created again, it keeps its state")

	resource.Properties = json.RawMessage(strings.Replace(string(resource.Properties), `"Threshold"`, `"Treshold"`, 1))
	_, err = create(t.Context(), resource)
	require.ErrorContains(t, err, "BlueErrors")
	require.ErrorContains(t, err, "Treshold")
}
