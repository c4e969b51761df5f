package launch

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/split"
	"github.com/sluice-ml/sluice/shared/table"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Folder is the place of one launch.
type Folder string

func (f Folder) at(names ...string) string {
	return filepath.Join(append([]string{string(f)}, names...)...)
}

// Model is where the program writes its model.
func (f Folder) Model() string { return f.at("model") }

// Output is where the program writes what it measured.
func (f Folder) Output() string { return f.at("output") }

// Checkpoints is what attempts hand to each other.
func (f Folder) Checkpoints() string { return f.at("checkpoints") }

func (f Folder) job() string { return f.at("input", "config", "job.json") }
func (f Folder) data(side split.Side) string {
	return f.at("input", "data", side.String())
}

// NewJob is the job of a plan. The schema is what training.Describe gives.
func NewJob(plan contract.Plan, config *trainconfig.Config, set *rows.Set, schema *model.Schema, attempt, cpus int) Job {
	return Job{
		Format: JobFormat, Model: plan.Model, Run: plan.Run, Attempt: attempt, Seed: plan.Seed, CPUs: cpus,
		Target: schema.Target, Positive: schema.Positive, Features: schema.Features,
		TrainRows: schema.TrainRows, ValidationRows: len(set.On(split.Validation)), Params: config.Model.Params,
		Commit: plan.Dataset.Commit, PlanHash: plan.Hash, ConfigHash: plan.ConfigHash, Config: config.Canonical(),
	}
}

// Prepare writes the job and the rows, and makes the folders that the program
// writes to. The error is of kind Internal.
func (f Folder) Prepare(job Job, set *rows.Set) error {
	err := f.makeFolders()
	for _, side := range []split.Side{split.Train, split.Validation} {
		if which := set.On(side); err == nil && len(which) > 0 {
			err = f.writeRows(job, set, side, which)
		}
	}
	if err == nil {
		var text []byte
		if text, err = json.MarshalIndent(job, "", "  "); err == nil {
			err = os.WriteFile(f.job(), append(text, '\n'), 0o644)
		}
	}
	if err != nil {
		return fault.New(fault.Internal, "prepare the trainer's folder", "%w", err)
	}
	return nil
}

func (f Folder) makeFolders() error {
	var err error
	for _, folder := range []string{filepath.Dir(f.job()), f.Model(), f.Output(), f.Checkpoints()} {
		err = errors.Join(err, os.MkdirAll(folder, 0o777))
	}
	return err
}

// writeRows writes <side>.csv: a header, then a row a line: the features in
// order and the target. What is missing is empty.
func (f Folder) writeRows(job Job, set *rows.Set, side split.Side, which []int) error {
	if err := os.MkdirAll(f.data(side), 0o777); err != nil {
		return err
	}
	names := make([]string, 0, len(job.Features)+1)
	for _, feature := range job.Features {
		names = append(names, feature.Name)
	}
	names = append(names, job.Target)
	columns := make([]*table.Column, len(names))
	for i, name := range names {
		columns[i], _ = set.Table.Column(name) // Describe has found them all
	}
	file, err := os.Create(filepath.Join(f.data(side), side.String()+".csv"))
	if err != nil {
		return err
	}
	out := csv.NewWriter(file)
	err = out.Write(names)
	record := make([]string, len(columns))
	for _, row := range which {
		for i, c := range columns {
			record[i] = ""
			if !c.Null[row] {
				record[i] = c.Original(row)
			}
		}
		err = errors.Join(err, out.Write(record))
	}
	out.Flush()
	return errors.Join(err, out.Error(), file.Close())
}

// Environment is what the program is told, as NAME=value.
func (f Folder) Environment() []string {
	env := []string{EnvJob + "=" + f.job(), EnvTrain + "=" + f.data(split.Train), EnvModel + "=" + f.Model(),
		EnvOutput + "=" + f.Output(), EnvCheckpoints + "=" + f.Checkpoints()}
	if _, err := os.Stat(f.data(split.Validation)); err == nil {
		env = append(env, EnvValidation+"="+f.data(split.Validation))
	}
	return env
}

// Result is what a trainer left.
type Result struct {
	Archive     []byte // model.tar.gz
	Metrics     []byte // metrics.json as the program wrote it
	Environment []byte // environment.json; nil without one
}

// Collect checks and packs what the program wrote; the schema goes with the
// model. The error is of kind Invalid and names what is missing or wrong.
func (f Folder) Collect(schema *model.Schema) (*Result, error) {
	const op = "collect what the trainer wrote"
	entries, err := os.ReadDir(f.Model())
	if err != nil {
		return nil, fault.New(fault.Internal, op, "%w", err)
	}
	if len(entries) == 0 {
		return nil, fault.New(fault.Invalid, op, "it ended well and left no model: the folder of %s is empty", EnvModel).
			WithHint("write the model's files there before exit code 0")
	}
	r := new(Result)
	if r.Metrics, err = f.object(FileMetrics); err != nil {
		return nil, err
	}
	if r.Metrics == nil {
		return nil, fault.New(fault.Invalid, op, "there is no %s in the folder of %s", FileMetrics, EnvOutput).
			WithHint(`write one, if only {"train_rows": 1000}`)
	}
	if r.Environment, err = f.object(FileEnvironment); err != nil {
		return nil, err
	}
	if err := f.describe(schema); err != nil {
		return nil, err
	}
	r.Archive, err = model.PackFolder(f.Model())
	return r, err
}

// CheckObject says what is wrong with a JSON file that the program wrote; nil also
// when it wrote none.
func (f Folder) CheckObject(name string) error {
	_, err := f.object(name)
	return err
}

// object reads a JSON object that the program wrote; nil when it wrote none.
func (f Folder) object(name string) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(f.Output(), name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var fields map[string]any
	if err == nil {
		err = json.Unmarshal(data, &fields)
	}
	if err != nil || fields == nil {
		return nil, fault.New(fault.Invalid, "read the trainer's "+name, "it is no JSON object: %v", err).
			WithHint("NaN and Infinity are no JSON; write null")
	}
	return data, nil
}

// describe puts the schema beside the model. A schema.json of the program's own
// is refused: it would say what the pipeline must know better.
func (f Folder) describe(schema *model.Schema) error {
	path := filepath.Join(f.Model(), model.FileSchema)
	if _, err := os.Lstat(path); err == nil {
		return fault.New(fault.Invalid, "collect what the trainer wrote", "it wrote %s, which is Sluice's file", model.FileSchema).
			WithHint("give the file another name")
	}
	text, err := json.MarshalIndent(schema, "", "  ")
	if err == nil {
		err = os.WriteFile(path, append(text, '\n'), 0o644)
	}
	if err != nil {
		return fault.New(fault.Internal, "write "+model.FileSchema, "%w", err)
	}
	return nil
}
