package intake

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Settle answers the open run: wait, or here is your request. It closes the run
// once uploads have paused. A repeated call gives the same answer, and a call
// after one that was cut off takes up where that one was.
func (i *Intake) Settle(ctx context.Context, model, run string) (contract.SettleResult, error) {
	state, err := i.read(ctx, model)
	if err != nil {
		return contract.SettleResult{}, err
	}
	if state.Run != nil && state.Run.Name == run && state.Run.collecting() {
		wait, err := i.wait(ctx, state)
		if err != nil {
			return contract.SettleResult{}, err
		}
		if wait > 0 {
			return contract.SettleResult{WaitSeconds: max(1, int(math.Ceil(wait.Seconds())))}, nil
		}
	}
	state, err = i.close(ctx, state, run)
	if err != nil {
		return contract.SettleResult{}, err
	}
	if state.Run == nil || state.Run.Name != run {
		return i.settledBefore(ctx, model, run)
	}
	key := contract.RunKey(model, run, contract.FileRequest)
	return contract.SettleResult{Settled: true, Request: contract.URI(i.Bucket, key), Objects: state.Run.objects()}, nil
}

// objects is how many objects the closed run's request has.
func (r *Run) objects() int { return max(r.Count, len(r.Objects)) }

// wait is how much longer the open run collects.
func (i *Intake) wait(ctx context.Context, state State) (time.Duration, error) {
	all, err := i.Inbox.Arrivals(ctx, inboxPrefix(state.Model))
	if err != nil {
		return 0, err
	}
	var newest time.Time
	for _, a := range all {
		if a.Time.After(newest) {
			newest = a.Time
		}
	}
	return state.wait(newest, i.Quiet, i.Now()), nil
}

// close brings a run that goes on from wherever it is to closed and swept. It
// gives the state as it is; the run may have ended meanwhile.
func (i *Intake) close(ctx context.Context, state State, run string) (State, error) {
	current := func() bool { return state.Run != nil && state.Run.Name == run }
	var err error
	if current() && state.Run.collecting() {
		// An upload that read "collecting" wrote its object before this.
		state, err = i.update(ctx, state.Model, func(s *State) bool { return s.closing(run, i.Now()) })
	}
	if err != nil || !current() {
		return state, err
	}
	var taken request
	if state.Run.Closed.IsZero() {
		if taken, err = i.request(ctx, state); err != nil {
			return state, err
		}
		// Only a run that goes on may take: from here on its uploads are remembered.
		state, err = i.update(ctx, state.Model, func(s *State) bool { return s.close(run, taken.Objects, i.Now()) })
	}
	if err != nil || !current() || state.Run.Swept {
		return state, err
	}
	return i.sweep(ctx, state, taken)
}

// sweep remembers what a closed run took and takes it out of the inbox.
func (i *Intake) sweep(ctx context.Context, state State, taken request) (State, error) {
	run := state.Run.Name
	if taken.Run == "" { // the call that closed it was cut off
		var err error
		if taken, err = i.request(ctx, state); err != nil {
			return state, err
		}
	}
	all := slices.Concat(taken.Dropped, taken.Objects)
	if err := i.remember(ctx, state.Model, slices.Concat(state.Seen, all)); err != nil {
		return state, err
	}
	if err := i.remove(ctx, state.Model, all...); err != nil {
		return state, err
	}
	return i.update(ctx, state.Model, func(s *State) bool { return s.swept(run) })
}

// request is a run's request with what it is accountable for.
type request struct {
	contract.Request
	// Dropped was in the inbox too, or carried, and is not wanted: a newer version
	// replaces it, it was taken in before, or it is gone from the lake.
	Dropped []contract.ObjectVersion `json:"dropped,omitempty"`
}

// request gives the request of the run that goes on, and writes it where nobody
// has. The first one that is written counts.
func (i *Intake) request(ctx context.Context, state State) (request, error) {
	kept, err := i.readRequest(ctx, state.Model, state.Run.Name)
	if !fault.Is(err, fault.NotFound) {
		return kept, err
	}
	made := request{Request: contract.Request{RunInput: state.input(), Objects: state.Run.Objects}}
	if state.Run.Closed.IsZero() {
		if made, err = i.collect(ctx, state); err != nil {
			return request{}, err
		}
	}
	key := contract.RunKey(state.Model, state.Run.Name, contract.FileRequest)
	_, err = i.Store.Create(ctx, key, made.encode())
	if fault.Is(err, fault.Conflict) {
		return i.readRequest(ctx, state.Model, state.Run.Name)
	}
	return made, err
}

func (i *Intake) readRequest(ctx context.Context, model, run string) (request, error) {
	return readRequest(ctx, i.Store, model, run)
}

func readRequest(ctx context.Context, store getter, model, run string) (request, error) {
	key := contract.RunKey(model, run, contract.FileRequest)
	item, err := store.Get(ctx, key)
	if err != nil {
		return request{}, err
	}
	var r request
	if err := json.Unmarshal(item.Body, &r); err != nil {
		return request{}, fault.New(fault.Invalid, "read "+key, "%w", err)
	}
	r.Run = run
	return r, nil
}

// encode writes one object a line: a request may have a hundred thousand.
func (r request) encode() []byte {
	var b bytes.Buffer
	line := func(v any) {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err) // only strings and numbers are passed here
		}
		b.Write(text)
	}
	list := func(name string, versions []contract.ObjectVersion) {
		b.WriteString(",\n  " + strconv.Quote(name) + ": [")
		for n, v := range versions {
			if n > 0 {
				b.WriteByte(',')
			}
			b.WriteString("\n    ")
			line(v)
		}
		b.WriteString("\n  ]")
	}
	b.WriteString("{\n  \"model\": ")
	line(r.Model)
	b.WriteString(",\n  \"run\": ")
	line(r.Run)
	b.WriteString(",\n  \"cause\": ")
	line(r.Cause)
	list("objects", r.Objects)
	if len(r.Dropped) > 0 {
		list("dropped", r.Dropped)
	}
	b.WriteString("\n}\n")
	return b.Bytes()
}

// collect makes the closing run's request: what was carried, and what is in the
// inbox and is news, each key's newest version.
func (i *Intake) collect(ctx context.Context, state State) (request, error) {
	carried, err := i.carried(ctx, state)
	if err != nil {
		return request{}, err
	}
	all := slices.Concat(carried.Objects, state.Pending)
	dropped := carried.Dropped
	inbox, err := i.inbox(ctx, state.Model)
	if err != nil {
		return request{}, err
	}
	came := make([]contract.ObjectVersion, len(inbox))
	for n, a := range inbox {
		came[n] = a.ObjectVersion
	}
	memory := i.memory(State{Model: state.Model, Seen: state.Seen})
	if err := memory.load(ctx, came...); err != nil {
		return request{}, err
	}
	for _, v := range came {
		if memory.before(v) != "" {
			dropped = append(dropped, v)
		} else {
			all = append(all, v)
		}
	}
	made := request{Request: contract.Request{RunInput: state.input(), Objects: dataset.Newest(all)}, Dropped: dropped}
	chosen := make(map[contract.ObjectVersion]bool, len(made.Objects))
	for _, v := range made.Objects {
		chosen[v] = true
	}
	made.Dropped = append(made.Dropped, slices.DeleteFunc(all, func(v contract.ObjectVersion) bool { return chosen[v] })...)
	return made, nil
}

// carried is what a broken run left, as Objects, and what of it is gone from the
// lake or empty, as Dropped.
func (i *Intake) carried(ctx context.Context, state State) (request, error) {
	var r request
	objects := state.Carried
	if state.CarriedRun != "" {
		broken, err := i.readRequest(ctx, state.Model, state.CarriedRun)
		if err != nil {
			return r, err
		}
		objects = slices.Concat(objects, broken.Objects)
	}
	left := map[string]contract.ObjectVersion{}
	for _, v := range objects {
		left[inboxKey(state.Model, v)] = v
	}
	gone := map[contract.ObjectVersion]bool{}
	var mu sync.Mutex
	err := each(left, func(_ string, v contract.ObjectVersion) error {
		if v.Size > 0 {
			_, err := i.Lake.Stat(ctx, v.Key, v.VersionID)
			if err == nil || !fault.Is(err, fault.NotFound) {
				return err
			}
		}
		mu.Lock()
		defer mu.Unlock()
		gone[v] = true
		return nil
	})
	for _, v := range objects {
		if gone[v] {
			r.Dropped = append(r.Dropped, v)
		} else {
			r.Objects = append(r.Objects, v)
		}
	}
	return r, err
}

// settledBefore answers for a run that does not go on any more.
func (i *Intake) settledBefore(ctx context.Context, model, run string) (contract.SettleResult, error) {
	r, err := i.readRequest(ctx, model, run)
	if fault.Is(err, fault.NotFound) {
		return contract.SettleResult{}, fault.New(fault.Invalid, "settle run "+run, "it is not the run that goes on").
			WithHint("runs are started through the admit function; see %s", contract.URI(i.Bucket, contract.IntakeKey(model)))
	}
	key := contract.RunKey(model, run, contract.FileRequest)
	return contract.SettleResult{Settled: true, Request: contract.URI(i.Bucket, key), Objects: len(r.Objects)}, err
}
