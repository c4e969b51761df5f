package lambda

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// maxAsyncPayload is AWS's limit on an asynchronous event, in bytes.
const maxAsyncPayload = 1 << 20

// maxThrottleDelay bounds the wait of an event that keeps being throttled.
const maxThrottleDelay = 5 * time.Minute

// queue handles asynchronous events, each in a goroutine of its own; a bounded
// number of a function's events run at once.
type queue struct {
	service *Service
	dir     string
	mutex   sync.Mutex
	slots   map[string]chan struct{} // by function
	kept    []*event                 // from an earlier stack, until Recover
}

func openQueue(s *Service, dir string) (*queue, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open the asynchronous events: %w", err)
	}
	q := &queue{service: s, dir: dir, slots: map[string]chan struct{}{}}
	var err error
	q.kept, err = q.load()
	return q, err
}

// InvokeAsync keeps an event for a function and returns its request id; the
// function runs afterwards, as often as its configuration says. The event is on
// disk when it returns. An error means that it was not taken.
func (s *Service) InvokeAsync(ctx context.Context, nameOrARN string, payload []byte) (requestID string, err error) {
	return s.InvokeAsyncRequest(ctx, Request{Function: nameOrARN, Payload: payload})
}

// InvokeAsyncRequest is InvokeAsync with all that a request may carry.
func (s *Service) InvokeAsyncRequest(_ context.Context, r Request) (requestID string, err error) {
	if err := r.check(maxAsyncPayload); err != nil {
		return "", err
	}
	f, err := s.resolve(r.Function)
	if err != nil {
		return "", err
	}
	if !s.begin() {
		return "", &wire.Error{Code: "ServiceException", Status: 500, Message: "the local stack is stopping"}
	}
	now := s.options.Now()
	e := &event{RequestID: wire.RequestID(), Function: f.config.name, Payload: r.Payload, Client: r.ClientContext,
		Trace: r.Trace, Enqueued: now, Due: now}
	if err := s.queue.save(e); err != nil {
		s.work.Done()
		return "", err
	}
	go s.queue.drive(e)
	return e.RequestID, nil
}

// recover takes up the events of an earlier stack.
func (q *queue) recover() {
	q.mutex.Lock()
	kept := q.kept
	q.kept = nil
	q.mutex.Unlock()
	for _, e := range kept {
		if q.service.begin() {
			go q.drive(e)
		}
	}
}

// slot gives the places of a function's events.
func (q *queue) slot(name string) chan struct{} {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	slots, ok := q.slots[name]
	if !ok {
		slots = make(chan struct{}, q.service.options.AsyncConcurrency)
		q.slots[name] = slots
	}
	return slots
}

// drive handles one event until it is settled and its records are delivered,
// or the service closes. An event whose function is gone stays on disk.
func (q *queue) drive(e *event) {
	defer q.service.work.Done()
	for q.wait(e.Due) {
		f, err := q.service.resolve(e.Function)
		if err != nil {
			return
		}
		if e.Outbox == nil {
			if !q.attempt(f, e) {
				return
			}
		}
		if e.Outbox != nil && q.deliver(e) {
			_ = os.Remove(q.file(e)) // one that stays is delivered once more
			return
		}
	}
}

// wait waits until due; false when the service closes first.
func (q *queue) wait(due time.Time) bool {
	timer := time.NewTimer(due.Sub(q.service.options.Now()))
	defer timer.Stop()
	select {
	case <-timer.C:
		return q.service.context.Err() == nil
	case <-q.service.context.Done():
		return false
	}
}

// attempt runs the function once and keeps what follows from it; false when
// the service closes.
func (q *queue) attempt(f *function, e *event) bool {
	slots := q.slot(e.Function)
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-q.service.context.Done():
		return false
	}
	s := q.service
	s.mutex.Lock()
	c, i := f.config, f.invoke
	s.mutex.Unlock()
	if s.options.Now().Sub(e.Enqueued) > i.maxAge {
		e.conclude(conditionAge, c, i, s.options.Now())
		return q.keep(e)
	}
	result, err := s.InvokeRequest(s.context, Request{Function: e.Function, Payload: e.Payload, ClientContext: e.Client, Trace: e.Trace, id: e.RequestID})
	if s.context.Err() != nil {
		return false // what the killed sandbox said does not count
	}
	now := s.options.Now()
	switch {
	case err != nil:
		q.later(e, now)
	case result.FunctionError == "":
		e.Attempts++
		e.Last = &last{Payload: result.Payload}
		e.conclude(conditionSuccess, c, i, now)
	default:
		q.failed(e, result, c, i, now)
	}
	return q.keep(e)
}

// keep saves the event; a disk that fails is tried again with the next step.
func (q *queue) keep(e *event) bool {
	if err := q.save(e); err != nil {
		e.Due = q.service.options.Now().Add(q.service.options.ThrottleDelay)
	}
	return true
}

// later puts a throttled event back; it does not count as an attempt.
func (q *queue) later(e *event, now time.Time) {
	delay := q.service.options.ThrottleDelay
	for range min(e.Throttles, 20) {
		delay = min(2*delay, maxThrottleDelay)
	}
	e.Throttles++
	e.Due = now.Add(delay)
}

// failed counts a failed attempt and plans the next one, or settles the event.
func (q *queue) failed(e *event, result Result, c *config, i invokeConfig, now time.Time) {
	e.Attempts++
	e.Throttles = 0
	e.Last = &last{Payload: result.Payload, FunctionError: result.FunctionError}
	if e.Attempts > i.retries {
		e.conclude(conditionRetries, c, i, now)
		return
	}
	delays := q.service.options.RetryDelays
	if len(delays) > 0 {
		e.Due = now.Add(delays[min(e.Attempts, len(delays))-1])
	}
}

// deliver sends the records of the outbox; true when all have arrived. One
// that cannot be delivered is tried again until the event's age runs out.
func (q *queue) deliver(e *event) bool {
	s := q.service
	for len(e.Outbox) > 0 {
		err := s.send(e.Outbox[0])
		if err != nil && s.context.Err() != nil {
			return false
		}
		if err != nil && s.options.Now().Sub(e.Enqueued) < maxEventAge {
			s.note(e.Function, fmt.Sprintf("the record of request %s could not be delivered to %s, and will be tried again: %v", e.RequestID, e.Outbox[0].Target, err))
			q.later(e, s.options.Now())
			q.keep(e)
			return false
		}
		e.Outbox, e.Throttles = e.Outbox[1:], 0
		q.keep(e)
	}
	return true
}

// send hands a record to a function of this service, or to the port.
func (s *Service) send(d delivery) error {
	if strings.HasPrefix(d.Target, "arn:aws:lambda:") {
		_, err := s.InvokeAsync(s.context, d.Target, d.Body)
		return err
	}
	if s.options.Destinations == nil {
		return errors.New("the local stack has no destinations besides functions")
	}
	return s.options.Destinations.Deliver(s.context, d.Target, d.Body, d.Attributes)
}

// note logs what the stack itself has to say about a function.
func (s *Service) note(function, line string) {
	s.mutex.Lock()
	f := s.functions[function]
	s.mutex.Unlock()
	if f != nil {
		_ = s.options.Logs.Append(f.config.logging.LogGroup, "local-stack", s.options.Now(), line)
	}
}
