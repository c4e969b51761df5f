package dataset_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

func TestWriteAuditPublish(t *testing.T) {
	r := dataset.New(ref.NewMemory())
	_, err := r.Head(t.Context(), "main")
	requireKind(t, fault.NotFound, err)
	first, err := r.Commit(t.Context(), dataset.Request{Branch: "incoming/m-1", Changes: put(entry("a", 1)), Time: noon})
	require.NoError(t, err)
	_, err = r.Head(t.Context(), "main")
	requireKind(t, fault.NotFound, err)
	head, err := r.FastForward(t.Context(), "main", first.ID)
	require.NoError(t, err)
	require.Equal(t, first.ID, head.ID)

	second, err := r.Commit(t.Context(), dataset.Request{Branch: "incoming/m-2", Base: "main", Changes: put(entry("b", 1)), Time: noon})
	require.NoError(t, err)
	require.Equal(t, []string{first.ID}, second.Parents)
	third, err := r.Commit(t.Context(), dataset.Request{Branch: "incoming/m-3", Base: "main", Changes: put(entry("c", 1)), Time: noon})
	require.NoError(t, err)
	_, err = r.FastForward(t.Context(), "main", "incoming/m-2")
	require.NoError(t, err)
	_, err = r.FastForward(t.Context(), "main", third.ID)
	requireKind(t, fault.Conflict, err)
	require.ErrorContains(t, err, "diverged")
	head, err = r.FastForward(t.Context(), "main", first.ID)
	require.NoError(t, err, "an ancestor is contained already")
	require.Equal(t, second.ID, head.ID)
	names, err := r.Branches(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"incoming/m-1", "incoming/m-2", "incoming/m-3", "main"}, names)
}

func TestDuplicatesMakeNoCommit(t *testing.T) {
	r := dataset.New(ref.NewMemory())
	first := commit(t, r, "main", put(entry("a", 1)))
	again := commit(t, r, "main", put(entry("a", 1)))
	require.Equal(t, first.ID, again.ID)
	gone := commit(t, r, "main", dataset.Changes{Deletes: []string{"never there"}})
	require.Equal(t, first.ID, gone.ID)
	reused, err := r.Commit(t.Context(), dataset.Request{Branch: "incoming/m-2", Base: "main", Time: noon})
	require.NoError(t, err)
	require.Equal(t, first.ID, reused.ID, "no changes: the branch starts at its base")
	head, err := r.Head(t.Context(), "incoming/m-2")
	require.NoError(t, err)
	require.Equal(t, first.ID, head.ID)
}

func TestResolve(t *testing.T) {
	r := dataset.New(ref.NewMemory())
	var ids []string
	for n := range 5 {
		ids = append(ids, commit(t, r, "main", put(entry("a", n))).ID)
	}
	_, err := r.Tag(t.Context(), "v2.1", "main~2")
	require.NoError(t, err)
	_, err = r.Tag(t.Context(), "v2.1", ids[2])
	require.NoError(t, err, "the same tag again")
	_, err = r.Tag(t.Context(), "v2.1", "main")
	requireKind(t, fault.Conflict, err)
	for name, want := range map[string]string{"main": ids[4], "main~0": ids[4], "main~3": ids[1], "v2.1": ids[2],
		"v2.1~1": ids[1], ids[3]: ids[3], ids[3][:12]: ids[3], ids[3][:12] + "~3": ids[0]} {
		c, err := r.Resolve(t.Context(), name)
		require.NoError(t, err, name)
		require.Equal(t, want, c.ID, name)
	}
	for name, kind := range map[string]fault.Kind{"main~5": fault.NotFound, "other": fault.NotFound, "000000": fault.NotFound,
		"main~x": fault.Invalid, "main~-1": fault.Invalid, "": fault.Invalid, "../etc": fault.Invalid, "a//b": fault.Invalid,
		strings.Repeat("0", 64): fault.NotFound} {
		_, err := r.Resolve(t.Context(), name)
		requireKind(t, kind, err)
	}
	log, err := r.Log(t.Context(), "main", 2)
	require.NoError(t, err)
	require.Equal(t, []string{ids[4], ids[3]}, []string{log[0].ID, log[1].ID})
}

func TestAnAmbiguousPrefixIsRefused(t *testing.T) {
	store := ref.NewMemory()
	for _, id := range []string{"abcdef01", "abcdef02"} {
		_, err := store.Create(t.Context(), "commits/"+id, nil)
		require.NoError(t, err)
	}
	_, err := dataset.New(store).Resolve(t.Context(), "abcdef")
	requireKind(t, fault.Invalid, err)
	require.ErrorContains(t, err, "2 commits start with it")
}

func TestBadChangesAreRefused(t *testing.T) {
	r := dataset.New(ref.NewMemory())
	null, empty := entry("raw/m/a.csv", 1), entry("raw/m/b.csv", 1)
	null.VersionID, empty.VersionID = "null", ""
	for _, q := range []dataset.Request{
		{Branch: "main", Time: noon, Changes: put(null)},
		{Branch: "main", Time: noon, Changes: put(empty)},
		{Branch: "main", Time: noon, Changes: put(entry("", 1))},
		{Branch: "main", Time: noon, Changes: put(entry("a", 1), entry("a", 2))},
		{Branch: "main", Time: noon, Changes: dataset.Changes{Puts: []dataset.Entry{entry("a", 1)}, Deletes: []string{"a"}}},
		{Branch: "main", Time: noon},
		{Branch: "main", Changes: put(entry("a", 1))},
		{Branch: "no spaces", Time: noon, Changes: put(entry("a", 1))},
		{Branch: strings.Repeat("a", 64), Time: noon, Changes: put(entry("a", 1))},
	} {
		_, err := r.Commit(t.Context(), q)
		requireKind(t, fault.Invalid, err)
	}
	_, err := r.Commit(t.Context(), dataset.Request{Branch: "main", Time: noon, Changes: put(null)})
	require.ErrorContains(t, err, `commit raw/m/a.csv: its VersionId is "null"`)
	_, err = r.Commit(t.Context(), dataset.Request{Branch: "x", Base: "missing", Time: noon, Changes: put(entry("a", 1))})
	requireKind(t, fault.NotFound, err)
}

func TestAlteredObjectsAreNoticed(t *testing.T) {
	store := ref.NewMemory()
	r := dataset.New(store)
	c := commit(t, r, "main", put(entry("a", 1)))
	r = dataset.New(store)
	item, err := store.Get(t.Context(), "commits/"+c.ID)
	require.NoError(t, err)
	_, err = store.Swap(t.Context(), "commits/"+c.ID, append(item.Body, ' '), item.Tag)
	require.NoError(t, err)
	_, err = r.Head(t.Context(), "main")
	requireKind(t, fault.Invalid, err)
	require.ErrorContains(t, err, "read commits/"+c.ID)
	require.ErrorContains(t, err, "restore its first version")
}

// lake is a Source in memory, by key and version.
type lake map[string]dataset.Entry

func (l lake) Stat(_ context.Context, key, version string) (dataset.Entry, error) {
	e, ok := l[key+"@"+version]
	if !ok {
		return dataset.Entry{}, fault.New(fault.NotFound, "look", "no such version")
	}
	return e, nil
}

func (l lake) Latest(_ context.Context, prefix string) ([]dataset.Entry, error) {
	var latest []dataset.Entry
	for at, e := range l {
		if key, _, _ := strings.Cut(at, "@"); strings.HasPrefix(key, prefix) && strings.HasSuffix(at, "@"+e.VersionID) {
			latest = append(latest, dataset.Entry{Key: key, VersionID: e.VersionID, Size: e.Size})
		}
	}
	return latest, nil
}

func TestListed(t *testing.T) {
	l, r := lake{}, dataset.New(ref.NewMemory())
	for _, e := range []dataset.Entry{entry("raw/m/a", 1), entry("raw/m/b", 1), entry("raw/o/c", 1), {Key: "raw/m/", VersionID: "v1"}} {
		l[e.Key+"@"+e.VersionID] = e
	}
	changes, err := r.Listed(t.Context(), l, "main", "", "raw/m/")
	require.NoError(t, err)
	require.Len(t, changes.Puts, 2, "the folder marker is left out")
	commit(t, r, "main", changes)
	commit(t, r, "main", put(entry("raw/o/x", 1)))
	delete(l, "raw/m/a@v1")
	delete(l, "raw/m/b@v1")
	l["raw/m/b@v2"] = entry("raw/m/b", 2)
	changes, err = r.Listed(t.Context(), l, "main", "", "raw/m/")
	require.NoError(t, err)
	require.Equal(t, dataset.Changes{Puts: []dataset.Entry{entry("raw/m/b", 2)}, Deletes: []string{"raw/m/a"}}, changes)
	changes, err = r.Listed(t.Context(), l, "new", "main", "raw/m/")
	require.NoError(t, err)
	require.Len(t, changes.Deletes, 1, "a new branch is compared at its base")
	l["raw/m/z@null"] = dataset.Entry{Key: "raw/m/z", VersionID: "null", Size: 1}
	_, err = r.Listed(t.Context(), l, "main", "", "raw/m/")
	requireKind(t, fault.Invalid, err)
	require.ErrorContains(t, err, `raw/m/z: its VersionId is "null"`)
}

func TestPin(t *testing.T) {
	l := lake{}
	var versions []contract.ObjectVersion
	for n := range 50 {
		e := entry(fmt.Sprintf("raw/m/%02d.csv", n), 1)
		l[e.Key+"@v1"] = e
		versions = append(versions, contract.ObjectVersion{Key: e.Key, VersionID: "v1", Sequencer: "0055"})
	}
	l["raw/m/07.csv@v2"] = entry("raw/m/07.csv", 2)
	versions = append([]contract.ObjectVersion{{Key: "raw/m/07.csv", VersionID: "v2", Sequencer: "00551"}}, versions...)
	entries, err := dataset.Pin(t.Context(), l, versions)
	require.NoError(t, err)
	require.Len(t, entries, 50)
	require.Equal(t, "v2", entries[7].VersionID)
	require.Equal(t, "raw/m/49.csv", entries[49].Key)

	l["raw/m/_SUCCESS@v0"] = dataset.Entry{Key: "raw/m/_SUCCESS", VersionID: "v0"}
	empty, err := dataset.Pin(t.Context(), l, []contract.ObjectVersion{{Key: "raw/m/_SUCCESS", VersionID: "v0"}})
	require.NoError(t, err, "an empty object is data like any other")
	require.Len(t, empty, 1)
	for version, want := range map[string]string{
		"v9":   "pin raw/m/00.csv: its version v9 is gone",
		"null": `commit raw/m/00.csv: its VersionId is "null"`,
	} {
		_, err := dataset.Pin(t.Context(), l, []contract.ObjectVersion{{Key: "raw/m/00.csv", VersionID: version}})
		require.ErrorContains(t, err, want)
	}
}

func TestCompareSequencers(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "0", -1}, {"0055", "0055", 0}, {"0055", "00550", 0}, {"0055", "00551", -1}, {"0056", "00551", 1}, {"00A", "009", 1}} {
		require.Equal(t, c.want, dataset.CompareSequencers(c.a, c.b), "%s %s", c.a, c.b)
		require.Equal(t, -c.want, dataset.CompareSequencers(c.b, c.a), "%s %s", c.b, c.a)
	}
}
