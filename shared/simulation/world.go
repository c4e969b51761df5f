package simulation

import (
	"errors"
	"math"
	"time"

	"github.com/sluice-ml/sluice/shared/rollout"
)

// The slots of a simulated endpoint.
const (
	championSlot  = "champion"
	candidateSlot = "candidate"
)

// World is a scene under way. A rule serves and looks; time passes only while
// traffic is served.
type World struct {
	scene     Scene
	random    source
	champion  Version
	candidate Version
	start     time.Time
	midnight  time.Time
	now       time.Time
	outage    time.Time // its start
	incident  time.Time
	cells     []cell // by period, from start's
	excess    float64
	requests  int64 // the candidate's
}

// cell is what one period counted of both versions.
type cell struct {
	candidate, champion tally
}

// tally is what a period counted of one version.
type tally struct {
	requests, errors, slow, labels, correct int64
	p99                                     float64 // milliseconds
}

var errOutage = errors.New("the metrics cannot be read")

// newWorld begins a run. The scene must have passed Check.
func newWorld(s Scene, seed, run uint64) (*World, error) {
	candidate, err := s.Effect.On(s.Champion)
	if err != nil {
		return nil, err
	}
	w := &World{scene: s, random: newSource(seed, run), champion: s.Champion, candidate: candidate}
	w.midnight = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	hours := 12 * time.Hour
	if s.Diurnal > 0 {
		hours = time.Duration(w.random.Int64N(int64(24 * time.Hour)))
	}
	// Looks and periods are not aligned.
	w.start = w.midnight.Add(hours + time.Duration(w.random.IntN(60))*time.Second)
	w.now = w.start
	w.outage = w.begin(s.Outage)
	w.incident = w.begin(s.Incident.Span)
	return w, nil
}

func (w *World) begin(s Span) time.Time {
	if s.Anywhere {
		return w.start.Add(time.Duration(w.random.Int64N(int64(time.Hour))))
	}
	return w.start.Add(s.At)
}

// at gives both versions as they are now: an incident strikes both.
func (w *World) at(t time.Time) (candidate, champion Version) {
	candidate, champion = w.candidate, w.champion
	if w.scene.Incident.holds(w.incident, t) {
		candidate, champion = w.scene.Incident.on(candidate), w.scene.Incident.on(champion)
	}
	return candidate, champion
}

func (i Incident) on(v Version) Version {
	v.ErrorRate = min(1, v.ErrorRate+i.ErrorRate)
	v.SlowRate = min(1, v.SlowRate+i.SlowRate)
	return v
}

// Serve lets traffic pass until a time: the candidate answers percent of it, and
// so much of the rest as is measured of the champion.
func (w *World) Serve(until time.Time, percent, champion float64) {
	for w.now.Before(until) {
		end := w.now.Truncate(w.scene.Period).Add(w.scene.Period)
		if until.Before(end) {
			end = until
		}
		w.serve(end.Sub(w.now), percent, champion)
		w.now = end
	}
}

// Mirror lets traffic pass until a time: the champion answers all of it, and the
// candidate percent of it for nobody.
func (w *World) Mirror(until time.Time, percent float64) {
	bad, asked := w.excess, w.requests
	w.Serve(until, percent, 100)
	w.excess, w.requests = bad, asked
}

// pairs compares so many answers of the two: what one has right and the other
// wrong they decide otherwise, and some more that are as good either way.
func (w *World) pairs(n int64) *rollout.Pairs {
	share := min(1, w.scene.Disagreement+math.Abs(w.candidate.Accuracy-w.champion.Accuracy))
	return &rollout.Pairs{Both: n, Disagreed: w.random.binomial(n, share)}
}

func (w *World) serve(d time.Duration, percent, share float64) {
	index := w.cell(w.now)
	for len(w.cells) <= index {
		w.cells = append(w.cells, cell{})
	}
	rate := w.scene.rate(w.now.Sub(w.midnight)) * d.Seconds()
	candidate, champion := w.at(w.now)
	c := &w.cells[index]
	n := c.candidate.add(w, candidate, rate*percent/100)
	c.champion.add(w, champion, rate*share/100)
	w.requests += n
	w.excess += float64(n) * (candidate.bad(w.scene.SlowLimit) - champion.bad(w.scene.SlowLimit))
}

// cell is the index of the period that t is in.
func (w *World) cell(t time.Time) int {
	return int(t.Sub(w.start.Truncate(w.scene.Period)) / w.scene.Period)
}

// add serves about so many requests by a version.
func (t *tally) add(w *World, v Version, mean float64) int64 {
	n := w.random.poisson(mean)
	if n == 0 {
		return 0
	}
	slow := w.random.binomial(n, v.slow(w.scene.SlowLimit))
	p99 := v.p99(w.random, n, slow, w.scene.SlowLimit)
	t.p99 = (t.p99*float64(t.requests) + p99*float64(n)) / float64(t.requests+n)
	t.requests += n
	t.slow += slow
	t.errors += w.random.binomial(n, v.ErrorRate)
	labels := w.random.binomial(n, w.scene.LabelCoverage)
	t.labels += labels
	t.correct += w.random.binomial(labels, v.Accuracy)
	return n
}

// settle counts what a promoted candidate does until the horizon; the champion
// does no harm.
func (w *World) settle(promoted bool) {
	for promoted && w.now.Sub(w.start) < w.scene.Horizon {
		d := min(time.Minute, w.scene.Horizon-w.now.Sub(w.start))
		candidate, champion := w.at(w.now)
		w.excess += w.scene.rate(w.now.Sub(w.midnight)) * d.Seconds() * (candidate.bad(w.scene.SlowLimit) - champion.bad(w.scene.SlowLimit))
		w.now = w.now.Add(d)
	}
}

// window gives the whole periods within [from, to) that are published by now,
// after so much delay.
func (w *World) window(from, to time.Time, delay time.Duration) []cell {
	low := w.cell(w.up(from))
	high := w.cell(w.up(to))
	// Metrics of the running period show what came so far; late ones do not.
	if delay > 0 {
		high = min(high, w.cell(w.now.Add(-delay)))
	}
	high = min(high, len(w.cells))
	if low >= high || low < 0 {
		return nil
	}
	return w.cells[low:high]
}

// up is the first start of a period at or after t.
func (w *World) up(t time.Time) time.Time {
	start := t.Truncate(w.scene.Period)
	if start.Before(t) {
		start = start.Add(w.scene.Period)
	}
	return start
}

// down says that the metrics cannot be read now.
func (w *World) down() bool { return w.scene.Outage.holds(w.outage, w.now) }

// Measure answers as the CloudWatch gauge of shared/aws/metrics does: whole
// periods from the first in the window, labels as totals since the candidate
// first served; for an increment only periods that ended a period ago.
func (w *World) Measure(q rollout.Question) (rollout.Measurements, error) {
	m := rollout.Measurements{From: w.up(q.From), To: w.up(q.To)}
	if w.down() {
		return m, errOutage
	}
	if q.Increment {
		m.To = q.To.Truncate(w.scene.Period).Add(-w.scene.Period)
		if !m.From.Before(m.To) {
			m.To = m.From
			m.Champion = &rollout.Variant{}
			return m, nil
		}
	} else if !m.From.Before(m.To) {
		return m, errors.New("the bake has no whole period")
	}
	var bake, labelled cell
	for _, c := range w.window(m.From, m.To, w.scene.MetricDelay) {
		bake.plus(c)
	}
	for _, c := range w.window(q.Serving.Truncate(w.scene.Period), q.To.Add(w.scene.Period), w.scene.LabelDelay) {
		labelled.plus(c)
	}
	champion := bake.champion.variant(labelled.champion, q.Slow > 0)
	m.Candidate, m.Champion = bake.candidate.variant(labelled.candidate, q.Slow > 0), &champion
	return m, nil
}

func (c *cell) plus(o cell) {
	c.candidate.plus(o.candidate)
	c.champion.plus(o.champion)
}

func (t *tally) plus(o tally) {
	if n := t.requests + o.requests; n > 0 {
		t.p99 = (t.p99*float64(t.requests) + o.p99*float64(o.requests)) / float64(n)
	}
	t.requests += o.requests
	t.errors += o.errors
	t.slow += o.slow
	t.labels += o.labels
	t.correct += o.correct
}

func (t tally) variant(labelled tally, slow bool) rollout.Variant {
	v := rollout.Variant{Requests: t.requests, Errors: t.errors, Labels: labelled.labels, Correct: labelled.correct}
	if t.requests > 0 {
		v.P99MS = new(t.p99)
	}
	if slow {
		v.Slow = new(t.slow)
	}
	return v
}

// rateOf is part/whole, NaN of nothing.
func rateOf(part, whole int64) float64 {
	if whole == 0 {
		return math.NaN()
	}
	return float64(part) / float64(whole)
}
