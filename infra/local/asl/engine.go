package asl

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Status is an execution's status, as DescribeExecution has it.
type Status string

// The statuses.
const (
	Running   Status = "RUNNING"
	Succeeded Status = "SUCCEEDED"
	Failed    Status = "FAILED"
	TimedOut  Status = "TIMED_OUT"
	Aborted   Status = "ABORTED"
)

// Result is how an execution ended. Output is JSON, for Succeeded only.
type Result struct {
	Status       Status
	Output       string
	Error, Cause *string
}

// ErrInterrupted: the context ended before the execution did. It is still
// running as far as its history goes, and can be resumed from its checkpoint.
var ErrInterrupted = errors.New("the execution was interrupted; resume it from its checkpoint")

// Options make an Engine. Tasks is required, the rest has defaults.
type Options struct {
	Tasks Tasks
	// Objects is S3 for distributed Map states; without it those that need it
	// fail.
	Objects Objects
	MapRuns MapRuns     // nothing is kept
	Clock   Clock       // the system's clock
	Random  rand.Source // seeded at random
	Region  string      // as TaskScheduled events have it
	// Partition and Account appear in the ARNs of map runs.
	Partition, Account string
}

// Engine runs executions. It is safe for concurrent use.
type Engine struct {
	Options
	random    *random
	evaluator *evaluator
}

// NewEngine makes an engine.
func NewEngine(o Options) *Engine {
	if o.Clock == nil {
		o.Clock = SystemClock{}
	}
	if o.MapRuns == nil {
		o.MapRuns = noMapRuns{}
	}
	if o.Partition == "" {
		o.Partition = "aws"
	}
	e := &Engine{Options: o, random: newRandom(o.Random)}
	e.evaluator = newEvaluator(e.random, o.Clock)
	return e
}

// Spec says what to run. Event and Save are called from the execution's loop,
// one at a time; they must not block for long.
type Spec struct {
	Machine     *Machine
	ARN, Name   string
	RoleARN     string
	MachineARN  string
	MachineName string
	Input       string // JSON
	Start       time.Time

	// Redrives counts how often the execution was redriven, RedrivenAt says
	// when it was last. TimeoutSeconds of the machine count from there.
	Redrives   int
	RedrivenAt time.Time

	// Checkpoint, the merged whole, resumes an execution that was interrupted
	// or is redriven. The history must then be cut after event
	// Checkpoint.LastEvent.
	Checkpoint *Checkpoint

	Event func(Event)      // every event, in order
	Save  func(Checkpoint) // whenever the execution has come to a halt, before its tasks are called
	// Unsuccessful is called before the last event of an execution that does
	// not succeed, with where a redrive takes up.
	Unsuccessful func(Redrive)
}

// Prepare readies an execution. It fails when the input is not JSON or the
// checkpoint does not fit the machine.
func (e *Engine) Prepare(s Spec) (*Execution, error) {
	input, err := decode([]byte(s.Input))
	if err != nil {
		return nil, err
	}
	x := &Execution{engine: e, spec: s, notify: make(chan struct{}, 1), done: make(chan struct{}), mapRuns: map[string]*distributed{}}
	x.track = &track{x: x, sink: s.Event, save: s.Save, arn: s.ARN, name: s.Name, input: input, start: s.Start,
		role: s.RoleARN, machineARN: s.MachineARN, machineName: s.MachineName}
	x.main = &branchRun{x: x, track: x.track, vars: &variables{}}
	x.track.root = x.main
	if c := s.Checkpoint; c != nil {
		return x, x.main.restore(s.Machine.branch, c)
	}
	first := &payload{value: input, text: s.Input}
	x.main.launch(func() (*payload, *Failure) { return x.main.run(s.Machine.branch, s.Machine.branch.StartAt, first) })
	return x, nil
}

// Run runs the execution to its end. It must be called once. The error is
// ErrInterrupted when ctx ended first, and nil otherwise: failing is a Result.
func (x *Execution) Run(ctx context.Context) (Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer close(x.done)
	x.ctx = ctx
	if x.track.id == 0 {
		x.main.side("ExecutionStarted", &Details{Input: &x.spec.Input, InputDetails: notTruncated, RoleARN: x.spec.RoleARN}, 0)
	}
	if limit := x.spec.Machine.TimeoutSeconds; limit > 0 {
		from := x.spec.Start
		if x.spec.Redrives > 0 {
			from = x.spec.RedrivenAt
		}
		x.after(from.Add(time.Duration(limit)*time.Second), func() { x.timedOut = true })
	}
	x.loop()
	defer x.main.kill()
	return x.result()
}

// Abort stops the execution as StopExecution does; an execution that has
// ended stays as it is.
func (x *Execution) Abort(name, cause *string) {
	x.post(func() {
		if x.aborted == nil {
			x.aborted = &Failure{Name: name, Cause: cause}
		}
	})
}

func (x *Execution) result() (Result, error) {
	b := x.main
	switch {
	case x.fault != "":
		return x.ended(b, Failed, "ExecutionFailed", failure(ErrRuntime, x.fault)), nil
	case x.full:
		return x.ended(b, Failed, "ExecutionFailed", failure(ErrRuntime, "The execution reached the maximum number of history events (25000).")), nil
	case b.done && b.failed == nil:
		out := b.out.json()
		b.emit("ExecutionSucceeded", &Details{Output: &out, OutputDetails: notTruncated})
		return Result{Status: Succeeded, Output: out}, nil
	case b.done:
		return x.ended(b, Failed, "ExecutionFailed", b.failed), nil
	case x.aborted != nil:
		b.prev = 0
		return x.ended(b, Aborted, "ExecutionAborted", x.aborted), nil
	case x.timedOut:
		return x.ended(b, TimedOut, "ExecutionTimedOut", &Failure{Name: text(ErrTimeout)}), nil
	}
	x.interrupted = true
	return Result{Status: Running}, ErrInterrupted
}

func (x *Execution) ended(b *branchRun, status Status, event string, f *Failure) Result {
	if x.spec.Unsuccessful != nil {
		x.spec.Unsuccessful(x.redrive())
	}
	b.emit(event, &Details{Error: f.Name, Cause: f.Cause})
	return Result{Status: status, Error: f.Name, Cause: f.Cause}
}
