package evaluation

import "math"

// ROCAUC is the area under the ROC curve: the chance that a positive row scores
// above a negative one, ties counting half (Hanley and McNeil 1982). Errors are
// faults of kind Invalid.
func ROCAUC(s Sample) (float64, error) {
	if err := s.twoClasses(); err != nil {
		return 0, err
	}
	if s.Weight == nil {
		sums, rows, _ := countPairs(s.Label, s.Score)
		return float64(sums[positive].sum) / (2 * float64(rows[positive]) * float64(rows[negative])), nil
	}
	return rank(s).auc(s.weight), nil
}

func (r ranking) auc(weight func(int) float64) float64 {
	var area, tp, fp float64
	r.each(weight, func(_, t, f float64) {
		area += (f - fp) * (t + tp) / 2
		tp, fp = t, f
	})
	return area / (tp * fp)
}

// PartialAUC is the area up to the false positive rate maxFPR, scaled so that
// chance gives 0.5 and a perfect model 1 (McClish 1989), as scikit-learn's
// roc_auc_score(max_fpr=…).
func PartialAUC(s Sample, maxFPR float64) (float64, error) {
	of, err := partialAUC(s, maxFPR)
	if err != nil {
		return 0, err
	}
	return of(s.weight)
}

func partialAUC(s Sample, maxFPR float64) (func(weight func(int) float64) (float64, error), error) {
	if !(maxFPR > 0 && maxFPR <= 1) {
		return nil, invalid("a greatest false positive rate of %v is not above 0 and at most 1", maxFPR)
	}
	if err := s.twoClasses(); err != nil {
		return nil, err
	}
	r := rank(s)
	return func(w func(int) float64) (float64, error) {
		if maxFPR == 1 {
			return r.auc(w), nil
		}
		return r.partialAUC(w, maxFPR), nil
	}, nil
}

// partialAUC sums trapezoids in counts, and cuts the one that maxFPR is in.
func (r ranking) partialAUC(weight func(int) float64, maxFPR float64) float64 {
	var positives, negatives, area, tp, fp float64
	r.each(weight, func(_, t, f float64) { positives, negatives = t, f })
	end := maxFPR * negatives
	r.each(weight, func(_, t, f float64) {
		if fp < end && f > fp {
			if f > end {
				t, f = tp+(t-tp)*(end-fp)/(f-fp), end
			}
			area += (f - fp) * (t + tp) / 2
		}
		tp, fp = t, f
	})
	area /= positives * negatives
	least := maxFPR * maxFPR / 2
	return (1 + (area-least)/(maxFPR-least)) / 2
}

// AveragePrecision is the step sum Σ (Rᵢ − Rᵢ₋₁) Pᵢ over falling thresholds,
// called pr_auc in configurations.
func AveragePrecision(s Sample) (float64, error) {
	if err := s.twoClasses(); err != nil {
		return 0, err
	}
	return rank(s).averagePrecision(s.weight), nil
}

func (r ranking) averagePrecision(weight func(int) float64) float64 {
	var sum, before float64
	r.each(weight, func(_, tp, fp float64) {
		if tp > before {
			sum += (tp - before) * tp / (tp + fp)
		}
		before = tp
	})
	return sum / before
}

// Curve is points of a curve with the threshold at each.
type Curve struct {
	X, Y      []float64
	Threshold []float64 // +Inf at a ROC curve's first point
}

// ROC is the false positive rate (X) and true positive rate (Y) from (0, 0) to
// (1, 1), without the points that lie on a straight line between others: the
// area stays as it is.
func ROC(s Sample) (Curve, error) {
	if err := s.twoClasses(); err != nil {
		return Curve{}, err
	}
	positives, negatives := s.Totals()
	c := Curve{X: []float64{0}, Y: []float64{0}, Threshold: []float64{math.Inf(1)}}
	rank(s).each(s.weight, func(score, tp, fp float64) {
		c.X, c.Y, c.Threshold = append(c.X, fp), append(c.Y, tp), append(c.Threshold, score)
	})
	c = c.withoutCollinear()
	for i := range c.X {
		c.X[i] /= negatives
		c.Y[i] /= positives
	}
	return c, nil
}

func (c Curve) withoutCollinear() Curve {
	out := Curve{}
	for i := range c.X {
		n := len(out.X)
		if n >= 2 && i > 0 && collinear(out.X[n-2], out.Y[n-2], out.X[n-1], out.Y[n-1], c.X[i], c.Y[i]) {
			out.X[n-1], out.Y[n-1], out.Threshold[n-1] = c.X[i], c.Y[i], c.Threshold[i]
			continue
		}
		out.X, out.Y, out.Threshold = append(out.X, c.X[i]), append(out.Y, c.Y[i]), append(out.Threshold, c.Threshold[i])
	}
	return out
}

func collinear(x0, y0, x1, y1, x2, y2 float64) bool {
	return (x1-x0)*(y2-y0) == (x2-x0)*(y1-y0)
}

// PrecisionRecall is recall (X, rising) and precision (Y) at every threshold,
// without the thresholds at which recall does not rise, and with only the last
// of several of one precision: the step sum of AveragePrecision stays as it is.
func PrecisionRecall(s Sample) (Curve, error) {
	if err := s.twoClasses(); err != nil {
		return Curve{}, err
	}
	positives, _ := s.Totals()
	var c Curve
	before := 0.0
	rank(s).each(s.weight, func(score, tp, fp float64) {
		if tp > before {
			c.step(tp/positives, tp/(tp+fp), score)
		}
		before = tp
	})
	return c, nil
}

// step adds a point of a step curve.
func (c *Curve) step(x, y, threshold float64) {
	if n := len(c.X); n > 0 && c.Y[n-1] == y {
		c.X[n-1], c.Threshold[n-1] = x, threshold
		return
	}
	c.X, c.Y, c.Threshold = append(c.X, x), append(c.Y, y), append(c.Threshold, threshold)
}
