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

	WarmUp       trainconfig.Duration `json:"warm_up,omitzero"`       // of each step, before what is judged
	StepDeadline trainconfig.Duration `json:"step_deadline,omitzero"` // 0 is none of its own
	Proceed      bool                 `json:"proceed,omitempty"`      // at a deadline, where nothing speaks against the candidate
	ApproveAt    []float64            `json:"approve_at,omitempty"`   // steps that a person must approve first
	HoldDeadline trainconfig.Duration `json:"hold_deadline,omitzero"` // for people to approve or resume; 0 is a day
	Freeze       []trainconfig.Freeze `json:"freeze,omitempty"`       // no weight is raised in these
	DryRun       bool                 `json:"dry_run,omitempty"`      // deploy, try, take away
	Observe      trainconfig.Duration `json:"observe,omitzero"`       // promotion is provisional for so long
	Analysis     trainconfig.Analysis `json:"analysis,omitzero"`

	Shadow     trainconfig.Shadow `json:"shadow,omitzero"`       // before the steps; no duration is none
	ShadowOnly bool               `json:"shadow_only,omitempty"` // there are no steps, and nothing is promoted
	Slices     Slices             `json:"slices,omitzero"`
}

// Slices is how the accuracy in parts of the rows is judged; none where By is empty.
type Slices struct {
	By []trainconfig.Slice `json:"by,omitempty"`
	trainconfig.SliceHealth
}

// holdDeadline is how long a rollout waits for people.
func (p Policy) holdDeadline() time.Duration {
	if p.HoldDeadline > 0 {
		return time.Duration(p.HoldDeadline)
	}
	return 24 * time.Hour
}

// NewPolicy takes what train.yaml's deployment block says, and the slices of its
// evaluation where the deployment watches them. Its error is Invalid; a retry
// cannot help.
func NewPolicy(c *trainconfig.Config) (Policy, error) {
	d := c.Deployment
	trigger, err := trainconfig.ParseTrigger(d.Rollback.Trigger)
	if err != nil {
		return Policy{}, fault.New(fault.Invalid, "read deployment.rollback.trigger", "%w", err)
	}
	p := Policy{
		Steps: slices.Clone(d.Steps), Bake: d.Bake, Deadline: d.Deadline,
		LatencyP99: d.Limits.LatencyP99, ErrorRate: d.Limits.ErrorRate, Accuracy: d.Limits.Accuracy,
		MinRequests: int64(d.MinRequests), MaxFailures: d.MaxFailures,
		Hold: !d.Rollback.Enabled, Trigger: trigger,
		WarmUp: d.WarmUp, StepDeadline: d.StepDeadline, Proceed: d.OnDeadline == "proceed", ApproveAt: slices.Clone(d.ApproveAt),
		HoldDeadline: d.HoldDeadline, Freeze: slices.Clone(d.Freeze), DryRun: d.DryRun, Observe: d.Observe, Analysis: d.Analysis,
		Shadow: d.Shadow, ShadowOnly: d.Strategy == "shadow",
	}
	if d.Slices.MinLabels > 0 {
		p.Slices = Slices{By: slices.Clone(c.Evaluation.Slices), SliceHealth: d.Slices}
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
	if err := p.checkShadow(); err != nil {
		return wrong("%w", err)
	}
	switch {
	case last != 100 && !p.ShadowOnly:
		return wrong("deployment.steps ends at %v: want 100", last)
	case p.Bake <= 0:
		return wrong("deployment.bake is %v: want a positive time", time.Duration(p.Bake))
	case time.Duration(p.Deadline) <= p.shadowed()+p.step()*time.Duration(len(p.Steps)):
		return wrong("deployment.deadline is %v, but %d steps that take %v each, after a shadow of %v, take longer",
			time.Duration(p.Deadline), len(p.Steps), p.step(), p.shadowed())
	case p.StepDeadline > 0 && time.Duration(p.StepDeadline) < p.step():
		return wrong("deployment.step_deadline is %v, but a step takes %v", time.Duration(p.StepDeadline), p.step())
	case min(p.WarmUp, p.StepDeadline, p.HoldDeadline, p.Observe) < 0:
		return wrong("warm_up %v, step_deadline %v, hold_deadline %v, observe %v: want none below 0",
			time.Duration(p.WarmUp), time.Duration(p.StepDeadline), time.Duration(p.HoldDeadline), time.Duration(p.Observe))
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
	for i, percent := range p.ApproveAt {
		if !slices.Contains(p.Steps, percent) {
			return wrong("deployment.approve_at[%d] is %v: want one of the steps %v", i, percent, p.Steps)
		}
	}
	if err := p.Slices.check(); err != nil {
		return wrong("deployment.slices: %w", err)
	}
	if err := checkAnalysis(p.Analysis); err != nil {
		return wrong("deployment.analysis: %w", err)
	}
	if err := trainconfig.CheckFreezes(p.Freeze); err != nil {
		return wrong("deployment.freeze: %w", err)
	}
	return nil
}

// step is how long a step takes at least.
func (p Policy) step() time.Duration { return time.Duration(p.WarmUp) + time.Duration(p.Bake) }
