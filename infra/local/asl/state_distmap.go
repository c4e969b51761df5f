package asl

import "fmt"

// distributedConcurrency bounds the children of a distributed Map that run at
// once here; AWS runs up to 10,000.
const distributedConcurrency = 1000

// distributed runs every item as a child execution with a history of its own.
// A distributed Map fails when more children fail than it tolerates; the
// results of failed children are left out.
func (j *mapJob) distributed(tolerated int64, percent float64) (*outcome, *Failure) {
	if j.limit == 0 || j.limit > distributedConcurrency {
		j.limit = distributedConcurrency
	}
	a := j.a
	label := a.state.mapping.label
	if label == "" {
		label = a.exec.engine.random.uuid()
	}
	started := a.branch.emit("MapRunStarted", &Details{MapRunARN: a.mapRunARN(label)})
	objects, f := j.children(label, tolerated, percent)
	if f != nil {
		if a.inner {
			a.branch.emit("MapRunFailed", &Details{Error: f.Name, Cause: f.Cause})
		}
		return nil, f
	}
	succeeded := a.branch.emit("MapRunSucceeded", nil)
	a.branch.side("MapStateSucceeded", nil, succeeded)
	results := []any{}
	for i, ok := range j.ok {
		if ok {
			results = append(results, j.results[i])
		}
	}
	o, f := a.finish(results, nil)
	if f == nil && objects {
		// The recorded executions have it both ways. In all eleven the exit
		// follows MapRunStarted where the items are objects, and
		// MapRunSucceeded otherwise.
		o.follows = started
	}
	return o, f
}

func (a *activation) mapRunARN(label string) string {
	e := a.exec.engine
	return fmt.Sprintf("arn:%s:states:%s:%s:mapRun:%s/%s:%s", e.Partition, e.Region, e.Account, a.branch.track.machineName, label, e.random.uuid())
}

// children runs the items; objects says whether they were all JSON objects.
func (j *mapJob) children(label string, tolerated int64, percent float64) (objects bool, f *Failure) {
	objects = len(j.items) > 0
	var failures int64
	for j.next < len(j.items) || j.running > 0 {
		for j.next < len(j.items) && j.running < j.limit {
			isObject, f := j.startChild(label)
			if f != nil {
				j.stop()
				return objects, f
			}
			objects = objects && isObject
		}
		child := j.a.nextFinished()
		j.running--
		if child.failed == nil {
			j.results[child.index], j.ok[child.index] = child.out.value, true
			continue
		}
		failures++
		if j.exceeded(failures, tolerated, percent) {
			j.a.inner = true
			j.stop()
			return objects, failure(ErrExceedTolerated, "The specified tolerated failure threshold was exceeded")
		}
	}
	return objects, nil
}

// exceeded says whether more children failed than a threshold that the state
// sets allows; a state that sets none tolerates none.
func (j *mapJob) exceeded(failures, tolerated int64, percent float64) bool {
	m := j.a.state.mapping
	if m.toleratedCount == nil && m.toleratedPercent == nil {
		return true
	}
	return m.toleratedCount != nil && failures > tolerated ||
		m.toleratedPercent != nil && float64(failures)*100 > percent*float64(len(j.items))
}

func (j *mapJob) stop() {
	for _, child := range j.a.children {
		child.kill()
	}
}

func (j *mapJob) startChild(label string) (bool, *Failure) {
	a, i := j.a, j.next
	in, f := j.input(i)
	if f != nil {
		return false, f
	}
	j.next++
	j.running++
	child := a.child(i, 0)
	child.vars = &variables{} // a distributed Map does not see outer variables
	child.item = &mapItem{i, j.items[i]}
	child.track = a.childTrack(label, in)
	child.track.add(0, "ExecutionStarted", a.exec.now(), nil)
	def := a.state.processor
	child.launch(func() (*payload, *Failure) { return child.run(def, def.StartAt, newPayload(in)) })
	_, isObject := in.(object)
	return isObject, nil
}

// childTrack is the history and identity of a child execution.
func (a *activation) childTrack(label string, input any) *track {
	e, t := a.exec.engine, a.branch.track
	name := e.random.uuid()
	return &track{
		x: a.exec, input: input, start: a.exec.now(), role: t.role, name: name,
		machineName: t.machineName + "/" + label,
		machineARN:  fmt.Sprintf("%s/%s", t.machineARN, label),
		arn:         fmt.Sprintf("arn:%s:states:%s:%s:execution:%s/%s:%s", e.Partition, e.Region, e.Account, t.machineName, label, name),
	}
}
