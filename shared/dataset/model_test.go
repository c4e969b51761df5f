package dataset_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func entry(key string, version int) dataset.Entry {
	return dataset.Entry{Key: key, VersionID: fmt.Sprint("v", version), ETag: "e", Size: int64(100 + version)}
}

func put(entries ...dataset.Entry) dataset.Changes { return dataset.Changes{Puts: entries} }

func commit(t *testing.T, r *dataset.Repository, branch string, changes dataset.Changes) dataset.Commit {
	t.Helper()
	c, err := r.Commit(t.Context(), dataset.Request{Branch: branch, Changes: changes, Message: "test", Author: "test", Time: noon})
	require.NoError(t, err)
	return c
}

func requireEntries(t *testing.T, r *dataset.Repository, name string, want map[string]dataset.Entry) {
	t.Helper()
	got, err := r.Entries(t.Context(), name, "")
	require.NoError(t, err)
	keys := make([]string, 0, len(got))
	for _, e := range got {
		require.Equal(t, want[e.Key], e)
		keys = append(keys, e.Key)
	}
	require.Len(t, got, len(want))
	require.True(t, slices.IsSorted(keys))
}

// TestAgainstAMap applies random changesets to a repository and to a map. The
// tree must hold what the map holds, and depend on nothing but that.
func TestAgainstAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	r := dataset.New(ref.NewMemory())
	model := map[string]dataset.Entry{}
	old := map[string]dataset.Entry{}
	for step := range 40 {
		var changes dataset.Changes
		added, changed, removed := 0, 0, 0
		for _, n := range random.Perm(9000)[:random.IntN(3000)+1] {
			key := fmt.Sprintf("raw/m/part-%05d.csv", n)
			was, there := model[key]
			if random.IntN(3) == 0 {
				changes.Deletes = append(changes.Deletes, key)
				delete(model, key)
				if there {
					removed++
				}
				continue
			}
			e := entry(key, random.IntN(3))
			changes.Puts = append(changes.Puts, e)
			model[key] = e
			if !there {
				added++
			} else if !was.Equal(e) {
				changed++
			}
		}
		c := commit(t, r, "main", changes)
		requireEntries(t, r, "main", model)
		require.Equal(t, []int{len(model), added, changed, removed},
			[]int{c.Stats.Objects, c.Stats.Added, c.Stats.Changed, c.Stats.Removed})
		if step > 0 {
			requireDiff(t, r, old, model)
		}
		old = clone(model)
	}
	head, err := r.Head(t.Context(), "main")
	require.NoError(t, err)
	require.Equal(t, 40, head.Generation)
	fresh := dataset.Changes{}
	for _, e := range model {
		fresh.Puts = append(fresh.Puts, e)
	}
	direct := commit(t, r, "direct", fresh)
	compacted, err := r.Compact(t.Context(), dataset.CompactRequest{Branch: "main", Time: noon})
	require.NoError(t, err)
	require.Equal(t, direct.Tree, compacted.Commit.Tree, "equal sets have equal trees, whatever their history")
}

func requireDiff(t *testing.T, r *dataset.Repository, old, now map[string]dataset.Entry) {
	t.Helper()
	changes, err := r.Diff(t.Context(), "main~1", "main")
	require.NoError(t, err)
	patched := clone(old)
	for _, c := range changes {
		if c.Old != nil {
			require.Equal(t, old[c.Key], *c.Old)
		}
		if c.New == nil {
			delete(patched, c.Key)
			continue
		}
		patched[c.Key] = *c.New
	}
	require.Equal(t, now, patched)
}

func clone(m map[string]dataset.Entry) map[string]dataset.Entry {
	c := make(map[string]dataset.Entry, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

func TestWritersOnOneBranchAllLand(t *testing.T) {
	store := ref.NewMemory()
	want := map[string]dataset.Entry{}
	var wait sync.WaitGroup
	errs := make(chan error, 64)
	for w := range 8 {
		for n := range 8 {
			want[fmt.Sprintf("w%d/%d", w, n)] = entry(fmt.Sprintf("w%d/%d", w, n), 1)
		}
		wait.Go(func() {
			r := dataset.New(store)
			for n := range 8 {
				_, err := r.Commit(t.Context(), dataset.Request{Branch: "main", Time: noon, Author: fmt.Sprint(w),
					Changes: put(entry(fmt.Sprintf("w%d/%d", w, n), 1))})
				errs <- err
			}
		})
	}
	wait.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	r := dataset.New(store)
	requireEntries(t, r, "main", want)
	log, err := r.Log(t.Context(), "main", 0)
	require.NoError(t, err)
	require.Len(t, log, 64, "every changeset is one commit on the line")
}

// TestKilledBetweenAnyTwoRequests kills a commit at every request, then looks
// at the branch (old or new, nothing between) and runs it again. The tiny tree
// has several levels, so that nodes of all kinds are in flight.
func TestKilledBetweenAnyTwoRequests(t *testing.T) {
	var many []dataset.Entry
	before, wanted := map[string]dataset.Entry{}, map[string]dataset.Entry{}
	for n := range 200 {
		e := entry(fmt.Sprintf("k%03d", n), 1)
		many, before[e.Key], wanted[e.Key] = append(many, e), e, e
	}
	changes := dataset.Changes{Puts: []dataset.Entry{entry("k010", 2), entry("k0105", 1)}, Deletes: []string{"k150"}}
	delete(wanted, "k150")
	wanted["k010"], wanted["k0105"] = changes.Puts[0], changes.Puts[1]
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			memory := ref.NewMemory()
			r := dataset.NewTiny(memory)
			first := commit(t, r, "main", put(many...))
			request := dataset.Request{Branch: "main", Changes: changes, Time: noon}
			_, err := dataset.NewTiny(&dying{Store: memory, left: n, after: after}).Commit(t.Context(), request)
			if err == nil {
				require.Greater(t, n, 10)
				break
			}
			require.ErrorIs(t, err, errKilled)
			head, err := r.Head(t.Context(), "main")
			require.NoError(t, err)
			if head.ID == first.ID {
				requireEntries(t, r, "main", before)
			}
			again, err := r.Commit(t.Context(), request)
			require.NoError(t, err)
			require.Equal(t, 2, again.Generation, "once, not twice")
			requireEntries(t, r, "main", wanted)
		}
	}
}

func TestKilledFastForward(t *testing.T) {
	for n := 1; ; n++ {
		memory := ref.NewMemory()
		r := dataset.New(memory)
		commit(t, r, "main", put(entry("a", 1)))
		next, err := r.Commit(t.Context(), dataset.Request{Branch: "incoming/m-1", Base: "main", Changes: put(entry("b", 1)), Time: noon})
		require.NoError(t, err)
		_, err = dataset.New(&dying{Store: memory, left: n, after: true}).FastForward(t.Context(), "main", next.ID)
		if err == nil {
			break
		}
		require.ErrorIs(t, err, errKilled)
		head, err := r.FastForward(t.Context(), "main", next.ID)
		require.NoError(t, err)
		require.Equal(t, next.ID, head.ID)
	}
}

func requireKind(t *testing.T, want fault.Kind, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, fault.KindOf(err), "%v", err)
}

// TestMergesKilledBetweenAnyTwoRequests kills a merge, a revert and a restore at
// every request, and runs each again.
func TestMergesKilledBetweenAnyTwoRequests(t *testing.T) {
	moves := map[string]func(r *dataset.Repository) error{
		"merge": func(r *dataset.Repository) error {
			_, err := r.Merge(t.Context(), dataset.MergeRequest{Branch: "main", From: "side", Time: noon, Rules: []dataset.Rule{{Glob: "**", Choice: dataset.TakeTheirs}}})
			return err
		},
		"revert": func(r *dataset.Repository) error {
			c, err := r.Resolve(t.Context(), "v1")
			if err == nil {
				_, err = r.Revert(t.Context(), dataset.PickRequest{Branch: "main", Commit: c.ID, Time: noon})
			}
			return err
		},
		"restore": func(r *dataset.Repository) error {
			_, err := r.Restore(t.Context(), dataset.RestoreRequest{Branch: "main", From: "v1~1", Time: noon})
			return err
		},
		"delete": func(r *dataset.Repository) error {
			_, err := r.DeleteBranch(t.Context(), "main", noon)
			if err == nil {
				_, err = r.CreateBranch(t.Context(), "main", "side", dataset.BranchOptions{})
			}
			return err
		},
	}
	for name, move := range moves {
		whole := parted(t)
		_, err := whole.Tag(t.Context(), "v1", "main")
		require.NoError(t, err)
		require.NoError(t, move(whole))
		want, err := whole.Head(t.Context(), "main")
		require.NoError(t, err)
		for n := 1; ; n++ {
			memory := ref.NewMemory()
			r := partedIn(t, memory)
			_, err := r.Tag(t.Context(), "v1", "main")
			require.NoError(t, err)
			err = move(dataset.NewTiny(&dying{Store: memory, left: n, after: n%2 == 0}))
			if err == nil {
				break
			}
			require.ErrorIs(t, err, errKilled)
			require.NoError(t, move(dataset.NewTiny(memory)), "%s killed at request %d", name, n)
			head, err := dataset.NewTiny(memory).Head(t.Context(), "main")
			require.NoError(t, err)
			require.Equal(t, want.ID, head.ID, "%s killed at request %d", name, n)
		}
	}
}

// TestWritersThroughABadNetwork lets writers commit to branches of their own and
// merge them, over a store that fails a third of all writes, some after they
// landed. Whoever fails tries again. Nothing may be lost or be there twice.
func TestWritersThroughABadNetwork(t *testing.T) {
	store := ref.NewMemory()
	commit(t, dataset.New(store), "main", put(entry("start", 1)))
	var wait sync.WaitGroup
	const writers, each = 6, 6
	for w := range writers {
		random := rand.New(rand.NewPCG(uint64(w), 3))
		r := dataset.New(&flaky{Store: store, chance: func() int { return random.IntN(6) }})
		insist := func(act func() error) {
			for tries := 0; ; tries++ {
				err := act()
				if err == nil {
					return
				}
				if !fault.KindOf(err).Retryable() || tries > 1000 {
					t.Errorf("writer %d: %v", w, err)
					return
				}
			}
		}
		wait.Go(func() {
			for n := range each {
				branch := fmt.Sprintf("w%d-%d", w, n)
				insist(func() error {
					_, err := r.Commit(t.Context(), dataset.Request{Branch: branch, Base: "main", Time: noon, Changes: put(entry(branch, 1))})
					return err
				})
				insist(func() error {
					_, err := r.Merge(t.Context(), dataset.MergeRequest{Branch: "main", From: branch, Time: noon, Commit: true})
					return err
				})
				insist(func() error { _, err := r.DeleteBranch(t.Context(), branch, noon); return err })
			}
		})
	}
	wait.Wait()
	r := dataset.New(store)
	want := map[string]dataset.Entry{"start": entry("start", 1)}
	for w := range writers {
		for n := range each {
			key := fmt.Sprintf("w%d-%d", w, n)
			want[key] = entry(key, 1)
		}
	}
	requireEntries(t, r, "main", want)
	log, err := r.Log(t.Context(), "main", 0)
	require.NoError(t, err)
	require.Len(t, log, 1+writers*each, "each merge landed once")
	names, err := r.Branches(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"main"}, names)
}
