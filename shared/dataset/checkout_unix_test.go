//go:build unix

package dataset_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
)

// TestOneCheckoutAFolderAtOnce: a second one that comes while one is writing
// is refused.
func TestOneCheckoutAFolderAtOnce(t *testing.T) {
	s, r := shelved(t)
	folder := t.TempDir()
	held, err := os.Open(folder)
	require.NoError(t, err)
	require.NoError(t, syscall.Flock(int(held.Fd()), syscall.LOCK_EX))
	_, err = r.Checkout(t.Context(), s, dataset.CheckoutRequest{Ref: "main", Folder: folder})
	requireKind(t, fault.Busy, err)
	require.ErrorContains(t, err, "another checkout or add is at work there")
	require.NoError(t, held.Close())
	_, err = r.Checkout(t.Context(), s, dataset.CheckoutRequest{Ref: "main", Folder: folder})
	require.NoError(t, err)
}

// TestCheckoutIntoWhatIsNoFolder says what stands there.
func TestCheckoutIntoWhatIsNoFolder(t *testing.T) {
	s, r := shelved(t)
	folder := t.TempDir()
	at := func(name string) string { return filepath.Join(folder, name) }
	require.NoError(t, os.WriteFile(at("file"), []byte("mine"), 0o600))
	require.NoError(t, os.Symlink(at("file"), at("link")))
	require.NoError(t, os.Symlink(at("nowhere"), at("dead")))
	require.NoError(t, os.Mkdir(at("real"), 0o755))
	require.NoError(t, os.Symlink(at("real"), at("good")))
	for name, want := range map[string]string{
		at("file"):         "file is a file, and a checkout fills a folder",
		at("file/below/x"): "file is a file, and a checkout fills a folder",
		at("link"):         "link is a file, and a checkout fills a folder",
		at("dead"):         "dead is a symbolic link to " + at("nowhere") + ", which is not there",
		at("dead/below"):   "dead is a symbolic link to " + at("nowhere") + ", which is not there",
		"/dev/null":        "/dev/null is a file",
		"/proc/sluice":     "the folder cannot be made",
	} {
		_, err := r.Checkout(t.Context(), s, dataset.CheckoutRequest{Ref: "main", Folder: name})
		requireKind(t, fault.Invalid, err)
		require.ErrorContains(t, err, want, name)
	}
	body, err := os.ReadFile(at("file"))
	require.NoError(t, err)
	require.Equal(t, "mine", string(body))
	_, err = r.Checkout(t.Context(), s, dataset.CheckoutRequest{Ref: "main", Folder: at("good")})
	require.NoError(t, err, "a link to a folder is one")
}
