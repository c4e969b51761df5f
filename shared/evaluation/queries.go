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
	// Weight is how much each row's query counts, 0 or more, so that rows of one
	// query weigh the same; nil: each 1.
	Weight []float64
}

// Metrics of ranking, as configurations write them; ndcg@10 looks at the first
// ten rows of each query, and so does map@10.
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
			return invalid("row %d: the label %v is no relevance, a number of 0 or more", i+1, q.Label[i])
		}
		if !finite(q.Score[i]) {
			return invalid("row %d: the score %v is not finite", i+1, q.Score[i])
		}
	}
	if err := checkWeights(q.Weight, n); err != nil {
		return err
	}
	return q.checkQueryWeights()
}

// checkQueryWeights: a metric of ranking is of whole queries, so what weighs is
// the query.
func (q Queries) checkQueryWeights() error {
	first := map[string]int{}
	for i := range q.Weight {
		at, known := first[q.Query[i]]
		if !known {
			first[q.Query[i]] = i
		} else if q.Weight[i] != q.Weight[at] {
			return invalid("rows %d and %d of query %q weigh %v and %v: rows of one query weigh the same", at, i, q.Query[i], q.Weight[at], q.Weight[i])
		}
	}
	return nil
}

// Judged gives the rows of each query that tells anything about an order, in the
// order in which the queries first come: with two rows at least, one of which is
// relevant, and a weight above 0. out counts the others.
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
		return len(rows) < 2 || weights(q.Weight).of(rows[0]) == 0 || !slices.ContainsFunc(rows, func(i int) bool { return q.Label[i] > 0 })
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
// relevant. map@k looks at the first k places of each query: the sum of the
// precisions at the relevant ones, over k or the relevant rows of the query,
// whichever are fewer, as in XGBoost. Rows of equal score count as in the mean of
// all their orders (McSherry and Najork 2008); map takes them at once, as
// scikit-learn does, so the two differ where scores tie.
//
// Of weighted queries it is their weighted mean.
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
	values, first := make([]float64, len(queries)), make([]int, len(queries))
	for k, rows := range queries {
		values[k], first[k] = of(rows), rows[0]
	}
	return weights(weights(q.Weight).take(first)).mean(metric, values), nil
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
	case name == MetricMAP:
		return func(rows []int) float64 { return q.averagePrecisionAt(rows, first) }, nil
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

// averagePrecisionAt of one query's first places. Of n rows of equal score from
// place b on (from 0), r of which are relevant, the place i holds a relevant row
// in r/n of the orders, and then (i−b)(r−1)/(n−1) of those between b and i are so
// in the mean.
func (q Queries) averagePrecisionAt(rows []int, first int) float64 {
	byScore := slices.SortedStableFunc(slices.Values(rows), func(a, b int) int { return cmp.Compare(q.Score[b], q.Score[a]) })
	var sum accumulator
	before := 0.0 // relevant rows above the run
	for begin := 0; begin < len(byScore); {
		end, relevant := begin, 0.0
		for ; end < len(byScore) && q.Score[byScore[end]] == q.Score[byScore[begin]]; end++ {
			relevant += indicator(q.Label[byScore[end]] > 0)
		}
		n := float64(end - begin)
		for place := begin; place < min(end, first); place++ {
			between := 0.0
			if n > 1 {
				between = float64(place-begin) * (relevant - 1) / (n - 1)
			}
			sum.add(relevant / n * (before + 1 + between) / float64(place+1))
		}
		before += relevant
		begin = end
	}
	return sum.total() / min(before, float64(first))
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
