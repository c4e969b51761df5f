// Package delivery hands payloads to targets at least once.
//
// A delivery is journaled before it is accepted, tried at once, and tried again
// with exponential backoff until it succeeds, its retries or its age run out, or
// the target says that it can never work; then it goes to its dead-letter queue
// when it has one. Deliveries survive a kill of the stack: what was accepted and
// not confirmed is tried again when the queue is opened. A delivery keeps its
// id through all tries, so that a target can make a repetition harmless.
package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/events/journal"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// AWS's defaults and bounds of a retry policy.
const (
	MaxAttempts   = 185
	MaxAge        = 24 * time.Hour
	MinAge        = time.Minute
	firstBackoff  = time.Second
	longestWait   = 10 * time.Minute
	maxConcurrent = 64
)

// Targets is where deliveries go. A *wire.Error with a 4xx status other than
// 429 means that trying again cannot help.
type Targets interface {
	Deliver(ctx context.Context, targetARN string, payload []byte, roleARN string) error
}

// Delivery is one payload on its way to one target.
type Delivery struct {
	ID         string          `json:"id"`     // the same in every try
	Source     string          `json:"source"` // ARN of the rule or schedule
	TargetARN  string          `json:"target_arn"`
	RoleARN    string          `json:"role_arn,omitempty"`
	Payload    json.RawMessage `json:"payload"`
	Retries    int             `json:"retries"` // how many tries after the first
	MaxAge     time.Duration   `json:"max_age"`
	DeadLetter string          `json:"dead_letter,omitempty"` // ARN of an SQS queue

	Accepted time.Time `json:"accepted"`
	Attempts int       `json:"attempts"`
	Next     time.Time `json:"next"`
	Error    string    `json:"error,omitempty"` // of the last try
	Dead     bool      `json:"dead,omitempty"`  // on its way to the dead-letter queue
	Tries    int       `json:"tries,omitempty"` // when Dead: how often its target was tried
}

type deliveryKey struct{}

// From gives the delivery that a Targets is called for. ok is false outside one.
func From(ctx context.Context) (d Delivery, ok bool) {
	d, ok = ctx.Value(deliveryKey{}).(Delivery)
	return d, ok
}

// Queue delivers. It is safe for concurrent use.
type Queue struct {
	journal *journal.Journal[Delivery]
	targets Targets
	now     func() time.Time
	log     *slog.Logger

	ctx    context.Context
	cancel context.CancelFunc
	slots  chan struct{}
	wg     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	busy   map[string]bool
}

// Open reads the queue kept at path. Nothing is delivered before the first
// Enqueue or Tick.
func Open(path string, targets Targets, now func() time.Time, log *slog.Logger) (*Queue, error) {
	j, err := journal.Open[Delivery](path)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Queue{journal: j, targets: targets, now: now, log: log, ctx: ctx, cancel: cancel,
		slots: make(chan struct{}, maxConcurrent), busy: map[string]bool{}}, nil
}

// Enqueue accepts d: when it returns nil, d will be delivered even if the stack
// is killed. The first try starts at once, in the background.
func (q *Queue) Enqueue(d Delivery) error { return q.EnqueueAfter(d, 0) }

// EnqueueAfter accepts a delivery whose first try waits.
func (q *Queue) EnqueueAfter(d Delivery, wait time.Duration) error {
	if d.ID == "" {
		d.ID = wire.RequestID()
	}
	d.Accepted = q.now()
	d.Next = d.Accepted.Add(wait)
	if err := q.journal.Put(d.ID, d); err != nil {
		return fmt.Errorf("accept a delivery to %s: %w", d.TargetARN, err)
	}
	if wait == 0 {
		q.start(d)
	}
	return nil
}

// Tick starts the deliveries that are due.
func (q *Queue) Tick() {
	now := q.now()
	var due []Delivery
	for _, d := range q.journal.All() {
		if !d.Next.After(now) {
			due = append(due, d)
		}
	}
	slices.SortFunc(due, func(a, b Delivery) int { return a.Accepted.Compare(b.Accepted) })
	for _, d := range due {
		q.start(d)
	}
}

// Waiting is the number of deliveries that are not confirmed yet.
func (q *Queue) Waiting() int { return q.journal.Len() }

// Close stops trying and waits for tries in progress; what is left is delivered
// when the queue is opened again.
func (q *Queue) Close() error {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.cancel()
	q.wg.Wait()
	return q.journal.Close()
}

func (q *Queue) start(d Delivery) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.busy[d.ID] {
		return
	}
	q.busy[d.ID] = true
	q.wg.Go(func() {
		select {
		case q.slots <- struct{}{}:
			q.try(d)
			<-q.slots
		case <-q.ctx.Done():
		}
		q.mu.Lock()
		delete(q.busy, d.ID)
		q.mu.Unlock()
	})
}

// try makes one attempt and keeps what comes of it.
func (q *Queue) try(d Delivery) {
	err := q.attempt(d)
	if q.ctx.Err() != nil && err != nil {
		return // cut off by Close: not an attempt
	}
	if err == nil {
		q.keep(d, q.journal.Remove(d.ID))
		return
	}
	d.Attempts++
	d.Error = err.Error()
	d.Next = q.now().Add(backoff(d.Attempts))
	over := permanent(err) || d.Attempts > d.Retries || d.Next.Sub(d.Accepted) > d.MaxAge
	switch {
	case !over:
		q.log.Warn("delivery failed, will be tried again", "target", d.TargetARN, "attempt", d.Attempts, "next", d.Next, "error", err)
		q.keep(d, q.journal.Put(d.ID, d))
	case d.DeadLetter != "" && !d.Dead:
		q.log.Error("delivery failed, goes to the dead-letter queue", "target", d.TargetARN, "attempts", d.Attempts, "error", err)
		q.bury(d)
	default:
		q.log.Error("delivery failed and is dropped", "source", d.Source, "target", d.TargetARN, "attempts", d.Attempts, "error", err)
		q.keep(d, q.journal.Remove(d.ID))
	}
}

func (q *Queue) attempt(d Delivery) error {
	target, role := d.TargetARN, d.RoleARN
	if d.Dead {
		target, role = d.DeadLetter, ""
	}
	return q.targets.Deliver(context.WithValue(q.ctx, deliveryKey{}, d), target, d.Payload, role)
}

// bury sends d to its dead-letter queue from the next tick on, with a fresh set
// of tries.
func (q *Queue) bury(d Delivery) {
	d.Dead, d.Tries, d.Attempts, d.Retries, d.MaxAge = true, d.Attempts, 0, MaxAttempts, MaxAge
	d.Accepted, d.Next = q.now(), q.now()
	q.keep(d, q.journal.Put(d.ID, d))
}

func (q *Queue) keep(d Delivery, err error) {
	if err != nil {
		q.log.Error("the delivery journal could not be written", "delivery", d.ID, "error", err)
	}
}

// permanent tells errors that no retry can cure.
func permanent(err error) bool {
	status := wire.AsError(err).Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	return status >= 400 && status < 500 && status != http.StatusTooManyRequests
}

// backoff doubles from one second to ten minutes. There is no jitter: one
// process has no herd to spread.
func backoff(attempt int) time.Duration {
	return min(firstBackoff<<min(attempt-1, 20), longestWait)
}
