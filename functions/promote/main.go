// Command promote finishes a promotion that was decided: all traffic, then the
// champion alias, then the old champion is retired. With the operation "observe"
// it looks after a promotion that is provisional. It may be called twice.
package main

import (
	"context"

	"github.com/sluice-ml/sluice/shared/aws/lambdafn"
	"github.com/sluice-ml/sluice/shared/aws/rollouts"
	"github.com/sluice-ml/sluice/shared/contract"
)

func main() { lambdafn.Main(build) }

func build(ctx context.Context) (lambdafn.Handler[contract.RolloutStep, contract.RolloutCommand], error) {
	controller, _, err := rollouts.FromEnvironment(ctx)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, step contract.RolloutStep) (contract.RolloutCommand, error) {
		if step.Operation == "observe" {
			return controller.Observe(ctx, step)
		}
		return controller.Promote(ctx, step)
	}, nil
}
