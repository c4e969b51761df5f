package intake

import (
	"context"
	"encoding/json"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// getter is the part of ref.Store that reads.
type getter interface {
	Get(ctx context.Context, key string) (ref.Item, error)
}

// Read gives a model's intake as it is; an empty one for a model that nothing
// arrived for yet.
func Read(ctx context.Context, store ref.Store, model string) (State, error) {
	p, err := ref.Read[State](ctx, store, contract.IntakeKey(model))
	if fault.Is(err, fault.NotFound) {
		return State{Model: model, Next: 1}, nil
	}
	return p.Value, err
}

func (i *Intake) read(ctx context.Context, model string) (State, error) {
	if err := contract.CheckModel(model); err != nil {
		return State{}, fault.Wrap(fault.Invalid, "read the intake", err)
	}
	return Read(ctx, i.Store, model)
}

// update moves a model's state; move says whether it changed anything.
func (i *Intake) update(ctx context.Context, model string, move func(*State) bool) (State, error) {
	return ref.Update(ctx, i.Store, contract.IntakeKey(model), func(s State, found bool) (State, error) {
		if !found {
			s = State{Model: model, Next: 1}
		}
		if !move(&s) {
			return s, ref.Unchanged
		}
		return s, nil
	})
}

func (i *Intake) configured(ctx context.Context, model string) (bool, error) {
	if err := contract.CheckModel(model); err != nil {
		return false, fault.Wrap(fault.Invalid, "admit", err)
	}
	_, err := i.Store.Get(ctx, contract.ConfigKey(model))
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

func unconfigured(bucket, model string) error {
	return fault.New(fault.NotFound, "admit model "+model, "it has no configuration").
		WithHint("write its train.yaml to %s; what was uploaded is kept for the first run", contract.URI(bucket, contract.ConfigKey(model)))
}

// writeOnce creates a JSON object; one that is there already stays.
func (i *Intake) writeOnce(ctx context.Context, key string, v any) error {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fault.New(fault.Internal, "encode "+key, "%w", err)
	}
	_, err = i.Store.Create(ctx, key, append(body, '\n'))
	if fault.Is(err, fault.Conflict) {
		return nil
	}
	return err
}

// record keeps the first record of a run and gives it.
func (i *Intake) record(ctx context.Context, r Record) (Record, error) {
	key := contract.RunKey(r.Model, r.Run, contract.FileRecord)
	if err := i.writeOnce(ctx, key, r); err != nil {
		return Record{}, err
	}
	item, err := i.Store.Get(ctx, key)
	if err != nil {
		return Record{}, err
	}
	var kept Record
	if err := json.Unmarshal(item.Body, &kept); err != nil {
		return Record{}, fault.New(fault.Invalid, "read "+key, "%w", err)
	}
	return kept, nil
}
