// Command rollback puts a model's champion back and reads that back. It is
// called by the rollout state machine, by EventBridge when an alarm changes
// state, and by people; beside each other and twice, too.
//
// People call it with {"model": "adult-income", "reason": "why"}: the current
// rollout is meant when none is named.
package main

import (
	"context"
	"encoding/json"

	"github.com/sluice-ml/sluice/shared/aws/lambdafn"
	"github.com/sluice-ml/sluice/shared/aws/rollouts"
	"github.com/sluice-ml/sluice/shared/contract"
)

func main() { lambdafn.Main(build) }

func build(ctx context.Context) (lambdafn.Handler[json.RawMessage, contract.RolloutCommand], error) {
	controller, env, err := rollouts.FromEnvironment(ctx)
	if err != nil {
		return nil, err
	}
	return handler{environment: env.Name, controller: controller}.handle, nil
}
