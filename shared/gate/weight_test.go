package gate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// TestGatesJudgeRowsAsTheyCount: a row that weighs 2 is two in every value, but
// not two independent ones, so no interval gets narrower than that of the rows.
func TestGatesJudgeRowsAsTheyCount(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 3))
	weighted, repeated, even := predictions.Set{}, predictions.Set{}, predictions.Set{}
	weighted.Attributes, repeated.Attributes, even.Attributes = map[string][]string{}, map[string][]string{}, map[string][]string{}
	add := func(to *predictions.Set, label, score, champion float64, group string) {
		to.RowID = append(to.RowID, fmt.Sprint(len(to.RowID)))
		to.Label, to.Score, to.Champion = append(to.Label, label), append(to.Score, score), append(to.Champion, champion)
		to.Attributes["g"] = append(to.Attributes["g"], group)
	}
	for i := range 2000 {
		label := float64(random.IntN(2))
		score := 1 / (1 + math.Exp(-2*label-random.NormFloat64()))
		champion := 1 / (1 + math.Exp(-label-random.NormFloat64()))
		weight := 1 + i%3
		if score > 0.9 {
			weight = 4
		}
		group := []string{"a", "b"}[random.IntN(2)]
		add(&weighted, label, score, champion, group)
		weighted.Weight = append(weighted.Weight, float64(weight))
		add(&even, label, score, champion, group)
		for range weight {
			add(&repeated, label, score, champion, group)
		}
	}
	c := trainconfig.Default().Evaluation
	c.Thresholds = map[string]float64{"auc_roc": 0.8, "log_loss": 0.9, "f1_score": 0.5, "brier": 0.5}
	c.Fairness.ProtectedAttributes = []string{"g"}
	for name, judge := range map[string]func(*predictions.Set) Verdict{
		"performance": func(s *predictions.Set) Verdict { return Performance(&c, s) },
		"fairness":    func(s *predictions.Set) Verdict { return Fairness(&c, s) },
		"champion":    func(s *predictions.Set) Verdict { return Champion(&c, s, true) },
	} {
		w, r, e := judge(&weighted), judge(&repeated), judge(&even)
		require.Len(t, w.Measurements, len(r.Measurements), name)
		differ := false
		for i, m := range w.Measurements {
			require.Equal(t, r.Measurements[i].Name, m.Name)
			require.InDelta(t, r.Measurements[i].Value, m.Value, 1e-9, "%s: %s %s", name, m.Name, m.Group)
			if m.High > m.Low && r.Measurements[i].High > r.Measurements[i].Low {
				require.Greater(t, m.High-m.Low, r.Measurements[i].High-r.Measurements[i].Low, "%s: %s %s", name, m.Name, m.Group)
			}
			differ = differ || math.Abs(m.Value-e.Measurements[i].Value) > 1e-3
		}
		require.True(t, differ, "%s: the weights matter here", name)
	}
}

// TestRowsOfWeight0AreNotCounted: every gate of every goal says of rows of weight
// 0 what it says without them, also that there are too few.
func TestRowsOfWeight0AreNotCounted(t *testing.T) {
	configs := map[goal.Goal]string{
		goal.Regression: "thresholds: {rmse: 5, median_absolute_error: 4}, fairness: {protected_attributes: [sex]}, slices: [{by: [sex]}]",
		goal.Multiclass: "thresholds: {accuracy: 0.5, auc_roc_ovr: 0.6}, fairness: {protected_attributes: [sex]}, slices: [{by: [sex]}]",
		goal.Ranking:    "thresholds: {ndcg: 0.5, map@10: 0.5}",
	}
	for g, text := range configs {
		for _, heavy := range []int{15, 1000} { // of ranking, queries; the first are too few
			e := &configOf(t, g, text).Evaluation
			all := withChampion(predicted(g, 2000, 1.5, 0.1, 3), predicted(g, 2000, 2, 0.1, 4))
			var counting []int
			for i := range all.RowID {
				unit := i
				if g == goal.Ranking {
					unit = i / 10
				}
				w := 0.0
				if unit < heavy && unit%5 != 0 {
					w, counting = 1+float64(unit%3), append(counting, i)
				}
				all.Weight = append(all.Weight, w)
			}
			rest := all.Take(counting)
			champion := predicted(g, 2000, 2, 0.1, 4).Take(counting)
			rest = withChampion(rest, champion)
			draws, restDraws := disturbedOf(e, all), disturbedOf(e, rest)
			for _, both := range [][2]Verdict{
				{Performance(e, all), Performance(e, rest)},
				{Champion(e, all, true), Champion(e, rest, true)},
				{Fairness(e, all), Fairness(e, rest)},
				{Robustness(e, all, all.RowID, draws), Robustness(e, rest, rest.RowID, restDraws)},
			} {
				require.Equal(t, both[1], both[0], "%s: %d", g, heavy)
				if heavy == 15 && (g == goal.Ranking && both[0].Gate != NameFairness || g == goal.Regression) {
					require.Equal(t, Insufficient, both[0].Verdict, "%s %s", g, both[0].Gate)
				}
			}
			require.NotEmpty(t, Performance(e, all).Measurements)
		}
	}
}

// disturbedOf are draws of scores that the rows themselves say.
func disturbedOf(e *trainconfig.Evaluation, s *predictions.Set) (all []predictions.Perturbed) {
	for _, noise := range e.Robustness.Noise {
		for draw := range e.Robustness.Draws {
			all = append(all, predictions.Perturbed{Noise: noise, Draw: draw, Goal: s.Goal, Classes: s.Classes, Score: s.Champion, Probability: s.ChampionProbability})
		}
	}
	return all
}
