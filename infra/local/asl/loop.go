package asl

import (
	"container/heap"
	"context"
	"fmt"
	"iter"
	"sync"
	"time"
)

// Execution is one run of a machine: an event loop over its branches.
type Execution struct {
	engine *Engine
	spec   Spec
	ctx    context.Context
	track  *track
	main   *branchRun

	ready  []*branchRun // to resume, in order
	calls  []func()     // tasks to call once the checkpoint is written
	dirty  []*branchRun // whose position changed since the last checkpoint
	timers timerHeap
	ticket int // orders timers of the same time

	mu     sync.Mutex
	inbox  []func() // from other goroutines
	notify chan struct{}
	done   chan struct{}

	full     bool   // the history reached its limit
	fault    string // the engine itself is wrong
	aborted  *Failure
	timedOut bool

	mapRuns     map[string]*distributed // that run, by ARN
	interrupted bool                    // the context ended first
}

// loop resumes branches until the outermost one ends or something ends it.
// External happenings are collected only when no branch can run, and all of
// them before any branch sees one: so things that happen at the same time are
// recorded before they have consequences, as on AWS. Tasks are called then too,
// once the checkpoint that knows of them is written. Once the context has ended
// no branch runs any more: a task that failed because of it has not failed.
func (x *Execution) loop() {
	for !x.main.done && x.fault == "" && !x.full && x.aborted == nil && !x.timedOut && x.ctx.Err() == nil {
		if len(x.ready) > 0 {
			b := x.ready[0]
			x.ready = x.ready[1:]
			x.resume(b)
			continue
		}
		x.collect()
		if len(x.ready) > 0 || x.aborted != nil || x.timedOut {
			continue
		}
		x.save()
		x.callTasks()
		if !x.wait() {
			return
		}
	}
}

// collect takes what came in and the timers that are due.
func (x *Execution) collect() {
	x.mu.Lock()
	inbox := x.inbox
	x.inbox = nil
	x.mu.Unlock()
	for _, message := range inbox {
		message()
	}
	if len(x.timers) == 0 {
		return
	}
	now := x.now()
	for len(x.timers) > 0 && !x.timers[0].at.After(now) {
		t := heap.Pop(&x.timers).(*timer)
		t.fire()
	}
}

func (x *Execution) callTasks() {
	for _, call := range x.calls {
		call()
	}
	x.calls = x.calls[:0]
}

// wait blocks until something may have happened; false when the context ended.
func (x *Execution) wait() bool {
	var fired <-chan time.Time
	if len(x.timers) > 0 {
		c, stop := x.engine.Clock.Timer(x.timers[0].at.Sub(x.now()))
		defer stop()
		fired = c
	}
	select {
	case <-x.ctx.Done():
		return false
	case <-x.notify:
	case <-fired:
	}
	return true
}

func (x *Execution) now() time.Time { return x.engine.Clock.Now() }

// post runs message on the loop; it may be called from any goroutine.
func (x *Execution) post(message func()) {
	x.mu.Lock()
	x.inbox = append(x.inbox, message)
	x.mu.Unlock()
	select {
	case x.notify <- struct{}{}:
	default:
	}
}

// after runs fire on the loop once the time has come.
func (x *Execution) after(at time.Time, fire func()) {
	x.ticket++
	heap.Push(&x.timers, &timer{at, x.ticket, fire})
}

type timer struct {
	at     time.Time
	ticket int
	fire   func()
}

type timerHeap []*timer

func (h timerHeap) Len() int      { return len(h) }
func (h timerHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(t any)   { *h = append(*h, t.(*timer)) }
func (h timerHeap) Less(i, j int) bool {
	return h[i].at.Before(h[j].at) || h[i].at.Equal(h[j].at) && h[i].ticket < h[j].ticket
}

func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	*h = old[:len(old)-1]
	return t
}

// branchRun is one branch being run: a coroutine of the loop.
type branchRun struct {
	x      *Execution
	track  *track
	parent *activation // the Parallel or Map state it belongs to, nil outermost
	index  int
	item   *mapItem
	vars   *variables
	resume *Position // where the branch takes up again
	key    string    // names the branch within the execution
	steps  int

	prev   int64 // the last event of this branch
	active *activation
	dirty  int // how far its last saved position is out of date

	next   func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
	queued bool
	done   bool
	out    *payload
	failed *Failure
	cut    Status // how it was ended from outside, "" when it was not
}

// mapItem is what the context object says of a Map state's iteration.
type mapItem struct {
	index  int
	key    *string // of a JSON object's member
	value  any
	source string
}

// killed unwinds a branch's coroutine.
type killed struct{}

// historyFull unwinds a branch when no event fits the history any more.
type historyFull struct{}

// launch readies the branch's coroutine.
func (b *branchRun) launch(body func() (*payload, *Failure)) {
	b.next, b.stop = iter.Pull(func(yield func(struct{}) bool) {
		b.yield = yield
		defer b.unwound()
		b.out, b.failed = body()
		b.done = true
	})
	b.wake()
}

func (b *branchRun) unwound() {
	switch r := recover().(type) {
	case nil, killed:
	case historyFull:
		if b.track.full != nil {
			b.x.post(b.track.full)
			return
		}
		b.x.full = true
	default:
		b.x.fault = fmt.Sprintf("the local stack's engine failed: %v", r)
	}
}

// wake queues the branch to be resumed.
func (b *branchRun) wake() {
	if !b.queued && !b.done {
		b.queued = true
		b.x.ready = append(b.x.ready, b)
	}
}

// park gives way to other branches until the branch is woken.
func (b *branchRun) park() {
	if !b.yield(struct{}{}) {
		panic(killed{})
	}
}

// sleep parks until a time.
func (b *branchRun) sleep(until time.Time) {
	if !until.After(b.x.now()) {
		return
	}
	due := false
	b.x.after(until, func() { due = true; b.wake() })
	for !due {
		b.park()
	}
}

func (x *Execution) resume(b *branchRun) {
	b.queued = false
	if b.done {
		return
	}
	if _, running := b.next(); !running && b.done && b.parent != nil {
		b.parent.finished = append(b.parent.finished, b)
		b.parent.branch.wake()
	}
}

// kill ends the branch and all it started, without a trace in the history.
func (b *branchRun) kill() {
	if a := b.active; a != nil {
		if a.cancel != nil {
			a.cancel()
		}
		if a.leave != nil {
			a.leave(b.x.interrupted)
		}
		for _, child := range a.children {
			child.kill()
		}
	}
	b.done = true
	if b.stop != nil {
		b.stop()
	}
}
