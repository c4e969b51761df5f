package table

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/fault"
)

func readJSON(text string) (*Table, error) {
	return Read(context.Background(), "a.jsonl", strings.NewReader(text), int64(len(text)), Options{})
}

func TestJSONLinesAsPeopleWriteThem(t *testing.T) {
	for name, text := range map[string]string{
		"plain":                    "{\"n\": 1, \"s\": \"x\", \"b\": true}\n{\"n\": 2.5, \"s\": \"y\", \"b\": false}\n{\"n\": null, \"s\": null, \"b\": null}\n",
		"Windows":                  "\ufeff{\"n\": 1, \"s\": \"x\", \"b\": true}\r\n\r\n{\"n\": 2.5, \"s\": \"y\", \"b\": false}\r\n{\"n\": null, \"s\": null, \"b\": null}\r\n",
		"no last line end":         "{\"n\": 1, \"s\": \"x\", \"b\": true}\n{\"n\": 2.5, \"s\": \"y\", \"b\": false}\n{\"n\": null, \"s\": null, \"b\": null}",
		"absent, not null":         "{\"n\": 1, \"s\": \"x\", \"b\": true}\n{\"b\": false, \"s\": \"y\", \"n\": 2.5}\n{}\n",
		"numbers in quotes":        "{\"n\": \"1.0\", \"s\": \" x \", \"b\": \"true\"}\n{\"n\": \"25e-1\", \"s\": \"\\u0079\", \"b\": \"false\"}\n{\"n\": \"NaN\", \"s\": \"\", \"b\": \"NA\"}\n",
		"a key that comes late":    "{\"n\": 1, \"b\": true, \"s\": \"x\"}\n{\"b\": false, \"n\": 2.5, \"s\": \"y\"}\n{\"s\": null}\n",
		"white space in an object": "\t{ \"n\" :1 ,\"s\":\"x\",\"b\":true } \n{\"n\":2.5,\"s\":\"y\",\"b\":false}\n{ }\n",
	} {
		got, err := readJSON(text)
		require.NoError(t, err, name)
		require.Equal(t, `"b"="true","n"=1,"s"="x"`, got.Row(0), name)
		require.Equal(t, `"b"="false","n"=2.5,"s"="y"`, got.Row(1), name)
		require.Equal(t, `"b"=,"n"=,"s"=`, got.Row(2), name)
		column, _ := got.Column("n")
		require.Equal(t, Number, column.Kind, name)
	}
}

func TestJSONLinesNameLineAndKey(t *testing.T) {
	head := "{\"a\": 1}\n\n" // an empty line is a line
	for text, want := range map[string]string{
		`{"a": {"b": 1}}`:          `line 3: key "a": a nested value; flatten it into columns of its own`,
		`{"a": [1, 2]}`:            `line 3: key "a": a nested value`,
		`{"a": 1, "b": 2, "a": 3}`: `line 3: key "a" is given twice`,
		`{"a": 1,}`:                "line 3: not JSON",
		`{"a" 1}`:                  "line 3: not JSON",
		`{'a': 1}`:                 "line 3: not JSON",
		`{"a": NaN}`:               "line 3: not JSON",
		`{"a": 01}`:                "line 3: not JSON",
		`{"a": 1`:                  "line 3: not JSON",
		`{"a": 1}, {"a": 2}`:       "line 3: something follows the object",
		`[{"a": 1}]`:               "line 3: not a JSON object; write one object a line",
		`null`:                     "line 3: not a JSON object",
		`{"a": "\ud800"}`:          `line 3: key "a": half of a surrogate pair`,
		`{"a": "\u0000"}`:          `line 3: key "a"`,
		`{"a": 1e400}`:             `line 3: column "a": 1e400 is not a finite number`,
		`{"a": "Infinity"}`:        `line 3: column "a": Infinity is not a finite number`,
		`{"a": "` + strings.Repeat("x", 17<<20) + "\"}": "line 3: longer than 16777216 bytes; is this JSON Lines",
	} {
		_, err := readJSON(head + text + "\n")
		require.ErrorContains(t, err, "a.jsonl", text[:min(40, len(text))])
		require.ErrorContains(t, err, want, text[:min(40, len(text))])
		require.True(t, fault.Is(err, fault.Invalid))
	}
	_, err := readJSON("{\n  \"a\": 1\n}\n")
	require.ErrorContains(t, err, "line 1: not JSON")
	require.ErrorContains(t, err, "is the file cut off?")
	whole, err := readJSON(head + `{"a": "�"}`)
	require.NoError(t, err)
	require.Equal(t, `"a"="�"`, whole.Row(1))
}

func TestARowsPlaceIsItsFilesLine(t *testing.T) {
	one, err := readJSON("{\"a\": 1}\n\n\n{\"a\": 2}\n")
	require.NoError(t, err)
	two := "a\n\"3\n\"\n4\n"
	csv, err := Read(t.Context(), "b.csv", bytes.NewReader([]byte(two)), int64(len(two)), Options{})
	require.NoError(t, err)
	all, err := Concat(one, csv)
	require.NoError(t, err)
	var places []string
	for i := range all.Rows() {
		places = append(places, all.Place(i))
	}
	require.Equal(t, []string{"a.jsonl line 1", "a.jsonl line 4", "b.csv line 2", "b.csv line 4"}, places)
	require.Equal(t, "b.csv line 4", csv.Take([]int{1}).Place(0))
}

// TestAMixOfTypesIsText: a column with one text is of text everywhere, and its
// numbers read the same whichever format they came in.
func TestAMixOfTypesIsText(t *testing.T) {
	one, err := readJSON("{\"a\": 1.50}\n{\"a\": \"x\"}\n{\"a\": true}\n{\"a\": 20}\n")
	require.NoError(t, err)
	column, _ := one.Column("a")
	require.Equal(t, Text, column.Kind)
	require.Equal(t, 1, column.FirstText)
	require.Equal(t, []string{"1.5", "x", "true", "20"}, []string{column.Content(0), column.Content(1), column.Content(2), column.Content(3)})
	text := "a\n1.5\n"
	csv, err := Read(t.Context(), "b.csv", strings.NewReader(text), int64(len(text)), Options{})
	require.NoError(t, err)
	all, err := Concat(csv, one)
	require.NoError(t, err)
	require.Equal(t, all.Row(0), all.Row(1))
	_, err = Concat(one, jsonTable(t, "{\"b\": 1}\n"))
	require.ErrorContains(t, err, "writes it as null")
}

func jsonTable(t *testing.T, text string) *Table {
	t.Helper()
	got, err := readJSON(text)
	require.NoError(t, err)
	return got
}
