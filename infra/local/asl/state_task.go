package asl

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// service says how a resource appears in events: a Lambda function's own ARN
// has LambdaFunction events, everything else Task events.
type service struct {
	lambda         bool
	kind, resource string // e.g. "lambda" and "invoke"
}

func serviceOf(resource string) service {
	parts := strings.SplitN(resource, ":", 6)
	if len(parts) < 6 || parts[2] == "lambda" {
		return service{lambda: true, kind: resource, resource: resource}
	}
	kind, operation, _ := strings.Cut(parts[5], ":")
	if kind == "aws-sdk" {
		inner, rest, _ := strings.Cut(operation, ":")
		kind, operation = kind+":"+inner, rest
	}
	return service{kind: kind, resource: operation}
}

// WaitsForToken says whether a resource is a .waitForTaskToken integration.
func WaitsForToken(resource string) bool { return strings.HasSuffix(resource, ".waitForTaskToken") }

// taskRun is a task in progress, as the loop sees it.
type taskRun struct {
	submitted []string // outputs of TaskSubmitted events still to write
	beats     bool     // a heartbeat came
	done      bool
	out       json.RawMessage
	err       *TaskError
	late      bool // a timeout fired
	missed    bool // … for want of heartbeats
}

func (a *activation) task() (*outcome, *Failure) {
	if WaitsForToken(a.state.resource) {
		a.token = a.taskToken()
	}
	sv := serviceOf(a.state.resource)
	if a.progress == nil {
		if f := a.schedule(sv); f != nil {
			return nil, f
		}
	}
	result, f := a.call(sv, a.progress.Call)
	if f != nil {
		return nil, f
	}
	return a.finish(result, nil)
}

// schedule evaluates what the task is called with and writes that it starts.
func (a *activation) schedule(sv service) *Failure {
	effective, arguments, f := a.arguments()
	if f != nil {
		return f
	}
	s := a.newScope(effective)
	timeout, f := s.seconds(a.state.timeout)
	if f != nil {
		return f
	}
	heartbeat, f := s.seconds(a.state.heartbeat)
	if f != nil {
		return f
	}
	text := encode(arguments)
	if len(text) > MaxPayload {
		return tooLarge(a.state.Name)
	}
	a.scheduled(sv, text, timeout, heartbeat)
	a.branch.wake()
	a.branch.park() // siblings are scheduled before any of them starts
	a.started(sv)
	a.begin(Progress{Call: &Call{Arguments: text, Timeout: timeout, Heartbeat: heartbeat, Started: a.exec.now()}})
	return nil
}

// taskToken names this attempt; it is the same after a restart.
func (a *activation) taskToken() string {
	sum := sha256.Sum256([]byte(a.branch.track.arn + "\n" + a.attemptName()))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// attemptName names the attempt for the world: a redrive makes another of it.
func (a *activation) attemptName() string {
	name := attemptName(a.key, a.retries)
	if n := a.exec.spec.Redrives; n > 0 {
		name = fmt.Sprintf("%s-redrive-%d", name, n)
	}
	return name
}

func attemptName(activation string, retries int) string {
	return fmt.Sprintf("%s-%d", activation, retries)
}

// seconds evaluates an optional timeout; 0 is none.
func (s *scope) seconds(q *quantity) (int64, *Failure) {
	n, f := s.count(q, 0)
	if f == nil && q != nil && (n == 0 || n > maxSeconds) {
		return 0, s.act.outOfRange(q, "%s must be between 1 and %d.", q.field(), int64(maxSeconds))
	}
	return n, f
}

func (a *activation) scheduled(sv service, arguments string, timeout, heartbeat int64) {
	d := &Details{}
	if timeout > 0 {
		d.TimeoutInSeconds = &timeout
	}
	if heartbeat > 0 {
		d.HeartbeatInSeconds = &heartbeat
	}
	d.Resource = sv.resource
	if sv.lambda {
		d.HeartbeatInSeconds = nil
		d.Input, d.InputDetails = &arguments, notTruncated
		a.branch.emit("LambdaFunctionScheduled", d)
		return
	}
	d.ResourceType, d.Region, d.Parameters = sv.kind, a.exec.engine.Region, &arguments
	a.branch.emit("TaskScheduled", d)
}

func (a *activation) started(sv service) {
	if sv.lambda {
		a.branch.emit("LambdaFunctionStarted", nil)
		return
	}
	a.branch.emit("TaskStarted", &Details{ResourceType: sv.kind, Resource: sv.resource})
}

// call runs the task on its own goroutine and waits for its end, its timeout
// or its missing heartbeat. A task that is called again after a restart keeps
// its timeout, but has a whole HeartbeatSeconds to be heard of.
func (a *activation) call(sv service, c *Call) (any, *Failure) {
	x, b := a.exec, a.branch
	ctx, cancel := context.WithCancel(x.ctx)
	defer cancel()
	a.cancel = cancel
	run := &taskRun{}
	tell := func(change func()) { x.post(func() { change(); b.wake() }) }
	call := TaskCall{
		Execution: b.track.arn, State: a.state.Name, Resource: a.state.resource,
		Arguments: json.RawMessage(c.Arguments), Token: a.token, Attempt: a.attemptName(),
		Submitted: func(out json.RawMessage) { tell(func() { run.submitted = append(run.submitted, string(out)) }) },
		Heartbeat: func() { tell(func() { run.beats = true }) },
	}
	do := func() {
		out, err := x.engine.Tasks.Do(ctx, call)
		tell(func() { run.done, run.out, run.err = true, out, err })
	}
	x.calls = append(x.calls, func() {
		if ctx.Err() == nil {
			go do()
		}
	})
	if c.Timeout > 0 {
		x.after(c.Started.Add(time.Duration(c.Timeout)*time.Second), func() { run.late = true; b.wake() })
	}
	beat := run.watchHeartbeats(b, c.Heartbeat)
	known := a.submitted // written before a restart
	for {
		b.park()
		if run.beats {
			run.beats = false
			beat()
		}
		for _, out := range run.submitted {
			if known > 0 {
				known--
				continue
			}
			a.submitted++
			b.emit("TaskSubmitted", &Details{ResourceType: sv.kind, Resource: sv.resource, Output: &out, OutputDetails: notTruncated})
		}
		run.submitted = nil
		if run.done {
			return a.ended(sv, run)
		}
		if run.late || run.missed {
			return nil, a.late(sv, run)
		}
	}
}

// watchHeartbeats starts the heartbeat clock and gives a function that
// restarts it.
func (r *taskRun) watchHeartbeats(b *branchRun, every int64) (beat func()) {
	if every == 0 {
		return func() {}
	}
	turn := 0
	beat = func() {
		turn++
		mine := turn
		b.x.after(b.x.now().Add(time.Duration(every)*time.Second), func() {
			if turn == mine {
				r.missed = true
				b.wake()
			}
		})
	}
	beat()
	return beat
}

// ended writes how the task ended and gives its result.
func (a *activation) ended(sv service, run *taskRun) (any, *Failure) {
	if run.err != nil {
		f := failure(run.err.Name, run.err.Cause)
		f.fromTask = true
		return nil, a.taskFailed(sv, f, run.err.SubmitFailed)
	}
	if len(run.out) > MaxPayload {
		return nil, a.taskFailed(sv, tooLarge(sv.kind), false)
	}
	v, err := decode(run.out)
	if err != nil {
		f := failure(ErrRuntime, fmt.Sprintf("The result of the task is not JSON: %s", err))
		return nil, a.taskFailed(sv, f, false)
	}
	out := newPayload(v).json()
	if sv.lambda {
		a.branch.emit("LambdaFunctionSucceeded", &Details{Output: &out, OutputDetails: notTruncated})
	} else {
		a.branch.emit("TaskSucceeded", &Details{ResourceType: sv.kind, Resource: sv.resource, Output: &out, OutputDetails: notTruncated})
	}
	return v, nil
}

func (a *activation) taskFailed(sv service, f *Failure, submit bool) *Failure {
	d := &Details{Error: f.Name, Cause: f.Cause}
	switch {
	case sv.lambda:
		a.branch.emit("LambdaFunctionFailed", d)
		return f
	case submit:
		d.ResourceType, d.Resource = sv.kind, sv.resource
		a.branch.emit("TaskSubmitFailed", d)
		return f
	}
	d.ResourceType, d.Resource = sv.kind, sv.resource
	a.branch.emit("TaskFailed", d)
	return f
}

func (a *activation) late(sv service, run *taskRun) *Failure {
	f := &Failure{Name: text(ErrTimeout), fromTask: true, heartbeat: run.missed && !run.late}
	d := &Details{Error: f.Name}
	if sv.lambda {
		a.branch.emit("LambdaFunctionTimedOut", d)
		return f
	}
	d.ResourceType, d.Resource = sv.kind, sv.resource
	a.branch.emit("TaskTimedOut", d)
	return f
}
