package gate

import (
	"math"
	"testing"

	"github.com/sluice-ml/sluice/shared/trainconfig"
)

var order = map[string]int{Fail: 0, Insufficient: 1, Pass: 2}

// FuzzJudge: better numbers or a laxer limit never worsen a measurement's
// verdict, a narrower interval never turns pass into fail, and "at most" is
// "at least" seen in a mirror.
func FuzzJudge(f *testing.F) {
	f.Add(0.9, 0.01, 0.02, 0.88, 0.005, false)
	f.Add(0.1, 0.0, 0.0, 0.1, 1.0, true)
	f.Fuzz(func(t *testing.T, value, below, above, limit, better float64, point bool) {
		for _, v := range []float64{value, below, above, limit, better} {
			if math.IsNaN(v) || math.Abs(v) > 1e9 {
				t.Skip("not a number that a metric gives")
			}
		}
		below, above, better = math.Abs(below), math.Abs(above), math.Abs(better)
		m := Measurement{Value: value, Low: value - below, High: value + above, Limit: limit, Wants: atLeast}
		now := m.judge(point)
		improved := m
		improved.Value, improved.Low, improved.High = m.Value+better, m.Low+better, m.High+better
		laxer := m
		laxer.Limit -= better
		for _, other := range []Measurement{improved, laxer} {
			if order[other.judge(point)] < order[now] {
				t.Errorf("%+v is %s, but the better %+v is %s", m, now, other, other.judge(point))
			}
		}
		narrower := m
		narrower.Low, narrower.High = m.Value, m.Value
		if got := narrower.judge(point); (now == Pass && got != Pass) || (now == Fail && got != Fail) {
			t.Errorf("%+v is %s, but certain it is %s", m, now, got)
		}
		mirror := Measurement{Value: -m.Value, Low: -m.High, High: -m.Low, Limit: -limit, Wants: atMost}
		if got := mirror.judge(point); got != now {
			t.Errorf("%+v is %s, its mirror %s", m, now, got)
		}
	})
}

func TestLaxerThresholdsNeverWorsenAVerdict(t *testing.T) {
	set := scored(1500, 1.5, 8)
	set.Champion = disturbed(set, 1, 0.1, 1)[0].Score
	noise := disturbed(set, 0.1, 0.1, 3)
	e := config(t, "thresholds: {auc_roc: 0}, fairness: {protected_attributes: [sex]}, robustness: {noise: [0.1]}").Evaluation
	worst := map[string]int{}
	for i := range 101 { // from the strictest to the laxest
		x := float64(i) / 100
		for _, on := range []string{"interval", "point"} {
			e.DecideOn = on
			e.Thresholds = map[string]float64{"auc_roc": 1 - x}
			e.Fairness.MaxDisparity, e.Robustness.MaxDegradation, e.Champion.Margin = x, x, x
			e.Metrics = []string{"auc_roc"}
			for _, v := range []Verdict{Performance(&e, set), Fairness(&e, set), Robustness(&e, set, set.RowID, noise), Champion(&e, set, true)} {
				key := v.Gate + on
				if order[v.Verdict] < worst[key] {
					t.Errorf("%s at %v on %s: %s after better", v.Gate, x, on, v.Verdict)
				}
				worst[key] = max(worst[key], order[v.Verdict])
			}
		}
	}
	for key, reached := range worst {
		if reached != order[Pass] {
			t.Errorf("%s never passes", key)
		}
	}
}

func TestMoreRowsOfTheSameNeverTurnPassIntoFail(t *testing.T) {
	e := config(t, "thresholds: {auc_roc: 0.84}, metrics: [auc_roc]").Evaluation
	set := scored(400, 1.5, 11)
	first := Performance(&e, set).Measurements[0]
	for _, times := range []int{2, 4, 8} {
		more := scored(0, 1, 1)
		for range times {
			more.Label, more.Score = append(more.Label, set.Label...), append(more.Score, set.Score...)
		}
		for i := range more.Label {
			more.RowID = append(more.RowID, itoa(i))
		}
		m := Performance(&e, more).Measurements[0]
		if math.Abs(m.Value-first.Value) > 1e-12 || m.High-m.Low >= first.High-first.Low {
			t.Errorf("%d times the rows: %v (%v to %v) from %v (%v to %v)", times, m.Value, m.Low, m.High, first.Value, first.Low, first.High)
		}
	}
}

func TestEveryGateHasItsConfiguredName(t *testing.T) {
	names := []string{NamePerformance, NameFairness, NameRobustness, NameDataQuality, NameChampion, NameLatency}
	for i, name := range trainconfig.Gates() {
		if names[i] != name {
			t.Errorf("gate %d is %q here and %q in the configuration", i, names[i], name)
		}
	}
}
