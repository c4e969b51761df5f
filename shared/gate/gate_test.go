package gate

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/profile"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

func config(t testing.TB, evaluation string) *trainconfig.Config {
	t.Helper()
	c, err := trainconfig.Parse("train.yaml", []byte("experiment: {name: m}\ndata: {target: y}\nevaluation: {"+evaluation+"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// scored makes n rows whose scores separate the classes by strength (1.5 gives
// an AUC of about 0.86), with sex and race.
func scored(n int, strength float64, seed uint64) *predictions.Set {
	r := rand.New(rand.NewPCG(seed, 9))
	s := &predictions.Set{Attributes: map[string][]string{}}
	for i := range n {
		label := 0.0
		if r.Float64() < 0.3 {
			label = 1
		}
		s.RowID = append(s.RowID, "k#"+itoa(i))
		s.Label = append(s.Label, label)
		s.Score = append(s.Score, 1/(1+math.Exp(-(r.NormFloat64()+strength*label-strength))))
		s.Attributes["sex"] = append(s.Attributes["sex"], []string{"Female", "Male"}[r.IntN(2)])
		s.Attributes["race"] = append(s.Attributes["race"], []string{"a", "a", "a", "b"}[r.IntN(4)])
	}
	return s
}

func itoa(i int) string { b, _ := json.Marshal(i); return string(b) }

func expect(t *testing.T, v Verdict, verdict, reason string) {
	t.Helper()
	if v.Verdict != verdict || !strings.Contains(strings.Join(v.Reasons, "\n"), reason) {
		t.Errorf("%s: %s %q, want %s %q", v.Gate, v.Verdict, v.Reasons, verdict, reason)
	}
	if _, err := json.Marshal(v); err != nil {
		t.Errorf("%s: %v", v.Gate, err)
	}
	if v.Verdict != Pass && len(v.Reasons) == 0 {
		t.Errorf("%s: %s without a reason", v.Gate, v.Verdict)
	}
}

func TestPerformance(t *testing.T) {
	set := scored(4000, 1.5, 1) // AUC about 0.86
	for _, c := range []struct{ name, config, verdict, reason string }{
		{"clear", "thresholds: {auc_roc: 0.8}", Pass, ""},
		{"missed", "thresholds: {auc_roc: 0.95}", Fail, "wanted at least 0.95"},
		{"between", "thresholds: {auc_roc: 0.86}", Insufficient, "4000 rows do not tell"},
		{"between, on points", "decide_on: point, thresholds: {auc_roc: 0.86}", Fail, "wanted at least 0.86"},
		{"loss", "thresholds: {log_loss: 0.1}", Fail, "wanted at most 0.1"},
		{"all", "thresholds: {auc_roc: 0.8, pr_auc: 0.5, precision: 0.5, recall: 0.2, f1_score: 0.3, accuracy: 0.7, log_loss: 1, brier: 0.5}", Pass, ""},
		{"worst counts", "thresholds: {auc_roc: 0.8, recall: 0.99}", Fail, "recall is"},
		{"none", "", Insufficient, "no threshold says what a good model is"},
	} {
		v := Performance(&config(t, c.config).Evaluation, set)
		t.Run(c.name, func(t *testing.T) { expect(t, v, c.verdict, c.reason) })
	}
	v := Performance(&config(t, "thresholds: {auc_roc: 0.8}").Evaluation, set)
	if len(v.Measurements) != 8 {
		t.Errorf("%d measurements", len(v.Measurements))
	}
	for _, m := range v.Measurements {
		if m.N != 4000 || !(m.Low <= m.Value && m.Value <= m.High) {
			t.Errorf("%+v", m)
		}
	}
}

func TestPerformanceWithoutEvidence(t *testing.T) {
	e := &config(t, "thresholds: {auc_roc: 0.8, precision: 0.5}").Evaluation
	expect(t, Performance(e, nil), Insufficient, "there are no predictions")
	expect(t, Performance(e, scored(15, 3, 1)), Insufficient, "at least 10 of each are needed")
	one := scored(500, 1.5, 1)
	clear(one.Label)
	expect(t, Performance(e, one), Insufficient, "auc_roc cannot be computed")
	never := scored(500, 1.5, 1)
	for i := range never.Score {
		never.Score[i] /= 10
	}
	expect(t, Performance(e, never), Insufficient, "precision cannot be computed")
	same := scored(500, 1.5, 1)
	for i := range same.Score {
		same.Score[i] = 0.3
	}
	for _, v := range []Verdict{Performance(e, same), Fairness(&config(t, "fairness: {protected_attributes: [sex]}").Evaluation, same), Champion(e, same, true)} {
		expect(t, v, Insufficient, "all 500 scores are 0.3")
	}
	broken := scored(500, 1.5, 1)
	broken.Score[7] = math.NaN()
	expect(t, Performance(e, broken), Insufficient, "the predictions cannot be used")
}

func TestFairness(t *testing.T) {
	attributes := "fairness: {protected_attributes: [sex, race], max_disparity: 0.1}"
	e := &config(t, attributes).Evaluation
	set := scored(6000, 1.5, 2)
	v := Fairness(e, set)
	expect(t, v, Pass, "")
	names := map[string]int{}
	for _, m := range v.Measurements {
		names[m.Name]++
	}
	if names["auc_disparity"] != 2 || names["auc_roc"] != 8 || names["greatest_intersection_auc_disparity"] != 1 || names["equalised_odds_difference"] != 2 {
		t.Errorf("%v", names)
	}
	unfair := scored(6000, 1.5, 2)
	r := rand.New(rand.NewPCG(1, 1))
	for i, sex := range unfair.Attributes["sex"] {
		if sex == "Female" {
			unfair.Score[i] = r.Float64()
		}
	}
	expect(t, Fairness(e, unfair), Fail, "auc_disparity of sex=Female and sex=Male")
	expect(t, Fairness(e, scored(450, 1.5, 2)), Insufficient, "rows do not tell")
	expect(t, Fairness(&config(t, "").Evaluation, set), Pass, "no protected attributes are named")
	expect(t, Fairness(&config(t, "fairness: {protected_attributes: [age]}").Evaluation, set), Insufficient, `have no column "age", which evaluation.fairness.protected_attributes names; it is missing or misnamed`)
}

func TestSmallGroupsAreListedNotJudged(t *testing.T) {
	set := scored(3000, 1.5, 3)
	for i := range 50 {
		set.Attributes["race"][i] = "c"
	}
	for i := 50; i < 60; i++ {
		set.Attributes["race"][i] = ""
	}
	for i := 100; i < 300; i++ {
		set.Attributes["race"][i], set.Label[i] = "d", 0
	}
	v := Fairness(&config(t, "fairness: {protected_attributes: [race]}").Evaluation, set)
	expect(t, v, Pass, "")
	missing := 0 // positive rows without a value
	for i := 50; i < 60; i++ {
		missing += int(set.Label[i])
	}
	if missing == 0 {
		t.Fatal("no row without a value is positive: the count would say nothing")
	}
	want := []Skipped{{"race missing", 10, missing, "the rows have no value"}, {"race=c", 50, v.Skipped[1].Positives, "fewer than 100 rows"},
		{"race=d", 200, 0, "0 positive and 200 negative rows; at least 10 of each are needed"}}
	if len(v.Skipped) != 3 || v.Skipped[0] != want[0] || v.Skipped[1] != want[1] || v.Skipped[2] != want[2] {
		t.Errorf("%+v", v.Skipped)
	}
	for i := range set.Attributes["race"] {
		set.Attributes["race"][i] = "a"
	}
	v = Fairness(&config(t, "fairness: {protected_attributes: [race]}").Evaluation, set)
	expect(t, v, Insufficient, `"race" has 1 groups that are large enough`)
}

// TestRowsWithoutAValueAreNoPass: as many as a group that is judged could hide one.
func TestRowsWithoutAValueAreNoPass(t *testing.T) {
	for missing, want := range map[int]string{99: Pass, 100: Insufficient, 1000: Insufficient} {
		set, positives := scored(3000, 1.5, 3), 0
		for i := range missing {
			set.Attributes["sex"][i] = ""
			positives += int(set.Label[i])
		}
		c := config(t, "thresholds: {auc_roc: 0.6}, fairness: {protected_attributes: [sex], max_disparity: 0.2}, slices: [{by: [sex]}]")
		v := Fairness(&c.Evaluation, set)
		if v.Verdict != want || v.Skipped[0] != (Skipped{"sex missing", missing, positives, "the rows have no value"}) {
			t.Errorf("%d: %s %q %+v", missing, v.Verdict, v.Reasons, v.Skipped)
		}
		if want == Insufficient {
			expect(t, v, want, fmt.Sprintf(`"sex" has no value in %d of 3000 rows, which is a group that is large enough to judge (100 rows)`, missing))
		}
		if v := Performance(&c.Evaluation, set); v.Skipped[0].Positives != positives {
			t.Errorf("%+v", v.Skipped)
		}
	}
	prices := &predictions.Set{Goal: goal.Regression, Attributes: map[string][]string{}}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 900 {
		label := r.NormFloat64()
		prices.RowID, prices.Label = append(prices.RowID, itoa(i)), append(prices.Label, label)
		prices.Score = append(prices.Score, label+0.1*r.NormFloat64())
		prices.Attributes["site"] = append(prices.Attributes["site"], []string{"a", "b", ""}[i%3])
	}
	e := &trainconfig.Evaluation{DecideOn: "interval", Confidence: 0.95, Fairness: trainconfig.Fairness{
		ProtectedAttributes: []string{"site"}, MinGroupSize: 100, MaxDisparity: 0.3, Metric: "mae"}}
	expect(t, Fairness(e, prices), Insufficient, `"site" has no value in 300 of 900 rows`)
}

func disturbed(set *predictions.Set, noise, size float64, draws int) []predictions.Perturbed {
	r := rand.New(rand.NewPCG(4, 4))
	var all []predictions.Perturbed
	for d := range draws {
		p := predictions.Perturbed{Noise: noise, Draw: d}
		for _, score := range set.Score {
			p.Score = append(p.Score, min(1, max(0, score+size*r.NormFloat64())))
		}
		all = append(all, p)
	}
	return all
}

func TestRobustness(t *testing.T) {
	e := &config(t, "robustness: {noise: [0.1], draws: 3, max_degradation: 0.05}").Evaluation
	set := scored(4000, 1.5, 5)
	expect(t, Robustness(e, set, set.RowID, disturbed(set, 0.1, 0.02, 3)), Pass, "")
	expect(t, Robustness(e, set, set.RowID, disturbed(set, 0.1, 1, 3)), Fail, "auc_drop of noise=0.1")
	expect(t, Robustness(e, set, set.RowID, disturbed(set, 0.1, 0.02, 2)), Insufficient, "noise=0.1 has 2 of 3 draws")
	expect(t, Robustness(e, set, set.RowID, disturbed(set, 0.2, 0.02, 3)), Insufficient, "noise=0.1 has 0 of 3 draws")
	expect(t, Robustness(e, set, set.RowID[1:], nil), Insufficient, "are of other rows")
	expect(t, Robustness(e, nil, nil, nil), Insufficient, "no predictions")
	expect(t, Robustness(&config(t, "robustness: {noise: []}").Evaluation, set, nil, nil), Pass, "no noise levels")
	short := disturbed(set, 0.1, 0.02, 3)
	short[1].Score = short[1].Score[1:]
	expect(t, Robustness(e, set, set.RowID, short), Insufficient, "draw 1 cannot be judged")
	small := scored(15, 1.5, 5)
	expect(t, Robustness(e, small, small.RowID, disturbed(small, 0.1, 0.02, 3)), Insufficient, "at least 10 of each")
}

func TestChampion(t *testing.T) {
	e := &config(t, "champion: {margin: 0.01}").Evaluation
	set := scored(4000, 1.5, 6)
	expect(t, Champion(e, set, false), Pass, "no champion yet")
	expect(t, Champion(e, set, true), Insufficient, "no scores of the champion")
	set.Champion = set.Score
	expect(t, Champion(e, set, true), Pass, "")
	set.Champion = disturbed(set, 1, 0.3, 1)[0].Score
	expect(t, Champion(e, set, true), Pass, "")
	set.Champion, set.Score = set.Score, set.Champion
	expect(t, Champion(e, set, true), Fail, "auc_difference of candidate less champion")
	few := scored(60, 1.5, 6)
	few.Champion = disturbed(few, 1, 0.02, 1)[0].Score
	expect(t, Champion(e, few, true), Insufficient, "60 rows do not tell")
}

func latency(p99 float64, errors int64) *contract.Latency {
	return &contract.Latency{Requests: 2000, BoundsMS: []float64{10, 100, 1000}, Counts: []int64{1000, 900, 100, 0},
		P50MS: 10, P90MS: 80, P99MS: p99, MaxMS: 950, Errors: errors}
}

func TestLatency(t *testing.T) {
	for _, c := range []struct {
		name, config    string
		l               *contract.Latency
		verdict, reason string
	}{
		{"clear", "latency: {p99: 1s}", latency(500, 0), Pass, ""},
		{"missed", "latency: {p99: 90ms}", latency(500, 0), Fail, "latency_p99_ms is 500"},
		{"between", "latency: {p99: 600ms}", latency(500, 0), Insufficient, "2000 rows do not tell"},
		{"on points", "decide_on: point, latency: {p99: 600ms}", latency(500, 0), Pass, ""},
		{"errors", "latency: {p99: 1s}", latency(500, 21), Fail, "error_rate is 0.0105, wanted at most 0.01"},
		{"nothing", "", nil, Insufficient, "no latency was measured"},
		{"few", "", &contract.Latency{Requests: 99, Counts: []int64{99}, P99MS: 1, MaxMS: 1}, Insufficient, "99 requests"},
		{"unsound", "", &contract.Latency{Requests: 100, Counts: []int64{99}, P99MS: 1, MaxMS: 1}, Insufficient, "do not sum"},
		{"no counts", "", &contract.Latency{Requests: 100, P99MS: 1, MaxMS: 1}, Insufficient, "one count more than bounds"},
		{"unordered", "", &contract.Latency{Requests: 3, BoundsMS: []float64{2, 1}, Counts: []int64{1, 1, 1}, P99MS: 1, MaxMS: 1}, Insufficient, "do not rise"},
	} {
		v := Latency(config(t, c.config), c.l)
		t.Run(c.name, func(t *testing.T) { expect(t, v, c.verdict, c.reason) })
	}
	m := Latency(config(t, ""), latency(500, 0)).Measurements[0]
	if m.Low != 100 || m.High != 950 {
		t.Errorf("the percentile lies in %v to %v", m.Low, m.High)
	}
}

func TestDataQuality(t *testing.T) {
	c := config(t, "")
	good := &profile.Profile{Format: profile.Format, Rows: 100, Target: "y", Classes: map[string]int64{"0": 60, "1": 40}, Columns: []*profile.Column{
		{Name: "x", Kind: "number", Rows: 100, Moments: profile.Moments{Count: 100, M2: 100, Max: 2}},
		{Name: "y", Kind: "number", Rows: 100, Moments: profile.Moments{Count: 100, M2: 24, Max: 1}},
	}}
	report := &profile.Report{Commit: "c", Rows: 100, Verdict: "pass"}
	expect(t, DataQuality(c, "c", good, report), Pass, "")
	expect(t, DataQuality(c, "d", good, report), Insufficient, "the validation is of commit c")
	expect(t, DataQuality(c, "c", nil, report), Insufficient, "not profiled")
	expect(t, DataQuality(c, "c", good, nil), Insufficient, "not profiled")
	expect(t, DataQuality(c, "c", good, &profile.Report{Commit: "c", Rows: 100, Verdict: "fail", Reasons: []string{"because"}}), Fail, "because")
	upload := profile.Finding{Scope: "a.csv", Column: "x", Measure: "null_ratio", Value: 1, Verdict: "fail", Text: "x is empty in a.csv"}
	expect(t, DataQuality(c, "c", good, &profile.Report{Commit: "c", Rows: 100, Verdict: "fail", Findings: []profile.Finding{upload}}), Fail, "x is empty in a.csv")
	skewed := *good
	skewed.Classes = map[string]int64{"0": 95, "1": 5}
	expect(t, DataQuality(c, "c", &skewed, report), Fail, `0.05 of the rows have the class "1"`)
}

func TestSummaryIsBounded(t *testing.T) {
	v := Verdict{Gate: "fairness", Verdict: Fail, Reasons: make([]string, 25)}
	s := v.Summary("s3://b/k")
	if len(s.Reasons) != 10 || s.Reasons[9] != "and 16 more, which the verdict lists" || s.URI != "s3://b/k" || len(v.Reasons) != 25 {
		t.Errorf("%+v", s)
	}
	expect(t, Unmeasured("latency", "nothing there"), Insufficient, "nothing there")
}
