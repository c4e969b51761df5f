package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// Records keeps states and leases as pointers in a store, under the contract's
// keys.
type Records struct {
	Store ref.Store
	Now   func() time.Time
}

var (
	_ States = Records{}
	_ Leases = Records{}
)

// Load implements States.
func (r Records) Load(ctx context.Context, model string) (State, error) {
	p, err := ref.Read[State](ctx, r.Store, contract.RolloutStateKey(model))
	return p.Value, err
}

// Update implements States.
func (r Records) Update(ctx context.Context, model string, change func(State, bool) (State, error)) (State, error) {
	return ref.Update(ctx, r.Store, contract.RolloutStateKey(model), func(old State, found bool) (State, error) {
		next, err := change(old, found)
		if errors.Is(err, ErrUnchanged) {
			err = ref.Unchanged
		}
		return next, err
	})
}

// Archive implements States. The record is created once and never replaced.
func (r Records) Archive(ctx context.Context, s State) error {
	body, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fault.New(fault.Internal, "keep the record of rollout "+s.Rollout, "%w", err)
	}
	_, err = r.Store.Create(ctx, contract.RolloutHistoryKey(s.Model, s.Rollout), append(body, '\n'))
	if fault.Is(err, fault.Conflict) {
		return nil
	}
	return err
}

// Archived implements States.
func (r Records) Archived(ctx context.Context, model, rollout string) (State, error) {
	item, err := r.Store.Get(ctx, contract.RolloutHistoryKey(model, rollout))
	if err != nil {
		return State{}, err
	}
	return ParseState(item.Key, item.Body)
}

// ParseState reads a rollout's record; Invalid when it is none.
func ParseState(name string, body []byte) (State, error) {
	var s State
	if err := json.Unmarshal(body, &s); err != nil {
		return State{}, fault.New(fault.Invalid, "read the rollout record "+name, "%w", err)
	}
	if s.Rollout == "" || s.Model == "" || s.Phase == "" {
		return State{}, fault.New(fault.Invalid, "read the rollout record "+name, "rollout, model or phase is missing")
	}
	return s, nil
}

// Acquire implements Leases.
func (r Records) Acquire(ctx context.Context, model, holder string, ttl time.Duration) (int64, error) {
	l, err := ref.Acquire(ctx, r.Store, contract.RolloutLeaseKey(model), holder, ttl, r.Now())
	return l.Token, err
}

// Release implements Leases.
func (r Records) Release(ctx context.Context, model, holder string, token int64) error {
	return ref.Release(ctx, r.Store, ref.Lease{Key: contract.RolloutLeaseKey(model), Holder: holder, Token: token})
}
