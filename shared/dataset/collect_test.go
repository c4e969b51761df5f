package dataset_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/canonical"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// versioned is a store in memory that keeps every version, as a versioned bucket
// does. before is called ahead of every request.
type versioned struct {
	mu     sync.Mutex
	made   int
	now    time.Time
	items  map[string][]kept // oldest first
	before func()
}

type kept struct {
	dataset.StoredVersion
	body []byte
}

var (
	_ ref.Store       = (*versioned)(nil)
	_ dataset.Sweeper = (*versioned)(nil)
)

func newVersioned() *versioned {
	return &versioned{now: noon, items: map[string][]kept{}, before: func() {}}
}

// pass lets time go by.
func (v *versioned) pass(d time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.now = v.now.Add(d)
}

func (v *versioned) top(key string) (kept, bool) {
	list := v.items[key]
	if len(list) == 0 {
		return kept{}, false
	}
	return list[len(list)-1], true
}

func (v *versioned) push(key string, body []byte) ref.Tag {
	v.made++
	v.items[key] = append(v.items[key], kept{dataset.StoredVersion{Key: key, VersionID: fmt.Sprint("s", v.made), Size: int64(len(body)), Stored: v.now}, bytes.Clone(body)})
	return ref.Tag(canonical.Sum(body))
}

func (v *versioned) Get(_ context.Context, key string) (ref.Item, error) {
	v.before()
	v.mu.Lock()
	defer v.mu.Unlock()
	k, ok := v.top(key)
	if !ok {
		return ref.Item{}, fault.New(fault.NotFound, "read "+key, "there is no such key")
	}
	return ref.Item{Key: key, Body: bytes.Clone(k.body), Tag: ref.Tag(canonical.Sum(k.body))}, nil
}

func (v *versioned) Create(_ context.Context, key string, body []byte) (ref.Tag, error) {
	v.before()
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, ok := v.top(key); ok {
		return "", fault.New(fault.Conflict, "create "+key, "it exists already")
	}
	return v.push(key, body), nil
}

func (v *versioned) Swap(_ context.Context, key string, body []byte, tag ref.Tag) (ref.Tag, error) {
	v.before()
	v.mu.Lock()
	defer v.mu.Unlock()
	if k, ok := v.top(key); !ok || ref.Tag(canonical.Sum(k.body)) != tag {
		return "", fault.New(fault.Conflict, "replace "+key, "somebody else changed it first")
	}
	return v.push(key, body), nil
}

func (v *versioned) List(_ context.Context, prefix string) ([]string, error) {
	v.before()
	v.mu.Lock()
	defer v.mu.Unlock()
	var keys []string
	for key, list := range v.items {
		if len(list) > 0 && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}

func (v *versioned) Versions(_ context.Context, prefix string) ([]dataset.StoredVersion, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var all []dataset.StoredVersion
	for key, list := range v.items {
		for _, k := range list {
			if strings.HasPrefix(key, prefix) {
				all = append(all, k.StoredVersion)
			}
		}
	}
	return all, nil
}

func (v *versioned) Delete(_ context.Context, key, versionID string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.items[key] = slices.DeleteFunc(v.items[key], func(k kept) bool { return k.VersionID == versionID })
	return nil
}

const grace = 24 * time.Hour

// littered is a store with a main branch, and garbage: a branch was deleted long
// ago whose changes made blobs of their own.
func littered(t *testing.T) (v *versioned, changes dataset.Changes, lost dataset.Commit) {
	v = newVersioned()
	r := dataset.NewTiny(v)
	var many []dataset.Entry
	for n := range 150 {
		many = append(many, entry(fmt.Sprintf("k%03d", n), 1))
	}
	commit(t, r, "main", put(many...))
	_, err := r.CreateBranch(t.Context(), "old", "main", dataset.BranchOptions{})
	require.NoError(t, err)
	changes = dataset.Changes{Puts: []dataset.Entry{entry("k0205", 2)}, Deletes: []string{"k060"}}
	for n := 3; n < 150; n += 6 {
		changes.Puts = append(changes.Puts, entry(fmt.Sprintf("k%03d", n), 2))
	}
	lost = commit(t, r, "old", changes)
	_, err = r.DeleteBranch(t.Context(), "old", v.now)
	require.NoError(t, err)
	v.pass(2 * grace)
	return v, changes, lost
}

func readable(t *testing.T, v *versioned, why string) {
	t.Helper()
	r := dataset.NewTiny(v)
	names, err := r.Branches(t.Context())
	require.NoError(t, err, why)
	read := map[string]bool{}
	for _, name := range names {
		for c, err := range r.History(t.Context(), name) {
			require.NoError(t, err, why)
			if read[c.ID] {
				break // and so is what lies behind it
			}
			read[c.ID] = true
			entries, err := r.Entries(t.Context(), c.ID, "")
			require.NoError(t, err, why)
			require.Len(t, entries, c.Stats.Objects, why)
		}
	}
}

func TestCollect(t *testing.T) {
	v, _, lost := littered(t)
	r, q := dataset.NewTiny(v), dataset.CollectRequest{Now: v.now, Grace: grace}
	dry, err := r.Survey(t.Context(), v, q)
	require.NoError(t, err)
	require.Greater(t, len(dry.Garbage), 5)
	require.Empty(t, dry.Plan)
	pinned, err := r.Survey(t.Context(), v, dataset.CollectRequest{Now: v.now, Grace: grace, Pins: []string{lost.ID}})
	require.NoError(t, err)
	require.Empty(t, pinned.Garbage)
	_, err = r.Collect(t.Context(), v, q)
	requireKind(t, fault.NotFound, err)
	_, err = r.Survey(t.Context(), v, dataset.CollectRequest{Now: v.now, Grace: time.Minute})
	requireKind(t, fault.Invalid, err)

	plan, err := r.PlanCollection(t.Context(), v, q)
	require.NoError(t, err)
	require.Equal(t, dry.Garbage, plan.Garbage)
	again, err := r.PlanCollection(t.Context(), v, q)
	require.NoError(t, err)
	require.Equal(t, plan.Plan, again.Plan)
	_, err = r.Collect(t.Context(), v, q)
	requireKind(t, fault.Busy, err)
	_, err = r.CreateBranch(t.Context(), "back", lost.ID, dataset.BranchOptions{})
	requireKind(t, fault.Conflict, err)
	require.ErrorContains(t, err, "a garbage collection is about to delete it")

	v.pass(grace)
	q.Now = v.now
	done, err := r.Collect(t.Context(), v, q)
	require.NoError(t, err)
	require.Len(t, done.Garbage, len(plan.Garbage))
	readable(t, v, "after")
	_, err = dataset.NewTiny(v).Resolve(t.Context(), lost.ID)
	requireKind(t, fault.NotFound, err)
	left, err := r.Survey(t.Context(), v, q)
	require.NoError(t, err)
	require.Empty(t, left.Garbage)
	_, err = r.Collect(t.Context(), v, q)
	requireKind(t, fault.NotFound, err)
}

// TestALongerGraceAfterAShorter: a collection of a longer grace period, and what
// asks for pins, do not trip over a deleted branch whose commits one of a shorter
// period has taken.
func TestALongerGraceAfterAShorter(t *testing.T) {
	v, _, lost := littered(t)
	r := dataset.NewTiny(v)
	for range 2 {
		q := dataset.CollectRequest{Now: v.now, Grace: grace}
		_, err := r.PlanCollection(t.Context(), v, q)
		require.NoError(t, err)
		v.pass(grace)
		q.Now = v.now
		_, err = r.Collect(t.Context(), v, q)
		require.True(t, err == nil || fault.Is(err, fault.NotFound), "%v", err)
	}
	r = dataset.NewTiny(v)
	_, err := r.Resolve(t.Context(), lost.ID)
	requireKind(t, fault.NotFound, err)
	long := dataset.CollectRequest{Now: v.now, Grace: 30 * grace}
	found, err := r.Survey(t.Context(), v, long)
	require.NoError(t, err)
	require.Empty(t, found.Garbage)
	pins, err := r.Pins(t.Context(), "", long)
	require.NoError(t, err)
	require.NotZero(t, pins.Of("k000", "v1"))
	require.Zero(t, pins.Of("k0205", "v2"))
}

func TestACollectionCanBeTakenBack(t *testing.T) {
	v, _, lost := littered(t)
	r := dataset.NewTiny(v)
	_, err := r.PlanCollection(t.Context(), v, dataset.CollectRequest{Now: v.now, Grace: grace})
	require.NoError(t, err)
	require.NoError(t, r.CancelCollection(t.Context()))
	require.NoError(t, r.CancelCollection(t.Context()))
	_, err = r.CreateBranch(t.Context(), "back", lost.ID, dataset.BranchOptions{})
	require.NoError(t, err)
	readable(t, v, "taken back")
}

// TestCollectingBetweenAnyTwoRequests lets a writer make the very commit that is
// garbage once more, or name it, while a collection is planned, or carried out,
// between any two of its requests. Whoever wins, every ref stays readable.
func TestCollectingBetweenAnyTwoRequests(t *testing.T) {
	littering := func() (*versioned, dataset.Changes, dataset.Commit) { return littered(t) }
	t.Run("commit", func(t *testing.T) {
		collecting(t, 10, littering, func(r *dataset.Repository, changes dataset.Changes, _ dataset.Commit) error {
			_, err := r.Commit(t.Context(), dataset.Request{Branch: "main", Changes: changes, Message: "test", Author: "test", Time: noon})
			return err
		})
	})
	refused := func(err error) error {
		if fault.Is(err, fault.Conflict) || fault.Is(err, fault.NotFound) {
			return nil
		}
		return err
	}
	t.Run("branch", func(t *testing.T) {
		collecting(t, 2, littering, func(r *dataset.Repository, _ dataset.Changes, lost dataset.Commit) error {
			_, err := r.CreateBranch(t.Context(), "back", lost.ID, dataset.BranchOptions{})
			return refused(err)
		})
	})
	t.Run("merge", func(t *testing.T) {
		collecting(t, 2, littering, func(r *dataset.Repository, _ dataset.Changes, lost dataset.Commit) error {
			_, err := r.Merge(t.Context(), dataset.MergeRequest{Branch: "main", From: lost.ID, Time: noon, Commit: true})
			return refused(err)
		})
	})
	t.Run("cherry-pick", func(t *testing.T) {
		collecting(t, 2, littering, func(r *dataset.Repository, _ dataset.Changes, lost dataset.Commit) error {
			_, err := r.CherryPick(t.Context(), dataset.PickRequest{Branch: "main", Commit: lost.ID, Time: noon})
			return refused(err)
		})
	})
}

func collecting(t *testing.T, least int, litter func() (*versioned, dataset.Changes, dataset.Commit), write func(*dataset.Repository, dataset.Changes, dataset.Commit) error) {
	for _, stage := range []string{"plan", "collect"} {
		for n := 1; ; n++ {
			v, changes, lost := litter()
			collector := dataset.NewTiny(v)
			nothing := false
			plan := func() {
				planned, err := collector.PlanCollection(t.Context(), v, dataset.CollectRequest{Now: v.now, Grace: grace})
				require.NoError(t, err)
				nothing = len(planned.Garbage) == 0 // the writer was first
			}
			collect := func() {
				v.pass(grace)
				_, err := collector.Collect(t.Context(), v, dataset.CollectRequest{Now: v.now, Grace: grace})
				require.NoError(t, err)
			}
			act := plan
			if stage == "collect" {
				plan()
				act = collect
			}
			var mu sync.Mutex
			requests, acting, acted := 0, false, false
			v.before = func() {
				mu.Lock()
				if acting {
					mu.Unlock()
					return
				}
				if requests++; requests != n {
					mu.Unlock()
					return
				}
				acting, acted = true, true
				mu.Unlock()
				act()
				mu.Lock()
				acting = false
				mu.Unlock()
			}
			why := fmt.Sprintf("%s before request %d", stage, n)
			require.NoError(t, write(dataset.NewTiny(v), changes, lost), why)
			v.before = func() {}
			readable(t, v, why)
			if !acted {
				require.Greater(t, n, least)
				break
			}
			if stage == "plan" && !nothing {
				collect()
				readable(t, v, why+", then collected")
			}
		}
	}
}

// TestACutOffCollectionGoesOn fails the deletes one after the other.
func TestACutOffCollectionGoesOn(t *testing.T) {
	v, _, _ := littered(t)
	r := dataset.NewTiny(v)
	plan, err := r.PlanCollection(t.Context(), v, dataset.CollectRequest{Now: v.now, Grace: grace})
	require.NoError(t, err)
	v.pass(grace)
	for most := 1; ; most++ {
		sweeper := &tired{Sweeper: v, most: most}
		_, err := r.Collect(t.Context(), sweeper, dataset.CollectRequest{Now: v.now, Grace: grace})
		readable(t, v, "cut off")
		if err == nil {
			break
		}
		require.ErrorIs(t, err, errPlug)
	}
	left, err := v.Versions(t.Context(), "")
	require.NoError(t, err)
	for _, stored := range left {
		require.NotContains(t, plan.Garbage, stored)
	}
}

type tired struct {
	dataset.Sweeper
	mu   sync.Mutex
	most int
}

func (s *tired) Delete(ctx context.Context, key, versionID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.most--; s.most < 0 {
		return errPlug
	}
	return s.Sweeper.Delete(ctx, key, versionID)
}

// TestADeadWritersCommitIsCollected leaves a commit whose blobs never came.
func TestADeadWritersCommitIsCollected(t *testing.T) {
	v, _, lost := littered(t)
	for key := range v.items {
		if strings.HasPrefix(key, "blobs/") && v.items[key][0].Stored.Equal(noon) {
			reached, err := dataset.NewTiny(v).Survey(t.Context(), v, dataset.CollectRequest{Now: v.now, Grace: grace})
			require.NoError(t, err)
			if slices.ContainsFunc(reached.Garbage, func(s dataset.StoredVersion) bool { return s.Key == key }) {
				delete(v.items, key)
			}
		}
	}
	found, err := dataset.NewTiny(v).Survey(t.Context(), v, dataset.CollectRequest{Now: v.now, Grace: grace})
	require.NoError(t, err)
	require.Len(t, found.Garbage, 1)
	require.Equal(t, "commits/"+lost.ID, found.Garbage[0].Key)
	v.items["commits/"+lost.ID][0].Stored = v.now
	early, err := dataset.NewTiny(v).Survey(t.Context(), v, dataset.CollectRequest{Now: v.now, Grace: grace})
	require.NoError(t, err, "young, so a writer may be at it")
	require.Empty(t, early.Garbage)
}
