package dataset_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/ref"
)

// golden is what scripts/golden/prolly.py wrote.
type golden struct {
	Trees []struct {
		Entries int
		Root    string
		Level   int
	}
	History struct {
		Commits   []string // ids
		Segments  []string // roots of the last commit's
		Levels    []int    // of those
		Compacted string   // the root of all of it
	}
	Text      string
	Checksums map[string]string
}

func readGolden(t *testing.T) (g golden) {
	text, err := os.ReadFile("testdata/golden.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &g))
	return g
}

// TestGolden compares with what scripts/golden/prolly.py makes of the same
// entries from the format's description alone.
func TestGolden(t *testing.T) {
	golden := readGolden(t)
	require.Len(t, golden.Trees, 6)
	for _, want := range golden.Trees {
		m, err := dataset.New(ref.NewMemory()).Import(t.Context(), dataset.Request{Branch: "main", Time: noon}, func(yield func(dataset.Entry, error) bool) {
			for n := range want.Entries {
				if !yield(goldenEntry(n), nil) {
					return
				}
			}
		})
		require.NoError(t, err)
		require.Equal(t, want.Root, m.Commit.Tree, "%d entries", want.Entries)
		require.Equal(t, want.Level, m.Commit.Level)
	}
	require.Len(t, golden.Checksums, 5)
	for name, want := range golden.Checksums {
		s, r := &shelf{bodies: map[string]string{}}, dataset.New(ref.NewMemory())
		e := s.add("f", "v1", golden.Text, "")
		e.Checksum, e.ChecksumAlgorithm, e.ChecksumType = want, name, "FULL_OBJECT"
		commit(t, r, "main", put(e))
		done, err := r.Checkout(t.Context(), s, dataset.CheckoutRequest{Ref: "main", Folder: t.TempDir()})
		require.NoError(t, err, name)
		require.Equal(t, 1, done.BySum, name)
	}
}

// goldenEntry is the script's entry(n).
func goldenEntry(n int) dataset.Entry {
	e := dataset.Entry{Key: fmt.Sprintf("raw/m/part-%07d.csv", n), VersionID: fmt.Sprintf("v%d", n*7919%104729), ETag: fmt.Sprintf("e%d", n%13),
		Size: int64(n) * int64(n) % 100003, Rows: int64(n % 5), Schema: fmt.Sprintf("s%d", n/1000)}
	if n%3 != 0 {
		e.Checksum, e.ChecksumAlgorithm, e.ChecksumType = "AAAAAA==", "CRC32", "FULL_OBJECT"
	}
	if n%100 == 0 {
		e.Metadata = map[string]string{"origin": "lab", "n": fmt.Sprint(n)}
	}
	return e
}
