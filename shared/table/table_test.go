package table

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/parquet"
)

func read(name string, data []byte) (*Table, error) {
	return Read(context.Background(), name, bytes.NewReader(data), int64(len(data)), Options{})
}

func mustRead(t testing.TB, name, text string) *Table {
	t.Helper()
	table, err := read(name, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func zipped(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, text)
	z.Close()
	return b.Bytes()
}

const people = "age,job, income\n39, State-gov, <=50K\n50.0,\"Self, emp\",>50K\n,NA,<=50K\n"

func TestCSVColumnsAndKinds(t *testing.T) {
	table := mustRead(t, "a.csv", people)
	if table.Rows() != 3 || fmt.Sprint(table.Names()) != "[age job income]" {
		t.Fatalf("%d rows of %v", table.Rows(), table.Names())
	}
	age, _ := table.Column("age")
	if age.Kind != Number || age.Number[1] != 50 || !math.IsNaN(age.Number[2]) || !age.Null[2] || age.Original(1) != "50.0" {
		t.Errorf("age: %+v", age)
	}
	job, _ := table.Column("job")
	if job.Kind != Text || job.Text[0] != "State-gov" || job.Text[1] != "Self, emp" || !job.Null[2] || job.Text[2] != "" || job.FirstText != 0 {
		t.Errorf("job: %+v", job)
	}
	if _, ok := table.Column("nobody"); ok {
		t.Error("a column that is not there")
	}
}

func TestRowIsTheSameInEveryFormat(t *testing.T) {
	want := `"age"=50,"income"=">50K","job"="Self, emp"`
	jsonl := `{"income": "<=50K", "age": 39, "job": "State-gov"}` + "\n\n" +
		`{"income": ">50K", "age": 5e1, "job": "Self, emp"}` + "\n" + `{"income": "<=50K"}` + "\n"
	var pq bytes.Buffer
	err := parquet.Write(&pq, []parquet.Column{
		{Name: "job", Text: []string{"State-gov", "Self, emp", ""}, Null: []bool{false, false, true}},
		{Name: "income", Text: []string{"<=50K", ">50K", "<=50K"}},
		{Name: "age", Float: []float64{39, 50, math.NaN()}, Null: []bool{false, false, false}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"a.csv": []byte(people), "a.CSV": []byte("\xef\xbb\xbf" + people), "a.csv.gz": zipped(people),
		"a.jsonl": []byte(jsonl), "a.ndjson.gz": zipped(jsonl), "a.parquet": pq.Bytes(),
	} {
		table, err := read(name, data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := table.Row(1); got != want {
			t.Errorf("%s: row 1 is %s", name, got)
		}
		if got := table.Row(2); got != `"age"=,"income"="<=50K","job"=` {
			t.Errorf("%s: row 2 is %s", name, got)
		}
	}
}

func TestRowDoesNotChangeWhenAColumnTurnsToText(t *testing.T) {
	numbers := mustRead(t, "a.csv", "x,y\n1.50,007\n")
	mixed := mustRead(t, "b.csv", "y,x\n007,1.5\n?,2\n")
	if numbers.Row(0) != mixed.Row(0) {
		t.Errorf("%s and %s", numbers.Row(0), mixed.Row(0))
	}
	joined, err := Concat(numbers, mixed)
	if err != nil {
		t.Fatal(err)
	}
	y, _ := joined.Column("y")
	if y.Kind != Text || strings.Join(y.Text, "|") != "007|007|?" || y.FirstText != 2 || joined.Rows() != 3 {
		t.Errorf("%+v", y)
	}
	if x, _ := joined.Column("x"); x.Kind != Number || x.Original(0) != "1.50" || x.Number[2] != 2 {
		t.Errorf("%+v", x)
	}
	if joined.Row(0) != numbers.Row(0) {
		t.Errorf("%s", joined.Row(0))
	}
}

func TestConcatNamesTheColumnsThatDiffer(t *testing.T) {
	_, err := Concat(mustRead(t, "a.csv", "x,y\n1,2\n"), mustRead(t, "b.csv", "x,z\n1,2\n"))
	want := `the columns of b.csv differ from those of a.csv: it lacks "y" and has also "z"`
	if err == nil || !strings.Contains(err.Error(), want) || !fault.Is(err, fault.Invalid) {
		t.Errorf("%v", err)
	}
	if _, err := Concat(); err == nil {
		t.Error("no tables, no error")
	}
}

func TestBadFilesNamePlaceValueAndNextStep(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a.csv", "", "read a.csv: the file is empty"},
		{"a.csv", "\n\n", "it needs a header line"},
		{"a.csv", "x,y\n", "a header but no rows"},
		{"a.csv", "x,y\n1,2\n1,2,3\n", "line 3: 3 values where the header has 2 columns"},
		{"a.csv", "x,y\n\"a\nb\",2\n1\n", "line 4: 1 values where the header has 2 columns"},
		{"a.csv", "x,x\n1,2\n", `line 1: columns 1 and 2 are both named "x"`},
		{"a.csv", "x, \n1,2\n", "column 2 has no name"},
		{"a.csv", "x;y\n1;2\n", `separated by ";"; save the file with commas`},
		{"a.csv", "x,y\n1,\"a\"b\n", "line 2, column 5"},
		{"a.csv", "x,y\n1,\"open\n", "line 2"},
		{"a.csv", "x,y\n1,\xff\n", `line 2: column "y": "\xff" is not UTF-8 text`},
		{"a.csv", "x,\xff\n1,2\n", "column 2"},
		{"a.csv", "x,y\n1,a\x00\n", "is not UTF-8 text"},
		{"a.csv", "\xff\xfex\x00", "the file is UTF-16; save it as UTF-8"},
		{"a.csv", "x,y\n1,2\n3,inf\n", `line 3: column "y": inf is not a finite number`},
		{"a.csv", "x,y\n1,2\n3,1e999\n", "1e999 is not a finite number"},
		{"a.csv.gz", "x,y\n", "not a gzip file, though it is named so"},
		{"a.csv.gz", string(zipped(people)[:40]), "damaged or cut off"},
		{"a.parquet", "PAR1garbagegarbagePAR1", "Parquet file"},
		{"a.xlsx", "PK", "no reader for this extension; use one of .csv, .csv.gz"},
		{"a.jsonl", "{\"a\": 1}\n[1]\n", "line 2: not a JSON object"},
		{"a.jsonl", "{\"a\": 1}\n{\"a\": {\"b\": 1}}\n", `line 2: key "a": a nested value`},
		{"a.jsonl", "{\"a\": 1}\n{\"a\": 1\n", "is the file cut off?"},
		{"a.jsonl", "{\"a\": 1, \"a\": 2}\n", `key "a" is given twice`},
		{"a.jsonl", "{\"a\": 1} {\"a\": 2}\n", "something follows the object"},
		{"a.jsonl", "{\"\": 1}\n", "no name for a column"},
		{"a.jsonl", "{\"a\": 1e999}\n", "not a finite number"},
		{"a.jsonl", "\n", "no values"},
		{"a.jsonl", "{\"a\": \"\xff\"}\n", "line 1: not UTF-8"},
	} {
		_, err := read(c.name, []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s %q:\n got %v\nwant %s", c.name, c.text, err, c.want)
		}
	}
}

func TestBounds(t *testing.T) {
	bomb := zipped("x,y\n" + strings.Repeat("1,2\n", 100_000))
	_, err := Read(context.Background(), "a.csv.gz", bytes.NewReader(bomb), int64(len(bomb)), Options{MaxBytes: 10_000})
	if err == nil || !strings.Contains(err.Error(), "more than 10000 bytes of content; split the file") {
		t.Errorf("%v", err)
	}
	_, err = Read(context.Background(), "a.csv", strings.NewReader(people), int64(len(people)), Options{MaxCells: 6})
	if err == nil || !strings.Contains(err.Error(), "more than 6 cells") {
		t.Errorf("%v", err)
	}
}

type broken struct{}

func (broken) ReadAt([]byte, int64) (int, error) { return 0, errors.New("connection reset") }

func TestStorageErrorsCanBeRetried(t *testing.T) {
	for _, name := range []string{"a.csv", "a.csv.gz", "a.jsonl", "a.parquet"} {
		_, err := Read(context.Background(), name, broken{}, 100, Options{})
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "connection reset") {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Read(ctx, "a.csv", strings.NewReader(people), int64(len(people)), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// adultLike has the shape of the Adult data: 48,842 rows of 15 columns and an id.
func adultLike() []byte {
	var b bytes.Buffer
	b.WriteString("id,age,workclass,fnlwgt,education,education_num,marital_status,occupation,relationship,race,sex,capital_gain,capital_loss,hours_per_week,native_country,income\n")
	for i := range 48842 {
		fmt.Fprintf(&b, "%d,%d,Private,%d,Bachelors,%d,Married-civ-spouse,Exec-managerial,Husband,White,Male,%d,0,%d,United-States,<=50K\n",
			i, 17+i%70, 12285+i*31, 1+i%16, (i%13)*100, 1+i%99)
	}
	return b.Bytes()
}

func BenchmarkReadAdult(b *testing.B) {
	data := adultLike()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := read("adult.csv", data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRow(b *testing.B) {
	table, err := read("adult.csv", adultLike())
	if err != nil {
		b.Fatal(err)
	}
	var buffer []byte
	for i := 0; b.Loop(); i++ {
		buffer = table.AppendRow(buffer[:0], i%table.Rows())
	}
}

func FuzzRead(f *testing.F) {
	f.Add(uint8(0), []byte(people))
	f.Add(uint8(1), zipped(people))
	f.Add(uint8(3), []byte("{\"a\": 1, \"b\": null}\n{\"b\": \"x\", \"c\": true}\n"))
	f.Fuzz(func(t *testing.T, format uint8, data []byte) {
		formats := Formats()
		name := "f" + formats[int(format)%len(formats)]
		table, err := Read(context.Background(), name, bytes.NewReader(data), int64(len(data)), Options{MaxBytes: 1 << 20, MaxCells: 1 << 16})
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("kind %s: %v", fault.KindOf(err), err)
			}
			return
		}
		doubled, err := Concat(table, table)
		if err != nil {
			t.Fatal(err)
		}
		for i := range table.Rows() {
			if table.Row(i) != doubled.Row(i+table.Rows()) {
				t.Fatalf("row %d: %s", i, table.Row(i))
			}
		}
	})
}
