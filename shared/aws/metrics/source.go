package metrics

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/sluice-ml/sluice/shared/contract"
)

// source is who measures a model's slots.
type source interface {
	period() time.Duration // of whole data points
	unit() time.Duration   // of latency
	// queries gives "requests", "errors" and "p99" of a slot, "refused" where
	// requests that never got through are counted apart, and "fast", the percent
	// that took no longer than slow, unless that is 0.
	queries(slot string, slow time.Duration) []types.MetricDataQuery
}

func (g *Gauge) source(model string) source {
	if b, ok := g.balancers[model]; ok {
		return balanced{b}
	}
	return sageMaker{g, model}
}

// sageMaker is the endpoints' own metrics.
type sageMaker struct {
	gauge *Gauge
	model string
}

func (s sageMaker) period() time.Duration { return s.gauge.period }
func (sageMaker) unit() time.Duration     { return time.Microsecond }

func (s sageMaker) queries(slot string, slow time.Duration) []types.MetricDataQuery {
	const namespace = "AWS/SageMaker"
	dimensions := s.gauge.dimensions(s.model, slot)
	all := []types.MetricDataQuery{
		query("requests", namespace, "Invocations", "Sum", s.period(), dimensions),
		query("errors", namespace, "Invocation5XXErrors", "Sum", s.period(), dimensions),
		query("p99", namespace, "ModelLatency", "p99", s.period(), dimensions),
	}
	if slow > 0 {
		all = append(all, query("fast", namespace, "ModelLatency", fmt.Sprintf("PR(:%d)", slow.Microseconds()), s.period(), dimensions))
	}
	return all
}

// Balancer is where the load balancer of a model that ECS serves is measured, in
// the names that its metrics have.
type Balancer struct {
	LoadBalancer string            // e.g. "app/name/50dc6c495c0c9188"
	Groups       map[string]string // by slot, e.g. "targetgroup/name/73e2d6bc24d8a067"
	Period       time.Duration     // of whole data points; 0 is a minute, which is AWS's
}

// Balanced has the gauge measure these models, and no others, by load balancers.
func (g *Gauge) Balanced(models map[string]Balancer) *Gauge {
	g.balancers = models
	return g
}

// BalancerOf reads the names from the ARNs of a listener rule and of the target
// groups, by slot.
func BalancerOf(rule string, groups map[string]string) Balancer {
	b := Balancer{Groups: map[string]string{}}
	if _, path, ok := strings.Cut(rule, ":listener-rule/"); ok {
		parts := strings.Split(path, "/")
		b.LoadBalancer = strings.Join(parts[:min(3, len(parts))], "/")
	}
	for slot, arn := range groups {
		b.Groups[slot] = arn[strings.LastIndexByte(arn, ':')+1:]
	}
	return b
}

// balanced is a load balancer's metrics of its target groups. A target that
// cannot be connected to gives the client a 502 that is not the target's, so
// those errors are counted apart.
type balanced struct{ Balancer }

func (b balanced) period() time.Duration { return cmp.Or(b.Period, time.Minute) }
func (balanced) unit() time.Duration     { return time.Second }

func (b balanced) queries(slot string, slow time.Duration) []types.MetricDataQuery {
	const namespace = "AWS/ApplicationELB"
	dimensions := []types.Dimension{
		{Name: aws.String("TargetGroup"), Value: aws.String(b.Groups[slot])},
		{Name: aws.String("LoadBalancer"), Value: &b.LoadBalancer},
	}
	all := []types.MetricDataQuery{
		query("requests", namespace, contract.MetricRequests, "Sum", b.period(), dimensions),
		query("errors", namespace, contract.MetricTarget5XX, "Sum", b.period(), dimensions),
		query("refused", namespace, contract.MetricRefused, "Sum", b.period(), dimensions),
		query("p99", namespace, contract.MetricResponseTime, "p99", b.period(), dimensions),
	}
	if slow > 0 {
		limit := strconv.FormatFloat(slow.Seconds(), 'f', -1, 64)
		all = append(all, query("fast", namespace, contract.MetricResponseTime, "PR(:"+limit+")", b.period(), dimensions))
	}
	return all
}
