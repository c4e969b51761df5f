package report

import (
	"math"
	"slices"

	"github.com/sluice-ml/sluice/shared/evaluation"
)

// mostPoints is how many points of a curve are drawn: more than a page can show.
const mostPoints = 160

// cut is what a threshold makes of the rows: of those with at least this score.
type cut struct {
	threshold float64
	tp, fp    int
}

// cuts are all thresholds, the highest first, from none predicted positive to
// all, thinned to about mostPoints that are evenly far apart on the ROC curve.
func cuts(label, score []float64) (all []cut, positives, negatives int) {
	order := make([]int, len(score))
	for i := range order {
		order[i] = i
		if label[i] == 1 {
			positives++
		} else {
			negatives++
		}
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case score[a] > score[b]:
			return -1
		case score[a] < score[b]:
			return 1
		}
		return 0
	})
	now := cut{threshold: math.Inf(1)}
	all = append(all, now)
	step := float64(positives+negatives) / mostPoints
	for k, i := range order {
		if label[i] == 1 {
			now.tp++
		} else {
			now.fp++
		}
		if k+1 < len(order) && score[order[k+1]] == score[i] {
			continue
		}
		now.threshold = score[i]
		last := all[len(all)-1]
		moved := float64(now.tp-last.tp)/math.Max(1, float64(positives)) + float64(now.fp-last.fp)/math.Max(1, float64(negatives))
		if moved*float64(positives+negatives)/2 >= step || k+1 == len(order) {
			all = append(all, now)
		}
	}
	return all, positives, negatives
}

// curve is a line with a region around each point.
type curve struct {
	x, y           []float64
	upperX, upperY []float64
	lowerX, lowerY []float64
}

// side is the confidence of one of two intervals that hold together.
func side(confidence float64) float64 { return math.Sqrt(confidence) }

// roc is the ROC curve. The region around a point is where the false and true
// positive rate at its threshold lie together with the confidence: the rectangle
// of two Wilson intervals, which are of different rows and so independent.
func roc(all []cut, positives, negatives int, confidence float64) curve {
	var c curve
	for _, t := range all {
		c.x = append(c.x, ratio(t.fp, negatives))
		c.y = append(c.y, ratio(t.tp, positives))
		fpLow, fpHigh, err1 := evaluation.Wilson(t.fp, negatives, side(confidence))
		tpLow, tpHigh, err2 := evaluation.Wilson(t.tp, positives, side(confidence))
		if err1 != nil || err2 != nil {
			continue
		}
		c.upperX, c.upperY = append(c.upperX, fpLow), append(c.upperY, tpHigh)
		c.lowerX, c.lowerY = append(c.lowerX, fpHigh), append(c.lowerY, tpLow)
	}
	return c
}

// precisionRecall is the curve of precision over recall, in the same way. It
// begins where something is predicted positive.
func precisionRecall(all []cut, positives int, confidence float64) curve {
	var c curve
	for _, t := range all {
		if t.tp+t.fp == 0 {
			continue
		}
		c.x = append(c.x, ratio(t.tp, positives))
		c.y = append(c.y, ratio(t.tp, t.tp+t.fp))
		rLow, rHigh, err1 := evaluation.Wilson(t.tp, positives, side(confidence))
		pLow, pHigh, err2 := evaluation.Wilson(t.tp, t.tp+t.fp, side(confidence))
		if err1 != nil || err2 != nil {
			continue
		}
		c.upperX, c.upperY = append(c.upperX, rHigh), append(c.upperY, pHigh)
		c.lowerX, c.lowerY = append(c.lowerX, rLow), append(c.lowerY, pLow)
	}
	return c
}

func ratio(k, n int) float64 {
	if n == 0 {
		return math.NaN()
	}
	return float64(k) / float64(n)
}

// histogram is the share of each class's rows in each of bins of equal width.
func histogram(label, score []float64, bins int) (positive, negative []float64) {
	positive, negative = make([]float64, bins), make([]float64, bins)
	p, n := 0.0, 0.0
	for i, s := range score {
		k := min(bins-1, max(0, int(s*float64(bins))))
		if label[i] == 1 {
			positive[k]++
			p++
		} else {
			negative[k]++
			n++
		}
	}
	for k := range bins {
		positive[k] /= math.Max(1, p)
		negative[k] /= math.Max(1, n)
	}
	return positive, negative
}

// usable says whether binary measures can be taken of the scores.
func (s *Scores) usable() bool {
	if s == nil || len(s.Score) == 0 || s.sample().Check() != nil {
		return false
	}
	for _, v := range s.Score {
		if v < 0 || v > 1 {
			return false
		}
	}
	positives, negatives := s.sample().Totals()
	return positives > 0 && negatives > 0
}

func (s *Scores) sample() evaluation.Sample {
	return evaluation.Sample{Label: s.Label, Score: s.Score, Weight: s.Weight}
}

func (s *Scores) champions() evaluation.Sample {
	return evaluation.Sample{Label: s.Label, Score: s.Champion, Weight: s.Weight}
}

// compared says whether the champion scored the same rows.
func (s *Scores) compared() bool {
	return len(s.Champion) == len(s.Score) && s.champions().Check() == nil
}

// counted says what the areas count and the curves do not.
func (s *Scores) counted() string {
	if s.Weight == nil {
		return ""
	}
	return " The area is by the rows’ weights; the curve counts each row once."
}
