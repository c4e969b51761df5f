package evaluation

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

type golden struct {
	Samples []struct {
		Name                string
		Label, Score, Other []float64
		Weight              []float64
		Sex                 []string
		AUC                 float64   `json:"auc_roc"`
		CurveArea           float64   `json:"curve_area"`
		Partial             []float64 `json:"partial"`
		Calibration         float64   `json:"calibration"`
		Parity
	}
	Shares []struct {
		K, N          int
		Confidence    float64
		Wilson, Exact [2]float64
	}
	P, Holm, BH []float64
}

func load(t *testing.T) (g golden, raw []map[string]any) {
	t.Helper()
	data, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var loose struct{ Samples []map[string]any }
	for _, into := range []any{&g, &loose} {
		if err := json.Unmarshal(data, into); err != nil {
			t.Fatal(err)
		}
	}
	return g, loose.Samples
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-12*math.Max(1, math.Abs(want))) {
		t.Errorf("%s: %.16g, want %.16g", what, got, want)
	}
}

func pair(v any) (float64, float64) {
	list := v.([]any)
	return list[0].(float64), list[1].(float64)
}

func TestMetricsAgreeWithScikitLearn(t *testing.T) {
	g, raw := load(t)
	for i, c := range g.Samples {
		s := Sample{Label: c.Label, Score: c.Score, Weight: c.Weight}
		for _, metric := range []string{MetricAUC, MetricPRAUC, MetricPrecision, MetricRecall, MetricF1, MetricAccuracy, MetricLogLoss, MetricBrier} {
			got, err := Metric(metric, s)
			if err != nil {
				t.Fatal(err)
			}
			near(t, c.Name+" "+metric, got, raw[i][metric].(float64))
		}
		curve, err := ROC(s)
		if err != nil {
			t.Fatal(err)
		}
		area := 0.0
		for k := 1; k < len(curve.X); k++ {
			area += (curve.X[k] - curve.X[k-1]) * (curve.Y[k] + curve.Y[k-1]) / 2
		}
		near(t, c.Name+" area of the thinned curve", area, c.CurveArea)
		pr, _ := PrecisionRecall(s)
		steps, before := 0.0, 0.0
		for k := range pr.X {
			steps, before = steps+(pr.X[k]-before)*pr.Y[k], pr.X[k]
		}
		near(t, c.Name+" step sum of the thinned curve", steps, raw[i][MetricPRAUC].(float64))
		for k, f := range []float64{0.01, 0.1, 0.5} {
			if c.Partial == nil {
				break
			}
			got, err := PartialAUC(s, f)
			if err != nil {
				t.Fatal(err)
			}
			near(t, c.Name+" partial", got, c.Partial[k])
		}
	}
}

func TestDeLongAgreesWithTheDefinition(t *testing.T) {
	g, raw := load(t)
	for i, c := range g.Samples {
		if c.Weight != nil {
			continue
		}
		a, err := DeLong(c.Label, c.Score)
		if err != nil {
			t.Fatal(err)
		}
		pa, err := PlacementsOf(Sample{Label: c.Label, Score: c.Score})
		if err != nil {
			t.Fatal(err)
		}
		near(t, c.Name+" AUC of placements", pa.AUC().Value, a.Value)
		near(t, c.Name+" variance of placements", pa.AUC().Variance, a.Variance)
		pb, _ := PlacementsOf(Sample{Label: c.Label, Score: c.Other})
		value, variance := pair(raw[i]["delong"])
		near(t, c.Name+" AUC", a.Value, value)
		near(t, c.Name+" variance", a.Variance, variance)
		low, high := a.Interval(0.95)
		wantLow, wantHigh := pair(raw[i]["ci95"])
		near(t, c.Name+" low", low, wantLow)
		near(t, c.Name+" high", high, wantHigh)
		d, err := Paired(pa, pb)
		if err != nil {
			t.Fatal(err)
		}
		value, variance = pair(raw[i]["paired"])
		near(t, c.Name+" difference", d.Value, value)
		near(t, c.Name+" variance of the difference", d.Variance, variance)
		ece, _, err := CalibrationError(Sample{Label: c.Label, Score: c.Score}, 10)
		if err != nil {
			t.Fatal(err)
		}
		near(t, c.Name+" calibration", ece, c.Calibration)
	}
}

func TestParityAgreesWithFairlearn(t *testing.T) {
	g, _ := load(t)
	for _, c := range g.Samples {
		if c.Weight != nil {
			continue
		}
		groups, missing, err := GroupBy(Sample{Label: c.Label, Score: c.Score}, []string{"sex"}, [][]string{c.Sex})
		if err != nil || missing != 0 || len(groups) != 2 || groups[0].Name != "sex=Female" {
			t.Fatalf("%v %d %v", groups, missing, err)
		}
		p, err := ParityOf(groups)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "demographic difference", p.DemographicDifference, c.DemographicDifference)
		near(t, "demographic ratio", p.DemographicRatio, c.DemographicRatio)
		near(t, "equalised odds", p.EqualisedOdds, c.EqualisedOdds)
		near(t, "equal opportunity", p.EqualOpportunity, c.EqualOpportunity)
	}
}

func TestIntervalsAgreeWithScipyAndAdjustmentsWithStatsmodels(t *testing.T) {
	g, _ := load(t)
	for _, c := range g.Shares {
		low, high, err := Wilson(c.K, c.N, c.Confidence)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "wilson low", low, c.Wilson[0])
		near(t, "wilson high", high, c.Wilson[1])
		low, high, err = Exact(c.K, c.N, c.Confidence)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "exact low", low, c.Exact[0])
		near(t, "exact high", high, c.Exact[1])
	}
	holm, err := Holm(g.P)
	if err != nil {
		t.Fatal(err)
	}
	bh, err := BenjaminiHochberg(g.P)
	if err != nil {
		t.Fatal(err)
	}
	for i := range g.P {
		near(t, "holm", holm[i], g.Holm[i])
		near(t, "benjamini hochberg", bh[i], g.BH[i])
	}
}
