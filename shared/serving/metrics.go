package serving

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/shared/model"
)

// latencyBounds are the histogram's upper bounds in seconds.
var latencyBounds = [...]float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5}

// metrics counts what the server does.
type metrics struct {
	mutex     sync.Mutex
	requests  map[int]int64 // by status
	instances int64
	buckets   [len(latencyBounds)]int64 // not cumulative
	seconds   float64
	total     int64
}

func (m *metrics) observe(status, instances int, took time.Duration) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.requests == nil {
		m.requests = map[int]int64{}
	}
	m.requests[status]++
	m.instances += int64(instances)
	m.total++
	m.seconds += took.Seconds()
	if i, _ := slices.BinarySearch(latencyBounds[:], took.Seconds()); i < len(latencyBounds) {
		m.buckets[i]++
	}
}

// write gives the counts as Prometheus text.
func (m *metrics) write(w io.Writer, artifact *model.Artifact) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	fmt.Fprintf(w, "# HELP sluice_model_info The model that is served.\n# TYPE sluice_model_info gauge\n")
	fmt.Fprintf(w, "sluice_model_info{model=%q,xgboost=%q,trees=\"%d\"} 1\n",
		artifact.Schema.Model, artifact.Schema.Versions.XGBoost, artifact.Trees.Trees())
	fmt.Fprintf(w, "# HELP sluice_requests_total Invocations answered.\n# TYPE sluice_requests_total counter\n")
	for _, status := range slices.Sorted(maps.Keys(m.requests)) {
		fmt.Fprintf(w, "sluice_requests_total{code=\"%d\"} %d\n", status, m.requests[status])
	}
	fmt.Fprintf(w, "# HELP sluice_instances_total Instances scored.\n# TYPE sluice_instances_total counter\nsluice_instances_total %d\n", m.instances)
	fmt.Fprintf(w, "# HELP sluice_request_seconds Time from the request's head to the end of the answer.\n# TYPE sluice_request_seconds histogram\n")
	sum := int64(0)
	for i, bound := range latencyBounds {
		sum += m.buckets[i]
		fmt.Fprintf(w, "sluice_request_seconds_bucket{le=\"%v\"} %d\n", bound, sum)
	}
	fmt.Fprintf(w, "sluice_request_seconds_bucket{le=\"+Inf\"} %d\nsluice_request_seconds_sum %v\nsluice_request_seconds_count %d\n",
		m.total, m.seconds, m.total)
}
