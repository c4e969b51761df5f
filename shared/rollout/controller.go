package rollout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// How long one call keeps looking before it answers "again, after a wait".
const (
	verifyFor  = 20 * time.Second
	restoreFor = 45 * time.Second
	againAfter = 10 * time.Second
	// tidyFor bounds how long an outcome waits for the loser to be retired.
	tidyFor = 30 * time.Minute
	// removeFor bounds a call that deletes an endpoint, and removeLag how long after
	// the caller gave up the service may still act on it; clocks differ by less.
	removeFor = 20 * time.Second
	removeLag = 10 * time.Second
	// leaseSlack outlives the longest function call, so nobody who lost the
	// lease can still be writing when it is taken over.
	leaseSlack = 30 * time.Minute
)

// States keeps one State per model and the last state of each finished rollout.
type States interface {
	// Load is NotFound when the model never had a rollout.
	Load(ctx context.Context, model string) (State, error)
	// Update moves the state by compare-and-swap, calling change again when
	// somebody else moved it first. ErrUnchanged from change leaves it alone
	// and gives the old state; any other error is returned as it is.
	Update(ctx context.Context, model string, change func(old State, found bool) (State, error)) (State, error)
	// Archive keeps a finished state; again is harmless.
	Archive(ctx context.Context, s State) error
	// Archived is NotFound when the rollout did not finish.
	Archived(ctx context.Context, model, rollout string) (State, error)
}

// ErrUnchanged is what a change returns to leave the state as it is.
var ErrUnchanged = errors.New("leave the rollout's state unchanged")

// Leases says who may start a rollout of a model.
type Leases interface {
	// Acquire takes or extends the holder's lease; Busy when another has it.
	// The token grows with every new holder.
	Acquire(ctx context.Context, model, holder string, ttl time.Duration) (token int64, err error)
	// Release gives it back; one that is lost or given back is not an error.
	Release(ctx context.Context, model, holder string, token int64) error
}

// Approved is a version that may ship, with how.
type Approved struct {
	Artifact Artifact
	Policy   Policy
}

// Catalog knows the versions of models.
type Catalog interface {
	// Champion is the version that the alias names; 0 is none.
	Champion(ctx context.Context, model string) (int, error)
	// Promote moves the alias from a version (0 is none) to another. One that
	// names it already is fine; Conflict when it names a third, and when a
	// rollout with this fence or a later one moved it before: a late call must
	// not undo a revert.
	Promote(ctx context.Context, model string, from, to int, fence int64) error
	// Revert undoes the promotion of the rollout with this fence; again is fine.
	// Conflict when the alias names a third or another rollout moved it.
	Revert(ctx context.Context, model string, from, to int, fence int64) error
	// Approved checks the signed decision and gives the version; Denied when
	// nothing allows it to ship.
	Approved(ctx context.Context, step contract.RolloutStep) (Approved, error)
	// Row is a real row, as a request that a version answers.
	Row(ctx context.Context, model string, version int) (Row, error)
}

// Question asks for the measurements of a bake.
type Question struct {
	Model     string
	Candidate string // slots
	Champion  string // "" when none serves
	From, To  time.Time
	Serving   time.Time // accuracy is asked from here

	Slow time.Duration // requests slower than this are counted; 0 counts none
	// Increment asks for whole periods only, because the next question begins
	// where this answer's To ends. A window without one gives no requests.
	Increment bool

	Pairs  bool                // asks how a champion's answers and its shadow's compare
	Slices []trainconfig.Slice // parts of the rows to ask the accuracy of, since Serving
}

// Gauge reads measurements. Its errors make a bake insufficient, whatever
// their kind.
type Gauge interface {
	Measure(ctx context.Context, q Question) (Measurements, error)
}

// Controller carries out rollouts. Each method is one function call of the
// rollout state machine: it may be called twice, late, after a crash of the
// last call or beside another one, and answers with what to do next.
type Controller struct {
	Backend Backend
	States  States
	Leases  Leases
	Catalog Catalog

	Quarantine Quarantine

	Gauge Gauge
	Tell  func(ctx context.Context, model, text string) error // people
	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error
	Log   *slog.Logger
}

// Do carries out one of shift's operations.
func (c *Controller) Do(ctx context.Context, step contract.RolloutStep) (contract.RolloutCommand, error) {
	switch step.Operation {
	case "acquire":
		return c.Acquire(ctx, step)
	case "prepare":
		return c.Prepare(ctx, step)
	case "shift":
		return c.Shift(ctx, step)
	case "verify":
		return c.Verify(ctx, step)
	case "release":
		return c.Release(ctx, step)
	}
	if o := spoken(step); o != nil {
		return c.hear(ctx, step, o)
	}
	return contract.RolloutCommand{}, fault.New(fault.Invalid, "carry out a rollout step",
		"operation is %q: want acquire, prepare, shift, verify, release, pause, resume, approve, force or revert", step.Operation)
}

// spoken is what a person says by an operation; nil when it is none of theirs.
func spoken(step contract.RolloutStep) Observation {
	by := step.Reason
	if by == "" {
		by = "an operator"
	}
	switch step.Operation {
	case "pause":
		return Pause{by}
	case "resume":
		return Resume{by}
	case "approve":
		return Approve{by}
	case "force":
		return Force{by}
	case "revert":
		return Revert{"asked for by " + by}
	}
	return nil
}

// hear lets the machine decide on what a person said. Invalid when it comes too
// late or for nothing. A pause takes hold at the next step; the others when the
// state machine looks again.
func (c *Controller) hear(ctx context.Context, step contract.RolloutStep, o Observation) (contract.RolloutCommand, error) {
	s, err := c.load(ctx, step)
	if err != nil {
		return c.closed(ctx, step, err)
	}
	turn := s.Turn
	s, tell, err := c.decide(ctx, s, o)
	if err != nil {
		return c.closed(ctx, step, err)
	}
	if s.Turn == turn {
		verb := step.Operation
		if verb == "force" {
			verb = "promote" // as the operator's command is called
		}
		return contract.RolloutCommand{}, fault.New(fault.Invalid, verb+" the rollout of "+step.Model, "%s", tell).
			WithHint("sluice rollout status %s shows where it stands", step.Model)
	}
	c.tell(ctx, s.Model, tell)
	if s.Phase == Reverting {
		return c.finish(ctx, step, s)
	}
	command := c.command(s)
	command.Reason = tell
	return command, nil
}

// command is what the state at rest asks for, in the contract's form.
func (c *Controller) command(s State) contract.RolloutCommand {
	next := Next(s, c.Now())
	return contract.RolloutCommand{
		Action: string(next.Action), WaitSeconds: seconds(next.Wait), Weight: s.Weight,
		Phase: string(s.Phase), Outcome: s.Outcome, Reason: next.Reason,
	}
}

func (c *Controller) again(s State) contract.RolloutCommand {
	command := c.command(s)
	command.WaitSeconds = seconds(againAfter)
	return command
}

func (c *Controller) done(s State) contract.RolloutCommand {
	command := c.command(s)
	command.Action, command.WaitSeconds = string(Finish), 0
	return command
}

func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// superseded says that another rollout took this one's place.
type superseded struct{ rollout, by string }

func (e superseded) Error() string {
	return fmt.Sprintf("rollout %s is not the model's current one, which is %s", e.rollout, e.by)
}

// load gives the step's rollout. An empty id means the current one.
func (c *Controller) load(ctx context.Context, step contract.RolloutStep) (State, error) {
	if err := contract.CheckModel(step.Model); err != nil {
		return State{}, fault.Wrap(fault.Invalid, "read a rollout step", err)
	}
	s, err := c.States.Load(ctx, step.Model)
	if err != nil {
		return State{}, err
	}
	if step.Rollout != "" && s.Rollout != step.Rollout {
		return s, superseded{step.Rollout, s.Rollout}
	}
	return s, nil
}

// closed answers for a rollout that is not the current one: with its outcome
// when it has one.
func (c *Controller) closed(ctx context.Context, step contract.RolloutStep, err error) (contract.RolloutCommand, error) {
	if !errors.As(err, new(superseded)) {
		return contract.RolloutCommand{}, err
	}
	s, found := c.States.Archived(ctx, step.Model, step.Rollout)
	if found == nil {
		return c.done(s), nil
	}
	if fault.Is(found, fault.NotFound) {
		return contract.RolloutCommand{}, fault.New(fault.NotFound, "continue a rollout", "%w", err).
			WithHint("start a new rollout; this one never began or its record was removed")
	}
	return contract.RolloutCommand{}, found
}

// advance lets the machine decide on an observation and saves what it decides.
// An observation that no longer fits leaves the state as it is.
func (c *Controller) advance(ctx context.Context, s State, o Observation) (State, error) {
	next, tell, err := c.decide(ctx, s, o)
	if err == nil && tell != "" {
		c.tell(ctx, s.Model, tell)
	}
	return next, err
}

func (c *Controller) decide(ctx context.Context, s State, o Observation) (next State, tell string, err error) {
	next, err = c.States.Update(ctx, s.Model, func(old State, found bool) (State, error) {
		tell = ""
		if !found || old.Rollout != s.Rollout {
			return old, superseded{s.Rollout, old.Rollout}
		}
		d := Decide(old, o, c.Now())
		if d.State.Phase == Promoting && old.Phase != Promoting {
			refusal, err := c.refusal(ctx, old)
			if err != nil {
				return old, err
			}
			if refusal != "" {
				d = Decide(old, Abort{refusal}, c.Now())
			}
		}
		tell = d.Tell
		if !d.Changed {
			return old, ErrUnchanged
		}
		return d.State, nil
	})
	return next, tell, err
}

// refusal says why the candidate may not ship any more; "" when it still may. The
// decision is checked again before the candidate is deployed and before its
// promotion is decided, because since the rollout began the artefact or the
// decision may have been replaced. The error is one that a retry may cure.
func (c *Controller) refusal(ctx context.Context, s State) (string, error) {
	_, err := c.Catalog.Approved(ctx, contract.RolloutStep{Model: s.Model, Run: s.Run, Version: s.Candidate.Version, Decision: s.Decision, Rollout: s.Rollout})
	switch {
	case err == nil:
		return "", nil
	case fault.Is(err, fault.Denied), fault.Is(err, fault.Invalid), fault.Is(err, fault.NotFound):
		return "the decision does not allow it any more: " + err.Error(), nil
	}
	return "", err
}

// tell is best effort: the text is in the state's notices too, and nothing that
// makes traffic safe may wait for it.
func (c *Controller) tell(ctx context.Context, model, text string) {
	if err := c.Tell(ctx, model, text); err != nil {
		c.Log.Error("people could not be told", "model", model, "text", text, "error", err)
	}
}

// poll calls check with growing pauses until it says done, fails for good, or
// patience runs out; then it gives the last error that a retry may cure.
func (c *Controller) poll(ctx context.Context, patience time.Duration, check func() (bool, error)) (bool, error) {
	until := c.Now().Add(patience)
	if deadline, ok := ctx.Deadline(); ok && deadline.Add(-3*time.Second).Before(until) {
		until = deadline.Add(-3 * time.Second)
	}
	for pause := 200 * time.Millisecond; ; pause = min(pause*3/2, 2*time.Second) {
		done, err := check()
		if done || (err != nil && !fault.KindOf(err).Retryable()) {
			return done, err
		}
		if !c.Now().Add(pause).Before(until) {
			return false, err
		}
		if err := c.Sleep(ctx, pause); err != nil {
			return false, fault.Wrap(fault.Unavailable, "wait for the endpoint", err)
		}
	}
}

// renew keeps the lease while the rollout is open.
func (c *Controller) renew(ctx context.Context, s State) error {
	_, err := c.Leases.Acquire(ctx, s.Model, s.Rollout, time.Duration(s.Policy.Bake)+leaseSlack)
	return err
}
