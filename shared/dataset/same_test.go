package dataset_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/ref"
)

// TestTheSameBytesTwice, uploaded by two at once, change a key once: in a small
// tree, in one of leaves, and below segments.
func TestTheSameBytesTwice(t *testing.T) {
	of := func(n int, version, sum string) dataset.Entry {
		return dataset.Entry{Key: fmt.Sprintf("raw/m/%05d", n), VersionID: version, Size: 7, Checksum: sum, ChecksumAlgorithm: "CRC64NVME", ChecksumType: "FULL_OBJECT"}
	}
	for _, size := range []int{3, 3000} {
		r := dataset.New(ref.NewMemory())
		var first dataset.Changes
		for n := range size {
			first.Puts = append(first.Puts, of(n, "v1", "a"))
		}
		commit(t, r, "main", first)
		head := commit(t, r, "main", put(of(1, "v2", "b")))
		try := func(keep bool, entries ...dataset.Entry) dataset.Merged {
			m, err := r.CommitMoved(t.Context(), dataset.Request{Branch: "main", Changes: put(entries...), KeepSame: keep, Time: noon})
			require.NoError(t, err)
			return m
		}
		m := try(true, of(1, "v3", "b"), of(2, "v3", "a"))
		require.False(t, m.Moved, "%d entries", size)
		require.Equal(t, head.ID, m.Commit.ID)
		m = try(true, of(0, "v3", "c"), of(1, "v3", "b"), of(2, "v3", ""))
		require.Equal(t, []any{true, 2}, []any{m.Moved, m.Commit.Stats.Changed}, "without a checksum nothing is proved")
		for n, want := range []string{"v3", "v2", "v3"} {
			e, found, err := r.Entry(t.Context(), "main", of(n, "", "").Key)
			require.NoError(t, err)
			require.True(t, found)
			require.Equal(t, want, e.VersionID)
		}
		require.True(t, try(false, of(1, "v4", "b")).Moved, "who names a version gets it")
		e, _, err := r.Entry(t.Context(), "main", of(1, "", "").Key)
		require.NoError(t, err)
		require.Equal(t, "v4", e.VersionID)
	}
}
