package intake

import (
	"context"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Upload takes in one uploaded version. cause.ID names the event. The version is
// written to the inbox before anything else can fail, and kept there when the
// model has no configuration yet: that is no error, because no retry of the event
// could help. Configured takes it then.
//
// While a run goes on this is a write and a read, whatever waits; the state is
// written only where a run is opened.
func (i *Intake) Upload(ctx context.Context, model string, v contract.ObjectVersion, cause contract.Cause) (contract.AdmitResult, error) {
	if err := contract.CheckModel(model); err != nil {
		return contract.AdmitResult{}, fault.Wrap(fault.Invalid, "admit", err)
	}
	added, err := i.put(ctx, model, v, cause)
	if err != nil {
		return contract.AdmitResult{}, err
	}
	state, err := i.reconcile(ctx, model, true)
	if err != nil {
		return contract.AdmitResult{}, err
	}
	did := verdict{duplicate: !added}
	if state.Run == nil {
		if state, did, err = i.news(ctx, state, v, cause); err != nil {
			return contract.AdmitResult{}, err
		}
		did.duplicate = did.duplicate || !added
	}
	return i.answer(ctx, state, did)
}

// news opens a run for an upload that found none, unless it is no news.
func (i *Intake) news(ctx context.Context, state State, v contract.ObjectVersion, cause contract.Cause) (State, verdict, error) {
	configured, err := i.configured(ctx, state.Model)
	if err != nil || !configured {
		return state, verdict{reason: "it waits for a configuration at " + contract.URI(i.Bucket, contract.ConfigKey(state.Model))}, err
	}
	for state.Run == nil {
		memory := i.memory(state)
		if err := memory.load(ctx, v); err != nil {
			return state, verdict{}, err
		}
		if reason := memory.before(v); reason != "" {
			if err := i.remove(ctx, state.Model, v); err != nil {
				return state, verdict{}, err
			}
			state, err = i.follow(ctx, state)
			return state, verdict{duplicate: reason == takenBefore, reason: reason}, err
		}
		opened := false
		if state, opened, err = i.open(ctx, state, cause); err != nil || opened {
			return state, verdict{reason: "it opened run " + name(state)}, err
		}
	}
	return state, verdict{}, nil
}

func name(s State) string {
	if s.Run == nil {
		return ""
	}
	return s.Run.Name
}

// open opens a run, unless one was opened since the state was seen; opened says
// whether it did.
func (i *Intake) open(ctx context.Context, seen State, cause contract.Cause) (state State, opened bool, err error) {
	state, err = i.update(ctx, seen.Model, func(s *State) bool {
		opened = s.Run == nil && s.Next == seen.Next
		if opened {
			s.open(cause, i.Now())
		}
		return opened
	})
	return state, opened, err
}

// follow opens a run when none goes on and the inbox has news, with the oldest's
// cause. It takes out of the inbox what is none.
func (i *Intake) follow(ctx context.Context, state State) (State, error) {
	for state.Run == nil {
		cause, found, err := i.waiting(ctx, state)
		if err != nil || !found {
			return state, err
		}
		if state, _, err = i.open(ctx, state, cause); err != nil {
			return state, err
		}
	}
	return state, nil
}

// waiting finds the oldest upload that is news, and gives what it came with.
func (i *Intake) waiting(ctx context.Context, state State) (cause contract.Cause, found bool, err error) {
	if len(state.Pending) > 0 {
		return state.Waiting, true, nil
	}
	all, err := i.inbox(ctx, state.Model)
	if err != nil {
		return contract.Cause{}, false, err
	}
	memory := i.memory(state)
	var old []contract.ObjectVersion
	for _, a := range all {
		if err := memory.load(ctx, a.ObjectVersion); err != nil {
			return contract.Cause{}, false, err
		}
		if memory.before(a.ObjectVersion) != "" {
			old = append(old, a.ObjectVersion)
			continue
		}
		body, err := uploaded(ctx, i.Store, a.Arrival.Key)
		if fault.Is(err, fault.NotFound) { // a run that was opened meanwhile took it
			continue
		}
		return body.Cause, err == nil, err
	}
	return contract.Cause{}, false, i.remove(ctx, state.Model, old...)
}

// Configured is to be called when a model's configuration was written: it opens a
// run for the uploads that waited for it.
func (i *Intake) Configured(ctx context.Context, model string) (contract.AdmitResult, error) {
	configured, err := i.configured(ctx, model)
	if err != nil {
		return contract.AdmitResult{}, err
	}
	if !configured {
		return contract.AdmitResult{}, unconfigured(i.Bucket, model)
	}
	state, err := i.reconcile(ctx, model, false)
	if err == nil {
		state, err = i.follow(ctx, state)
	}
	if err != nil {
		return contract.AdmitResult{}, err
	}
	if state.Run == nil {
		return contract.AdmitResult{Model: model, Reason: "no upload waits for the configuration"}, nil
	}
	return i.answer(ctx, state, verdict{})
}
