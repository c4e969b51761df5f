package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// rolled is the section of a rollout.
type rolled struct {
	ID, Phase, Outcome, Reason string
	Live                       string // what happens next; "" when it is over
	Facts                      []fact
	Figures                    []figure
	Looks                      []lookRow
	HiddenLooks                int
	Events                     []eventRow
	HiddenEvents               int
	Notices                    []string
}

// lookRow is one look at the candidate beside the champion.
type lookRow struct {
	At, Weight, Verdict, Reason string
	Requests, ChampionRequests  string
	Errors, ChampionErrors      string
	P99, ChampionP99            string
	Accuracy, ChampionAccuracy  string
	Findings                    []findingView
}

type findingView struct{ Measure, Verdict, Value, Interval, Limit, Reason string }

type eventRow struct{ At, After, Phase, Weight, Reason, Verdict string }

func rolloutView(d Data) any {
	s := d.Rollout
	if s == nil || len(s.History) == 0 {
		return nil
	}
	v := rolled{ID: s.Rollout, Phase: string(s.Phase), Outcome: s.Outcome, Reason: s.Reason, Notices: s.Notices, Live: nextOf(s)}
	v.Facts = rolloutFacts(d)
	end := s.History[len(s.History)-1].Time
	if !s.Phase.Done() && d.Made.After(end) {
		end = d.Made
	}
	v.Figures = append(v.Figures, weightFigure(s, end))
	looks := slices.DeleteFunc(slices.Clone(s.History), func(r rollout.Record) bool { return r.Measurements == nil })
	v.Figures = append(v.Figures, lookFigures(s, looks, end)...)
	for i := len(looks) - 1; i >= 0; i-- { // the newest looks are kept in sight
		if len(v.Looks) == mostRows {
			v.HiddenLooks = i + 1
			break
		}
		v.Looks = append(v.Looks, lookOf(looks[i]))
	}
	slices.Reverse(v.Looks)
	for i, r := range s.History {
		if left := len(s.History) - i; left > 2*mostRows {
			v.HiddenEvents++
			continue
		}
		v.Events = append(v.Events, eventRow{At: clock(r.Time), After: "+" + duration(r.Time.Sub(s.Started)), Phase: string(r.Phase), Weight: percent(r.Weight / 100), Reason: r.Reason, Verdict: r.Verdict})
	}
	return v
}

// nextOf says what a rollout under way waits for.
func nextOf(s *rollout.State) string {
	switch {
	case s.Phase.Done():
		return ""
	case s.Paused != "":
		return "paused by " + text(s.Paused)
	case s.Phase == rollout.Observing:
		return "the promotion is final at " + stamp(s.Observed)
	case s.Phase == rollout.Baking && !s.NextLook.IsZero():
		return "the next look is at " + clock(s.NextLook) + " UTC; deadline " + stamp(s.Deadline())
	case s.Phase == rollout.Baking:
		return "this step is judged at " + clock(s.BakeUntil) + " UTC; deadline " + stamp(s.Deadline())
	}
	return word(string(s.Phase)) + "; deadline " + stamp(s.Deadline())
}

func rolloutFacts(d Data) []fact {
	s := d.Rollout
	facts := []fact{{"Candidate", fmt.Sprintf("version %d", s.Candidate.Version), "slot " + s.Candidate.Slot}}
	if s.Champion.Slot != "" {
		facts = append(facts, fact{"Champion", fmt.Sprintf("version %d", s.Champion.Version), "slot " + s.Champion.Slot})
	} else {
		facts = append(facts, fact{"Champion", "none", "the first release"})
	}
	facts = append(facts, fact{"Weight", percent(s.Weight / 100), "of " + fmt.Sprint(len(s.Policy.Steps)) + " steps, number " + fmt.Sprint(s.Step+1)})
	var decided, back time.Time
	for _, r := range s.History {
		if (r.Phase == rollout.RollingBack || r.Phase == rollout.Reverting) && decided.IsZero() {
			decided = r.Time
		}
		if r.Phase == rollout.RolledBack {
			back = r.Time
		}
	}
	if decided.IsZero() || back.IsZero() {
		return facts
	}
	if !d.Alarm.IsZero() && !d.Alarm.After(back) {
		facts = append(facts, fact{"Alarm to verified", duration(back.Sub(d.Alarm)), "from the alarm’s transition until the weights were read back"})
	}
	return append(facts, fact{"Rolled back in", duration(back.Sub(decided)), "from the decision until the weights were read back"})
}

// sinceTicks puts a time axis in seconds or minutes since the rollout began.
func sinceScale(s *rollout.State, end time.Time) (scale, func(time.Time) float64, string) {
	per, name := 1.0, "seconds"
	if end.Sub(s.Started) > 10*time.Minute {
		per, name = 60, "minutes"
	}
	if end.Sub(s.Started) > 10*time.Hour {
		per, name = 3600, "hours"
	}
	at := func(t time.Time) float64 { return t.Sub(s.Started).Seconds() / per }
	return scale{0, math.Max(at(end), 1e-3)}, at, name + " since " + stamp(s.Started)
}

func weightFigure(s *rollout.State, end time.Time) figure {
	x, at, label := sinceScale(s, end)
	p := plot{x: x, y: scale{0, 100}, title: "Candidate’s share of traffic", words: fmt.Sprintf("%s at the end", percent(s.Weight/100))}
	p.axes(5, 5, nil, func(v float64) string { return fmt.Sprintf("%.0f %%", v) })
	var xs, ys []float64
	for _, r := range s.History {
		xs, ys = append(xs, at(r.Time)), append(ys, r.Weight)
	}
	xs, ys = append(xs, at(end)), append(ys, s.Weight)
	p.band("band", stepped(xs), steppedY(ys), []float64{xs[0], xs[len(xs)-1]}, []float64{0, 0})
	p.path("line candidate", xs, ys, true)
	for _, r := range s.History {
		switch {
		case r.Phase == rollout.RollingBack || r.Phase == rollout.Reverting:
			p.upright(at(r.Time), word(string(r.Phase)), 0)
		case r.Phase == rollout.Waiting:
			p.upright(at(r.Time), "waits for people", 1)
		case r.Verdict == rollout.Fail:
			p.upright(at(r.Time), "a look failed", 2)
		}
	}
	return figure{Title: "Share of traffic", Y: "candidate’s share", X: label, Plot: p.svg("wide"), Keys: []key{{"candidate", "candidate; the rest is the champion’s"}}}
}

// stepped doubles points so that a band follows the steps.
func stepped(xs []float64) []float64 {
	out := []float64{xs[0]}
	for _, x := range xs[1:] {
		out = append(out, x, x)
	}
	return out
}

func steppedY(ys []float64) []float64 {
	out := []float64{ys[0]}
	for i, y := range ys[1:] {
		out = append(out, ys[i], y)
	}
	return out
}

// shown is one measure of a variant at a look, with its interval.
type shown struct{ value, low, high float64 }

func share(k, n int64) shown {
	if n <= 0 {
		return shown{math.NaN(), math.NaN(), math.NaN()}
	}
	low, high, err := evaluation.Wilson(int(k), int(n), 0.95)
	if err != nil {
		low, high = math.NaN(), math.NaN()
	}
	return shown{float64(k) / float64(n), low, high}
}

func p99Of(v rollout.Variant) shown {
	if v.P99MS == nil {
		return shown{math.NaN(), math.NaN(), math.NaN()}
	}
	return shown{*v.P99MS, math.NaN(), math.NaN()}
}

// measured is one small plot of candidate and champion over the looks.
type measured struct {
	title, y, limitText string
	of                  func(rollout.Variant) shown
	limit               float64 // NaN is none
	format              func(float64) string
	bounds              scale
	note                string
}

func lookFigures(s *rollout.State, looks []rollout.Record, end time.Time) []figure {
	if len(looks) == 0 {
		return nil
	}
	p99 := float64(time.Duration(s.Policy.LatencyP99).Microseconds()) / 1000
	limits := func(v float64) float64 {
		if v <= 0 || s.Policy.Analysis.Mode == "sequential" {
			return math.NaN()
		}
		return v
	}
	const wilson = "Lines are 95 % intervals (Wilson) at each look."
	var out []figure
	for _, m := range []measured{
		{"Requests", "requests in the bake so far", "", func(v rollout.Variant) shown { return shown{float64(v.Requests), math.NaN(), math.NaN()} }, math.NaN(), number, scale{0, math.Inf(1)}, ""},
		{"Failed answers", "share of requests", "limit", func(v rollout.Variant) shown { return share(v.Errors, v.Requests) }, limits(s.Policy.ErrorRate), percent, unit, wilson},
		{"99th percentile", "milliseconds", "limit", p99Of, limits(p99), nil, scale{0, math.Inf(1)}, ""},
		{"Accuracy", "share of labelled answers that are right", "at least", func(v rollout.Variant) shown { return share(v.Correct, v.Labels) }, limits(s.Policy.Accuracy), percent, unit, wilson},
	} {
		if f, ok := lookFigure(s, looks, end, m); ok {
			out = append(out, f)
		}
	}
	return out
}

func lookFigure(s *rollout.State, looks []rollout.Record, end time.Time, m measured) (figure, bool) {
	x, at, label := sinceScale(s, end)
	var values []float64
	seen := map[string]bool{}
	each := func(do func(class string, t float64, v shown, shift int)) {
		for _, r := range looks {
			if v := m.of(r.Measurements.Candidate); finite(v.value) {
				do("candidate", at(r.Time), v, -3)
			}
			if r.Measurements.Champion == nil {
				continue
			}
			if v := m.of(*r.Measurements.Champion); finite(v.value) {
				do("champion", at(r.Time), v, 3)
			}
		}
	}
	each(func(class string, _ float64, v shown, _ int) {
		seen[class] = true
		values = append(values, v.value, v.low, v.high)
	})
	if len(values) == 0 {
		return figure{}, false
	}
	if finite(m.limit) && m.limit < 4*maxFinite(values) {
		values = append(values, m.limit)
	}
	if m.bounds.low == 0 && m.title != "Accuracy" {
		values = append(values, 0)
	}
	p := plot{x: x, y: spanning(values...).within(m.bounds.low, m.bounds.high), title: m.title, words: fmt.Sprintf("at %d looks", len(looks))}
	p.axes(5, 4, nil, m.format)
	lines := map[string][2][]float64{}
	each(func(class string, t float64, v shown, shift int) {
		p.dot(class, t, v.value, v.low, v.high, shift)
		l := lines[class]
		lines[class] = [2][]float64{append(l[0], t), append(l[1], v.value)}
	})
	for _, class := range []string{"champion", "candidate"} {
		p.path("line thin "+class, lines[class][0], lines[class][1], false)
	}
	if finite(m.limit) {
		format := m.format
		if format == nil {
			format = milliseconds
		}
		p.level(m.limit, m.limitText+" "+format(m.limit))
	}
	f := figure{Title: m.title, Y: m.y, X: label, Plot: p.svg("wide"), Note: m.note}
	for _, class := range []string{"candidate", "champion"} {
		if seen[class] {
			f.Keys = append(f.Keys, key{class, class})
		}
	}
	return f, true
}

func maxFinite(values []float64) float64 {
	most := 0.0
	for _, v := range values {
		if finite(v) {
			most = math.Max(most, v)
		}
	}
	return most
}

func lookOf(r rollout.Record) lookRow {
	m := r.Measurements
	row := lookRow{At: clock(r.Time), Weight: percent(r.Weight / 100), Verdict: r.Verdict, Reason: r.Reason}
	row.Requests, row.Errors, row.P99, row.Accuracy = variantOf(m.Candidate)
	row.ChampionRequests, row.ChampionErrors, row.ChampionP99, row.ChampionAccuracy = dash, dash, dash, dash
	if m.Champion != nil {
		row.ChampionRequests, row.ChampionErrors, row.ChampionP99, row.ChampionAccuracy = variantOf(*m.Champion)
	}
	for _, f := range r.Findings {
		row.Findings = append(row.Findings, findingOf(f))
	}
	return row
}

func variantOf(v rollout.Variant) (requests, errors, p99, accuracy string) {
	return count(v.Requests), shareText(share(v.Errors, v.Requests)), milliseconds(p99Of(v).value), shareText(share(v.Correct, v.Labels))
}

func shareText(s shown) string {
	if !finite(s.low) || !finite(s.high) {
		return percent(s.value)
	}
	return fmt.Sprintf("%s (%s to %s)", percent(s.value), percent(s.low), percent(s.high))
}

func findingOf(f rollout.Finding) findingView {
	format := percent
	if strings.HasPrefix(f.Measure, "latency") {
		format = milliseconds
	}
	v := findingView{Measure: word(f.Measure), Verdict: f.Verdict, Limit: format(f.Limit), Reason: f.Reason}
	if !f.Unknown {
		v.Value = format(f.Value)
	}
	if f.High > f.Low {
		v.Interval = format(f.Low) + " to " + format(f.High)
	}
	return v
}
