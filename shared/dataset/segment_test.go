package dataset_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/ref"
)

// goldenEdits is the script's edited(held, step, version).
func goldenEdits(held map[string]dataset.Entry, step, version int) dataset.Changes {
	var changes dataset.Changes
	for i, n := 0, version; n < 20000; i, n = i+1, n+step {
		e := goldenEntry(n)
		_, there := held[e.Key]
		e.VersionID, e.Rows = fmt.Sprintf("edit%d-%d", version, n), int64(n%3)
		switch {
		case i%3 == 0 && there:
			changes.Deletes = append(changes.Deletes, e.Key)
			delete(held, e.Key)
			continue
		case i%3 == 1:
			e.Key += ".more"
		}
		changes.Puts = append(changes.Puts, e)
		held[e.Key] = e
	}
	return changes
}

// TestGoldenSegments compares the ids of commits with and without segments, so
// every byte of them, with the script's.
func TestGoldenSegments(t *testing.T) {
	want := readGolden(t).History
	r, held := dataset.New(ref.NewMemory()), map[string]dataset.Entry{}
	var first dataset.Changes
	for n := range 20000 {
		e := goldenEntry(n)
		first.Puts, held[e.Key] = append(first.Puts, e), e
	}
	ask := func(changes dataset.Changes) dataset.Commit {
		c, err := r.Commit(t.Context(), dataset.Request{Branch: "main", Time: noon, Message: "golden", Author: "golden", Changes: changes})
		require.NoError(t, err)
		return c
	}
	c := ask(first)
	require.Equal(t, want.Commits[0], c.ID)
	for i, edit := range [][2]int{{40, 3}, {61, 7}, {1999, 11}} {
		c = ask(goldenEdits(held, edit[0], edit[1]))
		require.Len(t, c.Segments, i+1)
		require.Equal(t, want.Segments[i], c.Segments[i].Tree)
		require.Equal(t, want.Levels[i], c.Segments[i].Level)
		require.Equal(t, want.Commits[i+1], c.ID)
	}
	requireEntries(t, r, "main", held)
	compacted, err := r.Compact(t.Context(), dataset.CompactRequest{Branch: "main", Time: noon})
	require.NoError(t, err)
	require.Equal(t, want.Compacted, compacted.Commit.Tree)
	requireEntries(t, r, "main", held)
}
