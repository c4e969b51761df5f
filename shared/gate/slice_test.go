package gate

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sluice-ml/sluice/shared/predictions"
)

// aged gives a set a numeric attribute, and spoils the scores of some rows.
func aged(n int, seed uint64, spoil func(set *predictions.Set, i int) bool) *predictions.Set {
	set := scored(n, 1.5, seed)
	r := rand.New(rand.NewPCG(seed, 77))
	for range n {
		set.Attributes["age"] = append(set.Attributes["age"], itoa(20+r.IntN(60)))
	}
	for i := range n {
		if spoil(set, i) {
			set.Score[i] = r.Float64()
		}
	}
	return set
}

func never(*predictions.Set, int) bool { return false }

func names(v Verdict, metric string) map[string]string {
	out := map[string]string{}
	for _, m := range v.Measurements {
		if m.Name == metric && m.Verdict != Reported {
			out[m.Group] = m.Verdict
		}
	}
	return out
}

func TestPerformanceIsJudgedInEverySlice(t *testing.T) {
	const text = "thresholds: {auc_roc: 0.65}, slices: [{by: [age], edges: {age: [40, 60]}}, {by: [sex, race], min_size: 200, thresholds: {recall: 0.05}}]"
	e := &config(t, text).Evaluation
	v := Performance(e, aged(6000, 3, never), 7)
	expect(t, v, Pass, "")
	if got := names(v, "auc_roc"); len(got) != 4 || got[""] != Pass || got["age=below 40"] != Pass || got["age=[40,60)"] != Pass || got["age=60 and above"] != Pass {
		t.Errorf("%v", got)
	}
	if got := names(v, "recall"); len(got) != 4 || got["sex=Female & race=b"] != Pass {
		t.Errorf("%v", got)
	}
	for _, m := range v.Measurements {
		if m.Verdict != Reported && m.Confidence != 1-0.05/8 {
			t.Errorf("8 measurements share the error: %+v", m)
		}
	}
	old := func(set *predictions.Set, i int) bool { return set.Attributes["age"][i] >= "60" }
	v = Performance(e, aged(6000, 3, old), 7)
	expect(t, v, Fail, "auc_roc of age=60 and above is")
	if got := names(v, "auc_roc"); got[""] != Pass || got["age=below 40"] != Pass {
		t.Errorf("the rest is as good as before: %v", got)
	}
}

func TestFairnessIsJudgedInEverySlice(t *testing.T) {
	e := &config(t, "fairness: {protected_attributes: [sex], max_disparity: 0.1}, slices: [{by: [race]}, {by: [sex]}]").Evaluation
	v := Fairness(e, scored(8000, 1.5, 4))
	expect(t, v, Pass, "")
	if got := names(v, "auc_disparity"); len(got) != 3 || got["sex=Female and sex=Male in race=b"] != Pass {
		t.Errorf("%v", got)
	}
	v = Fairness(e, aged(8000, 4, func(set *predictions.Set, i int) bool {
		return set.Attributes["race"][i] == "b" && set.Attributes["sex"][i] == "Female"
	}))
	if v.Verdict != Fail || names(v, "auc_disparity")["sex=Female and sex=Male in race=b"] != Fail {
		t.Errorf("%s %v", v.Verdict, v.Reasons)
	}
}

func TestSlicesThatCannotBeJudged(t *testing.T) {
	set := aged(3000, 5, never)
	for i := range 3000 {
		set.Attributes["id"] = append(set.Attributes["id"], itoa(i))
		set.Attributes["tenth"] = append(set.Attributes["tenth"], itoa(i%60))
	}
	set.Attributes["race"][7] = ""
	set.Attributes["age"][11] = "old"
	for _, c := range []struct {
		slice, reason string
		skipped       int
	}{
		{"{by: [town]}", `slice by town: the predictions do not say "town"`, 0},
		{"{by: [id]}", "slice by id: none of its 3000 parts is large enough", 3000},
		{"{by: [tenth], min_size: 20}", "slice by tenth: ", -1},
		{"{by: [age], edges: {age: [30]}}", `row 12 the value "old", which is not a number`, 0},
		{"{by: [race], min_size: 2900}", "slice by race: none of its 2 parts is large enough", 3},
	} {
		for _, v := range []Verdict{
			Performance(&config(t, "thresholds: {auc_roc: 0.6}, slices: ["+c.slice+"]").Evaluation, set, 7),
			Fairness(&config(t, "fairness: {protected_attributes: [sex]}, slices: ["+c.slice+"]").Evaluation, set),
		} {
			expect(t, v, Insufficient, c.reason)
			if c.skipped >= 0 && len(v.Skipped) != c.skipped {
				t.Errorf("%s: %d skipped", c.slice, len(v.Skipped))
			}
		}
	}
	v := Performance(&config(t, "thresholds: {auc_roc: 0.6}, slices: [{by: [race], min_size: 1000}]").Evaluation, set, 7)
	if v.Verdict != Pass || len(v.Skipped) != 2 || v.Skipped[0] != (Skipped{"race missing", 1, 0, "the rows have no value"}) || v.Skipped[1].Group != "race=b" || v.Skipped[1].N < 600 {
		t.Errorf("%s %v %+v", v.Verdict, v.Reasons, v.Skipped)
	}
}

func TestAnAttributeWithTenThousandValuesIsNoGroup(t *testing.T) {
	set := scored(20_000, 1.5, 6)
	for i := range set.RowID {
		set.Attributes["zip"] = append(set.Attributes["zip"], itoa(i%10_000))
		set.Attributes["ward"] = append(set.Attributes["ward"], itoa(i%60))
	}
	v := Fairness(&config(t, "fairness: {protected_attributes: [zip]}").Evaluation, set)
	expect(t, v, Insufficient, `"zip" has 0 groups that are large enough`)
	if len(v.Skipped) != 10_000 || v.Skipped[0].N != 2 {
		t.Errorf("%d skipped", len(v.Skipped))
	}
	v = Fairness(&config(t, "fairness: {protected_attributes: [ward]}").Evaluation, set)
	expect(t, v, Insufficient, `"ward" has 60 groups that are large enough to judge, and at most 50 are compared`)
	if strings.Count(strings.Join(v.Reasons, "\n"), "ward") != 2 {
		t.Errorf("%q", v.Reasons)
	}
}
