// Command shift carries out the steps of a rollout that move nothing or move
// traffic: acquire, prepare, verify, shift and release. Package rollout says what
// each does and what may follow.
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
	return rollouts.Operations(controller), nil
}
