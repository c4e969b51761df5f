package asl

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/sluice-ml/sluice/infra/local/asl/dataset"
)

// distributedConcurrency bounds the children of a distributed Map that run at
// once here; AWS runs up to 10,000.
const distributedConcurrency = 1000

// stateData is the source of items that come from the state's input.
const stateData = "STATE_DATA"

// distributed is a distributed Map state at work: a map run. Every item, or
// batch of items, is a child execution with a history of its own.
type distributed struct {
	a         *activation
	effective any
	run       MapRun
	arn       string
	label     string
	limits    MapLimits

	items    []dataset.Item
	values   []any // of items that come from the state's input
	maxItems int64 // 0 is no limit
	batch    batching

	next     int // the next item to start
	ready    *selected
	children []MapChild // all that were started, with their inputs
	running  int
	failures int64 // items whose child failed
	objects  bool  // every child's input is an object
	over     bool  // the run is finished
}

func (a *activation) distributedMap(j *mapJob, count *int64, percent *float64) (*outcome, *Failure) {
	d := &distributed{a: a, effective: j.effective, values: j.items, objects: true,
		limits: MapLimits{MaxConcurrency: int64(j.limit), ToleratedFailures: count, ToleratedPercent: percent}}
	if f := d.numbers(); f != nil {
		return nil, f
	}
	if f := d.open(); f != nil {
		return nil, f
	}
	if a.progress == nil {
		a.begin(Progress{Started: a.branch.emit("MapRunStarted", &Details{MapRunARN: d.arn})})
	}
	started := a.progress.Started
	output, f := d.work()
	d.close()
	if f != nil {
		d.finish(Failed)
		if a.inner {
			a.branch.emit("MapRunFailed", &Details{Error: f.Name, Cause: f.Cause})
		}
		return nil, f
	}
	d.finish(Succeeded)
	succeeded := a.branch.emit("MapRunSucceeded", nil)
	a.branch.side("MapStateSucceeded", nil, succeeded)
	o, f := a.finish(output, nil)
	if f == nil && d.objects && len(d.children) > 0 && a.state.mapping.reader == nil {
		// The recorded executions have it both ways. In all of them the exit
		// follows MapRunStarted where the items come from the state's input and
		// are objects, and MapRunSucceeded otherwise.
		o.follows = started
	}
	return o, f
}

// numbers evaluates the fields that are looked at before the run begins.
func (d *distributed) numbers() *Failure {
	m := d.a.state.mapping
	s := d.a.newScope(d.effective)
	if m.reader != nil && m.reader.maxItems != nil {
		v, f := s.quantity(m.reader.maxItems)
		if f != nil {
			return f
		}
		n, ok := integer(v)
		if !ok {
			return s.mistyped(m.reader.maxItems, v, "integer")
		}
		d.maxItems = n
	}
	if m.batcher == nil {
		return nil
	}
	return d.batch.evaluate(s, m.batcher)
}

// open begins the map run, or takes it up again after a restart.
func (d *distributed) open() *Failure {
	a, t := d.a, d.a.branch.track
	e := a.exec.engine
	d.label = a.state.mapping.label
	if d.label == "" {
		d.label = generatedLabel(t.machineARN, a.state.Name)
	}
	d.arn = fmt.Sprintf("arn:%s:states:%s:%s:mapRun:%s/%s:%s", e.Partition, e.Region, e.Account, t.machineName, d.label, e.random.uuid())
	run, err := e.MapRuns.Open(MapRunStart{
		ARN: d.arn, MachineARN: t.machineARN + "/" + d.label, Root: a.exec.track.arn, Execution: t.arn, Attempt: a.attemptName(),
		RoleARN: t.role, Express: a.state.mapping.express, Batched: a.state.mapping.batcher != nil, Limits: d.limits, Start: a.exec.now(),
	})
	if err != nil {
		return a.runtime("the local stack cannot keep the map run: %s", err)
	}
	d.run = run
	if r := run.Resume(); r.ARN != "" {
		d.arn, d.limits = r.ARN, r.Limits
	}
	a.exec.mapRuns[d.arn] = d
	a.leave = d.left
	return nil
}

// generatedLabel names a map run without a label; it is always the same for a
// state of a machine.
func generatedLabel(machineARN, state string) string {
	h := sha256.Sum256([]byte(machineARN + "\n" + state))
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// work reads the dataset, runs the children and writes their results. It
// gives the state's result.
func (d *distributed) work() (any, *Failure) {
	resume := d.run.Resume()
	if f := d.dataset(resume); f != nil {
		return nil, f
	}
	f := d.resume(resume.Children)
	if f == nil {
		f = d.runChildren()
	}
	if f != nil {
		d.stop()
	}
	output, failed := d.results(f != nil)
	if f == nil {
		f = failed
	}
	return output, f
}

// dataset gets the items: those that an interrupted run had, or the state's,
// or the reader's.
func (d *distributed) dataset(resume MapResume) *Failure {
	if resume.Kept {
		d.items, d.values = resume.Items, nil
		return nil
	}
	if d.a.state.mapping.reader == nil {
		d.items = make([]dataset.Item, len(d.values))
		for i, v := range d.values {
			d.items[i] = dataset.Item{Value: []byte(encode(v)), Source: stateData}
		}
	} else if f := d.read(); f != nil {
		return f
	}
	d.run.Keep(d.items)
	return nil
}

// runChildren keeps as many children running as the limit allows, until no
// item is left or more have failed than the state tolerates.
func (d *distributed) runChildren() *Failure {
	for d.more() || d.running > 0 {
		if d.exceeded() {
			d.a.inner = true
			return failure(ErrExceedTolerated, "The specified tolerated failure threshold was exceeded")
		}
		for d.more() && d.running < d.concurrency() {
			if f := d.start(); f != nil {
				return f
			}
		}
		if len(d.a.finished) == 0 {
			d.a.branch.park() // a child's end or UpdateMapRun wakes it
			continue
		}
		child := d.a.finished[0]
		d.a.finished = d.a.finished[1:]
		d.ended(child)
	}
	if d.exceeded() {
		d.a.inner = true
		return failure(ErrExceedTolerated, "The specified tolerated failure threshold was exceeded")
	}
	return nil
}

func (d *distributed) more() bool { return d.ready != nil || d.next < len(d.items) }

func (d *distributed) concurrency() int {
	if n := d.limits.MaxConcurrency; n > 0 && n < distributedConcurrency {
		return int(n)
	}
	return distributedConcurrency
}

// exceeded says whether more items failed than a threshold that the state
// sets allows; a state that sets none tolerates none.
func (d *distributed) exceeded() bool {
	l := d.limits
	if l.ToleratedFailures == nil && l.ToleratedPercent == nil {
		return d.failures > 0
	}
	return l.ToleratedFailures != nil && d.failures > *l.ToleratedFailures ||
		l.ToleratedPercent != nil && float64(d.failures)*100 > *l.ToleratedPercent*float64(len(d.items))
}

// stop ends the children that still run, because the run does.
func (d *distributed) stop() {
	now := d.a.exec.now()
	for _, child := range slices.Clone(d.a.children) {
		if child.done && child.failed == nil {
			continue
		}
		child.kill()
		child.prev = 0
		d.record(child, ChildEnd{Status: Aborted, Stop: now, WithRun: true})
	}
	d.a.finished = nil
}

// finish records how the run ended.
func (d *distributed) finish(status Status) {
	d.over = true
	d.run.Finish(status)
}

// close lets go of the run: nothing can change it from outside any more.
func (d *distributed) close() {
	delete(d.a.exec.mapRuns, d.arn)
	d.a.leave = nil
}

// left is called when the state is left by force: the execution was stopped,
// a sibling failed, or the engine is interrupted.
func (d *distributed) left(interrupted bool) {
	d.close()
	if interrupted {
		d.run.Suspend()
		return
	}
	d.stop()
	d.finish(Aborted)
}

// background runs something that blocks beside the loop, and waits for it as
// for a task.
func (d *distributed) background(do func(ctx context.Context) error) error {
	a := d.a
	ctx, cancel := context.WithCancel(a.exec.ctx)
	defer cancel()
	a.cancel = cancel
	err, done := errors.New("it was stopped"), false
	go func() {
		failed := do(ctx)
		a.exec.post(func() { err, done = failed, true; a.branch.wake() })
	}()
	for !done {
		a.branch.park()
	}
	a.cancel = nil
	return err
}

// UpdateMapRun changes the limits of a running map run of the execution. Others
// are left alone.
func (x *Execution) UpdateMapRun(arn string, limits MapLimits) {
	x.post(func() {
		if d := x.mapRuns[arn]; d != nil {
			d.limits = limits
			d.a.branch.wake()
		}
	})
}

// AbortChild stops a running child execution of a map run, as StopExecution
// does.
func (x *Execution) AbortChild(mapRun string, child int, name, cause *string) {
	x.post(func() {
		if d := x.mapRuns[mapRun]; d != nil {
			d.cut(child, Aborted, &Failure{Name: name, Cause: cause})
		}
	})
}
