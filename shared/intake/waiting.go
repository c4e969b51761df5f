package intake

import (
	"context"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// Waiting is what a model's next run takes, as it is now.
type Waiting struct {
	Model      string                   `json:"model"`
	Uploads    int                      `json:"uploads"`        // in the inbox
	Carried    int                      `json:"carried"`        // of a run that broke
	Since      time.Time                `json:"since,omitzero"` // when the oldest upload came
	Run        string                   `json:"run,omitempty"`  // the run that goes on
	Collecting bool                     `json:"collecting"`     // it takes them
	Configured bool                     `json:"configured"`     // without a configuration they wait for one
	Objects    []contract.ObjectVersion `json:"-"`              // all of them, and those of the run that goes on
}

// Look tells what of a model waits. It reads the inbox before the state, so that
// what is moved from one to the other meanwhile is seen at least once.
func Look(ctx context.Context, store ref.Store, inbox Inbox, model string) (Waiting, error) {
	w := Waiting{Model: model}
	all, err := readInbox(ctx, store, inbox, model)
	if err != nil {
		return w, err
	}
	for _, a := range all {
		w.Objects = append(w.Objects, a.ObjectVersion)
	}
	state, err := Read(ctx, store, model)
	if err != nil {
		return w, err
	}
	w.Uploads, w.Carried = len(all)+len(state.Pending), len(state.Carried)
	if len(all) > 0 {
		w.Since = all[0].Time
	}
	w.Objects = append(append(w.Objects, state.Pending...), state.Carried...)
	if state.CarriedRun != "" {
		broken, err := readRequest(ctx, store, model, state.CarriedRun)
		if err != nil {
			return w, err
		}
		w.Carried += len(filled(broken.Objects))
		w.Objects = append(w.Objects, broken.Objects...)
	}
	if state.Run != nil {
		w.Run, w.Collecting = state.Run.Name, state.Run.collecting()
		taken, err := readRequest(ctx, store, model, state.Run.Name)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return w, err
		}
		w.Objects = append(append(w.Objects, state.Run.Objects...), taken.Objects...)
	}
	_, err = store.Get(ctx, contract.ConfigKey(model))
	w.Configured = err == nil
	if fault.Is(err, fault.NotFound) {
		err = nil
	}
	return w, err
}
