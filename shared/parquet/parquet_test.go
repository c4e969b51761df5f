package parquet

import (
	"bytes"
	"context"
	"math"
	"os"
	"strings"
	"testing"
)

var roomy = Limits{MaxCells: 1 << 20, MaxBytes: 64 << 20}

func load(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func read(data []byte, limits Limits) ([]Column, error) {
	return Read(context.Background(), bytes.NewReader(data), int64(len(data)), limits)
}

func TestReadsEveryFlatTypeOfAnotherWriter(t *testing.T) {
	columns, err := read(load(t, "types.parquet"), roomy)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][2]string{
		"i8": {"-1", "7"}, "u32": {"4294967295", "1"}, "u64": {"18446744073709551615", "1"},
		"i64": {"9007199254740993", "-1"}, "bool": {"true", "false"}, "text": {"a,b", "é"}, "dictionary": {"x", "x"},
		"date": {"2024-02-29", "1969-12-31"}, "time_ms": {"01:02:03", "23:59:59"}, "time_us": {"01:02:03.000004", "00:00:00"},
		"stamp_ms": {"2024-02-29T12:00:00Z", "1969-12-31T23:00:00Z"},
		"stamp_us": {"2024-02-29T12:00:00.000005Z", "1970-01-01T00:00:00Z"},
		"stamp_ns": {"1970-01-01T00:00:00.000000001Z", "1969-12-31T23:59:59.999999999Z"},
		"dec":      {"-0.05", "123.40"}, "dec_wide": {"-12345678901234567890.5", "0.1"},
	}
	for _, c := range columns {
		if c.Len() != 3 || c.Null[0] || !c.Null[1] || c.Null[2] {
			t.Errorf("%s: nulls %v", c.Name, c.Null)
		}
		if c.Float != nil {
			if c.Float[0] != 0.1 {
				t.Errorf("%s: %v, want 0.1", c.Name, c.Float[0])
			}
			continue
		}
		if got := [2]string{c.Text[0], c.Text[2]}; got != want[c.Name] {
			t.Errorf("%s: %q, want %q", c.Name, got, want[c.Name])
		}
	}
	if len(columns) != 17 {
		t.Errorf("%d columns", len(columns))
	}
}

func TestRefusesWhatItCannotRead(t *testing.T) {
	whole := load(t, "types.parquet")
	for _, c := range []struct {
		name, want string
		data       []byte
		limits     Limits
	}{
		{"nested", `column "tags" is nested`, load(t, "nested.parquet"), roomy},
		{"cut in half", "not a whole Parquet file", whole[:len(whole)/2], roomy},
		{"not parquet", "not a whole Parquet file", []byte("a,b\n1,2\n1,2\n"), roomy},
		{"empty", "not a whole Parquet file", nil, roomy},
		{"too many cells", "more than 50 cells", whole, Limits{MaxCells: 50, MaxBytes: 1 << 20}},
		{"too much memory", "more than 10 bytes", whole, Limits{MaxCells: 100, MaxBytes: 10}},
	} {
		if _, err := read(c.data, c.limits); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestDamageInTheMiddleIsAnErrorNeverAPanic(t *testing.T) {
	whole := load(t, "types.parquet")
	for i := range whole {
		damaged := bytes.Clone(whole)
		damaged[i] ^= 0xff
		if columns, err := read(damaged, roomy); err == nil && (len(columns) == 0 || columns[0].Len() == 0) {
			t.Errorf("byte %d flipped: no rows and no error", i)
		}
	}
}

func TestWriteReadsBackAndIsDeterministic(t *testing.T) {
	columns := []Column{
		{Name: "id", Text: []string{"a", "b", "c"}},
		{Name: "score", Float: []float64{0.1, math.Pi, 0}, Null: []bool{false, false, true}},
		{Name: "sex", Text: []string{"f", "", "m"}, Null: []bool{false, true, false}},
	}
	var first, second bytes.Buffer
	if err := Write(&first, columns); err != nil {
		t.Fatal(err)
	}
	if err := Write(&second, columns); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("equal columns, different bytes")
	}
	back, err := read(first.Bytes(), roomy)
	if err != nil {
		t.Fatal(err)
	}
	if back[0].Text[2] != "c" || back[1].Float[1] != math.Pi || !back[1].Null[2] || back[2].Text[2] != "m" || !back[2].Null[1] {
		t.Errorf("%+v", back)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(load(f, "types.parquet"))
	f.Add(load(f, "nested.parquet"))
	f.Fuzz(func(t *testing.T, data []byte) {
		columns, err := read(data, Limits{MaxCells: 1 << 16, MaxBytes: 8 << 20})
		for _, c := range columns {
			if err == nil && c.Len() != columns[0].Len() {
				t.Fatalf("columns of %d and %d rows", columns[0].Len(), c.Len())
			}
		}
	})
}
