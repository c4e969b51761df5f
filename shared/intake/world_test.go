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
	"github.com/sluice-ml/sluice/shared/intake/intaketest"
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
	store      *intaketest.Memory
	now        time.Time
	executions map[string]string // name → status
	order      []string          // as they were started
	deleted    map[string]bool   // key@version
	gate       func() error      // runs before every request of a call
	answer     func() error      // runs after it: the request had its effect, and its answer is lost
}

func newWorld() *world {
	nothing := func() error { return nil }
	w := &world{now: noon, executions: map[string]string{}, deleted: map[string]bool{}, gate: nothing, answer: nothing}
	w.store = intaketest.New(func() time.Time { return w.now })
	if _, err := w.store.Create(context.Background(), contract.ConfigKey(model), []byte("experiment: {}")); err != nil {
		panic(err)
	}
	return w
}

// intake makes a function's view of the world, whose requests pass the gate.
func (w *world) intake() *intake.Intake { return w.through(func() error { return w.gate() }) }

func (w *world) through(gate func() error) *intake.Intake {
	g := gated{w.store, w, gate}
	return &intake.Intake{Store: g, Inbox: g, Bucket: "store", Executions: fakeExecutions{g},
		Lake: fakeLake{w}, Quiet: quiet, Now: func() time.Time { return w.now }}
}

// gated is the store behind a gate.
type gated struct {
	*intaketest.Memory
	w    *world
	gate func() error
}

// pass does a request: whether it began, and what its caller sees of it.
func pass[T any](g gated, do func() (T, error)) (T, error) {
	var none T
	if err := g.gate(); err != nil {
		return none, err
	}
	result, err := do()
	if lost := g.w.answer(); lost != nil {
		return none, lost
	}
	return result, err
}

func (g gated) Get(ctx context.Context, key string) (ref.Item, error) {
	return pass(g, func() (ref.Item, error) { return g.Memory.Get(ctx, key) })
}

func (g gated) Create(ctx context.Context, key string, body []byte) (ref.Tag, error) {
	return pass(g, func() (ref.Tag, error) { return g.Memory.Create(ctx, key, body) })
}

func (g gated) Swap(ctx context.Context, key string, body []byte, tag ref.Tag) (ref.Tag, error) {
	return pass(g, func() (ref.Tag, error) { return g.Memory.Swap(ctx, key, body, tag) })
}

func (g gated) Arrivals(ctx context.Context, prefix string) ([]intake.Arrival, error) {
	return pass(g, func() ([]intake.Arrival, error) { return g.Memory.Arrivals(ctx, prefix) })
}

// Remove removes key by key, so that a call can be cut off between two.
func (g gated) Remove(ctx context.Context, prefix string, gone func(string) bool) error {
	all, err := g.Arrivals(ctx, prefix)
	for _, a := range all {
		if err == nil && gone(a.Key) {
			_, err = pass(g, func() (any, error) {
				return nil, g.Memory.Remove(ctx, a.Key, func(key string) bool { return key == a.Key })
			})
		}
	}
	return err
}

// fakeExecutions keeps Step Functions' rule: a name is used once.
type fakeExecutions struct{ gated }

func (f fakeExecutions) Start(_ context.Context, in contract.RunInput) error {
	_, err := pass(f.gated, func() (any, error) {
		if _, used := f.w.executions[in.Run]; !used {
			f.w.executions[in.Run] = "RUNNING"
			f.w.order = append(f.w.order, in.Run)
		}
		return nil, nil
	})
	return err
}

func (f fakeExecutions) Ended(_ context.Context, run string) (bool, string, error) {
	status, err := pass(f.gated, func() (string, error) {
		status, ok := f.w.executions[run]
		if !ok {
			return "", fault.New(fault.NotFound, "look", "no such execution")
		}
		return status, nil
	})
	return status != "RUNNING", status, err
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
