package evaluation

import (
	"fmt"
	"strconv"
	"testing"
)

// TestAScoreOnAnEdgeIsInTheBinAbove: k/n as written in decimals is the lower edge
// of bin k, whatever k/n times n is rounded to.
func TestAScoreOnAnEdgeIsInTheBinAbove(t *testing.T) {
	for _, bins := range []int{10, 20, 50, 100, 1000} {
		for k := range bins + 1 {
			v, err := strconv.ParseFloat(fmt.Sprintf("%.6f", float64(k)/float64(bins)), 64)
			if err != nil {
				t.Fatal(err)
			}
			if got := widthBin(v, bins); got != min(k, bins-1) {
				t.Errorf("%v of %d bins is in %d", v, bins, got)
			}
		}
	}
}
