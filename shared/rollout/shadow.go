package rollout

import (
	"fmt"
	"math"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Shadowed is the outcome of a shadow that passed and that no step follows.
const Shadowed = "shadowed"

// shadow says that the candidate is the champion's shadow, or becomes it.
func (p Phase) shadow() bool { return p == Attaching || p == Mirroring }

// mirrors says that the candidate is to be a shadow before it joins. A first
// release has nobody's requests to be copied, a dry run ends before any, and who
// forces a promotion wants no further looks.
func (s State) mirrors() bool {
	return s.Policy.Shadow.Duration > 0 && !s.Mirrored && !s.First() && !s.Policy.DryRun && s.Forced == ""
}

// compare says whether the endpoint is as the state asks: the weights, and while
// the candidate is a shadow, the shadow. Without a shadow's own weights a failed
// update that took it away would look settled.
func (s State) compare(v View, config string) (Condition, string) {
	if !s.Phase.shadow() {
		return v.Compare(config, s.Split(s.Weight))
	}
	condition, detail := v.Compare(config, []Weight{{Slot: s.Champion.Slot, Percent: 100}})
	if condition != Settled {
		return condition, detail
	}
	switch shadow := v.Shadow; {
	case shadow == nil:
		return Different, "the shadow is missing"
	case shadow.Slot != s.Candidate.Slot || shadow.Version != s.Candidate.Version:
		return Different, fmt.Sprintf("version %d in slot %s is the shadow", shadow.Version, shadow.Slot)
	case math.Abs(shadow.Desired-s.Policy.Shadow.Sample) > 1e-3:
		return Different, fmt.Sprintf("%v %% of the requests are to be copied", shadow.Desired)
	case shadow.Weight != shadow.Desired:
		return Moving, fmt.Sprintf("%v %% of the requests are copied", shadow.Weight)
	}
	return Settled, fmt.Sprintf("%s; %v %% of the requests are copied to %s", detail, v.Shadow.Weight, v.Shadow.Slot)
}

func (m *machine) attached(o Attached) {
	if m.Phase == Acquired {
		m.Config = o.Config
		m.enter(Attaching, Record{Reason: fmt.Sprintf("version %d becomes the shadow of version %d in slot %s: %v %% of the requests, for %s",
			m.Candidate.Version, m.Champion.Version, m.Candidate.Slot, m.Policy.Shadow.Sample, m.Policy.Shadow.Duration)})
	}
}

// lookedShadow: a shadow has no traffic to be put right, so whatever is not as
// asked ends the rollout.
func (m *machine) lookedShadow(o Looked) {
	switch {
	case o.Condition == Moving:
	case m.Phase == Attaching && o.Condition == Settled:
		m.Quiet = false
		m.bake("the shadow is attached: "+o.Detail, m.now.Add(time.Duration(m.Policy.WarmUp)))
	case m.Phase == Attaching:
		m.rollBack("the candidate could not be attached as a shadow: " + o.Detail)
	case o.Condition != Settled:
		m.rollBack("the endpoint changed while the candidate was a shadow: " + o.Detail)
	}
}

// mirrored: the shadow passed. Where no step follows it is taken away; otherwise
// the candidate joins, and answers its smoke test, as without a shadow.
func (m *machine) mirrored(r Record) {
	m.Mirrored = true
	r.Reason = "the shadow passed"
	if p := r.Measurements.Pairs; p != nil && p.Both > 0 {
		r.Reason += fmt.Sprintf(": %d of %d answers decide otherwise than the champion's, the scores differ by %.3g on average", p.Disagreed, p.Both, p.Gap)
	}
	if !m.Policy.ShadowOnly {
		m.enter(Joining, r)
		return
	}
	r.Reason += "; nothing is promoted, and it is taken away"
	m.say(fmt.Sprintf("version %d of %s: %s", m.Candidate.Version, m.Model, r.Reason))
	m.enter(RollingBack, r)
}

// JudgeShadow weighs what was measured of a shadow by the limits: its errors and
// latency, and how often it decides otherwise than the champion. Labels hardly
// come in time, so accuracy counts where it is known and is listed where not.
func JudgeShadow(p Policy, m Measurements) Judgement {
	if m.Problem != "" {
		return Judgement{Verdict: Insufficient, Reason: "no measurements: " + m.Problem}
	}
	labelled := p.Accuracy > 0 && m.Candidate.Labels >= p.MinRequests
	asked := p
	if !labelled {
		asked.Accuracy = 0
	}
	findings := append(asked.compared(m), p.disagreement(m.Pairs)...)
	j := summarise(findings)
	if p.Accuracy > 0 && !labelled {
		j.Findings = append(j.Findings, p.accuracy(m.Candidate))
	}
	return j
}

// disagreement judges how often the two decide otherwise; nothing where the
// policy does not care.
func (p Policy) disagreement(pairs *Pairs) []Finding {
	if p.Shadow.MaxDisagreement >= 1 {
		return nil
	}
	f := Finding{Measure: "disagreement", Limit: p.Shadow.MaxDisagreement}
	switch {
	case pairs == nil:
		return []Finding{f.insufficient("the captured answers were not compared")}
	case pairs.Both < p.MinRequests:
		return []Finding{f.insufficient("%d answers to the same rows, %d are needed; %d could not be paired, for want of an inference id or of the champion's answer",
			pairs.Both, p.MinRequests, pairs.Alone)}
	}
	f.Seen = pairs.Both
	f.Value = ratio(pairs.Disagreed, pairs.Both)
	f.Low, f.High = wilson(pairs.Disagreed, pairs.Both)
	return []Finding{f.most()}
}

// shadowed is how long the shadow takes at least.
func (p Policy) shadowed() time.Duration {
	if p.Shadow.Duration <= 0 {
		return 0
	}
	return time.Duration(p.WarmUp) + time.Duration(p.Shadow.Duration)
}

func (p Policy) checkShadow() error {
	s := p.Shadow
	switch {
	case s.Duration < 0 || p.ShadowOnly && s.Duration == 0:
		return fmt.Errorf("deployment.shadow.duration is %v: want a positive time", time.Duration(s.Duration))
	case s.Duration > 0 && !(s.Sample > 0 && s.Sample <= 100):
		return fmt.Errorf("deployment.shadow.sample is %v: want a percentage above 0", s.Sample)
	case s.Duration > 0 && !(s.MaxDisagreement > 0 && s.MaxDisagreement <= 1):
		return fmt.Errorf("deployment.shadow.max_disagreement is %v: want above 0, at most 1", s.MaxDisagreement)
	case p.ShadowOnly && (len(p.Steps) > 0 || p.DryRun || p.Observe > 0):
		return fmt.Errorf("deployment.strategy is shadow, which has no steps, dry run or observation: steps %v, dry_run %v, observe %v", p.Steps, p.DryRun, time.Duration(p.Observe))
	}
	return nil
}

// feasible refuses a policy before anything moves: one that is wrong in itself,
// and a shadow where the model is served by what cannot mirror.
func (c *Controller) feasible(model string, p Policy) error {
	if err := p.Check(); err != nil {
		return err
	}
	if p.Shadow.Duration <= 0 {
		return nil
	}
	field := "deployment.shadow"
	if p.ShadowOnly {
		field = "deployment.strategy: shadow"
	}
	return fault.Wrap(fault.Invalid, "read "+field, c.Backend.Mirrors(model))
}
