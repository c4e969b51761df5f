package dataset_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
)

// tagged is a lakeside with the tags v1, of a and b, and v2, of a's second
// version and b.
func tagged(t *testing.T) *lakeside {
	l := newLakeside(t)
	for name, at := range map[string]string{"v1": "main~1", "v2": "main"} {
		_, err := l.one().Tag(t.Context(), name, at)
		require.NoError(t, err)
	}
	return l
}

func (l *lakeside) locked(entries ...dataset.Entry) int {
	n := 0
	for _, e := range entries {
		if l.held[e.Key+e.VersionID] {
			n++
		}
	}
	return n
}

func TestLegalHolds(t *testing.T) {
	l := tagged(t)
	lake, a, b, a2 := l.lake(), l.kept[0], l.kept[1], l.kept[2]
	done, err := lake.PlaceHold(t.Context(), l.one(), l, "v1", "me", noon)
	require.NoError(t, err)
	require.Equal(t, []any{dataset.HoldHeld, 2, 0, "me"}, []any{done.State, done.Done, done.Found, done.By})
	require.Equal(t, 2, l.locked(a, b, a2))
	again, err := lake.PlaceHold(t.Context(), l.one(), l, "v1", "you", noon)
	require.NoError(t, err)
	require.Equal(t, []any{dataset.HoldHeld, 0, 2, "me"}, []any{again.State, again.Done, again.Found, again.By})
	done, err = lake.PlaceHold(t.Context(), l.one(), l, "v2", "me", noon)
	require.NoError(t, err)
	require.Equal(t, []int{1, 1}, []int{done.Done, done.Found})

	freed, err := lake.ReleaseHold(t.Context(), l.one(), l, "v1", "me", noon.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, []any{dataset.HoldReleased, 1, 1}, []any{freed.State, freed.Done, freed.Shared})
	require.Equal(t, 0, l.locked(a))
	require.Equal(t, 2, l.locked(b, a2), "the other hold keeps b")
	freed, err = lake.ReleaseHold(t.Context(), l.one(), l, "v1", "me", noon.Add(time.Hour))
	require.NoError(t, err)
	require.Zero(t, freed.Done)
	list, err := l.one().Holds(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"v1 released", "v2 held"}, []string{list[0].Tag + " " + list[0].State, list[1].Tag + " " + list[1].State})
	_, err = lake.PlaceHold(t.Context(), l.one(), l, "v1", "me", noon)
	require.NoError(t, err, "a released tag may be held anew")
}

func TestHoldsThatCannotBe(t *testing.T) {
	l := tagged(t)
	_, err := l.lake().PlaceHold(t.Context(), l.one(), l, "v9", "me", noon)
	requireKind(t, fault.NotFound, err)
	require.ErrorContains(t, err, "sluice data tag create MODEL v9 REF")
	_, err = l.lake().ReleaseHold(t.Context(), l.one(), l, "v1", "me", noon)
	requireKind(t, fault.NotFound, err)
	require.NoError(t, l.Delete(t.Context(), "raw/m/b", l.kept[1].VersionID))
	_, err = l.lake().PlaceHold(t.Context(), l.one(), l, "v1", "me", noon)
	requireKind(t, fault.NotFound, err)
	require.ErrorContains(t, err, "hold raw/m/b: its version "+l.kept[1].VersionID+" is gone")
	l.nolock = true
	_, err = l.lake().PlaceHold(t.Context(), l.one(), l, "v2", "me", noon)
	requireKind(t, fault.Invalid, err)
	list, err := l.one().Holds(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1, "of v2 nothing was written")
}

func TestAHeldCommitOutlivesItsTag(t *testing.T) {
	v, _, lost := littered(t)
	r, l := dataset.NewTiny(v), newLakeside(t)
	l.stores[0] = v
	for e, err := range r.Each(t.Context(), lost.ID, "") {
		require.NoError(t, err)
		l.objects[e.Key] = append(l.objects[e.Key], dataset.LakeVersion{StoredVersion: dataset.StoredVersion{Key: e.Key, VersionID: e.VersionID}})
	}
	_, err := r.Tag(t.Context(), "v1", lost.ID)
	require.NoError(t, err)
	_, err = l.lake().PlaceHold(t.Context(), r, l, "v1", "me", noon)
	require.NoError(t, err)
	require.NoError(t, r.DeleteTag(t.Context(), "v1", noon))
	v.pass(10 * grace)
	found, err := r.Survey(t.Context(), v, dataset.CollectRequest{Now: v.now, Grace: grace})
	require.NoError(t, err)
	require.Empty(t, found.Garbage)
	_, err = l.lake().ReleaseHold(t.Context(), r, l, "v1", "me", noon)
	require.NoError(t, err)
	found, err = r.Survey(t.Context(), v, dataset.CollectRequest{Now: v.now, Grace: grace})
	require.NoError(t, err)
	require.NotEmpty(t, found.Garbage)
}

// TestHoldsMayDieAnywhere kills placing, and releasing, between any two requests
// to the store, and runs them again.
func TestHoldsMayDieAnywhere(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			l := tagged(t)
			_, err := l.lake().PlaceHold(t.Context(), l.one(), l, "v2", "me", noon)
			require.NoError(t, err)
			why := fmt.Sprintf("killed at request %d, after: %t", n, after)
			mortal := dataset.NewTiny(&dying{Store: l.stores[0], left: n, after: after})
			_, placing := l.lake().PlaceHold(t.Context(), mortal, l, "v1", "me", noon)
			if placing != nil {
				require.ErrorIs(t, placing, errKilled, why)
				_, err = l.lake().PlaceHold(t.Context(), l.one(), l, "v1", "me", noon)
				require.NoError(t, err, why)
			}
			require.Equal(t, 3, l.locked(l.kept[:3]...), why)
			mortal = dataset.NewTiny(&dying{Store: l.stores[0], left: n, after: after})
			_, releasing := l.lake().ReleaseHold(t.Context(), mortal, l, "v1", "me", noon)
			if releasing != nil {
				require.ErrorIs(t, releasing, errKilled, why)
				_, err = l.lake().ReleaseHold(t.Context(), l.one(), l, "v1", "me", noon)
				require.NoError(t, err, why)
			}
			require.Equal(t, 2, l.locked(l.kept[:3]...), why)
			require.Equal(t, 0, l.locked(l.kept[0]), why)
			if placing == nil && releasing == nil {
				require.Greater(t, n, 4)
				break
			}
		}
	}
}

// TestAHoldThatIsPlacedWhileAnotherIsReleased interleaves the two at every
// request: what the placed hold says is held is held.
func TestAHoldThatIsPlacedWhileAnotherIsReleased(t *testing.T) {
	for n := 1; ; n++ {
		l := tagged(t)
		_, err := l.lake().PlaceHold(t.Context(), l.one(), l, "v1", "me", noon)
		require.NoError(t, err)
		count, placed := 0, error(nil)
		l.stores[0].before = func() {
			if count++; count == n {
				l.stores[0].before = func() {}
				_, placed = l.lake().PlaceHold(t.Context(), l.one(), l, "v2", "me", noon)
			}
		}
		_, err = l.lake().ReleaseHold(t.Context(), l.one(), l, "v1", "me", noon)
		require.NoError(t, err)
		l.stores[0].before = func() {}
		if count < n {
			require.Greater(t, n, 4)
			return
		}
		if placed != nil {
			requireKind(t, fault.Busy, placed)
			_, err := l.lake().PlaceHold(t.Context(), l.one(), l, "v2", "me", noon)
			require.NoError(t, err, "afterwards it can be")
		}
		require.Equal(t, 2, l.locked(l.kept[1], l.kept[2]), fmt.Sprint("request ", n))
		require.Equal(t, 0, l.locked(l.kept[0]), fmt.Sprint("request ", n))
	}
}
