package dataset_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// modelSteps is how many edits the property test makes; SLUICE_MODEL_STEPS sets
// another number, for the bench.
func modelSteps(t *testing.T) int {
	text := os.Getenv("SLUICE_MODEL_STEPS")
	if text == "" {
		return 150_000
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "SLUICE_MODEL_STEPS")
	return n
}

// world is a repository and what it should hold: the naive map of every commit.
type world struct {
	t      *testing.T
	random *rand.Rand
	store  *versioned
	r      *dataset.Repository
	seen   paths
	heads  map[string]dataset.Commit
	models map[string]map[string]dataset.Entry // by commit id
	made   []dataset.Commit
	now    time.Time
	steps  int
}

func newWorld(t *testing.T, seed uint64) *world {
	store := newVersioned()
	return &world{t: t, random: rand.New(rand.NewPCG(seed, 1)), store: store, r: dataset.NewTiny(store), now: noon,
		heads: map[string]dataset.Commit{}, models: map[string]map[string]dataset.Entry{}}
}

// paths counts what commits did with segments, so that a test can tell that all
// of it happened.
type paths struct{ plain, laid, folded, sunk, wiped, compacted, merged, collected int }

func (p *paths) add(o paths) {
	p.plain, p.laid, p.folded, p.sunk = p.plain+o.plain, p.laid+o.laid, p.folded+o.folded, p.sunk+o.sunk
	p.wiped, p.compacted, p.merged, p.collected = p.wiped+o.wiped, p.compacted+o.compacted, p.merged+o.merged, p.collected+o.collected
}

func (p *paths) note(parent, c dataset.Commit) {
	before, now := len(parent.Segments), len(c.Segments)
	switch {
	case now == 0 && before > 0:
		p.wiped++
	case now == 0:
		p.plain++
	case now > before:
		p.laid++
	case !c.Appended || now <= before:
		p.folded++
	}
	if c.Cursor != parent.Cursor {
		p.sunk++
	}
	if len(c.Parents) > 1 && now > 0 {
		p.merged++
	}
}

func (w *world) key() string {
	n := w.random.IntN(1500)
	return fmt.Sprintf("d%d/%d/k%d", n%7, n%31, n)
}

func (w *world) branch() string { return []string{"main", "a", "b/c"}[w.random.IntN(3)] }

func (w *world) entry(key string) dataset.Entry {
	e := entry(key, w.random.IntN(4))
	e.Rows = int64(w.random.IntN(3))
	if w.random.IntN(20) == 0 {
		e.Metadata = map[string]string{"n": strconv.Itoa(w.random.IntN(3))}
	}
	return e
}

// commit makes random edits on a random branch and checks what came of them.
func (w *world) commit() {
	name := w.branch()
	old, had := w.heads[name]
	base := ""
	if !had && len(w.made) > 0 {
		old = w.made[w.random.IntN(len(w.made))]
		base, had = old.ID, true
	}
	model := clone(w.models[old.ID])
	var changes dataset.Changes
	added, changed, removed := 0, 0, 0
	used := map[string]bool{}
	count, deletes := 1+w.random.IntN([]int{3, 40, 400}[w.random.IntN(3)]), 1+w.random.IntN(9)
	for range count {
		key := w.key()
		if used[key] {
			continue
		}
		used[key] = true
		was, there := model[key]
		if w.random.IntN(10) < deletes {
			changes.Deletes = append(changes.Deletes, key)
			if delete(model, key); there {
				removed++
			}
			continue
		}
		e := w.entry(key)
		changes.Puts = append(changes.Puts, e)
		if model[key] = e; !there {
			added++
		} else if !was.Equal(e) {
			changed++
		}
	}
	w.steps += len(used)
	w.now = w.now.Add(time.Duration(w.random.IntN(3)) * time.Second)
	c, err := w.r.Commit(w.t.Context(), dataset.Request{Branch: name, Base: base, Changes: changes, Time: w.now})
	if !had && added == 0 {
		requireKind(w.t, fault.Invalid, err)
		return
	}
	require.NoError(w.t, err)
	if had && added+changed+removed == 0 {
		require.Equal(w.t, old.ID, c.ID)
		w.heads[name] = c
		return
	}
	w.seen.note(old, c)
	require.Equal(w.t, []int{added, changed, removed}, []int{c.Stats.Added, c.Stats.Changed, c.Stats.Removed})
	w.landed(name, c, model)
}

// landed notes a new head and checks its sums against the model.
func (w *world) landed(name string, c dataset.Commit, model map[string]dataset.Entry) {
	w.heads[name], w.models[c.ID] = c, model
	w.made = append(w.made, c)
	var bytes, rows int64
	counted := 0
	for _, e := range model {
		bytes += e.Size
		if rows += e.Rows; e.Rows > 0 {
			counted++
		}
	}
	require.Equal(w.t, []int64{int64(len(model)), bytes, rows, int64(counted)},
		[]int64{int64(c.Stats.Objects), c.Stats.Bytes, c.Stats.Rows, int64(c.Stats.Counted)})
}

// overlay is the naive three-way merge: what theirs changed against base, laid
// over ours; conflicts are the keys both changed differently, where side decides.
func overlay(base, ours, theirs map[string]dataset.Entry, side dataset.Choice) (merged map[string]dataset.Entry, conflicts int) {
	merged = clone(ours)
	keys := clone(base)
	for key, e := range theirs {
		keys[key] = e
	}
	alike := func(a, b map[string]dataset.Entry, key string) bool {
		x, inA := a[key]
		y, inB := b[key]
		return inA == inB && x.Equal(y)
	}
	for key := range keys {
		if alike(base, theirs, key) || alike(ours, theirs, key) {
			continue
		}
		if !alike(base, ours, key) {
			if conflicts++; side != dataset.TakeTheirs {
				continue
			}
		}
		if e, ok := theirs[key]; ok {
			merged[key] = e
		} else {
			delete(merged, key)
		}
	}
	return merged, conflicts
}

func (w *world) side() dataset.Choice {
	return []dataset.Choice{dataset.TakeOurs, dataset.TakeTheirs, dataset.Refuse}[w.random.IntN(3)]
}

// merge merges a random commit into a random branch. The base of the naive
// merge is what the repository says that it is, but checked to be an ancestor
// of both that no younger common one exceeds.
func (w *world) merge() {
	name, from := w.branch(), w.made[w.random.IntN(len(w.made))]
	ours, ok := w.heads[name]
	if !ok {
		return
	}
	side := w.side()
	m, err := w.r.Merge(w.t.Context(), dataset.MergeRequest{Branch: name, From: from.ID, Time: w.now, Rules: []dataset.Rule{{Glob: "**", Choice: side}}})
	base, found := w.ancestor(ours, from)
	switch {
	case !found:
		requireKind(w.t, fault.Invalid, err)
		return
	case base.ID == from.ID:
		require.NoError(w.t, err)
		require.False(w.t, m.Moved)
		return
	case base.ID == ours.ID:
		require.NoError(w.t, err)
		require.True(w.t, m.Forward)
		require.Equal(w.t, from.ID, m.Commit.ID)
		w.heads[name] = from
		return
	}
	w.merged(name, m, err, w.models[base.ID], w.models[from.ID], side)
}

func (w *world) merged(name string, m dataset.Merged, err error, base, theirs map[string]dataset.Entry, side dataset.Choice) {
	ours := w.heads[name]
	model, conflicts := overlay(base, w.models[ours.ID], theirs, side)
	if conflicts > 0 && side == dataset.Refuse {
		requireKind(w.t, fault.Conflict, err)
		require.Len(w.t, dataset.AsConflicts(err), conflicts)
		return
	}
	require.NoError(w.t, err)
	require.Len(w.t, m.Resolved, conflicts)
	if !m.Moved {
		require.Equal(w.t, w.models[ours.ID], model)
		return
	}
	w.seen.note(ours, m.Commit)
	w.landed(name, m.Commit, model)
}

// ancestor is the naive merge base: of all common ancestors the one with the
// greatest generation, then the least id.
func (w *world) ancestor(a, b dataset.Commit) (best dataset.Commit, found bool) {
	of := func(c dataset.Commit) map[string]dataset.Commit {
		all, queue := map[string]dataset.Commit{}, []dataset.Commit{c}
		for ; len(queue) > 0; queue = queue[1:] {
			if _, seen := all[queue[0].ID]; seen {
				continue
			}
			all[queue[0].ID] = queue[0]
			for _, id := range queue[0].Parents {
				p, err := w.r.Resolve(w.t.Context(), id)
				require.NoError(w.t, err)
				queue = append(queue, p)
			}
		}
		return all
	}
	mine := of(a)
	for id, c := range of(b) {
		if _, both := mine[id]; both && (!found || c.Generation > best.Generation || (c.Generation == best.Generation && id < best.ID)) {
			best, found = c, true
		}
	}
	return best, found
}

// undo reverts or repeats a random commit on a random branch.
func (w *world) undo() {
	name, c := w.branch(), w.made[w.random.IntN(len(w.made))]
	if _, ok := w.heads[name]; !ok {
		return
	}
	before := map[string]dataset.Entry{}
	if len(c.Parents) > 0 {
		before = w.models[c.Parents[0]]
	}
	side := w.side()
	q := dataset.PickRequest{Branch: name, Commit: c.ID, Time: w.now, Rules: []dataset.Rule{{Glob: "**", Choice: side}}}
	if w.random.IntN(2) == 0 {
		m, err := w.r.Revert(w.t.Context(), q)
		w.merged(name, m, err, w.models[c.ID], before, side)
		return
	}
	m, err := w.r.CherryPick(w.t.Context(), q)
	w.merged(name, m, err, before, w.models[c.ID], side)
}

// restore makes a branch equal to a random commit, below a prefix.
func (w *world) restore() {
	name, from := w.branch(), w.made[w.random.IntN(len(w.made))]
	head, ok := w.heads[name]
	if !ok {
		return
	}
	prefix := []string{"", "d2/", "d5/1"}[w.random.IntN(3)]
	restored, err := w.r.Restore(w.t.Context(), dataset.RestoreRequest{Branch: name, From: from.ID, Prefix: prefix, Time: w.now})
	require.NoError(w.t, err)
	c := restored.Commit
	model := map[string]dataset.Entry{}
	for key, e := range w.models[head.ID] {
		if !strings.HasPrefix(key, prefix) {
			model[key] = e
		}
	}
	for key, e := range w.models[from.ID] {
		if strings.HasPrefix(key, prefix) {
			model[key] = e
		}
	}
	if c.ID == head.ID {
		require.Equal(w.t, w.models[head.ID], model)
		return
	}
	w.landed(name, c, model)
}

// compact puts a branch's segments into its tree, which must be the one that its
// entries have when they are built anew: equal sets have equal trees.
func (w *world) compact() {
	name := w.branch()
	head, ok := w.heads[name]
	model := w.models[head.ID]
	if !ok || len(model) == 0 {
		return
	}
	compacted, err := w.r.Compact(w.t.Context(), dataset.CompactRequest{Branch: name, Time: w.now})
	require.NoError(w.t, err)
	c := compacted.Commit
	require.Equal(w.t, c.ID != head.ID, compacted.Moved)
	require.Empty(w.t, c.Segments)
	changes, err := w.r.Diff(w.t.Context(), head.ID, c.ID)
	require.NoError(w.t, err)
	require.Empty(w.t, changes, "equal states have an empty diff, whatever their segments")
	if c.ID != head.ID {
		require.Equal(w.t, dataset.Format, head.Format)
		require.Zero(w.t, c.Stats.Added+c.Stats.Changed+c.Stats.Removed)
		w.seen.compacted++
		w.landed(name, c, model)
	}
	built := dataset.NewTiny(ref.NewMemory())
	keys := sortedKeys(model)
	direct, err := built.Import(w.t.Context(), dataset.Request{Branch: "main", Time: noon}, func(yield func(dataset.Entry, error) bool) {
		for _, key := range keys {
			if !yield(model[key], nil) {
				return
			}
		}
	})
	require.NoError(w.t, err)
	require.Equal(w.t, direct.Commit.Tree, c.Tree, "equal sets have equal trees, whatever their history")
	require.Equal(w.t, direct.Commit.Level, c.Level)
	require.Equal(w.t, direct.Commit.Inline, c.Inline)
	require.Equal(w.t, 2, c.Format, "and an older build reads them")
}

// litter leaves a branch's worth of garbage, and collects what there is of it.
func (w *world) litter() {
	_, err := w.r.CreateBranch(w.t.Context(), "gone", w.made[w.random.IntN(len(w.made))].ID, dataset.BranchOptions{})
	require.NoError(w.t, err)
	for n := range 1 + w.random.IntN(8) {
		commit(w.t, w.r, "gone", put(entry(w.key(), 100+n)))
	}
	_, err = w.r.DeleteBranch(w.t.Context(), "gone", w.store.now)
	require.NoError(w.t, err)
	w.store.pass(2 * grace)
	planned, err := w.r.PlanCollection(w.t.Context(), w.store, dataset.CollectRequest{Now: w.store.now, Grace: grace})
	require.NoError(w.t, err)
	if len(planned.Garbage) == 0 {
		return
	}
	// What becomes of the next commit while a collection is under way is what it
	// becomes at any time.
	w.commit()
	w.store.pass(grace)
	done, err := w.r.Collect(w.t.Context(), w.store, dataset.CollectRequest{Now: w.store.now, Grace: grace})
	require.NoError(w.t, err)
	w.seen.collected += len(done.Garbage)
}

// reopen starts with an empty cache.
func (w *world) reopen() { w.r = dataset.NewTiny(w.store) }

func sortedKeys(m map[string]dataset.Entry) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// look reads a random commit in every way there is and compares with its model.
func (w *world) look() {
	if len(w.made) == 0 {
		return
	}
	a, b := w.made[w.random.IntN(len(w.made))], w.made[w.random.IntN(len(w.made))]
	prefix := []string{"", "d3", "d3/", "d3/1", "d3/10/k", "x", "d6/9/k1"}[w.random.IntN(7)]
	want, sum := map[string]dataset.Entry{}, dataset.Totals{}
	for key, e := range w.models[a.ID] {
		if strings.HasPrefix(key, prefix) {
			want[key] = e
			sum.Objects, sum.Bytes, sum.Rows = sum.Objects+1, sum.Bytes+e.Size, sum.Rows+e.Rows
			if e.Rows > 0 {
				sum.Counted++
			}
		}
	}
	got, err := w.r.Entries(w.t.Context(), a.ID, prefix)
	require.NoError(w.t, err)
	require.Len(w.t, got, len(want))
	for i, key := range sortedKeys(want) {
		require.True(w.t, want[key].Equal(got[i]))
	}
	total, err := w.r.Total(w.t.Context(), a.ID, prefix)
	require.NoError(w.t, err)
	require.Equal(w.t, sum, total)
	key := w.key()
	e, found, err := w.r.Entry(w.t.Context(), a.ID, key)
	require.NoError(w.t, err)
	model, there := w.models[a.ID][key]
	require.Equal(w.t, there, found)
	require.True(w.t, e.Equal(model))
	w.list(a, prefix, want)
	w.diff(a, b, prefix, want)
}

func (w *world) list(c dataset.Commit, prefix string, want map[string]dataset.Entry) {
	items, err := w.r.List(w.t.Context(), c.ID, prefix, 0)
	require.NoError(w.t, err)
	names := map[string]int64{}
	for key := range want {
		name := key
		if folder, _, ok := strings.Cut(key[len(prefix):], "/"); ok {
			name = prefix + folder + "/"
		}
		names[name]++
	}
	require.Len(w.t, items, len(names))
	for _, item := range items {
		require.Equal(w.t, names[item.Name], item.Objects, item.Name)
		require.Equal(w.t, item.Entry == nil, item.Folder)
	}
}

func (w *world) diff(a, b dataset.Commit, prefix string, from map[string]dataset.Entry) {
	patched, last := clone(from), ""
	for c, err := range w.r.DiffEach(w.t.Context(), a.ID, b.ID, prefix) {
		require.NoError(w.t, err)
		require.Greater(w.t, c.Key, last)
		last = c.Key
		was, there := patched[c.Key]
		require.Equal(w.t, there, c.Old != nil)
		if there {
			require.True(w.t, was.Equal(*c.Old))
		}
		if c.New == nil {
			delete(patched, c.Key)
			continue
		}
		require.False(w.t, there && was.Equal(*c.New), "a change changes something")
		patched[c.Key] = *c.New
	}
	count := 0
	for key, e := range w.models[b.ID] {
		if strings.HasPrefix(key, prefix) {
			count++
			require.True(w.t, e.Equal(patched[key]), key)
		}
	}
	require.Len(w.t, patched, count)
}

// TestRandomOperationsAgainstMaps is the property test of the tree: random
// operations on a few branches, compared with a naive map for every commit.
func TestRandomOperationsAgainstMaps(t *testing.T) {
	steps := modelSteps(t)
	var seen paths
	for seed := uint64(1); steps > 0; seed++ {
		w := newWorld(t, seed)
		for round := 0; round < 60 && w.steps < steps; round++ {
			w.commit()
			switch kind := w.random.IntN(24); {
			case len(w.made) == 0:
			case kind < 4:
				w.merge()
			case kind < 8:
				w.undo()
			case kind < 12:
				w.restore()
			case kind < 15:
				w.compact()
			case kind == 15:
				w.litter()
			case kind == 16:
				w.reopen()
			}
			w.look()
		}
		steps -= w.steps
		seen.add(w.seen)
	}
	t.Logf("%+v", seen)
	for _, n := range []int{seen.plain, seen.laid, seen.folded, seen.sunk, seen.wiped, seen.compacted, seen.merged, seen.collected} {
		require.Positive(t, n, "%+v: every way to commit was taken", seen)
	}
}
