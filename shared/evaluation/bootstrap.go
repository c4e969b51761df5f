package evaluation

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
)

// Resampling is how a bootstrap draws.
type Resampling struct {
	Draws int
	Seed  int64 // equal seeds give equal intervals, on any number of cores
	whole bool  // rows are drawn from all, so that the share of positives varies too
}

// falling is the sample in falling order of score, so that a statistic that goes
// through the thresholds of every draw goes through memory in order too. What
// Check refuses stays as it is.
func (s Sample) falling() Sample {
	if s.Check() != nil {
		return s
	}
	return s.Take(argsort(s.Score, true))
}

func (r Resampling) check(confidence float64) error {
	if r.Draws < 100 || r.Draws > 1_000_000 {
		return invalid("%d draws; want 100 to a million", r.Draws)
	}
	return checkConfidence(confidence)
}

// Bootstrap is the percentile interval of a metric (Efron 1979), rows drawn
// within each class, so every draw has both (stratified). A weighted row keeps
// its weight each time it is drawn. Draws in which the metric is not defined are
// errors.
func Bootstrap(metric string, s Sample, confidence float64, r Resampling) (low, high float64, err error) {
	s = s.falling()
	of, err := statistic(metric, s)
	if err != nil {
		return 0, 0, err
	}
	values, err := r.draw(s, confidence, of)
	if err != nil {
		return 0, 0, err
	}
	low, high = percentiles(values, confidence)
	return low, high, nil
}

// BootstrapDifference is the percentile interval of a metric of a less that of
// b, which score the same rows: each draw takes the same rows of both. p is the
// two-sided p-value of no difference, twice the smaller share of draws on one
// side of it, and at least 2 / (draws + 1).
func BootstrapDifference(metric string, a, b Sample, confidence float64, r Resampling) (low, high, p float64, err error) {
	if !slices.Equal(a.Label, b.Label) {
		return 0, 0, 0, invalid("the two samples are not of the same rows")
	}
	if err := a.Check(); err != nil {
		return 0, 0, 0, err
	}
	if err := b.Check(); err != nil {
		return 0, 0, 0, err
	}
	rows := argsort(a.Score, true)
	a, b = a.Take(rows), b.Take(rows)
	ofA, err := statistic(metric, a)
	if err != nil {
		return 0, 0, 0, err
	}
	ofB, err := statistic(metric, b)
	if err != nil {
		return 0, 0, 0, err
	}
	values, err := r.draw(a, confidence, func(w func(int) float64) (float64, error) {
		va, err := ofA(w)
		if err != nil {
			return 0, err
		}
		vb, err := ofB(w)
		return va - vb, err
	})
	if err != nil {
		return 0, 0, 0, err
	}
	low, high = percentiles(values, confidence)
	return low, high, beyondZero(values), nil
}

func beyondZero(values []float64) float64 {
	var under, over float64
	for _, v := range values {
		if v <= 0 {
			under++
		}
		if v >= 0 {
			over++
		}
	}
	return min(1, 2*(min(under, over)+1)/(float64(len(values))+1))
}

// draw gives the sorted values of a statistic over resampled rows. Draws have a
// generator each, so they may be shared among the cores.
func (r Resampling) draw(s Sample, confidence float64, of func(func(int) float64) (float64, error)) ([]float64, error) {
	if err := r.check(confidence); err != nil {
		return nil, err
	}
	var classes [2][]int
	for i, label := range s.Label {
		class := int(label)
		if r.whole {
			class = 0
		}
		classes[class] = append(classes[class], i)
	}
	values, errs := make([]float64, r.Draws), make([]error, r.Draws)
	var all sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		all.Go(func() {
			times := make([]uint16, len(s.Label))
			weight := func(i int) float64 { return float64(times[i]) }
			if s.Weight != nil {
				weight = func(i int) float64 { return float64(times[i]) * s.Weight[i] }
			}
			for d := w; d < r.Draws; d += workers {
				r.resample(d, classes, times)
				values[d], errs[d] = of(weight)
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(values)
	return values, nil
}

// resample counts how often each row is drawn.
func (r Resampling) resample(d int, classes [2][]int, times []uint16) {
	random := rand.New(rand.NewPCG(uint64(r.Seed), 0x736c75696365<<16+uint64(d))) // "sluice"
	clear(times)
	for _, class := range classes {
		for range class {
			times[class[random.IntN(len(class))]]++
		}
	}
}

func percentiles(sorted []float64, confidence float64) (low, high float64) {
	tail := (1 - confidence) / 2
	return order(sorted, tail), order(sorted, 1-tail)
}

// order interpolates an order statistic as numpy.quantile does by default.
func order(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := min(int(math.Floor(at)), len(sorted)-1)
	j := min(i+1, len(sorted)-1)
	return sorted[i] + (at-float64(i))*(sorted[j]-sorted[i])
}
