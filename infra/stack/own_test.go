package stack

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInFront(t *testing.T) {
	got, err := inFront("FROM python AS build\nENTRYPOINT [\"no\"]\nFROM python\nCOPY a /a\nENTRYPOINT [\"python\", \"/a <b>\"]\n", "evaluator", []string{"evaluator", "server"})
	require.NoError(t, err)
	require.Equal(t, "FROM python AS build\nENTRYPOINT [\"no\"]\nFROM python\nCOPY a /a\nENTRYPOINT [\"python\", \"/a <b>\"]\n# What follows was added by Sluice.\n"+
		"COPY sluice-evaluator /usr/local/bin/evaluator\nCOPY sluice-server /usr/local/bin/server\nENTRYPOINT [\"/usr/local/bin/evaluator\",\"python\",\"/a <b>\"]\n", got)
	for text, want := range map[string]string{
		"FROM a\nENTRYPOINT [\"x\"]\nFROM b":               "no ENTRYPOINT",
		"FROM a\nENTRYPOINT python x":                      "line 2: ENTRYPOINT python x: want a list",
		"FROM a\nENTRYPOINT []":                            "want a list",
		"FROM a\nENTRYPOINT [\"python\"]\nCMD [\"serve\"]": "line 3: CMD",
	} {
		_, err := inFront(text, "launcher", []string{"launcher"})
		require.ErrorContains(t, err, want)
	}
}

func TestContextsOfOwnImages(t *testing.T) {
	build, folder := t.TempDir(), t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(build, "bin"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(build, "bin", "launcher"), []byte("program"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "__pycache__"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "__pycache__", "x"), nil, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "Dockerfile"), []byte("FROM a\nENTRYPOINT [\"/t\"]\n"), 0o644))
	context := filepath.Join(build, "images", "m.trainer")
	for range 2 { // again over what is there
		require.NoError(t, layOut(build, context, folder, "launcher", []string{"launcher"}))
	}
	info, err := os.Stat(filepath.Join(context, "sluice-launcher"))
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&0o111)
	require.NoDirExists(t, filepath.Join(context, "__pycache__"))
	require.ErrorContains(t, layOut(build, context, folder, "evaluator", []string{"evaluator"}), "make build")
	require.NoError(t, os.WriteFile(filepath.Join(folder, "sluice-launcher"), nil, 0o644))
	require.ErrorContains(t, layOut(build, context, folder, "launcher", []string{"launcher"}), "that name is Sluice's")
}

func TestOwnImagesThatCannotBe(t *testing.T) {
	good := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(good, "Dockerfile"), []byte("FROM a\nENTRYPOINT [\"/t\"]\n"), 0o644))
	settings := func(backend string, images OwnImages) Settings {
		return Settings{Models: map[string]Brake{"m": {Backend: backend, Images: &images}}}
	}
	require.NoError(t, settings("", OwnImages{good, good}).checkOwn())
	require.ErrorContains(t, settings(backendECS, OwnImages{good, good}).checkOwn(), "use sagemaker")
	require.ErrorContains(t, settings("", OwnImages{good, "123.dkr.ecr/x:1"}).checkOwn(), "want a folder with a Dockerfile")
	require.ErrorContains(t, settings("", OwnImages{"", good}).checkOwn(), "images.trainer")
	many := settings("", OwnImages{good, good})
	for _, name := range []string{"a", "b", "c", "d"} {
		many.Models[name] = many.Models["m"]
	}
	require.ErrorContains(t, many.checkOwn(), "at most 4")
}
