package intake_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/intake"
	"github.com/sluice-ml/sluice/shared/ref"
)

const (
	model = "adult-income"
	quiet = 30 * time.Second
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var errKilled = errors.New("killed")

// world is everything outside one call of the admit function: the real store in
// memory, and Step Functions and the lake faked at their ports.
type world struct {
	store      *ref.Memory
	now        time.Time
	executions map[string]string // name → status
	order      []string          // as they were started
	deleted    map[string]bool   // key@version
	gate       func() error      // runs before every request of a call
}

func newWorld() *world {
	w := &world{store: ref.NewMemory(), now: noon, executions: map[string]string{}, deleted: map[string]bool{},
		gate: func() error { return nil }}
	if _, err := w.store.Create(context.Background(), contract.ConfigKey(model), []byte("experiment: {}")); err != nil {
		panic(err)
	}
	return w
}

// intake makes a function's view of the world, whose requests pass the gate.
func (w *world) intake() *intake.Intake { return w.through(func() error { return w.gate() }) }

func (w *world) through(gate func() error) *intake.Intake {
	return &intake.Intake{Store: gated{w.store, gate}, Bucket: "store", Executions: fakeExecutions{w, gate},
		Lake: fakeLake{w}, Quiet: quiet, Now: func() time.Time { return w.now }}
}

type gated struct {
	ref.Store
	gate func() error
}

func (g gated) Get(ctx context.Context, key string) (ref.Item, error) {
	if err := g.gate(); err != nil {
		return ref.Item{}, err
	}
	return g.Store.Get(ctx, key)
}

func (g gated) Create(ctx context.Context, key string, body []byte) (ref.Tag, error) {
	if err := g.gate(); err != nil {
		return "", err
	}
	return g.Store.Create(ctx, key, body)
}

func (g gated) Swap(ctx context.Context, key string, body []byte, tag ref.Tag) (ref.Tag, error) {
	if err := g.gate(); err != nil {
		return "", err
	}
	return g.Store.Swap(ctx, key, body, tag)
}

// fakeExecutions keeps Step Functions' rule: a name is used once.
type fakeExecutions struct {
	w    *world
	gate func() error
}

func (f fakeExecutions) Start(_ context.Context, in contract.RunInput) error {
	if err := f.gate(); err != nil {
		return err
	}
	if _, used := f.w.executions[in.Run]; !used {
		f.w.executions[in.Run] = "RUNNING"
		f.w.order = append(f.w.order, in.Run)
	}
	return nil
}

func (f fakeExecutions) Ended(_ context.Context, run string) (bool, string, error) {
	if err := f.gate(); err != nil {
		return false, "", err
	}
	status, ok := f.w.executions[run]
	if !ok {
		return false, "", fault.New(fault.NotFound, "look", "no such execution")
	}
	return status != "RUNNING", status, nil
}

type fakeLake struct{ w *world }

func (l fakeLake) Stat(_ context.Context, key, version string) (dataset.Entry, error) {
	if l.w.deleted[key+"@"+version] {
		return dataset.Entry{}, fault.New(fault.NotFound, "look", "deleted")
	}
	return dataset.Entry{Key: key, VersionID: version}, nil
}

func (w *world) running() (names []string) {
	for _, name := range w.order {
		if w.executions[name] == "RUNNING" {
			names = append(names, name)
		}
	}
	return names
}

func version(name string) contract.ObjectVersion {
	key, id, _ := strings.Cut(name, "@")
	return contract.ObjectVersion{Key: "raw/" + model + "/" + key, VersionID: id, Size: 10, Sequencer: "00" + id}
}

func upload(ctx context.Context, i *intake.Intake, name string) (contract.AdmitResult, error) {
	return i.Upload(ctx, model, version(name), contract.Cause{Kind: intake.CauseUpload, ID: "event-" + name})
}

// request reads what a run was given, as names; ok is false when it has none.
func (w *world) request(run string) (names []string, ok bool) {
	item, err := w.store.Get(context.Background(), contract.RunKey(model, run, contract.FileRequest))
	if err != nil {
		return nil, false
	}
	var r contract.Request
	if err := json.Unmarshal(item.Body, &r); err != nil {
		panic(err)
	}
	for _, o := range r.Objects {
		names = append(names, fmt.Sprintf("%s@%s", strings.TrimPrefix(o.Key, "raw/"+model+"/"), o.VersionID))
	}
	return names, true
}

// act plays one letter of the alphabet; whatever it returns is what a caller
// would see. Letters about an execution do nothing when none is running.
func (w *world) act(ctx context.Context, letter string) error { return w.do(ctx, w.intake(), letter) }

func (w *world) do(ctx context.Context, i *intake.Intake, letter string) error {
	verb, rest, _ := strings.Cut(letter, " ")
	running := w.running()
	switch {
	case verb == "upload":
		_, err := upload(ctx, i, rest)
		return err
	case verb == "schedule" || verb == "manual":
		_, err := i.Start(ctx, model, contract.Cause{Kind: verb, ID: rest})
		return err
	case len(running) == 0:
		return nil
	case verb == "settle":
		w.now = w.now.Add(quiet)
		_, err := i.Settle(ctx, model, running[0])
		return err
	case verb == "finish":
		_, err := i.Finish(ctx, model, running[0], contract.Outcome{Status: rest})
		if err == nil {
			w.executions[running[0]] = "SUCCEEDED"
		}
		return err
	case verb == "abort":
		w.executions[running[0]] = "ABORTED"
		return nil
	}
	panic("unknown letter " + letter)
}
