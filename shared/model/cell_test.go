package model

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/table"
)

// cells are texts that two readers could take differently.
var cells = []string{"NA", "N/A", "n/a", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None", "<NA>", "#N/A", "#NA", "na",
	"none", "0", "-0", "1.0", "+5", "007", "1e3", "1E-9", "1e21", "1e-7", ".5", "5.", "1_000", "0x10", "1e", "e1", "-",
	"abc", "1,5", "12345678901234567890", "1e308"}

// TestCellsAreReadAsTrainingReadsThem: the server has its own reader.
func TestCellsAreReadAsTrainingReadsThem(t *testing.T) {
	for _, cell := range cells {
		content := "x,y\n\"" + cell + "\",1\n"
		read, err := table.Read(t.Context(), "a.csv", bytes.NewReader([]byte(content)), int64(len(content)), table.Options{})
		require.NoError(t, err)
		column := read.Columns[0]
		require.Equal(t, column.Null[0], missing(cell), "missing %q", cell)
		v, isNumber := number(cell)
		if missing(cell) {
			continue
		}
		require.Equal(t, column.Kind == table.Number, isNumber, "number %q", cell)
		if isNumber {
			require.Equal(t, math.Float64bits(column.Number[0]), math.Float64bits(v), cell)
		}
		require.Equal(t, column.Content(0), canonical(cell), "category %q", cell)
	}
}

func FuzzCanonical(f *testing.F) {
	for _, cell := range cells {
		f.Add(cell)
	}
	f.Fuzz(func(t *testing.T, cell string) {
		if strings.ContainsAny(cell, "\x00") {
			return
		}
		if got := canonical(cell); got != table.CanonicalText(cell) {
			t.Fatalf("%q is %q here and %q in training", cell, got, table.CanonicalText(cell))
		}
	})
}
