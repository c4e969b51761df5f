package simulation

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"
)

// TestMannWhitneyGolden: what R's wilcox.test gives (scripts/golden/mann_whitney.R).
func TestMannWhitneyGolden(t *testing.T) {
	text, err := os.ReadFile("testdata/mann_whitney.json")
	require.NoError(t, err)
	var golden struct {
		Cases []struct {
			Level, U, P, Low, Estimate, High float64
			X, Y                             []float64
		}
	}
	require.NoError(t, json.Unmarshal(text, &golden))
	require.NotEmpty(t, golden.Cases)
	for i, c := range golden.Cases {
		shift, err := shiftOf(c.X, c.Y, c.Level)
		require.NoError(t, err)
		require.InDelta(t, c.Low, shift.low, 1e-7, "case %d, low", i)
		if s := sorted(c.X, c.Y); s.standard(shift.estimate, false) != 0 || s.standard(c.Estimate, false) != 0 {
			// Where the rank sum is 0 over a stretch, R's solver stops somewhere in it.
			require.InDelta(t, c.Estimate, shift.estimate, 1e-7, "case %d, estimate", i)
		}
		require.InDelta(t, c.High, shift.high, 1e-7, "case %d, high", i)
		s := sorted(c.X, c.Y)
		u, _ := s.count(0)
		require.InDelta(t, c.U, u, 1e-9, "case %d, U", i)
		p := 2 * distuv.UnitNormal.Survival(math.Abs(s.standard(0, true)))
		require.InDelta(t, c.P, p, 1e-9, "case %d, p", i)
	}
}

func TestMannWhitneyTied(t *testing.T) {
	_, err := shiftOf([]float64{2, 2}, []float64{1, 1, 1}, 0.98)
	require.ErrorIs(t, err, errTied)
}

func TestKayentaPasses(t *testing.T) {
	many := func(value func(i int) float64) (points []float64) {
		for i := range 60 {
			points = append(points, value(i))
		}
		return points
	}
	flat := func(v float64) []float64 { return many(func(int) float64 { return v }) }
	noisy := func(v float64) []float64 { return many(func(i int) float64 { return v + float64(i*37%60)/60 }) }
	for _, c := range []struct {
		name             string
		canary, baseline []float64
		pass, data       bool
	}{
		{"nothing", nil, flat(1), false, false},
		{"the same", noisy(3), noisy(3), true, true},
		{"two constants, worse", flat(2), flat(1), false, true},
		{"two constants, better", flat(1), flat(2), true, true},
		{"much worse", noisy(9), noisy(3), false, true},
		{"much better", noisy(3), noisy(9), true, true},
		{"hardly worse", noisy(3.02), noisy(3), true, true},
	} {
		pass, data := kayentaPasses(c.canary, c.baseline)
		require.Equal(t, [2]bool{c.pass, c.data}, [2]bool{pass, data}, c.name)
	}
}
