package evaluation

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// quantile is z such that a normal variable lies within ±z with the confidence.
func quantile(confidence float64) float64 { return math.Sqrt2 * math.Erfinv(confidence) }

func checkShare(k, n, confidence float64) error {
	if !(n > 0) || !(k >= 0) || !(k <= n) || math.IsInf(n, 0) {
		return invalid("%v of %v is no share", k, n)
	}
	return checkConfidence(confidence)
}

func checkConfidence(confidence float64) error {
	if !(confidence > 0 && confidence < 1) {
		return invalid("the confidence %v is not between 0 and 1", confidence)
	}
	return nil
}

// Wilson is the score interval of a share k of n (Wilson 1927). The error is a
// fault of kind Invalid when there is no share.
func Wilson(k, n int, confidence float64) (low, high float64, err error) {
	if n < 1 {
		return 0, 0, invalid("%d of %d is no share", k, n)
	}
	return wilson(float64(k), float64(n), confidence)
}

// wilson also takes effective numbers of weighted rows.
func wilson(k, n, confidence float64) (low, high float64, err error) {
	if err := checkShare(k, n, confidence); err != nil {
		return 0, 0, err
	}
	z, p := quantile(confidence), k/n
	centre := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	low, high = max(0, centre-half), min(1, centre+half)
	if k == 0 {
		low = 0
	}
	if k == n {
		high = 1
	}
	return low, high, nil
}

// Exact is the interval of Clopper and Pearson (1934), which never covers less
// often than it says.
func Exact(k, n int, confidence float64) (low, high float64, err error) {
	if n < 1 {
		return 0, 0, invalid("%d of %d is no share", k, n)
	}
	return exact(float64(k), float64(n), confidence)
}

func exact(k, n, confidence float64) (low, high float64, err error) {
	if err := checkShare(k, n, confidence); err != nil {
		return 0, 0, err
	}
	tail := (1 - confidence) / 2
	low, high = 0, 1
	if k > 0 {
		low = mathext.InvRegIncBeta(k, n-k+1, tail)
	}
	if k < n {
		high = mathext.InvRegIncBeta(k+1, n-k, 1-tail)
	}
	return low, high, nil
}

// Shared lowers the error of one interval so that all of count intervals hold
// together with the confidence (Bonferroni).
func Shared(confidence float64, count int) float64 {
	return 1 - (1-confidence)/float64(max(1, count))
}
