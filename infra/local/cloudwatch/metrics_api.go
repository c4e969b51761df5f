package cloudwatch

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Put stores metric data, in-process. Either all of it is stored or, with an
// error, none.
func (s *Service) Put(namespace string, data ...Datum) error {
	if namespace == "" || strings.HasPrefix(namespace, ":") || len(namespace) > 255 {
		return refused("Namespace %q: want 1 to 255 characters, the first not a colon", namespace)
	}
	return s.store.put(namespace, data)
}

type metricDatum struct {
	MetricName        string        `json:"MetricName"`
	Dimensions        []Dimension   `json:"Dimensions"`
	Timestamp         time.Time     `json:"Timestamp"`
	Value             *float64      `json:"Value"`
	Values            []float64     `json:"Values"`
	Counts            []float64     `json:"Counts"`
	StatisticValues   *StatisticSet `json:"StatisticValues"`
	Unit              string        `json:"Unit"`
	StorageResolution *int          `json:"StorageResolution"`
}

type putMetricDataInput struct {
	Namespace  string        `json:"Namespace"`
	MetricData []metricDatum `json:"MetricData"`
}

type empty struct{}

// maxData is AWS's limit on one PutMetricData.
const maxData = 1000

func (s *Service) putMetricData(_ context.Context, in *putMetricDataInput) (*empty, error) {
	if len(in.MetricData) == 0 || len(in.MetricData) > maxData {
		return nil, refused("MetricData has %d members: want 1 to %d", len(in.MetricData), maxData)
	}
	if strings.HasPrefix(in.Namespace, "AWS/") {
		return nil, refused("Namespace %q: AWS/ is for AWS's services", in.Namespace)
	}
	data := make([]Datum, len(in.MetricData))
	for i, m := range in.MetricData {
		d, err := m.datum()
		if err != nil {
			return nil, err
		}
		data[i] = d
	}
	return &empty{}, s.Put(in.Namespace, data...)
}

func (m metricDatum) datum() (Datum, error) {
	d := Datum{Name: m.MetricName, Dimensions: m.Dimensions, Time: m.Timestamp, Unit: m.Unit,
		Values: m.Values, Counts: m.Counts, Statistics: m.StatisticValues}
	if m.Value != nil {
		if len(m.Values) > 0 || m.StatisticValues != nil {
			return d, wire.Errorf("InvalidParameterCombination", "metric %s: Value, Values and StatisticValues exclude each other", m.MetricName)
		}
		d.Values = []float64{*m.Value}
	}
	if len(m.Values) > 150 {
		return d, refused("metric %s: %d Values: at most 150", m.MetricName, len(m.Values))
	}
	if m.StorageResolution != nil {
		if *m.StorageResolution != 1 && *m.StorageResolution != 60 {
			return d, refused("metric %s: StorageResolution %d: want 1 or 60", m.MetricName, *m.StorageResolution)
		}
		d.HighResolution = *m.StorageResolution == 1
	}
	return d, nil
}

type getMetricDataInput struct {
	MetricDataQueries []MetricDataQuery `json:"MetricDataQueries"`
	StartTime         time.Time         `json:"StartTime"`
	EndTime           time.Time         `json:"EndTime"`
	ScanBy            string            `json:"ScanBy"`
	MaxDatapoints     int               `json:"MaxDatapoints"`
}

type metricDataResult struct {
	ID         string      `json:"Id"`
	Label      string      `json:"Label"`
	StatusCode string      `json:"StatusCode"`
	Timestamps []time.Time `json:"Timestamps"`
	Values     []float64   `json:"Values"`
}

type getMetricDataOutput struct {
	MetricDataResults []metricDataResult `json:"MetricDataResults"`
}

// maxDatapoints is AWS's limit on one answer. Beyond it AWS pages; the local
// stack refuses.
const maxDatapoints = 100_800

// gridOver covers [start, end) as GetMetricData does: the start is cut to the
// minute, for periods under a minute both ends are cut to the period.
func gridOver(start, end time.Time, period int) (grid, error) {
	if !start.Before(end) {
		return grid{}, refused("StartTime %s is not before EndTime %s", start.Format(time.RFC3339), end.Format(time.RFC3339))
	}
	step := int64(period)
	from, to := floor(start.Unix(), min(step, 60)), end.Unix()
	if step < 60 {
		to = floor(to, step)
	}
	if end.Nanosecond() > 0 && step >= 60 {
		to++
	}
	n := (to - from + step - 1) / step
	if n > maxDatapoints {
		return grid{}, refused("the query spans %d periods: at most %d; ask for a shorter range or a longer period", n, maxDatapoints)
	}
	return grid{from, step, int(n)}, nil
}

func (s *Service) getMetricData(_ context.Context, in *getMetricDataInput) (*getMetricDataOutput, error) {
	if len(in.MetricDataQueries) == 0 || len(in.MetricDataQueries) > 500 {
		return nil, refused("MetricDataQueries has %d members: want 1 to 500", len(in.MetricDataQueries))
	}
	if !slices.Contains([]string{"", "TimestampDescending", "TimestampAscending"}, in.ScanBy) {
		return nil, refused("ScanBy %q: want TimestampDescending or TimestampAscending", in.ScanBy)
	}
	q, err := parseQueries(in.MetricDataQueries)
	if err != nil {
		return nil, err
	}
	limit, total := maxDatapoints, 0
	if in.MaxDatapoints > 0 {
		limit = min(limit, in.MaxDatapoints)
	}
	out := &getMetricDataOutput{}
	for _, one := range q.list {
		if !one.returned() {
			continue
		}
		found, err := s.metricResults(q, one, in)
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			if total += len(r.Values); total > limit {
				return nil, refused("the answer has more than %d data points: the local stack does not page; ask for less", limit)
			}
		}
		out.MetricDataResults = append(out.MetricDataResults, found...)
	}
	return out, nil
}

// metricResults gives the time series of a query: one, or those that it finds.
func (s *Service) metricResults(q *queries, one MetricDataQuery, in *getMetricDataInput) ([]metricDataResult, error) {
	if search := q.finds[one.ID]; search != nil {
		return search.results(s.store, one, in)
	}
	r, err := s.metricData(q, one, in)
	return []metricDataResult{r}, err
}

func (s *Service) metricData(q *queries, one MetricDataQuery, in *getMetricDataInput) (metricDataResult, error) {
	r := metricDataResult{ID: one.ID, Label: label(one), StatusCode: "Complete"}
	period, err := q.period(one.ID)
	if err != nil {
		return r, err
	}
	g, err := gridOver(in.StartTime, in.EndTime, period)
	if err != nil {
		return r, err
	}
	results, err := q.evaluate(s.store, g, q.needs(one.ID))
	if err != nil {
		return r, err
	}
	for i, v := range results[one.ID].values {
		if !math.IsNaN(v) {
			r.Timestamps, r.Values = append(r.Timestamps, g.at(i)), append(r.Values, v)
		}
	}
	if in.ScanBy != "TimestampAscending" {
		slices.Reverse(r.Timestamps)
		slices.Reverse(r.Values)
	}
	return r, nil
}

func label(q MetricDataQuery) string {
	switch {
	case q.Label != "":
		return q.Label
	case q.MetricStat != nil:
		return q.MetricStat.Metric.MetricName
	}
	return q.ID
}

type getMetricStatisticsInput struct {
	Namespace          string      `json:"Namespace"`
	MetricName         string      `json:"MetricName"`
	Dimensions         []Dimension `json:"Dimensions"`
	StartTime          time.Time   `json:"StartTime"`
	EndTime            time.Time   `json:"EndTime"`
	Period             int         `json:"Period"`
	Statistics         []string    `json:"Statistics"`
	ExtendedStatistics []string    `json:"ExtendedStatistics"`
	Unit               string      `json:"Unit"`
}

type datapointOut struct {
	Timestamp          time.Time          `json:"Timestamp"`
	SampleCount        *float64           `json:"SampleCount,omitempty"`
	Sum                *float64           `json:"Sum,omitempty"`
	Average            *float64           `json:"Average,omitempty"`
	Minimum            *float64           `json:"Minimum,omitempty"`
	Maximum            *float64           `json:"Maximum,omitempty"`
	ExtendedStatistics map[string]float64 `json:"ExtendedStatistics,omitempty"`
	Unit               string             `json:"Unit,omitempty"`
}

type getMetricStatisticsOutput struct {
	Label      string         `json:"Label"`
	Datapoints []datapointOut `json:"Datapoints"`
}

func (s *Service) getMetricStatistics(_ context.Context, in *getMetricStatisticsInput) (*getMetricStatisticsOutput, error) {
	if err := checkPeriod(in.Period); err != nil {
		return nil, err
	}
	wanted := slices.Concat(in.Statistics, in.ExtendedStatistics)
	if len(wanted) == 0 {
		return nil, wire.Errorf("MissingParameter", "give Statistics or ExtendedStatistics")
	}
	g, err := gridOver(in.StartTime, in.EndTime, in.Period)
	if err != nil {
		return nil, err
	}
	if g.n > 1440 {
		return nil, wire.Errorf("InvalidParameterCombination", "you have requested up to %d datapoints, which exceeds the limit of 1440", g.n)
	}
	buckets := s.store.query(Metric{in.Namespace, in.MetricName, in.Dimensions}, in.Unit, g)
	out := &getMetricStatisticsOutput{Label: in.MetricName, Datapoints: []datapointOut{}}
	for i := range buckets {
		if buckets[i].count == 0 {
			continue
		}
		d := datapointOut{Timestamp: g.at(i), Unit: in.Unit}
		if err := d.fill(&buckets[i], wanted); err != nil {
			return nil, err
		}
		out.Datapoints = append(out.Datapoints, d)
	}
	return out, nil
}

func (d *datapointOut) fill(b *bucket, wanted []string) error {
	for _, name := range wanted {
		stat, err := parseStatistic(name)
		if err != nil {
			return err
		}
		v, ok := stat.of(b)
		if !ok {
			continue
		}
		switch name {
		case "SampleCount":
			d.SampleCount = &v
		case "Sum":
			d.Sum = &v
		case "Average":
			d.Average = &v
		case "Minimum":
			d.Minimum = &v
		case "Maximum":
			d.Maximum = &v
		default:
			if d.ExtendedStatistics == nil {
				d.ExtendedStatistics = map[string]float64{}
			}
			d.ExtendedStatistics[name] = v
		}
	}
	return nil
}

type dimensionFilter struct {
	Name  string  `json:"Name"`
	Value *string `json:"Value"`
}

type listMetricsInput struct {
	Namespace      string            `json:"Namespace"`
	MetricName     string            `json:"MetricName"`
	Dimensions     []dimensionFilter `json:"Dimensions"`
	NextToken      string            `json:"NextToken"`
	RecentlyActive string            `json:"RecentlyActive"`
}

type listMetricsOutput struct {
	Metrics   []Metric `json:"Metrics"`
	NextToken string   `json:"NextToken,omitempty"`
}

const listPage = 500

// listMetrics pages by the key of the last metric of the page before.
func (s *Service) listMetrics(_ context.Context, in *listMetricsInput) (*listMetricsOutput, error) {
	if in.RecentlyActive != "" && in.RecentlyActive != "PT3H" {
		return nil, refused("RecentlyActive %q: want PT3H", in.RecentlyActive)
	}
	out := &listMetricsOutput{Metrics: []Metric{}}
	for _, one := range s.store.list() {
		if !in.matches(one, s.config.Now()) || one.metric.key() <= in.NextToken {
			continue
		}
		if len(out.Metrics) == listPage {
			out.NextToken = out.Metrics[listPage-1].key()
			break
		}
		out.Metrics = append(out.Metrics, one.metric)
	}
	return out, nil
}

func (in *listMetricsInput) matches(one listed, now time.Time) bool {
	m := one.metric
	if in.Namespace != "" && in.Namespace != m.Namespace || in.MetricName != "" && in.MetricName != m.MetricName {
		return false
	}
	if in.RecentlyActive != "" && one.last.Before(now.Add(-3*time.Hour)) {
		return false
	}
	for _, f := range in.Dimensions {
		if !slices.ContainsFunc(m.Dimensions, func(d Dimension) bool {
			return d.Name == f.Name && (f.Value == nil || *f.Value == d.Value)
		}) {
			return false
		}
	}
	return true
}
