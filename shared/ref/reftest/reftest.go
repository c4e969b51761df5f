// Package reftest is what every ref.Store must pass. A new store joins with
// three lines:
//
//	func TestStore(t *testing.T) {
//		reftest.Run(t, func(t *testing.T) ref.Store { return newStore(t) })
//	}
package reftest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// Run checks the stores that open makes. Each call must give an empty one.
func Run(t *testing.T, open func(t *testing.T) ref.Store) {
	checks := []struct {
		name  string
		check func(t *testing.T, s ref.Store)
	}{
		{"missing keys", missing},
		{"create, get, swap", moves},
		{"stale tags", stale},
		{"list", lists},
		{"one creator wins", oneCreator},
		{"one swapper wins", oneSwapper},
		{"no update is lost", updates},
		{"equal values differ", aba},
		{"leases", leases},
	}
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.check(t, open(t)) })
	}
}

func missing(t *testing.T, s ref.Store) {
	_, err := s.Get(t.Context(), "a/missing")
	requireKind(t, fault.NotFound, err)
	_, err = s.Swap(t.Context(), "a/missing", []byte("x"), "0123")
	requireKind(t, fault.Conflict, err)
}

func moves(t *testing.T, s ref.Store) {
	first, err := s.Create(t.Context(), "a/b.json", []byte("one"))
	require.NoError(t, err)
	_, err = s.Create(t.Context(), "a/b.json", []byte("two"))
	requireKind(t, fault.Conflict, err)
	requireItem(t, s, "a/b.json", "one", first)
	second, err := s.Swap(t.Context(), "a/b.json", []byte("three"), first)
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	requireItem(t, s, "a/b.json", "three", second)
}

func stale(t *testing.T, s ref.Store) {
	first, err := s.Create(t.Context(), "k", []byte("one"))
	require.NoError(t, err)
	second, err := s.Swap(t.Context(), "k", []byte("two"), first)
	require.NoError(t, err)
	_, err = s.Swap(t.Context(), "k", []byte("three"), first)
	requireKind(t, fault.Conflict, err)
	requireItem(t, s, "k", "two", second)
}

func lists(t *testing.T, s ref.Store) {
	for _, key := range []string{"p/b", "p/a", "p/c/d", "q/a"} {
		_, err := s.Create(t.Context(), key, []byte(key))
		require.NoError(t, err)
	}
	keys, err := s.List(t.Context(), "p/")
	require.NoError(t, err)
	require.Equal(t, []string{"p/a", "p/b", "p/c/d"}, keys)
	keys, err = s.List(t.Context(), "none/")
	require.NoError(t, err)
	require.Empty(t, keys)
}

const racers = 8

func oneCreator(t *testing.T, s ref.Store) {
	won := race(t, func(ctx context.Context, i int) error {
		_, err := s.Create(ctx, "k", fmt.Appendf(nil, "racer %d", i))
		return err
	})
	require.EqualValues(t, 1, won)
}

func oneSwapper(t *testing.T, s ref.Store) {
	tag, err := s.Create(t.Context(), "k", []byte("start"))
	require.NoError(t, err)
	won := race(t, func(ctx context.Context, i int) error {
		_, err := s.Swap(ctx, "k", fmt.Appendf(nil, "racer %d", i), tag)
		return err
	})
	require.EqualValues(t, 1, won)
}

// race runs the act in many goroutines and counts the winners; the losers must
// see a Conflict.
func race(t *testing.T, act func(ctx context.Context, i int) error) int64 {
	var won atomic.Int64
	var wait sync.WaitGroup
	errs := make(chan error, racers)
	for i := range racers {
		wait.Go(func() {
			if err := act(t.Context(), i); err == nil {
				won.Add(1)
			} else {
				errs <- err
			}
		})
	}
	wait.Wait()
	close(errs)
	for err := range errs {
		requireKind(t, fault.Conflict, err)
	}
	return won.Load()
}

func updates(t *testing.T, s ref.Store) {
	const each = 5
	race(t, func(ctx context.Context, _ int) error {
		for range each {
			if _, err := ref.Update(ctx, s, "count", func(n int, _ bool) (int, error) { return n + 1, nil }); err != nil {
				return err
			}
		}
		return nil
	})
	p, err := ref.Read[int](t.Context(), s, "count")
	require.NoError(t, err)
	require.Equal(t, racers*each, p.Value)
	require.EqualValues(t, racers*each, p.Sequence)
}

func aba(t *testing.T, s ref.Store) {
	set := func(to string) ref.Pointer[string] {
		_, err := ref.Update(t.Context(), s, "k", func(string, bool) (string, error) { return to, nil })
		require.NoError(t, err)
		p, err := ref.Read[string](t.Context(), s, "k")
		require.NoError(t, err)
		return p
	}
	before := set("a")
	set("b")
	after := set("a")
	require.Equal(t, before.Value, after.Value)
	require.NotEqual(t, before.Tag, after.Tag)
}

func leases(t *testing.T, s ref.Store) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	first, err := ref.Acquire(t.Context(), s, "lease", "one", time.Minute, now)
	require.NoError(t, err)
	_, err = ref.Acquire(t.Context(), s, "lease", "two", time.Minute, now.Add(59*time.Second))
	requireKind(t, fault.Busy, err)
	second, err := ref.Acquire(t.Context(), s, "lease", "two", time.Minute, now.Add(time.Minute))
	require.NoError(t, err)
	require.Greater(t, second.Token, first.Token)
	require.NoError(t, ref.Release(t.Context(), s, second))
}

func requireItem(t *testing.T, s ref.Store, key, body string, tag ref.Tag) {
	t.Helper()
	item, err := s.Get(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, ref.Item{Key: key, Body: []byte(body), Tag: tag}, item)
}

func requireKind(t *testing.T, want fault.Kind, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, fault.KindOf(err), "%v", err)
}
