package cloudwatch

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkEvaluate is one second of a stack with 30 alarms on high-resolution
// metrics that hold three hours of data.
func BenchmarkEvaluate(b *testing.B) {
	c := &clock{now: start}
	r := &receiver{}
	s, err := Open(Config{Dir: b.TempDir(), Region: "eu-west-1", Account: "000000000000", Now: c.Now, Events: r, Actions: r})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for second := range 3 * 3600 {
		at := start.Add(time.Duration(second-3*3600) * time.Second)
		if err := s.Put("Sluice", Datum{Name: "Latency", HighResolution: true, Time: at, Values: []float64{float64(second % 50), 100, 200}}); err != nil {
			b.Fatal(err)
		}
	}
	threshold := 1000.0
	for i := range 30 {
		if err := s.PutAlarm(MetricAlarm{AlarmName: fmt.Sprint("a", i), Namespace: "Sluice", MetricName: "Latency", ExtendedStatistic: "p99", Period: 10,
			EvaluationPeriods: 3, Threshold: &threshold, ComparisonOperator: "GreaterThanThreshold"}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if err := s.Evaluate(b.Context(), c.Now()); err != nil {
			b.Fatal(err)
		}
	}
}
