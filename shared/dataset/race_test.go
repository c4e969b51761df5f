package dataset_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// intruded lets another writer act before the n-th request, and counts how often
// each key was created.
type intruded struct {
	ref.Store
	mu      sync.Mutex
	left    int
	intrude func()
	created map[string]int
}

func (i *intruded) step() {
	i.mu.Lock()
	i.left--
	now := i.left == 0
	i.mu.Unlock()
	if now {
		i.intrude()
	}
}

func (i *intruded) Get(ctx context.Context, key string) (ref.Item, error) {
	i.step()
	return i.Store.Get(ctx, key)
}

func (i *intruded) Create(ctx context.Context, key string, body []byte) (ref.Tag, error) {
	i.step()
	tag, err := i.Store.Create(ctx, key, body)
	if !fault.Is(err, fault.Conflict) { // else the other one made it
		i.mu.Lock()
		i.created[key]++
		i.mu.Unlock()
	}
	return tag, err
}

func (i *intruded) Swap(ctx context.Context, key string, body []byte, tag ref.Tag) (ref.Tag, error) {
	i.step()
	return i.Store.Swap(ctx, key, body, tag)
}

// TestAnotherWriterBetweenAnyTwoRequests lets a second writer commit between any
// two requests of a first: to another leaf, to the same leaf, and to the same
// key. Both commits land, one after the other, the later wins the key, and the
// first writer stores no blob twice.
func TestAnotherWriterBetweenAnyTwoRequests(t *testing.T) {
	var many []dataset.Entry
	for n := range 200 {
		many = append(many, entry(fmt.Sprintf("k%03d", n), 1))
	}
	for where, theirs := range map[string]dataset.Entry{"another leaf": entry("k190", 7), "the same leaf": entry("k0101", 7), "the same key": entry("k010", 7)} {
		replayed := false
		for n := 1; ; n++ {
			memory := ref.NewMemory()
			r := dataset.NewTiny(memory)
			commit(t, r, "main", put(many...))
			acted := false
			store := &intruded{Store: memory, left: n, created: map[string]int{}, intrude: func() {
				_, err := dataset.NewTiny(memory).Commit(t.Context(), dataset.Request{Branch: "main", Changes: put(theirs), Author: "second", Time: noon})
				require.NoError(t, err)
				acted = true
			}}
			mine, err := dataset.NewTiny(store).Commit(t.Context(), dataset.Request{Branch: "main", Changes: put(entry("k010", 2)), Author: "first", Time: noon})
			require.NoError(t, err)
			if !acted {
				require.Greater(t, n, 8)
				break
			}
			log, err := r.Log(t.Context(), "main", 0)
			require.NoError(t, err)
			require.Len(t, log, 3, "%s, request %d: both land, once", where, n)
			got, found, err := r.Entry(t.Context(), "main", theirs.Key)
			require.NoError(t, err)
			require.True(t, found)
			if theirs.Key != "k010" {
				require.Equal(t, theirs, got)
			} else if log[0].Author == "first" {
				require.Equal(t, "v2", got.VersionID, "the later wins")
			}
			replayed = replayed || mine.Parents[0] != log[2].ID
			for key, times := range store.created {
				if strings.HasPrefix(key, "blobs/") {
					require.Equal(t, 1, times, "%s, request %d: %s", where, n, key)
				}
			}
		}
		require.True(t, replayed, where)
	}
}
