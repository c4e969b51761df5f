package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/aws/runstore/runtest"
	"github.com/sluice-ml/sluice/shared/aws/s3store/s3test"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/profile"
)

func TestMain(m *testing.M) { s3test.Main(m) }

const config = "experiment: {name: m}\ndata: {target: y}\n"

func TestAPartIsTheMergeOfItsObjects(t *testing.T) {
	b := runtest.New(t, config)
	h := handler{b.Store, b.Bucket}
	a := b.Upload("raw/m/a.csv", "x,y\n1,0\n2,1\n")
	c := b.Upload("raw/m/b.jsonl", `{"x": 5, "y": 1}`)
	broken := b.Upload("raw/m/c.csv", "x,y\n1\n")
	in := b.Run("m-1", nil, a, c, broken)
	in.Part = &contract.Part{Index: 3, First: 0, Count: 3}
	got, err := h.handle(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, contract.ProfileResult{Part: 3, Rows: 3, Profile: "s3://" + b.Bucket + "/runs/m/m-1/profiles/3.json"}, got)
	var part profile.Part
	b.ReadJSON(got.Profile, &part)
	require.Len(t, part.Objects, 3)
	require.Equal(t, int64(3), part.Merged.Rows)
	require.Equal(t, 8.0/3, part.Merged.Column("x").Moments.Mean)
	require.Contains(t, part.Objects[2].Problem, "raw/m/c.csv: line 2: 1 values where the header has 2 columns")
	require.Empty(t, part.Objects[2].Profile)

	// The second time profiles come from the cache, even when the lake is gone.
	require.NoError(t, b.Store.Delete(t.Context(), b.Lake, a.Key, a.VersionID))
	in.Part = &contract.Part{Index: 0, First: 0, Count: 1}
	again, err := h.handle(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, int64(2), again.Rows)
	b.ReadJSON(again.Profile, &part)
	require.Len(t, part.Objects, 1)
}

func TestAVersionIsReadEvenWhenTheKeyMovedOn(t *testing.T) {
	b := runtest.New(t, config)
	first := b.Upload("raw/m/a.csv", "x,y\n1,0\n2,1\n")
	b.Upload("raw/m/a.csv", "x,y\n1,0\n")
	in := b.Run("m-1", nil, first)
	in.Part = &contract.Part{Count: 1}
	got, err := handler{b.Store, b.Bucket}.handle(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, int64(2), got.Rows)
}

func TestWhatIsNotTheDatasFaultIsAnError(t *testing.T) {
	b := runtest.New(t, config)
	h := handler{b.Store, b.Bucket}
	e := b.Upload("raw/m/a.csv", "x,y\n1,0\n2,1\n")
	in := b.Run("m-1", nil, e)
	part := func(index, first, count int) *contract.Part {
		return &contract.Part{Index: index, First: first, Count: count}
	}
	for name, c := range map[string]struct {
		in   contract.StepInput
		kind fault.Kind
		want string
	}{
		"no part":        {in, fault.Invalid, "names no part"},
		"part too far":   {with(in, part(0, 1, 1)), fault.Invalid, "objects 1 to 1 of 1"},
		"part too long":  {with(in, part(0, 0, 2)), fault.Invalid, "objects 0 to 1 of 1"},
		"huge part":      {with(in, part(0, 1, 1<<62)), fault.Invalid, "of 1"},
		"other model":    {contract.StepInput{Model: "n", Run: "m-1", Plan: in.Plan}, fault.Invalid, "is of run m-1 of model m"},
		"no plan":        {contract.StepInput{Model: "m", Run: "m-1"}, fault.Invalid, "want a run's name"},
		"plan not there": {contract.StepInput{Model: "m", Run: "m-1", Plan: in.Plan + "x"}, fault.NotFound, "plan.jsonx"},
		"not sealed":     {with(b.Run("m-2", func(p *contract.Plan) { p.Hash = "" }, e), part(0, 0, 1)), fault.Invalid, "is not sealed"},
		"other config":   {with(b.Run("m-3", func(p *contract.Plan) { p.ConfigHash = "x" }, e), part(0, 0, 1)), fault.Invalid, "the plan was made with x"},
	} {
		_, err := h.handle(t.Context(), c.in)
		require.ErrorContains(t, err, c.want, name)
		require.Equal(t, c.kind, fault.KindOf(err), name)
	}
	require.NoError(t, b.Store.Delete(t.Context(), b.Lake, e.Key, e.VersionID))
	_, err := h.handle(t.Context(), with(in, part(0, 0, 1)))
	require.True(t, fault.Is(err, fault.NotFound), "%v", err)
}

func with(in contract.StepInput, part *contract.Part) contract.StepInput {
	in.Part = part
	return in
}
