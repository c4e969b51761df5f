package rollout

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/shared/sequential"
)

// Part is one part of the rows, as it was answered since the candidate first
// served.
type Part struct {
	Slice     string `json:"slice"` // e.g. "sex=Female" or "age=[30, 50), sex=Female"
	Candidate Tally  `json:"candidate"`
	Champion  Tally  `json:"champion"`
}

// Tally counts a version's answers to a part's rows.
type Tally struct {
	Rows    int64 `json:"rows"`
	Labels  int64 `json:"labels"`  // of them labelled
	Correct int64 `json:"correct"` // of those right
}

func (t Tally) accuracy() float64 { return ratio(t.Correct, t.Labels) }

func (t Tally) wrong() sequential.Count {
	return sequential.Count{Bad: t.Labels - t.Correct, All: t.Labels}
}

// familywise is the chance that some part of a healthy candidate fails a look by
// the limits: one side of the 95 % intervals that the other measures have.
const familywise = 0.025

// tested is how many parts share the tests of a sequential trial. It is fixed
// before anything is seen; parts that come later than this are unknown.
const tested = 20

// sliced judges the parts of the rows. Each drop against the champion in the same
// time is tested for being above the margin, by Holm's step-down over the parts
// that are known of both; each accuracy for being below the limit, over those
// that are known of the candidate, for a part that the champion has too few
// labels of (a value that came after it left the traffic) needs the limit most. A
// breach of the limit that the champion shows in the same part is shared.
func (p Policy) sliced(m Measurements) []Finding {
	if len(p.Slices.By) == 0 || m.Champion == nil {
		return nil
	}
	if len(m.Slices) == 0 {
		return []Finding{p.Slices.unknown("", "no part of evaluation.slices was seen in what was captured")}
	}
	var known, answered []Part
	var findings []Finding
	for _, part := range m.Slices {
		if part.Candidate.Labels >= int64(p.Slices.MinLabels) {
			answered = append(answered, part)
		}
		if f, unknown := p.Slices.few(part); unknown {
			findings = append(findings, f)
			continue
		}
		known = append(known, part)
	}
	drops, lows := p.Slices.drops(known), []Finding(nil)
	if p.Slices.Accuracy > 0 {
		lows = p.Slices.lows(answered)
	}
	return slices.Concat(drops, lows, findings)
}

// few says that a part has too few labels to be judged.
func (s Slices) few(part Part) (Finding, bool) {
	for _, v := range []struct {
		who string
		Tally
	}{{"candidate", part.Candidate}, {"champion", part.Champion}} {
		if v.Labels < int64(s.MinLabels) {
			return s.unknown(part.Slice, "%d labels of the %s's %d answers, %d are needed", v.Labels, v.who, v.Rows, s.MinLabels), true
		}
	}
	return Finding{}, false
}

// unknown lists what could not be judged; it holds the rollout unless people are
// only to be told.
func (s Slices) unknown(slice, why string, args ...any) Finding {
	f := Finding{Measure: "slice_drop", Slice: slice, Limit: s.MaxDrop, Verdict: Insufficient, Unknown: true, Listed: s.OnUnknown == "tell"}
	f.Reason = strings.TrimSpace("slice "+slice) + " is not known: " + fmt.Sprintf(why, args...)
	return f
}

// drops compares the two versions in each part.
func (s Slices) drops(parts []Part) []Finding {
	found := make([]Finding, len(parts))
	for i, part := range parts {
		c, b := part.Candidate, part.Champion
		f := Finding{Measure: "slice_drop", Slice: part.Slice, Limit: s.MaxDrop, Seen: c.Labels, Value: b.accuracy() - c.accuracy()}
		f.Low, f.High = dropInterval(b.Correct, b.Labels, c.Correct, c.Labels)
		f.P = dropP(b.Correct, b.Labels, c.Correct, c.Labels, s.MaxDrop)
		found[i] = f
	}
	holm(found, familywise)
	for i, part := range parts {
		found[i].Reason = fmt.Sprintf("slice %s: accuracy %.4g is %.4g below the champion's %.4g in the same time (p %.2g), at most %.4g is allowed",
			part.Slice, part.Candidate.accuracy(), found[i].Value, part.Champion.accuracy(), found[i].P, s.MaxDrop)
	}
	return found
}

// lows compares each part with the least accuracy that is allowed.
func (s Slices) lows(parts []Part) []Finding {
	found, theirs := make([]Finding, len(parts)), make([]Finding, len(parts))
	for i, part := range parts {
		found[i], theirs[i] = s.low(part.Slice, part.Candidate), s.low(part.Slice, part.Champion)
		if part.Champion.Labels < int64(s.MinLabels) {
			theirs[i].P = 1 // nothing is shown of it
		}
	}
	holm(found, familywise)
	holm(theirs, familywise)
	for i := range found {
		f := &found[i]
		f.Reason = fmt.Sprintf("slice %s: accuracy %.4g (p %.2g), at least %.4g is wanted", f.Slice, f.Value, f.P, s.Accuracy)
		if f.Verdict == Fail && theirs[i].Verdict == Fail {
			f.Shared = true
			f.Reason += fmt.Sprintf("; the champion's is %.4g too", theirs[i].Value)
		}
	}
	return found
}

// low is one part's score test of the limit.
func (s Slices) low(slice string, t Tally) Finding {
	f := Finding{Measure: "slice_accuracy", Slice: slice, Limit: s.Accuracy, Seen: t.Labels, Value: t.accuracy()}
	f.Low, f.High = wilson(t.Correct, t.Labels)
	f.P = tail1((s.Accuracy - f.Value) / math.Sqrt(s.Accuracy*(1-s.Accuracy)/float64(t.Labels)))
	if s.Accuracy >= 1 { // any wrong answer is below
		f.P = 1
		if t.Correct < t.Labels {
			f.P = 0
		}
	}
	return f
}

// holm gives the verdicts at a familywise α (Holm 1979): from the least p on,
// each is compared with α over the number of those left, until one is above.
func holm(findings []Finding, alpha float64) {
	order := make([]int, len(findings))
	for i := range order {
		order[i] = i
		findings[i].Verdict = Pass
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(findings[a].P, findings[b].P) })
	for rank, i := range order {
		if findings[i].P > alpha/float64(len(order)-rank) {
			return
		}
		findings[i].Verdict = Fail
	}
}

// tail1 is the standard normal's upper tail.
func tail1(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }

// dropP is the one-sided p-value of "a's share minus b's is at most margin": the
// level at which Newcombe's interval just reaches the margin.
func dropP(aHits, aN, bHits, bN int64, margin float64) float64 {
	if !(ratio(aHits, aN)-ratio(bHits, bN) > margin) {
		return 1
	}
	low, high := 0.0, 40.0
	for range 60 {
		middle := (low + high) / 2
		if least, _ := dropAt(middle, aHits, aN, bHits, bN); least > margin {
			low = middle
		} else {
			high = middle
		}
	}
	return tail1(low)
}

// PartTrial is the sequential tests of one part: against the champion, and of each
// version against the least accuracy that is allowed.
type PartTrial struct {
	Slice    string           `json:"slice"`
	Wrong    sequential.Rates `json:"wrong"`
	Low      sequential.Limit `json:"low,omitzero"`
	TheirLow sequential.Limit `json:"their_low,omitzero"`
}

// low says that the test of a version rejects the limit at alpha over all tested
// parts.
func low(l sequential.Limit, alpha float64) bool { return l.Evidence.Against(alpha / tested) }

// addFloor shows the part's totals to the tests of the limit.
func (t *PartTrial) addFloor(accuracy float64, part Part) error {
	if accuracy <= 0 {
		return nil
	}
	for _, v := range []struct {
		limit *sequential.Limit
		all   sequential.Count
	}{{&t.Low, part.Candidate.wrong()}, {&t.TheirLow, part.Champion.wrong()}} {
		if v.limit.Seen.All == 0 {
			v.limit.Max = 1 - accuracy
		}
		if err := v.limit.Look(since(v.all, v.limit.Seen)); err != nil {
			return fmt.Errorf("slice %s: %w", part.Slice, err)
		}
	}
	return nil
}

// addParts shows what is new of each part to its test, and takes the mean of the
// tests' values. The mean of tested of them, those that were not begun yet
// counting 1, is a test itself that no part is worse by more than the margin,
// whatever the parts have to do with each other.
func (t *Trial) addParts(p Policy, parts []Part) error {
	if len(p.Slices.By) == 0 {
		return nil
	}
	t.Parts = slices.Clone(t.Parts) // another copy of the state has them too
	sum := 0.0
	for _, part := range parts {
		i := slices.IndexFunc(t.Parts, func(one PartTrial) bool { return one.Slice == part.Slice })
		if i < 0 {
			if len(t.Parts) == tested {
				continue
			}
			i = len(t.Parts)
			t.Parts = append(t.Parts, PartTrial{Slice: part.Slice, Wrong: sequential.Rates{Margin: p.Slices.MaxDrop, Guess: guessWrong}})
		}
		r := &t.Parts[i].Wrong
		more := sequential.Pair{Candidate: since(part.Candidate.wrong(), r.Seen.Candidate), Champion: since(part.Champion.wrong(), r.Seen.Champion)}
		if err := r.Look(more); err != nil {
			return fmt.Errorf("slice %s: %w", part.Slice, err)
		}
		if err := t.Parts[i].addFloor(p.Slices.Accuracy, part); err != nil {
			return err
		}
	}
	for _, one := range t.Parts {
		sum += math.Exp(min(one.Wrong.Evidence.Now, 600))
	}
	t.Sliced.Now = math.Log((sum + float64(tested-len(t.Parts))) / tested)
	t.Sliced.Most = max(t.Sliced.Most, t.Sliced.Now)
	return nil
}

// since is what came after seen; totals that shrink are not believed.
func since(all, seen sequential.Count) sequential.Count {
	more := sequential.Count{Bad: all.Bad - seen.Bad, All: all.All - seen.All}
	if more.Check() != nil {
		return sequential.Count{}
	}
	return more
}

// judgeParts gives the findings of the parts: those that fail or are unknown, and
// one for all that pass.
func (t *Trial) judgeParts(p Policy, parts []Part) []Finding {
	if len(p.Slices.By) == 0 {
		return nil
	}
	alpha := p.share()
	findings := t.judgeFloors(p, alpha)
	if t.Sliced.Against(alpha) {
		return append(findings, t.worst(p, alpha))
	}
	passed := 0
	for _, part := range parts {
		f, unknown := p.Slices.few(part)
		switch {
		case unknown:
			findings = append(findings, f)
		case !slices.ContainsFunc(t.Parts, func(one PartTrial) bool { return one.Slice == part.Slice }):
			findings = append(findings, p.Slices.unknown(part.Slice, "%d parts are tested already", tested))
		default:
			passed++
		}
	}
	if len(parts) == 0 {
		findings = append(findings, p.Slices.unknown("", "no part of evaluation.slices was seen in what was captured"))
	}
	if passed > 0 {
		findings = append(findings, Finding{Measure: "slice_drop", Verdict: Pass, Limit: p.Slices.MaxDrop, P: t.Sliced.P(),
			Reason: fmt.Sprintf("none of %d slices is shown to be more than %.4g below the champion", passed, p.Slices.MaxDrop)})
	}
	return findings
}

// judgeFloors gives the parts that are shown to be below the limit, each at its own
// part of one share of alpha, and one finding for those that are not. The champion
// needs no labels for it. A part that is below in both versions is shared.
func (t *Trial) judgeFloors(p Policy, alpha float64) []Finding {
	if p.Slices.Accuracy <= 0 {
		return nil
	}
	var findings []Finding
	passed, most := 0, 1.0
	for _, part := range t.Parts {
		l := part.Low
		if !low(l, alpha) {
			if l.Seen.All >= int64(p.Slices.MinLabels) {
				passed, most = passed+1, min(most, l.Evidence.P())
			}
			continue
		}
		f := Finding{Measure: "slice_accuracy", Slice: part.Slice, Verdict: Fail, Limit: p.Slices.Accuracy, Seen: l.Seen.All, P: l.Evidence.P(), Value: 1 - l.Seen.Rate()}
		wrongLow, wrongHigh := sequential.Interval(l.Seen, alpha/tested)
		f.Low, f.High = 1-wrongHigh, 1-wrongLow
		f.Reason = fmt.Sprintf("slice %s: accuracy %.4g (anytime p %.2g, %d slices share %.2g), at least %.4g is wanted", part.Slice, f.Value, f.P, tested, alpha, p.Slices.Accuracy)
		if low(part.TheirLow, alpha) {
			f.Shared = true
			f.Reason += fmt.Sprintf("; the champion's is %.4g too", 1-part.TheirLow.Seen.Rate())
		}
		findings = append(findings, f)
	}
	if passed > 0 {
		findings = append(findings, Finding{Measure: "slice_accuracy", Verdict: Pass, Limit: p.Slices.Accuracy, P: most,
			Reason: fmt.Sprintf("none of %d slices is shown to be below %.4g", passed, p.Slices.Accuracy)})
	}
	return findings
}

// worst is the part that speaks loudest against the candidate.
func (t *Trial) worst(p Policy, alpha float64) Finding {
	one := slices.MaxFunc(t.Parts, func(a, b PartTrial) int { return cmp.Compare(a.Wrong.Evidence.Most, b.Wrong.Evidence.Most) })
	r := one.Wrong
	f := Finding{Measure: "slice_drop", Slice: one.Slice, Verdict: Fail, Limit: r.Margin, Seen: r.Seen.Candidate.All, P: t.Sliced.P()}
	f.Value = r.Seen.Candidate.Rate() - r.Seen.Champion.Rate()
	f.Low, f.High = sequential.Difference(r.Seen, alpha)
	f.Reason = fmt.Sprintf("slice %s: accuracy is %.4g below the champion's in the same time (anytime p %.2g over all slices), at most %.4g is allowed",
		one.Slice, f.Value, f.P, r.Margin)
	return f
}

// judging is the policy of a look. With all the traffic at the candidate the
// champion gets no more labels: a part that is unknown then, e.g. a value that
// nobody had before, would hold for nothing, so it is told.
func (s State) judging() Policy {
	p := s.Policy
	if s.Weight >= 100 {
		p.Slices.OnUnknown = "tell"
	}
	return p
}

// tests is how many share alpha.
func (p Policy) tests() float64 {
	switch {
	case len(p.Slices.By) == 0:
		return tests
	case p.Slices.Accuracy > 0:
		return tests + 2
	}
	return tests + 1
}

// share is each test's part of alpha.
func (p Policy) share() float64 { return p.Analysis.Alpha / p.tests() }

// listed names what passed a look without being known.
func listed(findings []Finding) string {
	var parts []string
	for _, f := range findings {
		if f.Listed {
			parts = append(parts, f.Reason)
		}
	}
	return strings.Join(parts, "; ")
}

func (s Slices) check() error {
	switch {
	case len(s.By) == 0 && s.MinLabels == 0:
		return nil
	case len(s.By) == 0:
		return fmt.Errorf("evaluation.slices has none: want at least one")
	case !(s.MaxDrop >= 0 && s.MaxDrop < 0.5) || !(s.Accuracy >= 0 && s.Accuracy <= 1) || s.MinLabels < 1:
		return fmt.Errorf("max_drop %v, accuracy %v, min_labels %d: want 0 to 0.5, 0 to 1, at least 1", s.MaxDrop, s.Accuracy, s.MinLabels)
	}
	return nil
}
