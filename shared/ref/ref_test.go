package ref_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
	"github.com/sluice-ml/sluice/shared/ref/reftest"
)

func TestMemory(t *testing.T) {
	reftest.Run(t, func(*testing.T) ref.Store { return ref.NewMemory() })
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestReacquireIsIdempotent(t *testing.T) {
	s := ref.NewMemory()
	a, err := ref.Acquire(t.Context(), s, "l", "one", time.Minute, noon)
	require.NoError(t, err)
	b, err := ref.Acquire(t.Context(), s, "l", "one", time.Minute, noon.Add(10*time.Second))
	require.NoError(t, err)
	require.Equal(t, a.Token, b.Token)
	require.Equal(t, noon.Add(70*time.Second), b.Until)
	c, err := ref.Acquire(t.Context(), s, "l", "one", time.Second, noon.Add(10*time.Second))
	require.NoError(t, err)
	require.Equal(t, b.Until, c.Until, "a retry does not shorten the lease")
}

func TestHeldLeaseNamesItsHolder(t *testing.T) {
	s := ref.NewMemory()
	_, err := ref.Acquire(t.Context(), s, "l", "one", time.Minute, noon)
	require.NoError(t, err)
	_, err = ref.Acquire(t.Context(), s, "l", "two", time.Minute, noon)
	require.ErrorContains(t, err, "acquire l: one holds it until 2026-03-01T12:01:00Z")
	held, ok := errors.AsType[*ref.HeldError](err)
	require.True(t, ok)
	require.Equal(t, "one", held.Holder)
	l, ok, err := ref.Holder(t.Context(), s, "l", noon)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "one", l.Holder)
	_, ok, err = ref.Holder(t.Context(), s, "l", noon.Add(time.Minute))
	require.NoError(t, err)
	require.False(t, ok)
	_, ok, err = ref.Holder(t.Context(), s, "none", noon)
	require.NoError(t, err)
	require.False(t, ok)
}

func TestTakeoverFencesTheOldHolder(t *testing.T) {
	s := ref.NewMemory()
	old, err := ref.Acquire(t.Context(), s, "l", "one", time.Minute, noon)
	require.NoError(t, err)
	revived, err := ref.Renew(t.Context(), s, old, time.Minute, noon.Add(2*time.Minute))
	require.NoError(t, err, "nobody took it over")
	require.Equal(t, old.Token, revived.Token)
	taken, err := ref.Acquire(t.Context(), s, "l", "two", time.Minute, noon.Add(4*time.Minute))
	require.NoError(t, err)
	require.Equal(t, old.Token+1, taken.Token)
	_, err = ref.Renew(t.Context(), s, old, time.Minute, noon.Add(4*time.Minute))
	require.Equal(t, fault.Conflict, fault.KindOf(err))
	require.ErrorContains(t, err, `held by "two"`)
	require.NoError(t, ref.Release(t.Context(), s, old), "the lost lease is left alone")
	_, ok, err := ref.Holder(t.Context(), s, "l", noon.Add(4*time.Minute))
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, ref.Release(t.Context(), s, taken))
	require.NoError(t, ref.Release(t.Context(), s, taken))
	again, err := ref.Acquire(t.Context(), s, "l", "one", time.Minute, noon.Add(4*time.Minute))
	require.NoError(t, err)
	require.Equal(t, taken.Token+1, again.Token, "tokens grow across releases")
}

func TestAcquireRefusesNonsense(t *testing.T) {
	for _, c := range []struct {
		holder string
		ttl    time.Duration
	}{{"", time.Minute}, {"one", 0}, {"one", -time.Second}} {
		_, err := ref.Acquire(t.Context(), ref.NewMemory(), "l", c.holder, c.ttl, noon)
		require.Equal(t, fault.Invalid, fault.KindOf(err))
	}
}

func TestUpdateUnchangedAndOwnErrors(t *testing.T) {
	s := ref.NewMemory()
	type box struct{ N []int }
	_, err := ref.Update(t.Context(), s, "k", func(box, bool) (box, error) { return box{}, ref.Unchanged })
	require.NoError(t, err)
	_, err = s.Get(t.Context(), "k")
	require.Equal(t, fault.NotFound, fault.KindOf(err), "nothing was written")
	_, err = ref.Update(t.Context(), s, "k", func(box, bool) (box, error) { return box{N: []int{1}}, nil })
	require.NoError(t, err)
	got, err := ref.Update(t.Context(), s, "k", func(old box, found bool) (box, error) {
		require.True(t, found)
		old.N[0] = 9
		return old, ref.Unchanged
	})
	require.NoError(t, err)
	require.Equal(t, box{N: []int{1}}, got)

	calls := 0
	own := fault.New(fault.Conflict, "change", "I refuse")
	_, err = ref.Update(t.Context(), s, "k", func(old box, _ bool) (box, error) { calls++; return old, own })
	require.Same(t, own, err, "the caller's own conflict is not a lost race")
	require.Equal(t, 1, calls)
}

func TestUpdateGivesUpLoudly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := ref.NewMemory()
		meddle := func(n int, _ bool) (int, error) {
			_, err := ref.Update(t.Context(), s, "k", func(n int, _ bool) (int, error) { return n + 1, nil })
			return n, err
		}
		_, err := ref.Update(t.Context(), s, "k", meddle)
		require.Equal(t, fault.Conflict, fault.KindOf(err))
		require.ErrorContains(t, err, "lost 100 races in a row")
	})
}

func TestReadRefusesForeignObjects(t *testing.T) {
	for _, body := range []string{"", "{}", "[]", `{"format":2,"sequence":1,"nonce":"x","value":1}`,
		`{"format":1,"sequence":0,"nonce":"x","value":1}`, `{"format":1,"sequence":1,"nonce":"","value":1}`,
		`{"format":1,"sequence":1,"nonce":"x"}`, `{"format":1,"sequence":1,"nonce":"x","value":"text"}`,
		`{"format":1,"sequence":1,"nonce":"x","value":1,"more":2}`} {
		s := ref.NewMemory()
		_, err := s.Create(t.Context(), "k", []byte(body))
		require.NoError(t, err)
		_, err = ref.Read[int](t.Context(), s, "k")
		require.Equal(t, fault.Invalid, fault.KindOf(err), body)
		require.ErrorContains(t, err, "read the pointer k")
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"format":1,"sequence":1,"nonce":"x","value":{"holder":"a","token":1}}`))
	f.Add([]byte(`{"format":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s := ref.NewMemory()
		_, err := s.Create(t.Context(), "k", body)
		require.NoError(t, err)
		if _, err := ref.Read[map[string]any](t.Context(), s, "k"); err != nil {
			require.Equal(t, fault.Invalid, fault.KindOf(err))
		}
	})
}
