package ecsbackend

import (
	"context"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// Mirrors implements rollout.Backend: an Application Load Balancer has no action
// that copies a request. A copy made in the champion's own server would put the
// candidate's trouble into the process that serves, and the champion would have
// to be deployed anew to begin and to end it.
func (b *Backend) Mirrors(model string) error {
	return fault.New(fault.Invalid, "mirror the requests of "+model,
		"the model is served by ECS behind an Application Load Balancer, which cannot copy requests to a second target").
		WithHint("remove deployment.shadow and use the strategy canary with a small first step, or serve the model by SageMaker")
}

// Shadow implements rollout.Backend.
func (b *Backend) Shadow(_ context.Context, p rollout.Placement, _ float64) (string, error) {
	return "", b.Mirrors(p.Model)
}
