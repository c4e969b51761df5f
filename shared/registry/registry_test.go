package registry_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
	"github.com/sluice-ml/sluice/shared/registry"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func version(run string) contract.Version {
	return contract.Version{Model: "m", Run: run, Digest: "sha256:" + run, Created: noon}
}

func TestNumbersAreGivenOnceAndInOrder(t *testing.T) {
	r := registry.New(ref.NewMemory())
	for n := 1; n <= 12; n++ {
		v, err := r.Register(t.Context(), version(fmt.Sprint("m-", n)))
		require.NoError(t, err)
		require.Equal(t, n, v.Version)
		again, err := r.Register(t.Context(), contract.Version{Model: "m", Run: fmt.Sprint("m-", n), Digest: "other"})
		require.NoError(t, err)
		require.Equal(t, v, again, "a run has one version")
	}
	numbers, err := r.Numbers(t.Context(), "m")
	require.NoError(t, err)
	require.Equal(t, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, numbers)
}

func TestManyRunsAtOnce(t *testing.T) {
	r := registry.New(ref.NewMemory())
	var wait sync.WaitGroup
	got := make([][2]int, 16)
	errs := make([]error, 32)
	for run := range 16 {
		for twin := range 2 {
			wait.Go(func() {
				v, err := r.Register(t.Context(), version(fmt.Sprint("m-", run)))
				got[run][twin], errs[2*run+twin] = v.Version, err
			})
		}
	}
	wait.Wait()
	seen := map[int]bool{}
	for run := range got {
		require.NoError(t, errors.Join(errs...))
		require.Equal(t, got[run][0], got[run][1])
		require.False(t, seen[got[run][0]])
		seen[got[run][0]] = true
	}
	require.Len(t, seen, 16)
}

type dying struct {
	ref.Store
	left int
}

var errKilled = errors.New("killed")

func (d *dying) Create(ctx context.Context, key string, body []byte) (ref.Tag, error) {
	if d.left--; d.left < 0 {
		return "", errKilled
	}
	tag, err := d.Store.Create(ctx, key, body)
	if d.left == 0 && err == nil {
		return "", errKilled // it landed
	}
	return tag, err
}

func TestKilledAndRetried(t *testing.T) {
	for left := range 3 {
		store := ref.NewMemory()
		_, err := registry.New(&dying{store, left}).Register(t.Context(), version("m-1"))
		require.ErrorIs(t, err, errKilled)
		other, err := registry.New(store).Register(t.Context(), version("m-2"))
		require.NoError(t, err)
		v, err := registry.New(store).Register(t.Context(), version("m-1"))
		require.NoError(t, err)
		require.ElementsMatch(t, []int{1, 2}, []int{v.Version, other.Version})
	}
}

func TestAliases(t *testing.T) {
	r := registry.New(ref.NewMemory())
	none, err := r.Resolve(t.Context(), "m", registry.Champion)
	require.NoError(t, err)
	require.Nil(t, none)
	for n := 1; n <= 3; n++ {
		_, err := r.Register(t.Context(), version(fmt.Sprint("m-", n)))
		require.NoError(t, err)
	}
	move := func(from, to int, fence int64) error {
		_, err := r.Move(t.Context(), "m", registry.Champion, registry.Step{From: from, To: to, Fence: fence, Reason: "promoted"}, noon)
		return err
	}
	back := func(from, to int, fence int64) error {
		_, err := r.Move(t.Context(), "m", registry.Champion, registry.Step{From: from, To: to, Fence: fence, Back: true}, noon)
		return err
	}
	require.NoError(t, move(0, 1, 1))
	require.NoError(t, move(0, 1, 1), "a retry")
	require.NoError(t, move(1, 2, 2))
	require.NoError(t, back(2, 1, 2))
	require.NoError(t, back(2, 1, 2), "a retry")
	require.ErrorContains(t, move(1, 2, 2), "it was last moved with fence 2, this move's is 2", "a late repetition does not undo the revert")
	require.NoError(t, move(1, 2, 3), "the next rollout may")
	require.ErrorContains(t, back(2, 1, 2), "with fence 3, this move's is 2", "a late revert does not undo the next rollout")
	require.Equal(t, fault.Conflict, fault.KindOf(move(1, 3, 4)))
	require.Equal(t, fault.NotFound, fault.KindOf(move(2, 9, 4)))
	champion, err := r.Resolve(t.Context(), "m", registry.Champion)
	require.NoError(t, err)
	require.Equal(t, "m-2", champion.Run)
	alias, err := r.Alias(t.Context(), "m", registry.Champion)
	require.NoError(t, err)
	require.Equal(t, registry.Alias{Version: 2, Previous: 1, Moved: noon, Reason: "promoted", Fence: 3}, alias)
}

func TestBadRecords(t *testing.T) {
	store := ref.NewMemory()
	r := registry.New(store)
	_, err := r.Register(t.Context(), contract.Version{Model: "no spaces", Run: "x"})
	require.Equal(t, fault.Invalid, fault.KindOf(err))
	_, err = r.Register(t.Context(), contract.Version{Model: "m"})
	require.Equal(t, fault.Invalid, fault.KindOf(err))
	for n, body := range []string{"", "[]", `{"model":"m","version":7}`, `{"model":"other","version":4}`} {
		_, err := store.Create(t.Context(), contract.VersionKey("m", n+1), []byte(body))
		require.NoError(t, err)
		_, err = r.Version(t.Context(), "m", n+1)
		require.Equal(t, fault.Invalid, fault.KindOf(err), body)
	}
}
