package simulation

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

func parsed(t *testing.T, deployment string) rollout.Policy {
	t.Helper()
	p, err := policy("deployment: {" + deployment + "}")
	require.NoError(t, err)
	return p
}

func with(t *testing.T, traffic float64, effects ...string) Scene {
	t.Helper()
	s := Default(traffic)
	for _, e := range effects {
		require.NoError(t, s.Effect.Parse(e))
	}
	return s
}

func many(t *testing.T, s Scene, r Rule, runs int) Summary {
	t.Helper()
	m, err := Many(t.Context(), s, r, 1, runs)
	require.NoError(t, err)
	return m
}

// TestHeadline is the study in small: what STUDY.md claims, with fixed seeds.
func TestHeadline(t *testing.T) {
	study, err := NewStudy(1)
	require.NoError(t, err)
	study.Traffic = []float64{10, 100}
	study.Effects = []string{"error_rate=+0.02", "error_rate=+0.2", "slow_rate=+0.1", "accuracy=-0.2"}
	study.Good, study.Harder, study.Bad = 60, 4, 25
	rows := 0
	results, err := study.Play(t.Context(), func(Row) { rows++ })
	require.NoError(t, err)
	require.Equal(t, len(results.Good)+len(results.Broken), rows)
	for _, row := range results.Good[:2] {
		require.Equal(t, "a healthy champion", row.Scene)
		require.Equal(t, Share{Runs: 60, Rate: 1, Low: row.Rules[0].Promoted.Low, High: 1}, row.Rules[0].Promoted, "sequential at %v", row.Traffic)
	}
	for _, row := range results.Broken {
		require.Equal(t, 1.0, row.Rules[0].RolledBack.Rate, "%s at %v", row.Effect, row.Traffic)
		require.Contains(t, []int{0, 1, 2}, results.Least(row), "%s at %v: a rule that is not sequential serves less", row.Effect, row.Traffic)
		for i, s := range row.Rules[3:] {
			require.Less(t, row.Rules[0].Excess.Mean, s.Excess.Mean, "%s at %v: %s", row.Effect, row.Traffic, study.Rules[3+i].Name)
		}
	}
	text := results.Markdown()
	require.Contains(t, text, "| `error_rate=+0.02` | 10 |")
	require.Contains(t, text, "**")
}

// TestTheSameSeedGivesTheSameRun, on any number of cores; another gives another.
func TestTheSameSeedGivesTheSameRun(t *testing.T) {
	rules, err := Rules()
	require.NoError(t, err)
	s := with(t, 20, "error_rate=+0.01")
	for _, r := range rules {
		a, err := Play(s, r, 7, 3)
		require.NoError(t, err)
		b, err := Play(s, r, 7, 3)
		require.NoError(t, err)
		require.Equal(t, a, b, r.Name)
		c, err := Play(s, r, 8, 3)
		require.NoError(t, err)
		require.NotEqual(t, a.Requests, c.Requests, r.Name)
	}
}

func TestStops(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	_, err := Many(ctx, Default(1000), Kayenta(), 1, 1_000_000)
	require.ErrorIs(t, err, context.Canceled)
	study, err := NewStudy(1)
	require.NoError(t, err)
	_, err = study.Play(ctx, func(Row) {})
	require.ErrorIs(t, err, context.Canceled)
}

// TestWorldIsAsTheSceneSays: what is counted agrees with the scene's rates.
func TestWorldIsAsTheSceneSays(t *testing.T) {
	s := with(t, 500, "error_rate=+0.03", "latency=x1.5", "accuracy=-0.1", "slow_rate=+0.02")
	require.NoError(t, s.Check())
	w, err := newWorld(s, 1, 1)
	require.NoError(t, err)
	w.Serve(w.now.Add(2*time.Hour), 25, 75)
	var all cell
	for _, c := range w.cells {
		all.plus(c)
	}
	near := func(want, part, whole float64, what string) {
		require.InDelta(t, want, part/whole, 5*math.Sqrt(want*(1-want)/whole), what)
	}
	n, m := float64(all.candidate.requests), float64(all.champion.requests)
	require.InDelta(t, 500*7200, n+m, 5*math.Sqrt(500*7200))
	near(0.25, n, n+m, "share")
	near(0.032, float64(all.candidate.errors), n, "errors")
	near(0.002, float64(all.champion.errors), m, "the champion's errors")
	near(0.5, float64(all.candidate.labels), n, "labels")
	near(0.8, float64(all.candidate.correct), float64(all.candidate.labels), "accuracy")
	near(w.candidate.slow(s.SlowLimit), float64(all.candidate.slow), n, "slow")
	require.InDelta(t, 350, w.champion.quantile(0.99), 1e-6)
	require.InDelta(t, 0.01, Version{P99: 500 * time.Millisecond, Spread: 0.5}.tail(500*time.Millisecond), 1e-9)
	require.InDelta(t, n*(w.candidate.bad(s.SlowLimit)-w.champion.bad(s.SlowLimit)), w.excess, 1e-6)
}

// TestP99AgreesWithTheSlow: the 99th percentile is above the limit exactly when
// more than one request in a hundred is.
func TestP99AgreesWithTheSlow(t *testing.T) {
	random := newSource(1, 2)
	v := Version{P99: 480 * time.Millisecond, Spread: 0.5}
	const limit = 500 * time.Millisecond
	for range 20000 {
		n := 1 + random.Int64N(400)
		slow := random.binomial(n, v.slow(limit))
		require.Equal(t, float64(slow) > 0.01*float64(n), v.p99(random, n, slow, limit) > 500, "%d of %d", slow, n)
	}
}

func TestBinomial(t *testing.T) {
	random := newSource(3, 3)
	for _, c := range []struct {
		n int64
		p float64
	}{{10, 0.3}, {1000, 0.002}, {50000, 0.4}, {300, 0.97}, {5, 0}, {5, 1}, {0, 0.5}} {
		sum, squares := 0.0, 0.0
		const draws = 20000
		for range draws {
			x := float64(random.binomial(c.n, c.p))
			require.True(t, x >= 0 && x <= float64(c.n))
			sum, squares = sum+x, squares+x*x
		}
		mean, variance := float64(c.n)*c.p, float64(c.n)*c.p*(1-c.p)
		require.InDelta(t, mean, sum/draws, 5*math.Sqrt(variance/draws)+1e-12, "%+v", c)
		require.InDelta(t, variance, squares/draws-sum/draws*sum/draws, 0.08*variance+1e-9, "%+v", c)
	}
}

// TestEveryRuleEnds: over hard scenes, and Sluice's never after its deadline.
func TestEveryRuleEnds(t *testing.T) {
	rules, err := Rules()
	require.NoError(t, err)
	hard := map[string]func(*Scene){
		"hardly any traffic":     func(s *Scene) { s.Traffic = 0.001 },
		"no labels":              func(s *Scene) { s.LabelCoverage = 0 },
		"labels after a day":     func(s *Scene) { s.LabelDelay = 24 * time.Hour },
		"no metrics ever":        func(s *Scene) { s.Outage = Span{For: 1000 * time.Hour} },
		"metrics an hour late":   func(s *Scene) { s.MetricDelay = time.Hour },
		"everything fails":       func(s *Scene) { s.Effect.ErrorRate.Plus = 0.998 },
		"everything always does": func(s *Scene) { s.Champion.ErrorRate = 1 },
		"nights without traffic": func(s *Scene) { s.Diurnal = 1 },
	}
	for name, change := range hard {
		s := Default(5)
		change(&s)
		require.NoError(t, s.Check(), name)
		for _, r := range rules {
			run, err := Play(s, r, 1, 1)
			require.NoError(t, err, "%s, %s", name, r.Name)
			require.Contains(t, []string{Promoted, RolledBack, Expired}, run.How)
			require.LessOrEqual(t, run.Took, 4*time.Hour, "%s, %s", name, r.Name)
			if r.Name != "Kayenta" {
				require.LessOrEqual(t, run.Took, 2*time.Hour+time.Minute, "%s, %s", name, r.Name)
			}
		}
		if name == "no metrics ever" || name == "hardly any traffic" {
			require.Zero(t, many(t, s, rules[0], 5).RolledBack.Runs, "%s: nobody is blamed for what nobody saw", name)
		}
	}
}

// TestOutside: an outage and an incident of both versions do not make Sluice blame
// the candidate while there is a champion to compare it with.
func TestOutside(t *testing.T) {
	sequential := Sluice("", "", parsed(t, "analysis: {mode: sequential}"))
	s := Default(50)
	s.Incident = Incident{Span: Span{At: 10 * time.Minute, For: 15 * time.Minute}, ErrorRate: 0.2, SlowRate: 0.2}
	m := many(t, s, sequential, 40)
	require.Equal(t, 1.0, m.Promoted.Rate)
	require.Greater(t, m.Promote.Median, many(t, Default(50), sequential, 20).Promote.Median, "it holds meanwhile")
	s = Default(50)
	s.Outage = Span{At: 7 * time.Minute, For: 20 * time.Minute}
	require.Equal(t, 1.0, many(t, s, sequential, 20).Promoted.Rate)
	// And what breaks after an incident is still noticed.
	s = with(t, 50, "error_rate=+0.03")
	s.Incident = Incident{Span: Span{For: 2 * time.Minute}, ErrorRate: 0.3}
	require.Equal(t, 1.0, many(t, s, sequential, 20).RolledBack.Rate)
}

func TestFlaggerCounts(t *testing.T) {
	good := many(t, Default(100), Flagger(flaggerTutorial), 10)
	require.Equal(t, 1.0, good.Promoted.Rate)
	require.Equal(t, 300.0, good.Promote.Median, "five steps of a minute")
	dead := many(t, with(t, 100, "error_rate=+0.9"), Flagger(flaggerHowItWorks), 10)
	require.Equal(t, 1.0, dead.RolledBack.Rate)
	require.Equal(t, 660.0, dead.Detect.Median, "a minute to get traffic, then threshold times the interval")
	silent := Default(100)
	silent.Outage = Span{For: 10 * time.Hour}
	require.Equal(t, map[string]Share{noValues: {10, 1, dead.RolledBack.Low, 1}}, many(t, silent, Flagger(flaggerTutorial), 10).Measures)
}

func TestThreeStrikesCounts(t *testing.T) {
	p := parsed(t, "bake: 5m")
	require.Equal(t, 900.0, many(t, with(t, 100, "error_rate=+0.5"), ThreeStrikes(p), 5).Detect.Median, "three bakes")
	require.Equal(t, 3000.0, many(t, Default(1000), ThreeStrikes(p), 5).Promote.Median, "ten bakes")
}

func TestThin(t *testing.T) {
	sequential := parsed(t, "analysis: {mode: sequential, power: 0.95}")
	require.Empty(t, Thin(sequential, Default(100)))
	require.Empty(t, Thin(parsed(t, "bake: 5m"), Default(10)))
	require.Regexp(t, `^at 0\.5 requests/s the first step \(10 %\) needs \d+h\d+m of traffic, about \d+ of the candidate's labelled requests to judge accuracy_drop, and all steps .*; the deadline is 2h, so hardly any candidate can be promoted$`,
		Thin(sequential, Default(0.5)))
	require.Contains(t, Thin(parsed(t, "bake: 5m"), Default(0.01)), "at 0.01 requests/s the first step (10 %) needs")
	none := Default(100)
	none.LabelCoverage = 0
	require.Contains(t, Thin(sequential, none), "never gets")
	require.Equal(t, 0, many(t, none, Sluice("", "", sequential), 5).Promoted.Runs, "and so it is")
}

// TestThinIsRight: what is called too thin promotes hardly anybody, and what is
// not promotes most.
func TestThinIsRight(t *testing.T) {
	sequential := parsed(t, "analysis: {mode: sequential}")
	for _, traffic := range []float64{0.3, 3, 30} {
		promoted := many(t, Default(traffic), Sluice("", "", sequential), 40).Promoted.Rate
		if Thin(sequential, Default(traffic)) != "" {
			require.Less(t, promoted, 0.2, "%v requests/s", traffic)
		} else {
			require.Greater(t, promoted, 0.8, "%v requests/s", traffic)
		}
	}
}

func TestNeedsOfAPolicyWithoutAccuracy(t *testing.T) {
	p := parsed(t, "limits: {accuracy: 0}, analysis: {mode: sequential}")
	require.Len(t, p.Needs(10, trainconfig.Rates{ErrorRate: 0.002, SlowRate: 0.001}), 2)
}

func TestEffects(t *testing.T) {
	e := with(t, 1, "latency=+100ms", "error_rate=x3", "accuracy=-0.05", "slow_rate=+0.01").Effect
	require.Equal(t, "accuracy=-0.05 error_rate=x3 latency=+100ms slow_rate=+0.01", e.String())
	require.Equal(t, "none", Effect{}.String())
	require.True(t, Effect{}.None())
	v, err := e.On(Default(1).Champion)
	require.NoError(t, err)
	require.InDelta(t, 0.006, v.ErrorRate, 1e-12)
	require.Equal(t, 100*time.Millisecond, v.Shift)
	for text, want := range map[string]string{
		"error_rate":              `effect "error_rate": want NAME=CHANGE, e.g. error_rate=+0.02`,
		"errors=+0.1":             `effect "errors=+0.1": "errors" is none of accuracy, error_rate, latency, slow_rate`,
		"error_rate=0.02":         `effect "error_rate=0.02": 0.02 has no sign: write +0.02 for more than the champion, or x2 for twice as much`,
		"error_rate=+2%":          `effect "error_rate=+2%": +2% could be points or a share: write +0.02 for points, x1.02 for a share`,
		"error_rate=+2":           `effect "error_rate=+2": +2: want a share of requests from -1 to +1, e.g. +0.02`,
		"error_rate=+NaN":         `effect "error_rate=+NaN": +NaN: want a share of requests from -1 to +1, e.g. +0.02`,
		"error_rate=x0":           `effect "error_rate=x0": x0: want x and a factor above 0, at most 1000, e.g. x1.5`,
		"latency=+100":            `effect "latency=+100": +100: want a time with its unit, an hour at most, e.g. +100ms, or x1.5`,
		"slow_rate=x2":            `effect "slow_rate=x2": x2: the slow rate is added to what the champion's latency gives: want e.g. +0.01`,
		"accuracy=-0.05 and more": `effect "accuracy=-0.05 and more": -0.05 and more: want a share of requests from -1 to +1, e.g. +0.02`,
	} {
		require.EqualError(t, new(Effect).Parse(text), want)
	}
	twice := Effect{Accuracy: Change{Plus: -0.1}}
	require.EqualError(t, twice.Parse("accuracy=-0.2"), `effect "accuracy=-0.2": accuracy is given twice`)
}

func FuzzEffect(f *testing.F) {
	for _, seed := range []string{"error_rate=+0.02", "latency=x1.5", "latency=-1h", "accuracy=-1", "slow_rate=+1e-3", "=x1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var e, again Effect
		if e.Parse(text) != nil || e.None() {
			return
		}
		require.NoError(t, again.Parse(e.String()), "%q gave %q", text, e)
		require.Equal(t, e.String(), again.String())
		if v, err := e.On(Default(1).Champion); err == nil {
			bad := v.bad(500 * time.Millisecond)
			require.True(t, bad >= 0 && bad <= 1, "%q: %v", text, bad)
		}
	})
}

func TestScenesThatMakeNoSense(t *testing.T) {
	for want, change := range map[string]func(*Scene){
		"the traffic is 0 requests/s: want above 0, at most 100000":                       func(s *Scene) { s.Traffic = 0 },
		"the traffic is NaN requests/s: want above 0, at most 100000":                     func(s *Scene) { s.Traffic = math.NaN() },
		"the diurnal swing is 2: want 0 to 1":                                             func(s *Scene) { s.Diurnal = 2 },
		"the labels' coverage is -1: want 0 to 1":                                         func(s *Scene) { s.LabelCoverage = -1 },
		"the metrics' period is 0s: want a second or more":                                func(s *Scene) { s.Period = 0 },
		"the horizon is 0s: want a positive time":                                         func(s *Scene) { s.Horizon = 0 },
		"the limit of slow answers is 0s: want a positive time":                           func(s *Scene) { s.SlowLimit = 0 },
		"the incident adds 2 errors and 0 slow answers: want 0 to 1 each":                 func(s *Scene) { s.Incident.ErrorRate = 2 },
		"the champion: the accuracy is 1.5: want 0 to 1":                                  func(s *Scene) { s.Champion.Accuracy = 1.5 },
		"the champion: the p99 is 0s: want a positive time":                               func(s *Scene) { s.Champion.P99 = 0 },
		"the champion: the latency's spread is 0: want above 0":                           func(s *Scene) { s.Champion.Spread = 0 },
		"the candidate cannot be so: the accuracy is -0.1: want 0 to 1":                   func(s *Scene) { s.Effect.Accuracy.Plus = -1 },
		"the candidate cannot be so: the latency would be 400ms less than a p99 of 350ms": func(s *Scene) { s.Effect.Latency.Plus = -0.4 },
		"the candidate cannot be so: the error rate is 1.002: want 0 to 1":                func(s *Scene) { s.Effect.ErrorRate.Plus = 1 },
	} {
		s := Default(10)
		change(&s)
		require.EqualError(t, s.Check(), want)
		_, err := Many(t.Context(), s, ThreeStrikes(parsed(t, "bake: 5m")), 1, 1)
		require.EqualError(t, err, want)
	}
	s := Default(10)
	s.LabelDelay = -1
	require.ErrorContains(t, s.Check(), "want no negative time")
}
