package dvc_test

import (
	"encoding/json"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/dvc"
	"github.com/sluice-ml/sluice/shared/fault"
)

func read(t testing.TB, name string) []byte {
	text, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return text
}

type stored struct {
	VersionID string `json:"version_id"`
	ETag      string `json:"etag"`
	Size      int64  `json:"size"`
}

func bucket(t testing.TB) map[string]stored {
	var all map[string]stored
	require.NoError(t, json.Unmarshal(read(t, "bucket.json"), &all))
	return all
}

func config(t testing.TB) dvc.Config {
	var c dvc.Config
	require.NoError(t, dvc.ParseConfig(&c, ".dvc/config", read(t, "config")))
	return c
}

// TestReadsWhatDVCWrites: every object version is where the bucket says it is.
// testdata is DVC's own: scripts/golden/dvc.py.
func TestReadsWhatDVCWrites(t *testing.T) {
	there, configuration := bucket(t), config(t)
	require.Equal(t, map[string]string{"lake": "s3://golden-dvc/remote"}, configuration.Remotes)
	for file, want := range map[string]struct {
		folder string
		pins   int
		md5    bool
	}{"imported.dvc": {".", 26, false}, "later.dvc": {".", 26, false}, "one.dvc": {"", 1, false}, "pushed.dvc": {"sub", 26, true},
		"single.csv.dvc": {".", 1, true}, "dvc.lock": {"", 2, true}} {
		targets, err := dvc.Parse(file, read(t, file))
		require.NoError(t, err, file)
		pins := 0
		for _, target := range targets {
			if target.Path == "metrics.json" {
				require.ErrorContains(t, target.Check(), "read dvc.lock:12: stages.copy.outs[0]: metrics.json has no version ids")
				continue
			}
			require.NoError(t, target.Check())
			objects, err := target.Locate(want.folder, configuration)
			require.NoError(t, err, file)
			for _, o := range objects {
				require.Equal(t, "golden-dvc", o.Bucket)
				require.Equal(t, there[o.Key], stored{o.VersionID, o.ETag, o.Size}, "%s: %s", file, o.Key)
				require.Equal(t, want.md5, o.MD5 != "")
				require.Positive(t, o.Line)
			}
			pins += len(objects)
		}
		require.Equal(t, want.pins, pins, file)
	}
	targets, err := dvc.Parse("unpushed.csv.dvc", read(t, "unpushed.csv.dvc"))
	require.NoError(t, err)
	require.ErrorContains(t, targets[0].Check(), "dvc push")
}

func entries(t testing.TB, prefix string) []dataset.Entry {
	var found []dataset.Entry
	for key, v := range bucket(t) {
		if strings.HasPrefix(key, prefix) {
			found = append(found, dataset.Entry{Key: key, VersionID: v.VersionID, ETag: v.ETag, Size: v.Size})
		}
	}
	slices.SortFunc(found, func(a, b dataset.Entry) int { return strings.Compare(a.Key, b.Key) })
	return found
}

func each(all []dataset.Entry) iter.Seq2[dataset.Entry, error] {
	return func(yield func(dataset.Entry, error) bool) {
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// TestWritesWhatDVCWrites: what an import would read of our file is what it reads
// of DVC's, and the stage's md5, which DVC compares, is DVC's.
func TestWritesWhatDVCWrites(t *testing.T) {
	for file, x := range map[string]dvc.Export{
		"later.dvc": {Bucket: "golden-dvc", Prefix: "source/", Out: "later", Desc: "a note: \"x\"\n"},
		"one.dvc":   {Bucket: "golden-dvc", Prefix: "source/größe.csv", Out: "one"},
	} {
		text, err := dvc.Format(x, each(entries(t, x.Prefix)))
		require.NoError(t, err)
		ours, err := dvc.Parse(file, text)
		require.NoError(t, err, string(text))
		theirs, err := dvc.Parse(file, read(t, file))
		require.NoError(t, err)
		require.Equal(t, blind(theirs), blind(ours))
		require.Equal(t, sum(read(t, file)), sum(text), "the stage's md5")
	}
}

func sum(text []byte) string {
	_, after, _ := strings.Cut(string(text), "md5: ")
	return strings.Trim(after[:strings.IndexByte(after, '\n')], `"`)
}

// blind takes line numbers out.
func blind(targets []dvc.Target) []dvc.Target {
	for i := range targets {
		targets[i].Line = 0
		for j := range targets[i].Pins {
			targets[i].Pins[j].Line = 0
		}
	}
	return targets
}

func TestRefusesToWrite(t *testing.T) {
	for want, c := range map[string]struct {
		x    dvc.Export
		keys []string
	}{
		"0 objects":                        {dvc.Export{Bucket: "b", Prefix: "p/", Out: "o"}, nil},
		"2 objects":                        {dvc.Export{Bucket: "b", Prefix: "p", Out: "o"}, []string{"p", "p2"}},
		`"x//y" cannot be a file's path`:   {dvc.Export{Bucket: "b", Prefix: "p/", Out: "o"}, []string{"p/x//y"}},
		`"../y" cannot be a file's path`:   {dvc.Export{Bucket: "b", Prefix: "p/", Out: "o"}, []string{"p/../y"}},
		`"q/x" cannot be a file's path`:    {dvc.Export{Bucket: "b", Prefix: "p/", Out: "o"}, []string{"q/x"}},
		`"a/b" cannot be the name of what`: {dvc.Export{Bucket: "b", Prefix: "p/", Out: "a/b"}, []string{"p/x"}},
		`"" cannot be the name of what`:    {dvc.Export{Bucket: "b", Prefix: "p/"}, []string{"p/x"}},
	} {
		var all []dataset.Entry
		for _, key := range c.keys {
			all = append(all, dataset.Entry{Key: key, VersionID: "v", ETag: "e", Size: 1})
		}
		_, err := dvc.Format(c.x, each(all))
		require.ErrorContains(t, err, want)
		require.Equal(t, fault.Invalid, fault.KindOf(err))
	}
}

const pinned = "outs:\n- path: d\n  hash: md5\n  files:\n  - relpath: a\n    cloud:\n      r:\n        version_id: v\n"

// TestRefusesBadFiles: each error names the line, the field, the value and what
// to do.
func TestRefusesBadFiles(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"d.dvc", "", "0 YAML documents"},
		{"d.dvc", "outs: [", "read d.dvc"},
		{"d.dvc", "- a\n", "read d.dvc:1: want a mapping, got Sequence"},
		{"d.dvc", "md5: x\n", "it has no outs"},
		{"d.dvc", "outs:\n- path: d\n  versions: v\n", `read d.dvc:3: outs[0]: unknown field "versions"`},
		{"d.dvc", "outs:\n- path: d\n  path: e\n", "path"},
		{"d.dvc", "outs:\n- hash: md5\n", "read d.dvc:2: outs[0]: it has no path"},
		{"d.dvc", "outs:\n- path: d\n  hash: blake3\n", `read d.dvc:3: outs[0].hash: unknown hash "blake3"`},
		{"d.dvc", "outs:\n- path: d\n  size: -1\n", "read d.dvc:3: outs[0].size: -1: want a number"},
		{"d.dvc", "outs:\n- path: d\n  size: many\n", "outs[0].size: want a number, got String"},
		{"d.dvc", "outs:\n- path: 12\n", "read d.dvc:2: outs[0].path: want text, got Integer"},
		{"d.dvc", "outs:\n- path: d\n  cache: 1\n", "outs[0].cache: want true or false"},
		{"d.dvc", "outs:\n- path: &a d\n- path: *a\n", "outs[0].path: want text, got Anchor"},
		{"d.dvc", "outs: d\n", "read d.dvc:1: outs: want a list"},
		{"d.dvc", strings.Replace(pinned, "version_id: v", "version_id: 'null'", 1), `read d.dvc:8: outs[0].files[0].cloud.r.version_id: the version id is "null"`},
		{"d.dvc", strings.Replace(pinned, "version_id: v", "version_id: ''", 1), "the version id is empty"},
		{"d.dvc", strings.Replace(pinned, "relpath: a", "relpath: ../a", 1), `relpath "../a": want a path below the folder`},
		{"d.dvc", pinned + "  - relpath: b\n", `read d.dvc:9: outs[0].files[1]: relpath "b" has no version_id`},
		{"d.dvc", pinned + "  - relpath: a\n    version_id: v\n", `relpath "a" comes twice`},
		{"d.dvc", pinned + "  - relpath: b\n    cloud: {s: {version_id: v}}\n", `its versions are of remote "s", and those before it of "r"`},
		{"d.dvc", "outs:\n- path: d\n  cloud: {a: {}, b: {}}\n", "it names 2 remotes"},
		{"d.dvc", "deps:\n- path: data\n  repo: {url: x, rev_lock: y}\nouts:\n- path: d\n", "another DVC repository"},
		{"d.dvc", "deps:\n- db: {query: x}\nouts:\n- path: d\n", "query of a database"},
		{"d.dvc", "outs:\n" + strings.Repeat("- ", 100) + "x\n", "nests more than 64 deep"},
		{"d.dvc", "\xff", "not UTF-8"},
		{"dvc.lock", "stages: {}\n", `want schema: "2.0"`},
		{"dvc.lock", "schema: '1.0'\n", `read dvc.lock:1: schema: schema "1.0": want "2.0"`},
		{"dvc.lock", "schema: '2.0'\nstages:\n  a:\n    cmd: x\n    out: []\n", `read dvc.lock:5: stages.a: unknown field "out"`},
		{"dvc.yaml", "stages: {}\n", "neither a .dvc file nor a dvc.lock"},
	} {
		_, err := dvc.Parse(c.name, []byte(c.text))
		require.ErrorContains(t, err, c.want, c.text)
		require.Equal(t, fault.Invalid, fault.KindOf(err))
	}
}

// TestRefusesBadPlaces: the versions must be of S3, in a remote that is known.
func TestRefusesBadPlaces(t *testing.T) {
	remotes := dvc.Config{Remotes: map[string]string{"r": "s3://b/p/", "gs": "gs://b", "disk": "/mnt/x", "loop": "remote://loop/x", "via": "remote://r/more"}}
	at := func(remote string) string { return strings.Replace(pinned, "r:", remote+":", 1) }
	for _, c := range []struct{ folder, text, want string }{
		{".", at("unknown"), "find the remote unknown: the configuration has only disk, gs, loop, r, via"},
		{".", at("gs"), "gs://b/d is on gs: want an object of S3"},
		{".", at("disk"), "/mnt/x/d is on a local path"},
		{".", at("loop"), "in a circle"},
		{".", strings.Replace(pinned, "path: d", "path: ../d", 1), "path ../d is outside the repository"},
		{".", strings.Replace(pinned, "path: d", "path: /d", 1), "path /d is outside the repository"},
		{".", strings.Replace(pinned, "path: d", "path: s3://b/d", 1), "want one of them"},
		{".", "deps:\n- path: https://x/y\n  version_id: v\nouts:\n- path: d\n", "on https"},
		{".", "deps:\n- path: s3://b\n  version_id: v\nouts:\n- path: d\n", "want s3://bucket/key"},
	} {
		targets, err := dvc.Parse("d.dvc", []byte(c.text))
		require.NoError(t, err)
		_, err = targets[0].Locate(c.folder, remotes)
		require.ErrorContains(t, err, c.want)
		require.Equal(t, fault.Invalid, fault.KindOf(err))
	}
	for text, want := range map[string]string{
		"wdir: ..\n" + at("r"): "p/d/a",
		at("via"):              "p/more/sub/d/a",
		"deps:\n- path: remote://r/x/\n  files: [{relpath: a, version_id: v}]\nouts:\n- path: d\n": "p/x/a",
		"deps:\n- path: s3://b\n  files: [{relpath: a, version_id: v}]\nouts:\n- path: d\n":        "a",
	} {
		targets, err := dvc.Parse("d.dvc", []byte(text))
		require.NoError(t, err)
		objects, err := targets[0].Locate("sub", remotes)
		require.NoError(t, err)
		require.Equal(t, []string{"b", want}, []string{objects[0].Bucket, objects[0].Key})
	}
}

func TestConfig(t *testing.T) {
	var c dvc.Config
	require.NoError(t, dvc.ParseConfig(&c, "config", []byte("# note\n[core]\n    remote = a\n['remote \"a\"']\nurl = s3://x/y # note\n[remote \"b\"]\n    url = 's3://q'\n")))
	require.NoError(t, dvc.ParseConfig(&c, "config.local", []byte("['remote \"a\"']\nurl = s3://z\n")))
	require.Equal(t, map[string]string{"a": "s3://z", "b": "s3://q"}, c.Remotes)
	require.ErrorContains(t, dvc.ParseConfig(&c, "config", []byte("[core]\nx\n")), "read config:2")
	require.ErrorContains(t, dvc.ParseConfig(&c, "config", []byte("[core\n")), "read config:1")
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"imported.dvc", "pushed.dvc", "one.dvc", "dvc.lock", "unpushed.csv.dvc"} {
		f.Add(name, read(f, name))
	}
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		targets, err := dvc.Parse(name, text)
		if err != nil {
			require.Equal(t, fault.Invalid, fault.KindOf(err))
			return
		}
		for _, target := range targets {
			if target.Check() != nil {
				continue
			}
			objects, err := target.Locate("sub", dvc.Config{Remotes: map[string]string{"lake": "s3://b/p"}})
			if err != nil {
				require.Equal(t, fault.Invalid, fault.KindOf(err))
				continue
			}
			for _, o := range objects {
				require.NotEmpty(t, o.Bucket)
				require.NotContains(t, []string{"", "null"}, o.VersionID)
			}
		}
	})
}

func FuzzParseConfig(f *testing.F) {
	f.Add(read(f, "config"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var c dvc.Config
		if err := dvc.ParseConfig(&c, "config", text); err != nil {
			require.Equal(t, fault.Invalid, fault.KindOf(err))
		}
	})
}

// FuzzFormat: what is written is read back.
func FuzzFormat(f *testing.F) {
	f.Add("p/", "a b.csv", "v1", "etag")
	f.Fuzz(func(t *testing.T, prefix, name, version, etag string) {
		e := dataset.Entry{Key: prefix + name, VersionID: version, ETag: etag, Size: 3}
		text, err := dvc.Format(dvc.Export{Bucket: "b", Prefix: prefix, Out: "o"}, each([]dataset.Entry{e}))
		if err != nil || version == "" || version == "null" || !strings.HasSuffix(prefix, "/") {
			return
		}
		if strings.ToValidUTF8(name+version+etag+prefix, "\ufffd") != name+version+etag+prefix || strings.HasPrefix(prefix, "/") {
			return
		}
		targets, err := dvc.Parse("o.dvc", text)
		require.NoError(t, err, "%s", text)
		objects, err := targets[0].Locate("", dvc.Config{})
		require.NoError(t, err)
		require.Equal(t, e, dataset.Entry{Key: objects[0].Key, VersionID: objects[0].VersionID, ETag: objects[0].ETag, Size: objects[0].Size})
	})
}
