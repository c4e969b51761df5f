package dataset_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

func commitAt(t *testing.T, r *dataset.Repository, branch string, at time.Time, changes dataset.Changes) dataset.Commit {
	t.Helper()
	c, err := r.Commit(t.Context(), dataset.Request{Branch: branch, Base: "main~0", Changes: changes, Time: at})
	if fault.Is(err, fault.NotFound) {
		c, err = r.Commit(t.Context(), dataset.Request{Branch: branch, Changes: changes, Time: at})
	}
	require.NoError(t, err)
	return c
}

// parted is a repository whose branches main and side changed these keys since
// they parted: "both" to different versions, "alike" to the same, "mine" and
// "yours" one each, "gone" removed by main and changed by side.
func parted(t *testing.T) *dataset.Repository { return partedIn(t, ref.NewMemory()) }

func partedIn(t *testing.T, store ref.Store) *dataset.Repository {
	r := dataset.NewTiny(store)
	var first []dataset.Entry
	for _, key := range []string{"both", "alike", "mine", "yours", "gone"} {
		first = append(first, entry("d/"+key, 1))
	}
	for n := range 300 {
		first = append(first, entry(fmt.Sprintf("e/%03d", n), 1))
	}
	commitAt(t, r, "main", noon, put(first...))
	commitAt(t, r, "side", noon.Add(time.Hour), put(entry("d/both", 3), entry("d/alike", 2), entry("d/yours", 2), entry("d/gone", 2)))
	commitAt(t, r, "main", noon.Add(2*time.Hour), dataset.Changes{
		Puts: []dataset.Entry{entry("d/both", 2), entry("d/alike", 2), entry("d/mine", 2)}, Deletes: []string{"d/gone"}})
	return r
}

func versions(t *testing.T, r *dataset.Repository, name string) string {
	entries, err := r.Entries(t.Context(), name, "d/")
	require.NoError(t, err)
	var all []string
	for _, e := range entries {
		all = append(all, strings.TrimPrefix(e.Key, "d/")+"@"+e.VersionID)
	}
	return strings.Join(all, " ")
}

func TestMergeListsConflicts(t *testing.T) {
	r := parted(t)
	before, err := r.Head(t.Context(), "main")
	require.NoError(t, err)
	_, err = r.Merge(t.Context(), dataset.MergeRequest{Branch: "main", From: "side", Time: noon})
	requireKind(t, fault.Conflict, err)
	require.ErrorContains(t, err, "merge side into main: 2 conflict(s); d/both: base version v1, ours version v2, theirs version v3; "+
		"d/gone: base version v1, ours absent, theirs version v2 (choose a side for them, e.g. --resolve 'd/both=theirs'")
	conflicts := dataset.AsConflicts(err)
	require.Len(t, conflicts, 2)
	require.Equal(t, entry("d/both", 1), *conflicts[0].Base)
	require.Nil(t, conflicts[1].Ours)
	after, err := r.Head(t.Context(), "main")
	require.NoError(t, err)
	require.Equal(t, before.ID, after.ID)
}

func TestMergeResolves(t *testing.T) {
	for name, c := range map[string]struct {
		rules []string
		want  string
	}{
		"ours":         {[]string{"**=ours"}, "alike@v2 both@v2 mine@v2 yours@v2"},
		"theirs":       {[]string{"d/=theirs"}, "alike@v2 both@v3 gone@v2 mine@v2 yours@v2"},
		"newest":       {[]string{"d/*=newest"}, "alike@v2 both@v2 mine@v2 yours@v2"},
		"first counts": {[]string{"d/b?th=theirs", "**=ours"}, "alike@v2 both@v3 mine@v2 yours@v2"},
	} {
		t.Run(name, func(t *testing.T) {
			r, rules := parted(t), []dataset.Rule{}
			for _, text := range c.rules {
				rule, err := dataset.ParseRule(text)
				require.NoError(t, err)
				rules = append(rules, rule)
			}
			q := dataset.MergeRequest{Branch: "main", From: "side", Rules: rules, Time: noon.Add(3 * time.Hour), Author: "me"}
			m, err := r.Merge(t.Context(), q)
			require.NoError(t, err)
			require.True(t, m.Moved && !m.Forward)
			require.Len(t, m.Resolved, 2)
			require.Len(t, m.Commit.Parents, 2)
			require.Equal(t, "merge side", m.Commit.Message)
			require.Equal(t, c.want, versions(t, r, "main"))
			again, err := r.Merge(t.Context(), q)
			require.NoError(t, err)
			require.False(t, again.Moved, "a retry is harmless")
			require.Equal(t, m.Commit.ID, again.Commit.ID)
			back, err := r.Merge(t.Context(), dataset.MergeRequest{Branch: "side", From: "main", Time: noon})
			require.NoError(t, err)
			require.True(t, back.Forward, "side has nothing that main has not")
		})
	}
}

func TestRulesAreChecked(t *testing.T) {
	for _, text := range []string{"", "x", "=ours", "a=b", "**=Ours"} {
		_, err := dataset.ParseRule(text)
		requireKind(t, fault.Invalid, err)
	}
	r := parted(t)
	_, err := r.Merge(t.Context(), dataset.MergeRequest{Branch: "main", From: "side", Time: noon, Rules: []dataset.Rule{{Glob: "**", Choice: dataset.Refuse}}})
	requireKind(t, fault.Conflict, err)
	_, err = r.Merge(t.Context(), dataset.MergeRequest{Branch: "none", From: "side", Time: noon})
	requireKind(t, fault.NotFound, err)
	_, err = r.Commit(t.Context(), dataset.Request{Branch: "island", Changes: put(entry("z", 1)), Time: noon})
	require.NoError(t, err)
	_, err = r.Merge(t.Context(), dataset.MergeRequest{Branch: "main", From: "island", Time: noon})
	requireKind(t, fault.Invalid, err)
	require.ErrorContains(t, err, "no common ancestor")
}

func TestRevertCherryPickRestore(t *testing.T) {
	r := parted(t)
	m, err := r.CherryPick(t.Context(), dataset.PickRequest{Branch: "main", Commit: "side", Time: noon, Rules: []dataset.Rule{{Glob: "**", Choice: dataset.TakeTheirs}}})
	require.NoError(t, err)
	require.Equal(t, "alike@v2 both@v3 gone@v2 mine@v2 yours@v2", versions(t, r, "main"))
	require.Contains(t, m.Commit.Message, "cherry-pick ")
	again, err := r.CherryPick(t.Context(), dataset.PickRequest{Branch: "main", Commit: "side", Time: noon})
	require.NoError(t, err)
	require.False(t, again.Moved)

	m, err = r.Revert(t.Context(), dataset.PickRequest{Branch: "main", Commit: "main", Time: noon})
	require.NoError(t, err)
	require.True(t, m.Moved)
	require.Equal(t, versions(t, r, "main~2"), versions(t, r, "main"))
	_, err = r.Revert(t.Context(), dataset.PickRequest{Branch: "side", Commit: "main~2", Time: noon})
	requireKind(t, fault.Conflict, err)

	old, err := r.Restore(t.Context(), dataset.RestoreRequest{Branch: "main", From: "main~3", Time: noon})
	require.NoError(t, err)
	first, err := r.Resolve(t.Context(), "main~4")
	require.NoError(t, err)
	require.Equal(t, first.Tree, old.Commit.Tree)
	part, err := r.Restore(t.Context(), dataset.RestoreRequest{Branch: "main", From: "side", Prefix: "d/y", Time: noon})
	require.NoError(t, err)
	require.Equal(t, "alike@v1 both@v1 gone@v1 mine@v1 yours@v2", versions(t, r, "main"))
	same, err := r.Restore(t.Context(), dataset.RestoreRequest{Branch: "main", From: "side", Prefix: "d/y", Time: noon})
	require.NoError(t, err)
	require.Equal(t, part.Commit.ID, same.Commit.ID)
	require.True(t, part.Moved)
	require.False(t, same.Moved)
}

func TestBranches(t *testing.T) {
	r := parted(t)
	later := noon.Add(time.Hour)
	c, err := r.CreateBranch(t.Context(), "short", "main~1", dataset.BranchOptions{Expires: &later})
	require.NoError(t, err)
	_, err = r.CreateBranch(t.Context(), "short", c.ID, dataset.BranchOptions{})
	require.NoError(t, err, "again at the same commit")
	_, err = r.CreateBranch(t.Context(), "short", "main", dataset.BranchOptions{})
	requireKind(t, fault.Conflict, err)
	commitAt(t, r, "short", noon, put(entry("d/x", 1)))
	list, err := r.BranchList(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 3)
	require.Equal(t, later, *list[1].Expires, "a commit keeps the time to live")

	gone, err := r.Expire(t.Context(), noon)
	require.NoError(t, err)
	require.Empty(t, gone)
	gone, err = r.Expire(t.Context(), later)
	require.NoError(t, err)
	require.Equal(t, []string{"short"}, gone)
	_, err = r.Head(t.Context(), "short")
	requireKind(t, fault.NotFound, err)
	require.ErrorContains(t, err, "it was deleted at 2026-03-01T13:00:00Z (bring it back: sluice data branch create MODEL short ")
	_, err = r.Resolve(t.Context(), "short")
	requireKind(t, fault.NotFound, err)
	require.ErrorContains(t, err, "the branch was deleted")
	fresh, err := r.FastForward(t.Context(), "short", "main")
	require.NoError(t, err, "a deleted branch begins anew")
	head, err := r.Head(t.Context(), "short")
	require.NoError(t, err)
	require.Equal(t, fresh.ID, head.ID)
}

func TestProtectedBranches(t *testing.T) {
	r := parted(t)
	require.NoError(t, r.Protect(t.Context(), "main", true))
	deny := func(err error) {
		t.Helper()
		requireKind(t, fault.Denied, err)
		require.ErrorContains(t, err, "it is protected")
	}
	_, err := r.Commit(t.Context(), dataset.Request{Branch: "main", Time: noon, Changes: put(entry("x", 1))})
	deny(err)
	_, err = r.DeleteBranch(t.Context(), "main", noon)
	deny(err)
	_, err = r.Restore(t.Context(), dataset.RestoreRequest{Branch: "main", From: "side", Time: noon})
	deny(err)
	_, err = r.Revert(t.Context(), dataset.PickRequest{Branch: "main", Commit: "main", Time: noon})
	deny(err)
	_, err = r.Merge(t.Context(), dataset.MergeRequest{Branch: "main", From: "side", Time: noon, Rules: []dataset.Rule{{Glob: "**", Choice: dataset.TakeOurs}}})
	require.NoError(t, err)
	commitAt(t, r, "next", noon, put(entry("x", 1)))
	_, err = r.FastForward(t.Context(), "main", "next")
	require.NoError(t, err)
	list, err := r.BranchList(t.Context())
	require.NoError(t, err)
	require.True(t, list[0].Protected, "moving keeps the protection")
	require.NoError(t, r.Protect(t.Context(), "main", false))
	at, err := r.DeleteBranch(t.Context(), "main", noon)
	require.NoError(t, err)
	again, err := r.DeleteBranch(t.Context(), "main", noon)
	require.NoError(t, err)
	require.Equal(t, at, again)
	_, err = r.DeleteBranch(t.Context(), "none", noon)
	requireKind(t, fault.NotFound, err)
	requireKind(t, fault.NotFound, r.Protect(t.Context(), "main", true))
}

func TestTagsKeepTheirMeaning(t *testing.T) {
	r := parted(t)
	c, err := r.Tag(t.Context(), "v1", "main")
	require.NoError(t, err)
	require.NoError(t, r.DeleteTag(t.Context(), "v1", noon))
	require.NoError(t, r.DeleteTag(t.Context(), "v1", noon))
	names, err := r.Tags(t.Context())
	require.NoError(t, err)
	require.Empty(t, names)
	_, err = r.Resolve(t.Context(), "v1")
	requireKind(t, fault.NotFound, err)
	require.ErrorContains(t, err, c.ID)
	_, err = r.Tag(t.Context(), "v1", "side")
	requireKind(t, fault.Conflict, err)
	_, err = r.Tag(t.Context(), "v1", c.ID)
	require.NoError(t, err)
	back, err := r.Resolve(t.Context(), "v1")
	require.NoError(t, err)
	require.Equal(t, c.ID, back.ID)
	requireKind(t, fault.NotFound, r.DeleteTag(t.Context(), "v9", noon))
}

// TestTimeTravelIsLogarithmic looks up every depth and many times on a line of
// 700 commits, with a few merges in it, and counts the commits read.
func TestTimeTravelIsLogarithmic(t *testing.T) {
	store := &counting{Store: ref.NewMemory()}
	r := dataset.New(store)
	var line []dataset.Commit
	for n := range 700 {
		at := noon.Add(time.Duration(n/2) * time.Minute)
		c := commitAt(t, r, "main", at, put(entry("k", n), entry("n", n)))
		if n%100 == 50 {
			commitAt(t, r, "side", at, put(entry("s", n)))
			line = append(line, commitAt(t, r, "main", at, put(entry("k", 1000+n))))
			m, err := r.Merge(t.Context(), dataset.MergeRequest{Branch: "main", From: "side", Time: at})
			require.NoError(t, err)
			_, err = r.DeleteBranch(t.Context(), "side", at)
			require.NoError(t, err)
			line[len(line)-1], c = c, line[len(line)-1]
			line = append(line, c)
			c = m.Commit
		}
		line = append(line, c)
	}
	most := int64(0)
	for back := range line {
		fresh := dataset.New(store)
		store.reset()
		c, err := fresh.Resolve(t.Context(), fmt.Sprintf("main~%d", back))
		require.NoError(t, err)
		require.Equal(t, line[len(line)-1-back].ID, c.ID)
		most = max(most, store.reads.Load())
		c, err = fresh.Resolve(t.Context(), "main@{"+c.Time.Add(time.Second).Format(time.RFC3339)+"}")
		require.NoError(t, err)
		want := len(line) - 1 - back
		for want+1 < len(line) && line[want+1].Time.Equal(line[want].Time) {
			want++
		}
		require.Equal(t, line[want].ID, c.ID)
	}
	t.Logf("an ancestor among %d commits: at most %d reads", len(line), most)
	require.LessOrEqual(t, most, int64(2+10), "branch, head, and a hop for each bit of the depth")
	_, err := r.Resolve(t.Context(), "main@{2026-03-01T11:59Z}")
	requireKind(t, fault.NotFound, err)
	require.ErrorContains(t, err, "first commit is from 2026-03-01T12:00:00Z")
	c, err := r.Resolve(t.Context(), "main@{2026-03-02}~1")
	require.NoError(t, err)
	require.Equal(t, line[len(line)-2].ID, c.ID)
	for _, bad := range []string{"main@", "main@{", "main@{yesterday}", "main@{2026-03-02}x", "main~1x", "@{2026-03-02}"} {
		_, err := r.Resolve(t.Context(), bad)
		requireKind(t, fault.Invalid, err)
	}
}

func TestRenames(t *testing.T) {
	sum := func(key, sum string, version int) dataset.Entry {
		e := entry(key, version)
		e.Size, e.Checksum, e.ChecksumAlgorithm, e.ChecksumType = 9, sum, "SHA256", "FULL_OBJECT"
		return e
	}
	r := dataset.New(ref.NewMemory())
	commit(t, r, "main", put(sum("a", "x", 1), sum("b", "x", 1), sum("c", "y", 1), entry("d", 1)))
	commit(t, r, "main", dataset.Changes{Puts: []dataset.Entry{sum("m", "x", 2), sum("n", "z", 1), entry("o", 1)}, Deletes: []string{"a", "b", "d"}})
	changes, err := r.Diff(t.Context(), "main~1", "main")
	require.NoError(t, err)
	var stats dataset.DiffStats
	var text []string
	for _, c := range dataset.Renames(changes) {
		stats.Add(c)
		text = append(text, c.RenamedFrom+">"+c.Key)
	}
	require.Equal(t, []string{">b", ">d", "a>m", ">n", ">o"}, text, "an ETag proves nothing")
	require.Equal(t, dataset.DiffStats{Added: 2, Removed: 2, Renamed: 1, Bytes: 0}, stats)
}
