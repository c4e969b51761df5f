package operator

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
	"github.com/sluice-ml/sluice/shared/rollout"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// live puts a state in place of whatever the model had.
func live(t *testing.T, store ref.Store, s rollout.State) {
	t.Helper()
	_, err := rollout.Records{Store: store}.Update(t.Context(), s.Model, func(rollout.State, bool) (rollout.State, error) { return s, nil })
	require.NoError(t, err)
}

// A rollout that has its outcome and is not archived yet is neither open nor
// kept; it must be found all the same.
func TestARolloutIsFoundInEveryPhase(t *testing.T) {
	store := ref.NewMemory()
	s := rollout.State{Rollout: "m-1-rollout", Model: "m", Run: "m-1", Started: noon}
	for _, phase := range []rollout.Phase{rollout.Baking, rollout.RollingBack, rollout.RolledBack, rollout.Promoted} {
		s.Phase = phase
		live(t, store, s)
		found, err := findRollout(t.Context(), store, "m-1-rollout")
		require.NoError(t, err, phase)
		require.Equal(t, phase, found.Phase)
		all, err := rolloutHistory(t.Context(), store, "m")
		require.NoError(t, err)
		require.Len(t, all, 1)
	}
	require.NoError(t, rollout.Records{Store: store}.Archive(t.Context(), s))
	all, err := rolloutHistory(t.Context(), store, "m")
	require.NoError(t, err)
	require.Len(t, all, 1, "archived and still the latest: once")
	live(t, store, rollout.State{Rollout: "m-2-rollout", Model: "m", Run: "m-2", Phase: rollout.Baking, Started: noon.Add(time.Hour)})
	all, err = rolloutHistory(t.Context(), store, "m")
	require.NoError(t, err)
	require.Equal(t, []string{"m-2-rollout", "m-1-rollout"}, []string{all[0].Rollout, all[1].Rollout})
	found, err := findRollout(t.Context(), store, "m-1-rollout")
	require.NoError(t, err)
	require.Equal(t, rollout.Promoted, found.Phase)
}

func TestWhatHasNoRolloutIsNotFound(t *testing.T) {
	store := ref.NewMemory()
	_, err := store.Create(t.Context(), contract.ConfigKey("adult-income"), []byte("x"))
	require.NoError(t, err)

	_, err = latestRollout(t.Context(), store, "adult-income")
	require.True(t, fault.Is(err, fault.NotFound), err)
	require.ErrorContains(t, err, "sluice run start adult-income")
	all, err := rolloutHistory(t.Context(), store, "adult-income")
	require.NoError(t, err)
	require.Empty(t, all)

	for _, read := range []func() error{
		func() error { _, err := latestRollout(t.Context(), store, "nosuch"); return err },
		func() error { _, err := rolloutHistory(t.Context(), store, "nosuch"); return err },
	} {
		err := read()
		require.True(t, fault.Is(err, fault.NotFound), err)
		require.ErrorContains(t, err, "find model nosuch: it is not known here (there are: adult-income)")
	}
	_, err = findRollout(t.Context(), store, "nosuch-1-rollout")
	require.True(t, fault.Is(err, fault.NotFound), err)
}
