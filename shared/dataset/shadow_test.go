package dataset_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// TestNamesThatBeginACommitsID: no new name takes an abbreviated id's meaning.
func TestNamesThatBeginACommitsID(t *testing.T) {
	r := dataset.New(ref.NewMemory())
	c := commit(t, r, "main", put(entry("a", 1)))
	for _, name := range []string{c.ID[:4], c.ID[:20]} {
		_, err := r.Tag(t.Context(), name, "main")
		requireKind(t, fault.Conflict, err)
		require.ErrorContains(t, err, "commit "+c.ID+" begins so")
		_, err = r.CreateBranch(t.Context(), name, "main", dataset.BranchOptions{})
		requireKind(t, fault.Conflict, err)
	}
	other := "0000"
	if c.ID[:4] == other {
		other = "1111"
	}
	_, err := r.Tag(t.Context(), other, "main")
	require.NoError(t, err)
}

// TestTimesAsLogPrintsThem: the time of a line of log, or of its JSON, names that
// line's commit, though it was made within the second.
func TestTimesAsLogPrintsThem(t *testing.T) {
	r := dataset.New(ref.NewMemory())
	at := time.Date(2026, 11, 1, 12, 30, 5, 700_000_000, time.UTC)
	var made []dataset.Commit
	for n := range 3 {
		c, err := r.Commit(t.Context(), dataset.Request{Branch: "main", Changes: put(entry("a", n+1)), Time: at.Add(time.Duration(n) * time.Second)})
		require.NoError(t, err)
		made = append(made, c)
	}
	for n, c := range made {
		for _, layout := range []string{time.DateTime, time.RFC3339, time.RFC3339Nano} {
			got, err := r.Resolve(t.Context(), "main@{"+c.Time.Format(layout)+"}")
			require.NoError(t, err)
			require.Equal(t, c.ID, got.ID, "%d %s", n, layout)
		}
	}
	_, err := r.Resolve(t.Context(), "main@{2026-11-01 noon}")
	require.ErrorContains(t, err, "as log prints it")
}

// TestBranchesThatBeginACommitsID are refused however they begin, and a ref that is
// there counts before a commit's id.
func TestBranchesThatBeginACommitsID(t *testing.T) {
	_, r := shelved(t)
	head, err := r.Head(t.Context(), "main")
	require.NoError(t, err)
	name := head.ID[:6]
	_, err = r.Commit(t.Context(), dataset.Request{Branch: name, Base: "main", Changes: dataset.Changes{Deletes: []string{"raw/m/d0/f00"}}, Time: noon})
	requireKind(t, fault.Conflict, err)
	require.ErrorContains(t, err, "begin branch "+name+": commit "+head.ID+" begins so")
	_, err = r.FastForward(t.Context(), name, "main")
	requireKind(t, fault.Conflict, err)
	_, err = r.FastForward(t.Context(), "next", "main")
	require.NoError(t, err)
	_, err = r.FastForward(t.Context(), "next", "main")
	require.NoError(t, err)
}
