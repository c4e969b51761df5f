package trained

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

func TestTheNewestModelOfAPlanCounts(t *testing.T) {
	store := ref.NewMemory()
	none, err := Find(t.Context(), store, "m", "sha256:aa")
	require.NoError(t, err)
	require.Nil(t, none)
	for _, run := range []string{"m-1", "m-1", "m-4"} {
		m := Model{PlanHash: "sha256:aa", Run: run, Digest: "sha256:d" + run}
		require.NoError(t, Record(t.Context(), store, "m", m))
		found, err := Find(t.Context(), store, "m", "sha256:aa")
		require.NoError(t, err)
		require.Equal(t, &m, found)
	}
	p, err := ref.Read[Model](t.Context(), store, "runs/m/by-plan/aa.json")
	require.NoError(t, err)
	require.EqualValues(t, 2, p.Sequence, "a repetition writes nothing")
	other, err := Find(t.Context(), store, "m", "sha256:bb")
	require.NoError(t, err)
	require.Nil(t, other)
}

func TestARecordOfAnotherPlanIsRefused(t *testing.T) {
	store := ref.NewMemory()
	_, err := ref.Update(t.Context(), store, "runs/m/by-plan/aa.json", func(Model, bool) (Model, error) { return Model{PlanHash: "sha256:bb", Run: "m-1"}, nil })
	require.NoError(t, err)
	_, err = Find(t.Context(), store, "m", "sha256:aa")
	require.Equal(t, fault.Invalid, fault.KindOf(err))
	require.ErrorContains(t, err, "plan sha256:bb")
}

func TestUnchanged(t *testing.T) {
	plan := contract.Plan{Model: "m", Hash: "sha256:aa", Cause: contract.Cause{Kind: "drift"}}
	require.Empty(t, Unchanged(plan), "there is no champion")
	plan.Champion = &contract.Version{Version: 3, Run: "m-7", PlanHash: "sha256:bb"}
	require.Empty(t, Unchanged(plan))
	plan.Champion.PlanHash = "sha256:aa"
	require.Contains(t, Unchanged(plan), "version 3, was trained by run m-7")
	plan.Cause.Kind = contract.CauseRetrain
	require.Empty(t, Unchanged(plan))
}
