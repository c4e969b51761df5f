package evaluation

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
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
	low, high, err := Bootstrap(MetricAUC, s, 0.95, Resampling{1000, 7})
	if err != nil {
		t.Fatal(err)
	}
	again, _, _ := Bootstrap(MetricAUC, s, 0.95, Resampling{1000, 7})
	other, _, _ := Bootstrap(MetricAUC, s, 0.95, Resampling{1000, 8})
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
		low, high, err := Bootstrap(metric, s, 0.95, Resampling{200, 7})
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
			low, high := a.Interval(0.95)
			if !(0 <= low && low <= a.Value+1e-12 && a.Value-1e-12 <= high && high <= 1) {
				t.Fatalf("%v not in %v to %v", a.Value, low, high)
			}
			area, err := ROCAUC(s)
			if err != nil || math.Abs(area-a.Value) > 1e-9 {
				t.Fatalf("%v by area, %v by ranks, %v", area, a.Value, err)
			}
		}
	})
}
