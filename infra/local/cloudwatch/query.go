package cloudwatch

import (
	"math"
	"regexp"
	"slices"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// MetricStat asks for one statistic of one metric.
type MetricStat struct {
	Metric Metric `json:"Metric"`
	Period int    `json:"Period"` // seconds
	Stat   string `json:"Stat"`
	Unit   string `json:"Unit,omitempty"`
}

// MetricDataQuery is a MetricStat or an Expression over other queries' ids.
// ReturnData nil is true.
type MetricDataQuery struct {
	ID         string      `json:"Id"`
	Label      string      `json:"Label,omitempty"`
	Expression string      `json:"Expression,omitempty"`
	MetricStat *MetricStat `json:"MetricStat,omitempty"`
	Period     int         `json:"Period,omitempty"` // seconds; expressions only
	ReturnData *bool       `json:"ReturnData,omitempty"`
}

func (q MetricDataQuery) returned() bool { return q.ReturnData == nil || *q.ReturnData }

var queryID = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]{0,254}$`)

// queries is a checked, parsed set of MetricDataQuery.
type queries struct {
	list  []MetricDataQuery
	stats map[string]statistic // by id
	nodes map[string]*node
	finds map[string]*search // searches, which stand alone
	order []string           // ids so that every expression comes after what it uses
}

func parseQueries(list []MetricDataQuery) (*queries, error) {
	q := &queries{list: list, stats: map[string]statistic{}, nodes: map[string]*node{}, finds: map[string]*search{}}
	for _, one := range list {
		if err := q.add(one); err != nil {
			return nil, err
		}
	}
	state := map[string]int{}
	for _, one := range list {
		if err := q.visit(one.ID, state); err != nil {
			return nil, err
		}
	}
	return q, nil
}

func (q *queries) add(one MetricDataQuery) error {
	_, isStat := q.stats[one.ID]
	_, isNode := q.nodes[one.ID]
	isNode = isNode || q.finds[one.ID] != nil
	switch {
	case !queryID.MatchString(one.ID):
		return refused("query Id %q: want a lower-case letter, then letters, digits and _", one.ID)
	case isStat || isNode:
		return refused("query Id %q is used twice", one.ID)
	case (one.MetricStat == nil) == (one.Expression == ""):
		return wire.Errorf("InvalidParameterCombination", "query %s: give either MetricStat or Expression", one.ID)
	case isSearch(one.Expression):
		s, err := parseSearch(one.Expression, one.Period)
		if err == nil {
			q.finds[one.ID] = s
		}
		return err
	case one.MetricStat == nil:
		n, err := parseExpression(one.Expression)
		q.nodes[one.ID] = n
		return err
	}
	m := one.MetricStat
	if m.Metric.Namespace == "" || m.Metric.MetricName == "" {
		return wire.Errorf("MissingParameter", "query %s: MetricStat.Metric wants Namespace and MetricName", one.ID)
	}
	if err := checkPeriod(m.Period); err != nil {
		return err
	}
	stat, err := parseStatistic(m.Stat)
	q.stats[one.ID] = stat
	return err
}

func checkPeriod(period int) error {
	if slices.Contains([]int{1, 5, 10, 20, 30}, period) || (period > 0 && period%60 == 0 && period <= 86400) {
		return nil
	}
	return refused("period %d: want 1, 5, 10, 20, 30 or a multiple of 60 seconds, at most a day", period)
}

// visit orders the expressions and finds unknown ids and circles.
func (q *queries) visit(id string, state map[string]int) error {
	switch state[id] {
	case 1:
		return refused("query %s refers to itself", id)
	case 2:
		return nil
	}
	state[id] = 1
	if q.finds[id] != nil {
		state[id] = 2
		return nil // it is not computed with others
	}
	if n, ok := q.nodes[id]; ok {
		for _, used := range n.ids() {
			if q.finds[used] != nil {
				return refused("query %s: it computes with the search %s, which the local stack does not; give the metrics by name", id, used)
			}
			if q.stats[used].name == "" && q.nodes[used] == nil {
				return refused("query %s: no query has the id %q", id, used)
			}
			if err := q.visit(used, state); err != nil {
				return err
			}
		}
	} else if _, ok := q.stats[id]; !ok {
		return refused("no query has the id %q", id)
	}
	state[id] = 2
	q.order = append(q.order, id)
	return nil
}

func (q *queries) byID(id string) MetricDataQuery {
	i := slices.IndexFunc(q.list, func(m MetricDataQuery) bool { return m.ID == id })
	return q.list[i]
}

// periods are those of the metrics that id is computed from.
func (q *queries) periods(id string) []int {
	if m := q.byID(id).MetricStat; m != nil {
		return []int{m.Period}
	}
	var out []int
	for _, used := range q.nodes[id].ids() {
		out = append(out, q.periods(used)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// period is the one period of a query. AWS can mix them; the local stack
// refuses, because its alarms never need to.
func (q *queries) period(id string) (int, error) {
	all := q.periods(id)
	if own := q.byID(id).Period; own != 0 {
		all = append(all, own)
		slices.Sort(all)
		all = slices.Compact(all)
	}
	if len(all) != 1 {
		return 0, refused("query %s: its metrics have the periods %v: the local stack wants exactly one", id, all)
	}
	return all[0], nil
}

// result is one query over a grid. samples are the sample counts behind a
// MetricStat's points; nil for an expression.
type result struct {
	values  vector
	samples []float64
}

// evaluate computes every query over the grid.
func (q *queries) evaluate(s *store, g grid, wanted func(id string) bool) (map[string]result, error) {
	out, series := map[string]result{}, map[string]vector{}
	for _, id := range q.order {
		if !wanted(id) {
			continue
		}
		one := q.byID(id)
		if one.MetricStat != nil {
			out[id] = fetch(s, *one.MetricStat, q.stats[id], g)
			series[id] = out[id].values
			continue
		}
		v, err := q.nodes[id].calculate(g.n, series)
		if err != nil {
			return nil, refused("expression %q: %v", one.Expression, err)
		}
		if v.series == nil {
			return nil, refused("expression %q gives a number: it must give a time series", one.Expression)
		}
		out[id] = result{values: v.series}
		series[id] = v.series
	}
	return out, nil
}

// needs gives id and everything it is computed from.
func (q *queries) needs(id string) func(string) bool {
	needed := map[string]bool{}
	var walk func(string)
	walk = func(one string) {
		needed[one] = true
		if n, ok := q.nodes[one]; ok {
			for _, used := range n.ids() {
				walk(used)
			}
		}
	}
	walk(id)
	return func(one string) bool { return needed[one] }
}

func fetch(s *store, m MetricStat, stat statistic, g grid) result {
	buckets := s.query(m.Metric, m.Unit, g)
	out := result{make(vector, g.n), make([]float64, g.n)}
	for i := range buckets {
		v, ok := stat.of(&buckets[i])
		if !ok {
			v = math.NaN()
		}
		out.values[i], out.samples[i] = v, buckets[i].count
	}
	return out
}
