package sagemaker

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/cloudwatch"
)

// told records what alarms tell.
type told struct{ states []string }

func (r *told) PutEvent(_ context.Context, e cloudwatch.Event) error {
	var detail struct {
		AlarmName string
		State     struct{ Value string }
	}
	if err := json.Unmarshal(e.Detail, &detail); err != nil {
		return err
	}
	r.states = append(r.states, detail.AlarmName+" "+detail.State.Value)
	return nil
}

func (*told) PublishAlarm(context.Context, string, string, string) error { return nil }
func (*told) InvokeAlarm(context.Context, string, []byte) error          { return nil }

// A drill from end to end: faults in one variant, through the endpoint's
// metrics, into the alarms that a release watches.
func TestFaultsReachTheAlarms(t *testing.T) {
	b := newBench(t)
	b.serve(t)
	var mu sync.Mutex
	now := time.Now().Truncate(time.Minute)
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	to := &told{}
	watch, err := cloudwatch.Open(cloudwatch.Config{Dir: t.TempDir(), Region: "eu-west-1", Account: "000000000000", Now: clock, Events: to, Actions: to})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, watch.Close()) })
	b.Service.config.Now, b.Service.config.Metrics = clock, watch

	for _, slot := range []string{"blue", "green"} {
		limit, no := 0.05, false
		stat := func(id, metric string) cloudwatch.MetricDataQuery {
			return cloudwatch.MetricDataQuery{ID: id, ReturnData: &no, MetricStat: &cloudwatch.MetricStat{Period: 10, Stat: "Sum", Metric: cloudwatch.Metric{
				Namespace: Namespace, MetricName: metric, Dimensions: []cloudwatch.Dimension{{Name: "VariantName", Value: slot}, {Name: "EndpointName", Value: "e"}}}}}
		}
		require.NoError(t, watch.PutAlarm(cloudwatch.MetricAlarm{AlarmName: "e." + slot + ".errors", EvaluationPeriods: 2, DatapointsToAlarm: 2, Threshold: &limit,
			ComparisonOperator: "GreaterThanThreshold", TreatMissingData: "notBreaching", Metrics: []cloudwatch.MetricDataQuery{
				{ID: "rate", Expression: "IF(n >= 5, e / n, 0)"}, stat("e", "Invocation5XXErrors"), stat("n", "Invocations")}}))
	}
	round := func() {
		for range 10 {
			_, _ = b.call(t, "1", "blue")
			_, _ = b.call(t, "1", "green")
		}
		require.NoError(t, b.Flush(t.Context(), clock()))
		mu.Lock()
		now = now.Add(10 * time.Second)
		mu.Unlock()
		require.NoError(t, watch.Evaluate(t.Context(), clock()))
	}
	round()
	require.Equal(t, []string{"e.blue.errors OK", "e.green.errors OK"}, to.states)
	require.NoError(t, b.SetFault("e", "green", Fault{ErrorRate: 1}))
	round()
	require.Len(t, to.states, 2, "one bad period is not two")
	round()
	require.Equal(t, []string{"e.green.errors ALARM"}, to.states[2:])
	b.ClearFaults()
	round()
	require.Equal(t, []string{"e.green.errors OK"}, to.states[3:])
}
