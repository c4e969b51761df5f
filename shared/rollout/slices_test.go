package rollout

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// watching is a policy of limits that watches slices by sex.
func watching(change ...func(*Slices)) Policy {
	p := policy()
	p.Slices = Slices{By: []trainconfig.Slice{{By: []string{"sex"}}}, SliceHealth: trainconfig.SliceHealth{MaxDrop: 0.05, MinLabels: 50, OnUnknown: "hold"}}
	for _, f := range change {
		f(&p.Slices)
	}
	return p
}

func part(name string, candidate, champion [2]int64) Part {
	return Part{name, Tally{candidate[1], candidate[1], candidate[0]}, Tally{champion[1], champion[1], champion[0]}}
}

func looked(parts ...Part) Measurements {
	v := variant(1000, 0, 100, 1000, 900)
	return Measurements{Candidate: v, Champion: &v, Slices: parts}
}

func TestSlicesByTheLimits(t *testing.T) {
	floor := func(s *Slices) { s.Accuracy = 0.8 }
	good, worse := [2]int64{900, 1000}, [2]int64{700, 1000}
	for name, test := range map[string]struct {
		policy  Policy
		parts   []Part
		verdict string
		shared  bool
		reason  string
	}{
		"no slices":           {policy(), nil, Pass, false, ""},
		"healthy":             {watching(floor), []Part{part("sex=F", good, good), part("sex=M", good, good)}, Pass, false, ""},
		"one drops":           {watching(), []Part{part("sex=F", worse, good), part("sex=M", good, good)}, Fail, false, "slice sex=F: accuracy 0.7 is 0.2 below the champion's 0.9"},
		"both drop":           {watching(floor), []Part{part("sex=F", worse, worse), part("sex=M", good, good)}, Insufficient, true, "slice sex=F: accuracy 0.7 (p "},
		"the candidate more":  {watching(floor), []Part{part("sex=F", [2]int64{500, 1000}, worse)}, Fail, false, "slice sex=F: accuracy 0.5 is 0.2 below the champion's 0.7"},
		"below the limit":     {watching(floor), []Part{part("sex=F", [2]int64{760, 1000}, [2]int64{810, 1000})}, Fail, false, "slice sex=F: accuracy 0.76"},
		"a small drop":        {watching(), []Part{part("sex=F", [2]int64{860, 1000}, good)}, Pass, false, ""},
		"not certainly":       {watching(), []Part{part("sex=F", [2]int64{41, 50}, [2]int64{45, 50})}, Pass, false, ""},
		"too few":             {watching(), []Part{part("sex=F", [2]int64{1, 49}, good), part("sex=M", good, good)}, Insufficient, false, "slice sex=F is not known: 49 labels of the candidate's 49 answers, 50 are needed"},
		"champion too few":    {watching(), []Part{part("sex=F", good, [2]int64{1, 49})}, Insufficient, false, "49 labels of the champion's"},
		"low, champion few":   {watching(floor, func(s *Slices) { s.OnUnknown = "tell" }), []Part{part("sex=F", [2]int64{0, 60}, [2]int64{9, 9})}, Fail, false, "slice sex=F: accuracy 0 (p "},
		"low, champion none":  {watching(floor), []Part{part("sex=F", [2]int64{0, 60}, [2]int64{}), part("sex=M", good, good)}, Fail, false, "slice sex=F: accuracy 0 (p "},
		"low, both few":       {watching(floor), []Part{part("sex=F", [2]int64{0, 40}, [2]int64{0, 40})}, Insufficient, false, "are needed"},
		"too few, only told":  {watching(func(s *Slices) { s.OnUnknown = "tell" }), []Part{part("sex=F", [2]int64{1, 49}, good), part("sex=M", good, good)}, Pass, false, ""},
		"nothing seen":        {watching(), nil, Insufficient, false, "slice is not known: no part of evaluation.slices was seen"},
		"unknown beside drop": {watching(), []Part{part("sex=F", worse, good), part("sex=X", [2]int64{1, 2}, good)}, Fail, false, "sex=F"},
	} {
		t.Run(name, func(t *testing.T) {
			j := Judge(test.policy, looked(test.parts...))
			require.Equal(t, test.verdict, j.Verdict, j.Reason)
			require.Equal(t, test.shared, j.Shared)
			require.Contains(t, j.Reason, test.reason)
		})
	}
	require.Equal(t, Pass, Judge(watching(), Measurements{Candidate: variant(1000, 0, 100, 1000, 900)}).Verdict, "a first release has nobody to be compared with")
}

// The adjusted decisions and the p-values are statsmodels';
// scripts/golden/rollout_slices.py made them.
func TestHolmOverSlicesIsStatsmodels(t *testing.T) {
	body, err := os.ReadFile("testdata/slices.json")
	require.NoError(t, err)
	var golden struct {
		Families []struct {
			Margin float64
			Parts  []struct {
				Candidate, Champion [2]int64
				P                   float64
				Rejected            bool
			}
		}
	}
	require.NoError(t, json.Unmarshal(body, &golden))
	require.NotEmpty(t, golden.Families)
	rejected := 0
	for _, family := range golden.Families {
		s := watching(func(s *Slices) { s.MaxDrop = family.Margin }).Slices
		var parts []Part
		for _, p := range family.Parts {
			parts = append(parts, part("x", p.Candidate, p.Champion))
		}
		for i, f := range s.drops(parts) {
			want := family.Parts[i]
			if want.P < 0.5 { // above, the drop is within the margin: certainly no breach
				require.InDelta(t, want.P, f.P, 1e-9, "%+v", want)
			}
			require.Equal(t, want.Rejected, f.Verdict == Fail, "%+v: %+v", want, f)
			if want.Rejected {
				rejected++
			}
		}
	}
	require.Positive(t, rejected)
}

// Without Holm, twenty healthy parts would fail far more often than they may.
func TestHealthySlicesSeldomFail(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	draw := func(n int, p float64) [2]int64 {
		hits := int64(0)
		for range n {
			if random.Float64() < p {
				hits++
			}
		}
		return [2]int64{hits, int64(n)}
	}
	const runs = 2000
	failed := 0
	p := watching(func(s *Slices) { s.MaxDrop = 0 })
	for range runs {
		var parts []Part
		for range 20 {
			parts = append(parts, part("x", draw(200, 0.85), draw(200, 0.85)))
		}
		if Judge(p, looked(parts...)).Verdict == Fail {
			failed++
		}
	}
	require.Positive(t, failed)
	require.Less(t, float64(failed)/runs, 0.035, "2.5 %% and three standard errors of it")
}

// tests by the sequential mode
func sequentially(p Policy) Policy {
	p.Analysis = trainconfig.Analysis{Mode: "sequential", Alpha: 0.01, Power: 0.8, Effect: trainconfig.Rates{ErrorRate: 0.03, SlowRate: 0.03, Accuracy: 0.05},
		Margin: trainconfig.Rates{ErrorRate: 0.005, SlowRate: 0.005, Accuracy: 0.02}}
	return p
}

// stream shows a trial of slices one look after another.
func stream(t *testing.T, looks int, of func(look int) []Part) ([]Finding, *Trial) {
	t.Helper()
	p := sequentially(watching())
	trial := newTrial(p)
	for look := range looks {
		parts := of(look + 1)
		require.NoError(t, trial.addParts(p, parts))
		if found := trial.judgeParts(p, parts); slices.ContainsFunc(found, func(f Finding) bool { return f.Verdict == Fail }) || look == looks-1 {
			return found, &trial
		}
	}
	return nil, &trial
}

func TestSlicesByTests(t *testing.T) {
	found, _ := stream(t, 50, func(n int) []Part {
		k := int64(n) * 20
		return []Part{part("sex=F", [2]int64{k * 6 / 10, k}, [2]int64{k * 9 / 10, k}), part("sex=M", [2]int64{k * 9 / 10, k}, [2]int64{k * 9 / 10, k})}
	})
	require.Len(t, found, 1)
	require.Equal(t, []any{"slice_drop", "sex=F", Fail}, []any{found[0].Measure, found[0].Slice, found[0].Verdict})
	require.Contains(t, found[0].Reason, "slice sex=F: accuracy is 0.3 below the champion's")

	found, trial := stream(t, 50, func(n int) []Part {
		k := int64(n) * 20
		return []Part{part("sex=F", [2]int64{k * 9 / 10, k}, [2]int64{k * 9 / 10, k}), part("sex=X", [2]int64{3, 4}, [2]int64{k * 9 / 10, k})}
	})
	require.Len(t, found, 2)
	require.Contains(t, found[0].Reason, "slice sex=X is not known: 4 labels of the candidate's 4 answers")
	require.Equal(t, Pass, found[1].Verdict)
	require.Len(t, trial.Parts, 2)

	found, trial = stream(t, 1, func(int) []Part {
		var parts []Part
		for i := range tested + 3 {
			parts = append(parts, part(string(rune('a'+i)), [2]int64{90, 100}, [2]int64{90, 100}))
		}
		return parts
	})
	require.Len(t, trial.Parts, tested)
	require.Contains(t, found[0].Reason, "20 parts are tested already")
	require.Equal(t, 3, len(found)-1, "what is not tested is listed")
}

// The floor is tested too, for parts that the champion has no labels of as well;
// one that the champion breaches is the environment's fault.
func TestSlicesFloorByTests(t *testing.T) {
	floor := func(s *Slices) { s.Accuracy, s.MaxDrop, s.OnUnknown = 0.8, 0.4, "tell" }
	for name, test := range map[string]struct {
		candidate, champion int64 // right of ten
		champions           int64 // labels of the champion, of ten
		verdict             string
		shared              bool
	}{
		"below":                   {6, 9, 10, Fail, false},
		"below, champion unknown": {6, 0, 0, Fail, false},
		"both below":              {5, 5, 10, Fail, true},
		"above":                   {9, 9, 10, Pass, false},
		"at the floor":            {8, 9, 10, Pass, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := sequentially(watching(floor))
			trial := newTrial(p)
			var parts []Part
			for n := int64(1); n <= 40; n++ {
				parts = []Part{part("sex=F", [2]int64{n * test.candidate, n * 10}, [2]int64{n * test.champion, n * test.champions})}
				require.NoError(t, trial.addParts(p, parts))
			}
			found := trial.judgeParts(p, parts)
			i := slices.IndexFunc(found, func(f Finding) bool { return f.Measure == "slice_accuracy" })
			require.GreaterOrEqual(t, i, 0, "%+v", found)
			require.Equal(t, test.verdict, found[i].Verdict, "%+v", found[i])
			require.Equal(t, test.shared, found[i].Shared)
			if test.verdict == Fail {
				require.Less(t, found[i].High, 0.8)
				require.Contains(t, found[i].Reason, "slice sex=F: accuracy")
			}
		})
	}
	require.InDelta(t, sequentially(watching()).share()*6/7, sequentially(watching(floor)).share(), 1e-12, "it has its share of alpha")
}

// Twenty parts just at the floor, looked at fifty times, are called below it no
// more often than the floor's share of alpha.
func TestTheFloorKeepsItsBoundOverAllLooks(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	p := sequentially(watching(func(s *Slices) { s.Accuracy = 0.8 }))
	p.Analysis.Alpha = 0.35 // a share of 0.05
	failed := 0
	for range 300 {
		trial, totals := newTrial(p), make([]Part, tested)
		for range 50 {
			for i := range totals {
				totals[i].Slice = string(rune('a' + i))
				for range 10 {
					totals[i].Candidate.Labels++
					if random.Float64() < p.Slices.Accuracy {
						totals[i].Candidate.Correct++
					}
				}
			}
			require.NoError(t, trial.addParts(p, totals))
		}
		if slices.ContainsFunc(trial.judgeFloors(p, p.share()), func(f Finding) bool { return f.Verdict == Fail }) {
			failed++
		}
	}
	require.LessOrEqual(t, failed, 25, "of 300, 15 are the bound and 10 are three deviations")
}

// Totals that shrink, as a ledger forgets, are not taken twice.
func TestSlicesThatShrinkAreNotBelieved(t *testing.T) {
	p := sequentially(watching())
	trial := newTrial(p)
	require.NoError(t, trial.addParts(p, []Part{part("x", [2]int64{90, 100}, [2]int64{90, 100})}))
	before := trial.Parts[0].Wrong.Seen
	copied := trial
	require.NoError(t, copied.addParts(p, []Part{part("x", [2]int64{10, 50}, [2]int64{10, 50})}))
	require.Equal(t, before, copied.Parts[0].Wrong.Seen)
	require.NoError(t, copied.addParts(p, []Part{part("x", [2]int64{190, 200}, [2]int64{190, 200})}))
	require.Equal(t, before, trial.Parts[0].Wrong.Seen, "the state before is not touched")
}

// The bound holds over all looks and slices: five healthy ones, looked at a
// hundred times, are called worse no more often than alpha's share.
func TestSlicesKeepTheirBoundOverAllLooks(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	const runs = 400
	failed := 0
	for range runs {
		totals := make([]Part, 5)
		for i := range totals {
			totals[i].Slice = string(rune('a' + i))
		}
		found, _ := stream(t, 100, func(int) []Part {
			for i := range totals {
				for _, v := range []struct {
					tally *Tally
					right float64
				}{{&totals[i].Candidate, 0.85}, {&totals[i].Champion, 0.9}} { // just at the margin
					for range 10 {
						v.tally.Rows++
						v.tally.Labels++
						if random.Float64() < v.right {
							v.tally.Correct++
						}
					}
				}
			}
			return slices.Clone(totals)
		})
		if slices.ContainsFunc(found, func(f Finding) bool { return f.Verdict == Fail }) {
			failed++
		}
	}
	require.LessOrEqual(t, failed, 4, "alpha/6 of %d are less than one", runs)
}

// What passes unknown is in the record, and people hear of it at the last step.
func TestUnknownSlicesAreToldWhereTheyDoNotHold(t *testing.T) {
	s := last(at(Baking))
	s.Policy = watching(func(s *Slices) { s.OnUnknown = "tell" })
	seen := Measured{Turn: 7, Measurements: looked(part("sex=F", [2]int64{3, 4}, [2]int64{90, 100}))}
	d := Decide(s, seen, noon.Add(5*time.Minute))
	require.Equal(t, Promoting, d.State.Phase)
	require.Contains(t, d.Tell, "not all slices are known: slice sex=F is not known: 4 labels")
	require.Contains(t, d.State.Reason, "slice sex=F is not known")
}

// With all the traffic at the candidate, a part that the champion never had
// cannot become known: it is told, and holds nothing.
func TestUnknownSlicesDoNotHoldTheLastStep(t *testing.T) {
	unknown := Measured{Turn: 7, Measurements: looked(part("sex=F", [2]int64{90, 100}, [2]int64{90, 100}), part("sex=X", [2]int64{90, 100}, [2]int64{}))}
	before := at(Baking)
	before.Policy = watching()
	d := Decide(before, unknown, noon.Add(5*time.Minute))
	require.Equal(t, Baking, d.State.Phase)
	require.Contains(t, d.State.Reason, "holding: slice sex=X is not known")
	all := last(at(Baking))
	all.Policy, all.Weight = watching(), 100
	d = Decide(all, unknown, noon.Add(5*time.Minute))
	require.Equal(t, Promoting, d.State.Phase)
	require.Contains(t, d.Tell, "slice sex=X is not known: 0 labels of the champion's 0 answers")
	require.Equal(t, "hold", d.State.Policy.Slices.OnUnknown, "the policy stays as it was")
}

func TestASliceRollsBackAndIsNamed(t *testing.T) {
	s := failures(at(Baking), 2)
	s.Policy = watching()
	seen := Measured{Turn: 7, Measurements: looked(part("sex=F", [2]int64{700, 1000}, [2]int64{900, 1000}), part("sex=M", [2]int64{900, 1000}, [2]int64{900, 1000}))}
	d := Decide(s, seen, noon.Add(5*time.Minute))
	require.Equal(t, RollingBack, d.State.Phase)
	require.Contains(t, d.Tell, "failure 3 of 3: slice sex=F: accuracy 0.7 is 0.2 below the champion's 0.9")
	record := d.State.History[len(d.State.History)-1]
	require.True(t, slices.ContainsFunc(record.Findings, func(f Finding) bool { return f.Slice == "sex=F" && f.Verdict == Fail }))

	observed := at(Observing)
	observed.Policy, observed.Observed = watching(), noon.Add(time.Hour)
	d = Decide(observed, Labelled{Turn: 7, Measurements: seen.Measurements}, noon)
	require.Equal(t, Reverting, d.State.Phase, "late labels take a provisional promotion back")
	require.Contains(t, d.Tell, "slice sex=F")
}
