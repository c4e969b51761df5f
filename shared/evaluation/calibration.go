package evaluation

import (
	"math"
	"math/rand/v2"
)

// CalibrationBin is the rows of one bin of scores.
type CalibrationBin struct {
	Low    float64 `json:"low"`    // the least score in it
	High   float64 `json:"high"`   // the greatest
	Weight float64 `json:"weight"` // of its rows; 0 is an empty bin
	Score  float64 `json:"score"`  // mean
	Label  float64 `json:"label"`  // share of positives
}

// CalibrationError is the expected calibration error with bins of equal width:
// the mean over rows of |mean score − share of positives| of the row's bin
// (Naeini, Cooper and Hauskrecht 2015). The bins part [0, 1] evenly; a score on
// an edge is in the upper bin, and 1 in the last. Bins without rows are given,
// with weight 0.
func CalibrationError(s Sample, bins int) (float64, []CalibrationBin, error) {
	if err := s.binnable(bins); err != nil {
		return 0, nil, err
	}
	return calibrate(s, equalWidth(s, bins), bins, s.weight)
}

// CalibrationErrorByMass is the same with bins of equal mass, which no single
// score's crowd dominates and none is empty of: rows in rising order of score
// are cut into bins of as equal weight as can be. Row i, with the weight W of
// rows before its score's run and the total T, is in bin ⌊bins · W / T⌋, so
// equal scores are never parted; bins that no run begins in are left out.
func CalibrationErrorByMass(s Sample, bins int) (float64, []CalibrationBin, error) {
	if err := s.binnable(bins); err != nil {
		return 0, nil, err
	}
	sum, all, err := calibrate(s, equalMass(s, bins), bins, s.weight)
	kept := all[:0]
	for _, b := range all {
		if b.Weight > 0 {
			kept = append(kept, b)
		}
	}
	return sum, kept, err
}

// MeasureCalibration is a calibration error with its interval, by bins of equal
// mass or of equal width. Noise alone makes the error of a finite sample greater
// than the truth, and that of a resample greater still; so the interval is the
// basic bootstrap's, which turns the draws over at the value: 2·value − draws.
// Rows are drawn from all, not within each class: the share of positives in a bin
// is what calibration is about, and drawn within classes it would hardly vary.
// Where a calibrated model would show as great an error, the low end is 0.
func MeasureCalibration(s Sample, bins int, byMass bool, confidence float64, r Resampling) (Estimate, error) {
	e := Estimate{Name: MetricCalibration, Confidence: confidence, Method: ByBasicBootstrap}
	bin := equalWidth
	if byMass {
		e.Name, bin = MetricCalibrationByMass, equalMass
	}
	if err := s.binnable(bins); err != nil {
		return e, err
	}
	s = s.falling()
	which := bin(s, bins)
	of := func(w func(int) float64) (float64, error) {
		v, _, err := calibrate(s, which, bins, w)
		return v, err
	}
	var err error
	if e.Value, err = of(s.weight); err != nil {
		return e, err
	}
	r.whole = true
	values, err := r.draw(s, confidence, of)
	if err != nil {
		return e, err
	}
	low, high := percentiles(values, confidence)
	e.Low, e.High = max(0, 2*e.Value-high), min(1, max(0, 2*e.Value-low))
	if r.consistent(s, which, bins, e.Value, (1-confidence)/2) {
		e.Low = 0
	}
	return e, nil
}

// nullDraws are enough to tell a chance of 2.5 % from one of 5 %.
const nullDraws = 400

// consistent says whether labels drawn from the scores themselves, as those of a
// calibrated model are, show an error as great as value in more than a share tail
// of the draws (Bröcker and Smith 2007): then nothing speaks against 0.
func (r Resampling) consistent(s Sample, which []int, bins int, value, tail float64) bool {
	random := rand.New(rand.NewPCG(uint64(r.Seed), 0x63616c6962)) // "calib"
	drawn := Sample{Label: make([]float64, len(s.Label)), Score: s.Score, Weight: s.Weight}
	draws, asGreat := min(r.Draws, nullDraws), 0.0
	for range draws {
		for i, p := range s.Score {
			drawn.Label[i] = 0
			if random.Float64() < p {
				drawn.Label[i] = 1
			}
		}
		if v, _, _ := calibrate(drawn, which, bins, drawn.weight); v >= value {
			asGreat++
		}
		if (asGreat+1)/(float64(draws)+1) > tail {
			return true // whatever the rest shows
		}
	}
	return false
}

func (s Sample) binnable(bins int) error {
	if bins < 1 {
		return invalid("%d calibration bins; want 1 or more", bins)
	}
	return s.probabilities()
}

func equalWidth(s Sample, bins int) []int {
	which := make([]int, len(s.Score))
	for i, v := range s.Score {
		which[i] = widthBin(v, bins)
	}
	return which
}

// widthBin is the bin k of a score, k/bins ≤ score < (k+1)/bins, and the last one's
// of 1. The product is rounded (0.29 · 100 is below 29), so the edges decide.
func widthBin(score float64, bins int) int {
	k := min(bins-1, int(score*float64(bins)))
	switch n := float64(bins); {
	case k+1 < bins && score >= float64(k+1)/n:
		return k + 1
	case k > 0 && score < float64(k)/n:
		return k - 1
	}
	return k
}

func equalMass(s Sample, bins int) []int {
	p, n := s.Totals()
	which, order := make([]int, len(s.Score)), argsort(s.Score, false)
	before := 0.0
	for begin := 0; begin < len(order); {
		end, here := begin, 0.0
		for ; end < len(order) && s.Score[order[end]] == s.Score[order[begin]]; end++ {
			here += s.weight(order[end])
		}
		bin := min(bins-1, int(float64(bins)*before/(p+n)))
		for _, i := range order[begin:end] {
			which[i] = bin
		}
		before += here
		begin = end
	}
	return which
}

func calibrate(s Sample, which []int, bins int, weight func(int) float64) (float64, []CalibrationBin, error) {
	out, total := make([]CalibrationBin, bins), 0.0
	for i, label := range s.Label {
		w := weight(i)
		if w == 0 {
			continue
		}
		b := &out[which[i]]
		if b.Weight == 0 {
			b.Low, b.High = s.Score[i], s.Score[i]
		}
		b.Low, b.High = min(b.Low, s.Score[i]), max(b.High, s.Score[i])
		b.Weight, b.Score, b.Label, total = b.Weight+w, b.Score+w*s.Score[i], b.Label+w*label, total+w
	}
	sum := 0.0
	for i := range out {
		if b := &out[i]; b.Weight > 0 {
			sum += math.Abs(b.Score - b.Label)
			b.Score, b.Label = b.Score/b.Weight, b.Label/b.Weight
		}
	}
	return sum / total, out, nil
}
