package evaluation

import "math"

// Confusion counts rows by label and prediction; with weights, sums them.
type Confusion struct {
	TP float64 `json:"tp"`
	FP float64 `json:"fp"`
	TN float64 `json:"tn"`
	FN float64 `json:"fn"`
}

// Confuse counts at a threshold: a row whose score is at least the threshold is
// predicted positive. Errors are faults of kind Invalid.
func Confuse(s Sample, threshold float64) (Confusion, error) {
	if err := s.Check(); err != nil {
		return Confusion{}, err
	}
	if !finite(threshold) {
		return Confusion{}, invalid("the threshold %v is not finite", threshold)
	}
	return confuse(s, threshold, s.weight), nil
}

func confuse(s Sample, threshold float64, weight func(int) float64) Confusion {
	var c Confusion
	for i, label := range s.Label {
		w := weight(i)
		switch predicted := s.Score[i] >= threshold; {
		case predicted && label == 1:
			c.TP += w
		case predicted:
			c.FP += w
		case label == 1:
			c.FN += w
		default:
			c.TN += w
		}
	}
	return c
}

func share(what string, part, whole float64) (float64, error) {
	if !(whole > 0) {
		return 0, invalid("%s is not defined: no row to take it over", what)
	}
	return part / whole, nil
}

// Precision is TP / (TP + FP); an error when nothing is predicted positive.
func (c Confusion) Precision() (float64, error) { return share("precision", c.TP, c.TP+c.FP) }

// Recall is TP / (TP + FN), the true positive rate; an error without positives.
func (c Confusion) Recall() (float64, error) { return share("recall", c.TP, c.TP+c.FN) }

// FalsePositiveRate is FP / (FP + TN); an error without negatives.
func (c Confusion) FalsePositiveRate() (float64, error) {
	return share("false positive rate", c.FP, c.FP+c.TN)
}

// F1 is 2 TP / (2 TP + FP + FN); an error when there are neither positives nor
// positive predictions.
func (c Confusion) F1() (float64, error) { return share("f1_score", 2*c.TP, 2*c.TP+c.FP+c.FN) }

// Accuracy is the share of right predictions.
func (c Confusion) Accuracy() (float64, error) {
	return share("accuracy", c.TP+c.TN, c.TP+c.TN+c.FP+c.FN)
}

// SelectionRate is the share predicted positive.
func (c Confusion) SelectionRate() (float64, error) {
	return share("selection rate", c.TP+c.FP, c.TP+c.TN+c.FP+c.FN)
}

// probabilities checks that scores can be read as probabilities.
func (s Sample) probabilities() error {
	if err := s.Check(); err != nil {
		return err
	}
	for i, v := range s.Score {
		if v < 0 || v > 1 {
			return invalid("row %d: the score %v is not a probability from 0 to 1", i+1, v)
		}
	}
	if p, n := s.Totals(); !(p+n > 0) || !finite(p+n) {
		return invalid("the weights sum to %v", p+n)
	}
	return nil
}

// LogLoss is the mean of −ln of the probability given to the true class. As in
// scikit-learn, probabilities are kept 2⁻⁵² away from 0 and 1.
func LogLoss(s Sample) (float64, error) { return mean(s, logLoss) }

// Brier is the mean squared difference of probability and label (Brier 1950).
func Brier(s Sample) (float64, error) { return mean(s, brier) }

func logLoss(label, p float64) float64 {
	const epsilon = 0x1p-52
	p = min(max(p, epsilon), 1-epsilon)
	if label == 1 {
		return -math.Log(p)
	}
	return -math.Log(1 - p)
}

func brier(label, p float64) float64 { return (p - label) * (p - label) }

func mean(s Sample, loss func(label, p float64) float64) (float64, error) {
	if err := s.probabilities(); err != nil {
		return 0, err
	}
	return weightedMean(s, s.weight, loss), nil
}

func weightedMean(s Sample, weight func(int) float64, loss func(label, p float64) float64) float64 {
	var sum, total float64
	for i, label := range s.Label {
		w := weight(i)
		sum += w * loss(label, s.Score[i])
		total += w
	}
	return sum / total
}
