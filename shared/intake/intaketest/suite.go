package intaketest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/intake"
	"github.com/sluice-ml/sluice/shared/ref"
)

// Run checks an inbox and the store that its objects are created in; both are
// empty. Many is how many objects it removes at once: more than one page of a
// listing is worth it.
func Run(t *testing.T, many int, open func(t *testing.T) (ref.Store, intake.Inbox)) {
	t.Run("list and remove", func(t *testing.T) { listAndRemove(t, open) })
	t.Run("an object comes again", func(t *testing.T) { again(t, open) })
	t.Run("many", func(t *testing.T) { manyObjects(t, many, open) })
}

func keys(t *testing.T, inbox intake.Inbox, prefix string) (keys []string) {
	all, err := inbox.Arrivals(t.Context(), prefix)
	require.NoError(t, err)
	for _, a := range all {
		require.WithinDuration(t, time.Now(), a.Time, time.Hour)
		keys = append(keys, a.Key)
	}
	return keys
}

func listAndRemove(t *testing.T, open func(t *testing.T) (ref.Store, intake.Inbox)) {
	store, inbox := open(t)
	long := "p/ab/" + strings.Repeat(strings.Repeat("x", 200)+"/", 4) + "end.1"
	for _, key := range []string{"p/b", "p/aa/c", "p/aa/b", "q/a", long} {
		_, err := store.Create(t.Context(), key, []byte(key))
		require.NoError(t, err)
	}
	require.Equal(t, []string{"p/aa/b", "p/aa/c", long, "p/b"}, keys(t, inbox, "p/"))
	require.Empty(t, keys(t, inbox, "none/"))
	for range 2 {
		require.NoError(t, inbox.Remove(t.Context(), "p/", func(key string) bool { return key == "p/b" || key == long || key == "q/a" }))
		require.Equal(t, []string{"p/aa/b", "p/aa/c"}, keys(t, inbox, "p/"))
	}
	require.Equal(t, []string{"q/a"}, keys(t, inbox, "q/"), "it is not below the prefix")
	_, err := store.Get(t.Context(), "p/b")
	require.Equal(t, fault.NotFound, fault.KindOf(err))
}

func again(t *testing.T, open func(t *testing.T) (ref.Store, intake.Inbox)) {
	store, inbox := open(t)
	for range 3 {
		_, err := store.Create(t.Context(), "p/a", []byte("x"))
		require.NoError(t, err, "what was removed can be created again")
		_, err = store.Create(t.Context(), "p/a", []byte("y"))
		require.Equal(t, fault.Conflict, fault.KindOf(err))
		require.NoError(t, inbox.Remove(t.Context(), "p/a", func(string) bool { return true }))
		require.Empty(t, keys(t, inbox, "p/"))
	}
}

func manyObjects(t *testing.T, many int, open func(t *testing.T) (ref.Store, intake.Inbox)) {
	store, inbox := open(t)
	for n := range many {
		_, err := store.Create(t.Context(), fmt.Sprintf("p/%02x/%d", n%256, n), nil)
		require.NoError(t, err)
	}
	require.Len(t, keys(t, inbox, "p/"), many)
	require.NoError(t, inbox.Remove(t.Context(), "p/", func(key string) bool { return !strings.HasSuffix(key, "7") }))
	require.Len(t, keys(t, inbox, "p/"), (many+2)/10)
}
