package operator

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// Rollout reads the state of a model's latest rollout; NotFound when it had none.
func (c *Client) Rollout(ctx context.Context, model string) (rollout.State, error) {
	return latestRollout(ctx, c.Objects.Refs(c.Store, ""), model)
}

// RolloutHistory reads a model's rollouts, finished or under way, newest first;
// NotFound when nothing is known of the model.
func (c *Client) RolloutHistory(ctx context.Context, model string) ([]rollout.State, error) {
	return rolloutHistory(ctx, c.Objects.Refs(c.Store, ""), model)
}

// FindRollout reads a rollout, finished or under way, by its id alone; NotFound
// when there is none.
func (c *Client) FindRollout(ctx context.Context, id string) (rollout.State, error) {
	return findRollout(ctx, c.Objects.Refs(c.Store, ""), id)
}

func latestRollout(ctx context.Context, store ref.Store, model string) (rollout.State, error) {
	state, err := rollout.Records{Store: store}.Load(ctx, model)
	if !fault.Is(err, fault.NotFound) {
		if err != nil {
			err = fmt.Errorf("read the rollout of %q: %w", model, err)
		}
		return state, err
	}
	if err := knowModel(ctx, store, model); err != nil {
		return rollout.State{}, err
	}
	return rollout.State{}, fault.New(fault.NotFound, "read the rollout of "+model, "it has had none").
		WithHint("sluice run start %s starts a run, which ends in one", model)
}

// rolloutHistory takes the live state too: a rollout that has its outcome is
// archived only once the loser is retired.
func rolloutHistory(ctx context.Context, store ref.Store, model string) ([]rollout.State, error) {
	records := rollout.Records{Store: store}
	states := []rollout.State{}
	live, err := records.Load(ctx, model)
	switch {
	case err == nil:
		states = append(states, live)
	case !fault.Is(err, fault.NotFound):
		return nil, fmt.Errorf("read the rollout of %q: %w", model, err)
	}
	keys, err := store.List(ctx, contract.RolloutHistoryPrefix(model))
	if err != nil {
		return nil, fmt.Errorf("list the rollouts of %q: %w", model, err)
	}
	for _, key := range keys {
		name, ok := strings.CutSuffix(strings.TrimPrefix(key, contract.RolloutHistoryPrefix(model)), ".json")
		if !ok || name == live.Rollout {
			continue
		}
		s, err := records.Archived(ctx, model, name)
		if err != nil {
			return nil, err
		}
		states = append(states, s)
	}
	if len(states) == 0 {
		return states, knowModel(ctx, store, model)
	}
	slices.SortStableFunc(states, func(a, b rollout.State) int { return b.Started.Compare(a.Started) })
	return states, nil
}

func findRollout(ctx context.Context, store ref.Store, id string) (rollout.State, error) {
	keys, err := store.List(ctx, "rollouts/")
	if err != nil {
		return rollout.State{}, fmt.Errorf("list the rollouts: %w", err)
	}
	records := rollout.Records{Store: store}
	for _, key := range keys {
		model, _, _ := strings.Cut(strings.TrimPrefix(key, "rollouts/"), "/")
		switch key {
		case contract.RolloutHistoryKey(model, id):
			return records.Archived(ctx, model, id)
		case contract.RolloutStateKey(model):
			s, err := records.Load(ctx, model)
			if err != nil && !fault.Is(err, fault.NotFound) {
				return s, fmt.Errorf("read the rollout of %q: %w", model, err)
			}
			if err == nil && s.Rollout == id {
				return s, nil
			}
		}
	}
	return rollout.State{}, fault.New(fault.NotFound, "find rollout "+id, "there is none of that id").
		WithHint("sluice rollout history MODEL lists a model's")
}

// knowModel is NotFound where a model has no configuration; it names those that
// have one.
func knowModel(ctx context.Context, store ref.Store, model string) error {
	keys, err := store.List(ctx, "configs/")
	if err != nil {
		return fmt.Errorf("list the models: %w", err)
	}
	names := []string{}
	for _, key := range keys {
		if name, ok := strings.CutSuffix(strings.TrimPrefix(key, "configs/"), "/train.yaml"); ok {
			names = append(names, name)
		}
	}
	if slices.Contains(names, model) {
		return nil
	}
	hint := "no model has a configuration yet"
	if len(names) > 0 {
		hint = "there are: " + strings.Join(names[:min(20, len(names))], ", ")
	}
	return fault.New(fault.NotFound, "find model "+model, "it is not known here").WithHint("%s", hint)
}
