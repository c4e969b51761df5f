package asl

import "fmt"

func (a *activation) parallel() (*outcome, *Failure) {
	_, arguments, f := a.arguments()
	if f != nil {
		return nil, f
	}
	if a.progress == nil {
		a.begin(Progress{Started: a.branch.emit("ParallelStateStarted", nil)})
	}
	left, f := a.branches(newPayload(arguments))
	if f != nil {
		return nil, f
	}
	for ; left > 0; left-- {
		child := a.nextFinished()
		if child.failed != nil {
			return nil, a.branchFailed(child, false)
		}
		a.branch.prev = child.prev
	}
	results := make([]any, len(a.children))
	for i, child := range a.children {
		results[i] = child.out.value
	}
	a.branch.side("ParallelStateSucceeded", nil, a.branch.prev)
	return a.finish(results, nil)
}

// branches starts the branches, or takes them up where they were, and counts
// those that run.
func (a *activation) branches(in *payload) (running int, f *Failure) {
	for i, def := range a.state.branches {
		child := a.child(i, a.progress.Started)
		known, err := child.takeUp(def)
		if err != nil {
			return 0, a.runtime("%s", err)
		}
		if !known {
			child.launch(func() (*payload, *Failure) { return child.run(def, def.StartAt, in) })
		}
		if !child.done {
			running++
		}
	}
	return running, nil
}

// child makes a branch inside this state whose first event follows from.
func (a *activation) child(index int, from int64) *branchRun {
	child := &branchRun{
		x: a.exec, track: a.branch.track, parent: a, index: index, prev: from,
		vars: &variables{outer: a.branch.vars}, key: a.childKey(index),
	}
	a.children = append(a.children, child)
	return child
}

func (a *activation) childKey(index int) string {
	return fmt.Sprintf("%s/%d", attemptName(a.key, a.retries), index)
}

// nextFinished waits for a child to end.
func (a *activation) nextFinished() *branchRun {
	for len(a.finished) == 0 {
		a.branch.park()
	}
	child := a.finished[0]
	a.finished = a.finished[1:]
	return child
}

// branchFailed stops the other children and records what that cuts off. All
// of it follows the failure.
func (a *activation) branchFailed(child *branchRun, iterations bool) *Failure {
	a.inner = true
	previous := child.prev
	a.branch.prev = previous
	if iterations {
		a.branch.side("MapIterationFailed", a.iteration(child), previous)
	}
	child.recordAborted(previous)
	for _, other := range a.children {
		if other == child || other.done && other.failed == nil {
			continue
		}
		if iterations {
			a.branch.side("MapIterationAborted", a.iteration(other), previous)
		}
		other.recordAborted(previous)
		other.kill()
	}
	return child.failed
}

// recordAborted writes the …StateAborted events of the states that the branch
// was in.
func (b *branchRun) recordAborted(previous int64) {
	a := b.active
	if a == nil || a.reported {
		return
	}
	for _, child := range a.children {
		if child.done && child.failed == nil {
			continue
		}
		if a.state.Type == typeMap && !a.state.mapping.distributed {
			b.side("MapIterationAborted", a.iteration(child), previous)
		}
		if child.track == b.track {
			child.recordAborted(previous)
		}
	}
	switch a.state.Type {
	case typeTask, typeWait, typeParallel, typeMap:
		b.side(a.state.Type+"StateAborted", nil, previous)
	}
}
