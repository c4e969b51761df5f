package dataset_test

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// pond is a lake in memory: keys with their versions, oldest first. before is
// called ahead of every request.
type pond struct {
	mu      sync.Mutex
	now     time.Time
	made    int
	objects map[string][]dataset.LakeVersion
	held    map[string]bool
	nolock  bool
	before  func()
}

var (
	_ dataset.LakeSweeper = (*pond)(nil)
	_ dataset.Locker      = (*pond)(nil)
)

func newPond() *pond {
	return &pond{now: noon, objects: map[string][]dataset.LakeVersion{}, held: map[string]bool{}, before: func() {}}
}

func (p *pond) put(key string) dataset.Entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made++
	v := dataset.LakeVersion{StoredVersion: dataset.StoredVersion{Key: key, VersionID: fmt.Sprint("v", p.made), Size: 10, Stored: p.now}}
	p.objects[key] = append(p.objects[key], v)
	return dataset.Entry{Key: key, VersionID: v.VersionID, Size: 10}
}

func (p *pond) Each(_ context.Context, prefix string) iter.Seq2[dataset.LakeVersion, error] {
	p.before()
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []dataset.LakeVersion
	for key, list := range p.objects {
		for i, v := range list {
			if v.Latest = i == len(list)-1; strings.HasPrefix(key, prefix) {
				all = append(all, v)
			}
		}
	}
	slices.SortFunc(all, func(a, b dataset.LakeVersion) int { return strings.Compare(a.Key+a.VersionID, b.Key+b.VersionID) })
	return func(yield func(dataset.LakeVersion, error) bool) {
		for _, v := range all {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func (p *pond) Delete(_ context.Context, key, versionID string) error {
	p.before()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[key+versionID] {
		return fmt.Errorf("delete: %w", dataset.ErrHeld)
	}
	p.objects[key] = slices.DeleteFunc(p.objects[key], func(v dataset.LakeVersion) bool { return v.VersionID == versionID })
	return nil
}

func (p *pond) has(e dataset.Entry) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.objects[e.Key], func(v dataset.LakeVersion) bool { return v.VersionID == e.VersionID })
}

func (p *pond) Able(context.Context) error {
	p.before()
	if p.nolock {
		return fault.New(fault.Invalid, "hold", "the bucket has no Object Lock")
	}
	return nil
}

func (p *pond) Held(_ context.Context, key, versionID string) (bool, error) {
	p.before()
	if !p.has(dataset.Entry{Key: key, VersionID: versionID}) {
		return false, fault.New(fault.NotFound, "look at "+key, "there is no such version")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held[key+versionID], nil
}

func (p *pond) Hold(_ context.Context, key, versionID string, on bool) error {
	p.before()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held[key+versionID] = on
	return nil
}

// lakeside is two datasets of one lake, with garbage: g was pinned by nobody and
// replaced long ago, h by a commit of a branch that is gone and collected.
type lakeside struct {
	*pond
	shared ref.Store
	stores [2]*versioned
	kept   []dataset.Entry // pinned by commits
	lost   dataset.Entry
	latest dataset.Entry
}

func (l *lakeside) one() *dataset.Repository { return dataset.NewTiny(l.stores[0]).Sharing(l.shared) }
func (l *lakeside) two() *dataset.Repository { return dataset.NewTiny(l.stores[1]).Sharing(l.shared) }

func (l *lakeside) lake() *dataset.Lake { return l.lakeOn(l.shared) }

func (l *lakeside) lakeOn(shared ref.Store) *dataset.Lake {
	return dataset.NewLake(shared, "lake", func(context.Context) ([]*dataset.Repository, error) {
		return []*dataset.Repository{l.one(), l.two()}, nil
	})
}

func (l *lakeside) at(t time.Time) dataset.LakeRequest {
	return dataset.LakeRequest{Now: t, Grace: grace}
}

func newLakeside(t *testing.T) *lakeside {
	l := &lakeside{pond: newPond(), shared: newVersioned(), stores: [2]*versioned{newVersioned(), newVersioned()}}
	a, b, other := l.put("raw/m/a"), l.put("raw/m/b"), l.put("raw/other/x")
	l.lost = l.put("raw/m/lost")
	commit(t, l.one(), "main", put(a, b))
	a2 := l.put("raw/m/a") // a is noncurrent now, and pinned by main~1 only
	commit(t, l.one(), "main", put(a2))
	shared := l.put("raw/m/shared")
	commit(t, l.two(), "main", put(shared)) // pinned by the other dataset only
	l.put("raw/m/shared")
	l.put("raw/m/lost")
	l.latest = l.put("raw/m/unpinned")
	l.put("raw/other/x")
	_ = other
	l.kept = []dataset.Entry{a, b, a2, shared}
	require.NoError(t, l.lake().Allow(t.Context(), "raw/m/"))
	l.now = noon.Add(2 * grace)
	return l
}

func (l *lakeside) sound(t *testing.T, why string) {
	t.Helper()
	for _, e := range l.kept {
		require.True(t, l.has(e), "%s: %s %s is pinned and gone", why, e.Key, e.VersionID)
	}
	require.True(t, l.has(l.latest), why)
	for _, r := range []*dataset.Repository{l.one(), l.two()} {
		names, err := r.Branches(t.Context())
		require.NoError(t, err, why)
		for _, name := range names {
			for c, err := range r.History(t.Context(), name) {
				require.NoError(t, err, why)
				entries, err := r.Entries(t.Context(), c.ID, "")
				require.NoError(t, err, why)
				for _, e := range entries {
					require.True(t, l.has(e), "%s: %s %s of %s is gone", why, e.Key, e.VersionID, name)
				}
			}
		}
	}
}

func TestTheLakeIsCollected(t *testing.T) {
	l := newLakeside(t)
	lake, q := l.lake(), l.at(noon.Add(2*grace))
	_, err := lake.Survey(t.Context(), l, "raw/other/", q)
	requireKind(t, fault.Denied, err)
	require.ErrorContains(t, err, "sluice data gc MODEL --lake --allow raw/other/")
	dry, err := lake.Survey(t.Context(), l, "raw/m/", q)
	require.NoError(t, err)
	require.Equal(t, []dataset.StoredVersion{{Key: "raw/m/lost", VersionID: l.lost.VersionID, Size: 10, Stored: noon}}, dry.Garbage)
	require.Equal(t, []int{4, 3, 0}, []int{dry.Pinned, dry.Current, dry.Young})
	kept, err := lake.Survey(t.Context(), l, "raw/m/", dataset.LakeRequest{Now: q.Now, Grace: grace,
		Keep: []contract.ObjectVersion{{Key: "raw/m/lost", VersionID: l.lost.VersionID}}})
	require.NoError(t, err)
	require.Empty(t, kept.Garbage, "an upload that waits for a run")
	young, err := lake.Survey(t.Context(), l, "raw/m/", dataset.LakeRequest{Now: noon.Add(time.Hour), Grace: grace})
	require.NoError(t, err)
	require.Equal(t, 1, young.Young)
	_, err = lake.Survey(t.Context(), l, "raw/m/", dataset.LakeRequest{Now: q.Now, Grace: time.Minute})
	requireKind(t, fault.Invalid, err)
	_, err = lake.Collect(t.Context(), l, q)
	requireKind(t, fault.NotFound, err)

	plan, err := lake.Plan(t.Context(), l, "raw/m/", q)
	require.NoError(t, err)
	require.Equal(t, dry.Garbage, plan.Garbage)
	again, err := lake.Plan(t.Context(), l, "raw/m/", l.at(q.Now.Add(time.Minute)))
	require.NoError(t, err)
	require.Equal(t, plan.Published, again.Published)
	_, err = lake.Collect(t.Context(), l, q)
	requireKind(t, fault.Busy, err)

	_, err = l.one().Commit(t.Context(), dataset.Request{Branch: "fine", Changes: put(l.kept[3]), Time: noon})
	require.NoError(t, err)

	done, err := lake.Collect(t.Context(), l, l.at(q.Now.Add(grace)))
	require.NoError(t, err)
	require.Equal(t, plan.Garbage, done.Garbage)
	require.False(t, l.has(l.lost))
	l.sound(t, "after")
	_, err = lake.Collect(t.Context(), l, l.at(q.Now.Add(grace)))
	requireKind(t, fault.NotFound, err)
	require.NoError(t, lake.Forbid(t.Context(), "raw/m/"))
	requireKind(t, fault.NotFound, lake.Forbid(t.Context(), "raw/m/"))
	requireKind(t, fault.Invalid, lake.Allow(t.Context(), "raw/m"))
}

// TestPinsAreWhatCommitsHold compares with every entry of every commit, for small
// and large changesets, merges, and commits that no ref leads to.
func TestPinsAreWhatCommitsHold(t *testing.T) {
	store, random := newVersioned(), rand.New(rand.NewPCG(1, 2))
	r := dataset.NewTiny(store)
	version := 0
	changes := func(n int) dataset.Changes {
		keys := map[string]bool{}
		var c dataset.Changes
		for range n {
			key := fmt.Sprintf("raw/%s/%03d", []string{"a", "b"}[random.IntN(2)], random.IntN(500))
			if version++; !keys[key] {
				keys[key] = true
				if random.IntN(5) == 0 {
					c.Deletes = append(c.Deletes, key)
				} else {
					c.Puts = append(c.Puts, dataset.Entry{Key: key, VersionID: fmt.Sprint(version), Size: 1})
				}
			}
		}
		return c
	}
	commit(t, r, "main", put(entry("raw/a/1", 1)))
	for n := range 40 {
		branch := []string{"main", "side", fmt.Sprint("gone", n)}[random.IntN(3)]
		commitTo(t, r, branch, "main", changes([]int{3, 40, 300}[random.IntN(3)]))
		if n%7 == 0 {
			_, err := r.Merge(t.Context(), dataset.MergeRequest{Branch: "main", From: branch, Time: noon, Rules: []dataset.Rule{{Glob: "**", Choice: dataset.TakeTheirs}}})
			require.NoError(t, err)
		}
		if strings.HasPrefix(branch, "gone") {
			_, err := r.DeleteBranch(t.Context(), branch, noon)
			require.NoError(t, err)
		}
	}
	for _, prefix := range []string{"", "raw/a/", "raw/c/"} {
		want := map[string]bool{}
		ids, err := store.List(t.Context(), "commits/")
		require.NoError(t, err)
		for _, key := range ids {
			entries, err := r.Entries(t.Context(), strings.TrimPrefix(key, "commits/"), prefix)
			require.NoError(t, err)
			for _, e := range entries {
				want[e.Key+"\x00"+e.VersionID] = true
			}
		}
		pins, err := r.Pins(t.Context(), prefix, dataset.CollectRequest{Now: noon.Add(9 * grace), Grace: grace})
		require.NoError(t, err)
		require.Equal(t, len(want), pins.Count(), prefix)
		for held := range want {
			key, version, _ := strings.Cut(held, "\x00")
			require.NotZero(t, pins.Of(key, version), held)
		}
		head, err := r.Entries(t.Context(), "main", prefix)
		require.NoError(t, err)
		for _, e := range head {
			require.NotZero(t, pins.Of(e.Key, e.VersionID)&dataset.ByBranch, e.Key)
		}
	}
}

func TestWhatIsTakenUpBetweenPlanAndSweepIsSpared(t *testing.T) {
	l := newLakeside(t)
	lake, at := l.lake(), noon.Add(2*grace)
	_, err := lake.Plan(t.Context(), l, "raw/", l.at(at))
	require.NoError(t, err)
	// A writer who had looked before the plan was published.
	commit(t, dataset.NewTiny(l.stores[1]), "slow", put(l.lost))
	done, err := lake.Collect(t.Context(), l, l.at(at.Add(grace)))
	require.NoError(t, err)
	require.Empty(t, done.Garbage)
	require.Equal(t, 1, done.Spared)
	l.sound(t, "spared")
}

// TestAWriterWhoSeesThePlanIsRefused: what he stored of his commit still counts,
// until commits are collected.
func TestAWriterWhoSeesThePlanIsRefused(t *testing.T) {
	l := newLakeside(t)
	lake, at := l.lake(), noon.Add(2*grace)
	_, err := lake.Plan(t.Context(), l, "raw/m/", l.at(at))
	require.NoError(t, err)
	_, err = l.one().Commit(t.Context(), dataset.Request{Branch: "late", Changes: put(l.lost), Time: noon})
	requireKind(t, fault.Conflict, err)
	require.ErrorContains(t, err, "takes up version "+l.lost.VersionID+" of raw/m/lost")
	_, err = l.one().Head(t.Context(), "late")
	requireKind(t, fault.NotFound, err)
	done, err := lake.Collect(t.Context(), l, l.at(at.Add(grace)))
	require.NoError(t, err)
	require.Equal(t, 1, done.Spared)

	store, q := l.stores[0], dataset.CollectRequest{Now: at.Add(4 * grace), Grace: grace}
	_, err = l.one().PlanCollection(t.Context(), store, q)
	require.NoError(t, err)
	q.Now = at.Add(6 * grace)
	_, err = l.one().Collect(t.Context(), store, q)
	require.NoError(t, err)
	_, err = lake.Plan(t.Context(), l, "raw/m/", l.at(at.Add(6*grace)))
	require.NoError(t, err)
	done, err = lake.Collect(t.Context(), l, l.at(at.Add(7*grace)))
	require.NoError(t, err)
	require.Len(t, done.Garbage, 1)
	l.sound(t, "in the end")
}

func TestAVersionThatIsCurrentAgainIsSpared(t *testing.T) {
	l := newLakeside(t)
	lake, at := l.lake(), noon.Add(2*grace)
	_, err := lake.Plan(t.Context(), l, "raw/m/", l.at(at))
	require.NoError(t, err)
	l.objects["raw/m/lost"] = l.objects["raw/m/lost"][:1] // somebody deleted the newer version
	done, err := lake.Collect(t.Context(), l, l.at(at.Add(grace)))
	require.NoError(t, err)
	require.Equal(t, 1, done.Spared)
	require.True(t, l.has(l.lost))
}

func TestAHeldVersionStays(t *testing.T) {
	l := newLakeside(t)
	lake, at := l.lake(), noon.Add(2*grace)
	l.held["raw/m/lost"+l.lost.VersionID] = true
	_, err := lake.Plan(t.Context(), l, "raw/m/", l.at(at))
	require.NoError(t, err)
	done, err := lake.Collect(t.Context(), l, l.at(at.Add(grace)))
	require.NoError(t, err)
	require.Len(t, done.Held, 1)
	require.Empty(t, done.Garbage)
}

func TestALakePlanCanBeTakenBackUntilItDeletes(t *testing.T) {
	l := newLakeside(t)
	lake, at := l.lake(), noon.Add(2*grace)
	_, err := lake.Plan(t.Context(), l, "raw/m/", l.at(at))
	require.NoError(t, err)
	require.NoError(t, lake.Cancel(t.Context()))
	require.NoError(t, lake.Cancel(t.Context()))
	commit(t, l.one(), "late", put(l.lost))
	_, err = l.one().DeleteBranch(t.Context(), "late", noon)
	require.NoError(t, err)
	found, err := lake.Plan(t.Context(), l, "raw/m/", l.at(at))
	require.NoError(t, err)
	require.Empty(t, found.Garbage, "a commit that no ref leads to, and that is not collected, still pins")

	l = newLakeside(t)
	lake = l.lake()
	_, err = lake.Plan(t.Context(), l, "raw/m/", l.at(at))
	require.NoError(t, err)
	var cancelled, forbidden error
	l.before = func() {
		l.before = func() {}
		cancelled, forbidden = lake.Cancel(t.Context()), lake.Forbid(t.Context(), "raw/m/")
	}
	_, err = lake.Collect(t.Context(), l, l.at(at.Add(grace)))
	require.NoError(t, err)
	requireKind(t, fault.Busy, cancelled)
	requireKind(t, fault.Busy, forbidden)
	require.ErrorContains(t, cancelled, "--lake --apply")
}

// TestACollectionOfTheLakeMayDieAnywhere kills a collection before and after
// every request to the store and the lake, runs it again, and has a writer who
// tries to take up the garbage in between.
func TestACollectionOfTheLakeMayDieAnywhere(t *testing.T) {
	at := noon.Add(2 * grace)
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			l := newLakeside(t)
			why := fmt.Sprintf("killed at request %d, after: %t", n, after)
			_, err := l.lake().Plan(t.Context(), l, "raw/m/", l.at(at))
			require.NoError(t, err)
			mortal := &dying{Store: l.shared, left: n, after: after}
			killed := &mortalPond{pond: l.pond, life: mortal}
			_, err = l.lakeOn(mortal).Collect(t.Context(), killed, l.at(at.Add(grace)))
			_, late := l.one().Commit(t.Context(), dataset.Request{Branch: "late", Changes: put(l.lost), Time: noon})
			if err == nil {
				require.Greater(t, n, 6, "every request was tried")
				break
			}
			require.ErrorIs(t, err, errKilled, why)
			if late == nil {
				require.False(t, l.has(l.lost), "%s: the plan is over only when all is deleted", why)
				continue
			}
			requireKind(t, fault.Conflict, late)
			done, err := l.lake().Collect(t.Context(), l, l.at(at.Add(grace)))
			require.NoError(t, err, why)
			require.Equal(t, 1, len(done.Garbage)+done.Spared, why)
			if done.Spared == 0 { // else what the refused writer stored counts, where it came first
				require.False(t, l.has(l.lost), why)
			}
			l.sound(t, why)
		}
	}
}

// mortalPond dies with a store's client.
type mortalPond struct {
	*pond
	life *dying
}

func (m *mortalPond) Each(ctx context.Context, prefix string) iter.Seq2[dataset.LakeVersion, error] {
	if err := m.life.step(func() error { return nil }); err != nil {
		return func(yield func(dataset.LakeVersion, error) bool) { yield(dataset.LakeVersion{}, err) }
	}
	return m.pond.Each(ctx, prefix)
}

func (m *mortalPond) Delete(ctx context.Context, key, versionID string) error {
	return m.life.step(func() error { return m.pond.Delete(ctx, key, versionID) })
}

// TestAWriterBetweenAnyTwoRequestsOfACollection takes up what is garbage, at
// every point of plan and sweep. Either the writer is refused or the version stays.
func TestAWriterBetweenAnyTwoRequestsOfACollection(t *testing.T) {
	at := noon.Add(2 * grace)
	for n := 1; ; n++ {
		l := newLakeside(t)
		count, wrote := 0, error(nil)
		write := func() {
			if count++; count == n {
				_, wrote = l.one().Commit(t.Context(), dataset.Request{Branch: "late", Changes: put(l.lost), Time: noon})
			}
		}
		l.before = write
		slow := &stepping{Store: l.shared, before: write}
		lake := l.lakeOn(slow)
		_, err := lake.Plan(t.Context(), l, "raw/m/", l.at(at))
		require.NoError(t, err)
		if _, err = lake.Collect(t.Context(), l, l.at(at.Add(grace))); err != nil {
			requireKind(t, fault.NotFound, err) // the writer came first: nothing was planned
		}
		if count < n {
			require.Greater(t, n, 12, "every request was tried")
			return
		}
		if wrote != nil {
			requireKind(t, fault.Conflict, wrote)
		} else {
			// It was done before the plan, or after the last delete, when a Pin
			// would have said that the version is gone.
			head, err := l.one().Head(t.Context(), "late")
			require.NoError(t, err)
			require.Equal(t, 1, head.Stats.Objects)
			if !l.has(l.lost) {
				require.Equal(t, count, n, "request %d: a version was deleted under a commit", n)
				continue
			}
		}
		l.before = func() {}
		l.sound(t, fmt.Sprint("request ", n))
	}
}

// stepping calls before ahead of every request.
type stepping struct {
	ref.Store
	before func()
}

func (s *stepping) Get(ctx context.Context, key string) (ref.Item, error) {
	s.before()
	return s.Store.Get(ctx, key)
}

func (s *stepping) Create(ctx context.Context, key string, body []byte) (ref.Tag, error) {
	s.before()
	return s.Store.Create(ctx, key, body)
}

func (s *stepping) Swap(ctx context.Context, key string, body []byte, tag ref.Tag) (ref.Tag, error) {
	s.before()
	return s.Store.Swap(ctx, key, body, tag)
}

func TestTwoCollectionsOfTheLakeAtOnce(t *testing.T) {
	at := noon.Add(2 * grace)
	l := newLakeside(t)
	for range 2 {
		_, err := l.lake().Plan(t.Context(), l, "raw/m/", l.at(at))
		require.NoError(t, err)
	}
	l.put("raw/m/b") // b is noncurrent now, and pinned
	require.NoError(t, l.lake().Allow(t.Context(), "raw/other/"))
	_, err := l.lake().Plan(t.Context(), l, "raw/other/", l.at(at))
	requireKind(t, fault.Conflict, err)
	require.ErrorContains(t, err, "is under way")
	// The second starts while the first is between any two of its requests.
	for n := 1; n <= 12; n++ {
		l := newLakeside(t)
		_, err := l.lake().Plan(t.Context(), l, "raw/m/", l.at(at))
		require.NoError(t, err)
		count := 0
		slow := &stepping{Store: l.shared, before: func() {
			if count++; count == n {
				_, err := l.lake().Collect(t.Context(), l, l.at(at.Add(grace)))
				if err != nil {
					requireKind(t, fault.NotFound, err)
				}
			}
		}}
		_, err = l.lakeOn(slow).Collect(t.Context(), l, l.at(at.Add(grace)))
		if err != nil {
			require.Contains(t, []fault.Kind{fault.NotFound, fault.Conflict}, fault.KindOf(err), "%v", err)
		}
		require.False(t, l.has(l.lost))
		l.sound(t, fmt.Sprint("request ", n))
	}
}
