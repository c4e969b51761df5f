package rollout

import (
	"fmt"
	"time"
)

// Action is what a phase asks for; the state machine branches on it.
type Action string

// The actions. Bake is to wait and then Analyze; Finish is the end.
const (
	Prepare  Action = "prepare"
	Shift    Action = "shift"
	Verify   Action = "verify"
	Bake     Action = "bake"
	Analyze  Action = "analyze"
	Promote  Action = "promote"
	Rollback Action = "rollback"
	Release  Action = "release"
	Finish   Action = "done"
)

// Command is one action, when to take it, and why.
type Command struct {
	Action Action
	Wait   time.Duration // before the action
	Reason string
}

// Next is what the state at rest asks for.
func Next(s State, now time.Time) Command {
	c := Command{Reason: s.Reason}
	switch s.Phase {
	case Acquired, Joining:
		c.Action = Prepare
	case Attaching, Preparing, Verifying:
		c.Action = Verify
	case Waiting:
		c.Action, c.Wait = Verify, s.nextLook(now)
	case Shifting:
		c.Action = Shift
	case Baking, Mirroring:
		c.Action = Analyze
		if wait := s.lookAt().Sub(now); wait > 0 {
			c.Action, c.Wait = Bake, wait
		}
	case Promoting, Confirming:
		c.Action = Promote
	case RollingBack, Reverting:
		c.Action = Rollback
	default:
		c.Action = Release
	}
	return c
}

// Observation is one thing that was seen or decided outside. Those with a Turn
// count only while the state is still in that turn.
type Observation interface{ turn() int64 }

// Prepared: the endpoint accepted the candidate at weight 0, with this
// configuration.
type Prepared struct {
	Turn   int64
	Config string
}

// Attached: the endpoint accepted the candidate as the champion's shadow, with
// this configuration.
type Attached struct {
	Turn   int64
	Config string
}

// BeginShift: the present step's weight is about to be written. It is saved
// before the write, so no weight is ever in force that the state does not know.
type BeginShift struct{ Turn int64 }

// Looked: the endpoint was read while preparing or verifying.
type Looked struct {
	Turn      int64
	Condition Condition
	Detail    string // what was seen; for people
	Smoke     error  // when preparing and Settled: what the smoke test said
}

// Measured: a bake's measurements, read after it ended.
type Measured struct {
	Turn         int64
	Measurements Measurements
}

// Sounded: an alarm went off, by an event or a poll.
type Sounded struct{ Alarm Alarm }

// Abort: an operator or an error ends the rollout.
type Abort struct{ Reason string }

// Abandoned: nobody went on with the rollout. It ends like an aborted one, but
// the candidate is not to blame, so it is not quarantined.
type Abandoned struct{ Reason string }

// Woken: a rollout that waits looked whether it may go on.
type Woken struct{ Turn int64 }

// Pause and Resume: a person stops the weights from rising, and lets them go on.
type (
	Pause  struct{ By string }
	Resume struct{ By string }
)

// Approve: a person lets the next step that needs it begin.
type Approve struct{ By string }

// Force: a person has the candidate promoted without further looks.
type Force struct{ By string }

// Confirm ends the observation: the candidate stays.
type Confirm struct{ Reason string }

// Revert ends the observation: the old champion comes back.
type Revert struct{ Reason string }

// Labelled: what late labels say during the observation.
type Labelled struct {
	Turn         int64
	Measurements Measurements
}

// Restored: the champion was read back at 100 percent, alone; for a first
// release, the endpoint is gone.
type Restored struct{ Detail string }

// Removing: the endpoint of a first release that is rolled back is about to be
// deleted, by a call that can take effect until then.
type Removing struct{ Until time.Time }

// DonePromoting: the alias names the candidate and it has all the traffic.
// Notice says what could not be tidied up, if anything.
type DonePromoting struct{ Notice string }

func (o Prepared) turn() int64      { return o.Turn }
func (o Attached) turn() int64      { return o.Turn }
func (o BeginShift) turn() int64    { return o.Turn }
func (o Looked) turn() int64        { return o.Turn }
func (o Measured) turn() int64      { return o.Turn }
func (o Sounded) turn() int64       { return anyTurn }
func (o Abort) turn() int64         { return anyTurn }
func (o Abandoned) turn() int64     { return anyTurn }
func (o Restored) turn() int64      { return anyTurn }
func (o Removing) turn() int64      { return anyTurn }
func (o DonePromoting) turn() int64 { return anyTurn }

func (o Woken) turn() int64    { return o.Turn }
func (o Labelled) turn() int64 { return o.Turn }
func (o Pause) turn() int64    { return anyTurn }
func (o Resume) turn() int64   { return anyTurn }
func (o Approve) turn() int64  { return anyTurn }
func (o Force) turn() int64    { return anyTurn }
func (o Confirm) turn() int64  { return anyTurn }
func (o Revert) turn() int64   { return anyTurn }

const anyTurn = -1

// Decision is what the machine makes of an observation.
type Decision struct {
	State   State  // the next state
	Changed bool   // it must be saved before it is acted on
	Tell    string // what people must hear; "" is nothing
}

// Decide is the machine. It has no clock and no I/O; the package's comment
// lists every transition. The policy is the state's own.
func Decide(s State, o Observation, now time.Time) Decision {
	m := machine{State: s, now: now}
	if t := o.turn(); t != anyTurn && t != s.Turn {
		return Decision{State: s}
	}
	m.observe(o)
	m.deadlines()
	switch o.(type) {
	case Looked, Measured:
		m.nearing(s.Phase)
	}
	return m.decision()
}

// machine is one decision in the making.
type machine struct {
	State
	now     time.Time
	changed bool
	tell    string
}

func (m *machine) decision() Decision {
	if m.changed {
		m.Turn++
	}
	return Decision{State: m.State, Changed: m.changed, Tell: m.tell}
}

func (m *machine) observe(o Observation) {
	switch o := o.(type) {
	case Prepared:
		m.prepared(o)
	case Attached:
		m.attached(o)
	case BeginShift:
		m.beginShift()
	case Looked:
		m.looked(o)
	case Measured:
		m.measured(o)
	case Sounded:
		m.sounded(o.Alarm)
	case Abort:
		m.abort(o.Reason)
	case Abandoned:
		m.Blameless = m.Blameless || m.Phase.Open()
		m.abort(o.Reason)
	case Restored:
		m.restored(o.Detail)
	case Removing:
		m.removing(o.Until)
	case DonePromoting:
		m.promoted(o.Notice)
	case Confirm:
		m.confirm(o.Reason)
	case Revert:
		m.revert(o.Reason)
	case Labelled:
		m.labelled(o.Measurements)
	default:
		m.heard(o)
	}
}

// enter moves to a phase and writes the history's line.
func (m *machine) enter(phase Phase, record Record) {
	if m.Phase != phase {
		m.Since = m.now
	}
	m.Phase, m.Reason, m.changed = phase, record.Reason, true
	record.Time, record.Phase, record.Step, record.Weight = m.now, phase, m.Step, m.Weight
	m.record(record)
}

func (m *machine) say(text string) {
	m.tell = text
	m.notice(m.now.UTC().Format(time.RFC3339) + " " + text)
}

func (m *machine) prepared(o Prepared) {
	if m.Phase == Acquired || m.Phase == Joining {
		m.Config = o.Config
		m.enter(Preparing, Record{Reason: fmt.Sprintf("version %d joins in slot %s", m.Candidate.Version, m.Candidate.Slot)})
	}
}

func (m *machine) beginShift() {
	if m.Phase != Shifting {
		return
	}
	if m.Share() > m.Weight && m.waits(Shifting, m.Step, Record{Reason: m.Reason}) {
		return
	}
	m.Weight = m.Share()
	if m.Serving.IsZero() {
		m.Serving = m.now
	}
	m.enter(Verifying, Record{Reason: fmt.Sprintf("step %d of %d: %v %% to version %d", m.Step+1, len(m.Policy.Steps), m.Weight, m.Candidate.Version)})
}

func (m *machine) looked(o Looked) {
	switch m.Phase {
	case Attaching, Mirroring:
		m.lookedShadow(o)
	case Preparing:
		m.lookedPreparing(o)
	case Verifying:
		switch o.Condition {
		case Settled:
			m.settled(fmt.Sprintf("%v %% was read back", m.Weight))
		case Different, Broken:
			m.otherWeights(o.Detail)
		}
	case Baking:
		if o.Condition == Different || o.Condition == Broken {
			m.otherWeights(o.Detail)
		}
	case Waiting:
		if o.Condition == Different || o.Condition == Broken {
			m.disturbed(o.Detail)
		}
	}
}

// settled: the weight is in force; its first moments may be left out.
func (m *machine) settled(reason string) {
	if m.Forced != "" {
		m.enter(Promoting, Record{Reason: reason + "; promoted by " + m.Forced})
		return
	}
	m.Quiet = false
	m.bake(reason, m.now.Add(time.Duration(m.Policy.WarmUp)))
}

func (m *machine) lookedPreparing(o Looked) {
	switch {
	case o.Condition == Moving:
	case o.Condition != Settled:
		m.rollBack("the candidate could not be deployed: " + o.Detail)
	case o.Smoke != nil:
		m.rollBack("the candidate failed its smoke test: " + o.Smoke.Error())
	case m.Policy.DryRun:
		m.dryRun()
	case m.First():
		m.Weight, m.Serving, m.StepSince = 100, m.now, m.now
		m.settled("the first version answers; nothing else serves")
	default:
		if m.Forced != "" {
			m.Step = len(m.Policy.Steps) - 1
		}
		m.stepTo(m.Step, Record{Reason: "the candidate answers at weight 0"})
	}
}

// otherWeights: somebody else moved them, or our write failed or never left.
func (m *machine) otherWeights(detail string) {
	if m.failed("the endpoint does not have the weights that were asked for: " + detail) {
		return
	}
	m.enter(Shifting, Record{Reason: m.Reason})
}

// failed counts a failure and says whether it ended the rollout.
func (m *machine) failed(reason string) bool {
	m.Failures++
	m.Reason = fmt.Sprintf("failure %d of %d: %s", m.Failures, m.Policy.MaxFailures, reason)
	switch {
	case m.Failures < m.Policy.MaxFailures:
		return false
	case m.Policy.Hold:
		m.say("rollback is disabled; holding: " + m.Reason)
		return false
	}
	m.rollBack(m.Reason)
	return true
}

// bake watches the present weight, from from until a bake from now.
func (m *machine) bake(reason string, from time.Time) {
	m.bakeWith(Record{Reason: reason}, from)
}

func (m *machine) bakeWith(r Record, from time.Time) {
	m.BakeFrom = from
	phase, long := Baking, m.Policy.Bake
	if m.Phase.shadow() {
		phase, long = Mirroring, m.Policy.Shadow.Duration
	}
	m.BakeUntil = earlier(later(m.now, from).Add(time.Duration(long)), m.stepDeadline())
	m.NextLook = time.Time{}
	if m.sequential() {
		m.Trial = m.Trial.again(m.Policy, m.now)
		m.NextLook = earlier(later(m.now, from).Add(m.Policy.lookEvery()), m.BakeUntil)
	}
	m.enter(phase, r)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (m *machine) measured(o Measured) {
	phase := m.Phase
	if phase != Baking && phase != Mirroring || m.now.Before(m.lookAt()) {
		return
	}
	for _, alarm := range o.Measurements.Alarms {
		if alarm.Since.Before(m.Started) || alarm.precedes(m.Serving) {
			continue // told when it went off, about another version
		}
		if m.sounded(alarm); m.Phase != phase {
			return
		}
	}
	if m.sequential() {
		m.tried(o)
		return
	}
	j := Judge(m.judging(), o.Measurements)
	if phase == Mirroring {
		j = JudgeShadow(m.Policy, o.Measurements)
	}
	m.Quiet = j.Verdict == Pass || j.quiet()
	r := Record{Verdict: j.Verdict, Reason: j.Reason, Measurements: &o.Measurements, Findings: j.Findings}
	switch {
	case j.Verdict == Pass:
		m.passed(r)
	case m.First() && j.quiet():
		m.passed(r)
	case j.Verdict == Fail:
		m.failedBake(r)
	default:
		m.held(j, r)
	}
}

func (m *machine) passed(r Record) {
	m.Failures = 0
	if m.Phase == Mirroring {
		m.mirrored(r)
		return
	}
	if r.Verdict == Pass {
		r.Reason = fmt.Sprintf("%v %% passed", m.Weight)
	} else {
		r.Reason = fmt.Sprintf("%v %% was not judged (%s): a first release goes ahead, because nobody could ask an endpoint that was not there", m.Weight, r.Reason)
	}
	if unknown := listed(r.Findings); unknown != "" {
		r.Reason += "; " + unknown
		if m.Last() {
			m.say(fmt.Sprintf("version %d of %s passed its last step, but not all slices are known: %s", m.Candidate.Version, m.Model, unknown))
		}
	}
	m.goOn(r)
}

// goOn leaves a step behind.
func (m *machine) goOn(r Record) {
	if !m.Last() {
		m.stepTo(m.Step+1, r)
		return
	}
	r.Reason += ", the last step"
	if !m.waits(Promoting, m.Step, r) {
		m.enter(Promoting, r)
	}
}

// stepTo begins a step, or waits until it may begin. The record is the last
// step's.
func (m *machine) stepTo(step int, r Record) {
	if m.waits(Shifting, step, r) {
		return
	}
	m.enter(Shifting, r)
	m.Step, m.StepSince = step, m.now
}

func (m *machine) failedBake(r Record) {
	m.Failures++
	r.Reason = fmt.Sprintf("failure %d of %d: %s", m.Failures, m.Policy.MaxFailures, r.Reason)
	switch {
	case m.Failures < m.Policy.MaxFailures:
		m.bakeWith(r, m.now)
	case m.Policy.Hold:
		m.say("rollback is disabled; holding: " + r.Reason)
		m.bakeWith(r, m.now)
	default:
		m.rollBackWith(r)
	}
}

// held: no verdict yet. Evidence is kept when there was too little of it, and
// dropped when it spoke of a disturbance outside.
func (m *machine) held(j Judgement, r Record) {
	if !j.Shared {
		r.Reason = "holding: " + r.Reason
		m.bakeWith(r, m.BakeFrom)
		return
	}
	r.Reason = "holding, both versions suffer, so the environment is to blame: " + r.Reason
	m.say(r.Reason)
	m.bakeWith(r, m.now)
}

func (m *machine) sounded(a Alarm) {
	text := fmt.Sprintf("alarm %s is on: %s", a.Name, a.Reason)
	switch {
	case a.Slot == m.Candidate.Slot && (m.Phase == RollingBack || m.Phase == RolledBack || m.Phase == Reverting):
		// What it asks for is done or being done.
	case a.Slot == m.Candidate.Slot && m.Phase == Observing && !m.Policy.Hold:
		m.revertWith(Record{Reason: text, Alarm: &a})
	case !m.Phase.Open():
		m.tell = text + fmt.Sprintf("; no rollout is open (%s), so nothing was moved", m.Phase)
	case a.Slot != m.Candidate.Slot:
		m.tell = text + "; it watches the champion, so nothing was moved"
	case a.Since.Before(m.Started):
		m.tell = text + "; it went off before the rollout began, so nothing was moved"
	case a.precedes(m.Serving):
		m.tell = text + "; it stands on what was measured before the candidate served, so nothing was moved"
	case m.Policy.Hold:
		m.tell = text + "; rollback is disabled, so nothing was moved"
	default:
		m.rollBackWith(Record{Reason: text, Alarm: &a})
	}
}

func (m *machine) abort(reason string) {
	switch {
	case m.Phase.Open():
		m.rollBack(reason)
	case m.Phase == Promoting:
		m.tell = "asked to roll back after promotion was decided, so it is finished instead: " + reason
	case m.Phase == Observing:
		m.tell = "asked to roll back a promotion that is being observed; revert it instead: " + reason
	}
}

func (m *machine) rollBack(reason string) { m.rollBackWith(Record{Reason: reason}) }

func (m *machine) rollBackWith(r Record) {
	m.say(fmt.Sprintf("rolling back version %d of %s: %s", m.Candidate.Version, m.Model, r.Reason))
	m.enter(RollingBack, r)
}

// removing is saved before the call, and is never taken back: an answer that was
// lost says nothing about when the call takes effect.
func (m *machine) removing(until time.Time) {
	if m.First() && (m.Phase == RollingBack || m.Phase == RolledBack) && until.After(m.Removing) {
		m.Removing, m.changed = until, true
	}
}

// restored keeps the reason of the rollback: it is the outcome's.
func (m *machine) restored(detail string) {
	if m.Phase != RollingBack && m.Phase != Reverting {
		return
	}
	reason := m.Reason
	m.Weight, m.Outcome = 0, string(RolledBack)
	switch {
	case m.Dry:
		m.Outcome = DryRun
	case m.Policy.ShadowOnly && m.Mirrored:
		m.Outcome = Shadowed
	}
	m.enter(RolledBack, Record{Reason: detail})
	m.Reason = reason
}
