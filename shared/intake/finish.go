package intake

import (
	"context"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Finish records a run's outcome and starts the follow-up when there is a
// reason for one; the result tells which. A repeated call changes nothing.
func (i *Intake) Finish(ctx context.Context, model, run string, outcome contract.Outcome) (contract.AdmitResult, error) {
	if outcome.Status == "" {
		return contract.AdmitResult{}, fault.New(fault.Invalid, "finish run "+run, "its outcome has no status")
	}
	state, err := i.read(ctx, model)
	if err != nil {
		return contract.AdmitResult{}, err
	}
	if state, err = i.finish(ctx, state, run, outcome, true); err != nil {
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
// finds what was recorded and goes by that. Then it ends the run, and only then
// looks at the inbox: an upload that still saw the run wrote its object before
// that. own says that the run itself reports.
func (i *Intake) finish(ctx context.Context, state State, run string, outcome contract.Outcome, own bool) (State, error) {
	if state.Run == nil || state.Run.Name != run {
		return i.follow(ctx, state) // the call that ended it may have been cut off
	}
	record := Record{Model: state.Model, Run: run, Cause: state.Run.Cause, Opened: state.Run.Opened, Closed: state.Run.Closed,
		Finished: i.Now().UTC(), Objects: state.Run.objects(), Outcome: outcome}
	record, err := i.record(ctx, record)
	if err != nil {
		return State{}, err
	}
	// A run that reports that it broke while it was collecting takes what is
	// waiting down with it: a follow-up would only break again.
	down := own && record.Outcome.Status == StatusFailed
	for state.Run != nil && state.Run.Name == run {
		if state, err = i.end(ctx, state, run, record.Outcome.Status, down); err != nil {
			return State{}, err
		}
	}
	return i.follow(ctx, state)
}

// end ends a run; it may have been closed meanwhile, and then goes on.
func (i *Intake) end(ctx context.Context, state State, run, status string, down bool) (State, error) {
	if down || !state.Run.Closed.IsZero() {
		var err error
		if state, err = i.close(ctx, state, run); err != nil {
			return state, err
		}
	}
	return i.update(ctx, state.Model, func(s *State) bool {
		if s.Run == nil || s.Run.Name != run || (!s.Run.Closed.IsZero() && !s.Run.Swept) {
			return false
		}
		s.finish(status, i.Now())
		return true
	})
}
