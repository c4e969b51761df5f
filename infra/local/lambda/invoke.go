package lambda

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Request is one invocation.
type Request struct {
	Function      string // name, partial ARN or ARN
	Payload       []byte // JSON; empty is {}
	ClientContext string // JSON, at most 3,583 bytes; may be empty
	Trace         string // X-Ray trace header; empty makes a new one
	id            string // of an asynchronous event
}

// Result is what an invocation gave.
type Result struct {
	RequestID     string
	Payload       []byte
	FunctionError string // "Unhandled" when the function failed, else empty
	Version       string // "$LATEST"
	LogTail       []byte // the last 4 KB of what it logged
	Cold          bool
	Init          time.Duration // of a cold start
	Duration      time.Duration
	BilledMS      int64
	MaxMemoryMB   int // peak resident memory of the process
}

// Failure gives errorType and errorMessage of a function error.
func (r Result) Failure() (errorType, message string) {
	var body struct {
		ErrorType    string `json:"errorType"`
		ErrorMessage string `json:"errorMessage"`
	}
	if r.FunctionError == "" || json.Unmarshal(r.Payload, &body) != nil {
		return "", ""
	}
	return body.ErrorType, body.ErrorMessage
}

// function is a function and its idle sandboxes. Its fields are guarded by the
// service's mutex.
type function struct {
	service     *Service
	config      *config
	reserved    *int // concurrency that is the function's own
	invoke      invokeConfig
	permissions map[string]permission
	idle        []*sandbox
	busy        []*sandbox
	running     int // invocations under way
}

// sandboxes gives all of them. Callers hold the mutex.
func (f *function) sandboxes() []*sandbox { return slices.Concat(f.idle, f.busy) }

// Invoke runs a function and waits for its result. A function that fails is a
// result whose FunctionError is set. An error is a *wire.Error where AWS would
// refuse the call: ResourceNotFoundException, RequestTooLargeException and
// InvalidRequestContentException (a retry cannot help), or
// TooManyRequestsException (retry after a wait). When ctx ends first, its error
// comes back and the function goes on.
func (s *Service) Invoke(ctx context.Context, nameOrARN string, payload []byte) (Result, error) {
	return s.InvokeRequest(ctx, Request{Function: nameOrARN, Payload: payload})
}

// InvokeRequest is Invoke with all that a request may carry.
func (s *Service) InvokeRequest(ctx context.Context, r Request) (Result, error) {
	if err := r.check(maxPayload); err != nil {
		return Result{}, err
	}
	f, err := s.resolve(r.Function)
	if err != nil {
		return Result{}, err
	}
	c, release, err := s.admit(f)
	if err != nil {
		return Result{}, err
	}
	done := make(chan Result, 1)
	go func() {
		result := s.run(f, c, r)
		release() // first: the caller's next invocation must find the place free
		done <- result
	}()
	select {
	case result := <-done:
		return result, nil
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
}

// check refuses what AWS refuses before a function runs.
func (r *Request) check(limit int) error {
	if len(r.Payload) > limit {
		return &wire.Error{Code: "RequestTooLargeException", Status: 413,
			Message: fmt.Sprintf("Request must be smaller than %d bytes for the InvokeFunction operation", limit)}
	}
	if len(r.Payload) == 0 {
		r.Payload = []byte("{}")
	}
	if !json.Valid(r.Payload) {
		return wire.Errorf("InvalidRequestContentException", "Could not parse request body into json: the payload is not JSON")
	}
	if r.ClientContext != "" && !json.Valid([]byte(r.ClientContext)) {
		return wire.Errorf("InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object")
	}
	return nil
}

// admit counts an invocation against the limits of the function and the
// account; release gives the place back.
func (s *Service) admit(f *function) (c *config, release func(), err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.closed {
		return nil, nil, &wire.Error{Code: "ServiceException", Status: 500, Message: "the local stack is stopping"}
	}
	c = f.config
	switch {
	case s.options.struck(c.name, "throttle"):
		s.usage.throttled(c.name)
		return nil, nil, &Throttled{"CallerRateLimitExceeded"}
	case f.reserved != nil && f.running >= *f.reserved:
		s.usage.throttled(c.name)
		return nil, nil, &Throttled{"ReservedFunctionConcurrentInvocationLimitExceeded"}
	case s.running >= s.options.Concurrency:
		s.usage.throttled(c.name)
		return nil, nil, &Throttled{"ConcurrentInvocationLimitExceeded"}
	}
	f.running++
	s.running++
	s.work.Add(1)
	return c, func() {
		s.mutex.Lock()
		f.running--
		s.running--
		s.mutex.Unlock()
		s.work.Done()
	}, nil
}

// Throttled is the *wire.Error TooManyRequestsException with AWS's reason.
type Throttled struct {
	Reason string // e.g. "ReservedFunctionConcurrentInvocationLimitExceeded"
}

func (t *Throttled) Error() string { return t.Unwrap().Error() + " (" + t.Reason + ")" }

// Unwrap gives the AWS error.
func (t *Throttled) Unwrap() error {
	return &wire.Error{Code: "TooManyRequestsException", Status: 429, Message: "Rate Exceeded."}
}

// run finds or starts a sandbox and has it serve the request.
func (s *Service) run(f *function, c *config, r Request) Result {
	call := &call{
		options: &s.options, config: c, request: r, tail: &tail{}, log: s.logger(c), id: cmp.Or(r.id, wire.RequestID()),
		started: func(b *sandbox) { s.occupy(f, b) }, failed: func(b *sandbox) { s.forget(f, b) },
	}
	if failure, struck := s.options.failure(c, call.id); struck {
		return failure
	}
	b := s.take(f, c)
	out, b := call.perform(b)
	if b != nil {
		s.giveBack(f, c, b)
	}
	s.usage.add(c, out)
	return call.result(out)
}

func (s *Service) logger(c *config) sink {
	return func(stream string, at time.Time, lines ...string) {
		// Logs that cannot be kept (a full disk) must not fail the function.
		_ = s.options.Logs.Append(c.logging.LogGroup, stream, at, lines...)
	}
}

// take gives an idle sandbox of the configuration, the one used last first;
// nil when there is none.
func (s *Service) take(f *function, c *config) *sandbox {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for len(f.idle) > 0 {
		b := f.idle[len(f.idle)-1]
		f.idle = f.idle[:len(f.idle)-1]
		if b.config == c && b.idle.Stop() && !b.ended() {
			f.busy = append(f.busy, b)
			return b
		}
		go b.stop()
	}
	return nil
}

// occupy records a sandbox that was just started, so that Close finds it.
func (s *Service) occupy(f *function, b *sandbox) {
	s.mutex.Lock()
	f.busy = append(f.busy, b)
	closed := s.closed
	s.mutex.Unlock()
	if closed {
		b.stop()
	}
}

// forget takes a sandbox off the books.
func (s *Service) forget(f *function, b *sandbox) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	f.busy = slices.DeleteFunc(f.busy, func(other *sandbox) bool { return other == b })
}

// giveBack makes a sandbox idle, or forgets one that ended or is outdated.
func (s *Service) giveBack(f *function, c *config, b *sandbox) {
	s.forget(f, b)
	s.mutex.Lock()
	if keep := !s.closed && f.config == c && !b.ended(); keep {
		b.idle = time.AfterFunc(s.options.IdleTimeout, func() { s.expire(f, b) })
		f.idle = append(f.idle, b)
		s.mutex.Unlock()
		return
	}
	s.mutex.Unlock()
	b.stop()
}

func (s *Service) expire(f *function, b *sandbox) {
	s.mutex.Lock()
	f.idle = slices.DeleteFunc(f.idle, func(other *sandbox) bool { return other == b })
	s.mutex.Unlock()
	b.stop()
}

// newTrace makes an X-Ray trace header that is not sampled.
func newTrace(now time.Time) string {
	var b [20]byte
	_, _ = rand.Read(b[:])
	h := hex.EncodeToString(b[:])
	return fmt.Sprintf("Root=1-%08x-%s;Parent=%s;Sampled=0", now.Unix(), h[:24], h[24:])
}
