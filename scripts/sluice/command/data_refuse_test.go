package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/dataset"
)

// failsJSON is fails with --json, read.
func (b *bench) failsJSON(args ...string) failure {
	b.t.Helper()
	code, text := b.fails(append([]string{"--json"}, args...)...)
	var f failure
	require.NoError(b.t, json.Unmarshal([]byte(text), &f), text)
	require.Equal(b.t, code, f.Exit)
	return f
}

// TestOneTableOfExitCodes: what cannot be right whatever the deployment holds is 2,
// and what is not there or refused is 1, for every kind of name.
func TestOneTableOfExitCodes(t *testing.T) {
	b := newBench(t)
	b.upload("raw/m/a.csv", "1")
	b.commit("main")
	list := filepath.Join(t.TempDir(), "list.jsonl")
	require.NoError(t, os.WriteFile(list, []byte("{\"key\":\"raw/m/a.csv\",\"version_id\":\"01ARZ3NDEKTSV4RRFFQ69G5FAV\"}\n"), 0o600))
	for _, c := range []struct {
		code int
		kind string
		want string
		args []string
	}{
		{2, "Usage", "bad/model", []string{"log", "bad/model"}},
		{2, "Usage", `name a branch: "bad name"`, []string{"branch", "create", "m", "bad name"}},
		{2, "Usage", `name a branch: "bad name"`, []string{"commit", "m", "bad name"}},
		{2, "Usage", `name a tag: "a b"`, []string{"tag", "create", "m", "a b"}},
		{2, "Usage", `name a ref: "a b"`, []string{"show", "m", "a b"}},
		{2, "Usage", `"x" after '~'`, []string{"diff", "m", "main", "main~x"}},
		{2, "Usage", `--base: name a ref: "a b"`, []string{"commit", "m", "x", "--base", "a b"}},
		{2, "Usage", `--pin: name a ref: "a b"`, []string{"gc", "m", "--pin", "a b"}},
		{2, "Usage", "-n -5: want 0 or more", []string{"log", "m", "-n", "-5"}},
		{2, "Usage", "-n -1: want 0 or more", []string{"ls", "m", "-n", "-1"}},
		{2, "Usage", "--grace 1m0s: want at least 1h0m0s", []string{"gc", "m", "--grace", "1m"}},
		{2, "Usage", "days such as 90d", []string{"tier", "m", "--to", "GLACIER_IR", "--older-than", "90x"}},
		{2, "Usage", "want STANDARD_IA or GLACIER_IR", []string{"tier", "m", "--to", "X"}},
		{2, "Usage", `"/abs/file" begins or ends with "/"`, []string{"add", "m", "main", t.TempDir(), "--prefix", "/abs/"}},
		{2, "Usage", `has the part ".."`, []string{"add", "m", "main", t.TempDir(), "--prefix", "raw/../"}},
		{2, "Usage", "want --lambda FUNCTION or --gate GATE, just one of them; the gates are: data_quality", []string{"hooks", "set", "m", "h"}},
		{2, "Usage", "there is no such gate; the gates are: data_quality", []string{"hooks", "set", "m", "h", "--gate", "taste"}},
		{1, "NotFound", "no branch, tag or commit has that name", []string{"log", "m", "nosuch"}},
		{1, "NotFound", "start at --base nosuch: resolve nosuch", []string{"add", "m", "main", t.TempDir(), "--base", "nosuch"}},
		{1, "NotFound", "start at --base nosuch: resolve nosuch", []string{"commit", "m", "main", "--base", "nosuch"}},
		{1, "NotFound", "remove raw/m/none: main holds no such key", []string{"commit", "m", "main", "--remove", "raw/m/none"}},
		{1, "NotFound", `no key of main begins with "nope"`, []string{"ls", "m", "--prefix", "nope"}},
		{1, "NotFound", `no key of main begins with "nope"`, []string{"show", "m", "--prefix", "nope"}},
		{1, "NotFound", `no key of main or main begins with "nope"`, []string{"diff", "m", "main", "main", "--prefix", "nope"}},
		{1, "NotFound", `no key of main or main begins with "nope"`, []string{"restore", "m", "main", "main", "--prefix", "nope"}},
		{2, "Usage", "is a file: name the folder that holds it", []string{"add", "m", "main", list}},
		{1, "NotFound", "remove raw/m/none: main holds no such key", []string{"commit", "m", "new", "--base", "main", "--remove", "raw/m/none"}},
		{1, "NotFound", "open the dataset of nosuch: there is none", []string{"gc", "nosuch", "--runs=false"}},
		{1, "NotFound", "open the dataset of nosuch: there is none", []string{"cost", "nosuch", "--runs=false"}},
		{1, "NotFound", "open the dataset of nosuch: there is none", []string{"tier", "nosuch", "--to", "GLACIER_IR"}},
		{1, "NotFound", "open the dataset of nosuch: there is none", []string{"log", "nosuch"}},
		{1, "NotFound", "open the dataset of nosuch: there is none", []string{"branch", "list", "nosuch"}},
		{1, "NotFound", "open the dataset of nosuch: there is none", []string{"merge", "nosuch", "a", "b"}},
		{1, "NotFound", list + ":1: version 01ARZ3NDEKTSV4RRFFQ69G5FAV of raw/m/a.csv is gone", []string{"commit", "m", "main", "--list", list}},
		{1, "NotFound", "too short for a commit's id", []string{"show", "m", "abc"}},
	} {
		f := b.failsJSON(append([]string{"data"}, c.args...)...)
		require.Equal(t, []any{c.code, c.kind}, []any{f.Exit, f.Error.Kind}, "%v: %s", c.args, f.Error.Message)
		require.Contains(t, f.Error.Message+" "+f.Error.Hint, c.want, "%v", c.args)
		if f.Error.Hint != "" {
			require.NotContains(t, f.Error.Message, f.Error.Hint, "it is told once")
		}
	}
	require.Contains(t, b.failsJSON("data", "log", "nosuch").Error.Hint, "there are datasets of: m")
	require.Contains(t, newBench(t).failsJSON("data", "log", "nosuch").Error.Hint, "no model has a dataset yet")

	// --json counts wherever it stands, also where reading the flags ended before.
	code, text := b.fails("data", "log", "--bogus", "--json")
	require.Equal(t, 2, code)
	require.Contains(t, text, `{"error":{"kind":"Usage","message":"unknown flag: --bogus`)
	code, text = b.fails("data", "log", "--bogus", "--", "--json")
	require.Equal(t, 2, code)
	require.NotContains(t, text, "{")
	for id := range 2 {
		short := b.commit("main").ID[:4]
		out, err := b.run("show", "m", []string{short, strings.ToUpper(short)}[id])
		require.NoError(t, err, out)
	}
}

// TestNothingToCommit: it is said, it is no error, and a script can tell.
func TestNothingToCommit(t *testing.T) {
	b, folder := newBench(t), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "a.csv"), []byte("1"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "_SUCCESS"), nil, 0o600))
	for _, args := range [][]string{{"add", "m", "main", folder}, {"commit", "m", "main"}, {"commit", "m", "main", "--object", "raw/m/_SUCCESS"},
		{"restore", "m", "main", "main"}, {"compact", "m", "main"}} {
		var v struct{ Moved bool }
		b.get(&v, args...)
		require.Equal(t, args[0] == "add", v.Moved, "%v: only the first made a commit", args)
		out, err := b.run(args...)
		require.NoError(t, err)
		require.Contains(t, out, "nothing to com", "%v", args)
	}
	out, err := b.run("compact", "m", "main", "--dry-run")
	require.NoError(t, err)
	require.Equal(t, "nothing to compact: branch main has no segments\n", out)
	var plan dataset.Compaction
	b.get(&plan, "compact", "m", "main", "--dry-run")
	require.Equal(t, 2, plan.Objects)
}

// TestCompactCommand takes segments into the tree as it planned to, and changes
// nothing.
func TestCompactCommand(t *testing.T) {
	b := newBench(t)
	var changes dataset.Changes
	for n := range 3000 {
		changes.Puts = append(changes.Puts, dataset.Entry{Key: fmt.Sprintf("raw/m/%05d", n), VersionID: "v1", Size: 1})
	}
	q := dataset.Request{Branch: "main", Changes: changes, Time: time.Now()}
	_, err := b.client.Dataset("m").Commit(t.Context(), q)
	require.NoError(t, err)
	q.Changes = dataset.Changes{Puts: []dataset.Entry{{Key: "raw/m/00007", VersionID: "v2", Size: 1}, {Key: "raw/m/02900", VersionID: "v2", Size: 1}}}
	made, err := b.client.Dataset("m").Commit(t.Context(), q)
	require.NoError(t, err)
	require.Len(t, made.Segments, 1)
	out, err := b.run("compact", "m", "main", "--dry-run")
	require.NoError(t, err)
	require.Contains(t, out, "segments     1, of 2 changes, over a dataset of 3000 objects\n")
	var plan dataset.Compaction
	b.get(&plan, "compact", "m", "main", "--dry-run")
	var v madeView
	b.get(&v, "compact", "m", "main", "-m", "tidy")
	require.True(t, v.Moved)
	require.Equal(t, []any{plan.Tree, "tidy", 3000, 0}, []any{v.Tree, v.Message, v.Stats.Objects, v.Stats.Changed})
	var stats struct{ Changed int }
	b.get(&stats, "diff", "m", "main~1", "main", "--summary")
	require.Zero(t, stats.Changed)
}

// TestOddKeysInTables: a control character reaches no terminal, and --json has the
// key as it is.
func TestOddKeysInTables(t *testing.T) {
	b := newBench(t)
	odd := "raw/m/\x1b[31mred\tb.csv"
	_, err := b.client.Dataset("m").Commit(t.Context(), dataset.Request{Branch: "main", Time: time.Now(), Message: "one\ntwo\x07", Author: "me",
		Changes: dataset.Changes{Puts: []dataset.Entry{{Key: odd, VersionID: "v1", Size: 1}, {Key: "raw/m/é b.csv", VersionID: "v1", Size: 1}}}})
	require.NoError(t, err)
	_, err = b.client.Dataset("m").Commit(t.Context(), dataset.Request{Branch: "main", Time: time.Now(), Changes: dataset.Changes{Deletes: []string{odd}}})
	require.NoError(t, err)
	for _, args := range [][]string{{"show", "m", "main~1"}, {"ls", "m", "main~1", "--prefix", "raw/m/"}, {"diff", "m", "main~1", "main"}, {"log", "m"}} {
		out, err := b.run(args...)
		require.NoError(t, err)
		require.NotContains(t, out, "\x1b")
		require.NotContains(t, out, "\x07")
		want := `"raw/m/\x1b[31mred\tb.csv"`
		if args[0] == "log" {
			want = `"one\ntwo\a"`
		}
		require.Contains(t, out, want, args)
	}
	var v struct{ Entries []dataset.Entry }
	b.get(&v, "show", "m", "main~1")
	require.Equal(t, odd, v.Entries[0].Key)
	_, text := b.fails("data", "checkout", "m", "main~1", t.TempDir(), "--prefix", "raw/m/\x1b")
	require.NotContains(t, text, "\x1b")
	require.Contains(t, text, `\x1b[31mred`)

	for text, want := range map[string]string{"plain é.csv": "plain é.csv", "a\tb": `"a\tb"`, `a"b`: `"a\"b"`, "a\\b": `"a\\b"`, "\xff": `"\xff"`, "a\u202eb": `"a\u202eb"`, "": ""} {
		require.Equal(t, want, shown(text))
	}
	require.Equal(t, "a\nb\t\\x1b", harmless("a\nb\t\x1b"))
}

// TestRestoreLooksFirst at the real bucket.
func TestRestoreLooksFirst(t *testing.T) {
	b := newBench(t)
	gone := b.upload("raw/m/a.csv", "1")
	b.upload("raw/m/b.csv", "1")
	b.commit("main")
	b.upload("raw/m/a.csv", "2")
	head := b.commit("main")
	require.NoError(t, b.client.Objects.Delete(t.Context(), b.client.Lake, "raw/m/a.csv", gone))
	for _, args := range [][]string{{"restore", "m", "main", "main~1"}, {"revert", "m", "main", "main"}} {
		f := b.failsJSON(append([]string{"data"}, args...)...)
		require.Equal(t, "NotFound", f.Error.Kind)
		require.Contains(t, f.Error.Message, "raw/m/a.csv at version "+gone)
		require.Contains(t, f.Error.Hint, "--despite-gone")
		require.Len(t, f.Error.Gone, 1)
		require.Equal(t, head.ID, b.commit("main").ID, "nothing moved")
	}
	var v madeView
	b.get(&v, "restore", "m", "main", "main~1", "--despite-gone")
	require.True(t, v.Moved)
}

// functions is Lambda with one function, or none that may be asked.
type functions struct{ denied bool }

func (f functions) Invoke(_ context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	status := func(code int, name string) error {
		return &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: code}},
			Err: &smithy.GenericAPIError{Code: name, Message: "no"}}}
	}
	switch {
	case in.InvocationType != types.InvocationTypeDryRun:
		return nil, errors.New("it must not be run")
	case f.denied:
		return nil, status(http.StatusForbidden, "AccessDeniedException")
	case *in.FunctionName != "sluice-staging-hook-owners":
		return nil, status(http.StatusNotFound, "ResourceNotFoundException")
	}
	return &lambda.InvokeOutput{StatusCode: http.StatusNoContent}, nil
}

func (f functions) ListFunctions(context.Context, *lambda.ListFunctionsInput, ...func(*lambda.Options)) (*lambda.ListFunctionsOutput, error) {
	return &lambda.ListFunctionsOutput{Functions: []types.FunctionConfiguration{{FunctionName: aws.String("sluice-staging-ingest")}, {FunctionName: aws.String("sluice-staging-hook-owners")}}}, nil
}

// TestHooksThatAreNotThere: a hook that would refuse every commit is not set, and
// what there is instead is named.
func TestHooksThatAreNotThere(t *testing.T) {
	b := newBench(t)
	b.client.Hooks = functions{}
	f := b.failsJSON("data", "hooks", "set", "m", "owners", "--lambda", "sluice-staging-hook-onwers")
	require.Equal(t, []any{1, "NotFound"}, []any{f.Exit, f.Error.Kind})
	require.Contains(t, f.Error.Message, "set hook owners: there is no function sluice-staging-hook-onwers")
	require.Contains(t, f.Error.Hint, "name one of: sluice-staging-hook-owners")
	file := filepath.Join(t.TempDir(), "hooks.yaml")
	require.NoError(t, os.WriteFile(file, []byte("hooks:\n  - {name: a, on: [pre-merge], gate: taste}\n"), 0o600))
	f = b.failsJSON("data", "hooks", "set", "m", "--file", file)
	require.Equal(t, []any{1, "Invalid", `set hook a: there is no gate "taste"`, "the gates are: data_quality"}, []any{f.Exit, f.Error.Kind, f.Error.Message, f.Error.Hint})
	hooks, err := b.client.Dataset("m").HookList(t.Context())
	require.NoError(t, err)
	require.Empty(t, hooks)

	_, err = b.run("hooks", "set", "m", "owners", "--lambda", "sluice-staging-hook-owners")
	require.NoError(t, err)
	b.client.Hooks = functions{denied: true}
	_, err = b.run("hooks", "set", "m", "owners", "--on-error", "allow")
	require.NoError(t, err, "what is set may be changed without a look")
	_, err = b.run("hooks", "set", "m", "other", "--lambda", "other")
	require.NoError(t, err, "who may not look may set it, and is told")
}

// TestAnExplicitDirNeverMeansAWS: every command that speaks to a deployment fails
// where no stack runs in the folder that --dir names, whatever the environment says.
func TestAnExplicitDirNeverMeansAWS(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	local := map[string]bool{"up": true, "invoke": true, "story": true, "doctor": true, "asl": true, "evaluate": true, "gate": true, "predict": true, "contract": true, "completion": true, "help": true}
	var asked []string
	var each func(root *cobra.Command, path []string)
	each = func(c *cobra.Command, path []string) {
		for _, below := range c.Commands() {
			if len(path) == 0 && local[below.Name()] {
				continue // they need no deployment, or start one
			}
			each(below, append(path[:len(path):len(path)], below.Name()))
		}
		if c.HasSubCommands() || len(path) == 0 {
			return
		}
		args := append([]string{"--dir", filepath.Join(t.TempDir(), "nowhere")}, path...)
		args = append(args, arguments(t, c)...)
		root := Root()
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(&out)
		code := Run(t.Context(), root, args, &out)
		if strings.Contains(out.String(), "no stack is running in") {
			require.Equal(t, 1, code)
			asked = append(asked, strings.Join(path, " "))
			return
		}
		require.Contains(t, []string{"rollout simulate", "config check", "decision verify", "decision explain", "decision key", "decision sign"}, strings.Join(path, " "), out.String())
	}
	each(Root(), nil)
	require.Greater(t, len(asked), 50, "%v", asked)

	root := Root()
	var out bytes.Buffer
	require.Equal(t, 2, Run(t.Context(), root, []string{"--aws", "--dir", "x", "run", "list"}, &out))
	require.Contains(t, out.String(), "want at most one of them")
}

// arguments are some that a command's usage accepts.
func arguments(t *testing.T, c *cobra.Command) []string {
	file := filepath.Join(t.TempDir(), "file.dvc")
	require.NoError(t, os.WriteFile(file, []byte("{}"), 0o600))
	var args []string
	for _, word := range strings.Fields(c.Use)[1:] {
		switch {
		case strings.HasPrefix(word, "[") && word != "[HOOK]":
		case word == "FILE.dvc", word == "FILE...", word == "FILE":
			args = append(args, file)
		case word == "HOW":
			args = append(args, map[string]string{"function": "fail", "api": "fail", "event": "drop", "update": "rollback"}[c.Name()])
		case c.Name() == "api" && word != "HOW":
			args = append(args, "s3")
		case word == "JUMP":
			args = append(args, "+1h")
		case word == "VERSION":
			args = append(args, "1")
		case word == "job|task":
			args = append(args, "job")
		default:
			args = append(args, "m")
		}
	}
	for name, value := range map[string]string{"to": "GLACIER_IR", "gate": "data_quality", "target": "y", "positive": "1"} {
		if f := c.Flags().Lookup(name); f != nil {
			args = append(args, "--"+name, value)
		}
	}
	return args
}

// TestCtrlCTellsHowFarItCame: one line, exit code 130, nothing committed, and the
// same command again goes on.
func TestCtrlCTellsHowFarItCame(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	s := &settings{}
	c := &cobra.Command{Use: "x", RunE: func(c *cobra.Command, _ []string) error {
		return s.parallel(c, "looked at", 1000, func(ctx context.Context, i int) error {
			if i == 100 {
				cancel()
			}
			return ctx.Err()
		})
	}}
	root := &cobra.Command{Use: "sluice", SilenceErrors: true, SilenceUsage: true}
	root.PersistentFlags().Bool("json", false, "")
	root.AddCommand(c)
	var failed bytes.Buffer
	require.Equal(t, 130, Run(ctx, root, []string{"x"}, &failed))
	require.Regexp(t, `\Asluice: interrupted: looked at \d+ of 1000 objects; nothing was committed; run the same command again\n\z`, failed.String())

	// Each command that was interrupted at its start moved nothing, and says so.
	b.upload("raw/m/a.csv", "1")
	head := b.commit("main")
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "new.csv"), []byte("2"), 0o600))
	over, end := context.WithCancel(t.Context())
	end()
	for _, args := range [][]string{{"checkout", "m", "main", t.TempDir()}, {"add", "m", "main", folder}, {"commit", "m", "main"}, {"log", "m"}} {
		root := Root()
		root.RemoveCommand(find(root, "data"))
		root.AddCommand(dataCommand(&settings{environment: "staging", dial: func(context.Context, operator.Target) (*operator.Client, error) { return b.client, nil }}))
		var out, failed bytes.Buffer
		root.SetOut(&out)
		root.SetErr(&failed)
		require.Equal(t, 130, Run(over, root, append([]string{"--json", "data"}, args...), &failed), args)
		var f failure
		require.NoError(t, json.Unmarshal(failed.Bytes(), &f), failed.String())
		require.Equal(t, []any{"Interrupted", true}, []any{f.Error.Kind, f.Error.Retry})
		require.True(t, strings.HasPrefix(f.Error.Message, "interrupted: "), f.Error.Message)
	}
	require.Equal(t, head.ID, b.commit("main").ID)
}
