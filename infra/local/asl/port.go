package asl

import (
	"context"
	"encoding/json"
	"time"
)

// Tasks is how an execution calls the world.
//
// Do runs one task to its end and gives its result as JSON. It must return
// soon after ctx is done: that happens when the task timed out, when its
// branch was aborted, and when the execution stopped. After a restart the same
// task may be done again, so calls must be idempotent.
type Tasks interface {
	Do(ctx context.Context, call TaskCall) (json.RawMessage, *TaskError)
}

// TaskCall is one attempt of a Task state.
type TaskCall struct {
	Execution string // the execution's ARN
	State     string
	Resource  string          // the ARN as the definition has it
	Arguments json.RawMessage // Parameters or Arguments, resolved
	// Token completes a .waitForTaskToken task from outside. It is the same
	// when the attempt is done again after a restart.
	Token string
	// Attempt is a name for this attempt within the execution: the same state
	// entered again gives the same name after a restart, another otherwise.
	Attempt string

	// Submitted records that a job was handed over (TaskSubmitted), with the
	// response; for .sync and .waitForTaskToken.
	Submitted func(output json.RawMessage)
	// Heartbeat restarts the HeartbeatSeconds clock.
	Heartbeat func()
}

// TaskError is why a task failed: an ASL error name that Retry and Catch
// match, and its cause.
type TaskError struct {
	Name, Cause string
	// SubmitFailed: the job could not be handed over at all (TaskSubmitFailed).
	SubmitFailed bool
}

// Clock is where an execution gets its time.
type Clock interface {
	Now() time.Time
	// Timer gives a channel that receives once d has passed, and a function
	// that releases the timer.
	Timer(d time.Duration) (fired <-chan time.Time, stop func())
}

// SystemClock is the machine's clock.
type SystemClock struct{}

// Now is the time now.
func (SystemClock) Now() time.Time { return time.Now() }

// Timer is time.NewTimer.
func (SystemClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}
