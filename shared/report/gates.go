package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/shared/gate"
	"github.com/sluice-ml/sluice/shared/profile"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// gateRow is one gate in the table of all.
type gateRow struct {
	Gate, Verdict string
	Measure       string
	Plot          template.HTML
	dotRow
	Reasons []string
	More    int // reasons that are not shown
	Says    string
}

// mostReasons is how many of a gate's reasons are shown.
const mostReasons = 12

func gatesView(d Data) any {
	var rows []gateRow
	for _, v := range d.Verdicts {
		row := gateRow{Gate: v.Gate, Verdict: v.Verdict, Reasons: v.Reasons}
		if len(row.Reasons) > mostReasons {
			row.More, row.Reasons = len(row.Reasons)-mostReasons, row.Reasons[:mostReasons]
		}
		if m, ok := nearest(v); ok {
			e, format := estimateOf(m, pointwise(v)), formatOf(m.Name)
			s := scaleOf([]estimate{e})
			if b := boundsOf(m.Name); b != nil {
				s = s.within(b.low, b.high)
			}
			row.Measure = measureName(m)
			row.Plot = e.draw(s)
			row.dotRow = dotRow{Value: format(e.value), Interval: e.interval(format), Limit: e.limitText(format), Far: e.far(format)}
		}
		if row.Measure == "" && len(v.Measurements) > 0 {
			row.Measure = checks(v)
		}
		if v.Verdict == gate.Insufficient && d.Decision != nil {
			for _, bound := range d.Decision.Verdicts {
				if bound.Gate == v.Gate {
					row.Says = bound.OnInsufficient
				}
			}
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return nil
	}
	return rows
}

// checks counts what a gate judged by other rules than a limit on an interval.
func checks(v gate.Verdict) string {
	bad := 0
	for _, m := range v.Measurements {
		if m.Verdict != gate.Pass && m.Verdict != gate.Reported {
			bad++
		}
	}
	if bad == 0 {
		return count(len(v.Measurements)) + " checks, all pass"
	}
	return fmt.Sprintf("%s of %s checks do not pass", count(bad), count(len(v.Measurements)))
}

// measureName is a measurement's name with the group that it is of.
func measureName(m gate.Measurement) string {
	if m.Group == "" || m.Group == "candidate less champion" {
		return word(m.Name)
	}
	return word(m.Name) + ", " + groupLabel(m.Group)
}

// nearest is the judged measurement with the worst verdict that is nearest to its
// limit, in parts of the limit.
func nearest(v gate.Verdict) (gate.Measurement, bool) {
	rank := map[string]int{gate.Fail: 0, gate.Insufficient: 1, gate.Pass: 2}
	best, found := gate.Measurement{}, false
	closeness := func(m gate.Measurement) float64 {
		return estimateOf(m, pointwise(v)).margin() / (math.Abs(m.Limit) + 1e-12)
	}
	for _, m := range v.Measurements {
		if m.Wants == "" {
			continue
		}
		if !found || rank[m.Verdict] < rank[best.Verdict] || m.Verdict == best.Verdict && closeness(m) < closeness(best) {
			best, found = m, true
		}
	}
	return best, found
}

// pointwise says that the gate decided on values and not on intervals.
func pointwise(v gate.Verdict) bool {
	config, ok := v.Config.(map[string]any)
	return ok && config["decide_on"] == "point"
}

// verdictOf finds a gate's verdict.
func verdictOf(d Data, name string) (gate.Verdict, bool) {
	i := slices.IndexFunc(d.Verdicts, func(v gate.Verdict) bool { return v.Gate == name })
	if i < 0 {
		return gate.Verdict{}, false
	}
	return d.Verdicts[i], true
}

// measures are a gate's measurements, a table for each name.
type measures struct {
	Verdict string
	Tables  []dotTable
	Skipped *skipped
}

// gateView shows all the measurements of a gate. Those that were not judged come
// after those that were.
func gateView(d Data, name string) any {
	v, ok := verdictOf(d, name)
	if !ok || len(v.Measurements) == 0 {
		return nil
	}
	return measures{v.Verdict, tables(v, v.Measurements, "of"), skippedOf(v.Skipped)}
}

// otherGatesView shows the gates that no section knows.
func otherGatesView(d Data) any {
	known := []string{gate.NamePerformance, gate.NameFairness, gate.NameRobustness, gate.NameDataQuality, gate.NameChampion, gate.NameLatency}
	var out measures
	for _, v := range d.Verdicts {
		if slices.Contains(known, v.Gate) {
			continue
		}
		for _, t := range tables(v, v.Measurements, "of") {
			t.Title = sentence(word(v.Gate)) + ": " + t.Title
			out.Tables = append(out.Tables, t)
		}
	}
	if len(out.Tables) == 0 {
		return nil
	}
	return out
}

// tables are measurements by name, the judged first. Measures of all rows that
// are shares have one table.
func tables(v gate.Verdict, all []gate.Measurement, label string) []dotTable {
	var names []string
	by := map[string][]estimate{}
	for _, m := range all {
		if by[m.Name] == nil {
			names = append(names, m.Name)
		}
		by[m.Name] = append(by[m.Name], estimateOf(m, pointwise(v)))
	}
	slices.SortStableFunc(names, func(a, b string) int { return judgedFirst(by[a]) - judgedFirst(by[b]) })
	var out []dotTable
	var shares []estimate
	for _, name := range names {
		b := boundsOf(name)
		if len(by[name]) > 1 || by[name][0].label != "" {
			out = append(out, dots(sentence(word(name)), label, worstFirst(by[name]), formatOf(name), b).note(by[name]))
			continue
		}
		e := by[name][0]
		e.label = word(name)
		if b != nil && b.high == 1 && formatOf(name)(0.5) == number(0.5) {
			shares = append(shares, e)
			continue
		}
		out = append(out, dots("", "measure", []estimate{e}, formatOf(name), b).note([]estimate{e}))
	}
	if len(shares) > 0 { // they have one scale, and the judged are among them
		out = append([]dotTable{dots("", "measure", shares, number, &unit).note(shares)}, out...)
	}
	for i := range out[:max(0, len(out)-1)] {
		if out[i].Note == out[i+1].Note {
			out[i].Note = "" // once is enough
		}
	}
	return out
}

// note says what the table's intervals mean.
func (t dotTable) note(all []estimate) dotTable {
	t.Note = confidences(all)
	return t
}

func judgedFirst(all []estimate) int {
	for _, e := range all {
		if e.wants != "" {
			return 0
		}
	}
	return 1
}

// worstFirst keeps what fails in sight where there are more rows than are shown.
func worstFirst(all []estimate) []estimate {
	if len(all) <= mostRows {
		return all
	}
	rank := map[string]int{gate.Fail: -2, gate.Insufficient: -1}
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b estimate) int { return rank[a.verdict] - rank[b.verdict] })
	return all
}

// confidences says what the intervals of a table mean.
func confidences(all []estimate) string {
	var levels []string
	for _, e := range all {
		if e.confidence <= 0 {
			continue
		}
		if level := minus(fmt.Sprintf("%.4g %%", 100*e.confidence)); !slices.Contains(levels, level) {
			levels = append(levels, level)
		}
	}
	if len(levels) == 0 {
		return ""
	}
	return "Intervals at " + strings.Join(levels, " and ") + "."
}

// skipped are groups that were not judged, the largest first.
type skipped struct {
	All  int
	Rows []gate.Skipped
	Rest int // not shown
	N    int // rows in those not shown
}

func skippedOf(all []gate.Skipped) *skipped {
	if len(all) == 0 {
		return nil
	}
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b gate.Skipped) int { return b.N - a.N })
	s := &skipped{All: len(sorted), Rows: sorted}
	if len(sorted) > mostRows {
		s.Rows = sorted[:mostRows]
		for _, r := range sorted[mostRows:] {
			s.Rest++
			s.N += r.N
		}
	}
	return s
}

// head is what the page says first.
type head struct {
	Tone, Mark, Word string
	Sub              string
	Facts            []fact
	Gates            []gateChip
}

type fact struct{ Name, Value, Note string }

type gateChip struct{ Gate, Verdict, Figure string }

func headOf(d Data) head {
	status := d.Status
	h := head{Tone: tone(status), Mark: mark(status), Word: sentence(word(status))}
	if d.Rollout != nil && !d.Rollout.Phase.Done() && status == "running" {
		h.Word = "Rolling out"
		h.Sub = fmt.Sprintf("%s at %s", word(string(d.Rollout.Phase)), percent(d.Rollout.Weight/100))
		if d.Rollout.Phase == rollout.RollingBack {
			h.Word, h.Tone, h.Mark = "Rolling back", "bad", "✕"
		}
	}
	add := func(name, value, note string) {
		if value != "" {
			h.Facts = append(h.Facts, fact{name, value, note})
		}
	}
	if d.Version > 0 {
		add("Version", fmt.Sprint(d.Version), "")
	}
	if v, ok := verdictOf(d, gate.NamePerformance); ok && len(v.Measurements) > 0 {
		m := v.Measurements[0]
		e, format := estimateOf(m, false), formatOf(m.Name)
		add(word(m.Name), format(m.Value), e.interval(format))
	}
	if d.Validation != nil && d.Validation.Rows > 0 {
		add("Rows", count(d.Validation.Rows), fmt.Sprintf("in %s objects", count(d.Validation.Objects)))
	} else if d.Profile != nil {
		add("Rows", count(d.Profile.Rows), "")
	}
	if !d.Started.IsZero() && !d.Finished.IsZero() {
		add("Took", duration(d.Elapsed()), "from "+clock(d.Started)+" UTC")
	}
	if len(d.Costs) > 0 {
		add("On AWS", usd(d.Total()), "list prices")
	}
	for _, v := range d.Verdicts {
		chip := gateChip{Gate: v.Gate, Verdict: v.Verdict}
		if m, ok := nearest(v); ok {
			chip.Figure = formatOf(m.Name)(m.Value)
		}
		h.Gates = append(h.Gates, chip)
	}
	return h
}

// failedFirst are findings, what did not pass first.
func failedFirst(all []profile.Finding) []profile.Finding {
	out := slices.Clone(all)
	slices.SortStableFunc(out, func(a, b profile.Finding) int { return passed(a) - passed(b) })
	return out
}

func passed(f profile.Finding) int {
	if f.Verdict == profile.Pass {
		return 1
	}
	return 0
}
