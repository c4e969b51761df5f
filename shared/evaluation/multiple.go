package evaluation

import (
	"cmp"
	"slices"
)

// Holm adjusts p-values so that comparing each with α keeps the chance of any
// false alarm at α (Holm 1979). NaN and values outside 0…1 are errors.
func Holm(p []float64) ([]float64, error) {
	order, err := rising(p)
	if err != nil {
		return nil, err
	}
	out, greatest := make([]float64, len(p)), 0.0
	for k, i := range order {
		greatest = max(greatest, min(1, p[i]*float64(len(p)-k)))
		out[i] = greatest
	}
	return out, nil
}

// BenjaminiHochberg adjusts p-values so that comparing each with α keeps the
// expected share of false alarms among the alarms at α (1995).
func BenjaminiHochberg(p []float64) ([]float64, error) {
	order, err := rising(p)
	if err != nil {
		return nil, err
	}
	out, least := make([]float64, len(p)), 1.0
	for k := len(order) - 1; k >= 0; k-- {
		i := order[k]
		least = min(least, p[i]*float64(len(p))/float64(k+1))
		out[i] = least
	}
	return out, nil
}

func rising(p []float64) ([]int, error) {
	order := make([]int, len(p))
	for i, v := range p {
		if !(v >= 0 && v <= 1) {
			return nil, invalid("p-value %d is %v", i, v)
		}
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	return order, nil
}
