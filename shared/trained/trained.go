// Package trained remembers which run trained the model of a plan, so that equal
// work is not done twice.
//
// A plan's hash names what decides a model's bits: data, configuration, seed and
// images. A run whose hash has a model already does not train:
//
//   - where that model is the champion, the run ends "unchanged": no evaluation
//     of it could tell anything new;
//   - otherwise the run adopts the model, a copy of the earlier run's files, and
//     goes on with its evaluation: the champion that it is compared with may be
//     another one by now, and so may what people think of an earlier hold.
//
// A start that asks for it (sluice run start --retrain) trains all the same.
package trained

import (
	"context"
	"fmt"
	"strings"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// Model says which run trained a plan's model.
type Model struct {
	PlanHash string `json:"plan_hash"`
	Run      string `json:"run"`
	Digest   string `json:"digest"` // of model.tar.gz, "sha256:…"
}

// key lies below no run: no run is called so.
func key(model, planHash string) string {
	return contract.RunKey(model, "by-plan", strings.TrimPrefix(planHash, "sha256:")+".json")
}

// Record keeps the run that trained a plan's model and evaluated it; the newest
// one counts. It may be repeated.
func Record(ctx context.Context, store ref.Store, model string, m Model) error {
	_, err := ref.Update(ctx, store, key(model, m.PlanHash), func(old Model, found bool) (Model, error) {
		if found && old == m {
			return old, ref.Unchanged
		}
		return m, nil
	})
	return err
}

// Find gives the model of a plan; nil when none was trained.
func Find(ctx context.Context, store ref.Store, model, planHash string) (*Model, error) {
	p, err := ref.Read[Model](ctx, store, key(model, planHash))
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if p.Value.PlanHash != planHash {
		return nil, fault.New(fault.Invalid, "read "+key(model, planHash), "it is about plan %s", p.Value.PlanHash)
	}
	return &p.Value, nil
}

// Unchanged says why a run with this plan has nothing to do: its model is the
// champion already; "" when it has. A run that was asked to retrain always has.
func Unchanged(plan contract.Plan) string {
	if plan.Cause.Kind == contract.CauseRetrain || plan.Champion == nil || plan.Champion.PlanHash != plan.Hash {
		return ""
	}
	return fmt.Sprintf("the champion, version %d, was trained by run %s from this very plan (%s): nothing is new. To train it again: sluice run start %s --retrain",
		plan.Champion.Version, plan.Champion.Run, plan.Hash, plan.Model)
}
