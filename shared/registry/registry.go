// Package registry keeps the registered versions of models and their aliases.
//
// A version is a record that is created once under the next free number and
// never changes. An alias is a ref to a version that moves by compare-and-swap;
// "champion" is the one that serves.
package registry

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// Champion is the alias of the version that serves.
const Champion = "champion"

// Registry is the versions of every model of an environment.
type Registry struct{ store ref.Store }

// New opens the registry in the store bucket.
func New(store ref.Store) *Registry { return &Registry{store} }

// claim is the number that a run wants, kept under the run's prefix.
type claim struct {
	Version int `json:"version"`
}

func claimKey(model, run string) string { return contract.RunKey(model, run, "version.json") }

// Register creates the record of v under the next free number and gives it with
// that number. A run has one version: registering it again gives the record
// that is there, whatever else v says. Unavailable and Conflict may be retried.
func (r *Registry) Register(ctx context.Context, v contract.Version) (contract.Version, error) {
	if err := contract.CheckModel(v.Model); err != nil {
		return contract.Version{}, fault.Wrap(fault.Invalid, "register a version", err)
	}
	if v.Run == "" {
		return contract.Version{}, fault.New(fault.Invalid, "register a version of "+v.Model, "it has no run")
	}
	taken := 0
	for {
		number, err := r.claim(ctx, v.Model, v.Run, taken)
		if err != nil {
			return contract.Version{}, err
		}
		v.Version = number
		err = r.create(ctx, v)
		if !fault.Is(err, fault.Conflict) {
			return v, err
		}
		there, err := r.Version(ctx, v.Model, number)
		if err != nil || there.Run == v.Run {
			return there, err
		}
		taken = number
	}
}

// claim gives the number that a run wants, after moving it on when another run
// was found to have taken it.
func (r *Registry) claim(ctx context.Context, model, run string, taken int) (int, error) {
	c, err := ref.Update(ctx, r.store, claimKey(model, run), func(old claim, found bool) (claim, error) {
		if found && old.Version != taken {
			return old, ref.Unchanged
		}
		numbers, err := r.Numbers(ctx, model)
		if err != nil {
			return old, err
		}
		if len(numbers) == 0 {
			return claim{1}, nil
		}
		return claim{numbers[len(numbers)-1] + 1}, nil
	})
	return c.Version, err
}

func (r *Registry) create(ctx context.Context, v contract.Version) error {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fault.New(fault.Internal, "encode a version", "%w", err)
	}
	_, err = r.store.Create(ctx, contract.VersionKey(v.Model, v.Version), append(body, '\n'))
	return err
}

// Version gives a record; NotFound when there is none with that number.
func (r *Registry) Version(ctx context.Context, model string, number int) (contract.Version, error) {
	item, err := r.store.Get(ctx, contract.VersionKey(model, number))
	if err != nil {
		return contract.Version{}, err
	}
	var v contract.Version
	if err := json.Unmarshal(item.Body, &v); err != nil {
		return contract.Version{}, fault.New(fault.Invalid, "read "+item.Key, "%w", err)
	}
	if v.Model != model || v.Version != number {
		return contract.Version{}, fault.New(fault.Invalid, "read "+item.Key, "it says that it is version %d of %q", v.Version, v.Model)
	}
	return v, nil
}

// Numbers lists a model's version numbers in ascending order.
func (r *Registry) Numbers(ctx context.Context, model string) ([]int, error) {
	prefix := "models/" + model + "/versions/"
	keys, err := r.store.List(ctx, prefix)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, key := range keys {
		name := strings.TrimSuffix(strings.TrimPrefix(key, prefix), ".json")
		if n, err := strconv.Atoi(name); err == nil && contract.VersionKey(model, n) == key {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// Alias is where an alias points, and where it pointed before (0: nowhere).
type Alias struct {
	Version  int       `json:"version"`
	Previous int       `json:"previous"`
	Moved    time.Time `json:"moved"`
	Reason   string    `json:"reason"`
	Fence    int64     `json:"fence,omitzero"` // of who moved it
}

// Step is one move of an alias. Fence grows with every new mover: the lease's
// token. A mover may go forward once, and Back from there; then its fence is
// spent, so a late repetition of its first move finds it so, though the alias
// points again to where that began.
type Step struct {
	From, To int // From is 0 when the alias should not exist yet
	Fence    int64
	Back     bool
	Reason   string
}

// Alias reads an alias; NotFound when the model has none of that name.
func (r *Registry) Alias(ctx context.Context, model, alias string) (Alias, error) {
	p, err := ref.Read[Alias](ctx, r.store, contract.AliasKey(model, alias))
	return p.Value, err
}

// Resolve gives the version that an alias points to; nil when the model has no
// such alias yet.
func (r *Registry) Resolve(ctx context.Context, model, alias string) (*contract.Version, error) {
	a, err := r.Alias(ctx, model, alias)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v, err := r.Version(ctx, model, a.Version)
	if err != nil {
		return nil, err
	}
	return &v, nil
}

// Move points an alias to another version, which must be registered. Moving it
// to where it is already changes nothing, so a retry is harmless; Conflict when
// it points elsewhere, or when the mover's fence is spent.
func (r *Registry) Move(ctx context.Context, model, alias string, step Step, now time.Time) (Alias, error) {
	if _, err := r.Version(ctx, model, step.To); err != nil {
		return Alias{}, err
	}
	return ref.Update(ctx, r.store, contract.AliasKey(model, alias), func(old Alias, found bool) (Alias, error) {
		if old.Version == step.To {
			return old, ref.Unchanged
		}
		op := "move alias " + alias + " of " + model
		if old.Version != step.From {
			return old, fault.New(fault.Conflict, op, "it points to version %d, not %d", old.Version, step.From).
				WithHint("another rollout moved it; read it again before moving it")
		}
		if step.Back && old.Fence != step.Fence || !step.Back && found && old.Fence >= step.Fence {
			return old, fault.New(fault.Conflict, op, "it was last moved with fence %d, this move's is %d", old.Fence, step.Fence).
				WithHint("a later rollout, or this one's own revert, came first")
		}
		return Alias{Version: step.To, Previous: step.From, Moved: now.UTC(), Reason: step.Reason, Fence: step.Fence}, nil
	})
}
