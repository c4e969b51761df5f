package sagemaker

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func archiveOf(t testing.TB, headers ...*tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	for _, h := range headers {
		require.NoError(t, archive.WriteHeader(h))
		_, err := archive.Write(bytes.Repeat([]byte("x"), int(h.Size)))
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	require.NoError(t, zipped.Close())
	return out.Bytes()
}

func TestExtractRefusesWhatLeadsOutside(t *testing.T) {
	for name, c := range map[string]struct {
		headers []*tar.Header
		want    string
	}{
		"parent":    {[]*tar.Header{{Name: "../up", Size: 1}}, "leads outside"},
		"absolute":  {[]*tar.Header{{Name: "/etc/x", Size: 1}}, "leads outside"},
		"inner":     {[]*tar.Header{{Name: "a/../../up", Size: 1}}, "leads outside"},
		"symlink":   {[]*tar.Header{{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}}, "only plain files"},
		"hard link": {[]*tar.Header{{Name: "l", Typeflag: tar.TypeLink, Linkname: "x"}}, "only plain files"},
		"device":    {[]*tar.Header{{Name: "d", Typeflag: tar.TypeBlock}}, "only plain files"},
		"twice":     {[]*tar.Header{{Name: "a", Size: 1}, {Name: "./a", Size: 1}}, "exists"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "inner")
			require.NoError(t, os.Mkdir(folder, 0o755))
			require.ErrorContains(t, extract(bytes.NewReader(archiveOf(t, c.headers...)), folder), c.want)
			outside, err := os.ReadDir(filepath.Dir(folder))
			require.NoError(t, err)
			require.Len(t, outside, 1)
		})
	}
	require.ErrorContains(t, extract(bytes.NewReader([]byte("plain")), t.TempDir()), "not a gzip file")
	whole := archiveOf(t, &tar.Header{Name: "a", Size: 100_000})
	require.Error(t, extract(bytes.NewReader(whole[:len(whole)/2]), t.TempDir()), "cut off")
}

func TestExtract(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, extract(bytes.NewReader(archiveOf(t, &tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755},
		&tar.Header{Name: "./code/run.sh", Mode: 0o755, Size: 3}, &tar.Header{Name: "model.json", Mode: 0o600, Size: 5})), folder))
	info, err := os.Stat(filepath.Join(folder, "code", "run.sh"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o755), info.Mode().Perm())
	info, err = os.Stat(filepath.Join(folder, "model.json"))
	require.NoError(t, err)
	require.Equal(t, int64(5), info.Size())
}

func FuzzExtract(f *testing.F) {
	f.Add(archiveOf(f, &tar.Header{Name: "a/b", Size: 3}))
	f.Add(archiveOf(f, &tar.Header{Name: "../b", Size: 3}, &tar.Header{Name: "c", Typeflag: tar.TypeSymlink, Linkname: ".."}, &tar.Header{Name: "c/d", Size: 1}))
	f.Fuzz(func(t *testing.T, data []byte) {
		outer := t.TempDir()
		folder := filepath.Join(outer, "inner")
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		_ = extract(bytes.NewReader(data), folder)
		entries, err := os.ReadDir(outer)
		if err != nil || len(entries) != 1 {
			t.Fatalf("%v beside the folder, %v", entries, err)
		}
	})
}
