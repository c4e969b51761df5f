package elb

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/cloudwatch"
)

// Namespace is where Application Load Balancers publish their metrics.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
const Namespace = "AWS/ApplicationELB"

// meters collect the metrics between two flushes.
type meters struct {
	mu      sync.Mutex
	windows map[int64]map[series]distribution // by the data points' time
	hosts   time.Time                         // when the targets were last counted
}

// series is a metric of a load balancer, of a target group, or of both.
type series struct{ balancer, group, name string }

// distribution counts values.
type distribution map[float64]float64

func (m *meters) add(at int64, s series, value float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.windows == nil {
		m.windows = map[int64]map[series]distribution{}
	}
	window := m.windows[at]
	if window == nil {
		window = map[series]distribution{}
		m.windows[at] = window
	}
	if window[s] == nil {
		window[s] = distribution{}
	}
	window[s][value]++
}

// point is the time of the data point that now belongs to.
func (s *Service) point(now time.Time) int64 {
	period := max(1, int64(s.config.MetricPeriod/time.Second))
	return now.Unix() - now.Unix()%period
}

// count adds to a metric that is of the load balancer alone.
func (f *front) count(name string) {
	s := f.service
	s.meters.add(s.point(s.config.Now()), series{f.balancer.full, "", name}, 1)
}

// count adds to a metric of the load balancer, and of it with the target group.
func (x *exchange) count(name string, value float64) {
	s := x.front.service
	at := s.point(s.config.Now())
	s.meters.add(at, series{x.front.balancer.full, "", name}, value)
	s.meters.add(at, series{x.front.balancer.full, x.pool.full, name}, value)
}

// countPerTarget adds the request's share of one target, so that the sum is
// requests per target.
func (x *exchange) countPerTarget() {
	s := x.front.service
	at := s.point(s.config.Now())
	part := 1 / float64(max(1, len(*x.pool.routable.Load())))
	for _, balancer := range []string{"", x.front.balancer.full} {
		s.meters.add(at, series{balancer, x.pool.full, "RequestCountPerTarget"}, part)
	}
}

// observe takes a target's answer into account.
func (x *exchange) observe(status int) {
	x.count(fmt.Sprintf("HTTPCode_Target_%dXX_Count", status/100), 1)
	x.count("TargetResponseTime", roundSeconds(x.front.service.config.Now().Sub(x.began)))
}

// roundSeconds rounds to three significant figures, so that a busy minute stays
// small.
func roundSeconds(d time.Duration) float64 {
	v := math.Max(0, float64(d.Microseconds()))
	if v >= 1000 {
		unit := math.Pow(10, math.Floor(math.Log10(v))-2)
		v = math.Round(v/unit) * unit
	}
	return v / 1e6
}

// hostInterval is how often the targets are counted.
const hostInterval = 10 * time.Second

// countHosts counts the targets of the groups in use by their health.
func (s *Service) countHosts(now time.Time) {
	if now.Sub(s.meters.hosts) < min(hostInterval, s.config.MetricPeriod) {
		return
	}
	s.meters.hosts = now
	s.mu.Lock()
	defer s.mu.Unlock()
	for arn, p := range s.pools {
		healthy, unhealthy, inUse := p.hosts()
		for _, balancer := range s.users(arn) {
			if !inUse {
				continue
			}
			s.meters.add(s.point(now), series{fullName(balancer), p.full, "HealthyHostCount"}, float64(healthy))
			s.meters.add(s.point(now), series{fullName(balancer), p.full, "UnHealthyHostCount"}, float64(unhealthy))
		}
	}
}

// flush publishes what was collected since the last flush.
func (m *meters) flush(to Metrics, high bool) error {
	m.mu.Lock()
	windows := m.windows
	m.windows = nil
	m.mu.Unlock()
	var data []cloudwatch.Datum
	for _, at := range slices.Sorted(maps.Keys(windows)) {
		order := slices.SortedFunc(maps.Keys(windows[at]), func(a, b series) int {
			return cmp.Or(cmp.Compare(a.balancer, b.balancer), cmp.Compare(a.group, b.group), cmp.Compare(a.name, b.name))
		})
		for _, one := range order {
			data = append(data, one.datum(at, high, windows[at][one]))
		}
	}
	if len(data) == 0 {
		return nil
	}
	return to.Put(Namespace, data...)
}

func (s series) datum(at int64, high bool, values distribution) cloudwatch.Datum {
	d := cloudwatch.Datum{Name: s.name, Unit: "Count", Time: time.Unix(at, 0).UTC(), HighResolution: high}
	if s.name == "TargetResponseTime" {
		d.Unit = "Seconds"
	}
	if s.group != "" {
		d.Dimensions = append(d.Dimensions, cloudwatch.Dimension{Name: "TargetGroup", Value: s.group})
	}
	if s.balancer != "" {
		d.Dimensions = append(d.Dimensions, cloudwatch.Dimension{Name: "LoadBalancer", Value: s.balancer})
	}
	for _, v := range slices.Sorted(maps.Keys(values)) {
		d.Values, d.Counts = append(d.Values, v), append(d.Counts, values[v])
	}
	return d
}
