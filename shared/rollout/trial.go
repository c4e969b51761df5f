package rollout

import (
	"fmt"
	"math"
	"time"

	"github.com/sluice-ml/sluice/shared/sequential"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// Trial is the sequential tests of a rollout: each look adds what is new, and
// any look may end it. Their bounds on false alarms add up to the policy's
// alpha, over all looks, steps and metrics.
type Trial struct {
	Errors sequential.Rates `json:"errors"` // against the champion in the same time
	Slow   sequential.Rates `json:"slow"`   // slower than the latency limit
	Wrong  sequential.Rates `json:"wrong"`  // by late labels

	// Whether what a step must be able to notice is shown not to be there.
	NoErrors sequential.Harmless `json:"no_errors,omitzero"`
	NoSlow   sequential.Harmless `json:"no_slow,omitzero"`
	NoWrong  sequential.Harmless `json:"no_wrong,omitzero"`

	// While the candidate has all the traffic there is nobody to compare with.
	ErrorsAlone sequential.Limit `json:"errors_alone"`
	SlowAlone   sequential.Limit `json:"slow_alone"`

	// Parts of the rows, and the mean of their tests.
	Parts  []PartTrial         `json:"parts,omitempty"`
	Sliced sequential.Evidence `json:"sliced,omitzero"`

	Step  int64     `json:"step"`           // the candidate's requests that were looked at in the present step
	Until time.Time `json:"until,omitzero"` // looked at up to here
}

// tests is how many share alpha, without those of the slices.
const tests = 5

// slowShare is how many requests may be slower than the latency limit: it is a
// p99.
const slowShare = 0.01

// guessWrong is the share of wrong answers to expect of a champion.
const guessWrong = 0.1

func newTrial(p Policy) Trial {
	a := p.Analysis
	return Trial{
		NoErrors:    sequential.Harmless{Effect: a.Margin.ErrorRate + a.Effect.ErrorRate},
		NoSlow:      sequential.Harmless{Effect: a.Margin.SlowRate + a.Effect.SlowRate},
		NoWrong:     sequential.Harmless{Effect: a.Margin.Accuracy + a.Effect.Accuracy, Guess: guessWrong},
		Errors:      sequential.Rates{Margin: a.Margin.ErrorRate},
		Slow:        sequential.Rates{Margin: a.Margin.SlowRate},
		Wrong:       sequential.Rates{Margin: a.Margin.Accuracy, Guess: guessWrong},
		ErrorsAlone: sequential.Limit{Max: p.ErrorRate},
		SlowAlone:   sequential.Limit{Max: slowShare},
	}
}

// sequential says that looks are judged by tests. A first release has no
// champion to be compared with; a shadow serves nobody, so it is judged once, at
// its end.
func (s State) sequential() bool {
	return s.Policy.Analysis.Mode == "sequential" && !s.First() && !s.Phase.shadow()
}

// lookEvery is how often a bake is looked at.
func (p Policy) lookEvery() time.Duration {
	return max(10*time.Second, time.Duration(p.Bake)/5)
}

// again is the trial of the next bake: its requests are counted anew. What came
// since the last look belongs to the tests still, whatever the weight was, unless
// a warm-up is to be left out or it is too long ago to be surely there.
func (t *Trial) again(p Policy, now time.Time) *Trial {
	if t == nil {
		return nil
	}
	next := *t
	next.Step = 0
	if p.WarmUp > 0 || now.Sub(t.Until) > tailKept {
		next.Until = time.Time{}
	}
	return &next
}

// tailKept is how far back the first look at a bake may reach.
const tailKept = 10 * time.Minute

// add takes what a look measured. Labels come as totals of the whole rollout;
// totals that shrink are not believed.
func (t *Trial) add(p Policy, m Measurements) error {
	if err := t.addParts(p, m.Slices); err != nil {
		return err
	}
	candidate, champion := m.Candidate, Variant{}
	if m.Champion != nil {
		champion = *m.Champion
	}
	errors := sequential.Pair{Candidate: candidate.errorCount(), Champion: champion.errorCount()}
	if err := look(&t.Errors, &t.NoErrors, errors); err != nil {
		return fmt.Errorf("error rates: %w", err)
	}
	wrong := sequential.Pair{Candidate: candidate.wrongSince(t.Wrong.Seen.Candidate), Champion: champion.wrongSince(t.Wrong.Seen.Champion)}
	if err := look(&t.Wrong, &t.NoWrong, wrong); err != nil {
		return fmt.Errorf("accuracies: %w", err)
	}
	if slow, known := slowCounts(candidate, champion); known {
		if err := look(&t.Slow, &t.NoSlow, slow); err != nil {
			return fmt.Errorf("slow requests: %w", err)
		}
	}
	t.Step += candidate.Requests
	t.Until = m.To
	return nil
}

// look shows new counts to a test and to its mirror. A trial that began before
// there was one has no effect in it, and one that leaves no rates has no mirror.
func look(r *sequential.Rates, none *sequential.Harmless, more sequential.Pair) error {
	if err := r.Look(more); err != nil || none.Effect <= 0 || none.Effect >= 1 {
		return err
	}
	return none.Look(more)
}

// addAlone takes a look at which the candidate has all the traffic.
func (t *Trial) addAlone(m Measurements) error {
	if err := t.ErrorsAlone.Look(m.Candidate.errorCount()); err != nil {
		return fmt.Errorf("error rate: %w", err)
	}
	if m.Candidate.Slow == nil {
		return nil
	}
	return t.SlowAlone.Look(m.Candidate.slowCount())
}

func (v Variant) errorCount() sequential.Count {
	return sequential.Count{Bad: min(v.Errors, v.Requests), All: v.Requests}
}

func (v Variant) slowCount() sequential.Count {
	return sequential.Count{Bad: min(*v.Slow, v.Requests), All: v.Requests}
}

func slowCounts(candidate, champion Variant) (sequential.Pair, bool) {
	if candidate.Slow == nil || champion.Slow == nil {
		return sequential.Pair{}, false
	}
	return sequential.Pair{Candidate: candidate.slowCount(), Champion: champion.slowCount()}, true
}

func (v Variant) wrongSince(seen sequential.Count) sequential.Count {
	more := sequential.Count{Bad: v.Labels - v.Correct - seen.Bad, All: v.Labels - seen.All}
	if more.Check() != nil {
		return sequential.Count{}
	}
	return more
}

// judge gives the findings at a weight.
func (t *Trial) judge(p Policy, weight float64, parts []Part) Judgement {
	a := p.Analysis
	if weight >= 100 {
		return summarise(append([]Finding{
			t.alone("error_rate", t.ErrorsAlone, p),
			t.alone("slow_rate", t.SlowAlone, p),
		}, t.judgeParts(p, parts)...))
	}
	findings := []Finding{
		t.against("error_rate_rise", t.Errors, t.NoErrors, a.Effect.ErrorRate, weight, p),
		t.against("slow_rate_rise", t.Slow, t.NoSlow, a.Effect.SlowRate, weight, p),
	}
	if p.Accuracy > 0 {
		findings = append(findings, t.against("accuracy_drop", t.Wrong, t.NoWrong, a.Effect.Accuracy, weight, p))
	}
	return summarise(append(findings, t.judgeParts(p, parts)...))
}

// against judges one comparison with the champion.
func (t *Trial) against(measure string, r sequential.Rates, none sequential.Harmless, effect, weight float64, p Policy) Finding {
	alpha := p.share()
	f := Finding{Measure: measure, Limit: r.Margin, Seen: r.Seen.Candidate.All, P: r.Evidence.P()}
	f.Floor = sampleFloor(r, effect, weight, alpha, p)
	if f.Seen > 0 && r.Seen.Champion.All > 0 {
		f.Value = r.Seen.Candidate.Rate() - r.Seen.Champion.Rate()
		f.Low, f.High = sequential.Difference(r.Seen, alpha)
	}
	switch {
	case r.Evidence.Against(alpha):
		return f.say(Fail, "above")
	case r.Seen.Champion.All == 0:
		return f.insufficient("nothing was measured of the champion")
	case t.Step < p.MinRequests || f.Seen < p.MinRequests || f.Seen < f.Floor && !none.Evidence.Against(1-p.Analysis.Power):
		return f.insufficient("%d of the %d requests that a rise of %v takes to be noticed, %d of %d in this step", f.Seen, f.Floor, effect, t.Step, p.MinRequests)
	}
	return f.say(Pass, "not shown to be above")
}

// sampleFloor is how many of the candidate's requests notice the effect.
func sampleFloor(r sequential.Rates, effect, weight, alpha float64, p Policy) int64 {
	champion := 0.01
	if seen := r.Seen.Champion; seen.All >= 100 {
		champion = max((float64(seen.Bad)+0.5)/float64(seen.All+1), 1e-4)
	}
	d := p.design(champion, r.Margin, effect, weight, alpha)
	floor, err := d.Floor()
	if err != nil { // a champion that is nearly always wrong: no number of requests would do
		return math.MaxInt64
	}
	return max(floor, p.MinRequests)
}

// design is what a test at a weight must be able to notice. An effect that no
// rate has room for is cut to half of the room.
func (p Policy) design(champion, margin, effect, weight, alpha float64) sequential.Design {
	return sequential.Design{
		Champion: champion, Margin: margin, Effect: min(effect, (1-champion-margin)/2),
		Share: weight / 100, Alpha: alpha, Power: p.Analysis.Power,
	}
}

// alone judges the candidate by the limits, once it has all the traffic.
func (t *Trial) alone(measure string, l sequential.Limit, p Policy) Finding {
	alpha := p.share()
	f := Finding{Measure: measure, Limit: l.Max, Seen: l.Seen.All, Floor: p.MinRequests, P: l.Evidence.P()}
	if f.Seen > 0 {
		f.Value = l.Seen.Rate()
		f.Low, f.High = sequential.Interval(l.Seen, alpha)
	}
	switch {
	case l.Evidence.Against(alpha):
		return f.say(Fail, "above")
	case f.Seen < p.MinRequests:
		return f.insufficient("%d requests with all the traffic, %d are needed", f.Seen, p.MinRequests)
	}
	return f.say(Pass, "not shown to be above")
}

// tried is a look at a bake by the tests.
func (m *machine) tried(o Measured) {
	r := Record{Measurements: &o.Measurements}
	if problem := o.Measurements.Problem; problem != "" {
		r.Verdict, r.Reason = Insufficient, "holding: no measurements: "+problem
		m.Quiet = false
		m.lookOn(r)
		return
	}
	trial := newTrial(m.Policy)
	if m.Trial != nil {
		trial = *m.Trial
	}
	err := trial.add(m.Policy, o.Measurements)
	if err == nil && m.Weight >= 100 {
		err = trial.addAlone(o.Measurements)
	}
	if err != nil {
		r.Verdict, r.Reason = Insufficient, "holding: the measurements make no sense: "+err.Error()
		m.lookOn(r)
		return
	}
	m.Trial = &trial
	j := trial.judge(m.judging(), m.Weight, o.Measurements.Slices)
	measured := o.Measurements
	measured.Slices = nil // the findings say what matters of them; there are many looks
	r.Measurements = &measured
	m.Quiet = j.Verdict == Pass || j.quiet()
	r.Verdict, r.Reason, r.Findings = j.Verdict, j.Reason, j.Findings
	m.concluded(j, r, o.Measurements)
}

// concluded acts on a look's judgement: a failure is acted on at once, because
// the tests keep their bound by themselves.
func (m *machine) concluded(j Judgement, r Record, measured Measurements) {
	switch {
	case j.Verdict == Fail && m.Policy.Hold:
		m.say("rollback is disabled; holding: " + r.Reason)
		m.lookOn(r)
	case j.Verdict == Fail:
		m.rollBackWith(r)
	case j.Shared || Judge(m.Policy, measured).Shared:
		r.Verdict, r.Reason = Insufficient, "holding, both versions suffer, so the environment is to blame"
		m.say(r.Reason)
		m.Quiet = false
		m.lookOn(r)
	case j.Verdict == Pass && !m.now.Before(m.BakeUntil):
		m.passed(r)
	default:
		if j.Verdict == Pass {
			r.Reason = "so far nothing speaks against it"
		}
		m.lookOn(r)
	}
}

// lookOn keeps baking until the next look.
func (m *machine) lookOn(r Record) {
	m.NextLook = m.now.Add(m.Policy.lookEvery())
	if deadline := m.stepDeadline(); m.NextLook.After(deadline) {
		m.NextLook = deadline
	}
	m.enter(Baking, r)
}

// lookAt is when a bake is to be looked at.
func (s State) lookAt() time.Time {
	if s.sequential() && !s.NextLook.IsZero() {
		return s.NextLook
	}
	return s.BakeUntil
}

// checkAnalysis says what is wrong with the tests of a policy.
func checkAnalysis(a trainconfig.Analysis) error {
	if a.Mode != "sequential" {
		return nil
	}
	for _, v := range []float64{a.Alpha, a.Power, a.Effect.ErrorRate, a.Effect.SlowRate, a.Effect.Accuracy} {
		if !(v > 0 && v < 1) {
			return fmt.Errorf("alpha %v, power %v, effect %+v: want each above 0 and below 1", a.Alpha, a.Power, a.Effect)
		}
	}
	for _, v := range []float64{a.Margin.ErrorRate, a.Margin.SlowRate, a.Margin.Accuracy} {
		if !(v >= 0 && v <= 0.5) {
			return fmt.Errorf("margin %+v: want each 0 to 0.5", a.Margin)
		}
	}
	return nil
}
