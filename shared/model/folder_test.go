package model_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/model"
)

const imageSchema = `{"format": 1, "model": "m", "features": [{"name": "x", "kind": "numeric"}], "program": "image"}`

func TestAFolderComesBackAsItWas(t *testing.T) {
	from := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(from, "deep/er"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(from, "schema.json"), []byte(imageSchema), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(from, "deep/er/weights.bin"), []byte{0, 1, 2}, 0o600))
	packed, err := model.PackFolder(from)
	require.NoError(t, err)
	again, err := model.PackFolder(from)
	require.NoError(t, err)
	require.Equal(t, packed, again)

	schema, err := model.SchemaOf(packed)
	require.NoError(t, err)
	require.Equal(t, []string{"x"}, schema.Names())
	to := t.TempDir()
	require.NoError(t, model.Extract(packed, to), "an image's model is unpacked whole")
	data, err := os.ReadFile(filepath.Join(to, "deep/er/weights.bin"))
	require.NoError(t, err)
	require.Equal(t, []byte{0, 1, 2}, data)
	_, err = model.Unpack(packed)
	require.ErrorContains(t, err, "an image of its own serves model m")
}

func TestLinksAreNotPacked(t *testing.T) {
	from := t.TempDir()
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(from, "link")))
	_, err := model.PackFolder(from)
	require.True(t, fault.Is(err, fault.Invalid))
	require.ErrorContains(t, err, "link")
}

func TestHostileArchivesStayInTheirFolder(t *testing.T) {
	for name, header := range map[string]tar.Header{
		"outside":  {Name: "../out", Typeflag: tar.TypeReg, Size: 1},
		"absolute": {Name: "/out", Typeflag: tar.TypeReg, Size: 1},
		"link":     {Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/etc"},
		"device":   {Name: "d", Typeflag: tar.TypeChar},
		"long":     {Name: "a", Typeflag: tar.TypeReg, Size: model.MaxBytes + 1},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			zipped := gzip.NewWriter(&out)
			archive := tar.NewWriter(zipped)
			require.NoError(t, archive.WriteHeader(&header))
			if header.Size == 1 {
				_, err := archive.Write([]byte("x"))
				require.NoError(t, err)
			}
			_ = archive.Flush()
			require.NoError(t, zipped.Close())
			folder := t.TempDir()
			require.True(t, fault.Is(model.UnpackFolder(out.Bytes(), folder), fault.Invalid))
			entries, err := os.ReadDir(folder)
			require.NoError(t, err)
			require.Empty(t, entries)
		})
	}
	require.True(t, fault.Is(model.UnpackFolder([]byte("no gzip"), t.TempDir()), fault.Invalid))
}

func FuzzUnpackFolder(f *testing.F) {
	folder := f.TempDir()
	require.NoError(f, os.WriteFile(filepath.Join(folder, "a"), []byte("b"), 0o644))
	packed, err := model.PackFolder(folder)
	require.NoError(f, err)
	f.Add(packed)
	f.Fuzz(func(t *testing.T, archive []byte) {
		if err := model.UnpackFolder(archive, t.TempDir()); err != nil {
			require.True(t, fault.Is(err, fault.Invalid), "%v", err)
		}
	})
}
