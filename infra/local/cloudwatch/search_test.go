package cloudwatch

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/stretchr/testify/require"
)

func searchBench(t *testing.T) *bench {
	b := newBench(t)
	for _, variant := range []string{"champion", "candidate"} {
		for _, metric := range []string{"Invocations", "ModelLatency"} {
			require.NoError(t, b.Put("Sluice/Serving", Datum{Name: metric, Values: []float64{3, 4},
				Dimensions: []Dimension{{"EndpointName", "adult-income"}, {"VariantName", variant}}}))
		}
	}
	require.NoError(t, b.Put("Sluice/Serving", Datum{Name: "Invocations", Values: []float64{9}, Dimensions: []Dimension{{"EndpointName", "adult-income"}}}))
	require.NoError(t, b.Put("Other", Datum{Name: "Invocations", Values: []float64{1}}))
	b.clock.Advance(time.Minute)
	return b
}

func (b *bench) search(t *testing.T, expression string) ([]types.MetricDataResult, error) {
	t.Helper()
	out, err := b.client.GetMetricData(t.Context(), &cloudwatch.GetMetricDataInput{StartTime: aws.Time(start), EndTime: aws.Time(start.Add(time.Minute)),
		MetricDataQueries: []types.MetricDataQuery{{Id: aws.String("q"), Expression: &expression}}})
	if err != nil {
		return nil, err
	}
	return out.MetricDataResults, nil
}

func TestSearches(t *testing.T) {
	b := searchBench(t)
	const variants = `{Sluice/Serving,EndpointName,VariantName} `
	for terms, want := range map[string][]string{
		variants + `MetricName="Invocations"`:                                              {"adult-income candidate Invocations", "adult-income champion Invocations"},
		`{"Sluice/Serving", "VariantName", "EndpointName"} MetricName=invoc`:               {"adult-income candidate Invocations", "adult-income champion Invocations"},
		variants + `VariantName="champion"`:                                                {"adult-income champion Invocations", "adult-income champion ModelLatency"},
		variants + `VariantName="champion" MetricName="ModelLatency"`:                      {"adult-income champion ModelLatency"},
		variants + `NOT VariantName=champ AND (Latency OR Nothing)`:                        {"adult-income candidate ModelLatency"},
		`Namespace="Sluice/Serving" MetricName="Invocations" NOT VariantName=c`:            {"adult-income Invocations"},
		`{Sluice/Serving,EndpointName}`:                                                    {"adult-income Invocations"},
		`{Other}`:                                                                          {"Invocations"},
		`"EndpointName"="adult-income" "VariantName"="candidate" MetricName="Invocations"`: {"adult-income candidate Invocations"},
		`MetricName="Nothing"`:                                                             {},
	} {
		results, err := b.search(t, "SEARCH('"+terms+"', 'Sum', 60)")
		require.NoError(t, err, terms)
		labels := []string{}
		for _, r := range results {
			labels = append(labels, *r.Label)
			require.Len(t, r.Values, 1)
			require.Equal(t, "q", *r.Id)
		}
		require.Equal(t, want, labels, terms)
	}
	results, err := b.search(t, ` SEARCH('`+variants+`MetricName="Invocations"', 'Sum')`)
	require.NoError(t, err)
	require.Equal(t, []float64{7}, results[0].Values)
}

func TestSearchesThatAreRefused(t *testing.T) {
	b := searchBench(t)
	for expression, want := range map[string]string{
		`SEARCH(m1)`: "wants SEARCH(",
		`SUM(SEARCH('{A} MetricName="x"', 'Sum'))`: "SUM",
		`SEARCH('', 'Sum', 60)`:                    "searches for nothing",
		`SEARCH('{A} (b', 'Sum', 60)`:              `want ")"`,
		`SEARCH('{A} b OR', 'Sum', 60)`:            "ends too early",
		`SEARCH('{A} OR b', 'Sum', 60)`:            `unexpected "OR"`,
		`SEARCH('{A}', 'Median', 60)`:              `"Median"`,
		`SEARCH('{A}', 'Sum', 7)`:                  "period 7",
	} {
		_, err := b.search(t, expression)
		require.ErrorContains(t, err, want, expression)
	}
	_, err := parseQueries([]MetricDataQuery{{ID: "s", Expression: `SEARCH('{A}', 'Sum', 60)`}, {ID: "e", Expression: "s * 2"}})
	require.ErrorContains(t, err, "computes with the search s")
	_, err = b.client.PutMetricAlarm(t.Context(), &cloudwatch.PutMetricAlarmInput{AlarmName: aws.String("a"), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(1),
		ComparisonOperator: types.ComparisonOperatorGreaterThanThreshold, Metrics: []types.MetricDataQuery{{Id: aws.String("s"), Expression: aws.String(`SEARCH('{A}', 'Sum', 60)`)}}})
	require.ErrorContains(t, err, "cannot be on a SEARCH")
}

func FuzzSearch(f *testing.F) {
	f.Add(`SEARCH('{A,B} MetricName="x" NOT (C=d OR e)', 'Sum', 60)`)
	f.Add(`SEARCH('"a=b"="c', 'p99')`)
	m := Metric{"A", "x", []Dimension{{"B", "c"}}}
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := parseSearch(text, 0); err == nil {
			_ = s.finds(m)
		}
	})
}
