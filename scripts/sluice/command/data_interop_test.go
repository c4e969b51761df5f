package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/lakefs/lakefstest"
)

func write(t *testing.T, name, text string) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// imported is a .dvc file as dvc import-url --version-aware writes it.
func imported(bucket, version, etag string) string {
	return fmt.Sprintf("frozen: true\ndeps:\n- hash: md5\n  path: s3://%s/dvc/\n  fs_config:\n    version_aware: true\n  files:\n  - relpath: a.csv\n    etag: %s\n    size: 4\n    version_id: %s\nouts:\n- hash: md5\n  path: data\n  push: false\n",
		bucket, etag, version)
}

// TestDVCFiles: what was exported imports to the same tree, and what cannot be
// pinned is refused with the file and the line.
func TestDVCFiles(t *testing.T) {
	b := newBench(t)
	version := b.upload("dvc/a.csv", "one\n")
	b.upload("dvc/a.csv", "two, and it is longer\n")
	b.upload("dvc/sub/b.csv", "b\n")
	etag := "5bbf5a52328e7439ae6e719dfe712200"
	file := write(t, "data.dvc", imported(b.client.Lake, version, etag))
	var first, again commitView
	b.get(&first, "import", "dvc", "m", "main", file, "-m", "from DVC")
	require.Equal(t, []any{1, int64(4), "dvc " + file, "from DVC"}, []any{first.Stats.Objects, first.Stats.Bytes, first.Metadata["source"], first.Message})
	b.get(&again, "import", "dvc", "m", "main", file)
	require.Equal(t, first.ID, again.ID, "a duplicate makes no commit")

	b.get(new(commitView), "commit", "m", "other", "--prefix", "dvc/")
	out := filepath.Join(t.TempDir(), "all.dvc")
	var told struct {
		Prefix string
		Total  dataset.Totals
	}
	require.Error(t, func() error { _, err := b.run("export", "dvc", "m", "main", "all.txt"); return err }())
	b.get(&told, "export", "dvc", "m", "main", out)
	require.Equal(t, "dvc/", told.Prefix)
	_, err := b.run("export", "dvc", "m", "main", out)
	require.ErrorContains(t, err, "replace it with --force")
	var back commitView
	b.get(&back, "import", "dvc", "m", "back", out)
	require.Equal(t, first.Tree, back.Tree)
	b.get(&back, "import", "dvc", "m", "other", out, "--add")
	require.Zero(t, back.Stats.Removed)

	gone := b.upload("dvc/a.csv", "gone")
	require.NoError(t, b.client.Objects.Delete(t.Context(), b.client.Lake, "dvc/a.csv", gone))
	for want, text := range map[string]string{
		"data.dvc:11: its versions lie in the bucket elsewhere":                     imported("elsewhere", version, etag),
		"data.dvc:11: version " + gone + " of dvc/a.csv is gone":                    imported(b.client.Lake, gone, etag),
		"data.dvc:11: the bucket does not take nonsense for a version of dvc/a.csv": imported(b.client.Lake, "nonsense", etag),
		"data.dvc:11: dvc/a.csv has the ETag 5bbf5a52328e7439ae6e719dfe712200":      imported(b.client.Lake, version, "ffff"),
		"dvc/a.csv has 4 bytes in the bucket at version " + version:                 strings.Replace(imported(b.client.Lake, version, etag), "size: 4", "size: 5", 1),
		"outs[0]: data has no version ids":                                          "outs:\n- path: data\n  md5: abc\n",
		"find the remote r: the configuration has no remotes":                       "outs:\n- path: data\n  cloud:\n    r:\n      version_id: v\n",
	} {
		_, err := b.run("import", "dvc", "m", "bad", write(t, "data.dvc", text))
		require.ErrorContains(t, err, want)
	}
	_, err = b.run("import", "dvc", "m", "bad", file, write(t, "data.dvc", imported(b.client.Lake, b.upload("dvc/a.csv", "six\n"), "")))
	require.ErrorContains(t, err, "a commit holds one version of a key")
	_, err = b.run("import", "dvc", "m", "bad", file, "--out", "nothing")
	require.ErrorContains(t, err, "it has no such stage or out")
	_, err = b.client.Dataset("m").Head(t.Context(), "bad")
	require.Equal(t, fault.NotFound, fault.KindOf(err), "a refused import leaves no branch")
}

// TestDVCRemotes: a remote's URL comes from the repository around the file, or
// from the command line; versions in dvc.lock are chosen by stage and out.
func TestDVCRemotes(t *testing.T) {
	b, root := newBench(t), t.TempDir()
	version := b.upload("remote/sub/out", "x")
	require.NoError(t, os.MkdirAll(filepath.Join(root, ".dvc"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "sub"), 0o755))
	lock := filepath.Join(root, "sub", "dvc.lock")
	text := "schema: '2.0'\nstages:\n  a:\n    cmd: x\n    outs:\n    - path: out\n      cloud:\n        r: {version_id: " + version + "}\n    - path: metrics\n      md5: abc\n"
	require.NoError(t, os.WriteFile(lock, []byte(text), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(root, ".dvc", "config"), fmt.Appendf(nil, "['remote \"r\"']\n    url = s3://%s/remote\n", b.client.Lake), 0o600))
	_, err := b.run("import", "dvc", "m", "main", lock)
	require.ErrorContains(t, err, "metrics has no version ids")
	var made commitView
	b.get(&made, "import", "dvc", "m", "main", lock, "--stage", "a", "--out", "out")
	require.Equal(t, 1, made.Stats.Objects)
	_, err = b.run("import", "dvc", "m", "main", lock, "--out", "out", "--remote", "r=s3://elsewhere/x")
	require.ErrorContains(t, err, "bucket elsewhere")
	_, err = b.run("import", "dvc", "m", "main", lock, "--remote", "r")
	require.ErrorContains(t, err, "want NAME=s3://BUCKET/PREFIX")
}

// table uploads a table of shared/delta's testdata; its data files are zeros of
// the size that the log tells.
func (b *bench) table(name string) {
	_, here, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(here), "../../../shared/delta/testdata", name)
	var expected struct {
		Versions []struct {
			Files map[string]struct{ Size int }
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "expected.json"))
	require.NoError(b.t, err)
	require.NoError(b.t, json.Unmarshal(text, &expected))
	uploaded := map[string]bool{}
	for _, v := range expected.Versions {
		for file, f := range v.Files {
			if uploaded[file] {
				continue
			}
			uploaded[file] = true
			b.upload("tables/"+name+"/"+file, string(bytes.Repeat([]byte{0}, f.Size)))
		}
	}
	require.NoError(b.t, filepath.WalkDir(filepath.Join(root, "_delta_log"), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		relative, _ := filepath.Rel(root, path)
		b.upload("tables/"+name+"/"+filepath.ToSlash(relative), string(body))
		return err
	}))
}

// TestDeltaTable: a version is pinned with its rows and partitions, also when the
// table has deleted the files since; a file that is gone for good is named.
func TestDeltaTable(t *testing.T) {
	b := newBench(t)
	b.table("partitioned")
	var made commitView
	b.get(&made, "pin", "delta", "m", "main", "s3://"+b.client.Lake+"/tables/partitioned", "--version", "1")
	require.Equal(t, []any{int64(80), made.Stats.Objects, "1"}, []any{made.Stats.Rows, made.Stats.Counted, made.Metadata["delta.version"]})
	entries, err := b.client.Dataset("m").Entries(t.Context(), "main", "tables/partitioned/day=a%20b/n=2/")
	require.NoError(t, err)
	require.NotEmpty(t, entries)
	require.Equal(t, map[string]string{"partition.day": "a b", "partition.n": "2"}, entries[0].Metadata)

	require.NoError(t, b.client.Objects.Delete(t.Context(), b.client.Lake, entries[0].Key, ""))
	var later commitView
	b.get(&later, "pin", "delta", "m", "later", "tables/partitioned/", "--version", "1")
	require.Equal(t, made.Tree, later.Tree, "behind a delete marker")
	b.get(&later, "pin", "delta", "m", "full", "tables/partitioned/", "--version", "1", "--log")
	require.Equal(t, made.Stats.Objects+2, later.Stats.Objects)

	for _, c := range []struct{ want, table, version string }{
		{"its latest version is", "tables/partitioned", "77"},
		{"it is no Delta table", "tables", "0"},
		{"its versions lie in the bucket elsewhere", "s3://elsewhere/t", "0"},
		{"want 0 or more", "tables/partitioned", "-3"},
	} {
		_, err := b.run("pin", "delta", "m", "bad", c.table, "--version", c.version)
		require.ErrorContains(t, err, c.want, c.table)
	}
	require.NoError(t, b.client.Objects.Delete(t.Context(), b.client.Lake, entries[0].Key, entries[0].VersionID))
	_, err = b.run("pin", "delta", "m", "bad", "tables/partitioned", "--version", "1")
	require.ErrorContains(t, err, entries[0].Key+" is gone, and the bucket has no version of it")
	b.upload(entries[0].Key, "other")
	_, err = b.run("pin", "delta", "m", "bad", "tables/partitioned", "--version", "1")
	require.ErrorContains(t, err, "by the log, and 5 in the bucket")
}

// TestDeletionVectors: entries count the rows that are left and say where the
// vector is.
func TestDeletionVectors(t *testing.T) {
	b := newBench(t)
	b.table("vectors")
	_, err := b.run("pin", "delta", "m", "main", "tables/vectors", "--version", "2")
	require.ErrorContains(t, err, "tables/vectors/deletion_vector_")
	require.ErrorContains(t, err, "is gone")
	_, _ = b.run("pin", "delta", "m", "main", "tables/vectors", "--version", "0")
	for _, name := range missing(t, b) {
		b.upload(name, "vector")
	}
	var made commitView
	b.get(&made, "pin", "delta", "m", "main", "tables/vectors", "--version", "2")
	require.EqualValues(t, 54, made.Stats.Rows)
	entries, err := b.client.Dataset("m").Entries(t.Context(), "main", "")
	require.NoError(t, err)
	require.Regexp(t, `^s3://`+b.client.Lake+`/tables/vectors/deletion_vector_[0-9a-f-]+\.bin\?versionId=.+#1\+\d+$`, entries[0].Metadata["delta.vector"])
	require.Equal(t, "2", entries[0].Metadata["delta.deleted"])
	require.Regexp(t, `^inline:`, entries[1].Metadata["delta.vector"])
	b.get(&made, "pin", "delta", "m", "full", "tables/vectors", "--version", "2", "--log")
	require.Equal(t, 3+2+3, made.Stats.Objects, "data, vectors and commits")
}

// missing are the vectors' files that a pin asks for, one after the other.
func missing(t *testing.T, b *bench) []string {
	var names []string
	for range 2 {
		_, err := b.run("pin", "delta", "m", "main", "tables/vectors", "--version", "2")
		if err == nil {
			break
		}
		_, after, _ := strings.Cut(err.Error(), ": tables/")
		name, _, ok := strings.Cut("tables/"+after, " is gone")
		require.True(t, ok, err)
		b.upload(name, "vector")
		names = append(names, name)
	}
	return names
}

// TestLakeFSRef: objects are pinned where they lie, at the version that has their
// checksum; those elsewhere are refused, or copied through the gateway.
func TestLakeFSRef(t *testing.T) {
	b := newBench(t)
	r := &lakefstest.Repository{Name: "census", Refs: map[string]string{"main": "c0ffee"}, PerPage: 2}
	add := func(path, key, body string) lakefstest.Object {
		info, err := b.client.Objects.Put(t.Context(), b.client.Lake, key, []byte(body))
		require.NoError(t, err)
		o := lakefstest.Object{Path: path, PhysicalAddress: "s3://" + b.client.Lake + "/" + key, Checksum: info.ETag, Size: int64(len(body)), Body: []byte(body)}
		r.Objects = append(r.Objects, o)
		return o
	}
	for n := range 5 {
		add(fmt.Sprintf("train/%d.csv", n), fmt.Sprintf("ns/data/x%d", n), fmt.Sprintf("row %d\n", n))
	}
	b.upload("ns/data/x3", "written over\n")
	require.NoError(t, b.client.Objects.Delete(t.Context(), b.client.Lake, "ns/data/x4", ""))
	url := lakefstest.New(t, r)
	t.Setenv("LAKECTL_CREDENTIALS_ACCESS_KEY_ID", lakefstest.AccessKey)
	t.Setenv("LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY", lakefstest.SecretKey)
	var made commitView
	b.get(&made, "import", "lakefs", "m", "main", "lakefs://census/main/train/", "--url", url)
	require.Equal(t, []any{5, int64(30), "c0ffee"}, []any{made.Stats.Objects, made.Stats.Bytes, made.Metadata["lakefs.commit"]})
	folder := t.TempDir()
	_, err := b.run("checkout", "m", "main", folder, "--prefix", "ns/data/")
	require.NoError(t, err)
	body, err := os.ReadFile(filepath.Join(folder, "x3"))
	require.NoError(t, err)
	require.Equal(t, "row 3\n", string(body))

	elsewhere := lakefstest.Object{Path: "train/far.csv", PhysicalAddress: "s3://elsewhere/data/y", Checksum: "0cc175b9c0f1b6a831c399e269772661", Size: 1, Body: []byte("a")}
	r.Objects = append(r.Objects, elsewhere)
	_, err = b.run("import", "lakefs", "m", "far", "lakefs://census/main", "--url", url)
	require.ErrorContains(t, err, "import lakefs://census/c0ffee/train/far.csv: it lies at s3://elsewhere/data/y")
	for range 2 { // the second takes the first's copy
		b.get(&made, "import", "lakefs", "m", "far", "lakefs://census/main", "--url", url, "--copy-to", "copies/")
		require.Equal(t, 6, made.Stats.Objects)
	}
	versions, err := b.client.Objects.ListVersions(t.Context(), b.client.Lake, "copies/")
	require.NoError(t, err)
	require.Len(t, versions, 1)

	r.Objects[0].Checksum = "ffff"
	b.upload("ns/data/x0", "row X\n")
	_, err = b.run("import", "lakefs", "m", "bad", "lakefs://census/main/train/0.csv", "--url", url)
	require.ErrorContains(t, err, "none of the 2 versions of ns/data/x0 has its 6 bytes and its checksum ffff for certain")
	for want, args := range map[string][]string{
		"no server: give --url":             {"lakefs://census/main", "--url", ""},
		"want lakefs://REPOSITORY/REF":      {"census/main", "--url", url},
		"has no objects there":              {"lakefs://census/main/none/", "--url", url},
		"lakeFS answers 404: ref not found": {"lakefs://census/v9", "--url", url},
	} {
		_, err := b.run(append([]string{"import", "lakefs", "m", "bad"}, args...)...)
		require.ErrorContains(t, err, want)
	}
}

// TestAddFolder: a folder goes to the lake and back, and only what changed is
// uploaded; the versions have the checksums that S3 verified.
func TestAddFolder(t *testing.T) {
	b, folder := newBench(t), t.TempDir()
	for name, text := range map[string]string{"a.csv": "one\n", "d/b.csv": "two\n", "d/empty": ""} {
		require.NoError(t, os.MkdirAll(filepath.Join(folder, filepath.Dir(name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	var done struct {
		Files, Added, Changed, Removed, Unchanged, Uploaded int
		Commit                                              *commitView
	}
	b.get(&done, "add", "m", "main", folder, "--dry-run")
	require.Equal(t, []any{3, 0, true}, []any{done.Added, done.Uploaded, done.Commit == nil})
	b.get(&done, "add", "m", "main", folder, "-m", "first")
	require.Equal(t, []int{3, 3, 3}, []int{done.Added, done.Uploaded, done.Commit.Stats.Objects})
	first := done.Commit.ID
	entries, err := b.client.Dataset("m").Entries(t.Context(), "main", "")
	require.NoError(t, err)
	require.Equal(t, "raw/m/a.csv", entries[0].Key)
	require.NotEmpty(t, entries[0].Checksum)
	b.get(&done, "add", "m", "main", folder)
	require.Equal(t, []any{3, 0, first}, []any{done.Unchanged, done.Uploaded, done.Commit.ID})
	require.NoError(t, os.WriteFile(filepath.Join(folder, "a.csv"), []byte("one and more\n"), 0o600))
	require.NoError(t, os.Remove(filepath.Join(folder, "d", "b.csv")))
	b.get(&done, "add", "m", "main", folder)
	require.Equal(t, []int{1, 1, 1}, []int{done.Changed, done.Removed, done.Unchanged})
	out := t.TempDir()
	_, err = b.run("checkout", "m", "main", out, "--prefix", "raw/m/")
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(out, "a.csv"))
	require.NoError(t, err)
	require.Equal(t, "one and more\n", string(text))
	_, err = b.run("add", "m", "main", folder, "--prefix", "x")
	require.ErrorContains(t, err, `want one that ends in "/"`)
	_, err = b.run("add", "m", "main", filepath.Join(folder, "none"))
	require.ErrorContains(t, err, "no such file")
}
