package asl

import (
	"fmt"
	"time"
)

// maxExpress is how long an Express execution may take.
const maxExpress = 5 * time.Minute

// selected is an item after ItemSelector.
type selected struct {
	value any
	text  string
}

// start begins the next child execution.
func (d *distributed) start() *Failure {
	from := d.next
	if d.ready != nil {
		from--
	}
	input, f := d.input()
	if f != nil {
		return f
	}
	_, isObject := input.value.(object)
	d.objects = d.objects && isObject
	e, t := d.a.exec.engine, d.a.branch.track
	count := d.next - from
	if d.ready != nil {
		count--
	}
	c := MapChild{Index: len(d.children), Name: e.random.uuid(), From: from, Items: count, Input: input.json(), Start: d.a.exec.now()}
	c.ARN = fmt.Sprintf("arn:%s:states:%s:%s:execution:%s/%s:%s", e.Partition, e.Region, e.Account, t.machineName, d.label, c.Name)
	if d.a.state.mapping.express {
		c.ARN = fmt.Sprintf("arn:%s:states:%s:%s:express:%s/%s:%s:%s", e.Partition, e.Region, e.Account, t.machineName, d.label, c.Name, e.random.uuid())
	}
	d.children = append(d.children, c)
	d.run.Started(c)
	return d.launch(c, input)
}

// resume takes up the children of an interrupted run: those that had ended
// stay as they are, the others go on from their checkpoints.
func (d *distributed) resume(children []MapChild) *Failure {
	for _, c := range children {
		if c.End != nil && c.End.WithRun {
			c.End = nil // it was cut short, as it may be again
		}
		d.children = append(d.children, c)
		d.next = c.From + c.Items
		v, err := decode([]byte(c.Input))
		if err != nil {
			return d.a.runtime("the local stack cannot read the input of child execution %d: %s", c.Index, err)
		}
		_, isObject := v.(object)
		d.objects = d.objects && isObject
		if c.End != nil {
			d.count(c)
			continue
		}
		if f := d.launch(c, &payload{value: v, text: c.Input}); f != nil {
			return f
		}
	}
	return nil
}

// launch runs a child execution from its start or its checkpoint.
func (d *distributed) launch(c MapChild, input *payload) *Failure {
	a := d.a
	a.mapRun = true
	child := a.child(c.Index, 0)
	child.vars = &variables{} // a distributed Map does not see outer variables
	child.track = d.track(c, input.value)
	child.track.root = child
	def := a.state.processor
	if p := c.Checkpoint; p != nil {
		if err := child.restore(def, p); err != nil {
			return a.runtime("the local stack cannot resume child execution %d: %s", c.Index, err)
		}
	} else {
		text := input.json()
		child.side("ExecutionStarted", &Details{Input: &text, InputDetails: notTruncated, RoleARN: child.track.role}, 0)
		child.launch(func() (*payload, *Failure) { return child.run(def, def.StartAt, input) })
	}
	d.running++
	if a.state.mapping.express {
		a.exec.after(a.exec.now().Add(maxExpress), func() { d.cut(c.Index, TimedOut, &Failure{Name: text(ErrTimeout)}) })
	}
	return nil
}

// track is the history and identity of a child execution.
func (d *distributed) track(c MapChild, input any) *track {
	t := d.a.branch.track
	out := &track{
		x: d.a.exec, input: input, start: c.Start, role: t.role, name: c.Name, arn: c.ARN,
		machineName: t.machineName + "/" + d.label, machineARN: t.machineARN + "/" + d.label,
		full: func() {
			d.cut(c.Index, Failed, failure(ErrRuntime, "The execution reached the maximum number of history events (25000)."))
		},
	}
	if !d.a.state.mapping.express {
		out.sink = func(e Event) { d.run.Event(c.Index, e) }
		out.save = func(p Checkpoint) { d.run.Save(c.Index, p) }
	}
	return out
}

// cut ends a running child from outside of it.
func (d *distributed) cut(index int, status Status, f *Failure) {
	for _, child := range d.a.children {
		if child.index != index || child.done {
			continue
		}
		child.kill()
		child.cut, child.failed, child.prev = status, f, 0
		d.a.finished = append(d.a.finished, child)
		d.a.branch.wake()
		return
	}
}

// ended takes the result of a child that ended by itself or was cut.
func (d *distributed) ended(child *branchRun) {
	end := ChildEnd{Status: Succeeded, Stop: d.a.exec.now()}
	switch {
	case child.failed == nil:
		end.Output = child.out.json()
	case child.cut != "":
		end.Status, end.Error, end.Cause = child.cut, child.failed.Name, child.failed.Cause
	default:
		end.Status, end.Error, end.Cause = Failed, child.failed.Name, child.failed.Cause
	}
	d.record(child, end)
	d.count(d.children[child.index])
}

// terminalEvents are the last events of executions.
var terminalEvents = map[Status]string{Succeeded: "ExecutionSucceeded", Failed: "ExecutionFailed", TimedOut: "ExecutionTimedOut", Aborted: "ExecutionAborted"}

// record writes a child's last event and its end, and forgets the branch.
func (d *distributed) record(child *branchRun, end ChildEnd) {
	details := &Details{Error: end.Error, Cause: end.Cause}
	if end.Status == Succeeded {
		details = &Details{Output: &end.Output, OutputDetails: notTruncated}
	}
	child.emit(terminalEvents[end.Status], details)
	d.children[child.index].End = &end
	d.run.Ended(child.index, end)
	d.running--
	for i, other := range d.a.children {
		if other == child {
			d.a.children = append(d.a.children[:i], d.a.children[i+1:]...)
			return
		}
	}
}

// count adds a child's items to the failures if it did not succeed.
func (d *distributed) count(c MapChild) {
	if c.End.Status != Succeeded {
		d.failures += int64(c.Items)
	}
}
