package metrics_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	local "github.com/sluice-ml/sluice/infra/local/cloudwatch"
	"github.com/sluice-ml/sluice/shared/aws/metrics"
	"github.com/sluice-ml/sluice/shared/rollout"
)

var balancer = metrics.BalancerOf("arn:aws:elasticloadbalancing:eu-west-1:000000000000:listener-rule/app/sluice/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee",
	map[string]string{"green": "arn:aws:elasticloadbalancing:eu-west-1:000000000000:targetgroup/green/73e2d6bc24d8a067",
		"blue": "arn:aws:elasticloadbalancing:eu-west-1:000000000000:targetgroup/blue/0000000000000000"})

// balance is what a load balancer publishes for a target group in a minute.
func (b *bench) balance(t *testing.T, slot string, at time.Time, counts map[string]float64, seconds ...float64) {
	dimensions := []local.Dimension{{Name: "TargetGroup", Value: balancer.Groups[slot]}, {Name: "LoadBalancer", Value: balancer.LoadBalancer}}
	data := []local.Datum{{Name: "TargetResponseTime", Unit: "Seconds", Dimensions: dimensions, Time: at, Values: seconds}}
	for name, n := range counts {
		data = append(data, local.Datum{Name: name, Unit: "Count", Dimensions: dimensions, Time: at, Values: []float64{1}, Counts: []float64{n}})
	}
	require.NoError(t, b.service.Put("AWS/ApplicationELB", data...))
}

func TestModelsThatECSServesAreMeasuredByTheirLoadBalancer(t *testing.T) {
	require.Equal(t, "app/sluice/50dc6c495c0c9188", balancer.LoadBalancer)
	require.Equal(t, "targetgroup/green/73e2d6bc24d8a067", balancer.Groups["green"])
	b := open(t, 10*time.Second)
	b.Balanced(map[string]metrics.Balancer{"adult_income": balancer})
	b.balance(t, "green", noon, map[string]float64{"RequestCount": 100, "HTTPCode_Target_5XX_Count": 100}, 9) // before the first whole minute
	b.balance(t, "green", noon.Add(time.Minute), map[string]float64{"RequestCount": 4, "HTTPCode_Target_5XX_Count": 1, "TargetConnectionErrorCount": 1}, 0.02, 0.02, 0.02)
	b.balance(t, "blue", noon.Add(time.Minute), map[string]float64{"RequestCount": 8}, 0.01, 0.01, 0.3, 0.4)
	q := question(noon.Add(3*time.Second), noon.Add(2*time.Minute))
	q.Slow = 100 * time.Millisecond
	m, err := b.Measure(t.Context(), q)
	require.NoError(t, err)
	require.EqualValues(t, []int64{4, 2}, []int64{m.Candidate.Requests, m.Candidate.Errors}, "a target that refuses is an error too")
	require.InDelta(t, 20, *m.Candidate.P99MS, 0.5)
	require.EqualValues(t, 0, *m.Candidate.Slow)
	require.EqualValues(t, []int64{8, 0, 4}, []int64{m.Champion.Requests, m.Champion.Errors, *m.Champion.Slow}, "half of the answers that were timed are slow")

	q.Increment = true
	m, err = b.Measure(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, rollout.Variant{}, m.Candidate, "the last minute may not be whole yet")
	q.To = noon.Add(3*time.Minute + time.Second)
	m, err = b.Measure(t.Context(), q)
	require.NoError(t, err)
	require.EqualValues(t, 4, m.Candidate.Requests)
	require.True(t, m.To.Equal(noon.Add(2*time.Minute)), m.To)

	_, err = b.Measure(t.Context(), question(noon.Add(time.Second), noon.Add(50*time.Second)))
	require.ErrorContains(t, err, "no whole period of 1m0s")
	often := balancer
	often.Period = 10 * time.Second
	b.Balanced(map[string]metrics.Balancer{"adult_income": often})
	m, err = b.Measure(t.Context(), question(noon.Add(time.Second), noon.Add(70*time.Second)))
	require.NoError(t, err)
	require.EqualValues(t, 4, m.Candidate.Requests, "where a load balancer publishes more often")
}
