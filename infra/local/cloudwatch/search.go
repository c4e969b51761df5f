package cloudwatch

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A search expression gives the time series of every metric that it finds:
//
//	SEARCH('{AWS/SageMaker,EndpointName,VariantName} MetricName="Invocations"', 'Sum', 60)
//
// Its first part names a namespace and the exact set of dimensions, in braces and
// perhaps in quotation marks. Terms follow: MetricName, Namespace or a dimension
// with "=" and a value in quotation marks (equal) or without (contained), or a
// word that is contained in any of the names and values; joined by AND, OR, NOT
// and parentheses, a space is AND.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html
type search struct {
	namespace  string
	dimensions []string // names, sorted; nil: any
	condition  *term    // nil: every metric
	stat       statistic
	statName   string
	period     int // seconds
}

// term is a condition on a metric: "AND", "OR", "NOT", or a property.
type term struct {
	op       string
	property string // "" is any name or value
	value    string // lower case unless exact
	exact    bool
	operands []*term
}

// maxFound is how many time series one search gives.
const maxFound = 500

// searchedFor is how far back a metric's last data may lie.
const searchedFor = 14 * 24 * time.Hour

var (
	searchCall   = regexp.MustCompile(`^SEARCH\s*\(\s*'([^']*)'\s*,\s*'([^']*)'\s*(?:,\s*([0-9]+)\s*)?\)$`)
	searchSchema = regexp.MustCompile(`^\{([^{}]*)\}`)
	searchToken  = regexp.MustCompile(`^(?:[()]|(?:"[^"]*"|[^\s()="]+)(?:=(?:"[^"]*"|[^\s()="]+))?)`)
)

// isSearch says whether an expression is a search as a whole.
func isSearch(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), "SEARCH") }

// parseSearch reads a search expression; period is the query's own, in seconds.
func parseSearch(text string, period int) (*search, error) {
	m := searchCall.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return nil, refused("expression %q: the local stack wants SEARCH('{Namespace,Dimension} MetricName=\"name\"', 'Statistic', period) and nothing around it", text)
	}
	s := &search{statName: m[2], period: period}
	if m[3] != "" {
		n, err := strconv.Atoi(m[3])
		if err != nil {
			return nil, refused("expression %q: period %s: %v", text, m[3], err)
		}
		s.period = n
	}
	if s.period == 0 {
		s.period = 300 // AWS's default
	}
	if err := checkPeriod(s.period); err != nil {
		return nil, err
	}
	var err error
	if s.stat, err = parseStatistic(m[2]); err != nil {
		return nil, err
	}
	rest := strings.TrimSpace(m[1])
	if schema := searchSchema.FindStringSubmatch(rest); schema != nil {
		s.schema(schema[1])
		rest = rest[len(schema[0]):]
	}
	p := &searchParser{}
	if s.condition, err = p.parse(rest); err != nil {
		return nil, refused("expression %q: %v", text, err)
	}
	if s.namespace == "" && s.condition == nil {
		return nil, refused("expression %q: it searches for nothing: name a namespace or a metric", text)
	}
	return s, nil
}

func (s *search) schema(text string) {
	parts := strings.Split(text, ",")
	for i := range parts {
		parts[i] = strings.Trim(strings.TrimSpace(parts[i]), `"`)
	}
	s.namespace, s.dimensions = parts[0], parts[1:]
	slices.Sort(s.dimensions)
}

// finds says whether a metric is what is searched for.
func (s *search) finds(m Metric) bool {
	if s.namespace != "" {
		names := make([]string, 0, len(m.Dimensions))
		for _, d := range m.Dimensions {
			names = append(names, d.Name)
		}
		slices.Sort(names)
		if s.namespace != m.Namespace || !slices.Equal(names, s.dimensions) {
			return false
		}
	}
	return s.condition == nil || s.condition.holds(m)
}

func (t *term) holds(m Metric) bool {
	switch t.op {
	case "AND":
		return t.operands[0].holds(m) && t.operands[1].holds(m)
	case "OR":
		return t.operands[0].holds(m) || t.operands[1].holds(m)
	case "NOT":
		return !t.operands[0].holds(m)
	}
	switch t.property {
	case "":
		all := []string{m.Namespace, m.MetricName}
		for _, d := range m.Dimensions {
			all = append(all, d.Name, d.Value)
		}
		return slices.ContainsFunc(all, t.fits)
	case "MetricName":
		return t.fits(m.MetricName)
	case "Namespace":
		return t.fits(m.Namespace)
	}
	return slices.ContainsFunc(m.Dimensions, func(d Dimension) bool { return d.Name == t.property && t.fits(d.Value) })
}

func (t *term) fits(text string) bool {
	if t.exact {
		return text == t.value
	}
	return strings.Contains(strings.ToLower(text), t.value)
}

// results gives a result for each metric that the search finds, by label.
func (s *search) results(st *store, one MetricDataQuery, in *getMetricDataInput) ([]metricDataResult, error) {
	g, err := gridOver(in.StartTime, in.EndTime, s.period)
	if err != nil {
		return nil, err
	}
	out := []metricDataResult{}
	for _, found := range st.list() {
		if found.last.Before(st.now().Add(-searchedFor)) || !s.finds(found.metric) {
			continue
		}
		if len(out) == maxFound {
			return nil, refused("expression %q finds more than %d metrics: search for less", one.Expression, maxFound)
		}
		r := metricDataResult{ID: one.ID, Label: searchLabel(one, found.metric), StatusCode: "Complete"}
		values := fetch(st, MetricStat{Metric: found.metric, Period: s.period, Stat: s.statName}, s.stat, g).values
		for i, v := range values {
			if !math.IsNaN(v) {
				r.Timestamps, r.Values = append(r.Timestamps, g.at(i)), append(r.Values, v)
			}
		}
		if in.ScanBy != "TimestampAscending" {
			slices.Reverse(r.Timestamps)
			slices.Reverse(r.Values)
		}
		out = append(out, r)
	}
	return out, nil
}

// searchLabel names one time series of a search: by what differs, which is taken
// to be the dimensions' values.
func searchLabel(one MetricDataQuery, m Metric) string {
	parts := []string{}
	if one.Label != "" {
		parts = append(parts, one.Label)
	}
	for _, d := range m.sorted() {
		parts = append(parts, d.Value)
	}
	return strings.Join(append(parts, m.MetricName), " ")
}

// searchParser reads the terms of a search: OR binds least, then AND and the
// space, then NOT.
type searchParser struct {
	tokens []string
	depth  int
}
