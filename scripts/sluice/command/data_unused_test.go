package command

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNoFlagIsIgnoredWithoutAWord: what cannot be used is refused, or told.
func TestNoFlagIsIgnoredWithoutAWord(t *testing.T) {
	b, folder := newBench(t), t.TempDir()
	gone := b.upload("raw/m/a.csv", "1")
	b.commit("main")
	b.upload("raw/m/a.csv", "2")
	b.commit("main")
	file := filepath.Join(folder, "x.dvc")
	_, err := b.run("export", "dvc", "m", "main", file)
	require.NoError(t, err)
	_, err = b.run("branch", "create", "m", "made")
	require.NoError(t, err)
	require.NoError(t, b.client.Objects.Delete(t.Context(), b.client.Lake, "raw/m/a.csv", gone))
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{1, `the bucket does not take nonsense for a version of raw/m/a.csv (`, []string{"commit", "m", "main", "--object", "raw/m/a.csv@nonsense"}},
		{1, "version " + gone + " of raw/m/a.csv is gone, or was never there (", []string{"commit", "m", "main", "--object", "raw/m/a.csv@" + gone}},
		{1, "export raw/m/a.csv: its pinned version " + gone + " is gone", []string{"export", "dvc", "m", "main~1", filepath.Join(folder, "y.dvc")}},
		{1, "no file of these has what --stage train names", []string{"import", "dvc", "m", "main", file, "--stage", "train"}},
		{1, "no file of these has what --out none names", []string{"import", "dvc", "m", "main", file, "--out", "s3://" + b.client.Lake + "/raw/m/", "--out", "none"}},
		{1, "it exists already, and is not protected (protect it: sluice data branch protect m made", []string{"branch", "create", "m", "made", "--protected"}},
		{1, "it exists already, and has no time to live", []string{"branch", "create", "m", "made", "--ttl", "1h"}},
		{2, `--prefix "": want a prefix`, []string{"commit", "m", "main", "--prefix", ""}},
		{2, `--prefix "": want a prefix`, []string{"add", "m", "main", folder, "--prefix", ""}},
		{2, `--prefix "": want a prefix`, []string{"gc", "m", "--lake", "--prefix", ""}},
		{2, `--prefix "/raw/": no key of a dataset begins with "/"`, []string{"commit", "m", "main", "--prefix", "/raw/"}},
		{1, "neither the lake nor branch main has a key that begins so", []string{"commit", "m", "main", "--prefix", "raw/n/"}},
		{1, "neither the lake nor branch new has a key that begins so", []string{"commit", "m", "new", "--prefix", "raw/n/"}},
		{1, "open the dataset of v1: there is none", []string{"hold", "place", "v1", "m"}},
		{1, "resolve v2: no branch, tag or commit has that name", []string{"hold", "place", "m", "v2"}},
	} {
		code, text := b.fails(append([]string{"data"}, c.args...)...)
		require.Equal(t, c.code, code, "%v: %s", c.args, text)
		require.Contains(t, text, c.want, c.args)
		require.NotContains(t, text, "api error", "nothing of the SDK")
		require.NotContains(t, text, "RequestID")
	}
	require.NoFileExists(t, filepath.Join(folder, "y.dvc"))
	out, err := b.run("commit", "m", "main", "--base", "main~1")
	require.NoError(t, err)
	require.Contains(t, out+b.said.String(), "branch main exists and goes on from its head: --base main~1 is not used")
	out, err = b.run("gc", "m", "--runs=false", "--json")
	require.NoError(t, err)
	require.NotContains(t, out, "0001-01-01")
	out, err = b.run("help", "branch", "create")
	require.NoError(t, err)
	require.Contains(t, out, "data branch create MODEL BRANCH [REF]")
	_, err = b.run("branch", "--json")
	require.ErrorContains(t, err, "want a command of it")
	_, err = b.run("help", "nosuch")
	require.Error(t, err)
}

// TestHooksFiles: what a file says and means nothing is refused with its line.
func TestHooksFiles(t *testing.T) {
	b := newBench(t)
	file := filepath.Join(t.TempDir(), "hooks.yaml")
	const one = "hooks:\n  - {name: a, on: [pre-merge], gate: data_quality}\n"
	for text, want := range map[string]string{
		"":            "it sets no hook",
		"hooks:\n":    "it sets no hook",
		"hooks: []\n": "it sets no hook",
		"hook: []\n":  `[1:1] unknown field "hook"`,
		one + "  - {name: b, on: [pre-merge], gate: data_quality, timout: 3}\n":           `unknown field "timout"`,
		one + "  - {name: b, on: [premerge], gate: data_quality}\n":                       `hooks.yaml:3: hooks[1]: read hook b: on has "premerge"`,
		one + "  - {name: b, on: [pre-merge], gate: data_quality, branches: ['a b']}\n":   `hooks.yaml:3: hooks[1]: read hook b: branches has "a b", which no branch can match`,
		one + "  - {name: b, on: [pre-merge], gate: data_quality, branches: ['/main']}\n": "which no branch can match",
		one + "  - {name: a, on: [pre-merge], gate: data_quality}\n":                      "two are called a",
		"[]\n": "want hooks: and a list below it",
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		code, said := b.fails("data", "hooks", "set", "m", "--file", file)
		require.Equal(t, 1, code, text)
		require.Contains(t, said, want, text)
	}
	specs, err := b.client.Dataset("m").HookList(t.Context())
	require.NoError(t, err)
	require.Empty(t, specs)
	code, said := b.fails("data", "hooks", "set", "m", "--file", file, "--gate", "data_quality")
	require.Equal(t, 2, code)
	require.Contains(t, said, "--file and --gate")
	code, said = b.fails("data", "hooks", "set", "m", "q", "--gate", "data_quality", "--branch", "/x")
	require.Equal(t, 2, code)
	require.Contains(t, said, "which no branch can match")

	require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(one, "data_quality", "data_quality, branches: [main, 'release/*', '**-x', 'a/']")), 0o600))
	out, err := b.run("hooks", "set", "m", "--file", file)
	require.NoError(t, err)
	require.Contains(t, out+b.said.String(), "the hooks are set, and count from the first commit on")
}

// TestEndpointsAndJumps that cannot be are wrong command lines.
func TestEndpointsAndJumps(t *testing.T) {
	for want, args := range map[string][]string{
		`--endpoint "foo": want a URL`: {"--endpoint", "foo", "run", "list"},
		"0s":                           {"fault", "clock", "0s"},
	} {
		var out bytes.Buffer
		root := Root()
		root.SetOut(&out)
		root.SetErr(&out)
		require.Equal(t, 2, Run(t.Context(), root, args, &out), "%v: %s", args, out.String())
		require.Contains(t, out.String(), want)
	}
}

// TestTheHintNamesDatasetsOnly: what begins with "_" below datasets/ is the stack's
// own, and no model may be called so.
func TestTheHintNamesDatasetsOnly(t *testing.T) {
	b := newBench(t)
	b.upload("raw/m/a.csv", "1")
	b.commit("main")
	_, err := b.client.Objects.Put(t.Context(), b.client.Store, "datasets/_lake/collection.json", []byte("{}"))
	require.NoError(t, err)
	f := b.failsJSON("data", "log", "nosuch")
	require.Equal(t, "there are datasets of: m", f.Error.Hint)
	require.Equal(t, 2, b.failsJSON("data", "log", "_lake").Exit)
}
