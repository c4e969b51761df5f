package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/aws/hooks"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/registry"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// Dataset opens a model's dataset. What moves its branches asks its hooks.
func (c *Client) Dataset(model string) *dataset.Repository {
	return hooks.Open(hooks.Hooks{Functions: c.Hooks, Objects: c.Objects, Bucket: c.Store, Notice: c.Notice}, model, c.Lake)
}

// Models lists the models that have a configuration.
func (c *Client) Models(ctx context.Context) ([]string, error) {
	objects, err := c.Objects.List(ctx, c.Store, "configs/")
	if err != nil {
		return nil, err
	}
	models := []string{}
	for _, o := range objects {
		if name, ok := strings.CutSuffix(strings.TrimPrefix(o.Key, "configs/"), "/train.yaml"); ok {
			models = append(models, name)
		}
	}
	return models, nil
}

// registry opens the models' versions and aliases.
func (c *Client) registry() *registry.Registry {
	return registry.New(c.Objects.Refs(c.Store, ""))
}

// Champion is the version that serves a model; NotFound when there is none yet.
func (c *Client) Champion(ctx context.Context, model string) (contract.Version, error) {
	alias, err := c.registry().Alias(ctx, model, registry.Champion)
	if err != nil {
		return contract.Version{}, fmt.Errorf("read the champion of %q: %w", model, err)
	}
	return c.Version(ctx, model, alias.Version)
}

// Version reads a registered version.
func (c *Client) Version(ctx context.Context, model string, version int) (contract.Version, error) {
	v, err := c.registry().Version(ctx, model, version)
	if err != nil {
		return v, fmt.Errorf("read version %d of %q: %w", version, model, err)
	}
	return v, nil
}

// Versions lists a model's versions, newest first.
func (c *Client) Versions(ctx context.Context, model string) ([]contract.Version, error) {
	numbers, err := c.registry().Numbers(ctx, model)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(numbers, func(a, b int) int { return b - a })
	versions := []contract.Version{}
	for _, number := range numbers {
		v, err := c.Version(ctx, model, number)
		if err != nil {
			return nil, err
		}
		versions = append(versions, v)
	}
	return versions, nil
}

// rollouts opens the rollouts' records.
func (c *Client) rollouts() rollout.Records {
	return rollout.Records{Store: c.Objects.Refs(c.Store, "")}
}

// AbortRollout asks for the champion back at 100 %, verified.
func (c *Client) AbortRollout(ctx context.Context, state rollout.State, reason string) (contract.RolloutCommand, error) {
	var command contract.RolloutCommand
	err := c.invoke(ctx, "rollback", contract.RolloutStep{
		Model: state.Model, Run: state.Run, Version: state.Candidate.Version, Decision: state.Decision, Rollout: state.Rollout, Reason: reason,
	}, &command)
	return command, err
}

// SayRollout passes on what a person says of a rollout: "pause", "resume",
// "approve", "force" or "revert".
func (c *Client) SayRollout(ctx context.Context, state rollout.State, operation, by string) (contract.RolloutCommand, error) {
	function := "shift"
	if operation == "revert" {
		function = "rollback"
	}
	var command contract.RolloutCommand
	err := c.invoke(ctx, function, contract.RolloutStep{Operation: operation, Model: state.Model, Rollout: state.Rollout, Reason: by}, &command)
	return command, err
}

// RolloutPhases reads when each state of a run's rollout was entered and left.
func (c *Client) RolloutPhases(ctx context.Context, run string) ([]Phase, error) {
	return c.phasesOf(ctx, strings.Replace(c.machineARN("rollout"), ":stateMachine:", ":execution:", 1)+":"+run+"-rollout")
}

// Config reads the configuration in force and when it was put there.
func (c *Client) Config(ctx context.Context, model string) (text []byte, changed time.Time, err error) {
	text, info, err := c.Objects.Get(ctx, c.Store, contract.ConfigKey(model), "")
	if fault.Is(err, fault.NotFound) {
		return nil, time.Time{}, fmt.Errorf("model %q has no configuration: put one at %s", model, contract.URI(c.Store, contract.ConfigKey(model)))
	}
	return text, info.LastModified, err
}

// RunFile reads a JSON file of a run.
func (c *Client) RunFile(ctx context.Context, model, run, file string, into any) error {
	return c.Objects.GetJSON(ctx, contract.URI(c.Store, contract.RunKey(model, run, file)), into)
}

// RunJSON reads a run's file whatever it holds; found is false when there is none.
func (c *Client) RunJSON(ctx context.Context, model, run, file string) (raw json.RawMessage, found bool, err error) {
	body, _, err := c.Objects.Get(ctx, c.Store, contract.RunKey(model, run, file), "")
	if fault.Is(err, fault.NotFound) {
		return nil, false, nil
	}
	return body, err == nil, err
}
