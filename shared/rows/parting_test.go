package rows_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/rows/rowstest"
	"github.com/sluice-ml/sluice/shared/split"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

func byGroup(column string) trainconfig.Data {
	return trainconfig.Data{Target: "y", Positive: "yes", Split: trainconfig.Split{Train: 0.6, Validation: 0.2, Test: 0.2, By: trainconfig.ByGroup, Column: column}}
}

// TestAGroupIsOnOneSide is a property of any groups, however they are spread
// over objects and spelt; and a group stays where it is as data grows.
func TestAGroupIsOnOneSide(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	before := map[string]split.Side{}
	for round := range 20 {
		objects := rowstest.Objects{}
		for part := range 3 {
			csv, jsonl := "g,x,y\n", ""
			for range 1 + random.IntN(60) {
				group := random.IntN(30)
				csv += fmt.Sprintf("%d.0,%d,yes\n", group, random.IntN(1000))
				jsonl += fmt.Sprintf(`{"g": "%d", "x": %d, "y": "no"}`+"\n", group, random.IntN(1000))
			}
			objects[fmt.Sprintf("%d-%d.csv", round, part)] = []byte(csv)
			objects[fmt.Sprintf("%d-%d.jsonl", round, part)] = []byte(jsonl)
		}
		set, err := read(t, objects, byGroup("g"))
		require.NoError(t, err)
		for i, group := range set.Group {
			side, seen := before[group]
			require.True(t, !seen || side == set.Side[i], group)
			before[group] = set.Side[i]
		}
		parting, err := set.Parting(byGroup("g"))
		require.NoError(t, err)
		total := 0
		for _, side := range parting.Sides {
			total += side.Rows
		}
		require.Len(t, set.Side, total)
		part, err := rows.ReadWithin(t.Context(), goal.Binary, objects.Open, objects.List(), byGroup("g"), 7, rows.Memory{OnDisk: true})
		require.NoError(t, err)
		require.Equal(t, set.Side, part.Side)
	}
	require.Len(t, before, 30)
}

func TestALeakIsFound(t *testing.T) {
	set, err := read(t, rowstest.Objects{"a.csv": []byte("g,t,y\na,1,yes\na,2,no\nb,3,yes\nb,4,no\n")}, byGroup("g"))
	require.NoError(t, err)
	set.Side = []split.Side{split.Train, split.Test, split.Train, split.Train}
	_, err = set.Parting(byGroup("g"))
	require.ErrorContains(t, err, `group "a" is on two sides, train and test`)
	require.True(t, fault.Is(err, fault.Internal))
	set.Group, set.Times = nil, split.Times{At: []int64{3, 2, 1, 0}}
	_, err = set.Parting(byGroup("g"))
	require.ErrorContains(t, err, "the test side begins at")
}

func TestPartingsThatCannotWorkAreRefused(t *testing.T) {
	byTime := func(change func(*trainconfig.Split)) trainconfig.Data {
		d := byGroup("t")
		d.Split.By = trainconfig.ByTime
		change(&d.Split)
		return d
	}
	weight := byGroup("g")
	weight.Split, weight.Weight = trainconfig.Split{Train: 1}, "w"
	for name, c := range map[string]struct {
		data trainconfig.Data
		csv  string
		want string
	}{
		"no group":           {byGroup("g"), "g,y\na,yes\n,no\n", `a.csv line 3: column "g" has no value, so the row is of no group`},
		"no such column":     {byGroup("h"), "g,y\na,yes\n", `there is no column "h" among ["g" "y"]: correct data.split.column`},
		"no time":            {byTime(func(*trainconfig.Split) {}), "t,y\n2026-01-01,yes\n\n,no\n", `a.csv line 4: column "t" has no value`},
		"words for a time":   {byTime(func(*trainconfig.Split) {}), "t,y\n2026-01-01,yes\nyesterday,no\n", `a.csv line 3: column "t": "yesterday" is no time`},
		"numbers and dates":  {byTime(func(*trainconfig.Split) {}), "t,y\n2026-01-01,yes\n5,no\n", `a.csv line 3: column "t": "5" is no time`},
		"a long for numbers": {byTime(func(s *trainconfig.Split) { s.Gap.Duration = 5 }), "t,y\n1,yes\n5,no\n", "holds numbers, and the gap 5ns is for dates"},
		"a cut of dates":     {byTime(func(s *trainconfig.Split) { s.TestFrom = "2026-01-01" }), "t,y\n1,yes\n5,no\n", `"2026-01-01" cannot be compared with column "t", whose first value is 1`},
		"nothing to test":    {byTime(func(s *trainconfig.Split) { s.TestFrom = "9" }), "t,y\n1,yes\n5,no\n", "no row is left for the test side"},
		"a negative weight":  {weight, "w,y\n1,yes\n-2,no\n", `a.csv line 3: column "w": "-2" is below 0`},
		"no weight":          {weight, "w,y\n1,yes\nNaN,no\n", `a.csv line 3: column "w": "" is no weight: every row needs one`},
		"a word for weight":  {weight, "w,y\n1,yes\nheavy,no\n", `a.csv line 3: column "w": "heavy" is no number`},
		"a huge weight":      {weight, "w,y\n1,yes\n1e39,no\n", `is above 3.4e38`},
		"only zeros":         {weight, "w,y\n0,yes\n0,no\n", `column "w" is 0 in all 2 rows of the train side, the first being a.csv line 2`},
		"an infinite weight": {weight, "w,y\n1,yes\ninf,no\n", `line 3: column "w": inf is not a finite number`},
	} {
		for _, onDisk := range []bool{false, true} {
			objects := rowstest.Objects{"a.csv": []byte(c.csv)}
			_, err := rows.ReadWithin(t.Context(), goal.Binary, objects.Open, objects.List(), c.data, 7, rows.Memory{OnDisk: onDisk})
			require.ErrorContains(t, err, strings.TrimSuffix(strings.Split(c.want, ": correct ")[0], ":"), name)
			require.True(t, fault.Is(err, fault.Invalid), name)
		}
	}
}
