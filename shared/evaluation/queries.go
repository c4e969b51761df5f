package evaluation

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"
)

// Queries are rows that a model puts in an order within their query (ranking);
// index i of each is one row.
type Queries struct {
	Label []float64 // how relevant the row is to its query, 0 or more
	Score []float64 // higher is further up
	Query []string
}

// Metrics of ranking, as configurations write them; ndcg@10 looks at the first
// ten rows of each query.
const (
	MetricNDCG = "ndcg"
	MetricMAP  = "map"
)

// Check says what is wrong: no rows, columns of unequal length, numbers that are
// not finite, labels below 0. The error is a fault of kind Invalid.
func (q Queries) Check() error {
	n := len(q.Label)
	if n == 0 {
		return invalid("no rows")
	}
	if len(q.Score) != n || len(q.Query) != n {
		return invalid("%d labels, %d scores and %d queries are not aligned", n, len(q.Score), len(q.Query))
	}
	for i := range n {
		if !(q.Label[i] >= 0) || !finite(q.Label[i]) {
			return invalid("row %d: the label %v is no relevance, a number of 0 or more", i, q.Label[i])
		}
		if !finite(q.Score[i]) {
			return invalid("row %d: the score %v is not finite", i, q.Score[i])
		}
	}
	return nil
}

// Judged gives the rows of each query that tells anything about an order, in the
// order in which the queries first come: with two rows at least, one of which is
// relevant. out counts the others.
func (q Queries) Judged() (queries [][]int, out int) {
	at := map[string]int{}
	for i, id := range q.Query {
		k, known := at[id]
		if !known {
			k = len(queries)
			at[id] = k
			queries = append(queries, nil)
		}
		queries[k] = append(queries[k], i)
	}
	all := len(queries)
	queries = slices.DeleteFunc(queries, func(rows []int) bool {
		return len(rows) < 2 || !slices.ContainsFunc(rows, func(i int) bool { return q.Label[i] > 0 })
	})
	return queries, all - len(queries)
}

// Linear is a metric to first order: the mean over the queries that Judged
// gives. Errors are faults of kind Invalid.
//
// ndcg is the discounted cumulative gain, Σ label / log₂(1 + place), over the
// best there could be (Järvelin and Kekäläinen 2002); rows of equal score share
// the places they take (McSherry and Najork 2008), as in scikit-learn. map is
// the mean of the queries' average precisions, where a label above 0 is
// relevant.
func (q Queries) Linear(metric string) (Linear, error) {
	if err := q.Check(); err != nil {
		return Linear{}, err
	}
	of, err := q.statistic(metric)
	if err != nil {
		return Linear{}, err
	}
	queries, left := q.Judged()
	if len(queries) == 0 {
		return Linear{}, invalid("%s is not defined: none of %d queries has two rows, one of them relevant", metric, left)
	}
	values := make([]float64, len(queries))
	for k, rows := range queries {
		values[k] = of(rows)
	}
	return linearMean(metric, values), nil
}

func (q Queries) statistic(metric string) (func(rows []int) float64, error) {
	name, at, cut := strings.Cut(metric, "@")
	first := math.MaxInt
	if cut {
		var err error
		if first, err = strconv.Atoi(at); err != nil || first < 1 {
			return nil, invalid("%q: want a whole number, 1 or more, after the @", metric)
		}
	}
	switch {
	case name == MetricNDCG:
		return func(rows []int) float64 { return q.ndcg(rows, first) }, nil
	case metric == MetricMAP:
		return q.averagePrecision, nil
	}
	return nil, invalid("%q is no metric of ranking", metric)
}

// ndcg of one query's first places.
func (q Queries) ndcg(rows []int, first int) float64 {
	byScore := slices.SortedStableFunc(slices.Values(rows), func(a, b int) int { return cmp.Compare(q.Score[b], q.Score[a]) })
	var gain, best accumulator
	for begin := 0; begin < len(byScore); {
		end, label, discount := begin, 0.0, 0.0
		for ; end < len(byScore) && q.Score[byScore[end]] == q.Score[byScore[begin]]; end++ {
			label += q.Label[byScore[end]]
			discount += discountAt(end, first)
		}
		gain.add(label / float64(end-begin) * discount)
		begin = end
	}
	labels := make([]float64, len(rows))
	for k, i := range rows {
		labels[k] = q.Label[i]
	}
	slices.SortFunc(labels, func(a, b float64) int { return cmp.Compare(b, a) })
	for place, label := range labels {
		best.add(label * discountAt(place, first))
	}
	return gain.total() / best.total()
}

// discountAt is the worth of a place, from 0.
func discountAt(place, first int) float64 {
	if place >= first {
		return 0
	}
	return 1 / math.Log2(float64(place+2))
}

func (q Queries) averagePrecision(rows []int) float64 {
	s := Sample{Label: make([]float64, len(rows)), Score: make([]float64, len(rows))}
	for k, i := range rows {
		s.Label[k], s.Score[k] = indicator(q.Label[i] > 0), q.Score[i]
	}
	return rank(s).averagePrecision(s.weight)
}

// Metric computes a metric by its name. Errors are faults of kind Invalid.
func (q Queries) Metric(metric string) (float64, error) {
	l, err := q.Linear(metric)
	return l.Value, err
}

// Measure computes a metric with Student's interval of a mean over queries:
// rows of a query are not independent of each other, queries are. Errors are
// faults of kind Invalid.
func (q Queries) Measure(metric string, confidence float64) (Estimate, error) {
	e := Estimate{Name: metric, Confidence: confidence, Method: ByStudent}
	if err := checkConfidence(confidence); err != nil {
		return e, err
	}
	l, err := q.Linear(metric)
	if err != nil {
		return e, err
	}
	queries := len(l.Influence)
	if queries < 2 {
		return e, invalid("the spread of %s cannot be told from one query", metric)
	}
	half := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(queries - 1)}.Quantile((1+confidence)/2) * math.Sqrt(l.Variance())
	e.Value, e.Low, e.High = l.Value, max(0, l.Value-half), min(1, l.Value+half)
	return e, nil
}
