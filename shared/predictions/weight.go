package predictions

import (
	"fmt"
	"math"
)

// checkWeight checks how much rows count, where it is not each 1.
func (s Set) checkWeight(n int) error {
	if s.Weight == nil {
		return nil
	}
	if len(s.Weight) != n {
		return fmt.Errorf("%d weights for %d rows are not aligned", len(s.Weight), n)
	}
	sum := 0.0
	for i, w := range s.Weight {
		if !(w >= 0) || math.IsInf(w, 0) {
			return fmt.Errorf("row %d (%s): the weight %v is not a number from 0 up", i+1, s.RowID[i], w)
		}
		sum += w
	}
	if sum == 0 {
		return fmt.Errorf("every row has the weight 0")
	}
	return nil
}
