package asl

import (
	"context"
	"fmt"
	"math"
	"time"
)

// activation is one entry of a state, from its StateEntered event to its
// StateExited event, with all its attempts.
type activation struct {
	exec   *Execution
	branch *branchRun
	state  *State
	input  *payload
	key    string // names the activation within the execution

	trigger   int64 // what the StateEntered event follows
	enteredID int64
	enteredAt time.Time
	retries   int
	counts    []int64
	retryAt   *time.Time
	progress  *Progress // of the attempt
	submitted int       // TaskSubmitted events of the attempt's call
	failed    *Failure  // of the last attempt

	token    string             // of a .waitForTaskToken task
	cancel   context.CancelFunc // of a running task
	children []*branchRun       // of a running Parallel or Map state
	finished []*branchRun       // children that ended and were not looked at
	inner    bool               // a child failed, so the state itself ran
	reported bool               // a …StateFailed event was written
	leave    func(bool)         // of a running distributed Map: the state is left by force
	mapRun   bool               // the attempt's map run has started a child execution
}

// outcome is what an attempt gave: the state's output and its variables.
type outcome struct {
	next   string
	out    *payload
	assign []member
	values []any
	// follows overrides what the StateExited event follows.
	follows int64
}

// run runs states of a definition from one on, to the end of the branch.
func (b *branchRun) run(def *Branch, name string, in *payload) (*payload, *Failure) {
	for {
		next, out, f := b.step(def.States[name], in)
		if f != nil || next == "" {
			return out, f
		}
		name, in = next, out
	}
}

// step enters a state, runs it and exits it.
func (b *branchRun) step(s *State, in *payload) (string, *payload, *Failure) {
	a := &activation{exec: b.x, branch: b, state: s, input: in, trigger: b.prev, enteredAt: b.x.now(), counts: make([]int64, len(s.retry))}
	b.active = a
	b.steps++
	a.enter()
	o, f := a.attempts()
	if f != nil {
		return "", nil, f
	}
	a.exit(o)
	b.active = nil
	return o.next, o.out, nil
}

func (a *activation) enter() {
	b := a.branch
	c := b.resume
	b.resume = nil
	if c != nil {
		a.enteredAt, a.retries, a.retryAt, a.progress, a.submitted = c.EnteredAt, c.Retries, c.RetryAt, c.Progress, c.Submitted
		copy(a.counts, c.Counts)
	}
	if c != nil && c.EnteredID > 0 {
		a.enteredID = c.EnteredID
	} else {
		if a.unsettled() {
			b.saveNow()
		}
		if a.state.mapping != nil && a.state.mapping.distributed {
			a.input = newPayload(a.input.value) // as AWS: the text is normalised
		}
		text := a.input.json()
		b.prev = b.track.add(b.prev, a.state.Type+"StateEntered", a.enteredAt, &Details{Name: a.state.Name, Input: &text, InputDetails: notTruncated})
		a.enteredID = b.prev
		b.touch(changed)
	}
	a.key = a.keyIn(b.key)
}

// keyIn names the activation within a branch of that key.
func (a *activation) keyIn(branch string) string {
	if a.branch == a.branch.track.root {
		return fmt.Sprint(a.enteredID)
	}
	return fmt.Sprintf("%s.%d", branch, a.branch.steps)
}

func (a *activation) exit(o *outcome) {
	b := a.branch
	d := &Details{Name: a.state.Name, OutputDetails: notTruncated}
	text := o.out.json()
	d.Output = &text
	if len(o.assign) > 0 {
		b.vars.assign(o.assign, o.values)
		d.AssignedVariables = make(map[string]string, len(o.assign))
		for i, m := range o.assign {
			d.AssignedVariables[m.name] = encode(o.values[i])
		}
		d.AssignedVariablesDetails = notTruncated
	}
	if o.follows != 0 {
		b.prev = o.follows
	}
	if a.state.Type != typeFail {
		b.emit(a.state.Type+"StateExited", d)
	}
}

// attempts runs the state until it succeeds, no retrier wants another
// attempt, or a catcher takes over.
func (a *activation) attempts() (*outcome, *Failure) {
	if a.retryAt != nil {
		a.branch.sleep(*a.retryAt)
		a.retryAt = nil
	}
	for {
		o, f := a.attempt()
		if a.failed = f; f == nil {
			return o, nil
		}
		a.evaluationFailed(f)
		if a.retry(f) {
			continue
		}
		a.stateFailed(f)
		return a.caught(f)
	}
}

func (a *activation) attempt() (*outcome, *Failure) {
	a.inner, a.mapRun = false, false
	a.children, a.finished = nil, nil
	o, f := a.perform()
	if f == nil && o.out.tooLarge() {
		return nil, tooLarge(a.state.Name)
	}
	return o, f
}

func (a *activation) perform() (*outcome, *Failure) {
	switch a.state.Type {
	case typePass:
		return a.pass()
	case typeSucceed:
		return a.finish(nil, nil)
	case typeFail:
		return nil, a.fail()
	case typeChoice:
		return a.choose()
	case typeWait:
		return a.wait()
	case typeTask:
		return a.task()
	case typeParallel:
		return a.parallel()
	case typeMap:
		return a.mapState()
	}
	return nil, a.runtime("The local stack does not run states of type %s", a.state.Type)
}

// evaluationFailed writes the event of a failed expression, once. What was
// evaluated on entering follows what the entry followed; a Wait state's value
// is looked at a step later.
func (a *activation) evaluationFailed(f *Failure) {
	if !f.evaluated {
		return
	}
	f.evaluated = false
	b := a.branch
	if b.prev == a.enteredID && a.state.Type != typeWait {
		b.prev = a.trigger
	}
	b.emit("EvaluationFailed", &Details{Error: f.Name, Cause: f.Cause, Location: f.location, State: a.state.Name})
}

// retry waits for the next attempt if a retrier grants one. The first retrier
// that matches decides; each counts for itself.
func (a *activation) retry(f *Failure) bool {
	for i, r := range a.state.retry {
		if !f.matchesAny(r.errors) {
			continue
		}
		if a.counts[i] >= r.maxAttempts {
			return false
		}
		delay := r.interval * math.Pow(r.backoff, float64(a.counts[i]))
		if r.maxDelay > 0 {
			delay = math.Min(delay, r.maxDelay)
		}
		delay = math.Min(delay, maxRetryDelay)
		if r.jitter {
			delay *= a.exec.engine.random.float()
		}
		a.counts[i]++
		a.retries++
		at := a.exec.now().Add(time.Duration(delay * float64(time.Second)))
		a.retryAt, a.progress, a.submitted = &at, nil, 0
		if a.branch.touch(changed); a.unsettled() {
			a.branch.saveNow()
		}
		a.branch.sleep(at)
		a.retryAt = nil
		return true
	}
	return false
}

// stateFailed writes MapStateFailed and ParallelStateFailed. A state that
// could not even start for a runtime error has no such event.
func (a *activation) stateFailed(f *Failure) {
	if a.state.Type != typeMap && a.state.Type != typeParallel {
		return
	}
	if f.name() == ErrRuntime && !a.inner {
		return
	}
	a.reported = true
	a.branch.emit(a.state.Type+"StateFailed", nil)
}

// caught hands the failure to the first catcher that matches.
func (a *activation) caught(f *Failure) (*outcome, *Failure) {
	for _, c := range a.state.catch {
		if !f.matchesAny(c.errors) {
			continue
		}
		o, failed := a.handle(c, f)
		if failed != nil {
			a.evaluationFailed(failed)
		}
		return o, failed
	}
	return nil, f
}

func (a *activation) handle(c catcher, f *Failure) (*outcome, *Failure) {
	errorOutput := f.errorOutput()
	o := &outcome{next: c.next, assign: c.assign}
	s := a.newScope(errorOutput)
	if a.state.Language == JSONata {
		s = a.newScope(a.input.value)
		s.failed = errorOutput
	}
	values, failed := a.fillAssign(s, c.assign)
	if failed != nil {
		return nil, failed
	}
	o.values = values
	out := errorOutput
	if a.state.Language == JSONata {
		if c.output != nil {
			out, failed = c.output.fill(s)
		}
	} else {
		out, failed = a.combine(c.resultPath, errorOutput)
	}
	if failed != nil {
		return nil, failed
	}
	o.out = newPayload(out)
	if o.out.tooLarge() {
		return nil, tooLarge(a.state.Name)
	}
	return o, nil
}
