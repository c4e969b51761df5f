package asl

import "time"

// track is one history: the execution's, or that of a distributed Map's child
// execution.
type track struct {
	x    *Execution
	id   int64
	sink func(Event)
	save func(Checkpoint) // nil: nothing is saved
	full func()           // ends a child execution that has too many events
	root *branchRun       // the outermost branch

	taken map[string]*taken // positions that were read and not taken up yet

	arn, name, role         string
	machineARN, machineName string
	input                   any
	start                   time.Time
}

// add appends an event and gives its id.
func (t *track) add(previous int64, eventType string, at time.Time, d *Details) int64 {
	if t.id >= MaxEvents-1 && !terminal(eventType) {
		panic(historyFull{})
	}
	t.id++
	if t.sink != nil {
		t.sink(Event{ID: t.id, Previous: previous, Time: at, Type: eventType, Details: d})
	}
	return t.id
}

func terminal(eventType string) bool {
	switch eventType {
	case "ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut":
		return true
	}
	return false
}

// emit appends an event that follows the branch's last one and becomes it.
func (b *branchRun) emit(eventType string, d *Details) int64 {
	b.prev = b.track.add(b.prev, eventType, b.x.now(), d)
	b.touch(moved)
	return b.prev
}

// side appends an event that the branch's next one does not follow.
func (b *branchRun) side(eventType string, d *Details, previous int64) int64 {
	b.touch(moved)
	return b.track.add(previous, eventType, b.x.now(), d)
}
