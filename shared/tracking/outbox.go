package tracking

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
	"github.com/sluice-ml/sluice/shared/registry"
)

// leaseTime is how long a look may take; a Lambda ends long before.
const leaseTime = 20 * time.Minute

// Outbox brings one tracker up to date.
type Outbox struct {
	Name     string    // of the tracker, e.g. "mlflow"; names its ledger
	Store    ref.Store // the store bucket
	Files    Files     // the same
	Bucket   string    // its name
	Runs     Runs      // nil when the tracker keeps none
	Versions Versions
	Now      func() time.Time
}

// Ledger is what the tracker has, as far as it told.
type Ledger struct {
	Target   string            `json:"target"`   // where; another target voids the rest
	Runs     map[string]bool   `json:"runs"`     // by name
	Versions map[string]string `json:"versions"` // by number: the outcome that was written; "running" before there is one
	Marked   []int             `json:"marked"`   // versions that may be marked as champion; exactly one when Settled
	Settled  bool              `json:"settled"`
}

// Result is what a look did.
type Result struct {
	Tracker  string   `json:"tracker"`
	Model    string   `json:"model"`
	Runs     int      `json:"runs"`     // written now
	Versions int      `json:"versions"` // written now
	Champion int      `json:"champion"` // marked now; 0 is none
	Refused  []string `json:"refused"`  // what the tracker will not take, and why; the next look asks again
}

// CatchUp writes what the tracker lacks of a model. Unavailable means that the
// tracker is down: what was not written is written by a later call. Busy means
// that another look is going on.
func (o *Outbox) CatchUp(ctx context.Context, model, holder string) (result Result, err error) {
	result = Result{Tracker: o.Name, Model: model, Refused: []string{}}
	if err := contract.CheckModel(model); err != nil {
		return result, fault.Wrap(fault.Invalid, "catch up with "+o.Name, err)
	}
	lease, err := ref.Acquire(ctx, o.Store, o.key(model, "lease"), holder, leaseTime, o.Now())
	if err != nil {
		return result, err
	}
	defer func() { // also when the time is up
		err = errors.Join(err, ref.Release(context.WithoutCancel(ctx), o.Store, lease))
	}()
	ledger, err := o.ledger(ctx, model)
	if err != nil {
		return result, err
	}
	for _, part := range []func(context.Context, string, Ledger, *Result) error{o.runs, o.versions, o.champion} {
		if err := part(ctx, model, ledger, &result); err != nil {
			return result, err
		}
	}
	return result, nil
}

func (o *Outbox) key(model, file string) string {
	return "tracking/" + model + "/" + o.Name + "-" + file + ".json"
}

// ledger reads the ledger; one of another target says nothing.
func (o *Outbox) ledger(ctx context.Context, model string) (Ledger, error) {
	p, err := ref.Read[Ledger](ctx, o.Store, o.key(model, "ledger"))
	if fault.Is(err, fault.NotFound) || err == nil && p.Value.Target != o.Versions.Target() {
		return Ledger{}, nil
	}
	return p.Value, err
}

// move changes the ledger; one of another target is begun anew first.
func (o *Outbox) move(ctx context.Context, model string, change func(*Ledger)) (Ledger, error) {
	return ref.Update(ctx, o.Store, o.key(model, "ledger"), func(l Ledger, _ bool) (Ledger, error) {
		if l.Runs == nil || l.Versions == nil || l.Target != o.Versions.Target() {
			l = Ledger{Target: o.Versions.Target(), Runs: map[string]bool{}, Versions: map[string]string{}}
		}
		change(&l)
		return l, nil
	})
}

// took sorts what a tracker answered: nil when it took the thing, later when it
// may another time, and any other refusal is noted and keeps nothing else back.
func (r *Result) took(what string, err error) (done bool, later error) {
	switch kind := fault.KindOf(err); {
	case err == nil:
		return true, nil
	case kind == fault.Busy:
		return false, nil
	case kind.Retryable():
		return false, err
	}
	r.Refused = append(r.Refused, fmt.Sprintf("%s: %v", what, err))
	return false, nil
}

// runs writes the runs that have ended, in the order of their names' numbers.
func (o *Outbox) runs(ctx context.Context, model string, ledger Ledger, result *Result) error {
	if o.Runs == nil {
		return nil
	}
	names, err := o.Files.Folders(ctx, "runs/"+model+"/")
	if err != nil {
		return err
	}
	slices.SortFunc(names, byNumber)
	for _, name := range names {
		if ledger.Runs[name] {
			continue
		}
		run, err := o.gather(ctx, model, name)
		if fault.Is(err, fault.NotFound) { // it goes on
			continue
		}
		if err == nil {
			err = o.Runs.Run(ctx, run)
		}
		done, err := result.took("run "+name, err)
		if err != nil {
			return err
		}
		if !done {
			continue
		}
		if _, err := o.move(ctx, model, func(l *Ledger) { l.Runs[name] = true }); err != nil {
			return err
		}
		result.Runs++
	}
	return nil
}

// byNumber orders m-2 before m-10.
func byNumber(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	if a < b {
		return -1
	}
	return 1
}

// versions writes the versions that the tracker lacks, or has without their
// run's outcome.
func (o *Outbox) versions(ctx context.Context, model string, ledger Ledger, result *Result) error {
	versions := registry.New(o.Store)
	numbers, err := versions.Numbers(ctx, model)
	if err != nil {
		return err
	}
	for _, number := range numbers {
		id := strconv.Itoa(number)
		if written := ledger.Versions[id]; written != "" && written != running {
			continue
		}
		v, err := versions.Version(ctx, model, number)
		if err != nil {
			return err
		}
		full, err := o.describe(ctx, v)
		state := full.state()
		if err == nil && state == ledger.Versions[id] {
			continue
		}
		if err == nil {
			err = o.Versions.Version(ctx, full)
		}
		done, err := result.took("version "+id, err)
		if err != nil {
			return err
		}
		if !done {
			continue
		}
		if _, err := o.move(ctx, model, func(l *Ledger) { l.Versions[id] = state }); err != nil {
			return err
		}
		result.Versions++
	}
	return nil
}

// running stands in the ledger for a version whose run has no outcome yet.
const running = "running"

func (v Version) state() string {
	if v.Outcome == "" {
		return running
	}
	return v.Outcome
}

// champion marks the champion. What is about to be marked is written down first,
// so that however often this is cut off, every version that was ever marked is
// known and can be unmarked.
func (o *Outbox) champion(ctx context.Context, model string, ledger Ledger, result *Result) error {
	alias, err := registry.New(o.Store).Alias(ctx, model, registry.Champion)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	now := alias.Version
	if ledger.Settled && slices.Equal(ledger.Marked, []int{now}) {
		return nil
	}
	ledger, err = o.move(ctx, model, func(l *Ledger) {
		l.Settled = false
		if !slices.Contains(l.Marked, now) {
			l.Marked = append(l.Marked, now)
		}
	})
	if err != nil {
		return err
	}
	before := slices.DeleteFunc(slices.Clone(ledger.Marked), func(n int) bool { return n == now })
	done, err := result.took("champion "+strconv.Itoa(now), o.Versions.Champion(ctx, model, now, before))
	if err != nil || !done {
		return err
	}
	result.Champion = now
	_, err = o.move(ctx, model, func(l *Ledger) { l.Marked, l.Settled = []int{now}, true })
	return err
}
