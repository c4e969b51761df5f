package rows_test

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/rows/rowstest"
	"github.com/sluice-ml/sluice/shared/split"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

var data = trainconfig.Data{Target: "y", Positive: "yes", Split: trainconfig.Split{Train: 0.6, Validation: 0.2, Test: 0.2}}

func read(t *testing.T, objects rowstest.Objects, data trainconfig.Data) (*rows.Set, error) {
	t.Helper()
	return rows.Read(t.Context(), objects.Open, objects.List(), data, 7)
}

func TestReadJoinsObjects(t *testing.T) {
	set, err := read(t, rowstest.Objects{
		"a.csv":   []byte("x,y\n1,yes\n2,no\n"),
		"b.jsonl": []byte(`{"y":"yes","x":1.0}` + "\n"),
	}, data)
	require.NoError(t, err)
	require.Equal(t, []string{"a.csv#0", "a.csv#1", "b.jsonl#0"}, set.ID)
	require.Equal(t, []float64{1, 0, 1}, set.Label)
	require.Equal(t, "yes", set.Positive)
	require.Equal(t, set.Side[0], set.Side[2], "equal rows of different formats are on one side")
	require.Len(t, set.Hash, 64)
}

func TestSidesFollowTheSplitter(t *testing.T) {
	set, err := read(t, rowstest.Adult(t, "holdout.csv.gz"), trainconfig.Data{Target: "income", Split: data.Split})
	require.NoError(t, err)
	require.Equal(t, ">50K", set.Positive)
	splitter := split.Splitter{Seed: 7, Train: 0.6, Validation: 0.2}
	total := 0
	for _, side := range []split.Side{split.Train, split.Validation, split.Test} {
		for _, row := range set.On(side) {
			require.Equal(t, side, splitter.Side([]byte(set.Table.Row(row))))
			total++
		}
	}
	require.Equal(t, 4000, total)
}

func TestReadRefuses(t *testing.T) {
	for want, c := range map[string]struct {
		objects rowstest.Objects
		target  string
	}{
		"it has no objects":           {rowstest.Objects{}, "y"},
		`there is no column "z"`:      {rowstest.Objects{"a.csv": []byte("x,y\n1,yes\n")}, "z"},
		"has no value in row 1":       {rowstest.Objects{"a.csv": []byte("x,y\n1,\n")}, "y"},
		"no row of column":            {rowstest.Objects{"a.csv": []byte("x,y\n1,no\n")}, "y"},
		"columns of b.csv differ":     {rowstest.Objects{"a.csv": []byte("x,y\n1,no\n"), "b.csv": []byte("y\nno\n")}, "y"},
		"no reader for this extensio": {rowstest.Objects{"a.exe": []byte("x")}, "y"},
	} {
		d := data
		d.Target = c.target
		_, err := read(t, c.objects, d)
		require.ErrorContains(t, err, want)
		require.True(t, fault.Is(err, fault.Invalid), want)
	}
}

func TestReadKeepsTheStoresError(t *testing.T) {
	lost := fault.New(fault.Unavailable, "read", "the network is down")
	_, err := rows.Read(t.Context(), func(context.Context, string, string, string) (io.ReaderAt, int64, error) {
		return nil, 0, lost
	}, contract.DatasetObjects{Objects: make([]contract.ObjectVersion, 1)}, data, 1)
	require.ErrorIs(t, err, lost)
}
