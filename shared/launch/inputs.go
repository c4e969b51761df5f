package launch

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/split"
	"github.com/sluice-ml/sluice/shared/table"
)

// Place is the contract as a program in Go sees it: where it reads and writes.
// It is a training.Store.
type Place struct {
	job, train, validation     string
	model, output, checkpoints string
}

// Inputs finds a program's place in its environment. The error is of kind Invalid
// and names the variable that is not set.
func Inputs(lookup func(string) (string, bool)) (*Place, error) {
	p := new(Place)
	for name, into := range map[string]*string{EnvJob: &p.job, EnvTrain: &p.train, EnvModel: &p.model,
		EnvOutput: &p.output, EnvCheckpoints: &p.checkpoints} {
		value, ok := lookup(name)
		if !ok || value == "" {
			return nil, fault.New(fault.Invalid, "read the environment", "%s is not set", name)
		}
		*into = value
	}
	p.validation, _ = lookup(EnvValidation)
	return p, nil
}

// Read reads the job and its rows. The error is of kind Invalid.
func (p *Place) Read(ctx context.Context) (*Job, *rows.Set, error) {
	data, err := os.ReadFile(p.job)
	if err != nil {
		return nil, nil, fault.New(fault.Invalid, "read the job", "%w", err)
	}
	job := new(Job)
	if err := json.Unmarshal(data, job); err != nil || job.Format != JobFormat {
		return nil, nil, fault.New(fault.Invalid, "read the job", "it is of format %d, want %d: %v", job.Format, JobFormat, err)
	}
	set := &rows.Set{Positive: job.Positive}
	tables := []*table.Table{}
	for _, part := range []struct {
		side         split.Side
		folder, name string
	}{{split.Train, p.train, FileTrain}, {split.Validation, p.validation, FileValidation}} {
		if part.folder == "" {
			continue
		}
		t, err := readTable(ctx, filepath.Join(part.folder, part.name))
		if err != nil {
			return nil, nil, err
		}
		tables = append(tables, t)
		for row := range t.Rows() {
			set.ID = append(set.ID, split.RowID(part.name, row))
			set.Side = append(set.Side, part.side)
		}
	}
	if set.Table, err = table.Concat(tables...); err != nil {
		return nil, nil, err
	}
	target, ok := set.Table.Column(job.Target)
	if !ok {
		return nil, nil, fault.New(fault.Invalid, "read the rows", "there is no column %q", job.Target)
	}
	set.Label, set.Positive, err = table.Labels(target, job.Positive)
	return job, set, err
}

func readTable(ctx context.Context, path string) (*table.Table, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.Invalid, "read the rows", "%w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fault.New(fault.Invalid, "read the rows", "%w", err)
	}
	return table.Read(ctx, path, file, info.Size(), table.Options{})
}

// Plan is what a job tells of its plan.
func (j *Job) Plan() contract.Plan {
	return contract.Plan{Model: j.Model, Run: j.Run, Seed: j.Seed, Hash: j.PlanHash, ConfigHash: j.ConfigHash,
		Dataset: contract.Dataset{Commit: j.Commit}}
}

// path is where a run's file lies here.
func (p *Place) path(name string) string {
	if rest, ok := strings.CutPrefix(name, "checkpoint/"); ok {
		return filepath.Join(p.checkpoints, rest)
	}
	return filepath.Join(p.output, filepath.Base(name))
}

// Get implements training.Store.
func (p *Place) Get(_ context.Context, name string) ([]byte, error) {
	data, err := os.ReadFile(p.path(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "read "+name, "%w", err)
	}
	if err != nil {
		return nil, fault.New(fault.Internal, "read "+name, "%w", err)
	}
	return data, nil
}

// Put implements training.Store: a file is there whole or not at all.
func (p *Place) Put(_ context.Context, name string, data []byte) error {
	path := p.path(name)
	err := os.WriteFile(path+".new", data, 0o644)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fault.New(fault.Internal, "write "+name, "%w", err)
	}
	return nil
}

// Create implements training.Store. The model is unpacked into its folder; its
// schema is left out, because the launcher writes that.
func (p *Place) Create(ctx context.Context, name string, data []byte) error {
	if name != contract.FileModel {
		return p.Put(ctx, name, data)
	}
	if err := model.UnpackFolder(data, p.model); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(p.model, model.FileSchema)); err != nil {
		return fault.New(fault.Internal, "write "+name, "%w", err)
	}
	return nil
}

// Has implements training.Store.
func (p *Place) Has(ctx context.Context, name string) (bool, error) {
	_, err := p.Get(ctx, name)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}
