package sequential

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// golden is what scripts/golden/sequential.py made.
type golden struct {
	Limit []struct {
		Max      float64
		Looks    [][2]int64
		Evidence []float64
	}
	Rates []struct {
		Margin, Guess float64
		Looks         [][2][2]int64
		Evidence      []float64
	}
	Harmless []struct {
		Effect, Guess float64
		Looks         [][2][2]int64
		Evidence      []float64
	}
	Interval []struct {
		Bad, All int64
		Alpha    float64
		Interval [2]float64
	}
	Paired []struct {
		Margin        float64
		OnlyCandidate int64 `json:"only_candidate"`
		OnlyChampion  int64 `json:"only_champion"`
		Same          int64
		Evidence      float64
	}
}

func count(pair [2]int64) Count { return Count{Bad: pair[0], All: pair[1]} }

func TestGolden(t *testing.T) {
	text, err := os.ReadFile("testdata/golden.json")
	require.NoError(t, err)
	var g golden
	require.NoError(t, json.Unmarshal(text, &g))
	require.NotEmpty(t, g.Limit)
	require.NotEmpty(t, g.Rates)
	require.NotEmpty(t, g.Interval)
	require.NotEmpty(t, g.Paired)
	for _, c := range g.Limit {
		l, err := NewLimit(c.Max)
		require.NoError(t, err)
		for i, look := range c.Looks {
			require.NoError(t, l.Look(count(look)))
			require.InDelta(t, c.Evidence[i], l.Evidence.Now, 1e-7, "limit %v, look %d", c.Max, i)
		}
	}
	for _, c := range g.Rates {
		r, err := NewRates(c.Margin, c.Guess)
		require.NoError(t, err)
		for i, look := range c.Looks {
			require.NoError(t, r.Look(Pair{Candidate: count(look[0]), Champion: count(look[1])}))
			require.InDelta(t, c.Evidence[i], r.Evidence.Now, 1e-5, "margin %v, look %d", c.Margin, i) // the minimiser's tolerance
		}
	}
	require.NotEmpty(t, g.Harmless)
	for _, c := range g.Harmless {
		h, err := NewHarmless(c.Effect, c.Guess)
		require.NoError(t, err)
		for i, look := range c.Looks {
			require.NoError(t, h.Look(Pair{Candidate: count(look[0]), Champion: count(look[1])}))
			require.InDelta(t, c.Evidence[i], h.Evidence.Now, 1e-5, "effect %v, look %d", c.Effect, i)
		}
	}
	for _, c := range g.Interval {
		low, high := Interval(Count{c.Bad, c.All}, c.Alpha)
		require.InDelta(t, c.Interval[0], low, 1e-9, "%d of %d", c.Bad, c.All)
		require.InDelta(t, c.Interval[1], high, 1e-9, "%d of %d", c.Bad, c.All)
	}
	for _, c := range g.Paired {
		p, err := NewPaired(c.Margin)
		require.NoError(t, err)
		require.NoError(t, p.Look(Outcomes{c.OnlyCandidate, c.OnlyChampion, c.Same}))
		require.InDelta(t, c.Evidence, p.Evidence.Now, 1e-9, "%+v", c)
	}
}
