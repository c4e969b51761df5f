package lambda

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"time"
)

// call performs one request in a sandbox: the phases, their limits and the
// lines that Lambda logs about them.
type call struct {
	options *Options
	config  *config
	request Request
	id      string
	tail    *tail
	log     sink
	started func(*sandbox) // told of each sandbox that is started
	failed  func(*sandbox) // and of one whose init failed, which has ended
	stream  string
	usedMB  int // peak memory of the sandboxes that have ended
}

// lines logs what Lambda itself says.
func (c *call) lines(lines ...string) {
	c.tail.add(lines...)
	c.log(c.stream, c.options.Now(), lines...)
}

// perform serves the request in b, or in a new sandbox when b is nil. The
// sandbox comes back, ended or not, unless none could be started.
func (c *call) perform(b *sandbox) (outcome, *sandbox) {
	out := outcome{cold: b == nil}
	if b == nil {
		c.stream = newStream(c.options.Now())
		var failed *answer
		if b, out.init, failed = c.coldStart(); failed != nil {
			out.init = 0
		}
	} else {
		c.stream = b.stream
		b.record(c.tail)
	}
	c.lines(startLines(c.config, c.id, c.options.Now())...)
	seconds := c.config.timeout.Seconds()
	fired, stop := c.options.Timer(c.config.timeout)
	defer stop()
	began := time.Now()
	deadline := c.options.Now().Add(c.config.timeout)
	if b == nil {
		// Lambda runs the init once more, within the invocation's own limit.
		var failed *answer
		if b, failed = c.initialise(fired, seconds); failed != nil {
			out.answer = *failed
			return c.finish(out, nil, began), nil
		}
	}
	var broken bool
	out.answer, broken = b.invoke(&invocation{
		id: c.id, payload: c.request.Payload, deadline: deadline, arn: c.config.arn,
		trace: cmp.Or(c.request.Trace, newTrace(c.options.Now())), clientContext: c.request.ClientContext,
	}, fired, seconds)
	if broken {
		b.stop()
	}
	return c.finish(out, b, began), b
}

// coldStart is the init phase: a new sandbox that asked for work, or nil and
// why there is none.
func (c *call) coldStart() (*sandbox, time.Duration, *answer) {
	c.lines("INIT_START Runtime Version: provided:al2023 on the local stack")
	fired, stop := c.options.Timer(c.options.InitTimeout)
	defer stop()
	began := time.Now()
	b, failed := c.initialise(fired, c.options.InitTimeout.Seconds())
	took := time.Since(began)
	if failed == nil {
		return b, took, nil
	}
	c.lines(initReport(c.config, *failed, took, c.options.Now()))
	return nil, took, failed
}

// initialise starts a sandbox and waits until it asks for work. A sandbox that
// fails is stopped.
func (c *call) initialise(fired <-chan time.Time, seconds float64) (*sandbox, *answer) {
	b, err := start(c.options, c.config, c.stream, c.log, c.tail)
	if err != nil {
		failed := failure("Runtime.InvalidEntrypoint", fmt.Sprintf("RequestId: %s Error: %v", c.id, entrypointError(err)))
		c.lines(err.Error())
		return nil, &failed
	}
	c.started(b)
	failed := b.initialise(c.id, fired, seconds)
	if failed == nil {
		return b, nil
	}
	b.stop()
	c.failed(b)
	c.usedMB = max(c.usedMB, b.usedMB())
	return nil, failed
}

// entrypointError words a program that could not be started as Lambda does.
func entrypointError(err error) string {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		return "fork/exec /var/task/bootstrap: " + path.Err.Error()
	}
	return err.Error()
}

// finish measures and logs the end of an invocation.
func (c *call) finish(out outcome, b *sandbox, began time.Time) outcome {
	out.duration = time.Since(began)
	out.usedMB = c.usedMB
	if b != nil {
		out.usedMB = max(out.usedMB, b.usedMB())
		b.record(nil)
	}
	now := c.options.Now()
	switch out.errorType {
	case "Sandbox.Timedout":
		out.timeoutLog = fmt.Sprintf("%s %s Task timed out after %.2f seconds", stamp(now), c.id, c.config.timeout.Seconds())
	case "Runtime.ExitError", "Runtime.OutOfMemory", "Runtime.InvalidEntrypoint":
		_, message := c.result(out).Failure()
		out.timeoutLog = message + " " + out.errorType
	}
	c.lines(reportLines(c.config, c.id, out, now)...)
	return out
}

func (c *call) result(out outcome) Result {
	r := Result{
		RequestID: c.id, Payload: out.payload, Version: "$LATEST", LogTail: c.tail.bytes(), Cold: out.cold,
		Init: out.init, Duration: out.duration, BilledMS: out.billed(), MaxMemoryMB: out.usedMB,
	}
	if out.failed {
		r.FunctionError = "Unhandled"
	}
	return r
}
