package dataset_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"github.com/sluice-ml/sluice/infra/local/asl/dataset"
)

// read gives the items as JSON, one a line.
func read(t testing.TB, f dataset.Format, text string, limit int) (string, error) {
	t.Helper()
	var out []string
	err := f.Read(strings.NewReader(text), func(i dataset.Item) bool {
		if !json.Valid(i.Value) {
			t.Errorf("the item %q is not JSON", i.Value)
		}
		out = append(out, string(i.Value))
		return len(out) < limit
	})
	return strings.Join(out, "\n"), err
}

func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		format dataset.Format
		text   string
		want   string
	}{
		"array":            {dataset.Format{Type: dataset.JSON}, ` [1, "a", {"b": [2.50]}, null] `, "1\n\"a\"\n{\"b\": [2.50]}\nnull"},
		"empty array":      {dataset.Format{Type: dataset.JSON}, `[]`, ""},
		"object":           {dataset.Format{Type: dataset.JSON}, `{"a": {"x": 1}, "b<": 2}`, `{"Key":"a","Value":{"x": 1}}` + "\n" + `{"Key":"b<","Value":2}`},
		"pointer":          {dataset.Format{Type: dataset.JSON, Pointer: "/a~1b/1/c~0"}, `{"skip": [[], {}], "a/b": [0, {"c~": [7, 8]}], "after": 1}`, "7\n8"},
		"whole pointer":    {dataset.Format{Type: dataset.JSON, Pointer: "/"}, `{"": [7]}`, "7"},
		"lines":            {dataset.Format{Type: dataset.JSONL}, "{\"a\": 1}\r\n\n [2]\n3", "{\"a\": 1}\n[2]\n3"},
		"byte order mark":  {dataset.Format{Type: dataset.CSV}, "\ufeffa\n1\n", `{"a":"1"}`},
		"quotes":           {dataset.Format{Type: dataset.CSV}, "a,b\n\"x,\"\"y\"\"\n z\",<&>\n", `{"a":"x,\"y\"\n z","b":"<&>"}`},
		"short and long":   {dataset.Format{Type: dataset.CSV}, "a,b\n1\n1,2,3\n", `{"a":"1","b":""}` + "\n" + `{"a":"1","b":"2"}`},
		"given headers":    {dataset.Format{Type: dataset.CSV, Headers: []string{"H1"}}, "Value1,\n   ,\n", `{"H1":"Value1"}` + "\n" + `{"H1":"   "}`},
		"header only":      {dataset.Format{Type: dataset.CSV}, "a,b\n", ""},
		"no rows":          {dataset.Format{Type: dataset.CSV}, "", ""},
		"tabs":             {dataset.Format{Type: dataset.CSV, Delimiter: '\t'}, "a\tb\n1\t2\n", `{"a":"1","b":"2"}`},
		"spaces":           {dataset.Format{Type: dataset.CSV, Delimiter: ' '}, "a b\n1 2\n", `{"a":"1","b":"2"}`},
		"gzip":             {dataset.Format{Type: dataset.JSONL}, zipped("1\n2\n"), "1\n2"},
		"order of columns": {dataset.Format{Type: dataset.CSV, Order: func([]string) []string { return []string{"b", "a"} }}, "a,b\n1,2\n", `{"b":"2","a":"1"}`},
	} {
		if got, err := read(t, c.format, c.text, 100); err != nil || got != c.want {
			t.Errorf("%s: got %s %v, want %s", name, got, err, c.want)
		}
	}
}

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

func TestReadFails(t *testing.T) {
	for name, c := range map[string]struct {
		format dataset.Format
		text   string
		want   string
	}{
		"scalar":             {dataset.Format{Type: dataset.JSON}, `7`, "Attempting to map over non-iterable node."},
		"empty file":         {dataset.Format{Type: dataset.JSON}, ``, "not JSON"},
		"cut off":            {dataset.Format{Type: dataset.JSON}, `[1, 2`, "not JSON"},
		"cut off object":     {dataset.Format{Type: dataset.JSON}, `{"a": 1,`, "not JSON"},
		"more text":          {dataset.Format{Type: dataset.JSON}, `[1] [2]`, "more text at byte"},
		"no such member":     {dataset.Format{Type: dataset.JSON, Pointer: "/a/b"}, `{"a": {"c": 1}}`, `there is no "b"`},
		"pointer in scalar":  {dataset.Format{Type: dataset.JSON, Pointer: "/a/b"}, `{"a": 7}`, `there is no "b"`},
		"pointer to scalar":  {dataset.Format{Type: dataset.JSON, Pointer: "/a"}, `{"a": 7}`, "non-iterable"},
		"bad pointer":        {dataset.Format{Type: dataset.JSON, Pointer: "a"}, `{}`, "must begin with /"},
		"bad line":           {dataset.Format{Type: dataset.JSONL}, "1\n{\n", "line 2 is not JSON"},
		"long line":          {dataset.Format{Type: dataset.JSONL}, "1\n" + strings.Repeat("2", dataset.MaxLine+1), "line 2 cannot be read"},
		"duplicate headers":  {dataset.Format{Type: dataset.CSV}, "a,b,a\n", "CSV headers cannot contain duplicates."},
		"large headers":      {dataset.Format{Type: dataset.CSV}, strings.Repeat("a", 10<<10) + "\n", "CSV headers cannot be larger"},
		"bare quote":         {dataset.Format{Type: dataset.CSV}, "a\nx\"y\n", "not CSV"},
		"torn gzip":          {dataset.Format{Type: dataset.CSV}, zipped("a\n1\n")[:20], "unexpected EOF"},
		"Zstandard":          {dataset.Format{Type: dataset.CSV}, "\x28\xb5\x2f\xfdxx", "Zstandard"},
		"unknown type":       {dataset.Format{Type: "ORC"}, "x", `"ORC"`},
		"no parquet":         {dataset.Format{Type: dataset.Parquet}, "x", "Parquet"},
		"torn parquet":       {dataset.Format{Type: dataset.Parquet}, rows()[4:], "damaged"},
		"parquet, no footer": {dataset.Format{Type: dataset.Parquet}, rows()[:30], "Parquet"},
	} {
		if _, err := read(t, c.format, c.text, 100); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// TestLimit: what comes after the last item that is wanted is not looked at.
func TestLimit(t *testing.T) {
	for name, c := range map[string]struct {
		format dataset.Format
		text   string
	}{
		"JSON":  {dataset.Format{Type: dataset.JSON}, `["1", "2", nonsense`},
		"JSONL": {dataset.Format{Type: dataset.JSONL}, "\"1\"\n\"2\"\n{"},
	} {
		if got, err := read(t, c.format, c.text, 2); err != nil || got != "\"1\"\n\"2\"" {
			t.Errorf("%s: %s %v", name, got, err)
		}
	}
}

// rows is a Parquet file of a column of every kind.
func rows() string {
	fields := schema.FieldList{
		schema.NewInt64Node("n", parquet.Repetitions.Optional, -1),
		schema.NewBooleanNode("b", parquet.Repetitions.Required, -1),
		schema.NewFloat64Node("f", parquet.Repetitions.Required, -1),
		schema.MustPrimitive(schema.NewPrimitiveNodeLogical("s", parquet.Repetitions.Required, schema.StringLogicalType{}, parquet.Types.ByteArray, 0, -1)),
		schema.MustPrimitive(schema.NewPrimitiveNodeLogical("d", parquet.Repetitions.Required, schema.DateLogicalType{}, parquet.Types.Int32, 0, -1)),
		schema.MustPrimitive(schema.NewPrimitiveNodeLogical("i", parquet.Repetitions.Required, schema.NewIntLogicalType(16, true), parquet.Types.Int32, 0, -1)),
	}
	var b bytes.Buffer
	w := file.NewParquetWriter(&b, schema.MustGroup(schema.NewGroupNode("schema", parquet.Repetitions.Required, fields, -1)))
	g, err := w.AppendRowGroupChecked()
	if err != nil {
		panic(err)
	}
	for range fields {
		c, err := g.NextColumn()
		if err != nil {
			panic(err)
		}
		switch c := c.(type) {
		case *file.Int64ColumnChunkWriter:
			_, err = c.WriteBatch([]int64{9007199254740993}, []int16{1, 0}, nil)
		case *file.BooleanColumnChunkWriter:
			_, err = c.WriteBatch([]bool{true, false}, nil, nil)
		case *file.Float64ColumnChunkWriter:
			_, err = c.WriteBatch([]float64{0.5, 1e21}, nil, nil)
		case *file.ByteArrayColumnChunkWriter:
			_, err = c.WriteBatch([]parquet.ByteArray{[]byte("x"), []byte("1")}, nil, nil)
		case *file.Int32ColumnChunkWriter:
			_, err = c.WriteBatch([]int32{1, 2}, nil, nil)
		}
		if err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.String()
}

func TestParquet(t *testing.T) {
	want := `{"n":9007199254740993,"b":true,"f":0.5,"s":"x","d":"1970-01-02","i":1}` + "\n" + `{"n":null,"b":false,"f":1e+21,"s":"1","d":"1970-01-03","i":2}`
	if got, err := read(t, dataset.Format{Type: dataset.Parquet}, rows(), 100); err != nil || got != want {
		t.Errorf("got  %s %v\nwant %s", got, err, want)
	}
}

const inventory = `{"sourceBucket":"lake","destinationBucket":"arn:aws:s3:::reports","version":"2016-11-30","creationTimestamp":"1514944800000",
	"fileFormat":"CSV","fileSchema":"Bucket, Key, Size","files":[{"key":"a/1.csv.gz","size":3,"MD5checksum":"x"},{"key":"a/2.csv.gz"}]}`

func TestManifests(t *testing.T) {
	got, err := dataset.ReadInventory(strings.NewReader(inventory))
	if err != nil || got.Bucket != "reports" || strings.Join(got.Keys, " ") != "a/1.csv.gz a/2.csv.gz" || strings.Join(got.Columns, "|") != "Bucket|Key|Size" {
		t.Errorf("%+v %v", got, err)
	}
	for change, want := range map[[2]string]string{
		{`"CSV"`, `"ORC"`}:                        `"ORC"`,
		{`arn:aws:s3:::reports`, ``}:              "not a bucket's ARN",
		{`arn:aws:s3:::reports`, `arn:aws:sqs:x`}: "not a bucket's ARN",
		{`Bucket, Key, Size`, ``}:                 "no fileSchema",
		{`Bucket, Key, Size`, `Key,Key`}:          "duplicates",
		{`a/2.csv.gz`, ``}:                        "file 1 has no key",
		{`{"sourceBucket"`, `[`}:                  "not that of an S3 inventory",
	} {
		if _, err := dataset.ReadInventory(strings.NewReader(strings.Replace(inventory, change[0], change[1], 1))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %q", change, err, want)
		}
	}
	locations, err := dataset.ReadLocations(strings.NewReader("s3://lake/a b/1\n\n\"s3://other/2\"\n"))
	if err != nil || len(locations) != 2 || locations[0] != (dataset.Location{Bucket: "lake", Key: "a b/1"}) || locations[1].Bucket != "other" {
		t.Errorf("%+v %v", locations, err)
	}
	for _, text := range []string{"lake/1", "s3://lake", "s3:///1", "s3://lake/"} {
		if _, err := dataset.ReadLocations(strings.NewReader("s3://a/b\n" + text)); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzRead: no file makes a reader panic, and every item is JSON.
func FuzzRead(f *testing.F) {
	types := []dataset.Type{dataset.JSON, dataset.JSONL, dataset.CSV, dataset.Parquet}
	for i, text := range []string{`{"a":[1,{"b":2}]}`, "{\"a\":1}\n2\n", "a,b\n1,\"2\"\n", rows(), zipped("a\n1"), "[1,2"} {
		f.Add(i%len(types), "/a", ',', text)
	}
	f.Fuzz(func(t *testing.T, kind int, pointer string, delimiter rune, text string) {
		format := dataset.Format{Type: types[max(kind, -kind, 0)%len(types)], Delimiter: delimiter}
		if format.Type == dataset.JSON {
			format.Pointer = pointer
		}
		_, _ = read(t, format, text, 1000)
	})
}

// FuzzManifests: no manifest makes a reader panic, and what it names is whole.
func FuzzManifests(f *testing.F) {
	f.Add(inventory)
	f.Add("s3://a/b\n\"s3://c/d\"")
	f.Fuzz(func(t *testing.T, text string) {
		if i, err := dataset.ReadInventory(strings.NewReader(text)); err == nil && (i.Bucket == "" || len(i.Columns) == 0) {
			t.Errorf("%+v", i)
		}
		locations, err := dataset.ReadLocations(strings.NewReader(text))
		for _, l := range locations {
			if err == nil && (l.Bucket == "" || l.Key == "") {
				t.Errorf("%+v", l)
			}
		}
	})
}
