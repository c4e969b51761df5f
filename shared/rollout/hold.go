package rollout

import (
	"fmt"
	"time"

	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// DryRun is the outcome of a dry run that came to its end.
const DryRun = "dry_run"

// How often a rollout that waits is looked at: soon at first, while somebody
// may be at the keyboard.
const (
	lookAtOnce, atOnce = 10 * time.Second, 5 * time.Minute
	lookSoon, soon     = 30 * time.Second, time.Hour
	lookLater          = 2 * time.Minute
)

// nextLook is when to look again while waiting.
func (s State) nextLook(now time.Time) time.Duration {
	pause := lookLater
	switch waited := now.Sub(s.Since); {
	case waited < atOnce:
		pause = lookAtOnce
	case waited < soon:
		pause = lookSoon
	}
	if until, frozen := trainconfig.Frozen(s.Policy.Freeze, now); frozen {
		pause = min(pause, until.Sub(now))
	}
	return pause
}

// barrier says what keeps a step, or promotion, from beginning: "" is nothing.
// People says that somebody must do something about it.
func (m *machine) barrier(to Phase, step int) (why string, people bool) {
	if m.Forced != "" {
		return "", false
	}
	if m.Paused != "" {
		return "paused by " + m.Paused, true
	}
	percent := m.percent(step)
	if m.needs(percent) && (to == Shifting || m.First()) {
		return fmt.Sprintf("%v %% needs somebody's approval", percent), true
	}
	if until, frozen := trainconfig.Frozen(m.Policy.Freeze, m.now); frozen && to == Shifting {
		return "frozen until " + until.UTC().Format(time.RFC3339), false
	}
	return "", false
}

// percent is a step's; a first release has one step.
func (s State) percent(step int) float64 {
	if s.First() {
		return 100
	}
	return s.Policy.Steps[step]
}

// needs says that a step's percent is to be approved, and is not yet.
func (m *machine) needs(percent float64) bool {
	for _, at := range m.Policy.ApproveAt {
		if at == percent && m.Approved < at {
			return true
		}
	}
	return false
}

// waits holds what would follow where something keeps it from beginning. While
// waiting, Step is that of the present weight.
func (m *machine) waits(then Phase, step int, r Record) bool {
	why, people := m.barrier(then, step)
	if why == "" {
		return false
	}
	for i, percent := range m.Policy.Steps {
		if percent == m.Weight && !m.First() {
			m.Step = i
		}
	}
	m.Then, m.Pending = then, step
	r.Reason += "; waiting: " + why
	m.enter(Waiting, r)
	if people {
		m.say(fmt.Sprintf("the rollout of version %d of %s waits at %v %%: %s", m.Candidate.Version, m.Model, m.Weight, why))
	}
	return true
}

// disturbed: somebody changed the endpoint while nothing was to change. A
// weight that was in force is written again and its step watched again.
func (m *machine) disturbed(detail string) {
	if m.Weight == 0 {
		m.rollBack("the endpoint changed before the first step: " + detail)
		return
	}
	m.otherWeights(detail)
}

// heard is what people say.
func (m *machine) heard(o Observation) {
	switch o := o.(type) {
	case Woken:
		m.woken()
	case Pause:
		m.pause(o.By)
	case Resume:
		m.resume(o.By)
	case Approve:
		m.approve(o.By)
	case Force:
		m.force(o.By)
	}
}

func (m *machine) woken() {
	if m.Phase != Waiting {
		return
	}
	waited := m.now.Sub(m.Since)
	why, people := m.barrier(m.Then, m.Pending)
	switch {
	case why == "":
		m.Held += trainconfig.Duration(waited)
		then := m.Then
		m.enter(then, Record{Reason: fmt.Sprintf("goes on after waiting %s", waited.Round(time.Second))})
		m.Step, m.StepSince, m.Then, m.Pending = m.Pending, m.now, "", 0
	case people && waited >= m.Policy.holdDeadline():
		m.rollBack(fmt.Sprintf("nobody let it go on within %s: %s", m.Policy.holdDeadline(), why))
	}
}

// refuse answers people whose word comes too late or for nothing.
func (m *machine) refuse(what string) {
	m.tell = fmt.Sprintf("%s: the rollout of version %d of %s is %s", what, m.Candidate.Version, m.Model, m.Phase)
}

// note keeps the phase and writes down what people said.
func (m *machine) note(text string) {
	m.say(text)
	m.enter(m.Phase, Record{Reason: text})
}

func (m *machine) pause(by string) {
	if !m.Phase.Open() || m.Forced != "" {
		m.refuse("nothing to pause")
		return
	}
	if m.Paused != "" {
		m.tell = "it is paused already, by " + m.Paused
		return
	}
	m.Paused = by
	m.note("paused by " + by)
}

func (m *machine) resume(by string) {
	if !m.Phase.Open() || m.Paused == "" {
		m.refuse("nothing is paused")
		return
	}
	m.Paused = ""
	m.note("resumed by " + by)
}

// approve lets the next step begin that needs it, also ahead of time.
func (m *machine) approve(by string) {
	next := 0.0
	for step := range m.Policy.Steps {
		if percent := m.percent(step); next == 0 && m.needs(percent) && (percent > m.Weight || m.First()) {
			next = percent
		}
	}
	switch {
	case m.Forced != "":
		m.refuse("nothing needs approval: it is promoted without further looks already, by " + m.Forced)
		return
	case !m.Phase.Open() || next == 0:
		m.refuse("nothing needs approval")
		return
	}
	m.Approved = next
	m.note(fmt.Sprintf("%v %% was approved by %s", next, by))
}

// force goes to the last step and, once it is in force, promotes.
func (m *machine) force(by string) {
	if !m.Phase.Open() || m.Policy.DryRun || m.Policy.ShadowOnly {
		m.refuse("nothing to promote")
		return
	}
	m.Forced, m.Paused, m.Failures = by, "", 0
	m.say(fmt.Sprintf("version %d is promoted without further looks by %s", m.Candidate.Version, by))
	r := Record{Reason: "promotion without further looks, by " + by}
	switch {
	case m.Phase == Acquired || m.Phase == Joining || m.Phase == Preparing:
		m.enter(m.Phase, r)
	case m.Phase.shadow():
		m.enter(Joining, r)
	case m.First():
		m.enter(Promoting, r)
	default:
		m.enter(Shifting, r)
		m.Step, m.StepSince = len(m.Policy.Steps)-1, m.now
	}
}

// deadlines end what takes too long.
// nearing notes, once, that a look found a fifth of the rollout's time left. A
// change of phase has its own news; the next look notes it then.
func (m *machine) nearing(before Phase) {
	if m.Phase != before || !m.Phase.Open() || m.Phase == Waiting || !m.Near.IsZero() {
		return
	}
	whole := m.Deadline().Sub(m.Started)
	if whole > 0 && m.Deadline().Sub(m.now) <= whole/5 {
		m.Near, m.changed = m.now, true
	}
}

func (m *machine) deadlines() {
	if !m.Phase.Open() || m.Phase == Waiting {
		return
	}
	whole := !m.now.Before(m.Deadline())
	what := fmt.Sprintf("the deadline of %s passed", m.Policy.Deadline)
	if !whole {
		if m.Phase == Acquired || m.Phase == Preparing || m.now.Before(m.stepDeadline()) {
			return
		}
		what = fmt.Sprintf("the step's deadline of %s passed", m.Policy.StepDeadline)
	}
	what = fmt.Sprintf("%s while it was %s: %s", what, m.Phase, m.Reason)
	switch {
	case !m.Policy.Proceed || m.Phase != Baking || !m.Quiet || m.Failures > 0:
		m.rollBack(what)
	case whole || m.Last():
		m.say(what + "; nothing speaks against it, so it is promoted")
		m.enter(Promoting, Record{Reason: what})
	default:
		m.goOn(Record{Reason: what + "; nothing speaks against it"})
	}
}

// dryRun ends a rehearsal: what was deployed is taken away again.
func (m *machine) dryRun() {
	m.Dry = true
	text := fmt.Sprintf("dry run: version %d of %s was deployed and answered a row; it is taken away again. Steps %v, bakes of %s",
		m.Candidate.Version, m.Model, m.Policy.Steps, m.Policy.Bake)
	m.say(text)
	m.enter(RollingBack, Record{Reason: text})
}
