package rollout_test

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// stepped is the endpoint as an actor meets it.
type stepped struct{ w *world }

func (b *stepped) View(ctx context.Context, m string) (v rollout.View, err error) {
	err = b.w.outside("view", func() (err error) { v, err = b.w.memory.View(ctx, m); return err })
	return v, err
}

func (b *stepped) Prepare(ctx context.Context, p rollout.Placement) (config string, err error) {
	b.failing()
	err = b.w.outside("prepare", func() (err error) {
		b.w.touched = true
		config, err = b.w.memory.Prepare(ctx, p)
		return err
	})
	return config, err
}

func (b *stepped) Mirrors(m string) error { return b.w.memory.Mirrors(m) }

func (b *stepped) Shadow(ctx context.Context, p rollout.Placement, sample float64) (config string, err error) {
	b.failing()
	err = b.w.outside("shadow", func() (err error) { config, err = b.w.memory.Shadow(ctx, p, sample); return err })
	return config, err
}

func (b *stepped) SetWeights(ctx context.Context, m string, weights []rollout.Weight) error {
	b.failing()
	return b.w.outside("set weights", func() error {
		if b.w.traced {
			b.w.log("weights %v", weights)
		}
		b.w.touched = true
		return b.w.memory.SetWeights(ctx, m, weights)
	})
}

func (b *stepped) Smoke(ctx context.Context, m, slot string, row rollout.Row) error {
	return b.w.outside("smoke", func() error { return b.w.memory.Smoke(ctx, m, slot, row) })
}

func (b *stepped) Retire(ctx context.Context, m, id, keep string) (config string, err error) {
	b.failing()
	err = b.w.outside("retire", func() (err error) {
		b.w.touched = true
		b.w.retiring(keep)
		config, err = b.w.memory.Retire(ctx, m, id, keep)
		return err
	})
	return config, err
}

// Delete takes effect within its context's time, or within the function's when it
// has none; the service may act a little after its client gave up. A call whose
// answer is lost can so remove an endpoint that a later rollout made.
func (b *stepped) Delete(ctx context.Context, m string) error {
	w := b.w
	bound := functionTimeout
	if deadline, ok := ctx.Deadline(); ok {
		bound = time.Until(deadline).Round(time.Second)
	}
	until := w.now.Add(bound)
	return w.outside("delete", func() error {
		left := until.Sub(w.now)
		if left <= 0 {
			return fault.New(fault.Unavailable, "delete", "the call ran out of time")
		}
		if !w.chance(3) {
			w.touched = true
			return w.memory.Delete(ctx, m)
		}
		w.lost++
		late := time.Duration(w.rng.Int64N(int64(left+serviceLag)/int64(time.Second))) * time.Second
		w.spawn("late delete", func() {
			w.sleep(late)
			w.touched = true
			w.log("delete, %v late → %v", late, w.memory.Delete(context.Background(), m))
			w.outcomes = append(w.outcomes, "late delete")
		})
		return fault.New(fault.Unavailable, "delete", "the response was lost")
	})
}

const (
	functionTimeout = 5 * time.Minute // of the function that rolls back
	serviceLag      = 5 * time.Second
)

// failing lets an accepted update fail later, now and then.
func (b *stepped) failing() {
	if b.w.chance(10) {
		b.w.faults++
		b.w.log("the next update will fail")
		b.w.memory.FailUpdates(1)
	}
}

// retiring checks at the moment of the call: the champion that the alias names
// is never what goes.
func (w *world) retiring(keep string) {
	view, _ := w.memory.View(context.Background(), model)
	for _, slot := range view.Slots {
		if slot.Slot != keep && slot.Version == w.alias {
			w.wrong("version %d is the champion and is being retired", w.alias)
		}
	}
}

// The world keeps the states: reading and replacing are two steps.

func (w *world) Load(context.Context, string) (s rollout.State, err error) {
	err = w.outside("load", func() error {
		if w.state == nil {
			return fault.New(fault.NotFound, "load", "no state")
		}
		s = *w.state
		return nil
	})
	return s, err
}

func (w *world) Update(_ context.Context, _ string, change func(rollout.State, bool) (rollout.State, error)) (rollout.State, error) {
	for {
		var seen *rollout.State
		if err := w.outside("read to update", func() error { seen = w.state; return nil }); err != nil {
			return rollout.State{}, err
		}
		var old rollout.State
		if seen != nil {
			old = *seen
		}
		next, err := change(old, seen != nil)
		if errors.Is(err, rollout.ErrUnchanged) {
			return old, nil
		}
		if err != nil {
			return rollout.State{}, err
		}
		lost := false
		err = w.outside("swap", func() error {
			if lost = w.state != seen; !lost {
				w.moved(old, next)
				w.state = &next
			}
			return nil
		})
		if !lost {
			return next, err
		}
	}
}

// moved checks each change of the state as it is saved.
func (w *world) moved(old, next rollout.State) {
	if w.traced {
		w.log("state %s → %s: %s", old.Phase, next.Phase, next.Reason)
	}
	if w.baking != nil && w.baking != w.current && next.Phase != rollout.Baking && w.rng.IntN(4) > 0 {
		w.baking.wake = w.now.Add(time.Duration(w.rng.IntN(3)) * time.Second)
		w.outcomes = append(w.outcomes, "woken")
	}
	if old.Rollout != next.Rollout {
		if old.Rollout != "" && !old.Phase.Done() {
			w.wrong("rollout %s replaced %s, which was %s", next.Rollout, old.Rollout, old.Phase)
		}
		return
	}
	if next.Turn != old.Turn+1 {
		w.wrong("turn went from %d to %d", old.Turn, next.Turn)
	}
	if old.Phase != next.Phase {
		w.turned(old, next)
	}
	if next.Paused != "" && old.Paused == "" {
		w.outcomes = append(w.outcomes, "paused")
	}
	if last := next.History[len(next.History)-1]; last.Measurements != nil && (old.Phase == rollout.Baking || old.Phase == rollout.Mirroring) {
		w.judged(old, *last.Measurements)
	}
	if body := w.ambush[next.Phase]; body != nil {
		delete(w.ambush, next.Phase)
		w.spawn("ambush", body)
	}
}

// turned checks a change of phase, and counts those that are rare.
func (w *world) turned(old, next rollout.State) {
	from, to := old.Phase, next.Phase
	switch {
	case from == rollout.Promoting && to != rollout.Promoted && to != rollout.Observing,
		from == rollout.Observing && to != rollout.Confirming && to != rollout.Reverting,
		from == rollout.Confirming && to != rollout.Promoted,
		from == rollout.Reverting && to != rollout.RolledBack,
		from.Done():
		w.wrong("from %s to %s", from, to)
	case from == rollout.Waiting && to.Open() && next.Held == old.Held && next.Weight > 0 && next.Forced == "" && next.Failures == old.Failures:
		w.wrong("it went on from %s to %s without counting the time", from, to)
	}
	if to == rollout.Promoting {
		w.everyStepPassed(next)
	}
	w.shadowed(from, next)
	if w.invalid && to == rollout.RollingBack && strings.Contains(next.Reason, "the decision does not allow it any more") {
		w.outcomes = append(w.outcomes, "stopped from "+string(from))
	}
	if to == rollout.Verifying && next.Weight > old.Weight {
		w.mayRise(old, next)
	}
	counted := map[rollout.Phase]string{rollout.Waiting: "waited", rollout.Observing: "observed", rollout.Confirming: "confirmed", rollout.Reverting: "reverted"}
	if what, ok := counted[to]; ok {
		w.outcomes = append(w.outcomes, what)
	}
}

// wantsShadow says that the candidate must not join before its shadow passed.
func wantsShadow(s rollout.State) bool {
	return s.Policy.Shadow.Duration > 0 && !s.First() && s.Forced == "" && !s.Policy.DryRun
}

// shadowed checks the way into and out of a shadow, and counts it.
func (w *world) shadowed(from rollout.Phase, next rollout.State) {
	to := next.Phase
	view, _ := w.memory.View(context.Background(), model)
	switch {
	case to == rollout.Mirroring && (view.Shadow == nil || view.Shadow.Version != next.Candidate.Version):
		w.wrong("it watches a shadow that is not there: %+v", view)
	case to == rollout.Preparing && wantsShadow(next) && !next.Mirrored:
		w.wrong("it joined although its shadow did not pass")
	case to == rollout.Attaching && (next.First() || next.Policy.DryRun || from != rollout.Acquired),
		to == rollout.Mirroring && from != rollout.Attaching,
		to == rollout.Joining && from != rollout.Mirroring && next.Forced == "":
		w.wrong("from %s to %s", from, to)
	case next.Policy.ShadowOnly && (to == rollout.Preparing || to == rollout.Verifying || to == rollout.Promoting):
		w.wrong("a rollout that is a shadow only came to %s", to)
	case to == rollout.Joining && next.Forced == "":
		w.outcomes = append(w.outcomes, "mirrored")
	case from == rollout.Mirroring && to == rollout.RollingBack && !next.Mirrored:
		w.outcomes = append(w.outcomes, "shadow failed")
	}
}

// mayRise checks that no weight rises against the policy or a person's word.
func (w *world) mayRise(old, next rollout.State) {
	if next.Forced != "" {
		w.outcomes = append(w.outcomes, "forced")
		return
	}
	if next.Paused != "" {
		w.wrong("the weight rose from %v to %v while paused", old.Weight, next.Weight)
	}
	for _, at := range next.Policy.ApproveAt {
		if at == next.Weight && next.Approved < at {
			w.wrong("the weight rose to %v without approval", next.Weight)
		}
		if at == next.Weight {
			w.outcomes = append(w.outcomes, "approved")
		}
	}
	if until, frozen := trainconfig.Frozen(next.Policy.Freeze, w.now); frozen {
		w.wrong("the weight rose to %v while frozen until %v", next.Weight, until)
	}
	if next.Policy.DryRun {
		w.wrong("a dry run moved traffic")
	}
}

// judged checks that a bake was judged by its own measurements, and not early.
func (w *world) judged(bake rollout.State, m rollout.Measurements) {
	if bake.Policy.Analysis.Mode == "sequential" && !bake.First() && bake.Phase == rollout.Baking {
		w.outcomes = append(w.outcomes, "tried")
		from := bake.BakeFrom
		if bake.Trial != nil && !bake.Trial.Until.IsZero() {
			from = bake.Trial.Until
		}
		if m.From.After(m.To) || !m.From.Equal(from) && !(from.After(m.To) && m.From.Equal(m.To)) {
			w.wrong("the look from %v was judged by %v to %v", from, m.From, m.To)
		}
		return
	}
	if !m.From.Equal(bake.BakeFrom) || m.To.Before(bake.BakeUntil) {
		w.wrong("the bake from %v to %v was judged by %v to %v", bake.BakeFrom, bake.BakeUntil, m.From, m.To)
	}
}

// nobodyAsked says that a bake lacked nothing but traffic: a first release goes
// ahead then.
func nobodyAsked(r rollout.Record) bool {
	for _, f := range r.Findings {
		if f.Verdict != rollout.Pass && !f.Unknown {
			return false
		}
	}
	return r.Verdict == rollout.Insufficient && len(r.Findings) > 0
}

func (w *world) everyStepPassed(s rollout.State) {
	if s.Forced != "" {
		return
	}
	passed := map[int]bool{}
	for _, r := range s.History {
		if s.Policy.Proceed && strings.Contains(r.Reason, "deadline of") {
			passed[r.Step] = true
			w.outcomes = append(w.outcomes, "proceeded")
			if s.First() || strings.Contains(r.Reason, "the deadline of") {
				return // of the whole: straight to promotion
			}
		}
		if r.Verdict == rollout.Pass || s.First() && nobodyAsked(r) {
			passed[r.Step] = true
		}
	}
	for step := range s.Policy.Steps {
		if !passed[step] && !s.First() {
			w.wrong("promoted without a pass at step %d", step)
		}
	}
	if len(passed) == 0 {
		w.wrong("promoted without a pass")
	}
}

func (w *world) Archive(_ context.Context, s rollout.State) error {
	return w.outside("archive", func() error {
		if !s.Phase.Done() {
			w.wrong("archived while %s", s.Phase)
		}
		if s.Phase == rollout.RolledBack && !s.Serving.IsZero() && !s.Dry && !s.Blameless && !w.isolated[s.Artifact.Digest] {
			w.wrong("rollout %s was rolled back and its candidate is not in quarantine", s.Rollout)
		}
		w.archive[s.Rollout] = s
		return nil
	})
}

func (w *world) Archived(_ context.Context, _, id string) (s rollout.State, err error) {
	err = w.outside("archived", func() error {
		found, ok := w.archive[id]
		if s = found; !ok {
			return fault.New(fault.NotFound, "archived", "no record")
		}
		return nil
	})
	return s, err
}

type leases struct{ w *world }

func (l leases) Acquire(_ context.Context, _, holder string, ttl time.Duration) (token int64, err error) {
	err = l.w.outside("lease", func() error {
		own := &l.w.lease
		switch {
		case own.holder == holder && !own.released:
		case own.holder != "" && !own.released && l.w.now.Before(own.until):
			return fault.New(fault.Busy, "lease", "%s holds it", own.holder)
		default:
			*own = lease{holder: holder, token: own.token + 1}
		}
		own.until = l.w.now.Add(ttl)
		token = own.token
		return nil
	})
	return token, err
}

func (l leases) Release(_ context.Context, _, holder string, token int64) error {
	return l.w.outside("release lease", func() error {
		if l.w.lease.holder == holder && l.w.lease.token == token {
			l.w.lease.released = true
		}
		return nil
	})
}

type catalog struct{ w *world }

func (c catalog) Champion(context.Context, string) (version int, err error) {
	err = c.w.outside("champion", func() error { version = c.w.alias; return nil })
	return version, err
}

func (c catalog) Promote(_ context.Context, _ string, from, to int, fence int64) error {
	return c.move(from, to, fence, false)
}

func (c catalog) Revert(_ context.Context, _ string, from, to int, fence int64) error {
	return c.move(from, to, fence, true)
}

func (c catalog) move(from, to int, fence int64, back bool) error {
	return c.w.outside("alias", func() error {
		w := c.w
		if w.alias == to {
			return nil
		}
		if w.alias != from || back && w.aliasFence != fence || !back && w.aliasFence >= fence {
			return fault.New(fault.Conflict, "alias", "it names %d, moved with fence %d", w.alias, w.aliasFence)
		}
		switch phase := w.state.Phase; {
		case !back && phase != rollout.Promoting && phase != rollout.Promoted && phase != rollout.Observing && phase != rollout.Confirming,
			back && phase != rollout.Reverting && phase != rollout.RolledBack:
			w.wrong("the alias moved to %d while %s", to, phase)
		}
		w.alias, w.aliasFence, w.touched = to, fence, true
		return nil
	})
}

func (c catalog) Approved(_ context.Context, step contract.RolloutStep) (a rollout.Approved, err error) {
	err = c.w.outside("approved", func() error {
		if c.w.invalid && step.Version == 2 {
			c.w.outcomes = append(c.w.outcomes, "decision invalid")
			return fault.New(fault.Denied, "approved", "the artefact was replaced")
		}
		a = rollout.Approved{Artifact: rollout.Artifact{Version: step.Version, Digest: step.Rollout}, Policy: c.w.policy()}
		return nil
	})
	return a, err
}

// isolated is the quarantine. Every rollout has a digest of its own here, so that
// one which was rolled back does not keep the next from being looked at.
type isolated struct{ w *world }

func (i isolated) Isolate(_ context.Context, q rollout.Quarantined) error {
	return i.w.outside("isolate", func() error { i.w.isolated[q.Digest] = true; return nil })
}

func (i isolated) Isolated(context.Context, string, string) (q rollout.Quarantined, err error) {
	err = i.w.outside("isolated", func() error { return fault.New(fault.NotFound, "isolated", "no record") })
	return q, err
}

func (c catalog) Row(context.Context, string, int) (rollout.Row, error) {
	return rollout.Row{}, c.w.outside("row", func() error { return nil })
}

type gauge struct{ w *world }

func (g gauge) Measure(_ context.Context, q rollout.Question) (m rollout.Measurements, err error) {
	fast, slow := 10.0, int64(0)
	good, bad := rollout.Variant{Requests: 1000, Slow: &slow}, rollout.Variant{Requests: 1000, Errors: 500, Slow: &slow}
	good.P99MS, bad.P99MS = &fast, &fast
	m = rollout.Measurements{From: q.From, To: q.To}
	if q.Champion != "" {
		m.Champion = &good
	}
	quality := g.w.quality
	n := g.w.rng.IntN(quality.pass + quality.fail + quality.none + quality.shared)
	switch {
	case n < quality.pass:
		m.Candidate = good
	case n < quality.pass+quality.fail:
		m.Candidate = bad
	case n < quality.pass+quality.fail+quality.none:
	default:
		m.Candidate = bad
		if m.Champion != nil {
			m.Champion = &bad
		}
	}
	if q.Pairs {
		m.Pairs = &rollout.Pairs{Both: 1000, Disagreed: []int64{10, 10, 10, 500}[g.w.rng.IntN(4)]}
		if g.w.rng.IntN(6) == 0 {
			m.Pairs = nil
		}
	}
	return m, g.w.outside("measure", func() error { return nil })
}

// invariants hold after every step.
func (w *world) invariants() {
	view, _ := w.memory.View(context.Background(), model)
	if !view.Exists || len(view.Slots) == 0 {
		if view.Exists || w.alias == 0 {
			return
		}
		w.wrong("the endpoint of the champion, version %d, is gone", w.alias)
		return
	}
	weight, desired, champion := 0.0, 0.0, false
	if shadow := view.Shadow; shadow != nil {
		if _, serves := view.Slot(shadow.Slot); serves || shadow.Version == w.alias || len(view.Slots) != 1 {
			w.wrong("the shadow serves, or is the champion: %+v beside %+v", *shadow, view.Slots)
		}
	}
	for _, slot := range view.Slots {
		weight += slot.Weight
		desired += slot.Desired
		champion = champion || slot.Version == w.alias
		if slot.Version != w.alias && slot.Weight > 0 && (w.state == nil || w.state.Serving.IsZero()) && !w.first {
			w.wrong("version %d has traffic before any shift", slot.Version)
		}
	}
	switch {
	case !(weight > 0) || !(desired > 0):
		w.wrong("no slot has any weight: %+v", view)
	case w.alias != 0 && !champion:
		w.wrong("the champion, version %d, is not on the endpoint: %+v", w.alias, view)
	}
}

// ending holds when every actor is done: the rollout has its outcome and the
// endpoint is what the outcome says.
func (w *world) ending() {
	w.now = w.now.Add(time.Hour)
	view, _ := w.memory.View(context.Background(), model)
	switch {
	case w.state == nil:
		if w.state == nil && len(w.outcomes) == 0 {
			w.wrong("nothing happened")
		}
	case !w.state.Phase.Done():
		w.wrong("rollout %s never ended: %s", w.state.Rollout, w.state.Phase)
	case w.alias == 0:
		if view.Exists {
			w.wrong("a first version that was rolled back still serves: %+v", view)
		}
	default:
		w.served(view)
	}
}

func (w *world) served(view rollout.View) {
	if w.state.Outcome == "promoted" && w.alias != w.state.Candidate.Version {
		w.wrong("version %d was promoted, but the champion is %d", w.state.Candidate.Version, w.alias)
	}
	if view.Shadow != nil && !strings.Contains(strings.Join(w.state.Notices, " "), "still runs at weight 0") {
		w.wrong("after %s version %d is a shadow still", w.state.Outcome, view.Shadow.Version)
	}
	for _, slot := range view.Slots {
		if slot.Version != w.alias {
			continue
		}
		condition, detail := view.Compare("", alone(view, slot.Slot))
		if condition != rollout.Settled || slot.Instances == 0 {
			w.wrong("after %s the champion, version %d, is not alone at 100 %%: %s, %s", w.state.Outcome, w.alias, condition, detail)
		}
	}
}

func alone(view rollout.View, slot string) []rollout.Weight {
	weights := []rollout.Weight{{Slot: slot, Percent: 100}}
	for _, other := range view.Slots {
		if other.Slot != slot {
			weights = append(weights, rollout.Weight{Slot: other.Slot})
		}
	}
	return weights
}
