package dataset_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// TestKeysNoFileSystemHolds are named before anything is written.
func TestKeysNoFileSystemHolds(t *testing.T) {
	r := dataset.New(ref.NewMemory())
	long := "raw/" + strings.Repeat("k", 256)
	commit(t, r, "main", put(entry("raw/.sluice-checkout.jsonl", 1), entry("raw/a", 1), entry(long, 1)))
	folder := filepath.Join(t.TempDir(), "out")
	_, err := r.Checkout(t.Context(), nil, dataset.CheckoutRequest{Ref: "main", Prefix: "raw/", Folder: folder})
	requireKind(t, fault.Invalid, err)
	require.ErrorContains(t, err, "2 key(s)")
	require.ErrorContains(t, err, ".sluice-checkout.jsonl")
	require.ErrorContains(t, err, long)
	require.ErrorContains(t, err, "--prefix")
	require.NoDirExists(t, folder)
	_, err = os.Stat(folder)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestTheLongestNames that file systems hold are checked out, whole.
func TestTheLongestNames(t *testing.T) {
	for _, length := range []int{239, 240, 241, 255} {
		s, r := &shelf{bodies: map[string]string{}}, dataset.New(ref.NewMemory())
		name := strings.Repeat("k", length)
		commit(t, r, "main", put(s.add("raw/"+name, "v1", "body", "sha256")))
		folder := t.TempDir()
		_, err := r.Checkout(t.Context(), s, dataset.CheckoutRequest{Ref: "main", Prefix: "raw/", Folder: folder})
		require.NoError(t, err, length)
		text, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err, length)
		require.Equal(t, "body", string(text))
	}
}
