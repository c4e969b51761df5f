package intake

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// Executions is the lifecycle state machine.
type Executions interface {
	// Start starts the execution that in.Run names. One that exists already,
	// running or ended, is not an error.
	Start(ctx context.Context, in contract.RunInput) error
	// Ended says whether an execution has ended, and how ("SUCCEEDED",
	// "FAILED", "TIMED_OUT" or "ABORTED"); NotFound when there is none.
	Ended(ctx context.Context, run string) (ended bool, status string, err error)
}

// Lake tells whether an uploaded version is still there.
type Lake interface {
	Stat(ctx context.Context, key, versionID string) (dataset.Entry, error)
}

// Intake takes in uploads and starts for every model of an environment.
type Intake struct {
	Store      ref.Store // the store bucket
	Inbox      Inbox     // the same
	Bucket     string    // its name
	Executions Executions
	Lake       Lake
	Quiet      time.Duration
	Now        func() time.Time

	mu     sync.Mutex
	looked map[string]look // by model
}

// look is when a run's execution was last seen going on.
type look struct {
	run string
	at  time.Time
}

// lookEvery is how often uploads make this process ask whether a run's execution
// is still going on: with thousands of them at once the service would refuse to
// answer. One that ends unasked is noticed by the next call after that.
const lookEvery = 10 * time.Second

// Start takes in a start by schedule, drift or hand. cause.ID names it: the same
// cause starts nothing twice.
func (i *Intake) Start(ctx context.Context, model string, cause contract.Cause) (contract.AdmitResult, error) {
	if err := checkStart(model, cause); err != nil {
		return contract.AdmitResult{}, err
	}
	configured, err := i.configured(ctx, model)
	if err != nil {
		return contract.AdmitResult{}, err
	}
	if !configured {
		return contract.AdmitResult{}, unconfigured(i.Bucket, model)
	}
	state, err := i.reconcile(ctx, model, false)
	if err != nil {
		return contract.AdmitResult{}, err
	}
	waits := false
	if state.Run == nil && cause.Kind == CauseSchedule {
		if _, waits, err = i.waiting(ctx, state); err != nil {
			return contract.AdmitResult{}, err
		}
	}
	var did verdict
	state, err = i.update(ctx, model, func(s *State) bool {
		did = s.start(cause, waits, i.Now())
		return did.changed
	})
	if err != nil {
		return contract.AdmitResult{}, err
	}
	return i.answer(ctx, state, did)
}

func checkStart(model string, cause contract.Cause) error {
	if err := contract.CheckModel(model); err != nil {
		return fault.Wrap(fault.Invalid, "start a run", err)
	}
	switch cause.Kind {
	case CauseSchedule, CauseDrift, CauseManual, CauseRetrain:
	default:
		return fault.New(fault.Invalid, "start a run of "+model, "cause.kind %q: want schedule, drift, manual or retrain", cause.Kind)
	}
	if cause.ID == "" {
		return fault.New(fault.Invalid, "start a run of "+model, "cause.id is empty").
			WithHint("give each start an id of its own, e.g. the time; the same id starts nothing twice")
	}
	return nil
}

// answer starts the run that is due and says which run takes in what came.
func (i *Intake) answer(ctx context.Context, state State, did verdict) (contract.AdmitResult, error) {
	result := contract.AdmitResult{Model: state.Model, Duplicate: did.duplicate, Reason: did.reason}
	switch {
	case state.Run == nil:
	case state.Run.collecting():
		result.Run = state.Run.Name
		result.Reason = cmp.Or(result.Reason, "run "+state.Run.Name+" is collecting")
	default:
		result.Reason = cmp.Or(result.Reason, "run "+state.Run.Name+" is going on; the next one takes it")
	}
	var err error
	result.Started, err = i.launch(ctx, state)
	return result, err
}

// reconcile finishes the run that goes on when its execution has ended without
// saying so, and gives the state. Seldom leaves the question out where it was
// asked a moment ago.
func (i *Intake) reconcile(ctx context.Context, model string, seldom bool) (State, error) {
	state, err := i.read(ctx, model)
	if err != nil || state.Run == nil || !state.Run.Started || seldom && i.lookedAt(model, state.Run.Name) {
		return state, err
	}
	ended, status, err := i.Executions.Ended(ctx, state.Run.Name)
	if fault.Is(err, fault.NotFound) {
		// It is not visible yet, or was lost: the same name again is harmless.
		return state, i.Executions.Start(ctx, state.input())
	}
	if err != nil || !ended {
		if err == nil {
			i.sawRunning(model, state.Run.Name)
		}
		return state, err
	}
	outcome := contract.Outcome{Status: StatusFailed, Reason: "its execution ended as " + status + " without reporting an outcome"}
	return i.finish(ctx, state, state.Run.Name, outcome, false)
}

func (i *Intake) lookedAt(model, run string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	last := i.looked[model]
	return last.run == run && i.Now().Sub(last.at) < lookEvery
}

func (i *Intake) sawRunning(model, run string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.looked == nil {
		i.looked = map[string]look{}
	}
	i.looked[model] = look{run, i.Now()}
}

// launch starts the run that goes on when nobody has, and says whether this
// call did.
func (i *Intake) launch(ctx context.Context, state State) (bool, error) {
	if state.Run == nil || state.Run.Started {
		return false, nil
	}
	if err := i.Executions.Start(ctx, state.input()); err != nil {
		return false, err
	}
	marked := false
	_, err := i.update(ctx, state.Model, func(s *State) bool {
		marked = s.Run != nil && s.Run.Name == state.Run.Name && !s.Run.Started
		if marked {
			s.Run.Started = true
		}
		return marked
	})
	return marked, err
}

func (s State) input() contract.RunInput {
	return contract.RunInput{Model: s.Model, Run: s.Run.Name, Cause: s.Run.Cause}
}
