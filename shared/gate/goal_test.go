package gate

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/profile"
	"github.com/sluice-ml/sluice/shared/table"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// configOf is a configuration of a goal.
func configOf(t testing.TB, g goal.Goal, evaluation string) *trainconfig.Config {
	t.Helper()
	head := map[goal.Goal]string{
		goal.Regression: "data: {target: y}\nmodel: {type: XGBRegressor}\n",
		goal.Multiclass: "data: {target: y}\nmodel: {type: XGBClassifier, params: {objective: \"multi:softprob\"}}\n",
		goal.Ranking:    "data: {target: y, qid: q}\nmodel: {type: XGBRanker}\n",
	}[g]
	c, err := trainconfig.Parse("train.yaml", []byte("experiment: {name: m}\n"+head+"evaluation: {"+evaluation+"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// predicted makes n rows of a goal whose scores are off by noise; the women's by
// bias more (of several classes: they are guessed at with that chance).
func predicted(g goal.Goal, n int, noise, bias float64, seed uint64) *predictions.Set {
	r := rand.New(rand.NewPCG(seed, 9))
	s := &predictions.Set{Goal: g, Attributes: map[string][]string{}}
	if g == goal.Multiclass {
		s.Classes, s.Probability = []string{"a", "b", "c"}, make([][]float64, 3)
	}
	for i := range n {
		s.RowID = append(s.RowID, "k#"+itoa(i))
		sex := []string{"Female", "Male"}[r.IntN(2)]
		s.Attributes["sex"] = append(s.Attributes["sex"], sex)
		s.Attributes["age"] = append(s.Attributes["age"], itoa(20+r.IntN(40)))
		off := 0.0
		if sex == "Female" {
			off = bias
		}
		switch g {
		case goal.Multiclass:
			addClass(s, r, noise, off)
		case goal.Ranking:
			s.Query = append(s.Query, "q"+itoa(i/10))
			s.Label = append(s.Label, float64(r.IntN(4)))
			s.Score = append(s.Score, s.Label[i]+noise*r.NormFloat64())
		default:
			s.Label = append(s.Label, 50+10*r.NormFloat64())
			s.Score = append(s.Score, s.Label[i]+noise*r.NormFloat64()+off)
		}
	}
	return s
}

// addClass adds a row of a class with probabilities that tell it; with the chance
// guess they are another row's.
func addClass(s *predictions.Set, r *rand.Rand, noise, guess float64) {
	label := r.IntN(3)
	told := label
	if r.Float64() < guess {
		told = r.IntN(3)
	}
	sum, e := 0.0, [3]float64{}
	for k := range e {
		e[k] = math.Exp(noise * r.NormFloat64())
		if k == told {
			e[k] *= math.E * math.E
		}
		sum += e[k]
	}
	s.Label = append(s.Label, float64(label))
	for k := range e {
		s.Probability[k] = append(s.Probability[k], e[k]/sum)
	}
}

// champion takes another set's scores as the champion's.
func withChampion(s, of *predictions.Set) *predictions.Set {
	s.Champion, s.ChampionProbability = of.Score, of.Probability
	return s
}

func TestPerformanceOfGoals(t *testing.T) {
	for _, c := range []struct {
		name    string
		goal    goal.Goal
		set     *predictions.Set
		config  string
		verdict string
		reason  string
	}{
		{"clear", goal.Regression, predicted(goal.Regression, 1000, 4, 0, 1), "thresholds: {rmse: 5, mae: 4, r2: 0.7, mape: 0.1}", Pass, ""},
		{"missed", goal.Regression, predicted(goal.Regression, 1000, 4, 0, 1), "thresholds: {rmse: 3}", Fail, "rmse is 4"},
		{"between", goal.Regression, predicted(goal.Regression, 1000, 4, 0, 1), "thresholds: {r2: 0.84}", Insufficient, "1000 rows do not tell"},
		{"few rows", goal.Regression, predicted(goal.Regression, 19, 4, 0, 1), "thresholds: {rmse: 5}", Insufficient, "19 rows; at least 20 are needed"},
		{"no threshold", goal.Regression, predicted(goal.Regression, 1000, 4, 0, 1), "", Insufficient, "e.g. {r2: 0.7}"},
		{"slices", goal.Regression, predicted(goal.Regression, 2000, 4, 3, 1), "thresholds: {mae: 3.8}, slices: [{by: [sex]}]", Fail, "mae of sex=Female is 4."},
		{"clear", goal.Multiclass, predicted(goal.Multiclass, 1500, 0.7, 0, 2), "thresholds: {accuracy: 0.8, balanced_accuracy: 0.8, f1_macro: 0.8, f1_weighted: 0.8, precision_macro: 0.8, auc_roc_ovr: 0.9, log_loss: 0.6}", Pass, ""},
		{"missed", goal.Multiclass, predicted(goal.Multiclass, 1500, 2.5, 0, 2), "thresholds: {accuracy: 0.8}", Fail, "accuracy is 0."},
		{"few of a class", goal.Multiclass, predicted(goal.Multiclass, 25, 1, 0, 2), "thresholds: {accuracy: 0.8}", Insufficient, "at least 10 of each class are needed"},
		{"clear", goal.Ranking, predicted(goal.Ranking, 3000, 1, 0, 3), "thresholds: {ndcg: 0.8, ndcg@5: 0.7, map: 0.7}", Pass, ""},
		{"missed", goal.Ranking, predicted(goal.Ranking, 3000, 9, 0, 3), "thresholds: {ndcg@5: 0.9}", Fail, "ndcg@5 is 0."},
		{"few queries", goal.Ranking, predicted(goal.Ranking, 150, 1, 0, 3), "thresholds: {ndcg: 0.8}", Insufficient, "15 queries with two rows or more"},
	} {
		v := Performance(&configOf(t, c.goal, c.config).Evaluation, c.set)
		t.Run(c.goal.String()+" "+c.name, func(t *testing.T) { expect(t, v, c.verdict, c.reason) })
	}
	constant := predicted(goal.Regression, 100, 4, 0, 1)
	for i := range constant.Score {
		constant.Score[i] = 50
	}
	expect(t, Performance(&configOf(t, goal.Regression, "thresholds: {rmse: 50}").Evaluation, constant), Insufficient, "all 100 scores are 50")
	uniform := predicted(goal.Multiclass, 100, 1, 0, 1)
	for k := range uniform.Probability {
		for i := range uniform.Probability[k] {
			uniform.Probability[k][i] = []float64{0.5, 0.25, 0.25}[k]
		}
	}
	expect(t, Performance(&configOf(t, goal.Multiclass, "thresholds: {accuracy: 0.3}").Evaluation, uniform), Insufficient, "all 100 scores are [0.5 0.25 0.25]")
	broken := predicted(goal.Regression, 100, 4, 0, 1)
	broken.Score[3] = math.Inf(1)
	expect(t, Performance(&configOf(t, goal.Regression, "thresholds: {rmse: 50}").Evaluation, broken), Insufficient, "the predictions cannot be used")
}

func TestChampionOfGoals(t *testing.T) {
	for _, g := range []goal.Goal{goal.Regression, goal.Multiclass, goal.Ranking} {
		good, bad := map[goal.Goal]float64{goal.Regression: 4, goal.Multiclass: 0.8, goal.Ranking: 0.8}[g], 3.0
		if g == goal.Regression {
			bad = 8
		}
		e := &configOf(t, g, "champion: {margin: 0.05}").Evaluation
		n := 3000
		same := predicted(g, n, good, 0, 5)
		expect(t, Champion(e, withChampion(same, same), true), Pass, "")
		// The same seed gives the same rows, whatever the noise.
		better := Champion(e, withChampion(predicted(g, n, good, 0, 5), predicted(g, n, bad, 0, 5)), true)
		expect(t, better, Pass, "")
		worse := Champion(e, withChampion(predicted(g, n, bad, 0, 5), predicted(g, n, good, 0, 5)), true)
		expect(t, worse, Fail, "wanted at most 0.05")
		if len(worse.Measurements) != 3 || worse.Measurements[0].Verdict != Reported || worse.Measurements[2].Value <= 0.05 {
			t.Errorf("%s: %+v", g, worse.Measurements)
		}
		expect(t, Champion(e, predicted(g, n, good, 0, 5), true), Insufficient, "no scores of the champion")
		expect(t, Champion(e, predicted(g, n, good, 0, 5), false), Pass, "no champion yet")
	}
	e := &configOf(t, goal.Regression, "champion: {metric: r2, margin: 0.02}").Evaluation
	v := Champion(e, withChampion(predicted(goal.Regression, 2000, 6, 0, 5), predicted(goal.Regression, 2000, 4, 0, 5)), true)
	expect(t, v, Fail, "r2_drop of candidate against champion is 0.2")
	perfect := predicted(goal.Regression, 100, 0, 0, 5)
	expect(t, Champion(&configOf(t, goal.Regression, "").Evaluation, withChampion(predicted(goal.Regression, 100, 1, 0, 5), perfect), true), Insufficient, "both must be above 0")
}

func TestRobustnessOfGoals(t *testing.T) {
	for _, g := range []goal.Goal{goal.Regression, goal.Multiclass, goal.Ranking} {
		e := &configOf(t, g, "robustness: {noise: [0.1, 0.5], draws: 2, max_degradation: 0.1}").Evaluation
		set := predicted(g, 3000, 0.9, 0, 5)
		all := []predictions.Perturbed{}
		for _, noise := range []float64{0.1, 0.5} {
			for draw := range 2 {
				by := 0.9
				if noise == 0.5 {
					by = 4
				}
				off := predicted(g, 3000, by, 0, 5)
				all = append(all, predictions.Perturbed{Goal: g, Noise: noise, Draw: draw, Score: off.Score, Classes: off.Classes, Probability: off.Probability})
			}
		}
		v := Robustness(e, set, set.RowID, all)
		expect(t, v, Fail, "noise=0.5")
		if len(v.Measurements) != 2 || v.Measurements[0].Verdict != Pass || v.Measurements[0].Value != 0 {
			t.Errorf("%s: %+v", g, v.Measurements)
		}
		expect(t, Robustness(e, set, set.RowID, all[:3]), Insufficient, "1 of 2 draws")
		expect(t, Robustness(e, set, set.RowID[1:], all), Insufficient, "of other rows")
		other := slices.Clone(all)
		other[0].Goal = goal.Binary
		expect(t, Robustness(e, set, set.RowID, other), Fail, "draw 0 is of binary")
		var out bytes.Buffer
		if err := predictions.WritePerturbed(&out, set.RowID, all); err != nil {
			t.Fatal(err)
		}
		ids, back, err := predictions.ReadPerturbed(bytes.NewReader(out.Bytes()), int64(out.Len()))
		if err != nil {
			t.Fatal(err)
		}
		if again := Robustness(e, set, ids, back); again.Verdict != v.Verdict || again.Measurements[1] != v.Measurements[1] {
			t.Errorf("%s: what was written is judged otherwise", g)
		}
	}
}

func TestFairnessOfGoals(t *testing.T) {
	sex := "fairness: {protected_attributes: [sex], max_disparity: 0.1}"
	for _, c := range []struct {
		name, config, verdict, reason string
		goal                          goal.Goal
		bias                          float64
	}{
		{"even", sex, Pass, "", goal.Regression, 0},
		{"biased by 0.3 deviations", sex, Fail, "mean_residual_disparity of sex=Female and sex=Male is 0.3", goal.Regression, 3},
		{"biased, by error", "fairness: {protected_attributes: [sex], metric: mae}", Fail, "mae_disparity of sex=Female and sex=Male is 0.", goal.Regression, 6},
		{"biased, within a slice", sex + ", slices: [{by: [age], edges: {age: [40]}}]", Fail, "in age=below 40", goal.Regression, 3},
		{"even", sex, Pass, "", goal.Multiclass, 0},
		{"guessed at", sex, Fail, "recall_disparity of sex=Female and sex=Male, class a is 0.", goal.Multiclass, 0.5},
		{"guessed at, by accuracy", "fairness: {protected_attributes: [sex], metric: accuracy}", Fail, "accuracy_disparity of", goal.Multiclass, 0.5},
		{"no such column", "fairness: {protected_attributes: [race]}", Insufficient, `have no column "race", which evaluation.fairness.protected_attributes names`, goal.Multiclass, 0},
		{"small groups", "fairness: {protected_attributes: [age], min_group_size: 1000}", Insufficient, `"age" has 0 groups that are large enough`, goal.Regression, 0},
	} {
		v := Fairness(&configOf(t, c.goal, c.config).Evaluation, predicted(c.goal, 6000, 0.8, c.bias, 7))
		t.Run(c.goal.String()+" "+c.name, func(t *testing.T) { expect(t, v, c.verdict, c.reason) })
		for _, m := range v.Measurements {
			if !(m.Low <= m.Value && m.Value <= m.High) {
				t.Errorf("%+v", m)
			}
		}
	}
	v := Fairness(&configOf(t, goal.Multiclass, sex).Evaluation, predicted(goal.Multiclass, 6000, 0.8, 0, 7))
	judged, reported := 0, 0
	for _, m := range v.Measurements {
		if m.Verdict == Reported {
			reported++
		} else {
			judged++
		}
	}
	if judged != 3 || reported != 8 {
		t.Errorf("%d judged, %d reported", judged, reported)
	}
	expect(t, Fairness(&configOf(t, goal.Ranking, "").Evaluation, predicted(goal.Ranking, 300, 1, 0, 1)), Pass, "no protected attributes")
}

func TestDataQualityOfGoals(t *testing.T) {
	judged := func(g goal.Goal, csv, config string) Verdict {
		c := configOf(t, g, config)
		body := bytes.NewReader([]byte(csv))
		rows, err := table.Read(t.Context(), "a.csv", body, body.Size(), table.Options{})
		if err != nil {
			t.Fatal(err)
		}
		p := profile.Of(rows, c)
		return DataQuality(c, "c1", &p, &profile.Report{Commit: "c1", Rows: p.Rows, Verdict: profile.Pass})
	}
	expect(t, judged(goal.Regression, "x,y\n1,2.5\n2,3.5\n", ""), Pass, "")
	expect(t, judged(goal.Regression, "x,y\n1,2.5\n2,2.5\n", ""), Fail, "must vary")
	expect(t, judged(goal.Regression, "x,y\n1,2.5\n2,many\n", ""), Fail, `1 values that are no numbers, the first is "many"`)
	expect(t, judged(goal.Ranking, "x,y,q\n1,2,a\n2,1,a\n", ""), Pass, "")
	expect(t, judged(goal.Ranking, "x,y\n1,2\n2,1\n", ""), Fail, `query "q" is not in the data`)
	classes := "x,y\n1,a\n2,b\n3,c\n4,a\n"
	expect(t, judged(goal.Multiclass, classes, ""), Pass, "")
	expect(t, judged(goal.Multiclass, classes, "data_quality: {class_balance: [0.3, 0.9]}"), Fail, `0.25 of the rows have the class "b", the limits are 0.3 to 0.9`)
	expect(t, judged(goal.Multiclass, "x,y\n1,a\n2,a\n", ""), Fail, "needs 2 or more classes")
}
