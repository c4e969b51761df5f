package launch_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/launch"
	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/split"
	"github.com/sluice-ml/sluice/shared/table"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// files is a run's files in memory.
type files map[string][]byte

func (f files) Get(_ context.Context, name string) ([]byte, error) {
	data, ok := f[name]
	if !ok {
		return nil, fault.New(fault.NotFound, "read "+name, "it is not there")
	}
	return data, nil
}

func (f files) Put(_ context.Context, name string, data []byte) error {
	f[name] = data
	return nil
}

func (f files) Create(ctx context.Context, name string, data []byte) error {
	if was, ok := f[name]; ok && !bytes.Equal(was, data) {
		return fault.New(fault.Conflict, "create "+name, "its bytes differ")
	}
	return f.Put(ctx, name, data)
}

// task is a few rows with a quoted text, a missing value and a validation row.
func task(t *testing.T) (*trainconfig.Config, *rows.Set, *model.Schema) {
	t.Helper()
	config, err := trainconfig.Parse("train.yaml", []byte(`{"experiment": {"name": "m"}, "data": {"target": "y", "features": ["colour", "x"]},
		"model": {"type": "image", "params": {"depth": 3}}}`))
	require.NoError(t, err)
	text := "x,other,colour,y\n1.50,a,\"red, dark\",1\n,b,blue,0\n3,c,,1\n"
	table, err := table.Read(t.Context(), "rows.csv", strings.NewReader(text), int64(len(text)), table.Options{})
	require.NoError(t, err)
	set := &rows.Set{Table: table, ID: []string{"a", "b", "c"}, Label: []float64{1, 0, 1}, Positive: "1",
		Side: []split.Side{split.Train, split.Train, split.Validation}}
	schema := &model.Schema{Format: model.SchemaFormat, Model: "m", Target: "y", Positive: "1", TrainRows: 2, Program: model.ProgramImage,
		Features: []model.Feature{{Name: "colour", Kind: model.Categorical, Categories: []string{"blue", "red, dark"}}, {Name: "x", Kind: model.Numeric}}}
	require.NoError(t, schema.Prepare())
	return config, set, schema
}

// train launches a shell script.
func train(t *testing.T, ctx context.Context, store files, attempt int, script string) (string, error) {
	t.Helper()
	config, set, schema := task(t)
	program := filepath.Join(t.TempDir(), "train")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\n"+script), 0o755))
	var out bytes.Buffer
	dir := t.TempDir()
	l := launch.Launcher{Program: launch.Program{Argv: []string{program, "own"}, Out: &out, Grace: 200 * time.Millisecond}, Store: store, Dir: dir,
		CPUs: 2, Attempt: attempt, Now: time.Now, Out: io.Discard}
	err := l.Train(ctx, contract.Plan{Model: "m", Run: "m-1", Seed: 9, Hash: "sha256:p"}, config, set, schema)
	left, readErr := os.ReadDir(dir)
	require.NoError(t, readErr)
	require.Empty(t, left, "the folder is gone")
	return out.String(), err
}

const good = `echo '{"auc": 0.9}' > "$SM_OUTPUT_DATA_DIR/metrics.json"; echo weights > "$SM_MODEL_DIR/weights"`

func TestAProgramGetsFilesAndLeavesAModel(t *testing.T) {
	store := files{}
	out, err := train(t, t.Context(), store, 1, `echo "$@"; cat "$SM_CHANNEL_TRAIN/train.csv" "$SM_CHANNEL_VALIDATION/validation.csv" "$SLUICE_JOB"; `+good)
	require.NoError(t, err, out)
	require.True(t, strings.HasPrefix(out, "own train\ncolour,x,y\n\"red, dark\",1.50,1\nblue,,0\ncolour,x,y\n,3,1\n"), out)
	for _, want := range []string{`"seed": 9`, `"depth": 3`, `"train_rows": 2`, `"validation_rows": 1`, `"positive": "1"`, `"attempt": 1`, `"cpus": 2`} {
		require.Contains(t, out, want)
	}
	require.JSONEq(t, `{"auc": 0.9}`, string(store[contract.FileMetrics]))
	folder := t.TempDir()
	require.NoError(t, model.Extract(store[contract.FileModel], folder))
	weights, err := os.ReadFile(filepath.Join(folder, "weights"))
	require.NoError(t, err)
	require.Equal(t, "weights\n", string(weights))
	schema, err := model.SchemaOf(store[contract.FileModel])
	require.NoError(t, err)
	require.Equal(t, []string{"colour", "x"}, schema.Names())

	before := bytes.Clone(store[contract.FileModel])
	_, err = train(t, t.Context(), store, 1, good)
	require.NoError(t, err, "the same bytes again are no conflict")
	require.Equal(t, before, store[contract.FileModel])
}

func TestWhatAProgramDoesWrong(t *testing.T) {
	for name, c := range map[string]struct {
		script, want string
		kind         fault.Kind
	}{
		"wrong data":     {"exit 64", "exit code 64", fault.Invalid},
		"a bug":          {"exit 1", "exit code 1", fault.Internal},
		"killed":         {"kill -9 $$", "signal 9", fault.Internal},
		"no model":       {`echo '{}' > "$SM_OUTPUT_DATA_DIR/metrics.json"`, "left no model", fault.Invalid},
		"no metrics":     {`echo 1 > "$SM_MODEL_DIR/w"`, "no metrics.json", fault.Invalid},
		"NaN in metrics": {good + `; echo '{"a": NaN}' > "$SM_OUTPUT_DATA_DIR/metrics.json"`, "no JSON object", fault.Invalid},
		"a list":         {good + `; echo '[1]' > "$SM_OUTPUT_DATA_DIR/environment.json"`, "no JSON object", fault.Invalid},
		"our file":       {good + `; echo '{}' > "$SM_MODEL_DIR/schema.json"`, "Sluice's file", fault.Invalid},
		"a link":         {good + `; ln -s /etc/passwd "$SM_MODEL_DIR/l"`, "only files and folders", fault.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			store := files{}
			_, err := train(t, t.Context(), store, 1, c.script)
			require.Equal(t, c.kind, fault.KindOf(err), "%v", err)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, store, contract.FileModel)
			require.NotContains(t, store, contract.FileMetrics)
		})
	}
	_, err := (launch.Program{Argv: []string{"/nowhere/program"}, Out: io.Discard}).Run(t.Context(), launch.Folder(t.TempDir()), time.Now)
	require.True(t, fault.Is(err, fault.Invalid))
}

func TestCheckpointsGoFromAttemptToAttempt(t *testing.T) {
	store := files{}
	_, err := train(t, t.Context(), store, 1, `echo half > "$SM_CHECKPOINT_DIR/step"; exit 75`)
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	out, err := train(t, t.Context(), store, 2, `cat "$SM_CHECKPOINT_DIR/step"; `+good)
	require.NoError(t, err)
	require.Contains(t, out, "half")
	store["checkpoint/files.tar.gz"] = []byte("cut short")
	_, err = train(t, t.Context(), store, 2, good)
	require.True(t, fault.Is(err, fault.Invalid), "%v", err)
}

// stopped launches a program and asks it to end once it says that it runs.
func stopped(t *testing.T, script string) (files, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ready := filepath.Join(t.TempDir(), "ready")
	go func() {
		for range 2000 {
			if _, err := os.Stat(ready); err == nil {
				break
			}
			time.Sleep(5 * time.Millisecond) // a real child's readiness
		}
		cancel()
	}()
	store := files{}
	_, err := train(t, ctx, store, 1, strings.ReplaceAll(script, "READY", "touch "+ready))
	return store, err
}

func TestSigtermKeepsTheCheckpoint(t *testing.T) {
	store, err := stopped(t, `trap 'echo kept > "$SM_CHECKPOINT_DIR/step"; exit 75' TERM; READY; while :; do sleep 0.02; done`)
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.Contains(t, store, "checkpoint/files.tar.gz", "also when nobody waits any more")
	folder := t.TempDir()
	require.NoError(t, model.UnpackFolder(store["checkpoint/files.tar.gz"], folder))
	kept, err := os.ReadFile(filepath.Join(folder, "step"))
	require.NoError(t, err)
	require.Equal(t, "kept\n", string(kept))

	_, err = stopped(t, `trap '' TERM; READY; while :; do sleep 0.02; done`)
	require.True(t, fault.Is(err, fault.Unavailable), "one that has to be killed may be tried again: %v", err)
	require.ErrorContains(t, err, syscall.SIGKILL.String())
}

func TestInputsAreWhatPrepareWrote(t *testing.T) {
	config, set, schema := task(t)
	folder := launch.Folder(t.TempDir())
	require.NoError(t, folder.Prepare(launch.NewJob(contract.Plan{Model: "m", Run: "m-1", Seed: 9, Hash: "p"}, config, set, schema, 1, 2), set))
	env := map[string]string{}
	for _, pair := range folder.Environment() {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	place, err := launch.Inputs(lookup)
	require.NoError(t, err)
	job, got, err := place.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, contract.Plan{Model: "m", Run: "m-1", Seed: 9, Hash: "p"}, job.Plan())
	require.Equal(t, []float64{1, 0, 1}, got.Label)
	require.Equal(t, []split.Side{split.Train, split.Train, split.Validation}, got.Side)
	require.NoError(t, place.Put(t.Context(), "checkpoint/fold-0.json", []byte("{}")))
	has, err := place.Has(t.Context(), "checkpoint/fold-0.json")
	require.NoError(t, err)
	require.True(t, has)
	require.FileExists(t, filepath.Join(folder.Checkpoints(), "fold-0.json"))

	delete(env, launch.EnvModel)
	_, err = launch.Inputs(lookup)
	require.ErrorContains(t, err, launch.EnvModel)
	env[launch.EnvModel] = folder.Model()
	require.NoError(t, os.WriteFile(env[launch.EnvJob], []byte(`{"format": 2}`), 0o644))
	place, err = launch.Inputs(lookup)
	require.NoError(t, err)
	_, _, err = place.Read(t.Context())
	require.ErrorContains(t, err, "format 2, want 1")
}
