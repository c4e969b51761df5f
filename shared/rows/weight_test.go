package rows_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/rows/rowstest"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

func readRanking(t *testing.T, objects rowstest.Objects) (*rows.Set, error) {
	t.Helper()
	ranking := trainconfig.Data{Target: "y", QID: "q", Weight: "w", Split: trainconfig.Split{Train: 1}}
	return rows.ReadFor(t.Context(), goal.Ranking, objects.Open, objects.List(), ranking, 7)
}

// TestTwoWeightsInAQueryAreRefused: in one object and in two, rows of other
// queries between them or not; both rows, both weights and the query are named.
func TestTwoWeightsInAQueryAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		objects rowstest.Objects
		want    []string
	}{
		"side by side": {rowstest.Objects{"a.csv": []byte("q,y,w\nx,0,2\nx,1,3\n")},
			[]string{`a.csv line 3: column "w": 3, and 2 in a.csv line 2`, `the same query "x"`}},
		"another query between": {rowstest.Objects{"a.csv": []byte("q,y,w\nx,0,2\nz,1,5\nx,1,2.5\n")},
			[]string{`a.csv line 4: column "w": 2.5, and 2 in a.csv line 2`, `the same query "x"`}},
		"two objects": {rowstest.Objects{"a.csv": []byte("q,y,w\nx,0,2\nx,1,2\n"), "b.csv": []byte("q,y,w\nx,1,0\n")},
			[]string{`b.csv line 2: column "w": 0, and 2 in a.csv line 2`, `the same query "x"`}},
		"queries that are numbers": {rowstest.Objects{"a.csv": []byte("q,y,w\n7,0,1\n7.0,1,2\n")},
			[]string{`column "w": 2, and 1 in`, `the same query "7"`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readRanking(t, c.objects)
			require.True(t, fault.Is(err, fault.Invalid), "%v", err)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
			require.ErrorContains(t, err, "read the weights")
		})
	}
}

func TestQueriesMayWeighDifferently(t *testing.T) {
	set, err := readRanking(t, rowstest.Objects{"a.csv": []byte("q,y,w\nx,0,2\nz,1,0.5\nx,1,2.0\n")})
	require.NoError(t, err)
	require.Equal(t, []float64{2, 0.5, 2}, set.Weight)
	require.Equal(t, []string{"x", "z", "x"}, set.Query)
}

// FuzzWeights: whatever a column of weights and a column of queries hold, the rows
// are refused, or every weight is a finite number from 0 up and each query has one.
func FuzzWeights(f *testing.F) {
	for _, seed := range []string{"x,0,2\nx,1,3\n", "x,0,2\nz,1,0\n", "x,0,-1\n", "x,0,1e39\n", "x,0,NaN\n", "x,0,\n", ",0,1\n", "x,0,heavy\nx,1,Inf\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, lines string) {
		if strings.Count(lines, "\n") > 50 {
			return
		}
		set, err := readRanking(t, rowstest.Objects{"a.csv": []byte("q,y,w\n" + lines)})
		if err != nil {
			return
		}
		of := map[string]float64{}
		for i, w := range set.Weight {
			require.GreaterOrEqual(t, w, 0.0)
			require.LessOrEqual(t, w, 3.5e38)
			if before, known := of[set.Query[i]]; known {
				require.InDelta(t, before, w, 0)
			}
			of[set.Query[i]] = w
		}
	})
}
