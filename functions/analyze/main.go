// Command analyze judges a rollout's bake from CloudWatch: the next step, more time,
// promotion or rollback. A call before the bake ends answers with what is left
// of it.
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
	return controller.Analyze, nil
}
