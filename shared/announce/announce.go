// Package announce turns a rollout's changes into messages that a person can act
// on: what happened, the evidence, what Sluice did about it, what to do next, and
// the names to look things up by.
//
// A message has a kind and a severity, which are attributes that subscriptions
// filter by: info is progress, warning wants a person some time, critical now.
// The lifecycle state machine sends the messages of a run that ended without a
// rollout, of the kinds run_invalid, run_rejected, run_held and run_failed.
//
// At most one message comes of one change; a change that says nothing new, such as
// one more bake that held, makes none.
package announce

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/rollout"
)

// Kind is what a message is about.
type Kind string

// The kinds.
const (
	Started        Kind = "started"         // the lease is held, nothing was moved
	Step           Kind = "step"            // a weight is in force, and was read back
	Held           Kind = "held"            // too little is known to go on or back
	BothUnhealthy  Kind = "both_unhealthy"  // the champion shows the same: the environment is to blame
	ApprovalWanted Kind = "approval_wanted" // a person must let it go on
	Frozen         Kind = "frozen"          // no weight may rise now
	DeadlineNear   Kind = "deadline_near"   // a fifth of its time is left
	Promoting      Kind = "promoting"       // decided; it is finished forwards
	Provisional    Kind = "provisional"     // promoted, and observed: late labels can take it back
	Promoted       Kind = "promoted"
	RollingBack    Kind = "rolling_back" // decided; the champion is being put back
	RolledBack     Kind = "rolled_back"  // the champion was read back with all the traffic
	Reverting      Kind = "reverting"    // a provisional promotion is being taken back
	Tried          Kind = "tried"        // a dry run or a shadow came to its end, and the candidate is away
	Quarantined    Kind = "quarantined"  // a candidate was refused: the same bytes were rolled back
	Notice         Kind = "notice"       // anything else that people are told
)

// Severities.
const (
	Info     = "info"
	Warning  = "warning"
	Critical = "critical"
)

// Message is what is sent.
type Message struct {
	Kind       Kind
	Severity   string
	Subject    string            // at most 100 characters of ASCII, as SNS wants
	Body       string            // lines of text
	Attributes map[string]string // kind, severity, model, environment, rollout
}

// severityOf is a kind's, unless the state makes it worse.
func severityOf(k Kind) string {
	switch k {
	case RollingBack, RolledBack, Reverting, Held, BothUnhealthy, ApprovalWanted, DeadlineNear, Quarantined, Notice:
		return Warning
	}
	return Info
}

// Of is what a change of a rollout's state is worth telling; nil is nothing. The
// old state's zero value, or another rollout's, is one before this one began.
func Of(environment string, old, next rollout.State, now time.Time) *Message {
	kind := kindOf(old, next)
	if kind == "" {
		return nil
	}
	m := &Message{Kind: kind, Severity: severityOf(kind)}
	if kind == Held && next.Policy.Hold && next.Failures > 0 {
		m.Severity = Critical // it fails, and nobody but a person rolls it back
	}
	if kind == RollingBack && next.First() {
		m.Severity = Critical // nothing will serve
	}
	p := page{environment: environment, old: old, State: next, now: now, kind: kind}
	m.Subject, m.Body = subject(environment, next.Model, p.headline()), p.text()
	m.Attributes = attributes(m, environment, next.Model, next.Rollout)
	return m
}

// Plain is a message of a text alone.
func Plain(environment, model, text string) *Message {
	m := &Message{Kind: Notice, Severity: severityOf(Notice)}
	m.Subject = subject(environment, model, text)
	m.Body = text + "\n\nNEXT\n" + command("rollout status "+model, environment) + "    where its rollout stands\n" + command("model show "+model, environment) + "    what serves\n"
	m.Attributes = attributes(m, environment, model, "")
	return m
}

func attributes(m *Message, environment, model, id string) map[string]string {
	all := map[string]string{"kind": string(m.Kind), "severity": m.Severity, "model": model, "environment": environment}
	if id != "" {
		all["rollout"] = id
	}
	return all
}

// kindOf finds what is new in a change.
func kindOf(old, next rollout.State) Kind {
	if old.Rollout != next.Rollout {
		return Started
	}
	if old.Phase != next.Phase {
		if kind := entered(next); kind != "" {
			return kind
		}
	}
	last := lastRecord(next)
	switch {
	case next.Phase.Open() && old.Near.IsZero() && !next.Near.IsZero():
		return DeadlineNear
	case next.Phase == rollout.Baking && slices.ContainsFunc(last.Findings, func(f rollout.Finding) bool { return f.Shared }):
		return BothUnhealthy
	case next.Phase == rollout.Baking && old.Phase == rollout.Baking && last.Verdict != rollout.Pass && last.Verdict != "" && !heldBefore(old):
		return Held
	}
	return ""
}

// entered is of a change of phase.
func entered(next rollout.State) Kind {
	switch next.Phase {
	case rollout.Baking:
		return Step
	case rollout.Waiting:
		if strings.Contains(next.Reason, "waiting: frozen until") {
			return Frozen
		}
		return ApprovalWanted
	case rollout.Promoting:
		return Promoting
	case rollout.Observing:
		return Provisional
	case rollout.Promoted:
		return Promoted
	case rollout.RollingBack:
		if next.Tried() {
			return "" // as planned: what came of it follows
		}
		return RollingBack
	case rollout.Reverting:
		return Reverting
	case rollout.RolledBack:
		if next.Tried() {
			return Tried
		}
		return RolledBack
	}
	return ""
}

// heldBefore says that people know already that this step is held.
func heldBefore(s rollout.State) bool {
	last := lastRecord(s)
	return last.Verdict != "" && last.Verdict != rollout.Pass
}

func lastRecord(s rollout.State) rollout.Record {
	if len(s.History) == 0 {
		return rollout.Record{}
	}
	return s.History[len(s.History)-1]
}

// subject is a line of ASCII, cut at 100 characters.
func subject(environment, model, headline string) string {
	text := "Sluice " + environment + " " + model + ": " + headline
	var b strings.Builder
	for _, r := range text {
		if r < ' ' || r > '~' {
			r = '?'
		}
		b.WriteRune(r)
	}
	if line := b.String(); len(line) <= 100 {
		return line
	}
	return b.String()[:97] + "..."
}

func command(text, environment string) string {
	return fmt.Sprintf("  sluice %s -e %s", text, environment)
}
