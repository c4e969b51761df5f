package command

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// statusView is a rollout's state with what follows from it at a time.
type statusView struct {
	rollout.State
	Look  *look `json:"look"` // the last; null before the first
	Times times `json:"times"`
}

// look is one look at the candidate, measure by measure.
type look struct {
	At       time.Time `json:"at"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Weight   float64   `json:"weight"` // percent
	Verdict  string    `json:"verdict"`
	Problem  string    `json:"problem,omitempty"` // why nothing was measured
	Measures []measure `json:"measures"`
}

// measure is what a look says of one measure. Rates are 0..1, latencies
// milliseconds.
type measure struct {
	Measure string   `json:"measure"`
	Slice   string   `json:"slice,omitempty"`
	Value   *float64 `json:"value"` // null is not known
	Low     *float64 `json:"low"`   // the value's interval; null is none
	High    *float64 `json:"high"`
	Limit   float64  `json:"limit"`
	Seen    *int64   `json:"seen"`   // the candidate's requests, or labels; null is not counted
	Wanted  *int64   `json:"wanted"` // before it is judged; null where no number would do
	Of      string   `json:"of"`     // "requests" or "labels"
	Left    *float64 `json:"seconds_left,omitempty"`
	Verdict string   `json:"verdict"`
	Reason  string   `json:"reason"`
}

// times is when things can happen. What does not come by itself is left out.
type times struct {
	NextLook      *time.Time `json:"next_look,omitempty"`
	EarliestGood  *time.Time `json:"earliest_promotion,omitempty"`
	EarliestBad   *time.Time `json:"earliest_rollback,omitempty"` // on measurements; an alarm or a person is faster
	Final         *time.Time `json:"final,omitempty"`             // a provisional promotion
	Deadline      *time.Time `json:"deadline,omitempty"`
	DeadlineAfter string     `json:"at_deadline,omitempty"` // "rollback" or "proceed"
}

func viewStatus(s rollout.State, now time.Time) statusView {
	v := statusView{State: s, Times: timesOf(s, now)}
	for i := len(s.History) - 1; i >= 0 && v.Look == nil; i-- {
		v.Look = lookOf(s.Policy, s.History[i])
	}
	return v
}

// lookOf is the look that a line of the history tells; nil where it tells none.
func lookOf(p rollout.Policy, r rollout.Record) *look {
	if r.Measurements == nil {
		return nil
	}
	m := r.Measurements
	l := look{At: r.Time, From: m.From, To: m.To, Weight: r.Weight, Verdict: r.Verdict, Problem: m.Problem, Measures: []measure{}}
	for _, f := range r.Findings {
		l.Measures = append(l.Measures, measureOf(p, *m, f))
	}
	return &l
}

func measureOf(p rollout.Policy, m rollout.Measurements, f rollout.Finding) measure {
	v := measure{Measure: f.Measure, Slice: f.Slice, Limit: f.Limit, Of: "requests", Verdict: f.Verdict, Reason: f.Reason}
	if !f.Unknown || f.Value != 0 {
		v.Value = &f.Value
	}
	if f.High > f.Low {
		v.Low, v.High = &f.Low, &f.High
	}
	seen, wanted := m.Candidate.Requests, p.MinRequests
	if strings.HasPrefix(f.Measure, "accuracy") || f.Slice != "" {
		v.Of, seen = "labels", m.Candidate.Labels
	}
	switch {
	case f.Slice != "" && f.Seen > 0:
		seen, wanted = f.Seen, int64(p.Slices.MinLabels)
	case f.Seen > 0 || f.Floor > 0:
		seen, wanted = f.Seen, f.Floor
	case f.Slice != "" || f.Measure == "disagreement":
		return v // the reason has its counts
	}
	v.Seen = &seen
	if wanted < math.MaxInt64 {
		v.Wanted = &wanted
	}
	over := m.To.Sub(m.From).Seconds()
	if f.Seen == 0 && v.Of == "requests" && v.Wanted != nil && seen > 0 && seen < wanted && over > 0 {
		left := float64(wanted-seen) / (float64(seen) / over)
		v.Left = &left
	}
	return v
}

// timesOf says when a rollout can be decided: what is known from its policy.
func timesOf(s rollout.State, now time.Time) times {
	var t times
	if s.Phase == rollout.Observing {
		t.Final = &s.Observed
		return t
	}
	if !s.Phase.Open() {
		return t
	}
	deadline := s.Deadline()
	t.Deadline, t.DeadlineAfter = &deadline, "rollback"
	if s.Policy.Proceed {
		t.DeadlineAfter = "proceed"
	}
	next := rollout.Next(s, now)
	if next.Action != rollout.Bake && next.Action != rollout.Analyze {
		return t
	}
	at := now.Add(next.Wait)
	t.NextLook = &at
	bad := at
	if s.NextLook.IsZero() { // by limits: failures in a row, a bake apart
		long := s.Policy.Bake
		if s.Phase == rollout.Mirroring {
			long = s.Policy.Shadow.Duration
		}
		bad = at.Add(time.Duration(long) * time.Duration(max(0, s.Policy.MaxFailures-s.Failures-1)))
	}
	if !bad.After(deadline) && !s.Policy.Hold {
		t.EarliestBad = &bad
	}
	good := at
	if s.BakeUntil.After(at) {
		good = s.BakeUntil
	}
	if good = good.Add(follows(s)); !s.Policy.ShadowOnly && !good.After(deadline) {
		t.EarliestGood = &good
	}
	return t
}

// follows is how long the steps after the present one take at least.
func follows(s rollout.State) time.Duration {
	steps := len(s.Policy.Steps) - 1 - s.Step
	switch {
	case s.Phase == rollout.Mirroring:
		steps = len(s.Policy.Steps)
	case s.First():
		steps = 0
	}
	return time.Duration(steps) * time.Duration(s.Policy.Bake+s.Policy.WarmUp)
}

// describeTimes prints when things can happen.
func describeTimes(w io.Writer, t times, now time.Time) {
	line := func(what string, at *time.Time, then string) {
		if at == nil {
			return
		}
		when := "now"
		if left := at.Sub(now).Round(time.Second); left > 0 {
			when = "in " + trainconfig.Duration(left).String()
		}
		fmt.Fprintf(w, "%s\t%s (%s)%s\n", what, when, at.UTC().Format(time.RFC3339), then)
	}
	line("next look", t.NextLook, "")
	line("promoted at the earliest", t.EarliestGood, "")
	line("rolled back by measurements at the earliest", t.EarliestBad, "")
	line("final", t.Final, "")
	then := ", then it is rolled back"
	if t.DeadlineAfter == "proceed" {
		then = ", then it goes on if nothing speaks against it"
	}
	line("deadline", t.Deadline, then)
}

// describeLook prints a look's measures as a table.
func describeLook(w io.Writer, l *look) {
	if l == nil {
		fmt.Fprintln(w, "\nlast look\tnone yet")
		return
	}
	fmt.Fprintf(w, "\nlast look\t%s at %g %%: %s\n", l.At.UTC().Format(time.TimeOnly), l.Weight, l.Verdict)
	if l.Problem != "" {
		fmt.Fprintf(w, "no measurements\t%s\n", l.Problem)
	}
	if len(l.Measures) == 0 {
		return
	}
	fmt.Fprint(w, "\nMEASURE\tVALUE\tINTERVAL\tLIMIT\tSEEN\tWANTED\tVERDICT\n")
	for _, m := range l.Measures {
		fmt.Fprintf(w, "%s\t%s\t%s\t%.4g\t%s\t%s\t%s\n", m.name(), figure(m.Value), m.interval(), m.Limit, m.seen(), m.wanted(), m.Verdict)
	}
}

func (m measure) name() string {
	if m.Slice != "" {
		return m.Measure + " of " + m.Slice
	}
	return m.Measure
}

func figure(v *float64) string {
	if v == nil {
		return "not known"
	}
	return fmt.Sprintf("%.4g", *v)
}

func (m measure) interval() string {
	if m.Low == nil {
		return "-"
	}
	return fmt.Sprintf("%.4g to %.4g", *m.Low, *m.High)
}

func (m measure) seen() string {
	if m.Seen == nil {
		return "-"
	}
	return fmt.Sprintf("%d %s", *m.Seen, m.Of)
}

func (m measure) wanted() string {
	switch {
	case m.Seen == nil:
		return "-"
	case m.Wanted == nil:
		return "no number would do"
	case m.Left != nil:
		return fmt.Sprintf("%d, in about %s at this rate", *m.Wanted, clock(*m.Left))
	}
	return fmt.Sprint(*m.Wanted)
}

// lookLines is a look for the lines of watch, one measure each.
func lookLines(l *look) string {
	if l == nil {
		return ""
	}
	var b strings.Builder
	for _, m := range l.Measures {
		fmt.Fprintf(&b, "\n    %s %s", m.name(), figure(m.Value))
		if m.Low != nil {
			fmt.Fprintf(&b, " (%s)", m.interval())
		}
		fmt.Fprintf(&b, ", limit %.4g", m.Limit)
		if m.Seen != nil {
			fmt.Fprintf(&b, ", %s of %s wanted", m.seen(), m.wanted())
		}
		b.WriteString(": " + m.Verdict)
	}
	return b.String()
}
