package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/sluice-ml/sluice/shared/aws/jobstore"
	"github.com/sluice-ml/sluice/shared/canonical"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/training"
	"github.com/sluice-ml/sluice/shared/xgboost"
)

// Difference is one thing that is not as it was when the run trained.
type Difference struct {
	What string `json:"what"` // a member of environment.json, e.g. "xgboost", "params.eta"
	Run  string `json:"run"`
	Here string `json:"here"`
}

// Reproduction compares a run's model with one that was trained here from the
// same plan.
type Reproduction struct {
	Run         string       `json:"run"`
	Plan        string       `json:"plan"`
	TrainedBy   string       `json:"trained_by"`  // the run itself, or the one whose model it adopted
	Digest      string       `json:"digest"`      // of the run's model.tar.gz
	Here        string       `json:"here"`        // of the one that was trained here
	Same        bool         `json:"same"`        // the bytes are equal
	SameTrees   bool         `json:"same_trees"`  // the trees' are; then only what is written about them differs
	Differences []Difference `json:"differences"` // from the run's environment.json; also told when the bytes are equal
}

// Reproduce trains a run's model again on this machine, from its plan and the
// versions of the objects that it learned from, and compares the bytes. Nothing
// is written to the store. Progress goes to out.
func (c *Client) Reproduce(ctx context.Context, name string, library *xgboost.Library, out io.Writer) (Reproduction, error) {
	of, _ := ModelOfRun(name)
	r := Reproduction{Run: name, TrainedBy: name, Differences: []Difference{}}
	run, err := jobstore.Open(ctx, c.Objects, contract.URI(c.Store, contract.RunKey(of, name, contract.FilePlan)))
	if fault.Is(err, fault.NotFound) {
		return r, NoRun("reproduce", name)
	}
	if err != nil {
		return r, err
	}
	r.Plan = run.Plan.Hash
	was, err := run.Get(ctx, contract.FileModel)
	if fault.Is(err, fault.NotFound) {
		return r, fault.New(fault.NotFound, "reproduce run "+name, "it trained no model")
	}
	if err != nil {
		return r, err
	}
	before, err := environmentOf(ctx, run)
	if err != nil {
		return r, err
	}
	if err := r.adopted(ctx, run); err != nil {
		return r, err
	}
	kept, err := retrain(ctx, run, library, before.Threads, before.OnDisk != nil, out)
	if err != nil {
		return r, err
	}
	return r, r.compare(was, before, kept)
}

// environmentOf reads what a run was trained in. Another trainer's says no
// XGBoost version, and is not run here.
func environmentOf(ctx context.Context, run *jobstore.Run) (training.Environment, error) {
	op := "reproduce run " + run.Plan.Run
	body, err := run.Get(ctx, contract.FileEnvironment)
	if err != nil {
		return training.Environment{}, err
	}
	var e training.Environment
	if err := json.Unmarshal(body, &e); err != nil {
		return e, fault.New(fault.Invalid, op, "%s: %w", contract.FileEnvironment, err)
	}
	if e.XGBoost == "" || e.Threads < 1 {
		return e, fault.New(fault.Invalid, op, "its %s is not the reference trainer's (it names no XGBoost version and no threads)", contract.FileEnvironment).
			WithHint("a trainer of your own (%s) is run by its own means", run.Plan.TrainerImage)
	}
	return e, nil
}

func (r *Reproduction) adopted(ctx context.Context, run *jobstore.Run) error {
	body, err := run.Get(ctx, contract.FileAdopted)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var from struct{ Run string }
	if err := json.Unmarshal(body, &from); err != nil {
		return fault.New(fault.Invalid, "read "+contract.FileAdopted+" of run "+r.Run, "%w", err)
	}
	r.TrainedBy = from.Run
	return nil
}

// retrain trains as the trainer does, with the run's number of threads, and from disk
// if it did, into memory.
func retrain(ctx context.Context, run *jobstore.Run, library *xgboost.Library, threads int, onDisk bool, out io.Writer) (*memory, error) {
	config, err := run.Config(ctx)
	if err != nil {
		return nil, err
	}
	set, err := run.RowsWithin(ctx, config, rows.Memory{OnDisk: onDisk})
	if err != nil {
		return nil, err
	}
	kept := &memory{files: map[string][]byte{}}
	trainer := training.Trainer{Library: library, Store: kept, CPUs: threads, Out: out, Last: true}
	return kept, trainer.Train(ctx, run.Plan, config, set)
}

// compare fills in what came of it.
func (r *Reproduction) compare(was []byte, before training.Environment, kept *memory) error {
	is := kept.files[contract.FileModel]
	var now training.Environment
	if err := json.Unmarshal(kept.files[contract.FileEnvironment], &now); err != nil {
		return fault.New(fault.Internal, "reproduce run "+r.Run, "%w", err)
	}
	r.Digest, r.Here = "sha256:"+canonical.Sum(was), "sha256:"+canonical.Sum(is)
	r.Same = bytes.Equal(was, is)
	r.Differences = Differences(before, now)
	old, err := model.Trees(was)
	if err != nil {
		return err
	}
	trees, err := model.Trees(is)
	r.SameTrees = err == nil && bytes.Equal(old, trees)
	return err
}

// Differences lists what two environments differ in, in the order of how likely
// it moves bits: data, configuration, library, threads, device, the rest.
func Differences(before, now training.Environment) []Difference {
	list := []Difference{}
	add := func(what, a, b string) {
		if a != b {
			list = append(list, Difference{what, a, b})
		}
	}
	add("data_hash", before.DataHash, now.DataHash)
	add("commit", before.Commit, now.Commit)
	add("config_hash", before.ConfigHash, now.ConfigHash)
	add("plan_hash", before.PlanHash, now.PlanHash)
	add("seed", strconv.FormatInt(before.Seed, 10), strconv.FormatInt(now.Seed, 10))
	add("xgboost", before.XGBoost, now.XGBoost)
	add("threads", strconv.Itoa(before.Threads), strconv.Itoa(now.Threads))
	add("device", before.Device, now.Device)
	add("os", before.OS, now.OS)
	add("arch", before.Arch, now.Arch)
	add("go", before.Go, now.Go)
	add("image", before.Image, now.Image)
	names := maps.Clone(before.Params)
	maps.Copy(names, now.Params)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		add("params."+name, before.Params[name], now.Params[name])
	}
	return list
}

// Explain says in a line why the bytes differ, or that they do not.
func (r Reproduction) Explain() string {
	switch {
	case r.Same:
		return "the bytes are the same"
	case r.SameTrees:
		return "the trees are the same, bit by bit; what is written about them differs"
	case len(r.Differences) == 0:
		return "the bytes differ, and nothing that environment.json names does: another processor, or a library that was built otherwise"
	}
	return fmt.Sprintf("the bytes differ; %d of what environment.json names does, too", len(r.Differences))
}

// memory is a training.Store of one training.
type memory struct {
	mu    sync.Mutex
	files map[string][]byte
}

var _ training.Store = (*memory)(nil)

func (m *memory) Get(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.files[name]
	if !ok {
		return nil, fault.New(fault.NotFound, "read "+name, "it was not written")
	}
	return data, nil
}

func (m *memory) Put(_ context.Context, name string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[name] = bytes.Clone(data)
	return nil
}

func (m *memory) Create(ctx context.Context, name string, data []byte) error {
	return m.Put(ctx, name, data)
}

func (m *memory) Has(_ context.Context, name string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.files[name]
	return ok, nil
}
