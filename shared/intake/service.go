package intake

import (
	"context"
	"encoding/json"
	"math"
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
	Bucket     string    // its name
	Executions Executions
	Lake       Lake
	Quiet      time.Duration
	Now        func() time.Time
}

// Upload takes in one uploaded version. cause.ID names the event. The version is
// recorded before anything else can fail, and also when the model has no
// configuration yet (NotFound): the first run takes it.
func (i *Intake) Upload(ctx context.Context, model string, v contract.ObjectVersion, cause contract.Cause) (contract.AdmitResult, error) {
	configured, err := i.configured(ctx, model)
	if err != nil {
		return contract.AdmitResult{}, err
	}
	var did verdict
	if _, err := i.update(ctx, model, func(s *State) bool {
		did = s.upload(v, cause, configured, i.Now())
		return did.changed
	}); err != nil {
		return contract.AdmitResult{}, err
	}
	state, err := i.reconcile(ctx, model)
	if err != nil {
		return contract.AdmitResult{}, err
	}
	if state.Run == nil && !configured {
		return contract.AdmitResult{}, unconfigured(i.Bucket, model)
	}
	return i.answer(ctx, state, did)
}

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
	if _, err := i.reconcile(ctx, model); err != nil {
		return contract.AdmitResult{}, err
	}
	var did verdict
	state, err := i.update(ctx, model, func(s *State) bool {
		did = s.start(cause, i.Now())
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
	if state.Run != nil && state.Run.Closed.IsZero() {
		result.Run = state.Run.Name
	}
	var err error
	result.Started, err = i.launch(ctx, state)
	return result, err
}

// reconcile finishes the run that goes on when its execution has ended without
// saying so, and gives the state.
func (i *Intake) reconcile(ctx context.Context, model string) (State, error) {
	state, err := i.read(ctx, model)
	if err != nil || state.Run == nil || !state.Run.Started {
		return state, err
	}
	ended, status, err := i.Executions.Ended(ctx, state.Run.Name)
	if fault.Is(err, fault.NotFound) {
		// It is not visible yet, or was lost: the same name again is harmless.
		return state, i.Executions.Start(ctx, state.input())
	}
	if err != nil || !ended {
		return state, err
	}
	outcome := contract.Outcome{Status: StatusFailed, Reason: "its execution ended as " + status + " without reporting an outcome"}
	return i.finish(ctx, model, state.Run.Name, outcome, false)
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

// Settle answers the open run: wait, or here is your request. It closes the run
// when uploads have paused. A repeated call gives the same request.
func (i *Intake) Settle(ctx context.Context, model, run string) (contract.SettleResult, error) {
	state, err := i.read(ctx, model)
	if err != nil {
		return contract.SettleResult{}, err
	}
	if state.Run == nil || state.Run.Name != run {
		return i.settledBefore(ctx, state, run)
	}
	if state.Run.Closed.IsZero() {
		gone, err := i.gone(ctx, state.Carried)
		if err != nil {
			return contract.SettleResult{}, err
		}
		state, err = i.update(ctx, model, func(s *State) bool { return s.settle(run, gone, i.Quiet, i.Now()) })
		if err != nil {
			return contract.SettleResult{}, err
		}
		if state.Run == nil || state.Run.Name != run {
			return i.settledBefore(ctx, state, run)
		}
	}
	if state.Run.Closed.IsZero() {
		seconds := math.Ceil(state.wait(i.Quiet, i.Now()).Seconds())
		return contract.SettleResult{WaitSeconds: max(1, int(seconds))}, nil
	}
	return i.writeRequest(ctx, state)
}

func (s *State) settle(run string, gone map[contract.ObjectVersion]bool, quiet time.Duration, now time.Time) bool {
	if s.Run == nil || s.Run.Name != run || !s.Run.Closed.IsZero() || s.wait(quiet, now) > 0 {
		return false
	}
	s.Run.Started = true
	s.close(gone, now)
	return true
}

// gone finds carried versions that somebody deleted since their run broke.
func (i *Intake) gone(ctx context.Context, carried []contract.ObjectVersion) (map[contract.ObjectVersion]bool, error) {
	missing := map[contract.ObjectVersion]bool{}
	for _, v := range carried {
		_, err := i.Lake.Stat(ctx, v.Key, v.VersionID)
		if fault.Is(err, fault.NotFound) {
			missing[v] = true
		} else if err != nil {
			return nil, err
		}
	}
	return missing, nil
}

func (i *Intake) writeRequest(ctx context.Context, state State) (contract.SettleResult, error) {
	objects := state.Run.Objects
	if objects == nil {
		objects = []contract.ObjectVersion{}
	}
	key := contract.RunKey(state.Model, state.Run.Name, contract.FileRequest)
	err := i.writeOnce(ctx, key, contract.Request{RunInput: state.input(), Objects: objects})
	return contract.SettleResult{Settled: true, Request: contract.URI(i.Bucket, key), Objects: len(objects)}, err
}

// settledBefore answers for a run that does not go on any more.
func (i *Intake) settledBefore(ctx context.Context, state State, run string) (contract.SettleResult, error) {
	key := contract.RunKey(state.Model, run, contract.FileRequest)
	item, err := i.Store.Get(ctx, key)
	if fault.Is(err, fault.NotFound) {
		return contract.SettleResult{}, fault.New(fault.Invalid, "settle run "+run, "it is not the run that goes on").
			WithHint("runs are started through the admit function; see %s", contract.URI(i.Bucket, contract.IntakeKey(state.Model)))
	}
	if err != nil {
		return contract.SettleResult{}, err
	}
	var request contract.Request
	if err := json.Unmarshal(item.Body, &request); err != nil {
		return contract.SettleResult{}, fault.New(fault.Invalid, "read "+key, "%w", err)
	}
	return contract.SettleResult{Settled: true, Request: contract.URI(i.Bucket, key), Objects: len(request.Objects)}, nil
}

// Finish records a run's outcome and starts the follow-up when there is a
// reason for one; the result tells which. A repeated call changes nothing.
func (i *Intake) Finish(ctx context.Context, model, run string, outcome contract.Outcome) (contract.AdmitResult, error) {
	if outcome.Status == "" {
		return contract.AdmitResult{}, fault.New(fault.Invalid, "finish run "+run, "its outcome has no status")
	}
	state, err := i.finish(ctx, model, run, outcome, true)
	if err != nil {
		return contract.AdmitResult{}, err
	}
	result := contract.AdmitResult{Model: model, Reason: "nothing is waiting"}
	if state.Run != nil {
		result.Run, result.Reason = state.Run.Name, "it follows run "+run
	}
	result.Started, err = i.launch(ctx, state)
	return result, err
}

// finish writes the record first: whoever finishes the run again after a crash
// finds what was recorded and goes by that. own says that the run itself
// reports.
func (i *Intake) finish(ctx context.Context, model, run string, outcome contract.Outcome, own bool) (State, error) {
	state, err := i.read(ctx, model)
	if err != nil || state.Run == nil || state.Run.Name != run {
		return state, err
	}
	record := Record{Model: model, Run: run, Cause: state.Run.Cause, Opened: state.Run.Opened, Closed: state.Run.Closed,
		Finished: i.Now().UTC(), Objects: len(state.Run.Objects), Outcome: outcome}
	if record, err = i.record(ctx, record); err != nil {
		return State{}, err
	}
	return i.update(ctx, model, func(s *State) bool {
		if s.Run == nil || s.Run.Name != run {
			return false
		}
		s.finish(record.Outcome.Status, own, i.Now())
		return true
	})
}
