package sequential

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBadInput(t *testing.T) {
	_, err := NewLimit(1)
	require.EqualError(t, err, "the limit of a rate is 1: want 0 to below 1")
	_, err = NewRates(-0.1, 0)
	require.EqualError(t, err, "the margin is -0.1: want 0 to below 1")
	_, err = NewRates(0, math.NaN())
	require.ErrorContains(t, err, "the guess of the champion's rate is NaN")
	_, err = NewHarmless(1, 0)
	require.EqualError(t, err, "the effect is 1: want above 0 and below 1")
	_, err = NewHarmless(0.1, 1)
	require.EqualError(t, err, "the guess of the champion's rate is 1: want 0 to below 1")
	require.EqualError(t, (&Harmless{Effect: 0.1}).Look(Pair{Candidate: Count{Bad: 2, All: 1}}), "the candidate's counts: 2 bad of 1: want 0 ≤ bad ≤ all")
	_, err = NewPaired(2)
	require.EqualError(t, err, "the margin is 2: want 0 to below 1")
	require.EqualError(t, new(Rates).Look(Pair{Candidate: Count{Bad: 2, All: 1}}), "the candidate's counts: 2 bad of 1: want 0 ≤ bad ≤ all")
	require.EqualError(t, new(Rates).Look(Pair{Champion: Count{Bad: -1, All: 1}}), "the champion's counts: -1 bad of 1: want 0 ≤ bad ≤ all")
	require.ErrorContains(t, new(Paired).Look(Outcomes{Same: -1}), "want no negative count")
	for _, d := range []Design{{}, {Champion: 0.5, Effect: 0.6, Share: 0.5, Alpha: 0.1, Power: 0.8}, {Champion: 0.1, Effect: 0.1, Share: 1, Alpha: 0.1, Power: 0.8}} {
		_, err := d.Floor()
		require.Error(t, err, "%+v", d)
		_, err = d.Clears()
		require.Error(t, err, "%+v", d)
	}
}

// TestRejectedLookChangesNothing: a look that is refused leaves the test as it was.
func TestRejectedLookChangesNothing(t *testing.T) {
	r := &Rates{}
	require.NoError(t, r.Look(Pair{Count{1, 10}, Count{1, 10}}))
	before := *r
	require.Error(t, r.Look(Pair{Count{1, 10}, Count{11, 10}}))
	require.Equal(t, before, *r)
}

// TestStateIsJSON: a test goes on in another process with the same numbers.
func TestStateIsJSON(t *testing.T) {
	here, there := &Rates{Margin: 0.01}, &Rates{}
	looks := []Pair{{Count{0, 10}, Count{1, 90}}, {Count{3, 10}, Count{0, 90}}, {Count{0, 0}, Count{1, 90}}, {Count{10, 10}, Count{1, 90}}}
	there.Margin = 0.01
	for _, look := range looks {
		require.NoError(t, here.Look(look))
		text, err := json.Marshal(there)
		require.NoError(t, err)
		there = &Rates{}
		require.NoError(t, json.Unmarshal(text, there))
		require.NoError(t, there.Look(look))
	}
	require.Equal(t, here, there)
}

// TestEvidenceStays: what was rejected once stays rejected.
func TestEvidenceStays(t *testing.T) {
	l := &Limit{Max: 0.01}
	require.NoError(t, l.Look(Count{20, 20}))
	require.True(t, l.Evidence.Against(0.01))
	require.NoError(t, l.Look(Count{0, 100000}))
	require.True(t, l.Evidence.Against(0.01))
	require.Negative(t, l.Evidence.Now)
	require.Less(t, l.Evidence.P(), 0.01)
}

func TestNothingSeen(t *testing.T) {
	low, high := Interval(Count{}, 0.05)
	require.Equal(t, [2]float64{0, 1}, [2]float64{low, high})
	low, high = new(Paired).Interval(0.05)
	require.Equal(t, [2]float64{-1, 1}, [2]float64{low, high})
	low, high = MeanInterval(3, 0, 1, 0.05)
	require.Equal(t, [2]float64{3, 3}, [2]float64{low, high})
}

func FuzzLooks(f *testing.F) {
	f.Add(int64(1), int64(10), int64(0), int64(100), 0.01)
	f.Add(int64(math.MaxInt64/4), int64(math.MaxInt64/4), int64(0), int64(1), 0.0)
	f.Fuzz(func(t *testing.T, a, n, b, m int64, margin float64) {
		const most = math.MaxInt64 / 8
		if n > most || m > most {
			return
		}
		r, err := NewRates(margin, 0)
		if err != nil {
			return
		}
		p, h := &Paired{Margin: margin}, &Harmless{Effect: max(margin, 1e-6)}
		for range 3 {
			look := Pair{Count{a, n}, Count{b, m}}
			if err := r.Look(look); err != nil {
				return
			}
			require.NoError(t, h.Look(look))
			require.False(t, math.IsNaN(h.Evidence.Now), "%+v", h)
			low, high := Difference(look, 0.01)
			require.False(t, math.IsNaN(r.Evidence.Now) || math.IsNaN(low) || math.IsNaN(high), "%+v", r)
			require.LessOrEqual(t, low, high)
			require.NoError(t, p.Look(Outcomes{a, b, n - a}))
			low, high = p.Interval(0.01)
			require.False(t, math.IsNaN(p.Evidence.Now) || low > high, "%+v: %v %v", p, low, high)
		}
	})
}

func BenchmarkRatesLook(b *testing.B) {
	r := &Rates{Margin: 0.01, Seen: Pair{Count{1000, 100000}, Count{9000, 900000}}}
	for range b.N {
		_ = r.Look(Pair{Count{10, 1000}, Count{90, 9000}})
	}
}
