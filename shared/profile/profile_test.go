package profile

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-ml/sluice/shared/table"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

func config(t testing.TB, more string) *trainconfig.Config {
	t.Helper()
	c, err := trainconfig.Parse("train.yaml", []byte("experiment: {name: m}\n"+more))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const plain = "data: {target: y}\n"

func csv(t testing.TB, name, text string) *table.Table {
	t.Helper()
	tab, err := table.Read(context.Background(), name, strings.NewReader(text), int64(len(text)), table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// people writes n rows: age (number), job (text), y (0 or 1).
func people(n int, seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 1))
	var b bytes.Buffer
	b.WriteString("age,job,y\n")
	for range n {
		fmt.Fprintf(&b, "%d,%s,%d\n", 17+r.IntN(70), []string{"clerk", "smith", "cook"}[r.IntN(3)], r.IntN(2))
	}
	return b.String()
}

func TestColumnStatistics(t *testing.T) {
	cfg := config(t, plain)
	p := Of(csv(t, "a.csv", "x,s,e,y\n1,a,,0\n2,NA,,1\n4.0,b,NA,1\n4,007,,1\n"), cfg)
	x := p.Column("x")
	if x.Moments.Count != 4 || x.Moments.Mean != 2.75 || math.Abs(x.Moments.Variance()-1.6875) > 1e-15 || x.Moments.Min != 1 || x.Moments.Max != 4 {
		t.Errorf("x: %+v", x.Moments)
	}
	if x.Distinct.Estimate() != 3 || x.Kind != "number" || fmt.Sprint(x.Summary) != "{true [1 2 4] [1 1 2]}" {
		t.Errorf("x: %+v", x)
	}
	s := p.Column("s")
	if s.Kind != "text" || s.Nulls != 1 || s.Texts != 2 || s.Categories.Counts["7"] != 1 || s.Moments.Count != 1 || s.Example.Value != "a" || s.Example.Row != 1 {
		t.Errorf("s: %+v %+v", s, s.Example)
	}
	if e := p.Column("e"); e.Kind != "" || e.Nulls != 4 {
		t.Errorf("e: %+v", e)
	}
	if fmt.Sprint(p.Classes) != "map[0:1 1:3]" || p.Rows != 4 {
		t.Errorf("%v of %d", p.Classes, p.Rows)
	}
	if fmt.Sprint(Features(cfg, p.Names())) != "[e s x]" {
		t.Errorf("features %v", Features(cfg, p.Names()))
	}
}

func TestMergeOfPartsIsTheWhole(t *testing.T) {
	cfg := config(t, plain)
	lines := strings.SplitAfter(people(3000, 1), "\n")
	whole := Of(csv(t, "a.csv", strings.Join(lines, "")), cfg)
	var parts []Profile
	for at := 1; at < len(lines)-1; at += 700 {
		parts = append(parts, Of(csv(t, "a.csv", lines[0]+strings.Join(lines[at:min(at+700, len(lines))], "")), cfg))
	}
	merged, err := Merge(parts...)
	if err != nil {
		t.Fatal(err)
	}
	reversed := slices.Clone(parts)
	slices.Reverse(reversed)
	other, _ := Merge(reversed...)
	for _, m := range []Profile{merged, other} {
		for i, c := range m.Columns {
			want := whole.Columns[i]
			if math.Abs(c.Moments.Mean-want.Moments.Mean) > 1e-12*math.Abs(want.Moments.Mean) ||
				math.Abs(c.Moments.M2-want.Moments.M2) > 1e-9*want.Moments.M2 {
				t.Errorf("%s: %+v, want %+v", c.Name, c.Moments, want.Moments)
			}
			if !reflect.DeepEqual(c.Summary, want.Summary) || !reflect.DeepEqual(c.Categories, want.Categories) || !reflect.DeepEqual(c.Distinct, want.Distinct) {
				t.Errorf("%s differs from the whole", c.Name)
			}
		}
		if !reflect.DeepEqual(m.Classes, whole.Classes) || m.Rows != whole.Rows {
			t.Errorf("%v of %d", m.Classes, m.Rows)
		}
	}
}

func TestNumbersThatMeetTextBecomeCategories(t *testing.T) {
	cfg := config(t, plain)
	merged, err := Merge(Of(csv(t, "a.csv", "x,y\n1,0\n2.0,1\n"), cfg), Of(csv(t, "b.csv", "x,y\n2,0\n?,1\n"), cfg))
	if err != nil {
		t.Fatal(err)
	}
	joined, _ := table.Concat(csv(t, "a.csv", "x,y\n1,0\n2.0,1\n"), csv(t, "b.csv", "x,y\n2,0\n?,1\n"))
	x, want := merged.Column("x"), columnOf(&joined.Columns[0], "b.csv")
	if x.Kind != "text" || !reflect.DeepEqual(x.Categories, want.Categories) || x.Texts != 1 || x.Example.Object != "b.csv" || x.Example.Row != 2 {
		t.Errorf("%+v, want %+v", x, want)
	}
}

func TestSummaryStaysSmallAndNearTheTruth(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	var all []float64
	merged := Summary{Exact: true}
	for range 20 {
		part := make([]float64, 5000)
		for i := range part {
			part[i] = r.NormFloat64()
		}
		all = append(all, part...)
		merged = merged.merge(summaryOf(part))
	}
	if len(merged.Points) > maxPoints || merged.Exact || merged.total() != 100_000 {
		t.Fatalf("%d points, exact %v, weight %d", len(merged.Points), merged.Exact, merged.total())
	}
	slices.Sort(all)
	for _, q := range []float64{0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99} {
		rank, _ := slices.BinarySearch(all, merged.Quantile(q))
		if off := math.Abs(float64(rank)/100_000 - q); off > 0.01 {
			t.Errorf("quantile %v is off by %v in rank", q, off)
		}
	}
	if merged.Quantile(1) != all[len(all)-1] {
		t.Error("the greatest value is lost")
	}
}

func TestDistinctEstimates(t *testing.T) {
	for _, n := range []int{1, 256, 257, 5000, 200_000} {
		var a, b Distinct
		for i := range n {
			d := &a
			if i%2 == 1 {
				d = &b
			}
			d.add(fmt.Sprint("value ", i))
			d.add(fmt.Sprint("value ", i/2))
		}
		got := a.merge(b).Estimate()
		if off := math.Abs(float64(got)-float64(n)) / float64(n); off > 0.07 || (n <= 256 && off > 0) {
			t.Errorf("%d distinct values: estimate %d", n, got)
		}
		if other := b.merge(a).Estimate(); other != got {
			t.Errorf("the order changes %d to %d", got, other)
		}
	}
}

func TestCategoriesAreBounded(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("s,y\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "common,0\nrare %d %s,1\n", i, strings.Repeat("é", 100))
	}
	p := Of(csv(t, "a.csv", b.String()), config(t, plain))
	s := p.Column("s")
	if len(s.Categories.Counts) != maxCategories || s.Categories.Counts["common"] != 1000 || s.Categories.Other != 745 {
		t.Errorf("%d categories, %d common, %d other", len(s.Categories.Counts), s.Categories.Counts["common"], s.Categories.Other)
	}
	for v := range s.Categories.Counts {
		if len(v) > maxValue {
			t.Errorf("a category of %d bytes", len(v))
		}
	}
}

func TestJSONRoundTripAndDecode(t *testing.T) {
	p := Of(csv(t, "a.csv", people(2000, 3)), config(t, plain))
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	back, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := json.Marshal(back)
	if !bytes.Equal(data, again) {
		t.Error("the JSON changed on its way")
	}
	for _, bad := range []string{
		`{`, `{}`, `{"format": 2}`, `{"format":1,"rows":-1}`, `{"format":1,"columns":[null]}`,
		`{"format":1,"columns":[{"name":"b"},{"name":"a"}]}`, `{"format":1,"columns":[{"name":"b","kind":"odd"}]}`,
		`{"format":1,"columns":[{"summary":{"points":[1],"weight":[]}}]}`,
		`{"format":1,"columns":[{"summary":{"points":[2,1],"weight":[1,1]}}]}`,
		`{"format":1,"columns":[{"distinct":{"registers":"AAAA"}}]}`,
	} {
		if _, err := Decode([]byte(bad)); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
	if _, err := Merge(); err == nil {
		t.Error("nothing was merged without an error")
	}
	other := p
	other.Target = "z"
	if _, err := Merge(p, other); err == nil {
		t.Error("different targets were merged")
	}
}

func FuzzDecode(f *testing.F) {
	data, _ := json.Marshal(Of(csv(f, "a.csv", people(20, 3)), config(f, plain)))
	f.Add(data)
	cfg := config(f, plain)
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Decode(data)
		if err != nil {
			return
		}
		merged, err := Merge(p, p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(merged); err != nil {
			t.Fatal(err)
		}
		Check(cfg, &p, Scope{Name: "the dataset", Profile: merged})
	})
}
