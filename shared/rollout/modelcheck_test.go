package rollout_test

import (
	"context"
	"flag"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/rollout/rollouttest"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

var (
	schedules  = flag.Int("rollout.schedules", 0, "how many schedules to check; 0 is 1,000,000, or 100,000 with -short")
	replaySeed = flag.Int64("rollout.seed", -1, "replay one schedule and print its trace")
)

// TestModelCheck runs seeded interleavings of the state machine, alarms,
// operators and a rival rollout, with crashes, lost responses and failed
// updates at every call to the outside, and checks what must hold.
func TestModelCheck(t *testing.T) {
	if *replaySeed >= 0 {
		w := newWorld(uint64(*replaySeed), true, &crew{})
		problem := w.run()
		t.Logf("seed %d\n%s", *replaySeed, w.trace.String())
		if problem != "" {
			t.Fatal(problem)
		}
		return
	}
	count := *schedules
	switch {
	case count == 0 && testing.Short():
		count = 100_000
	case count == 0:
		count = 1_000_000
	}
	var next atomic.Int64
	var mu sync.Mutex
	defer debug.SetGCPercent(debug.SetGCPercent(800))
	total := tally{}
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			mine, crew := tally{}, &crew{}
			defer crew.dismiss()
			for seed := next.Add(1); seed <= int64(count) && !t.Failed(); seed = next.Add(1) {
				w := newWorld(uint64(seed), false, crew)
				if problem := w.run(); problem != "" {
					t.Errorf("seed %d: %s\nreplay it with -rollout.seed=%[1]d", seed, problem)
					return
				}
				mine.add(w)
			}
			mu.Lock()
			total.merge(mine)
			mu.Unlock()
		})
	}
	workers.Wait()
	t.Logf("%v", total)
	if !t.Failed() && count >= 10_000 {
		total.check(t)
	}
}

// tally counts what the schedules met, so that a check that meets nothing is
// seen.
type tally map[string]int

func (c tally) add(w *world) {
	c["calls"] += w.calls
	c["crashes"] += w.crashes
	c["lost responses"] += w.lost
	c["faults"] += w.faults
	for _, outcome := range w.outcomes {
		c[outcome]++
	}
}

func (c tally) merge(other tally) {
	for k, n := range other {
		c[k] += n
	}
}

func (c tally) check(t *testing.T) {
	for _, what := range []string{"tried", "waited", "paused", "approved", "forced", "observed", "confirmed", "reverted", "dry_run", "proceeded", "crashes", "lost responses", "faults", "promoted", "rolled_back", "refused", "taken over", "first rolled_back", "first promoted", "raced", "mirrored", "shadowed", "shadow failed", "woken", "late delete",
		"decision invalid", "stopped from acquired", "stopped from baking"} {
		if c[what] == 0 {
			t.Errorf("no schedule met %q", what)
		}
	}
}

const model = "m"

// world is one schedule: every outside thing the controller has, and the actors
// that call it, one step at a time.
type world struct {
	rng    *rand.Rand
	now    time.Time
	trace  strings.Builder
	traced bool

	memory     *rollouttest.Memory
	state      *rollout.State
	archive    map[string]rollout.State
	isolated   map[string]bool // digests
	lease      lease
	alias      int
	aliasFence int64 // of who moved it
	invalid    bool  // the decision on version 2 does not hold any more
	first      bool
	quality    quality
	plain      bool // a policy of steps, bakes and limits only

	crew    *crew
	actors  []*actor
	current *actor
	baking  *actor // the execution, while it waits for the end of a bake
	hands   *rollout.Controller
	budget  int                      // of faults and crashes
	ambush  map[rollout.Phase]func() // spawned when the first rollout enters the phase

	over                         bool // the actors are being stopped
	touched                      bool // the endpoint was called
	problem                      string
	calls, crashes, lost, faults int
	outcomes                     []string
	abandoned                    bool
}

type lease struct {
	holder   string
	token    int64
	until    time.Time
	released bool
}

// quality is what the gauge will say of the candidate.
type quality struct{ pass, fail, none, shared int } // weights

// actor is a coroutine that acts in one schedule after the other: making one, with
// a stack that has grown, costs more than many steps.
type actor struct {
	name string
	wake time.Time
	body func()              // of this schedule
	next func() (bool, bool) // says first whether the body rests; false: it is done
	stop func()
	rest func(bool) bool
}

// crew keeps the actors that have nothing to do.
type crew struct{ idle []*actor }

func (c *crew) hire() *actor {
	if n := len(c.idle); n > 0 {
		a := c.idle[n-1]
		c.idle = c.idle[:n-1]
		return a
	}
	a := &actor{}
	a.next, a.stop = iter.Pull(func(yield func(bool) bool) {
		a.rest = yield
		for more := true; more; {
			a.act()
			more = yield(false)
		}
	})
	return a
}

// act ends when the body does, or when its schedule is stopped.
func (a *actor) act() {
	defer func() {
		if r := recover(); r != nil && r != (stopped{}) {
			panic(r)
		}
	}()
	a.body()
}

func (c *crew) dismiss() {
	for _, a := range c.idle {
		a.stop()
	}
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newWorld(seed uint64, traced bool, crew *crew) *world {
	w := &world{crew: crew, rng: rand.New(rand.NewPCG(seed, 0x5c1ce)), now: epoch, archive: map[string]rollout.State{}, isolated: map[string]bool{}, traced: traced}
	w.budget = w.rng.IntN(8)
	w.memory = rollouttest.NewMemory(func() time.Time { return w.now })
	w.first = w.rng.IntN(5) == 0
	if !w.first {
		w.alias = 1
		_, _ = w.memory.Prepare(context.Background(), rollout.Placement{Model: model, Rollout: "r0", Artifact: rollout.Artifact{Version: 1}, Slot: "green"})
	}
	w.memory.Delay = func() time.Duration { return time.Duration(w.rng.IntN(60)) * time.Second }
	w.quality = []quality{{pass: 1}, {fail: 1}, {pass: 8, fail: 2, none: 2, shared: 1}, {none: 1}, {shared: 3, pass: 1}}[w.rng.IntN(5)]
	w.spawn("execution", func() { w.execute(2, "r2") })
	for i := range w.rng.IntN(3) {
		w.spawn(fmt.Sprint("alarm ", i), w.alarm)
	}
	if w.plain = w.rng.IntN(3) == 0; !w.plain {
		for i := range w.rng.IntN(3) {
			w.spawn(fmt.Sprint("person ", i), w.speak)
		}
	}
	w.spawn("monitor", w.monitor)
	if w.rng.IntN(4) == 0 {
		w.spawn("operator", w.operate)
	}
	if w.rng.IntN(4) == 0 {
		w.abandoned = w.rng.IntN(2) == 0
		w.spawn("rival", w.rival)
	}
	if w.rng.IntN(6) == 0 {
		w.spawn("failure", w.loseCapacity)
	}
	if w.rng.IntN(8) == 0 {
		w.spawn("tampering", func() {
			w.sleep(time.Duration(w.rng.IntN(900)) * time.Second)
			w.invalid = true
		})
	}
	w.ambush = map[rollout.Phase]func(){}
	if w.rng.IntN(2) == 0 {
		w.ambush[w.anyPhase()] = func() { w.sound("green"); w.sound("blue") }
	}
	if w.rng.IntN(2) == 0 {
		w.ambush[w.anyPhase()] = w.duplicate
	}
	return w
}

func (w *world) anyPhase() rollout.Phase {
	phases := []rollout.Phase{rollout.Acquired, rollout.Attaching, rollout.Mirroring, rollout.Joining, rollout.Preparing, rollout.Shifting, rollout.Verifying, rollout.Verifying, rollout.Baking,
		rollout.Promoting, rollout.RollingBack, rollout.Waiting, rollout.Observing, rollout.Confirming, rollout.Reverting}
	return phases[w.rng.IntN(len(phases))]
}

func (w *world) controller() *rollout.Controller {
	if w.hands == nil {
		w.hands = w.newController()
	}
	return w.hands
}

func (w *world) newController() *rollout.Controller {
	return &rollout.Controller{
		Backend: &stepped{w}, States: w, Leases: leases{w}, Quarantine: isolated{w}, Catalog: catalog{w}, Gauge: gauge{w},
		Tell: func(_ context.Context, _, text string) error { w.log("told: %s", text); return nil },
		Now:  func() time.Time { return w.now },
		Sleep: func(_ context.Context, d time.Duration) error {
			w.sleep(d)
			return nil
		},
		Log: slog.New(slog.DiscardHandler),
	}
}

// spawn adds an actor: a coroutine that rests at every call to the outside.
func (w *world) spawn(name string, body func()) {
	a := w.crew.hire()
	a.name, a.wake, a.body = name, w.now, body
	w.actors = append(w.actors, a)
}

// run lets a random actor that is awake take a step until all are done, and
// gives the first thing that did not hold.
func (w *world) run() string {
	defer func() {
		w.over = true
		for _, a := range w.actors {
			w.current = a
			a.next() // it ends at once
			w.crew.idle = append(w.crew.idle, a)
		}
	}()
	for steps := 0; len(w.actors) > 0 && w.problem == ""; steps++ {
		if steps > 200_000 {
			return "it does not end: 200,000 steps were taken"
		}
		if w.step() {
			w.invariants()
		}
	}
	if w.problem == "" {
		w.ending()
	}
	return w.problem
}

// step says whether the endpoint may have changed.
func (w *world) step() bool {
	awake := 0
	soonest := w.actors[0].wake
	for _, a := range w.actors {
		if !a.wake.After(w.now) {
			awake++
		}
		if a.wake.Before(soonest) {
			soonest = a.wake
		}
	}
	if awake == 0 {
		w.now = soonest
		return true
	}
	w.touched = false
	pick := w.rng.IntN(awake)
	for i, a := range w.actors {
		if a.wake.After(w.now) {
			continue
		}
		if pick == 0 {
			w.current = a
			if rests, _ := a.next(); !rests {
				w.actors = append(w.actors[:i], w.actors[i+1:]...)
				w.crew.idle = append(w.crew.idle, a)
			}
			break
		}
		pick--
	}
	return w.touched
}

// crash ends one function call, stopped the whole schedule.
type (
	crash   struct{}
	stopped struct{}
)

// rest gives the others a turn; the caller may not come back from it.
func (w *world) rest() {
	w.yield()
	w.calls++
	if w.rng.IntN(40) == 0 {
		w.sleep(time.Duration(w.rng.IntN(90)) * time.Second) // a slow call
	}
	if w.chance(60) {
		w.crashes++
		w.log("crash")
		panic(crash{})
	}
}

func (w *world) sleep(d time.Duration) {
	w.current.wake = w.now.Add(d)
	w.yield()
}

func (w *world) yield() {
	if w.over || !w.current.rest(true) || w.over {
		w.over = true
		panic(stopped{})
	}
}

// chance spends one of the schedule's mishaps, one time in n.
func (w *world) chance(n int) bool {
	if w.budget > 0 && w.rng.IntN(n) == 0 {
		w.budget--
		return true
	}
	return false
}

// outside is one call: it may fail before it is done, or after.
func (w *world) outside(what string, do func() error) error {
	w.rest()
	if w.chance(60) {
		w.faults++
		w.log("%s fails", what)
		return fault.New(fault.Unavailable, what, "the network failed")
	}
	err := do()
	if w.traced {
		w.log("%s → %v", what, err)
	}
	if w.chance(60) {
		w.lost++
		w.log("%s's response is lost", what)
		return fault.New(fault.Unavailable, what, "the response was lost")
	}
	return err
}

func (w *world) log(format string, args ...any) {
	if w.traced {
		fmt.Fprintf(&w.trace, "%6.1fs %-10s %s\n", w.now.Sub(epoch).Seconds(), w.current.name, fmt.Sprintf(format, args...))
	}
}

func (w *world) wrong(format string, args ...any) {
	if w.problem == "" {
		w.problem = fmt.Sprintf(format, args...)
		w.log("WRONG: %s", w.problem)
	}
}

// policy differs by schedule.
func (w *world) policy() rollout.Policy {
	steps := [][]float64{{10, 50, 100}, {100}, {5, 100}}[w.rng.IntN(3)]
	p := rollout.Policy{Steps: steps, Bake: minutes(1), Deadline: minutes(20), LatencyP99: minutes(1), ErrorRate: 0.01,
		MinRequests: 50, MaxFailures: 1 + w.rng.IntN(3), Hold: w.rng.IntN(10) == 0}
	if w.plain {
		if w.first {
			p.Bake = trainconfig.Duration(5 * time.Second) // soon promoted, so that a late call meets it
		}
		return p
	}
	sometimes := func(n int) bool { return w.rng.IntN(n) == 0 }
	if sometimes(3) {
		p.ApproveAt = []float64{steps[w.rng.IntN(len(steps))]}
		p.HoldDeadline = minutes(10 + w.rng.IntN(30))
	}
	if sometimes(4) { // the first minutes of the schedule
		p.Freeze = []trainconfig.Freeze{{From: "2026-01-01 00:00", To: fmt.Sprintf("2026-01-01 00:%02d", 1+w.rng.IntN(30))}}
	}
	if sometimes(4) {
		p.StepDeadline = minutes(2 + w.rng.IntN(5))
	}
	if sometimes(3) {
		p.Shadow = trainconfig.Shadow{Duration: minutes(2), Sample: []float64{100, 25}[w.rng.IntN(2)], MaxDisagreement: 0.1}
		if sometimes(3) {
			return shadowOnly(p)
		}
	}
	p.Proceed = sometimes(3)
	p.DryRun = sometimes(12)
	if sometimes(3) {
		p.WarmUp = minutes(1)
	}
	if sometimes(3) {
		p.Analysis = trainconfig.Analysis{Mode: "sequential", Alpha: 0.01, Power: 0.8, Effect: trainconfig.Rates{ErrorRate: 0.05, SlowRate: 0.05, Accuracy: 0.05}}
	}
	if sometimes(3) {
		p.Observe = minutes(1 + w.rng.IntN(60))
	}
	return p
}

// shadowOnly has no steps, and nothing that is about them.
func shadowOnly(p rollout.Policy) rollout.Policy {
	p.Steps, p.ApproveAt, p.ShadowOnly = nil, nil, true
	return p
}

func minutes(n int) trainconfig.Duration { return trainconfig.Duration(time.Duration(n) * time.Minute) }

// call is one function invocation; a crash is an error that is retried, as the
// state machine retries Lambda's own.
func (w *world) call(f func(*rollout.Controller) (contract.RolloutCommand, error)) (command contract.RolloutCommand, err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(crash); !ok {
				panic(r)
			}
			err = fault.New(fault.Unavailable, "invoke", "the function crashed")
		}
	}()
	return f(w.controller())
}

// task retries as the state machine does.
func (w *world) task(attempts int, f func(*rollout.Controller) (contract.RolloutCommand, error)) (command contract.RolloutCommand, err error) {
	for attempt := range attempts {
		command, err = w.call(f)
		if err == nil || !fault.KindOf(err).Retryable() {
			break
		}
		w.log("retry after %v", err)
		w.sleep(time.Duration(min(1<<attempt, 30)) * time.Second)
	}
	if err == nil && w.traced {
		w.log("= %+v", command)
	}
	return command, err
}

// execute is rollout.asl.json.
func (w *world) execute(version int, id string) {
	step := contract.RolloutStep{Model: model, Run: "run-" + id, Version: version, Decision: "s3://store/decision", Rollout: id}
	command, err := w.task(10, func(c *rollout.Controller) (contract.RolloutCommand, error) {
		return c.Acquire(context.Background(), step)
	})
	if err != nil {
		if command, err = w.fall(step, err); err != nil {
			w.log("refused: %v", err)
			w.outcomes = append(w.outcomes, "refused")
			return
		}
	}
	for command.Action != "done" {
		if w.abandoned && id == "r2" && w.rng.IntN(8) == 0 {
			w.outcomes = append(w.outcomes, "abandoned")
			w.log("the execution is stopped")
			return
		}
		w.wait(command)
		next, err := w.task(10, func(c *rollout.Controller) (contract.RolloutCommand, error) { return perform(c, command, step) })
		if err != nil {
			if next, err = w.fall(step, err); err != nil {
				w.wrong("the rollback itself failed: %v", err)
				return
			}
		}
		command = next
	}
	w.finished(id, command)
}

// wait is until the command's time. Whoever ends a bake wakes the execution that
// waits for its end, unless that gets lost (moved).
func (w *world) wait(command contract.RolloutCommand) {
	if command.Action == "bake" {
		w.baking = w.current
	}
	w.sleep(time.Duration(command.WaitSeconds) * time.Second)
	if w.baking == w.current {
		w.baking = nil
	}
}

func perform(c *rollout.Controller, command contract.RolloutCommand, step contract.RolloutStep) (contract.RolloutCommand, error) {
	ctx := context.Background()
	switch command.Action {
	case "bake", "analyze":
		return c.Analyze(ctx, step)
	case "promote":
		return c.Promote(ctx, step)
	case "rollback":
		step.Reason = command.Reason
		return c.Rollback(ctx, step)
	}
	step.Operation = command.Action
	return c.Do(ctx, step)
}

// fall is the Catch path: Rollback, then whatever it asks for. After a failed
// acquire there may be nothing to put back, which is NotFound.
func (w *world) fall(step contract.RolloutStep, cause error) (contract.RolloutCommand, error) {
	w.log("caught %v", cause)
	step.Reason = cause.Error()
	return w.task(60, func(c *rollout.Controller) (contract.RolloutCommand, error) {
		return c.Rollback(context.Background(), step)
	})
}

func (w *world) finished(id string, command contract.RolloutCommand) {
	if _, kept := w.archive[id]; !kept && command.Outcome != "promoted" {
		w.wrong("rollout %s ended as %+v without a record", id, command)
	}
	name := command.Outcome
	if w.first && id == "r2" {
		w.outcomes = append(w.outcomes, "first "+name)
	}
	w.outcomes = append(w.outcomes, name)
}

// sound is an alarm that goes off just as the state changes.
func (w *world) sound(slot string) {
	a := rollout.Alarm{Name: "errors", Slot: slot, Since: w.now}
	_, err := w.task(5, func(c *rollout.Controller) (contract.RolloutCommand, error) {
		return c.Alarm(context.Background(), model, a)
	})
	w.log("ambush %+v → %v", a, err)
}

// duplicate is the same function called twice, or late: Lambda's retry of a
// call that had not failed.
func (w *world) duplicate() {
	step := contract.RolloutStep{Model: model, Run: "run-r2", Version: 2, Decision: "s3://store/decision", Rollout: "r2"}
	for range 1 + w.rng.IntN(3) {
		action := []string{"prepare", "shift", "shift", "verify", "analyze", "promote", "release"}[w.rng.IntN(7)]
		_, err := w.call(func(c *rollout.Controller) (contract.RolloutCommand, error) {
			return perform(c, contract.RolloutCommand{Action: action}, step)
		})
		w.log("duplicate %s → %v", action, err)
		w.sleep(time.Duration(w.rng.IntN(90)) * time.Second)
	}
}

// alarm goes off at any time, on any slot, early, late and twice.
func (w *world) alarm() {
	w.sleep(time.Duration(w.rng.IntN(600)) * time.Second)
	a := rollout.Alarm{Name: "errors", Slot: []string{"blue", "green"}[w.rng.IntN(2)],
		Since: w.now.Add(time.Duration(w.rng.IntN(60)-40) * time.Second)}
	for range 1 + w.rng.IntN(2) {
		before := w.state
		_, err := w.task(3, func(c *rollout.Controller) (contract.RolloutCommand, error) {
			return c.Alarm(context.Background(), model, a)
		})
		w.log("alarm %+v → %v", a, err)
		if before != nil && before.Phase.Open() && w.state.Phase == rollout.RolledBack {
			w.outcomes = append(w.outcomes, "raced")
		}
	}
}

func (w *world) operate() {
	w.sleep(time.Duration(w.rng.IntN(900)) * time.Second)
	_, err := w.task(5, func(c *rollout.Controller) (contract.RolloutCommand, error) {
		return c.Rollback(context.Background(), contract.RolloutStep{Model: model, Reason: "the operator asked"})
	})
	w.log("operator → %v", err)
}

// speak is a person who does not look at what goes on.
func (w *world) speak() {
	for range 1 + w.rng.IntN(4) {
		w.sleep(time.Duration(w.rng.IntN(600)) * time.Second)
		operation := []string{"pause", "resume", "resume", "approve", "approve", "approve", "force", "revert"}[w.rng.IntN(8)]
		_, err := w.task(3, func(c *rollout.Controller) (contract.RolloutCommand, error) {
			return c.Do(context.Background(), contract.RolloutStep{Operation: operation, Model: model, Reason: "somebody"})
		})
		w.log("%s → %v", operation, err)
	}
}

// monitor looks after what was promoted provisionally, every ten minutes, until
// nothing is under way and nobody else acts any more.
func (w *world) monitor() {
	for {
		w.sleep(10 * time.Minute)
		_, err := w.task(3, func(c *rollout.Controller) (contract.RolloutCommand, error) {
			return c.Observe(context.Background(), contract.RolloutStep{Model: model})
		})
		w.log("monitor → %v", err)
		if w.settled() {
			return
		}
	}
}

// settled says that nothing is left for the monitor to do.
func (w *world) settled() bool {
	if len(w.actors) > 1 {
		return false
	}
	if w.state == nil || w.state.Observed.IsZero() {
		return true
	}
	_, kept := w.archive[w.state.Rollout]
	return kept
}

// rival is a second rollout: beside the first it is refused; after the first
// was abandoned and its lease ran out, it takes over.
func (w *world) rival() {
	if !w.abandoned {
		w.sleep(time.Duration(w.rng.IntN(900)) * time.Second)
		w.execute(3, "r3")
		return
	}
	w.sleep(3 * time.Hour)
	w.outcomes = append(w.outcomes, "taken over")
	w.execute(3, "r3")
}

func (w *world) loseCapacity() {
	w.sleep(time.Duration(w.rng.IntN(600)) * time.Second)
	if w.state != nil && w.state.Phase.Open() && w.state.Champion.Slot == "green" {
		w.memory.SetInstances(model, "green", 0)
		w.touched = true
		w.log("green loses its instances")
	}
}
