package split_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/split"
)

type golden struct {
	Time []struct {
		At    []int64
		K     int
		Gap   int
		Folds []struct{ Train, Test []int }
	}
	Group []struct {
		Group []string
		K     int
		Held  []int
	}
}

// readGolden is what scikit-learn dealt: scripts/golden/splits.py.
func readGolden(t *testing.T) (g golden) {
	data, err := os.ReadFile("testdata/sklearn.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &g))
	require.NotEmpty(t, g.Time)
	require.NotEmpty(t, g.Group)
	return g
}

func TestForwardIsTimeSeriesSplit(t *testing.T) {
	for _, c := range readGolden(t).Time {
		folds, err := split.Times{At: c.At}.Forward(c.K, split.Spacing{Rows: c.Gap})
		require.NoError(t, err)
		for fold, want := range c.Folds {
			learns, held := folds.Of(fold)
			require.Equal(t, want.Train, learns, "n %d k %d gap %d fold %d", len(c.At), c.K, c.Gap, fold)
			require.Equal(t, want.Test, held, "n %d k %d gap %d fold %d", len(c.At), c.K, c.Gap, fold)
		}
	}
}

func TestGroupFoldsAreGroupKFold(t *testing.T) {
	for _, c := range readGolden(t).Group {
		folds, err := split.GroupFolds(3, c.K, c.Group)
		require.NoError(t, err)
		require.Equal(t, c.Held, folds.Held)
	}
}

// TestNoGroupIsOnTwoSidesNorInTwoFolds is a property of any groups, sizes,
// shares and seeds; and a group stays where it is as others come.
func TestNoGroupIsOnTwoSidesNorInTwoFolds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		groups := make([]string, 1+random.IntN(400))
		for i := range groups {
			groups[i] = fmt.Sprint("customer ", random.IntN(1+round))
		}
		s := split.Splitter{Seed: random.Int64(), Train: random.Float64(), Validation: random.Float64() / 2}
		side := map[string]split.Side{}
		for _, g := range groups {
			got := s.GroupSide(g)
			before, seen := side[g]
			require.True(t, !seen || before == got)
			side[g] = got
		}
		k := 2 + random.IntN(6)
		folds, err := split.GroupFolds(s.Seed, k, groups)
		if len(side) < k {
			require.ErrorContains(t, err, "want at least one each")
			continue
		}
		require.NoError(t, err)
		fold := map[string]int{}
		for i, g := range groups {
			before, seen := fold[g]
			require.True(t, !seen || before == folds.Held[i])
			fold[g] = folds.Held[i]
		}
		for f := range k {
			require.Contains(t, folds.Held, f)
			learns, held := folds.Of(f)
			require.Len(t, groups, len(learns)+len(held))
		}
	}
}

func TestGroupSidesHaveTheirShares(t *testing.T) {
	s := split.Splitter{Seed: 4, Train: 0.7, Validation: 0.1}
	counts := map[split.Side]float64{}
	for i := range 20000 {
		counts[s.GroupSide(fmt.Sprint(i))]++
	}
	require.InDelta(t, 0.7, counts[split.Train]/20000, 0.01)
	require.InDelta(t, 0.1, counts[split.Validation]/20000, 0.01)
}

// TestThePastNeverSeesTheFuture is a property of any times (many of them
// equal), shares and gaps: sides and folds are in order, and further apart than
// the gap.
func TestThePastNeverSeesTheFuture(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	whole := 0
	for range 500 {
		times := split.Times{At: make([]int64, 5+random.IntN(300)), Dates: true}
		for i := range times.At {
			times.At[i] = random.Int64N(1 + random.Int64N(100))
		}
		gap := split.Spacing{Rows: random.IntN(10)}
		if random.IntN(2) == 0 {
			gap = split.Spacing{Duration: time.Duration(random.IntN(10))}
		}
		cuts := times.CutsAt(0.3+random.Float64()/3, random.Float64()/4)
		if sides, err := times.Sides(cuts, gap); err == nil {
			whole++
			ordered(t, times, sides, split.Train, split.Validation, gap)
			ordered(t, times, sides, split.Train, split.Test, gap)
			ordered(t, times, sides, split.Validation, split.Test, gap)
		}
		k := 2 + random.IntN(5)
		folds, err := times.Forward(k, gap)
		if err != nil {
			require.ErrorContains(t, err, "fold")
			continue
		}
		for fold := range k {
			learns, held := folds.Of(fold)
			sides := make([]split.Side, len(times.At))
			for i := range sides {
				sides[i] = split.Gap
			}
			for _, i := range learns {
				sides[i] = split.Train
			}
			for _, i := range held {
				sides[i] = split.Test
			}
			ordered(t, times, sides, split.Train, split.Test, gap)
		}
	}
	require.Greater(t, whole, 100)
}

func ordered(t *testing.T, times split.Times, sides []split.Side, early, late split.Side, gap split.Spacing) {
	t.Helper()
	var before, after []int64
	for i, side := range sides {
		switch side {
		case early:
			before = append(before, times.At[i])
		case late:
			after = append(after, times.At[i])
		}
	}
	if len(before) == 0 || len(after) == 0 {
		return
	}
	last, first := slices.Max(before), slices.Min(after)
	require.Less(t, last, first)
	require.Less(t, last, first-int64(gap.Duration))
	if gap.Rows > 0 {
		between := 0
		for _, at := range times.At {
			if at >= last && at < first {
				between++
			}
		}
		require.Greater(t, between, gap.Rows, "the last row learnt from, and the gap")
	}
}

func TestSidesAtGivenTimes(t *testing.T) {
	at := func(text string) int64 {
		v, ok := split.ParseDate(text)
		require.True(t, ok, text)
		return v
	}
	times := split.Times{Dates: true}
	for _, day := range []string{"2026-01-31T23:59:59+00:00", "2026-02-01", "2026-01-02 03:04:05.5", "2026-03-01T00:00", "2026-02-28"} {
		times.At = append(times.At, at(day))
	}
	cuts := split.Cuts{Validation: at("2026-02-01"), Test: at("2026-03-01")}
	sides, err := times.Sides(cuts, split.Spacing{})
	require.NoError(t, err)
	require.Equal(t, []split.Side{split.Train, split.Validation, split.Train, split.Test, split.Validation}, sides)
	sides, err = times.Sides(cuts, split.Spacing{Duration: 24 * time.Hour})
	require.NoError(t, err)
	require.Equal(t, []split.Side{split.Gap, split.Validation, split.Train, split.Test, split.Gap}, sides)
	_, err = times.Sides(cuts, split.Spacing{Rows: 2})
	require.ErrorContains(t, err, "no row is left for the train side: validation begins at 2026-02-01T00:00:00Z and test at 2026-03-01T00:00:00Z, and the gap is 2 rows")
	_, err = times.Sides(split.Cuts{Validation: at("2027-01-01"), Test: at("2027-01-01")}, split.Spacing{})
	require.ErrorContains(t, err, "no row is left for the test side")
}

func TestForwardRefuses(t *testing.T) {
	_, err := split.Times{At: []int64{1, 2}}.Forward(2, split.Spacing{})
	require.ErrorContains(t, err, "2 folds of 2 rows")
	_, err = split.Times{At: []int64{1, 1, 1, 1, 1, 1, 1}}.Forward(2, split.Spacing{})
	require.ErrorContains(t, err, "there are too few different times")
	_, err = split.Times{At: []int64{1, 2, 3, 4, 5, 6}}.Forward(2, split.Spacing{Rows: 2})
	require.ErrorContains(t, err, "or the gap is too long")
	_, err = split.GroupFolds(1, 1, nil)
	require.ErrorContains(t, err, "1 folds")
}

func TestNumbersAreTimesInTheirOrder(t *testing.T) {
	values := []float64{-1e300, -2, -1, -0.5, 0, 0.5, 1, 2, 1e300}
	for i, v := range values {
		require.Equal(t, fmt.Sprint(v), split.Times{}.Text(split.NumberTime(v)))
		if i > 0 {
			require.Less(t, split.NumberTime(values[i-1]), split.NumberTime(v))
		}
	}
	negativeZero := 0.0
	negativeZero = -negativeZero
	require.Equal(t, split.NumberTime(0), split.NumberTime(negativeZero))
}

func FuzzParseDate(f *testing.F) {
	for _, text := range []string{"2026-01-31", "2026-01-31T12:00:00Z", "0000-00-00", "9999-12-31", "1677-01-01 00:00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, ok := split.ParseDate(text)
		if !ok {
			return
		}
		again, ok := split.ParseDate(split.Times{Dates: true}.Text(at))
		if !ok || again != at {
			t.Errorf("%q is %d, and its text %d", text, at, again)
		}
	})
}
