package evaluation

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/sluice-ml/sluice/shared/fault"
)

// measurable is what the golden values are compared with.
type measurable interface {
	Metric(metric string) (float64, error)
	Measure(metric string, confidence float64) (Estimate, error)
	Linear(metric string) (Linear, error)
}

type goalGolden struct {
	Name        string
	Names       []string
	Label       []float64
	Score       []float64
	Weight      []float64
	Query       []string
	Queries     int
	Probability [][]float64
	Table       [][]int
	Metrics     map[string]float64
	Variance    map[string]float64
	Intervals   map[string][2]float64
}

func (g goalGolden) outcome() measurable {
	switch {
	case g.Probability != nil:
		return Classes{Names: g.Names, Label: g.Label, Probability: g.Probability, Weight: g.Weight}
	case g.Query != nil:
		return Queries{Label: g.Label, Score: g.Score, Query: g.Query, Weight: g.Weight}
	}
	return Values{Label: g.Label, Score: g.Score, Weight: g.Weight}
}

func loadGoals(t testing.TB) (all []goalGolden) {
	t.Helper()
	data, err := os.ReadFile("testdata/goals.json")
	if err != nil {
		t.Fatal(err)
	}
	var g map[string][]goalGolden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"regression", "multiclass", "ranking"} {
		all = append(all, g[name]...)
	}
	if len(all) != 14 {
		t.Fatalf("%d samples", len(all))
	}
	return all
}

func TestGoalsAgreeWithScikitLearnAndScipy(t *testing.T) {
	for _, g := range loadGoals(t) {
		of := g.outcome()
		for name, want := range g.Metrics {
			got, err := of.Metric(name)
			if err != nil {
				t.Errorf("%s %s: %v", g.Name, name, err)
			}
			near(t, g.Name+" "+name, got, want)
			e, err := of.Measure(name, 0.95)
			if err != nil {
				t.Errorf("%s %s: %v", g.Name, name, err)
			}
			if !(e.Low <= e.Value && e.Value <= e.High) || e.Method == "" {
				t.Errorf("%s %s: %+v", g.Name, name, e)
			}
			if interval, ok := g.Intervals[name]; ok {
				near(t, g.Name+" "+name+" low", e.Low, interval[0])
				near(t, g.Name+" "+name+" high", e.High, interval[1])
			}
		}
		for name, want := range g.Variance {
			l, err := of.Linear(name)
			if err != nil {
				t.Fatal(err)
			}
			near(t, g.Name+" variance of "+name, l.Variance(), want)
		}
		if c, ok := of.(Classes); ok && !slices.EqualFunc(c.Table(), g.Table, slices.Equal) {
			t.Errorf("%s: %v, want %v", g.Name, c.Table(), g.Table)
		}
		if q, ok := of.(Queries); ok {
			if judged, _ := q.Judged(); len(judged) != g.Queries {
				t.Errorf("%s: %d queries, want %d", g.Name, len(judged), g.Queries)
			}
		}
	}
}

// TestInfluencesAreTheSpreadOfABootstrap: the variance that the influences give
// is what drawing the units again gives, for every metric.
func TestInfluencesAreTheSpreadOfABootstrap(t *testing.T) {
	const draws = 500
	for _, g := range loadGoals(t) {
		of := g.outcome()
		for name := range g.Metrics {
			l, err := of.Linear(name)
			if err != nil {
				continue // the median has none
			}
			sum := 0.0
			for _, d := range l.Influence {
				sum += d
			}
			if math.Abs(sum) > 1e-9*math.Max(1, math.Abs(l.Value)) {
				t.Errorf("%s %s: the influences sum to %v", g.Name, name, sum)
			}
			random := rand.New(rand.NewPCG(1, 2))
			var values []float64
			for range draws {
				drawn, err := g.drawn(random).Metric(name)
				if err != nil {
					t.Fatalf("%s %s: %v", g.Name, name, err)
				}
				values = append(values, drawn)
			}
			spread := linearMean("", values).Variance() * draws
			if ratio := spread / l.Variance(); ratio < 0.75 || ratio > 1.33 {
				t.Errorf("%s %s: the bootstrap's variance is %.3f times that of the influences", g.Name, name, ratio)
			}
		}
	}
}

// drawn is the sample with its units drawn again.
func (g goalGolden) drawn(r *rand.Rand) measurable {
	switch of := g.outcome().(type) {
	case Queries:
		queries, _ := of.Judged()
		out := Queries{}
		for k := range queries {
			for _, i := range queries[r.IntN(len(queries))] {
				out.Label, out.Score = append(out.Label, of.Label[i]), append(out.Score, of.Score[i])
				out.Query = append(out.Query, string(rune(k+1)))
				if of.Weight != nil {
					out.Weight = append(out.Weight, of.Weight[i])
				}
			}
		}
		return out
	case Classes:
		return of.Take(drawnRows(r, len(of.Label)))
	case Values:
		return of.Take(drawnRows(r, len(of.Label)))
	}
	return nil
}

func drawnRows(r *rand.Rand, n int) []int {
	rows := make([]int, n)
	for i := range rows {
		rows[i] = r.IntN(n)
	}
	return rows
}

func TestWhatIsNotDefinedIsNoNumber(t *testing.T) {
	nan := math.NaN()
	three := []string{"a", "b", "c"}
	even := [][]float64{{0.5, 0.2}, {0.3, 0.3}, {0.2, 0.5}}
	for name, c := range map[string]struct {
		of     measurable
		metric string
	}{
		"no rows":                {Values{}, MetricRMSE},
		"not aligned":            {Values{Label: []float64{1}, Score: nil}, MetricRMSE},
		"NaN":                    {Values{Label: []float64{1, 2}, Score: []float64{nan, 1}}, MetricMAE},
		"infinite":               {Values{Label: []float64{1, 2}, Score: []float64{1, math.Inf(1)}}, MetricMedianError},
		"share of 0":             {Values{Label: []float64{0, 1}, Score: []float64{1, 1}}, MetricMAPE},
		"log of -1":              {Values{Label: []float64{0, 1}, Score: []float64{1, -1}}, MetricRMSLE},
		"constant labels":        {Values{Label: []float64{2, 2}, Score: []float64{1, 3}}, MetricR2},
		"of another goal":        {Values{Label: []float64{2, 3}, Score: []float64{1, 3}}, MetricAUC},
		"one row":                {Values{Label: []float64{2}, Score: []float64{1}}, MetricMAE},
		"few rows for a median":  {Values{Label: []float64{2, 3}, Score: []float64{1, 1}}, MetricMedianError},
		"class without rows":     {Classes{Names: three, Label: []float64{0, 1}, Probability: even}, MetricF1Macro},
		"class never predicted":  {Classes{Names: three, Label: []float64{0, 1, 2}, Probability: [][]float64{{0.5, 0.6, 0.7}, {0.3, 0.3, 0.2}, {0.2, 0.1, 0.1}}}, MetricPrecisionMacro},
		"class of one row":       {Classes{Names: three, Label: []float64{0, 1, 2}, Probability: [][]float64{{0.5, 0.6, 0.7}, {0.3, 0.3, 0.2}, {0.2, 0.1, 0.1}}}, MetricAUCOvR},
		"label that is no class": {Classes{Names: three, Label: []float64{0, 3}, Probability: even}, MetricAccuracy},
		"part of a class":        {Classes{Names: three, Label: []float64{0, 0.5}, Probability: even}, MetricAccuracy},
		"NaN label":              {Classes{Names: three, Label: []float64{0, nan}, Probability: even}, MetricAccuracy},
		"NaN probability":        {Classes{Names: three, Label: []float64{0, 1}, Probability: [][]float64{{0.5, nan}, {0.3, 0.3}, {0.2, 0.5}}}, MetricAccuracy},
		"do not sum to 1":        {Classes{Names: three, Label: []float64{0, 1}, Probability: [][]float64{{0.5, 0.5}, {0.3, 0.3}, {0.2, 0.5}}}, MetricLogLoss},
		"one class":              {Classes{Names: three[:1], Label: []float64{0, 0}, Probability: [][]float64{{1, 1}}}, MetricAccuracy},
		"nothing relevant":       {Queries{Label: []float64{0, 0}, Score: []float64{1, 2}, Query: []string{"q", "q"}}, MetricNDCG},
		"single rows":            {Queries{Label: []float64{1, 1}, Score: []float64{1, 2}, Query: []string{"p", "q"}}, MetricMAP},
		"one query":              {Queries{Label: []float64{0, 1}, Score: []float64{1, 2}, Query: []string{"q", "q"}}, MetricNDCG},
		"below 0":                {Queries{Label: []float64{-1, 1}, Score: []float64{1, 2}, Query: []string{"q", "q"}}, MetricNDCG},
		"negative weight":        {Values{Label: []float64{1, 2}, Score: []float64{1, 1}, Weight: []float64{1, -1}}, MetricMAE},
		"NaN weight":             {Values{Label: []float64{1, 2}, Score: []float64{1, 1}, Weight: []float64{1, nan}}, MetricMAE},
		"weights of other rows":  {Values{Label: []float64{1, 2}, Score: []float64{1, 1}, Weight: []float64{1}}, MetricMAE},
		"no row counts":          {Values{Label: []float64{1, 2}, Score: []float64{1, 1}, Weight: []float64{0, 0}}, MetricMedianError},
		"one row counts":         {Values{Label: []float64{1, 2}, Score: []float64{1, 1}, Weight: []float64{0, 3}}, MetricMAE},
		"class that counts 0":    {Classes{Names: three, Label: []float64{0, 1, 2}, Probability: [][]float64{{0.5, 0.3, 0.2}, {0.3, 0.5, 0.2}, {0.2, 0.2, 0.6}}, Weight: []float64{1, 1, 0}}, MetricF1Macro},
		"a query of two weights": {Queries{Label: []float64{0, 1, 1, 0}, Score: []float64{1, 2, 3, 4}, Query: []string{"p", "p", "q", "q"}, Weight: []float64{1, 1, 1, 2}}, MetricNDCG},
		"map cut at 0":           {Queries{Label: []float64{0, 1}, Score: []float64{1, 2}, Query: []string{"q", "q"}}, "map@0"},
		"cut at 0":               {Queries{Label: []float64{0, 1}, Score: []float64{1, 2}, Query: []string{"q", "q"}}, "ndcg@0"},
	} {
		if e, err := c.of.Measure(c.metric, 0.95); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
}

// TestPairedComparisonsHoldTogether: a comparison with itself is 0 and certain,
// one that is worse by a known share says so.
func TestPairedComparisonsHoldTogether(t *testing.T) {
	g := loadGoals(t)[0]
	a, err := g.outcome().Linear(MetricRMSE)
	if err != nil {
		t.Fatal(err)
	}
	if value, low, high, err := PairedIncrease(a, a, 0.95); err != nil || value != 0 || low != 0 || high != 0 {
		t.Errorf("%v %v %v %v", value, low, high, err)
	}
	doubled := Values{Label: g.Label, Score: make([]float64, len(g.Score))}
	for i := range doubled.Score {
		doubled.Score[i] = g.Label[i] + 2*(g.Score[i]-g.Label[i])
	}
	b, err := doubled.Linear(MetricRMSE)
	if err != nil {
		t.Fatal(err)
	}
	value, low, high, err := PairedIncrease(b, a, 0.95)
	if err != nil || math.Abs(value-1) > 1e-12 || math.Abs(low-1) > 1e-6 || math.Abs(high-1) > 1e-6 {
		t.Errorf("errors that are all doubled: %v %v %v %v", value, low, high, err)
	}
	c, err := CompareLinear(b, a, 0.95)
	if err != nil || !(c.P < 1e-6) || !(c.Low > 0) {
		t.Errorf("%+v %v", c, err)
	}
	other := Linear{Name: MetricRMSE, Influence: make([]float64, 3)}
	if _, _, err := PairedLinear(a, other); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	mean, err := MeanLinear(a, b)
	if err != nil || math.Abs(mean.Value-1.5*a.Value) > 1e-12 {
		t.Errorf("%v %v", mean.Value, err)
	}
	if value, low, high, err := DisparityOfShares(Share{1, 10, 10}, Share{1, 10, 10}, 0.95); err != nil || value != 0 || low != 0 || !(high > 0.2) {
		t.Errorf("shares of 1 are not certain: %v %v %v %v", value, low, high, err)
	}
}

// TestRowsOfWeight0AreAsIfTheyWereNotThere: of every goal and metric, values and
// intervals are those of the other rows, to the bit.
func TestRowsOfWeight0AreAsIfTheyWereNotThere(t *testing.T) {
	for _, g := range loadGoals(t) {
		if g.Weight == nil {
			continue
		}
		var all, counting measurable
		switch of := g.outcome().(type) {
		case Values:
			counting = of.Take(Counting(of.Weight))
			all = of
		case Classes:
			counting = of.Take(Counting(of.Weight))
			all = of
		case Queries:
			rest := Queries{}
			for _, i := range Counting(of.Weight) {
				rest.Label, rest.Score = append(rest.Label, of.Label[i]), append(rest.Score, of.Score[i])
				rest.Query, rest.Weight = append(rest.Query, of.Query[i]), append(rest.Weight, of.Weight[i])
			}
			counting, all = rest, of
		}
		for name := range g.Metrics {
			a, err1 := all.Measure(name, 0.9)
			b, err2 := counting.Measure(name, 0.9)
			if err1 != nil || err2 != nil || a != b {
				t.Errorf("%s %s: %+v and %+v, %v, %v", g.Name, name, a, b, err1, err2)
			}
		}
	}
}

// TestEqualWeightsAreNone: rows that all weigh 2 tell as much as rows that weigh 1.
func TestEqualWeightsAreNone(t *testing.T) {
	for _, g := range loadGoals(t) {
		if g.Weight != nil {
			continue
		}
		plain := g.outcome()
		g.Weight = make([]float64, len(g.Label))
		for i := range g.Weight {
			g.Weight[i] = 2
		}
		for name := range g.Metrics {
			a, err1 := plain.Measure(name, 0.9)
			b, err2 := g.outcome().Measure(name, 0.9)
			if err1 != nil || err2 != nil {
				t.Fatal(g.Name, name, err1, err2)
			}
			near(t, g.Name+" "+name, b.Value, a.Value)
			if name != MetricMedianError { // Woodruff's and the binomial's are two ways
				near(t, g.Name+" "+name+" low", b.Low, a.Low)
				near(t, g.Name+" "+name+" high", b.High, a.High)
			}
		}
	}
}
