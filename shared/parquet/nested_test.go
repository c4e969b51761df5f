package parquet

import (
	"bytes"
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func all(string) bool { return true }

// TestNested reads a checkpoint that pyarrow wrote: texts, numbers, lists and
// maps, most of them null in most rows, in row groups of three.
func TestNested(t *testing.T) {
	body, err := os.ReadFile("../delta/testdata/vectors/_delta_log/00000000000000000003.checkpoint.parquet")
	require.NoError(t, err)
	var paths, features []string
	var cardinalities []int64
	rows, groups := 0, 0
	wanted := func(path string) bool {
		return path == "add.path" || path == "add.deletionVector.cardinality" || path == "protocol.readerFeatures.list.element"
	}
	err = Nested(t.Context(), bytes.NewReader(body), int64(len(body)), roomy, wanted, func(n int, leaves map[string]*Leaf) error {
		rows, groups = rows+n, groups+1
		require.Len(t, leaves, 3)
		for i := range n {
			if l := leaves["add.path"]; !l.Null[i] {
				paths = append(paths, l.Text[i])
			}
			if l := leaves["add.deletionVector.cardinality"]; !l.Null[i] {
				cardinalities = append(cardinalities, l.Whole[i])
			}
			list := leaves["protocol.readerFeatures.list.element"]
			from, to := list.Span(i)
			features = append(features, list.Text[from:to]...)
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []int{5, 2}, []int{rows, groups})
	require.ElementsMatch(t, []string{"one.parquet", "two.parquet", "three.parquet"}, paths)
	require.ElementsMatch(t, []int64{3, 1, 3}, cardinalities)
	require.Equal(t, []string{"deletionVectors"}, features)

	none := func(int, map[string]*Leaf) error { return nil }
	for want, call := range map[string]func() error{
		"none of the columns": func() error {
			return Nested(t.Context(), bytes.NewReader(body), int64(len(body)), roomy, func(string) bool { return false }, none)
		},
		"more than": func() error {
			return Nested(t.Context(), bytes.NewReader(body), int64(len(body)), Limits{MaxCells: 2, MaxBytes: 1 << 28}, wanted, none)
		},
		"would take more than": func() error {
			return Nested(t.Context(), bytes.NewReader(body), int64(len(body)), Limits{MaxCells: 1 << 20, MaxBytes: 64}, wanted, none)
		},
		"want text or a whole number": func() error { return Nested(t.Context(), bytes.NewReader(body), int64(len(body)), roomy, all, none) },
		"not a whole Parquet file": func() error {
			return Nested(t.Context(), bytes.NewReader(body), int64(len(body))/2, roomy, wanted, none)
		},
	} {
		require.ErrorContains(t, call(), want)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, Nested(cancelled, bytes.NewReader(body), int64(len(body)), roomy, wanted, none), context.Canceled)
}

func FuzzNested(f *testing.F) {
	body, err := os.ReadFile("../delta/testdata/vectors/_delta_log/00000000000000000003.checkpoint.parquet")
	require.NoError(f, err)
	f.Add(body)
	f.Fuzz(func(t *testing.T, body []byte) {
		_ = Nested(t.Context(), bytes.NewReader(body), int64(len(body)), roomy, func(path string) bool { return path != "add.dataChange" && path != "remove.dataChange" },
			func(rows int, leaves map[string]*Leaf) error {
				for _, l := range leaves {
					for i := range rows {
						from, to := l.Span(i)
						require.LessOrEqual(t, from, to)
						require.LessOrEqual(t, to, len(l.Null))
						require.True(t, len(l.Text) == len(l.Null) || len(l.Whole) == len(l.Null))
					}
				}
				return nil
			})
	})
}
