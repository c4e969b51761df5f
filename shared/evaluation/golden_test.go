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
		CurveArea           float64       `json:"curve_area"`
		Partial             []float64     `json:"partial"`
		Calibration         float64       `json:"calibration"`
		ByMass              float64       `json:"by_mass"`
		WeightedDeLong      [2][2]float64 `json:"weighted_delong"`
		Parity              Parity        `json:"parity"`
		JointParity         Parity        `json:"joint_parity"`
		Intervals           map[string][2]float64
		Compared            map[string][4]float64
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

func sameParity(t *testing.T, what string, got, want Parity) {
	t.Helper()
	near(t, what+": demographic difference", got.DemographicDifference, want.DemographicDifference)
	near(t, what+": demographic ratio", got.DemographicRatio, want.DemographicRatio)
	near(t, what+": equalised odds", got.EqualisedOdds, want.EqualisedOdds)
	near(t, what+": equalised odds ratio", got.EqualisedOddsRatio, want.EqualisedOddsRatio)
	near(t, what+": equal opportunity", got.EqualOpportunity, want.EqualOpportunity)
}

func TestParityAgreesWithFairlearn(t *testing.T) {
	g, _ := load(t)
	for _, c := range g.Samples {
		s := Sample{Label: c.Label, Score: c.Score, Weight: c.Weight}
		race := make([]string, len(c.Sex))
		for i := range race {
			race[i] = []string{"a", "b"}[i%2]
		}
		groups, missing, err := GroupBy(s, []string{"sex"}, [][]string{c.Sex})
		if err != nil || missing != 0 || len(groups) != 2 || groups[0].Name != "sex=Female" {
			t.Fatalf("%v %d %v", groups, missing, err)
		}
		p, err := ParityOf(groups)
		if err != nil {
			t.Fatal(err)
		}
		sameParity(t, c.Name, p, c.Parity)
		groups, _, err = GroupBy(s, []string{"sex", "race"}, [][]string{c.Sex, race})
		if err != nil || len(groups) != 4 || groups[0].Name != "sex=Female & race=a" {
			t.Fatalf("%v %v", groups, err)
		}
		if p, err = ParityOf(groups); err != nil {
			t.Fatal(err)
		}
		sameParity(t, c.Name+" by sex and race", p, c.JointParity)
	}
}

func TestWeightsAgreeWithTheDefinition(t *testing.T) {
	g, _ := load(t)
	for _, c := range g.Samples {
		s := Sample{Label: c.Label, Score: c.Score, Weight: c.Weight}
		ece, _, err := CalibrationErrorByMass(s, 10)
		if err != nil {
			t.Fatal(err)
		}
		near(t, c.Name+" calibration by mass", ece, c.ByMass)
		a, err := PlacementsOf(s)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := PlacementsOf(Sample{Label: c.Label, Score: c.Other, Weight: c.Weight})
		d, err := Paired(a, b)
		if err != nil {
			t.Fatal(err)
		}
		near(t, c.Name+" AUC", a.AUC().Value, c.WeightedDeLong[0][0])
		near(t, c.Name+" variance", a.AUC().Variance, c.WeightedDeLong[0][1])
		near(t, c.Name+" difference", d.Value, c.WeightedDeLong[1][0])
		near(t, c.Name+" variance of the difference", d.Variance, c.WeightedDeLong[1][1])
	}
}

func TestIntervalsOfMetricsAgreeWithScipy(t *testing.T) {
	g, _ := load(t)
	for _, c := range g.Samples {
		for metric, want := range c.Intervals {
			e, err := Measure(metric, Sample{Label: c.Label, Score: c.Score}, 0.95, Resampling{})
			if err != nil {
				t.Fatal(err)
			}
			near(t, c.Name+" "+metric+" low", e.Low, want[0])
			near(t, c.Name+" "+metric+" high", e.High, want[1])
		}
	}
}

func TestPairedComparisonsAgreeWithScipy(t *testing.T) {
	g, _ := load(t)
	for _, c := range g.Samples {
		for metric, want := range c.Compared {
			got, err := Compare(metric, Sample{Label: c.Label, Score: c.Score}, Sample{Label: c.Label, Score: c.Other}, 0.95, Resampling{})
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range []float64{got.Difference, got.Low, got.High, got.P} {
				near(t, c.Name+" "+metric, v, want[i])
			}
		}
	}
}

func TestDeLongAgreesWithPROC(t *testing.T) {
	data, err := os.ReadFile("testdata/proc.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Name          string
		AUC, Variance float64
		CI95          [2]float64
		Paired        struct{ Z, P float64 }
		Unpaired      struct{ T, DF, P float64 }
		Partial       [2]float64
	}
	if err := json.Unmarshal(data, &all); err != nil || len(all) != 2 {
		t.Fatalf("%d samples, %v", len(all), err)
	}
	g, _ := load(t)
	for k, want := range all {
		c := g.Samples[k]
		s := Sample{Label: c.Label, Score: c.Score}
		a, _ := DeLong(c.Label, c.Score)
		near(t, c.Name+" AUC", a.Value, want.AUC)
		near(t, c.Name+" variance", a.Variance, want.Variance)
		low, high := a.Interval(0.95)
		near(t, c.Name+" low", low, want.CI95[0])
		near(t, c.Name+" high", high, want.CI95[1])
		pa, _ := PlacementsOf(s)
		pb, _ := PlacementsOf(Sample{Label: c.Label, Score: c.Other})
		d, _ := Paired(pa, pb)
		near(t, c.Name+" paired z", d.Value/math.Sqrt(d.Variance), want.Paired.Z)
		near(t, c.Name+" paired p", d.PValue(0), want.Paired.P)
		u, v := halves(c.Label, c.Score, c.Other)
		d = Unpaired(u, v)
		near(t, c.Name+" unpaired t", d.Value/math.Sqrt(d.Variance), want.Unpaired.T)
		near(t, c.Name+" unpaired degrees of freedom", d.DF, want.Unpaired.DF)
		near(t, c.Name+" unpaired p", d.PValue(0), want.Unpaired.P)
		for i, f := range []float64{0.1, 0.5} {
			p, err := PartialAUC(s, f)
			if err != nil {
				t.Fatal(err)
			}
			near(t, c.Name+" partial", p, want.Partial[i])
		}
	}
}

// halves are the AUCs of every second row's score, and of the others' other.
func halves(label, score, other []float64) (a, b AUC) {
	var l, s [2][]float64
	for i := range label {
		k := i % 2 // R counts from 1, so its even rows are odd here
		l[k], s[k] = append(l[k], label[i]), append(s[k], [][]float64{other, score}[k][i])
	}
	a, _ = DeLong(l[1], s[1])
	b, _ = DeLong(l[0], s[0])
	return a, b
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
