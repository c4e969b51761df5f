package image_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/image"
)

// context makes a context folder: a Dockerfile and executable files.
func context(t *testing.T, dockerfile string, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644))
	return dir
}

const trainer = `# syntax=docker/dockerfile:1
ARG BASE=gcr.io/distroless/cc
FROM --platform=$TARGETPLATFORM python:3.12 AS xgboost
RUN pip install \
    xgboost-cpu

FROM ${BASE}:nonroot
ARG VERSION=3
LABEL org.opencontainers.image.title="the trainer" version=$VERSION
COPY --from=xgboost /usr/lib/libxgboost.so /usr/lib/
ENV LD_LIBRARY_PATH=/usr/lib \
    # a comment between
    GREETING='hello $HOME' PLAIN=${MISSING:-fallback}
ENV OLD form of it
WORKDIR /work
COPY --chmod=755 trainer /usr/local/bin/trainer
EXPOSE 8080/tcp
USER nonroot
ENTRYPOINT ["/usr/local/bin/trainer"]
CMD ["train", "--verbose"]
`

func TestResolve(t *testing.T) {
	dir := context(t, trainer, "trainer")
	im, err := image.Resolve(dir)
	require.NoError(t, err)
	require.Equal(t, []string{"LD_LIBRARY_PATH=/usr/lib", "GREETING=hello $HOME", "PLAIN=fallback", "OLD=form of it"}, im.Env)
	require.Equal(t, "the trainer", im.Labels["org.opencontainers.image.title"])
	require.Equal(t, "3", im.Labels["version"])
	require.Equal(t, []string{"8080/tcp"}, im.Ports)
	require.Equal(t, "nonroot", im.User)
	require.Equal(t, "/work", im.WorkDir)

	program, args, err := im.Program(nil)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "trainer"), program)
	require.Equal(t, []string{"train", "--verbose"}, args)

	_, args, err = im.Program([]string{"evaluate"})
	require.NoError(t, err)
	require.Equal(t, []string{"evaluate"}, args)
	_, args, err = im.Program([]string{})
	require.NoError(t, err)
	require.Empty(t, args)
}

func TestHowAProgramIsFound(t *testing.T) {
	for name, c := range map[string]struct{ dockerfile, want string }{
		"into a folder":        {"FROM x\nCOPY bin/p q /opt/\nENTRYPOINT [\"/opt/p\"]", "bin/p"},
		"a folder's content":   {"FROM x\nCOPY bin /opt/bin\nENTRYPOINT [\"/opt/bin/p\"]", "bin/p"},
		"the whole context":    {"FROM x\nWORKDIR /app\nCOPY . .\nENTRYPOINT [\"bin/p\"]", "bin/p"},
		"a folder of the base": {"FROM x\nCOPY bin/p /usr/local/bin\nENTRYPOINT [\"/usr/local/bin/p\"]", "bin/p"},
		"by PATH":              {"FROM x\nENV PATH=/opt:/usr/bin\nCOPY q /opt/q\nENTRYPOINT [\"q\"]", "q"},
		"by the usual PATH":    {"FROM x\nCOPY q /usr/local/bin/\nCMD [\"q\", \"a\"]", "q"},
		"list form of COPY":    {"FROM x\nCOPY --chown=1:1 [\"q\", \"/opt/q\"]\nENTRYPOINT [\"/opt/q\"]", "q"},
		"a pattern":            {"FROM x\nCOPY bin/* /opt/\nENTRYPOINT [\"/opt/p\"]", "bin/p"},
		"the last COPY wins":   {"FROM x\nCOPY q /p\nCOPY bin/p /p\nENTRYPOINT [\"/p\"]", "bin/p"},
		"through a base stage": {"FROM x AS base\nENV A=1\nCOPY q /q\nFROM base\nENTRYPOINT [\"/q\"]", "q"},
		"by architecture":      {"FROM x\nARG TARGETARCH\nCOPY p-${TARGETARCH} /p\nENTRYPOINT [\"/p\"]", "p-" + runtime.GOARCH},
	} {
		t.Run(name, func(t *testing.T) {
			dir := context(t, c.dockerfile, "bin/p", "q", "p-"+runtime.GOARCH)
			im, err := image.Resolve(dir)
			require.NoError(t, err)
			program, _, err := im.Program(nil)
			require.NoError(t, err)
			require.Equal(t, filepath.Join(dir, c.want), program)
		})
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	for name, c := range map[string]struct {
		dockerfile string
		line, want string
	}{
		"empty":                  {"", "1", "no FROM"},
		"RUN in the final stage": {"FROM x\nRUN apt-get update", "2", "RUN in the final stage"},
		"RUN in a base stage":    {"FROM x AS b\nRUN make\nFROM b\nCMD [\"/p\"]", "2", "RUN in the final stage"},
		"ADD":                    {"FROM x\n\nADD a b", "3", "ADD in the final stage"},
		"shell form":             {"FROM x\nCOPY p /p\nENTRYPOINT /p serve", "3", "shell form"},
		"bad list":               {"FROM x\nCMD [\"a\", ]", "2", "shell form"},
		"no program":             {"FROM x\nCOPY p /p", "1", "names no program"},
		"not copied":             {"FROM x\nCOPY p /p\nENTRYPOINT [\"/other\"]", "3", "/other: no COPY"},
		"from elsewhere":         {"FROM x\nCOPY --from=build /p /p\nENTRYPOINT [\"/p\"]", "3", "--from=build at line 2"},
		"hidden by elsewhere":    {"FROM x\nCOPY p /p\nCOPY --from=build /p /p\nENTRYPOINT [\"/p\"]", "4", "--from=build at line 3"},
		"missing source":         {"FROM x\nCOPY nothing /p\nENTRYPOINT [\"/p\"]", "2", "no such file"},
		"no match":               {"FROM x\nCOPY n* /p\nENTRYPOINT [\"/p\"]", "2", "nothing in the context"},
		"outside":                {"FROM x\nCOPY ../p /p\nENTRYPOINT [\"/p\"]", "2", "outside the context"},
		"unknown":                {"FROM x\nFORM y", "2", `"FORM" is not`},
		"bare":                   {"FROM x\nCOPY", "2", "COPY has no arguments"},
		"one argument":           {"FROM x\nCOPY p", "2", "want COPY source"},
		"unknown flag":           {"FROM x\nCOPY --parents p /p", "2", "--parents"},
		"open quote":             {"FROM x\nENV A=\"b", "2", "never closed"},
		"open brace":             {"FROM x\nENV A=${B", "2", "never closed"},
		"odd expansion":          {"FROM x\nENV A=${B%x}", "2", "${name:-default}"},
		"early":                  {"COPY a b\nFROM x", "1", "before the first FROM"},
		"empty base":             {"ARG B\nFROM $B", "2", "empty after its ARGs"},
		"odd FROM":               {"FROM a b c", "1", "want FROM image"},
		"here-document":          {"FROM x\nCOPY <<EOF /p", "2", "here-document"},
		"escape":                 {"# escape=`\nFROM x", "1", "backslash"},
		"continued":              {"FROM x\nENV A=1 \\\n  B=2\nHEALTHCHECK NONE", "4", "HEALTHCHECK"},
		"not executable":         {"FROM x\nCOPY Dockerfile /p\nENTRYPOINT [\"/p\"]", "3", "not an executable"},
		"not on PATH":            {"FROM x\nCOPY p /p\nENTRYPOINT [\"p\"]", "3", "full path"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := image.Resolve(context(t, c.dockerfile, "p"))
			require.ErrorContains(t, err, "Dockerfile:"+c.line+": ")
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestPythonIsThisMachines(t *testing.T) {
	python := filepath.Join(t.TempDir(), "python")
	require.NoError(t, os.WriteFile(python, []byte("#!/bin/sh\n"), 0o755))
	t.Setenv(image.EnvPython, python)
	for name, c := range map[string]struct {
		dockerfile string
		want       []string // in the context, but for the interpreter
	}{
		"a script":          {"FROM python\nCOPY train.py /opt/\nENTRYPOINT [\"python\", \"/opt/train.py\"]", []string{python, "train.py"}},
		"with options":      {"FROM python\nCOPY . /opt\nENTRYPOINT [\"python3\", \"-u\", \"/opt/train.py\"]", []string{python, "-u", "train.py"}},
		"in the folder":     {"FROM python\nWORKDIR /opt\nCOPY train.py .\nENTRYPOINT [\"python\", \"train.py\"]", []string{python, "train.py"}},
		"a virtual one":     {"FROM python AS v\nRUN pip\nFROM python\nCOPY --from=v /venv /venv\nCOPY train.py /\nENTRYPOINT [\"/venv/bin/python\", \"/train.py\"]", []string{python, "train.py"}},
		"behind a program":  {"FROM python\nCOPY p train.py /opt/\nENTRYPOINT [\"/opt/p\", \"python\", \"/opt/train.py\"]", []string{"p", python, "train.py"}},
		"a word of its own": {"FROM python\nCOPY train.py /opt/\nENTRYPOINT [\"python\", \"/opt/train.py\", \"--fast\"]", []string{python, "train.py", "--fast"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := context(t, c.dockerfile, "train.py", "p")
			im, err := image.Resolve(dir)
			require.NoError(t, err)
			program, args, err := im.Program([]string{"train"})
			require.NoError(t, err)
			want := append([]string{}, c.want...)
			for i, word := range want {
				if word == "train.py" || word == "p" {
					want[i] = filepath.Join(dir, word)
				}
			}
			require.Equal(t, append(want, "train"), append([]string{program}, args...))
		})
	}
	for name, c := range map[string][2]string{
		"a module":   {"FROM python\nENTRYPOINT [\"python\", \"-m\", \"server\"]", "python -m"},
		"not copied": {"FROM python\nENTRYPOINT [\"python\", \"/opt/train.py\"]", "/opt/train.py: no COPY"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := image.Resolve(context(t, c[0]))
			require.ErrorContains(t, err, "Dockerfile:2: ")
			require.ErrorContains(t, err, c[1])
		})
	}
	t.Setenv(image.EnvPython, "/nowhere/python")
	_, err := image.Resolve(context(t, "FROM python\nCOPY train.py /\nENTRYPOINT [\"python\", \"/train.py\"]", "train.py"))
	require.ErrorContains(t, err, "SLUICE_PYTHON")
}

func TestALinkOutOfTheContextIsRefused(t *testing.T) {
	dir := context(t, "FROM x\nCOPY p /p\nENTRYPOINT [\"/p\"]")
	require.NoError(t, os.Symlink("/bin/sh", filepath.Join(dir, "p")))
	_, err := image.Resolve(dir)
	require.ErrorContains(t, err, "outside the context folder")
}

func TestNoDockerfile(t *testing.T) {
	_, err := image.Resolve(t.TempDir())
	require.ErrorContains(t, err, "Dockerfile")
}

func FuzzParse(f *testing.F) {
	f.Add(trainer)
	f.Add("FROM a AS b\nFROM b\nCOPY [\"x\",\"y\"]\nCMD [\"z\"]")
	f.Add("FROM ${A:-x}\nENV a=\"${b:+c}\\\" d\nCOPY --from=1 . ./")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := image.Parse("Dockerfile", []byte(text))
		if err == nil {
			_, err = d.Image("testdata")
		}
		if err != nil && !strings.HasPrefix(err.Error(), "Dockerfile:") {
			t.Errorf("the error names no line: %v", err)
		}
	})
}
