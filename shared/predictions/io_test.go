package predictions

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/parquet"
)

func sample() Set {
	return Set{
		RowID:    []string{"raw/m/a.csv#0", "raw/m/a.csv#1", "raw/m/b.csv#0"},
		Label:    []float64{1, 0, 1},
		Score:    []float64{0.1, math.Nextafter(1, 0), 0},
		Champion: []float64{0.5, 0, 1},
		Attributes: map[string][]string{
			"sex":  {"Female", "", "Male"},
			"race": {"a", "b", "c"},
		},
	}
}

func written(t testing.TB, s Set) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSetReadsBackBitForBitFromEqualBytes(t *testing.T) {
	first := written(t, sample())
	if !bytes.Equal(first, written(t, sample())) {
		t.Error("equal sets, different bytes")
	}
	back, err := Read(bytes.NewReader(first), int64(len(first)))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, sample()) {
		t.Errorf("%+v", back)
	}
	alone := sample()
	alone.Champion, alone.Attributes = nil, map[string][]string{}
	data := written(t, alone)
	if back, err = Read(bytes.NewReader(data), int64(len(data))); err != nil || !reflect.DeepEqual(back, alone) {
		t.Errorf("%+v, %v", back, err)
	}
}

func TestWrongSetsAreNotWrittenNorRead(t *testing.T) {
	for want, spoil := range map[string]func(*Set){
		"no rows":                          func(s *Set) { *s = Set{} },
		"are not aligned":                  func(s *Set) { s.Score = s.Score[:2] },
		"2 champion scores":                func(s *Set) { s.Champion = s.Champion[:2] },
		`attribute "sex" has 1 values`:     func(s *Set) { s.Attributes["sex"] = []string{"x"} },
		"is empty or was seen before":      func(s *Set) { s.RowID[1] = s.RowID[0] },
		"the label 0.5 is neither 0 nor 1": func(s *Set) { s.Label[0] = 0.5 },
		"the score NaN":                    func(s *Set) { s.Score[0] = math.NaN() },
		"the score 1.5":                    func(s *Set) { s.Score[0] = 1.5 },
		"the champion score -1":            func(s *Set) { s.Champion[2] = -1 },
	} {
		s := sample()
		spoil(&s)
		err := Write(&bytes.Buffer{}, s)
		if err == nil || !strings.Contains(err.Error(), want) || !fault.Is(err, fault.Invalid) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	for want, columns := range map[string][]parquet.Column{
		`unknown column "more"`:  {{Name: "more", Float: []float64{1}}},
		"numbers are wanted":     {{Name: "score", Text: []string{"1"}}},
		"text is wanted":         {{Name: "row_id", Float: []float64{1}}},
		"is null in row 1":       {{Name: "score", Float: []float64{1}, Null: []bool{true}}},
		"are not aligned":        {{Name: "row_id", Text: []string{"a"}}},
		"the score 2 is not a p": {{Name: "row_id", Text: []string{"a"}}, {Name: "label", Float: []float64{1}}, {Name: "score", Float: []float64{2}}},
	} {
		var b bytes.Buffer
		if err := parquet.Write(&b, columns); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(bytes.NewReader(b.Bytes()), int64(b.Len())); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestPerturbedReadsBack(t *testing.T) {
	ids := sample().RowID
	all := []Perturbed{{Noise: 0.001, Draw: 0, Score: []float64{0, 0.5, 1}}, {Noise: 0.1, Draw: 2, Score: []float64{1, 1, 1}}}
	var b bytes.Buffer
	if err := WritePerturbed(&b, ids, all); err != nil {
		t.Fatal(err)
	}
	gotIDs, got, err := ReadPerturbed(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil || !reflect.DeepEqual(got, all) || !reflect.DeepEqual(gotIDs, ids) {
		t.Errorf("%v %+v %v", gotIDs, got, err)
	}
	for want, bad := range map[string][]Perturbed{
		"there must be some of both": nil,
		"was seen before":            {all[0], all[0]},
		"has 1 scores for 3 rows":    {{Noise: 1, Score: []float64{1}}},
		"score NaN":                  {{Noise: 1, Score: []float64{1, 1, math.NaN()}}},
		"noise 0 draw 0":             {{Score: []float64{1, 1, 1}}},
	} {
		if err := WritePerturbed(&b, ids, bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(written(f, sample()))
	for _, s := range goalSamples() {
		f.Add(written(f, s))
	}
	var b bytes.Buffer
	if err := WritePerturbed(&b, sample().RowID, []Perturbed{{Noise: 1, Score: []float64{0, 0, 1}}}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := Read(bytes.NewReader(data), int64(len(data))); err == nil {
			written(t, s) // what is read can be written
		}
		ids, all, err := ReadPerturbed(bytes.NewReader(data), int64(len(data)))
		if err == nil {
			if err := WritePerturbed(&bytes.Buffer{}, ids, all); err != nil {
				t.Fatal(err)
			}
		}
	})
}
