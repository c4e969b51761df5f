package gbdt

import (
	"fmt"
	"math"
	"slices"
)

// link is how an objective's predictions relate to its margins.
type link int

const (
	identity      link = iota // the margin itself
	logistic                  // a probability
	logLink                   // e to the margin
	logLinkDouble             // the same, through float64
	hinge                     // 0 or 1
	softprob                  // one probability per class
	softmax                   // the likeliest class
)

// linkOf is the link of an objective by XGBoost's name for it.
func linkOf(objective string) (link, error) {
	switch objective {
	case "binary:logistic", "reg:logistic":
		return logistic, nil
	case "reg:squarederror", "reg:linear", "binary:logitraw", "reg:squaredlogerror", "reg:pseudohubererror",
		"reg:absoluteerror", "reg:quantileerror", "rank:pairwise", "rank:ndcg", "rank:map":
		return identity, nil
	case "binary:hinge":
		return hinge, nil
	case "count:poisson", "reg:gamma", "reg:tweedie", "survival:cox":
		return logLink, nil
	case "survival:aft":
		return logLinkDouble, nil
	case "multi:softprob":
		return softprob, nil
	case "multi:softmax":
		return softmax, nil
	}
	return 0, fmt.Errorf("objective %q is not supported", clip(objective))
}

// transform turns one row's margins into predictions in place.
func (l link) transform(row []float32) {
	switch l {
	case identity:
	case softprob:
		normalize(row)
	case softmax:
		row[0] = argmax(row)
	default:
		for i, v := range row {
			row[i] = l.one(v)
		}
	}
}

func (l link) one(v float32) float32 {
	switch l {
	case logistic:
		return sigmoid(v)
	case logLink:
		return expf(v)
	case logLinkDouble:
		return float32(math.Exp(float64(v)))
	case hinge:
		return step(v)
	}
	return v
}

// margin turns a base score, which the file keeps as a prediction, into a
// margin.
func (l link) margin(score float32) (float32, error) {
	switch {
	case score != score:
		return 0, fmt.Errorf("base_score is not a number")
	case l == logistic && !(score > 0 && score < 1):
		return 0, fmt.Errorf("base_score is %v: want a probability strictly between 0 and 1", score)
	case l == logistic:
		return -logf(1/score - 1), nil
	case l == logLink, l == logLinkDouble:
		return logf(score), nil
	}
	return score, nil
}

// sigmoid is 1/(1+e^-x). Like XGBoost's it stops at -x = 88.7, just short of
// where e^-x overflows.
func sigmoid(x float32) float32 {
	return 1 / (expf(min(-x, 88.7)) + 1)
}

func step(x float32) float32 {
	if x > 0 {
		return 1
	}
	return 0
}

// normalize is the softmax function. It sums in float64 and divides in
// float32, as XGBoost does.
func normalize(row []float32) {
	largest := slices.Max(row)
	var sum float64
	for i, v := range row {
		row[i] = expf(v - largest)
		sum += float64(row[i])
	}
	for i := range row {
		row[i] /= float32(sum)
	}
}

// argmax is the index of the first greatest margin.
func argmax(row []float32) float32 {
	best := 0
	for i, v := range row {
		if v > row[best] {
			best = i
		}
	}
	return float32(best)
}
