package announce

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// page is a message's text in the making.
type page struct {
	environment string
	old         rollout.State
	rollout.State
	now  time.Time
	kind Kind
}

// headline says what happened, without the reason's details.
func (p page) headline() string {
	candidate, champion := p.Candidate.Version, p.Champion.Version
	switch p.kind {
	case Started:
		return fmt.Sprintf("rollout of version %d started", candidate)
	case Step:
		return fmt.Sprintf("version %d serves %v %%, step %d of %d", candidate, p.Weight, p.Step+1, len(p.Policy.Steps))
	case Held:
		return fmt.Sprintf("version %d is held at %v %%", candidate, p.Weight)
	case BothUnhealthy:
		return fmt.Sprintf("versions %d and %d both suffer; held at %v %%", candidate, champion, p.Weight)
	case ApprovalWanted:
		return fmt.Sprintf("version %d waits at %v %% for you", candidate, p.Weight)
	case Frozen:
		return fmt.Sprintf("version %d waits at %v %% for the end of a freeze", candidate, p.Weight)
	case DeadlineNear:
		return fmt.Sprintf("version %d at %v %% has %s left", candidate, p.Weight, p.Deadline().Sub(p.now).Round(time.Second))
	case Promoting:
		return fmt.Sprintf("version %d becomes the champion", candidate)
	case Provisional:
		return fmt.Sprintf("version %d is the champion, provisionally", candidate)
	case Promoted:
		return fmt.Sprintf("version %d is the champion", candidate)
	case RollingBack:
		return fmt.Sprintf("rolling version %d back", candidate)
	case Reverting:
		return fmt.Sprintf("taking version %d back: version %d becomes the champion again", candidate, champion)
	}
	what := "rolled back"
	if p.kind == Tried {
		what = "tried and taken away again"
	}
	if p.First() {
		return fmt.Sprintf("version %d was %s, nothing serves", candidate, what)
	}
	return fmt.Sprintf("version %d was %s, version %d serves", candidate, what, champion)
}

// text is the whole message: sections that have nothing to say are left out.
func (p page) text() string {
	var b strings.Builder
	section := func(title string, lines ...string) {
		var said []string
		for _, line := range lines {
			if line != "" {
				said = append(said, "  "+line)
			}
		}
		if len(said) > 0 {
			fmt.Fprintf(&b, "%s\n%s\n\n", title, strings.Join(said, "\n"))
		}
	}
	section("WHAT", p.headline(), p.Reason)
	section("EVIDENCE", p.evidence()...)
	section("DONE", p.done()...)
	var next []string
	for _, c := range p.next() {
		next = append(next, fmt.Sprintf("%-60s %s", "sluice "+c[0]+" -e "+p.environment, c[1]))
	}
	section("NEXT", next...)
	section("WHERE", p.where()...)
	return b.String()
}

// evidence is what was last measured, whenever that says why.
func (p page) evidence() []string {
	switch p.kind {
	case Started, Promoted, Promoting, Provisional, Frozen:
		return nil
	}
	var last *rollout.Record
	for i := len(p.History) - 1; i >= 0 && last == nil; i-- {
		if p.History[i].Measurements != nil {
			last = &p.History[i]
		}
	}
	var lines []string
	if d := p.decided(); d != nil && d.Alarm != nil {
		lines = alarm(*d.Alarm)
	}
	if last == nil {
		return lines
	}
	m := last.Measurements
	lines = append(lines, fmt.Sprintf("%sfrom %s to %s, at %v %%", p.before(last), m.From.UTC().Format(time.RFC3339), m.To.UTC().Format(time.RFC3339), last.Weight))
	lines = append(lines, samples("candidate", m.Candidate))
	if m.Champion != nil {
		lines = append(lines, samples("champion", *m.Champion))
	}
	for _, f := range last.Findings {
		lines = append(lines, finding(f))
	}
	for _, a := range m.Alarms {
		lines = append(lines, fmt.Sprintf("alarm %s since %s: %s", a.Name, a.Since.UTC().Format(time.RFC3339), a.Reason))
	}
	if m.Problem != "" {
		lines = append(lines, "no measurements: "+m.Problem)
	}
	return lines
}

// decided is the line of the history that the rollback began with; nil where none
// did.
func (p page) decided() *rollout.Record {
	for i := len(p.History) - 1; i >= 0; i-- {
		if r := &p.History[i]; (r.Phase == rollout.RollingBack || r.Phase == rollout.Reverting) && p.back() {
			return r
		}
	}
	return nil
}

// back says that the message is about going back.
func (p page) back() bool {
	return p.kind == RollingBack || p.kind == Reverting || p.kind == RolledBack
}

// before tells a look that decided nothing from one that did.
func (p page) before(look *rollout.Record) string {
	switch d := p.decided(); {
	case d == nil || d.Measurements != nil:
		return ""
	case d.Alarm != nil:
		return "last look, before the alarm: "
	}
	return "last look, before that was decided: "
}

// watches is what the alarms measure, by the last part of their names.
var watches = map[string]string{"errors": "the rate of errors", "latency": "the 99th percentile of the latency",
	"accuracy": "the accuracy by late labels", "health": "the healthy targets"}

// threshold finds the limit in CloudWatch's words, e.g. "1 datapoint [0.2] was
// greater than the threshold (0.05)".
var threshold = regexp.MustCompile(`threshold \(([^)]+)\)`)

// alarm says which alarm went off, on what, by which limit and what it saw.
func alarm(a rollout.Alarm) []string {
	line := "alarm " + a.Name
	if _, _, slot, measure, ok := contract.ParseAlarmName(a.Name); ok && watches[measure] != "" {
		line += fmt.Sprintf(" on %s of slot %s", watches[measure], slot)
	}
	if limit := threshold.FindStringSubmatch(a.Reason); limit != nil {
		line += ", limit " + limit[1]
	}
	if !a.Since.IsZero() {
		line += ", since " + a.Since.UTC().Format(time.RFC3339)
	}
	if a.Reason == "" {
		return []string{line}
	}
	return []string{line, "it says: " + a.Reason}
}

func samples(who string, v rollout.Variant) string {
	text := fmt.Sprintf("%s: %d requests, %d errors", who, v.Requests, v.Errors)
	if v.P99MS != nil {
		text += fmt.Sprintf(", p99 %.4g ms", *v.P99MS)
	}
	return text + fmt.Sprintf("; %d labels since the candidate first served, %d of them right", v.Labels, v.Correct)
}

func finding(f rollout.Finding) string {
	text := fmt.Sprintf("%s: %s, limit %.4g", f.Measure, f.Verdict, f.Limit)
	if !f.Unknown {
		text = fmt.Sprintf("%s %.4g (%.4g to %.4g): %s, limit %.4g", f.Measure, f.Value, f.Low, f.High, f.Verdict, f.Limit)
	}
	if f.Shared {
		text += ", and the champion breaches it too"
	}
	return text
}

// done is what Sluice did, and how that is known.
func (p page) done() []string {
	last := lastRecord(p.State)
	switch p.kind {
	case Tried:
		return []string{last.Reason, p.kept()}
	case RolledBack:
		took := ""
		if p.Phase != p.old.Phase && p.old.Phase != "" {
			took = fmt.Sprintf("%s after that was decided", p.now.Sub(p.old.Since).Round(100*time.Millisecond))
		}
		return []string{last.Reason, took, p.kept(), p.quarantine("are")}
	case RollingBack, Reverting:
		return []string{"the champion is checked (configuration, capacity, one real answer), then gets all the traffic, which is read back; a message follows", p.quarantine("will be")}
	case Step:
		return []string{last.Reason, fmt.Sprintf("it is watched until %s at least", p.BakeUntil.UTC().Format(time.RFC3339)), p.atDeadline()}
	case Held, BothUnhealthy:
		return []string{"no weight was moved", p.atDeadline()}
	case DeadlineNear:
		return []string{p.atDeadline()}
	case Provisional:
		return []string{fmt.Sprintf("version %d stays warm at weight 0 until %s: late labels or an alarm bring it back", p.Champion.Version, p.Observed.UTC().Format(time.RFC3339))}
	case Frozen, ApprovalWanted:
		return []string{fmt.Sprintf("%v %% stay in force; the time counts for no deadline", p.Weight)}
	}
	return nil
}

// kept is what becomes of the candidate.
func (p page) kept() string {
	if p.First() {
		return "" // it went with its endpoint
	}
	return "the candidate goes on at weight 0 until it is retired"
}

// quarantine says what becomes of the candidate's bytes.
func (p page) quarantine(are string) string {
	if p.Quarantines() {
		return fmt.Sprintf("its bytes %s quarantined: no run rolls %s out again until a person releases it", are, p.Artifact.Digest)
	}
	return "its bytes are not quarantined: they may be rolled out again"
}

func (p page) atDeadline() string {
	what := "it is rolled back"
	if p.Policy.Proceed {
		what = "it goes on if nothing speaks against it, else it is rolled back"
	}
	return fmt.Sprintf("at its deadline, %s, %s", p.Deadline().UTC().Format(time.RFC3339), what)
}

// next are the commands that make sense now, each with why.
func (p page) next() [][2]string {
	show := [2]string{"rollout status " + p.Model, "where it stands"}
	explain := [2]string{"rollout explain " + p.Rollout, "each look, and what it meant"}
	abort := [2]string{"rollout abort " + p.Model, "put the champion back now"}
	switch p.kind {
	case Started, Step:
		return [][2]string{show, {"rollout pause " + p.Model, "let no weight rise"}, abort}
	case ApprovalWanted:
		if p.Paused != "" {
			return [][2]string{{"rollout resume " + p.Model, "let it go on"}, show, abort}
		}
		return [][2]string{{"rollout approve " + p.Model, "let the next step begin"}, show, abort}
	case Frozen:
		return [][2]string{show, abort}
	case Held, BothUnhealthy, DeadlineNear:
		return [][2]string{show, {"traffic " + p.Model + " FILE ...", "if it lacks traffic or labels"},
			{"rollout promote " + p.Model, "promote it all the same"}, abort}
	case Promoting, Promoted:
		return [][2]string{{"model show " + p.Model, "what serves"}, explain}
	case Tried:
		return [][2]string{explain, {"config show " + p.Model, "what the next run will do: a dry_run or the strategy shadow promotes nothing"}}
	case Provisional:
		return [][2]string{{"rollout revert " + p.Model, "take it back now"}, show}
	}
	commands := [][2]string{explain, {"model show " + p.Model, "what serves"}}
	if p.Quarantines() {
		commands = append(commands, [2]string{fmt.Sprintf("rollout release %s %d", p.Model, p.Candidate.Version), "let the same bytes be rolled out again, if they are not to blame"})
	}
	return append(commands, [2]string{"run start " + p.Model, "try again once the cause is mended"})
}

func (p page) where() []string {
	champion := "none: a first release"
	if !p.First() {
		champion = fmt.Sprintf("version %d in slot %s", p.Champion.Version, p.Champion.Slot)
	}
	return []string{
		"rollout    " + p.Rollout, "run        " + p.Run,
		fmt.Sprintf("candidate  version %d in slot %s, %s", p.Candidate.Version, p.Candidate.Slot, p.Artifact.Digest),
		"champion   " + champion, "decision   " + p.Decision,
	}
}
