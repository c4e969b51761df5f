package evaluation

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-ml/sluice/shared/fault"
)

func TestNothingLooksFineThatIsNot(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	ok := []float64{0, 1, 0, 1}
	for _, c := range []struct {
		name, want string
		s          Sample
	}{
		{"no rows", "no rows", Sample{}},
		{"ragged", "are not aligned", Sample{Label: ok, Score: []float64{1}}},
		{"ragged weights", "are not aligned", Sample{Label: ok, Score: ok, Weight: []float64{1}}},
		{"label", "neither 0 nor 1", Sample{Label: []float64{0, 2}, Score: []float64{0, 1}}},
		{"label nan", "neither 0 nor 1", Sample{Label: []float64{0, nan}, Score: []float64{0, 1}}},
		{"score nan", "the score NaN is not finite", Sample{Label: ok, Score: []float64{0, 1, nan, 1}}},
		{"score inf", "the score +Inf is not finite", Sample{Label: ok, Score: []float64{0, 1, inf, 1}}},
		{"negative weight", "the weight -1 is negative", Sample{Label: ok, Score: ok, Weight: []float64{1, 1, 1, -1}}},
		{"one class", "both classes are needed", Sample{Label: []float64{1, 1}, Score: []float64{0, 1}}},
		{"one class by weight", "both classes are needed", Sample{Label: ok, Score: ok, Weight: []float64{1, 0, 1, 0}}},
		{"overflowing weights", "the weights sum to +Inf", Sample{Label: ok, Score: ok, Weight: []float64{1e308, 1e308, 1e308, 1e308}}},
	} {
		for _, of := range []func(Sample) error{
			func(s Sample) error { _, err := ROCAUC(s); return err },
			func(s Sample) error { _, err := AveragePrecision(s); return err },
			func(s Sample) error { _, err := ROC(s); return err },
			func(s Sample) error { _, err := PrecisionRecall(s); return err },
			func(s Sample) error { _, err := PartialAUC(s, 0.1); return err },
		} {
			if err := of(c.s); err == nil || !strings.Contains(err.Error(), c.want) || !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
	if _, err := LogLoss(Sample{Label: ok, Score: []float64{0, 1, 2, 0}}); err == nil {
		t.Error("a log loss of a score of 2")
	}
	if _, err := Metric(MetricPrecision, Sample{Label: ok, Score: make([]float64, 4)}); err == nil || !strings.Contains(err.Error(), "precision is not defined") {
		t.Errorf("precision without predictions: %v", err)
	}
	if _, err := Metric("auc", Sample{Label: ok, Score: ok}); err == nil {
		t.Error("an unknown metric")
	}
	if _, err := DeLong([]float64{1, 0}, []float64{1, 0}); err == nil {
		t.Error("a variance from one row of each class")
	}
	if _, err := Paired(Placements{}, Placements{}); err == nil {
		t.Error("a difference of nothing")
	}
	for _, p := range [][]float64{{nan}, {-0.1}, {1.1}} {
		if _, err := Holm(p); err == nil {
			t.Errorf("Holm took %v", p)
		}
	}
	if _, _, err := Wilson(5, 3, 0.95); err == nil {
		t.Error("5 of 3")
	}
	if _, err := ParityOf([]Group{{}}); err == nil {
		t.Error("parity of one group")
	}
}

func TestConstantScoresAreChance(t *testing.T) {
	s := Sample{Label: []float64{0, 1, 0, 1, 1}, Score: []float64{0.3, 0.3, 0.3, 0.3, 0.3}}
	auc, err := ROCAUC(s)
	if err != nil || auc != 0.5 {
		t.Errorf("%v, %v", auc, err)
	}
	a, err := DeLong(s.Label, s.Score)
	if err != nil || a.Value != 0.5 || a.Variance != 0 {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestAPerfectAUCOfFewRowsIsNotCertain(t *testing.T) {
	a, err := DeLong([]float64{0, 0, 0, 0, 1, 1, 1}, []float64{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7})
	if err != nil {
		t.Fatal(err)
	}
	low, high := a.Interval(0.95)
	if wantLow := math.Pow(0.025, 1.0/3); a.Value != 1 || high != 1 || math.Abs(low-wantLow) > 1e-12 {
		t.Errorf("AUC %v, interval %v to %v", a.Value, low, high)
	}
}

func noisy(n int, seed uint64) Sample {
	r := rand.New(rand.NewPCG(seed, 3))
	s := Sample{Label: make([]float64, n), Score: make([]float64, n)}
	for i := range n {
		if r.Float64() < 0.3 {
			s.Label[i] = 1
		}
		s.Score[i] = min(1, max(0, 0.35+0.2*s.Label[i]+0.2*r.NormFloat64()))
	}
	return s
}

func TestBootstrapIsSeededAndAgreesWithDeLong(t *testing.T) {
	s := noisy(1500, 1)
	low, high, err := Bootstrap(MetricAUC, s, 0.95, Resampling{Draws: 1000, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	again, _, _ := Bootstrap(MetricAUC, s, 0.95, Resampling{Draws: 1000, Seed: 7})
	other, _, _ := Bootstrap(MetricAUC, s, 0.95, Resampling{Draws: 1000, Seed: 8})
	if low != again || low == other {
		t.Errorf("%v, again %v, another seed %v", low, again, other)
	}
	a, _ := DeLong(s.Label, s.Score)
	wantLow, wantHigh := a.Interval(0.95)
	if math.Abs(low-wantLow) > 0.004 || math.Abs(high-wantHigh) > 0.004 {
		t.Errorf("%v to %v, DeLong %v to %v", low, high, wantLow, wantHigh)
	}
	for _, metric := range []string{MetricPRAUC, MetricF1, MetricPrecision, MetricRecall, MetricAccuracy, MetricLogLoss, MetricBrier} {
		value, _ := Metric(metric, s)
		low, high, err := Bootstrap(metric, s, 0.95, Resampling{Draws: 200, Seed: 7})
		if err != nil || !(low < value && value < high) {
			t.Errorf("%s: %v not in %v to %v, %v", metric, value, low, high, err)
		}
	}
}

func TestDeLongIntervalsCoverAsOftenAsTheySay(t *testing.T) {
	// Scores N(0,1) and N(1,1): the true AUC is Φ(1/√2).
	truth := 0.5 * math.Erfc(-1.0/2)
	r := rand.New(rand.NewPCG(5, 5))
	const rounds = 2000
	covered := 0
	for range rounds {
		label, score := make([]float64, 120), make([]float64, 120)
		for i := range label {
			label[i] = float64(i % 2)
			score[i] = r.NormFloat64() + label[i]
		}
		a, err := DeLong(label, score)
		if err != nil {
			t.Fatal(err)
		}
		if low, high := a.Interval(0.95); low <= truth && truth <= high {
			covered++
		}
	}
	if share := float64(covered) / rounds; share < 0.93 || share > 0.97 {
		t.Errorf("95 %% intervals cover %.3f of the time", share)
	}
}

func TestMeanAUCOfOneScoringIsItself(t *testing.T) {
	s := noisy(300, 2)
	p, _ := PlacementsOf(s)
	a := p.AUC()
	mean, err := MeanPlacements(p, p, p)
	m := mean.AUC()
	if err != nil || math.Abs(m.Value-a.Value) > 1e-12 || math.Abs(m.Variance-a.Variance) > 1e-15 {
		t.Errorf("%v %v, want %v %v, %v", m.Value, m.Variance, a.Value, a.Variance, err)
	}
}

func TestGroupsOfSeveralAttributes(t *testing.T) {
	s := Sample{Label: []float64{0, 1, 0, 1, 1}, Score: []float64{0.1, 0.9, 0.8, 0.2, 0.5}}
	groups, missing, err := GroupBy(s, []string{"sex", "race"}, [][]string{{"F", "M", "", "F", "M"}, {"a", "a", "a", "b", "a"}})
	if err != nil || missing != 1 || len(groups) != 3 {
		t.Fatalf("%+v %d %v", groups, missing, err)
	}
	if groups[2].Name != "sex=M & race=a" || groups[2].Positives != 2 || groups[2].Confusion.TP != 2 || groups[2].AUC != nil {
		t.Errorf("%+v", groups[2])
	}
	if _, _, err := GroupBy(s, []string{"sex"}, [][]string{{"F"}}); err == nil {
		t.Error("attributes that are not aligned")
	}
	if _, err := ParityOf(groups); err == nil || !strings.Contains(err.Error(), "its rates are not defined") {
		t.Errorf("%v", err)
	}
}

// FuzzMetrics reads bytes as rows and looks for a value outside its range.
func FuzzMetrics(f *testing.F) {
	f.Add([]byte{0, 10, 1, 200, 0, 10, 1, 10}, false)
	f.Fuzz(func(t *testing.T, data []byte, wild bool) {
		var s Sample
		for i := 0; i+9 <= len(data); i += 9 {
			s.Label = append(s.Label, float64(data[i]%2))
			score := float64(data[i+1]) / 255
			if wild {
				score = math.Float64frombits(binary.LittleEndian.Uint64(data[i+1:]))
			}
			s.Score = append(s.Score, score)
		}
		for _, metric := range []string{MetricAUC, MetricPRAUC, MetricPrecision, MetricRecall, MetricF1, MetricAccuracy, MetricBrier} {
			if v, err := Metric(metric, s); err == nil && !(v >= 0 && v <= 1) {
				t.Fatalf("%s is %v", metric, v)
			}
		}
		if v, err := Metric(MetricLogLoss, s); err == nil && !(v >= 0) {
			t.Fatalf("log loss is %v", v)
		}
		if a, err := DeLong(s.Label, s.Score); err == nil {
			for _, interval := range []func(float64) (float64, float64){a.Interval, a.Logit} {
				low, high := interval(0.95)
				if !(0 <= low && low <= a.Value+1e-12 && a.Value-1e-12 <= high && high <= 1) {
					t.Fatalf("%v not in %v to %v", a.Value, low, high)
				}
			}
			area, err := ROCAUC(s)
			if err != nil || math.Abs(area-a.Value) > 1e-9 {
				t.Fatalf("%v by area, %v by ranks, %v", area, a.Value, err)
			}
		}
	})
}

// TestEveryWayToTheAUCAgrees compares the exact sums, on one core and on more,
// with the sorted placements and the curve's area, on scores that are ties,
// signed zeros, denormal, huge, or 32-bit.
func TestEveryWayToTheAUCAgrees(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	shapes := map[string]func() float64{
		"normal":  r.NormFloat64,
		"ties":    func() float64 { return float64(r.IntN(7)) / 7 },
		"zeros":   func() float64 { return []float64{0, math.Copysign(0, -1), 1}[r.IntN(3)] },
		"tiny":    func() float64 { return float64(r.IntN(9)) * 5e-324 },
		"extreme": func() float64 { return math.Ldexp(r.NormFloat64(), r.IntN(2000)-1000) },
		"float32": func() float64 { return float64(r.Float32()) },
		"crowded": func() float64 { return 0.5 + 1e-9*r.Float64() },
	}
	for name, draw := range shapes {
		for _, n := range []int{4, 30, 900, 30_000, 3 * rowsPerWorker} {
			s := Sample{Label: make([]float64, n), Score: make([]float64, n)}
			for i := range n {
				s.Label[i], s.Score[i] = float64(i%2), draw()
			}
			a, err := DeLong(s.Label, s.Score)
			if err != nil {
				t.Fatal(err)
			}
			p, err := PlacementsOf(s)
			if err != nil {
				t.Fatal(err)
			}
			b := p.AUC()
			s.Weight = make([]float64, n)
			for i := range n {
				s.Weight[i] = 1
			}
			area, err := ROCAUC(s)
			if err != nil || math.Abs(a.Value-b.Value) > 1e-12 || math.Abs(a.Value-area) > 1e-12 || math.Abs(a.Variance-b.Variance) > 1e-10*b.Variance+1e-18 {
				t.Errorf("%s, %d rows: %v ± %v, %v ± %v, %v, %v", name, n, a.Value, a.Variance, b.Value, b.Variance, area, err)
			}
			if a.Positives() != n/2 || a.Negatives() != n-n/2 || b.Positives() != n/2 {
				t.Errorf("%s: %d and %d of %d", name, a.Positives(), a.Negatives(), n)
			}
		}
	}
}

func TestTheSameBitsOnAnyNumberOfCores(t *testing.T) {
	s := noisy(3*rowsPerWorker, 9)
	one := sorter{label: s.Label, score: s.Score, workers: 1}
	many := sorter{label: s.Label, score: s.Score, workers: 7}
	for _, c := range []*sorter{&one, &many} {
		if !c.scan() {
			t.Fatal("good rows are refused")
		}
		c.histogram()
		c.spread()
	}
	if one.merge() != many.merge() {
		t.Error("one core and seven differ")
	}
}

func TestWeightedMetrics(t *testing.T) {
	// Rows that weigh 0 are as if they were not there; equal weights as none.
	s := noisy(500, 4)
	heavy, part := s, Sample{}
	heavy.Weight = make([]float64, 500)
	for i := range heavy.Weight {
		if i%3 > 0 {
			heavy.Weight[i] = 2.5
			part.Label, part.Score = append(part.Label, s.Label[i]), append(part.Score, s.Score[i])
		}
	}
	for _, metric := range []string{MetricAUC, MetricPRAUC, MetricPrecision, MetricRecall, MetricF1, MetricAccuracy, MetricLogLoss, MetricBrier} {
		got, err := Measure(metric, heavy, 0.9)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := Measure(metric, part, 0.9)
		near(t, metric, got.Value, want.Value)
		near(t, metric+" low", got.Low, want.Low)
		near(t, metric+" high", got.High, want.High)
	}
	e, err := Measure(MetricPRAUC, heavy, 0.9)
	if err != nil || !(e.Low < e.Value && e.Value < e.High) || e.Method != ByInfluence {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := PlacementsOf(Sample{Label: []float64{0, 0, 1, 1}, Score: []float64{0, 1, 0, 1}, Weight: []float64{1, 1, 1, 0}}); err == nil {
		t.Error("a variance of one positive row that weighs something")
	}
	groups, _, err := GroupBy(heavy, []string{"g"}, [][]string{slices.Repeat([]string{"a", "b"}, 250)})
	if err != nil || len(groups) != 2 {
		t.Fatal(err)
	}
	for _, name := range []string{RateSelection, RateTruePositive, RateFalsePositive} {
		if e, err := groups[0].Rate(name, 0.95); err != nil || !(e.Low < e.Value && e.Value < e.High) {
			t.Errorf("%+v, %v", e, err)
		}
	}
}

func TestPairedBootstrapSeesWhatTwoIntervalsHide(t *testing.T) {
	a := noisy(800, 5)
	b := Sample{Label: a.Label, Score: make([]float64, 800)}
	r := rand.New(rand.NewPCG(1, 1))
	for i := range b.Score {
		b.Score[i] = min(1, max(0, a.Score[i]+0.1*r.NormFloat64()))
	}
	low, high, p, err := BootstrapDifference(MetricPRAUC, a, b, 0.95, Resampling{Draws: 500, Seed: 3})
	if err != nil || !(0 < low && low < high) || p > 0.05 {
		t.Errorf("%v to %v, p %v, %v", low, high, p, err)
	}
	alone, _, _ := Bootstrap(MetricPRAUC, a, 0.95, Resampling{Draws: 500, Seed: 3})
	if _, other, _ := Bootstrap(MetricPRAUC, b, 0.95, Resampling{Draws: 500, Seed: 3}); alone > other {
		t.Error("the intervals do not overlap: a poor example")
	}
	b.Label = b.Label[1:]
	if _, _, _, err := BootstrapDifference(MetricPRAUC, a, b, 0.95, Resampling{Draws: 500, Seed: 3}); err == nil {
		t.Error("a difference over other rows")
	}
	if _, _, err := Bootstrap(MetricPRAUC, a, 0.95, Resampling{Draws: 10, Seed: 3}); err == nil {
		t.Error("ten draws")
	}
}

func TestCalibrationBins(t *testing.T) {
	s := Sample{Label: []float64{0, 1, 0, 1, 1, 1}, Score: []float64{0, 0.1, 0.1, 0.1, 0.9, 1}}
	_, wide, err := CalibrationError(s, 2)
	if err != nil || len(wide) != 2 || wide[0].Weight != 4 || wide[1] != (CalibrationBin{0.9, 1, 2, 0.95, 1}) {
		t.Errorf("%+v, %v", wide, err)
	}
	_, equal, err := CalibrationErrorByMass(s, 3)
	if err != nil || len(equal) != 2 || equal[0].Weight != 4 || equal[1].Weight != 2 {
		t.Errorf("equal scores are not parted: %+v, %v", equal, err)
	}
	if _, _, err := CalibrationErrorByMass(s, 0); err == nil {
		t.Error("no bins")
	}
}
