package rollout

import (
	"slices"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Policy is what a rollout may do, frozen into its state when it starts, so a
// changed configuration never changes a rollout under way.
type Policy struct {
	Steps       []float64            `json:"steps"`        // the candidate's percent, rising, last 100
	Bake        trainconfig.Duration `json:"bake"`         // watched per step
	Deadline    trainconfig.Duration `json:"deadline"`     // of the whole rollout
	LatencyP99  trainconfig.Duration `json:"latency_p99"`  // at most
	ErrorRate   float64              `json:"error_rate"`   // at most, 0..1
	Accuracy    float64              `json:"accuracy"`     // at least, 0..1; 0 is off
	MinRequests int64                `json:"min_requests"` // fewer are too little to judge; of labels too
	MaxFailures int                  `json:"max_failures"` // in a row, then rollback
	Hold        bool                 `json:"hold"`         // failures and alarms are told, not acted on
	Trigger     trainconfig.Trigger  `json:"trigger,omitzero"`
}

// NewPolicy takes what train.yaml's deployment block says. Its error is
// Invalid; a retry cannot help.
func NewPolicy(d trainconfig.Deployment) (Policy, error) {
	trigger, err := trainconfig.ParseTrigger(d.Rollback.Trigger)
	if err != nil {
		return Policy{}, fault.New(fault.Invalid, "read deployment.rollback.trigger", "%w", err)
	}
	p := Policy{
		Steps: slices.Clone(d.Steps), Bake: d.Bake, Deadline: d.Deadline,
		LatencyP99: d.Limits.LatencyP99, ErrorRate: d.Limits.ErrorRate, Accuracy: d.Limits.Accuracy,
		MinRequests: int64(d.MinRequests), MaxFailures: d.MaxFailures,
		Hold: !d.Rollback.Enabled, Trigger: trigger,
	}
	return p, p.Check()
}

// Check says what is wrong with a policy: Invalid, naming the field and value.
func (p Policy) Check() error {
	wrong := func(why string, args ...any) error {
		return fault.New(fault.Invalid, "check the rollout policy", why, args...).
			WithHint("correct the deployment block of train.yaml")
	}
	last := 0.0
	for i, step := range p.Steps {
		if !(step > last && step <= 100) {
			return wrong("deployment.steps[%d] is %v: want percentages that rise to 100", i, step)
		}
		last = step
	}
	switch {
	case last != 100:
		return wrong("deployment.steps ends at %v: want 100", last)
	case p.Bake <= 0:
		return wrong("deployment.bake is %v: want a positive time", time.Duration(p.Bake))
	case time.Duration(p.Deadline) <= time.Duration(p.Bake)*time.Duration(len(p.Steps)):
		return wrong("deployment.deadline is %v, but %d steps that bake %v take longer",
			time.Duration(p.Deadline), len(p.Steps), time.Duration(p.Bake))
	case p.MinRequests < 1:
		return wrong("deployment.min_requests is %d: want at least 1", p.MinRequests)
	case p.MaxFailures < 1:
		return wrong("deployment.max_failures is %d: want at least 1", p.MaxFailures)
	case p.LatencyP99 <= 0:
		return wrong("deployment.limits.latency_p99 is %v: want a positive time", time.Duration(p.LatencyP99))
	case !(p.ErrorRate >= 0 && p.ErrorRate <= 1):
		return wrong("deployment.limits.error_rate is %v: want 0 to 1", p.ErrorRate)
	case !(p.Accuracy >= 0 && p.Accuracy <= 1):
		return wrong("deployment.limits.accuracy is %v: want 0 to 1", p.Accuracy)
	}
	return nil
}
