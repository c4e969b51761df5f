package sequential

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// draw counts n requests that are bad with chance p, by skipping from one bad
// request to the next.
func draw(random *rand.Rand, n int64, p float64) Count {
	c := Count{All: n}
	if p <= 0 {
		return c
	}
	for at := int64(0); ; c.Bad++ {
		skip := math.Log(1-random.Float64()) / math.Log1p(-p)
		if at += int64(min(skip, 1e15)) + 1; at > n {
			return c
		}
	}
}

// within fails when hits of n are more than chance allows at rate most: four
// standard errors.
func within(t *testing.T, hits, n int, most float64, what string) {
	t.Helper()
	rate := float64(hits) / float64(n)
	t.Logf("%s: %.4f of %d, at most %v", what, rate, n, most)
	require.LessOrEqual(t, rate, most+4*math.Sqrt(most*(1-most)/float64(n)), what)
}

const games = 1500

// TestFalseAlarms: under the null, looked at after every batch, no test alarms
// more often than its α. Batches and shares of the traffic vary.
func TestFalseAlarms(t *testing.T) {
	const alpha, looks = 0.05, 40
	for _, p := range []float64{0.0005, 0.01, 0.3} {
		for _, margin := range []float64{0, 0.02} {
			random := rand.New(rand.NewPCG(uint64(p*1e6), uint64(margin*1e6)))
			var limits, rates, intervals int
			for range games {
				l, r := &Limit{Max: p}, &Rates{Margin: margin}
				missed := false
				for range looks {
					n := int64(random.IntN(400))
					share := 0.05 + 0.9*random.Float64()
					a := draw(random, int64(share*float64(n)), p+margin)
					b := draw(random, int64((1-share)*float64(n)), p)
					require.NoError(t, l.Look(b))
					require.NoError(t, r.Look(Pair{Candidate: a, Champion: b}))
					low, high := Interval(l.Seen, alpha)
					missed = missed || p < low || p > high
				}
				limits += one(l.Evidence.Against(alpha))
				rates += one(r.Evidence.Against(alpha))
				intervals += one(missed)
			}
			within(t, limits, games, alpha, "Limit")
			within(t, rates, games, alpha, "Rates")
			within(t, intervals, games, alpha, "Interval")
		}
	}
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// TestFalseAlarmsPaired: the same for answers to the same requests.
func TestFalseAlarmsPaired(t *testing.T) {
	const alpha = 0.05
	for _, margin := range []float64{0, 0.03} {
		random := rand.New(rand.NewPCG(7, uint64(margin*1e6)))
		alarms, missed := 0, 0
		for range games {
			p, outside := &Paired{Margin: margin}, false
			for look := range 40 {
				worse := draw(random, 50, 0.05+margin)
				better := draw(random, 50-worse.Bad, 0.05/(1-0.05-margin))
				require.NoError(t, p.Look(Outcomes{worse.Bad, better.Bad, 50 - worse.Bad - better.Bad}))
				if look%8 == 0 { // inverting the test takes most of the time
					low, high := p.Interval(alpha)
					outside = outside || margin < low || margin > high
				}
			}
			alarms += one(p.Evidence.Against(alpha))
			missed += one(outside)
		}
		within(t, alarms, games, alpha, "Paired")
		within(t, missed, games, alpha, "Paired.Interval")
	}
}

// TestHarmlessLetsFewThrough: a candidate with the very effect is cleared no more
// often than stated, whatever the looks; one like the champion is, and long before
// the floor.
func TestHarmlessLetsFewThrough(t *testing.T) {
	const missed = 0.2
	for _, p := range []float64{0.002, 0.1} {
		for _, effect := range []float64{0.035, 0.2} {
			random := rand.New(rand.NewPCG(uint64(p*1e6), uint64(effect*1e6)))
			through, cleared := 0, 0
			d := Design{Champion: p, Effect: effect, Share: 0.1, Alpha: 0.002, Power: 1 - missed}
			clears, err := d.Clears()
			require.NoError(t, err)
			floor, err := d.Floor()
			require.NoError(t, err)
			require.Less(t, clears, floor)
			for range games {
				bad, good := &Harmless{Effect: effect}, &Harmless{Effect: effect}
				for range 40 {
					n := int64(random.IntN(100))
					champion := draw(random, 9*n, p)
					require.NoError(t, bad.Look(Pair{Candidate: draw(random, n, p+effect), Champion: champion}))
					if good.Seen.Candidate.All < 2*clears+100 {
						require.NoError(t, good.Look(Pair{Candidate: draw(random, n, p), Champion: champion}))
					}
				}
				through += one(bad.Evidence.Against(missed))
				cleared += one(good.Evidence.Against(missed))
			}
			within(t, through, games, missed, "let through")
			require.Greater(t, float64(cleared)/games, 0.75, "champion %v, effect %v: cleared with %d requests", p, effect, 2*clears)
		}
	}
}

// TestRuinIsNotTheEnd: after a look that both versions suffered in alike, and a
// bad guess, a test still notices.
func TestRuinIsNotTheEnd(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	look := func(candidate, champion float64) Pair {
		return Pair{Candidate: draw(random, 1000, candidate), Champion: draw(random, 9000, champion)}
	}
	r := &Rates{Margin: 0.005}
	require.NoError(t, r.Look(look(0.002, 0.002)))
	require.NoError(t, r.Look(look(0.3, 0.3)))
	for range 5 {
		require.NoError(t, r.Look(look(0.002, 0.002)))
	}
	require.False(t, r.Evidence.Against(0.01))
	looks := 0
	for ; !r.Evidence.Against(0.01); looks++ {
		require.Less(t, looks, 10, "%+v", r)
		require.NoError(t, r.Look(look(0.1, 0.002)))
	}
}

// TestFloorHasThePower: with as many requests as Floor says, the effect is
// noticed about as often as wanted.
func TestFloorHasThePower(t *testing.T) {
	for _, d := range []Design{
		{Champion: 0.01, Effect: 0.04, Share: 0.1, Alpha: 0.01, Power: 0.8},
		{Champion: 0.01, Effect: 0.01, Share: 0.5, Alpha: 0.01, Power: 0.9},
		{Champion: 0.001, Effect: 0.05, Share: 0.05, Alpha: 0.005, Power: 0.8},
		{Champion: 0.2, Effect: 0.1, Margin: 0.02, Share: 0.3, Alpha: 0.01, Power: 0.9},
	} {
		floor, err := d.Floor()
		require.NoError(t, err)
		const looks = 20
		random := rand.New(rand.NewPCG(uint64(floor), 1))
		noticed := 0
		for range games {
			r := &Rates{Margin: d.Margin, Guess: d.Champion}
			for i := range int64(looks) {
				n := floor*(i+1)/looks - floor*i/looks
				all := float64(n) / d.Share
				require.NoError(t, r.Look(Pair{Candidate: draw(random, n, d.Champion+d.Margin+d.Effect),
					Champion: draw(random, int64(all*(1-d.Share)), d.Champion)}))
			}
			noticed += one(r.Evidence.Against(d.Alpha))
		}
		power := float64(noticed) / games
		t.Logf("%+v: floor %d, power %.3f", d, floor, power)
		require.GreaterOrEqual(t, power, d.Power-0.06, "%+v", d)
	}
}

func TestMeanIntervalCovers(t *testing.T) {
	const alpha = 0.05
	random := rand.New(rand.NewPCG(3, 3))
	missed := 0
	for range games {
		var n, sum, squares float64
		outside := false
		for range 40 {
			for range 100 {
				x := random.ExpFloat64()
				n, sum, squares = n+1, sum+x, squares+x*x
			}
			mean := sum / n
			low, high := MeanInterval(mean, math.Sqrt((squares/n-mean*mean)/n), 0.05, alpha)
			outside = outside || low > 1 || high < 1
		}
		missed += one(outside)
	}
	within(t, missed, games, alpha, "MeanInterval")
}

// TestDifferenceHoldsTheDifference at every look together.
func TestDifferenceHoldsTheDifference(t *testing.T) {
	const alpha = 0.05
	random := rand.New(rand.NewPCG(9, 9))
	missed := 0
	for range games {
		var seen Pair
		outside := false
		for range 30 {
			seen = seen.Plus(Pair{draw(random, 20, 0.04), draw(random, 180, 0.01)})
			low, high := Difference(seen, alpha)
			outside = outside || low > 0.03 || high < 0.03
		}
		missed += one(outside)
	}
	within(t, missed, games, alpha, "Difference")
}
