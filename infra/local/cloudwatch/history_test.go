package cloudwatch

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
)

func (b *bench) history(t *testing.T, in *cloudwatch.DescribeAlarmHistoryInput) []string {
	t.Helper()
	out, err := b.client.DescribeAlarmHistory(t.Context(), in)
	require.NoError(t, err)
	summaries := []string{}
	for _, item := range out.AlarmHistoryItems {
		require.True(t, json.Valid([]byte(*item.HistoryData)))
		summaries = append(summaries, string(item.HistoryItemType)+": "+*item.HistorySummary)
	}
	return summaries
}

func TestAlarmHistory(t *testing.T) {
	b := newBench(t)
	ctx, in := t.Context(), errorsAlarm()
	for range 2 { // the same again is no change
		_, err := b.client.PutMetricAlarm(ctx, in)
		require.NoError(t, err)
	}
	in.Threshold = aws.Float64(6)
	_, err := b.client.PutMetricAlarm(ctx, in)
	require.NoError(t, err)
	b.clock.Advance(time.Minute)
	b.evaluate(t)
	name := in.AlarmName
	require.Equal(t, []string{
		"Action: Successfully executed action " + topic,
		"StateUpdate: Alarm updated from INSUFFICIENT_DATA to OK",
		`ConfigurationUpdate: Alarm "e.green.errors" updated`,
		`ConfigurationUpdate: Alarm "e.green.errors" created`,
	}, b.history(t, &cloudwatch.DescribeAlarmHistoryInput{AlarmName: name}))
	require.Len(t, b.history(t, &cloudwatch.DescribeAlarmHistoryInput{HistoryItemType: types.HistoryItemTypeStateUpdate}), 1)
	require.Equal(t, []string{`ConfigurationUpdate: Alarm "e.green.errors" created`},
		b.history(t, &cloudwatch.DescribeAlarmHistoryInput{AlarmName: name, ScanBy: types.ScanByTimestampAscending, MaxRecords: aws.Int32(1)}))
	require.Len(t, b.history(t, &cloudwatch.DescribeAlarmHistoryInput{StartDate: aws.Time(start.Add(time.Second))}), 2)
	pages := cloudwatch.NewDescribeAlarmHistoryPaginator(b.client, &cloudwatch.DescribeAlarmHistoryInput{MaxRecords: aws.Int32(3)})
	items := 0
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		require.NoError(t, err)
		items += len(page.AlarmHistoryItems)
	}
	require.Equal(t, 4, items)

	again := openBench(t, b.dir, b.clock, b.receiver) // as after a kill
	_, err = again.client.DeleteAlarms(ctx, &cloudwatch.DeleteAlarmsInput{AlarmNames: []string{*name}})
	require.NoError(t, err)
	require.Equal(t, `ConfigurationUpdate: Alarm "e.green.errors" deleted`, again.history(t, &cloudwatch.DescribeAlarmHistoryInput{AlarmName: name})[0], "it outlives the alarm")
	require.Len(t, again.history(t, &cloudwatch.DescribeAlarmHistoryInput{}), 5)
	for _, wrong := range []cloudwatch.DescribeAlarmHistoryInput{{MaxRecords: aws.Int32(101)}, {HistoryItemType: "Other"}, {ScanBy: "Name"}, {NextToken: aws.String("x")}} {
		_, err := again.client.DescribeAlarmHistory(ctx, &wrong)
		require.Error(t, err)
	}
}

func TestTagsAndAlarmsForMetric(t *testing.T) {
	b := newBench(t)
	ctx, in := t.Context(), errorsAlarm()
	in.Tags = []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}}
	_, err := b.client.PutMetricAlarm(ctx, in)
	require.NoError(t, err)
	in.Tags = []types.Tag{{Key: aws.String("a"), Value: aws.String("2")}} // of no effect: the alarm is there
	_, err = b.client.PutMetricAlarm(ctx, in)
	require.NoError(t, err)
	arn := aws.String(b.alarmARN(*in.AlarmName))
	_, err = b.client.TagResource(ctx, &cloudwatch.TagResourceInput{ResourceARN: arn, Tags: []types.Tag{{Key: aws.String("b"), Value: aws.String("3")}}})
	require.NoError(t, err)
	tags, err := b.client.ListTagsForResource(ctx, &cloudwatch.ListTagsForResourceInput{ResourceARN: arn})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "1", "b", "3"}, []string{*tags.Tags[0].Key, *tags.Tags[0].Value, *tags.Tags[1].Key, *tags.Tags[1].Value})
	_, err = b.client.UntagResource(ctx, &cloudwatch.UntagResourceInput{ResourceARN: arn, TagKeys: []string{"a"}})
	require.NoError(t, err)
	again := openBench(t, b.dir, b.clock, b.receiver)
	tags, err = again.client.ListTagsForResource(ctx, &cloudwatch.ListTagsForResourceInput{ResourceARN: arn})
	require.NoError(t, err)
	require.Len(t, tags.Tags, 1)
	_, err = b.client.ListTagsForResource(ctx, &cloudwatch.ListTagsForResourceInput{ResourceARN: aws.String(b.alarmARN("none"))})
	var api smithy.APIError
	require.True(t, errors.As(err, &api))
	require.Equal(t, "ResourceNotFoundException", api.ErrorCode())

	found, err := b.client.DescribeAlarmsForMetric(ctx, &cloudwatch.DescribeAlarmsForMetricInput{Namespace: in.Namespace, MetricName: in.MetricName, Statistic: types.StatisticSum})
	require.NoError(t, err)
	require.Len(t, found.MetricAlarms, 1)
	for _, other := range []cloudwatch.DescribeAlarmsForMetricInput{
		{Namespace: in.Namespace, MetricName: aws.String("Other")}, {Namespace: in.Namespace, MetricName: in.MetricName, Statistic: types.StatisticAverage},
		{Namespace: in.Namespace, MetricName: in.MetricName, Period: aws.Int32(60)},
		{Namespace: in.Namespace, MetricName: in.MetricName, Dimensions: []types.Dimension{{Name: aws.String("D"), Value: aws.String("d")}}},
	} {
		found, err := b.client.DescribeAlarmsForMetric(ctx, &other)
		require.NoError(t, err)
		require.Empty(t, found.MetricAlarms)
	}
}

// Trimmed statistics are for GetMetricStatistics and alarms as well.
func TestExtendedStatistics(t *testing.T) {
	b := newBench(t)
	b.put(t, "L", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	b.clock.Advance(time.Minute)
	out, err := b.client.GetMetricStatistics(t.Context(), &cloudwatch.GetMetricStatisticsInput{Namespace: aws.String("Sluice"), MetricName: aws.String("L"),
		StartTime: aws.Time(start), EndTime: aws.Time(start.Add(time.Minute)), Period: aws.Int32(60), ExtendedStatistics: []string{"p90", "tm90", "PR(:3)"}})
	require.NoError(t, err)
	require.Equal(t, map[string]float64{"p90": 9, "tm90": 5, "PR(:3)": 30}, out.Datapoints[0].ExtendedStatistics)
	in := errorsAlarm()
	in.MetricName, in.Statistic, in.ExtendedStatistic, in.Period = aws.String("L"), "", aws.String("tm90"), aws.Int32(60)
	in.EvaluationPeriods, in.DatapointsToAlarm, in.Threshold = aws.Int32(1), nil, aws.Float64(4.9)
	_, err = b.client.PutMetricAlarm(t.Context(), in)
	require.NoError(t, err)
	b.evaluate(t)
	require.Equal(t, types.StateValueAlarm, b.state(t, *in.AlarmName).StateValue)
}
