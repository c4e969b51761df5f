package cloudwatch

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
)

func code(t *testing.T, err error) string {
	t.Helper()
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	return api.ErrorCode()
}

func latencyDimensions() []types.Dimension {
	return []types.Dimension{{Name: aws.String("VariantName"), Value: aws.String("green")}, {Name: aws.String("EndpointName"), Value: aws.String("e")}}
}

func stat(id, name, statistic string, period int32) types.MetricDataQuery {
	return types.MetricDataQuery{Id: aws.String(id), ReturnData: aws.Bool(false), MetricStat: &types.MetricStat{
		Metric: &types.Metric{Namespace: aws.String("Sluice"), MetricName: aws.String(name)}, Period: aws.Int32(period), Stat: aws.String(statistic)}}
}

func TestSDKPutAndGet(t *testing.T) {
	b := newBench(t)
	_, err := b.client.PutMetricData(t.Context(), &cloudwatch.PutMetricDataInput{Namespace: aws.String("Sluice"), MetricData: []types.MetricDatum{
		{MetricName: aws.String("Latency"), Dimensions: latencyDimensions(), Timestamp: aws.Time(start.Add(-50 * time.Second)), StorageResolution: aws.Int32(1),
			Values: []float64{10, 20, 30}, Counts: []float64{90, 9, 1}, Unit: types.StandardUnitMilliseconds},
		{MetricName: aws.String("Latency"), Dimensions: latencyDimensions(), Timestamp: aws.Time(start.Add(-5 * time.Second)), StorageResolution: aws.Int32(1),
			Value: aws.Float64(40), Unit: types.StandardUnitMilliseconds},
		{MetricName: aws.String("Set"), StatisticValues: &types.StatisticSet{SampleCount: aws.Float64(4), Sum: aws.Float64(10), Minimum: aws.Float64(1), Maximum: aws.Float64(4)}},
	}})
	require.NoError(t, err)

	query := stat("m1", "Latency", "p99", 60)
	query.ReturnData = nil
	query.MetricStat.Metric.Dimensions = latencyDimensions()
	got, err := b.client.GetMetricData(t.Context(), &cloudwatch.GetMetricDataInput{
		StartTime: aws.Time(start.Add(-time.Minute)), EndTime: aws.Time(start), MetricDataQueries: []types.MetricDataQuery{query}})
	require.NoError(t, err)
	require.Equal(t, []float64{30}, got.MetricDataResults[0].Values, "rank 99.99 of 101 values is the 100th")
	require.Len(t, got.MetricDataResults[0].Timestamps, 1)
	require.True(t, start.Add(-time.Minute).Equal(got.MetricDataResults[0].Timestamps[0]))
	require.Equal(t, types.StatusCodeComplete, got.MetricDataResults[0].StatusCode)

	points, err := b.client.GetMetricStatistics(t.Context(), &cloudwatch.GetMetricStatisticsInput{Namespace: aws.String("Sluice"), MetricName: aws.String("Latency"),
		Dimensions: latencyDimensions(), StartTime: aws.Time(start.Add(-time.Minute)), EndTime: aws.Time(start), Period: aws.Int32(10),
		Statistics: []types.Statistic{"SampleCount", "Sum", "Average", "Minimum", "Maximum"}, ExtendedStatistics: []string{"p50"}})
	require.NoError(t, err)
	require.Len(t, points.Datapoints, 2)
	first := points.Datapoints[0]
	require.True(t, start.Add(-50*time.Second).Equal(*first.Timestamp))
	require.Equal(t, []float64{100, 1110, 11.1, 10, 30, 10},
		[]float64{*first.SampleCount, *first.Sum, *first.Average, *first.Minimum, *first.Maximum, first.ExtendedStatistics["p50"]})

	list, err := b.client.ListMetrics(t.Context(), &cloudwatch.ListMetricsInput{Namespace: aws.String("Sluice"),
		Dimensions: []types.DimensionFilter{{Name: aws.String("VariantName")}}})
	require.NoError(t, err)
	require.Len(t, list.Metrics, 1)
	require.Equal(t, "Latency", *list.Metrics[0].MetricName)
}

func TestSDKGzippedRequest(t *testing.T) {
	b := newBench(t)
	var data []types.MetricDatum
	for i := range 600 { // well over the 10 KiB at which the SDK compresses
		data = append(data, types.MetricDatum{MetricName: aws.String("Count"), Value: aws.Float64(1), Timestamp: aws.Time(start.Add(-time.Duration(i) * time.Millisecond))})
	}
	_, err := b.client.PutMetricData(t.Context(), &cloudwatch.PutMetricDataInput{Namespace: aws.String("Sluice"), MetricData: data})
	require.NoError(t, err)
	buckets := b.store.query(Metric{Namespace: "Sluice", MetricName: "Count"}, "", grid{start.Unix() - 60, 60, 2})
	require.Equal(t, 600.0, buckets[0].sum+buckets[1].sum)
}

func TestSDKMetricMath(t *testing.T) {
	b := newBench(t)
	for i, v := range []float64{4, 0, 2} {
		at := start.Add(time.Duration(i*10-30) * time.Second)
		require.NoError(t, b.Put("Sluice", Datum{Name: "Requests", HighResolution: true, Time: at, Values: []float64{100}}))
		if v > 0 {
			require.NoError(t, b.Put("Sluice", Datum{Name: "Errors", HighResolution: true, Time: at, Values: []float64{v}}))
		}
	}
	rate := types.MetricDataQuery{Id: aws.String("rate"), Expression: aws.String("IF(n >= 50, FILL(e, 0) / n * 100)"), Label: aws.String("error rate")}
	get := func() (*cloudwatch.GetMetricDataOutput, error) {
		return b.client.GetMetricData(t.Context(), &cloudwatch.GetMetricDataInput{StartTime: aws.Time(start.Add(-30 * time.Second)), EndTime: aws.Time(start),
			ScanBy: types.ScanByTimestampAscending, MetricDataQueries: []types.MetricDataQuery{rate, stat("e", "Errors", "Sum", 10), stat("n", "Requests", "Sum", 10)}})
	}
	_, err := get()
	require.ErrorContains(t, err, "IF takes 3 operands, not 2")
	rate.Expression = aws.String("IF(n >= 50, FILL(e, 0) / n * 100, 0)")
	got, err := get()
	require.NoError(t, err)
	require.Len(t, got.MetricDataResults, 1)
	require.Equal(t, []float64{4, 0, 2}, got.MetricDataResults[0].Values)
	require.Equal(t, "error rate", *got.MetricDataResults[0].Label)
}

func TestSDKErrors(t *testing.T) {
	b := newBench(t)
	_, err := b.client.SetAlarmState(t.Context(), &cloudwatch.SetAlarmStateInput{AlarmName: aws.String("none"), StateValue: "OK", StateReason: aws.String("x")})
	require.Equal(t, "ResourceNotFound", code(t, err))
	var missing *types.ResourceNotFound
	require.ErrorAs(t, err, &missing)

	_, err = b.client.PutMetricData(t.Context(), &cloudwatch.PutMetricDataInput{Namespace: aws.String("Sluice"), MetricData: []types.MetricDatum{
		{MetricName: aws.String("M"), Value: aws.Float64(1), Timestamp: aws.Time(start.Add(3 * time.Hour))}}})
	require.Equal(t, "InvalidParameterValue", code(t, err))

	_, err = b.client.ListDashboards(t.Context(), &cloudwatch.ListDashboardsInput{})
	require.ErrorContains(t, err, `does not serve operation "ListDashboards"`)

	_, err = b.client.GetMetricData(t.Context(), &cloudwatch.GetMetricDataInput{StartTime: aws.Time(start), EndTime: aws.Time(start.Add(time.Minute)),
		LabelOptions: &types.LabelOptions{Timezone: aws.String("+0100")}, MetricDataQueries: []types.MetricDataQuery{stat("m1", "M", "Sum", 60)}})
	require.ErrorContains(t, err, "LabelOptions")
}

func TestListMetricsPages(t *testing.T) {
	b := newBench(t)
	var data []Datum
	for i := range listPage + 7 {
		data = append(data, Datum{Name: fmt.Sprintf("M%04d", i), Values: []float64{1}})
	}
	require.NoError(t, b.Put("Sluice", data...))
	seen := map[string]bool{}
	pages := cloudwatch.NewListMetricsPaginator(b.client, &cloudwatch.ListMetricsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		require.NoError(t, err)
		for _, m := range page.Metrics {
			seen[*m.MetricName] = true
		}
	}
	require.Len(t, seen, listPage+7)
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte{0xa1, 0x69, 'N', 'a', 'm', 'e', 's', 'p', 'a', 'c', 'e', 0x61, 'S'})
	f.Add([]byte{0xbf, 0xff})
	f.Add([]byte{0xc1, 0xfb, 0, 0, 0, 0, 0, 0, 0, 0})
	s := &Service{config: Config{Now: func() time.Time { return start }}, store: &store{now: func() time.Time { return start }, series: map[string]*series{}}}
	handler := handler(map[string]cborOperation{"GetMetricData": op(s.getMetricData), "GetMetricStatistics": op(s.getMetricStatistics), "ListMetrics": op(s.listMetrics)})
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, name := range []string{"GetMetricData", "GetMetricStatistics", "ListMetrics"} {
			r := httptest.NewRequest(http.MethodPost, "/service/GraniteServiceVersion20100801/operation/"+name, bytes.NewReader(body))
			r.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
				t.Fatalf("%s answered %d: %q", name, w.Code, w.Body)
			}
		}
	})
}
