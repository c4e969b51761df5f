package dataset_test

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// TestKeys: what cannot be a file's path is refused by every way into a commit,
// and named; what can be is taken, control characters and all.
func TestKeys(t *testing.T) {
	r := dataset.New(ref.NewMemory())
	for key, why := range map[string]string{
		"": "is empty", "/abs/a.csv": `begins or ends with "/"`, "a//b": `has "//"`, "folder/": `ends with "/"`, "../a": `the part ".."`,
		"a/../b": `the part ".."`, "a/./b": `the part "."`, ".": `the part "."`, "a\x00b": "has a NUL", "a\xffb": "is no UTF-8",
		strings.Repeat("k", 1025): "is longer than 1024 bytes",
	} {
		e := entry(key, 1)
		_, err := r.Commit(t.Context(), dataset.Request{Branch: "main", Changes: put(e), Time: noon})
		requireKind(t, fault.Invalid, err)
		require.ErrorContains(t, err, why)
		require.ErrorContains(t, err, "copy the object")
		_, err = r.Import(t.Context(), dataset.Request{Branch: "main", Time: noon}, func(yield func(dataset.Entry, error) bool) { yield(e, nil) })
		requireKind(t, fault.Invalid, err)
		require.ErrorContains(t, err, why)
	}
	for _, key := range []string{"a", "a b/c+d%.csv", "é/\x01\t\n\x1b[31m", "..a/b..", ".hidden", "a\\b", strings.Repeat("k", 1024)} {
		require.NoError(t, dataset.CheckKey(key), "%q", key)
	}
	commit(t, r, "main", put(entry("a\x01/b\n", 1)))
	_, err := r.Commit(t.Context(), dataset.Request{Branch: "main", Changes: dataset.Changes{Deletes: []string{"/abs/a.csv"}}, Time: noon})
	require.NoError(t, err, "what an older build took in can be taken out")
}

// FuzzCheckKey: a key that is taken is a path that stays below its folder.
func FuzzCheckKey(f *testing.F) {
	for _, key := range []string{"a/b", "/a", "a//b", "..", "a/..", "a\x00", "\xff", "."} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if dataset.CheckKey(key) != nil {
			return
		}
		if _, err := filepath.Localize(key); err != nil || path.Clean(key) != key || !utf8.ValidString(key) || len(key) > 1024 {
			t.Fatalf("%q: %v", key, err)
		}
	})
}

// TestShortAndUpperCaseIDs: four digits of an id are enough, in either case; fewer
// are refused with a word on why.
func TestShortAndUpperCaseIDs(t *testing.T) {
	r := dataset.New(ref.NewMemory())
	c := commit(t, r, "main", put(entry("a", 1)))
	for _, name := range []string{c.ID[:4], strings.ToUpper(c.ID[:4]), strings.ToUpper(c.ID), c.ID[:63], strings.ToUpper(c.ID[:12]) + "~0"} {
		got, err := r.Resolve(t.Context(), name)
		require.NoError(t, err, name)
		require.Equal(t, c.ID, got.ID)
	}
	_, err := r.Resolve(t.Context(), c.ID[:3])
	requireKind(t, fault.NotFound, err)
	require.ErrorContains(t, err, "at least 4 digits")
	require.Error(t, dataset.CheckBranch(strings.ToUpper(c.ID)), "a branch of that name could not be reached")
	require.Error(t, dataset.CheckTag("a b"))
	require.NoError(t, dataset.CheckAddress("main~2@{2026-01-01}"))
	require.Error(t, dataset.CheckAddress("main~x"))
}

func TestExists(t *testing.T) {
	r := dataset.New(ref.NewMemory())
	there, err := r.Exists(t.Context())
	require.NoError(t, err)
	require.False(t, there)
	commit(t, r, "main", put(entry("a", 1)))
	_, err = r.DeleteBranch(t.Context(), "main", noon)
	require.NoError(t, err)
	there, err = r.Exists(t.Context())
	require.NoError(t, err)
	require.True(t, there, "its commits are")
}

// TestMoved tells a commit from one that changed nothing.
func TestMoved(t *testing.T) {
	r := dataset.New(ref.NewMemory())
	q := dataset.Request{Branch: "main", Changes: put(entry("a", 1)), Time: noon}
	m, err := r.CommitMoved(t.Context(), q)
	require.NoError(t, err)
	require.True(t, m.Moved)
	m, err = r.CommitMoved(t.Context(), q)
	require.NoError(t, err)
	require.False(t, m.Moved)
	one := func(yield func(dataset.Entry, error) bool) { yield(entry("a", 1), nil) }
	m, err = r.Import(t.Context(), dataset.Request{Branch: "main", Time: noon}, one)
	require.NoError(t, err)
	require.False(t, m.Moved)
	m, err = r.Import(t.Context(), dataset.Request{Branch: "other", Base: "main", Time: noon}, one)
	require.NoError(t, err)
	require.True(t, m.Moved, "the branch is new, though its commit is not")
}

// TestPlanCompaction: what is planned is what is done, and planning writes nothing.
func TestPlanCompaction(t *testing.T) {
	store := &counting{Store: ref.NewMemory()}
	r := dataset.NewTiny(store)
	var many []dataset.Entry
	for n := range 300 {
		many = append(many, entry(fmt.Sprintf("k%03d", n), 1))
	}
	commit(t, r, "main", put(many...))
	plan, err := r.PlanCompaction(t.Context(), "main")
	require.NoError(t, err)
	require.Zero(t, plan.Segments+int(plan.Writes))
	for n := 0; n < 300; n += 60 {
		e := many[n]
		e.VersionID = "v2"
		commit(t, r, "main", put(e))
	}
	store.reset()
	plan, err = r.PlanCompaction(t.Context(), "main")
	require.NoError(t, err)
	require.Zero(t, store.writes.Load())
	require.Positive(t, plan.Segments)
	require.Positive(t, plan.Changes)
	store.reset()
	m, err := r.Compact(t.Context(), dataset.CompactRequest{Branch: "main", Time: noon})
	require.NoError(t, err)
	require.True(t, m.Moved)
	require.Equal(t, plan.Tree, m.Commit.Tree)
	require.Equal(t, plan.Writes+2, store.writes.Load(), "and the commit and its branch")
	_, err = r.PlanCompaction(t.Context(), "none")
	requireKind(t, fault.NotFound, err)
}
