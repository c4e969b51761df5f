package dataset_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

func TestUpkeepIsBounded(t *testing.T) {
	for _, c := range []struct {
		name    string
		entries int64
		sizes   []int64
		whole   bool
		fold    int
		sink    int64
	}{
		{"a first segment", 1e7, []int64{10_000}, false, -1, 0},
		{"room for one more", 1e7, []int64{1000, 1000, 1000, 1000, 1000, 1000}, false, -1, 0},
		{"the newest fit in the commit", 1e7, []int64{1000, 15, 1}, false, 1, 0},
		{"they do not", 1e7, []int64{1000, 16, 1}, false, -1, 0},
		{"too many: the cheapest, of equals the newest", 1e7, []int64{1e5, 1e4, 1e4, 1e4, 1e4, 1e4, 1e4}, false, 4, 0},
		{"too many: a commit's own changeset stays apart", 1e7, []int64{1e5, 1e5, 5e4, 1e4, 1e4, 2e4, 1000}, false, 3, 0},
		{"unless all else costs far more", 1e7, []int64{2e5, 2e5, 2e5, 2e5, 1e5, 1e5, 200}, false, 5, 0},
		{"too many for a small commit: what it has read", 1e7, []int64{1e5, 1e4, 1000, 1000, 1000, 1000, 1}, false, 5, 0},
		{"too many for a small commit: small ones", 1e7, []int64{1e5, 1e4, 1000, 60, 20, 10_000, 1}, false, 3, 0},
		{"too much: what was added is compacted", 8e5, []int64{95_000, 10_000}, false, -1, 5000},
		{"too much, but a small commit", 8e5, []int64{100_000, 1}, false, -1, 0},
		{"far too much, for a small commit, too", 8e5, []int64{200_000, 1}, false, -1, 100_001},
		{"half the tree", 1000, []int64{400, 100}, true, -1, 0},
		{"an empty tree", 0, []int64{1}, true, -1, 0},
	} {
		whole, fold, sink := dataset.Upkeep(c.entries, c.sizes...)
		require.Equal(t, []any{c.whole, c.fold, c.sink}, []any{whole, fold, sink}, c.name)
	}
}

// scene is a commit that does something to segments, and what comes before it.
type scene struct {
	name string
	laid int // commits of as many scattered changes each, over 300 entries
	each int
	then func(t *testing.T, r *dataset.Repository) // nil is nothing
	act  func(t *testing.T, r *dataset.Repository) (dataset.Commit, error)
	did  func(before, after dataset.Commit) bool // what the scene is about
}

const sceneEntries = 300

func sceneKey(n int) string { return fmt.Sprintf("k%04d", n) }

// scattered changes entries: every few one is removed, or one added.
func scattered(version, count int) dataset.Changes {
	var changes dataset.Changes
	random := rand.New(rand.NewPCG(uint64(version), uint64(count)))
	for i, n := range random.Perm(sceneEntries)[:count] {
		key := sceneKey(n)
		switch i % 4 {
		case 0:
			changes.Deletes = append(changes.Deletes, key)
		case 1:
			changes.Puts = append(changes.Puts, entry(key+"+", version))
		default:
			changes.Puts = append(changes.Puts, entry(key, version))
		}
	}
	return changes
}

func committing(changes dataset.Changes) func(*testing.T, *dataset.Repository) (dataset.Commit, error) {
	return func(t *testing.T, r *dataset.Repository) (dataset.Commit, error) {
		return r.Commit(t.Context(), dataset.Request{Branch: "main", Changes: changes, Message: "scene", Author: "first", Time: noon})
	}
}

func compacting(t *testing.T, r *dataset.Repository) (dataset.Commit, error) {
	m, err := r.Compact(t.Context(), dataset.CompactRequest{Branch: "main", Author: "first", Time: noon})
	return m.Commit, err
}

// shrink makes the tree smaller than what the segments hold, by deleting what they
// do not know.
func shrink(t *testing.T, r *dataset.Repository) {
	var rest dataset.Changes
	for key, e := range held(t, r, "main") {
		if e.VersionID == "v1" {
			rest.Deletes = append(rest.Deletes, key)
		}
	}
	commit(t, r, "main", rest)
}

func scenes() []scene {
	var neighbours dataset.Changes
	for n := range 12 {
		neighbours.Puts = append(neighbours.Puts, entry(fmt.Sprintf("%s-%02d", sceneKey(150), n), 9))
	}
	count := func(c dataset.Commit) int { return len(c.Segments) }
	changes := func(c dataset.Commit) (n int64) {
		for _, s := range c.Segments {
			n += s.Changes
		}
		return n
	}
	return []scene{
		{"a first segment", 0, 0, nil, committing(scattered(99, 9)), func(b, a dataset.Commit) bool { return count(b) == 0 && count(a) == 1 && a.Appended }},
		{"one more", 2, 9, nil, committing(scattered(99, 9)), func(b, a dataset.Commit) bool { return count(a) == 3 && a.Appended && a.Cursor == "" }},
		{"folded", 4, 9, nil, committing(scattered(99, 9)), func(b, a dataset.Commit) bool { return count(b) == 4 && count(a) == 4 }},
		{"compacted in part", 4, 17, nil, committing(scattered(99, 17)), func(b, a dataset.Commit) bool { return a.Cursor != "" && a.Tree != b.Tree && count(a) > 0 }},
		{"below the segments", 2, 9, nil, committing(neighbours), func(b, a dataset.Commit) bool { return a.Tree != b.Tree && count(a) == 2 && a.Cursor == "" }},
		{"through the segments", 3, 17, nil, committing(scattered(99, 140)), func(b, a dataset.Commit) bool { return changes(b) > changes(a) && changes(a) > 0 && a.Cursor == "" }},
		{"all at once", 3, 17, shrink, committing(scattered(99, 5)), func(b, a dataset.Commit) bool { return count(b) > 0 && count(a) == 0 }},
		{"compacted", 3, 17, nil, compacting, func(b, a dataset.Commit) bool { return count(b) > 0 && count(a) == 0 }},
	}
}

// open makes what comes before the scene, in a store.
func (s *scene) open(t *testing.T, store ref.Store) *dataset.Repository {
	r := dataset.NewTiny(store)
	var many []dataset.Entry
	for n := range sceneEntries {
		many = append(many, entry(sceneKey(n), 1))
	}
	commit(t, r, "main", put(many...))
	for n := range s.laid {
		commit(t, r, "main", scattered(n+2, s.each))
	}
	if s.then != nil {
		s.then(t, r)
	}
	return r
}

// copied is a store of its own with what another one holds.
func copied(t *testing.T, from ref.Store) ref.Store {
	to := ref.NewMemory()
	keys, err := from.List(t.Context(), "")
	require.NoError(t, err)
	for _, key := range keys {
		item, err := from.Get(t.Context(), key)
		require.NoError(t, err)
		_, err = to.Create(t.Context(), key, item.Body)
		require.NoError(t, err)
	}
	return to
}

func held(t *testing.T, r *dataset.Repository, name string) map[string]dataset.Entry {
	t.Helper()
	all, err := r.Entries(t.Context(), name, "")
	require.NoError(t, err)
	m := map[string]dataset.Entry{}
	for _, e := range all {
		m[e.Key] = e
	}
	return m
}

// TestScenesKilledBetweenAnyTwoRequests kills every scene at every request, before
// it is sent or after it landed; then looks, and plays it again.
func TestScenesKilledBetweenAnyTwoRequests(t *testing.T) {
	for _, s := range scenes() {
		start := ref.NewMemory()
		r := s.open(t, start)
		begun := copied(t, start)
		before, err := r.Head(t.Context(), "main")
		require.NoError(t, err)
		old := held(t, r, "main")
		after, err := s.act(t, r)
		require.NoError(t, err)
		require.True(t, s.did(before, after), "%s: %d segments, cursor %q", s.name, len(after.Segments), after.Cursor)
		now := held(t, r, "main")
		for _, late := range []bool{false, true} {
			for n := 1; ; n++ {
				memory := copied(t, begun)
				r := dataset.NewTiny(memory)
				_, err := s.act(t, dataset.NewTiny(&dying{Store: memory, left: n, after: late}))
				if err == nil {
					require.Greater(t, n, 4, s.name)
					break
				}
				require.ErrorIs(t, err, errKilled)
				head, err := dataset.NewTiny(memory).Head(t.Context(), "main")
				require.NoError(t, err)
				if head.ID == before.ID {
					require.Equal(t, old, held(t, dataset.NewTiny(memory), "main"), s.name)
				}
				again, err := s.act(t, r)
				require.NoError(t, err)
				require.Equal(t, after.ID, again.ID, "%s, killed at request %d: once, not twice, and the same bytes", s.name, n)
				require.Equal(t, now, held(t, dataset.NewTiny(memory), "main"), s.name)
			}
		}
	}
}

// TestAnotherWriterInAScene lets a second writer commit between any two requests
// of every scene: to a key of its own, which a first segment, a folded one, a
// compacted range and the tree below must all carry over.
func TestAnotherWriterInAScene(t *testing.T) {
	for _, s := range scenes() {
		start := ref.NewMemory()
		s.open(t, start)
		calm := copied(t, start)
		_, err := s.act(t, dataset.NewTiny(calm))
		require.NoError(t, err)
		alone := held(t, dataset.NewTiny(calm), "main")
		begun, err := dataset.NewTiny(start).Log(t.Context(), "main", 0)
		require.NoError(t, err)
		for n := 1; ; n++ {
			memory := copied(t, start)
			acted := false
			store := &intruded{Store: memory, left: n, created: map[string]int{}, intrude: func() {
				_, err := dataset.NewTiny(memory).Commit(t.Context(), dataset.Request{Branch: "main", Author: "second", Time: noon,
					Changes: dataset.Changes{Puts: []dataset.Entry{entry("k0033-other", 7)}, Deletes: []string{sceneKey(34)}}})
				require.NoError(t, err)
				acted = true
			}}
			_, err := s.act(t, dataset.NewTiny(store))
			require.NoError(t, err)
			if !acted {
				require.Greater(t, n, 4, s.name)
				break
			}
			model := clone(alone)
			model["k0033-other"] = entry("k0033-other", 7)
			r := dataset.NewTiny(memory)
			got := held(t, r, "main")
			delete(model, sceneKey(34)) // whoever was later: no scene puts it
			delete(got, sceneKey(34))
			require.Equal(t, model, got, "%s, request %d", s.name, n)
			log, err := r.Log(t.Context(), "main", 0)
			require.NoError(t, err)
			require.Len(t, log, len(begun)+2, "%s, request %d: both land, once", s.name, n)
			for key, times := range store.created {
				if strings.HasPrefix(key, "blobs/") {
					require.Equal(t, 1, times, "%s, request %d: %s", s.name, n, key)
				}
			}
		}
	}
}

// TestCollectingInAScene plays every scene, whose blobs are all garbage from once
// before, while a collection is planned, or carried out, between any two of its
// requests.
func TestCollectingInAScene(t *testing.T) {
	for _, s := range scenes() {
		t.Run(s.name, func(t *testing.T) {
			v := newVersioned()
			r := s.open(t, v)
			_, err := r.CreateBranch(t.Context(), "keep", "main", dataset.BranchOptions{})
			require.NoError(t, err)
			lost, err := s.act(t, r)
			require.NoError(t, err)
			_, err = r.DeleteBranch(t.Context(), "main", v.now)
			require.NoError(t, err)
			_, err = r.CreateBranch(t.Context(), "main", "keep", dataset.BranchOptions{})
			require.NoError(t, err)
			v.pass(2 * grace)
			collecting(t, 4, func() (*versioned, dataset.Changes, dataset.Commit) {
				copied := newVersioned()
				copied.now, copied.made = v.now, v.made
				for key, list := range v.items {
					copied.items[key] = slices.Clone(list)
				}
				return copied, dataset.Changes{}, lost
			}, func(r *dataset.Repository, _ dataset.Changes, _ dataset.Commit) error {
				_, err := s.act(t, r)
				return err
			})
		})
	}
}

// TestSegmentsAreMarked collects from stores whose every object is led to, most
// of them by segments only.
func TestSegmentsAreMarked(t *testing.T) {
	for _, s := range scenes() {
		v := newVersioned()
		r := s.open(t, v)
		_, err := s.act(t, r)
		require.NoError(t, err)
		v.pass(2 * grace)
		found, err := r.Survey(t.Context(), v, dataset.CollectRequest{Now: v.now, Grace: grace})
		require.NoError(t, err)
		require.Empty(t, found.Garbage, s.name)
		objects := 0
		for key := range v.items {
			if strings.HasPrefix(key, "blobs/") || strings.HasPrefix(key, "commits/") {
				objects++
			}
		}
		require.Equal(t, objects, found.Kept, s.name)
	}
}

// TestWritersWhileOneCompacts lets writers change scattered keys of their own over
// a store that fails some writes, some after they landed, while another
// one compacts all the time. Nothing may be lost or be there twice.
func TestWritersWhileOneCompacts(t *testing.T) {
	store := ref.NewMemory()
	var many []dataset.Entry
	for n := range 400 {
		many = append(many, entry(sceneKey(n), 1))
	}
	commit(t, dataset.NewTiny(store), "main", put(many...))
	const writers, each = 6, 12
	flakyFor := func(seed int) *dataset.Repository {
		random := rand.New(rand.NewPCG(uint64(seed), 4))
		return dataset.NewTiny(&flaky{Store: store, chance: func() int { return random.IntN(40) }})
	}
	insist := func(act func() error) {
		for tries := 0; ; tries++ {
			err := act()
			if err == nil {
				return
			}
			if !fault.KindOf(err).Retryable() || tries > 1000 {
				t.Error(err)
				return
			}
		}
	}
	var wait, all sync.WaitGroup
	done := make(chan struct{})
	for w := range writers {
		r := flakyFor(w)
		wait.Go(func() {
			for n := range each {
				var changes dataset.Changes
				for i := range 1 + (w+n)%9 {
					changes.Puts = append(changes.Puts, entry(sceneKey((n*37+i*writers*9+w)%66*writers+w), 100*n+i))
				}
				changes.Puts = newest(changes.Puts)
				insist(func() error {
					_, err := r.Commit(t.Context(), dataset.Request{Branch: "main", Time: noon, Author: fmt.Sprint(w), Message: fmt.Sprint(n), Changes: changes})
					return err
				})
			}
		})
	}
	all.Go(func() {
		r := flakyFor(99)
		for {
			insist(func() error {
				_, err := r.Compact(t.Context(), dataset.CompactRequest{Branch: "main", Author: "compactor", Time: noon})
				return err
			})
			select {
			case <-done:
				return
			default:
			}
		}
	})
	wait.Wait()
	close(done)
	all.Wait()
	replay(t, dataset.NewTiny(store), writers*each)
}

func newest(entries []dataset.Entry) []dataset.Entry {
	at := map[string]int{}
	kept := []dataset.Entry{}
	for _, e := range entries {
		if i, ok := at[e.Key]; ok {
			kept[i] = e
			continue
		}
		at[e.Key] = len(kept)
		kept = append(kept, e)
	}
	return kept
}

// replay applies the changesets of main's history to a map and compares at every
// commit; commits of no changes are the compactor's.
func replay(t *testing.T, r *dataset.Repository, want int) {
	log, err := r.Log(t.Context(), "main", 0)
	require.NoError(t, err)
	model, made, once := map[string]dataset.Entry{}, 0, map[string]bool{}
	for i := len(log) - 1; i >= 0; i-- {
		c := log[i]
		if c.Author == "compactor" {
			require.Zero(t, c.Stats.Added+c.Stats.Changed+c.Stats.Removed)
			require.Empty(t, c.Segments)
		} else if c.Author != "test" {
			made++
			require.False(t, once[c.Author+" "+c.Message], "twice: %s %s", c.Author, c.Message)
			once[c.Author+" "+c.Message] = true
		}
		for change, err := range r.Changes(t.Context(), c, "") {
			require.NoError(t, err)
			was, there := model[change.Key]
			require.Equal(t, there, change.Old != nil)
			require.True(t, !there || was.Equal(*change.Old))
			if delete(model, change.Key); change.New != nil {
				model[change.Key] = *change.New
			}
		}
		require.Equal(t, model, held(t, r, c.ID))
	}
	require.Equal(t, want, made, "no commit lost, none doubled")
}
