package delta_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/delta"
	"github.com/sluice-ml/sluice/shared/fault"
)

// memory is a table's files.
type memory map[string][]byte

func (m memory) List(_ context.Context, folder string) ([]string, error) {
	var names []string
	for name := range m {
		if strings.HasPrefix(name, folder) {
			names = append(names, name)
		}
	}
	return names, nil
}

func (m memory) Read(_ context.Context, name string) ([]byte, error) {
	text, ok := m[name]
	if !ok {
		return nil, fault.New(fault.NotFound, "read "+name, "there is no such file")
	}
	return text, nil
}

func load(t testing.TB, table string) memory {
	m, root := memory{}, filepath.Join("testdata", table)
	require.NoError(t, filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path)
		m[filepath.ToSlash(name)] = text
		return err
	}))
	return m
}

type answer struct {
	Version int64 `json:"version"`
	Rows    int64 `json:"rows"`
	Files   map[string]struct {
		Size      int64          `json:"size"`
		Rows      int64          `json:"rows"`
		Partition map[string]any `json:"partition"`
	} `json:"files"`
}

func answers(t testing.TB, m memory) []answer {
	var expected struct{ Versions []answer }
	require.NoError(t, json.Unmarshal(m["expected.json"], &expected))
	require.NotEmpty(t, expected.Versions)
	return expected.Versions
}

var tables = []string{"plain", "partitioned", "cleaned", "multipart", "v2-json", "v2-parquet", "v2-classic", "vectors", "mapped"}

// TestReadsWhatDeltaRSReads: at every version the files, their sizes, rows and
// partition values are those that delta-rs reports. See scripts/golden/delta.py.
func TestReadsWhatDeltaRSReads(t *testing.T) {
	for _, table := range tables {
		m := load(t, table)
		for _, want := range answers(t, m) {
			got, err := delta.Read(t.Context(), m, table, want.Version)
			require.NoError(t, err, "%s %d", table, want.Version)
			require.Len(t, got.Files, len(want.Files), "%s %d", table, want.Version)
			for _, f := range got.Files {
				expected, ok := want.Files[f.Path]
				require.True(t, ok, "%s %d: %s", table, want.Version, f.Path)
				require.Equal(t, []int64{expected.Size, expected.Rows}, []int64{f.Size, f.Rows}, "%s %d: %s", table, want.Version, f.Path)
				for column, value := range expected.Partition {
					if value == nil || value == "" {
						require.NotContains(t, f.Partition, column)
						continue
					}
					require.Equal(t, fmt.Sprint(value), f.Partition[column])
				}
			}
			rows, known := got.Rows()
			require.True(t, known)
			require.Equal(t, want.Rows, rows, "%s %d", table, want.Version)
			require.NotEmpty(t, got.Log)
		}
	}
}

// TestNewest: the newest version is read without being named, from its
// checkpoint, and the log's files that it needs are told.
func TestNewest(t *testing.T) {
	got, err := delta.Read(t.Context(), load(t, "v2-json"), "v2-json", delta.Latest)
	require.NoError(t, err)
	require.EqualValues(t, 5, got.Version)
	require.Len(t, got.Log, 4, "%s", got.Log)
	require.Equal(t, "WRITE", got.Operation)
	require.EqualValues(t, 1700000000005, got.Time.UnixMilli())
	require.Equal(t, "3 v2Checkpoint,deletionVectors", got.Protocol.String())
	require.NotEmpty(t, got.TableID)
}

func TestDeletionVectorFiles(t *testing.T) {
	m := load(t, "vectors")
	got, err := delta.Read(t.Context(), m, "vectors", 2)
	require.NoError(t, err)
	var files []string
	for _, f := range got.Files {
		files = append(files, f.Vector.File())
		require.NotEmpty(t, f.Vector.ID())
	}
	require.Regexp(t, `^deletion_vector_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.bin$`, files[0])
	require.Equal(t, "", files[1], "inline")
	require.Regexp(t, `^ab/deletion_vector_`, files[2])
	// The protocol's own example.
	v := delta.DeletionVector{StorageType: "u", PathOrInlineDv: "ab^-aqEH.-t@S}K{vb[*k^"}
	require.Equal(t, "ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin", v.File())
}

// TestWhatIsMissing: gaps, cleaned logs and lost parts are named.
func TestWhatIsMissing(t *testing.T) {
	_, err := delta.Read(t.Context(), memory{}, "s3://b/t/", delta.Latest)
	require.ErrorContains(t, err, "read s3://b/t/: it has no _delta_log/ with commits")
	_, err = delta.Read(t.Context(), load(t, "plain"), "plain", 99)
	require.ErrorContains(t, err, "its latest version is ")
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	_, err = delta.Read(t.Context(), load(t, "cleaned"), "cleaned", 2)
	require.ErrorContains(t, err, "00000000000000000002.json is missing")
	require.ErrorContains(t, err, "it reaches back to version 4")

	m := load(t, "multipart")
	delete(m, "_delta_log/00000000000000000003.checkpoint.0000000002.0000000003.parquet")
	_, err = delta.Read(t.Context(), m, "multipart", 4)
	require.ErrorContains(t, err, "the multi-part checkpoint of version 3 (2 of 3 parts) is incomplete")

	m = load(t, "plain")
	delete(m, "_delta_log/00000000000000000011.json")
	_, err = delta.Read(t.Context(), m, "plain", 12)
	require.ErrorContains(t, err, "00000000000000000011.json is missing")
	_, err = delta.Read(t.Context(), m, "plain", 10)
	require.NoError(t, err, "before the gap")

	m = load(t, "v2-parquet")
	delete(m, "_delta_log/_sidecars/00000000-0000-0000-0000-000000000001.parquet")
	_, err = delta.Read(t.Context(), m, "v2-parquet", 4)
	require.ErrorContains(t, err, "its sidecar _delta_log/_sidecars/00000000-0000-0000-0000-000000000001.parquet is gone")
	require.Equal(t, fault.NotFound, fault.KindOf(err))
}

const head = `{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}` + "\n" +
	`{"metaData":{"id":"i","format":{"provider":"parquet"},"schemaString":"{}","partitionColumns":[],"configuration":{}}}` + "\n"

// TestRefusesDamagedLogs: each error names the file, the line, the field and the
// value.
func TestRefusesDamagedLogs(t *testing.T) {
	for text, want := range map[string]string{
		`{"add":{"path":"a","size":1`:                                                                              "read _delta_log/00000000000000000000.json:3: unexpected end of JSON input (the file is cut off",
		`{"add":{"path":"a","size":"x"}}` + "\n":                                                                   `add.size: want int64, got string`,
		`{"add":{"path":"a"}}` + "\n":                                                                              `00000000000000000000.json:3: add.size: want a number of bytes`,
		`{"add":{"path":"","size":1}}` + "\n":                                                                      `add.path: it is empty`,
		`{"add":{"path":"%zz","size":1}}` + "\n":                                                                   `add.path: invalid URL escape "%zz"`,
		`{"add":{"path":"../a","size":1}}` + "\n":                                                                  `add.path: "../a" is not a path below the table`,
		`{"add":{"path":"/etc/a","size":1}}` + "\n":                                                                `add.path: "/etc/a" is an absolute path that is not on S3 (a shallow clone?)`,
		`{"add":{"path":"abfss://c@a/x","size":1}}` + "\n":                                                         `is an absolute path that is not on S3`,
		`{"add":{"path":"a","size":1,"stats":"{"}}` + "\n":                                                         `add.stats: unexpected end`,
		`{"add":{"path":"a","size":1,"stats":"{\"numRecords\":-1}"}}` + "\n":                                       `add.stats.numRecords: -1`,
		`{"add":{"path":"a","size":1}}` + "\n" + `{"add":{"path":"a","size":1}}`:                                   `:4: add.path: a is added twice in one version`,
		`{"add":{"path":"a","size":1,"deletionVector":{"storageType":"x"}}}`:                                       `add.deletionVector.storageType: unknown type "x"`,
		`{"add":{"path":"a","size":1,"deletionVector":{"storageType":"u","pathOrInlineDv":"short"}}}`:              `want a UUID in base 85`,
		`{"add":{"path":"a","size":1,"deletionVector":{"storageType":"i","pathOrInlineDv":"x","cardinality":-1}}}`: `cardinality -1`,
		`{"add":{"path":"a","size":1,"stats":"{\"numRecords\":1}","deletionVector":{"storageType":"i","pathOrInlineDv":"x","cardinality":2}}}`: `add.deletionVector.cardinality: 2 of 1 rows are deleted`,
		`{"remove":{"path":""}}`:                                                  `remove.path: it is empty`,
		`{"sidecar":{"path":"x"}}`:                                                `an action of a checkpoint stands in a commit`,
		`{"metaData":{"id":"i","format":{"provider":"orc"}}}`:                     `metaData.format.provider: "orc": only parquet is known`,
		`{"protocol":{"minReaderVersion":4,"minWriterVersion":7}}`:                `protocol.minReaderVersion is 4: this reader knows 1 to 3`,
		`{"protocol":{"minReaderVersion":0,"minWriterVersion":7}}`:                `protocol.minReaderVersion is 0`,
		`{"protocol":{"minReaderVersion":3,"readerFeatures":["timeTravelPlus"]}}`: `protocol.readerFeatures has "timeTravelPlus", which is not known here (known are columnMapping`,
		`{"protocol":{"minReaderVersion":3,"readerFeatures":["catalogManaged"]}}`: `protocol.readerFeatures has "catalogManaged": a catalog holds its newest commits`,
	} {
		_, err := delta.Read(t.Context(), memory{"_delta_log/00000000000000000000.json": []byte(head + text)}, "t", 0)
		require.ErrorContains(t, err, want, text)
		require.Equal(t, fault.Invalid, fault.KindOf(err))
	}
	for text, want := range map[string]string{"": "no protocol action", `{"protocol":{"minReaderVersion":1}}`: "no metaData action"} {
		_, err := delta.Read(t.Context(), memory{"_delta_log/00000000000000000000.json": []byte(text)}, "t", 0)
		require.ErrorContains(t, err, want)
	}
}

// TestPaths: a log's paths are URIs; an absolute one on S3 stays one.
func TestPaths(t *testing.T) {
	for text, want := range map[string]string{"p=a%2520b/x%2Fy.parquet": "p=a%20b/x/y.parquet", "a+b.parquet": "a+b.parquet", "s3a://b/k%20x": "s3://b/k x"} {
		s, err := delta.Read(t.Context(), memory{"_delta_log/00000000000000000000.json": fmt.Appendf(nil, head+`{"add":{"path":%q,"size":1,"newField":{}}}`, text)}, "t", 0)
		require.NoError(t, err)
		require.Equal(t, want, s.Files[0].Path)
		require.Equal(t, strings.Contains(want, "://"), s.Files[0].Absolute())
		require.EqualValues(t, -1, s.Files[0].Rows)
		_, known := s.Rows()
		require.False(t, known)
	}
}

// TestRefusesDamagedCheckpoints: a cut or altered checkpoint is an error with its
// name, never a shorter list.
func TestRefusesDamagedCheckpoints(t *testing.T) {
	const name = "_delta_log/00000000000000000004.checkpoint.parquet"
	for i, damage := range []func([]byte) []byte{
		func(b []byte) []byte { return b[:len(b)/2] },
		func(b []byte) []byte { return nil },
		func(b []byte) []byte { return []byte("PAR1 nothing PAR1") },
	} {
		m := load(t, "cleaned")
		m[name] = damage(m[name])
		_, err := delta.Read(t.Context(), m, "cleaned", 4)
		require.ErrorContains(t, err, "read "+name, i)
		require.Equal(t, fault.Invalid, fault.KindOf(err))
	}
	m := load(t, "v2-json")
	m["_delta_log/00000000000000000006.checkpoint.parquet"] = m["_delta_log/_sidecars/00000000-0000-0000-0000-000000000001.parquet"]
	m["_delta_log/00000000000000000006.json"] = nil
	_, err := delta.Read(t.Context(), m, "t", 6)
	require.ErrorContains(t, err, "the checkpoint has no protocol or no metaData action")
	for from, to := range map[string]string{
		`"version": 4`:  `"version": 5`,
		`"sizeInBytes"`: `"sizeInBytes": 1, "was"`,
		`"path": "0000`: `"path": "elsewhere/0000`,
	} {
		m := load(t, "v2-json")
		file := "_delta_log/00000000000000000004.checkpoint.00000000-0000-0000-0000-000000000063.json"
		m[file] = []byte(strings.Replace(string(m[file]), from, to, 1))
		_, err := delta.Read(t.Context(), m, "v2-json", 4)
		require.Error(t, err, from)
		require.Equal(t, fault.Invalid, fault.KindOf(err))
	}
}

func FuzzCommit(f *testing.F) {
	for _, table := range []string{"vectors", "partitioned"} {
		f.Add(load(f, table)["_delta_log/00000000000000000000.json"])
	}
	f.Add([]byte(head + `{"add":{"path":"a","size":1}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := delta.Read(t.Context(), memory{"_delta_log/00000000000000000000.json": text}, "t", 0)
		if err != nil {
			require.Equal(t, fault.Invalid, fault.KindOf(err))
			return
		}
		for _, file := range s.Files {
			require.NotEmpty(t, file.Path)
			require.GreaterOrEqual(t, file.Size, int64(0))
			require.GreaterOrEqual(t, file.Rows, int64(-1))
		}
	})
}

func FuzzCheckpoint(f *testing.F) {
	f.Add(load(f, "cleaned")["_delta_log/00000000000000000004.checkpoint.parquet"])
	f.Add(load(f, "vectors")["_delta_log/00000000000000000003.checkpoint.parquet"])
	f.Add(load(f, "v2-classic")["_delta_log/00000000000000000004.checkpoint.parquet"])
	f.Fuzz(func(t *testing.T, body []byte) {
		m := memory{"_delta_log/00000000000000000004.checkpoint.parquet": body, "_delta_log/00000000000000000004.json": nil}
		if _, err := delta.Read(t.Context(), m, "t", 4); err != nil {
			require.Contains(t, []fault.Kind{fault.Invalid, fault.NotFound}, fault.KindOf(err), "%v", err)
		}
	})
}

func FuzzNames(f *testing.F) {
	f.Add("00000000000000000004.checkpoint.0000000001.0000000003.parquet", int64(4))
	f.Fuzz(func(t *testing.T, name string, version int64) {
		if _, err := delta.Read(t.Context(), memory{"_delta_log/" + name: nil}, "t", version); err == nil {
			t.Fatal("an empty file is no table")
		}
	})
}
