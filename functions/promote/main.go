// Command promote finishes a promotion that was decided: all traffic, then the
// champion alias, then the old champion is retired. It may be called twice.
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
	return controller.Promote, nil
}
