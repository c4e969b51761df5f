package split_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/split"
)

func content(i int) []byte { return fmt.Appendf(nil, `"id"=%d`, i) }

func TestSideKeepsItsRows(t *testing.T) {
	s := split.Splitter{Seed: 7, Train: 0.7, Validation: 0.1}
	// From Python: int.from_bytes(sha256((7).to_bytes(8,"big")+b'"id"=%d'%i).digest()[:8],"big")/2**64
	for i, want := range []split.Side{split.Train, split.Train, split.Train, split.Validation, split.Train, split.Train, split.Train, split.Train, split.Train, split.Validation, split.Train, split.Train} {
		require.Equal(t, want, s.Side(content(i)), i)
	}
	counts := map[split.Side]float64{}
	for i := range 20000 {
		counts[s.Side(content(i))]++
	}
	require.InDelta(t, 0.7, counts[split.Train]/20000, 0.01)
	require.InDelta(t, 0.1, counts[split.Validation]/20000, 0.01)
	require.InDelta(t, 0.2, counts[split.Test]/20000, 0.01)
}

func TestSideDependsOnTheSeed(t *testing.T) {
	a, b := split.Splitter{Seed: 1, Train: 0.5}, split.Splitter{Seed: 2, Train: 0.5}
	same := 0
	for i := range 2000 {
		if a.Side(content(i)) == b.Side(content(i)) {
			same++
		}
	}
	require.InDelta(t, 1000, same, 120)
}

func TestSideAtTheEnds(t *testing.T) {
	for i := range 100 {
		require.Equal(t, split.Train, split.Splitter{Train: 1}.Side(content(i)))
		require.Equal(t, split.Test, split.Splitter{}.Side(content(i)))
		require.Equal(t, split.Validation, split.Splitter{Validation: 1}.Side(content(i)))
	}
}

func TestFoldsAreStratifiedAndKeepDuplicatesTogether(t *testing.T) {
	class := make([]int, 1000)
	row := func(i int) []byte { return content(i / 2) } // each row twice
	for i := range class {
		if i/2%10 < 3 {
			class[i] = 1
		}
	}
	folds, err := split.Folds(3, 5, class, row)
	require.NoError(t, err)
	counts := map[[2]int]int{}
	for i, fold := range folds {
		counts[[2]int{class[i], fold}]++
		require.Equal(t, folds[i/2*2], fold)
	}
	for fold := range 5 {
		require.InDelta(t, 140, counts[[2]int{0, fold}], 2)
		require.InDelta(t, 60, counts[[2]int{1, fold}], 2)
	}
	again, err := split.Folds(3, 5, class, row)
	require.NoError(t, err)
	require.Equal(t, folds, again)
}

func TestFoldsRefuse(t *testing.T) {
	_, err := split.Folds(1, 1, []int{0, 0}, content)
	require.ErrorContains(t, err, "1 folds: want at least 2")
	_, err = split.Folds(1, 3, []int{0, 0, 0, 1}, content)
	require.ErrorContains(t, err, "class 1 has 1 rows: want at least one for each of 3 folds")
}

func TestRowID(t *testing.T) {
	require.Equal(t, "raw/a/x.csv#12", split.RowID("raw/a/x.csv", 12))
}
