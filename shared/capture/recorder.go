package capture

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Sink is where batches go. Put writes a whole object; the same key again is
// the same bytes. Its errors only say that it must be tried again.
type Sink interface {
	Put(ctx context.Context, key string, body []byte) error
}

// Options of a Recorder. Zero values are the defaults.
type Options struct {
	Sink     Sink
	Prefix   string                             // of every key: "capture/<endpoint>/<slot>/"
	Every    time.Duration                      // at most so long until a record is written; 60 s
	MaxBytes int                                // of records in memory; 16 MiB
	MaxBody  int                                // a request or an answer that is longer is not kept, in bytes; 256 KiB
	Now      func() time.Time                   // the wall clock
	Lost     func(reason string, records int64) // told of drops after each write; may be nil
}

// Reasons why a record was dropped.
const (
	Full     = "full"      // the queue had no room: S3 is slow or fails, or there is too much traffic
	TooLarge = "too_large" // a body is longer than MaxBody
	Shutdown = "shutdown"  // the process ended before S3 took it
)

const (
	batchBytes = 4 << 20
	putTime    = 15 * time.Second
	retryPause = 5 * time.Second
	staleKey   = time.Hour
)

// Recorder keeps records and writes them. Its zero value is of no use.
type Recorder struct {
	Options
	name string
	wake chan struct{} // a batch is full

	mu      sync.Mutex
	queue   []record
	bytes   int // of the queue and of the batch that is not written yet
	written int64
	dropped map[string]int64
	told    map[string]int64 // of dropped, by Lost

	flushing sync.Mutex // one writer
	batch    batch
	sequence int
}

// batch is what is being written.
type batch struct {
	key     string
	since   time.Time
	body    []byte
	records int64
	size    int
}

// New makes a Recorder. Invalid when the sink or the prefix is missing.
func New(o Options) (*Recorder, error) {
	if o.Sink == nil || !strings.HasSuffix(o.Prefix, "/") {
		return nil, fault.New(fault.Invalid, "set up the capture", "sink: %v, prefix %q: want both, the prefix with a / at its end", o.Sink != nil, o.Prefix)
	}
	o.Every, o.MaxBytes, o.MaxBody = either(o.Every, time.Minute), either(o.MaxBytes, 16<<20), either(o.MaxBody, 256<<10)
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Recorder{Options: o, name: random(6), wake: make(chan struct{}, 1), dropped: map[string]int64{}, told: map[string]int64{}}, nil
}

func either[T int | time.Duration](v, fallback T) T {
	if v > 0 {
		return v
	}
	return fallback
}

// add queues a record, or drops it. It never waits for a write.
func (r *Recorder) add(one record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bytes+one.size() > r.MaxBytes {
		r.dropped[Full]++
		return
	}
	r.queue = append(r.queue, one)
	if r.bytes += one.size(); r.bytes >= batchBytes {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

func (r *Recorder) drop(reason string, records int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropped[reason] += records
}

// Run writes what was recorded until ctx is done; then call Close.
func (r *Recorder) Run(ctx context.Context) {
	timer := time.NewTimer(r.Every)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-r.wake:
		}
		pause := r.Every
		if err := r.flush(ctx); err != nil {
			pause = min(pause, retryPause)
		}
		r.tell()
		timer.Reset(pause)
	}
}

// Close writes all that is left, trying again until ctx is done. What could not
// be written is dropped and counted; the error says how much.
func (r *Recorder) Close(ctx context.Context) error {
	var last error
	for {
		if last = r.flush(ctx); last == nil {
			r.tell()
			return nil
		}
		select {
		case <-ctx.Done():
			lost := r.abandon()
			r.tell()
			return fault.New(fault.Unavailable, "write the last captures", "%d records are lost: %w", lost, last)
		case <-time.After(min(r.Every, time.Second)):
		}
	}
}

// flush writes batches until the queue is empty or a write fails.
func (r *Recorder) flush(ctx context.Context) error {
	r.flushing.Lock()
	defer r.flushing.Unlock()
	for {
		if r.batch.records == 0 {
			r.fill()
		}
		if r.batch.records == 0 {
			return nil
		}
		if now := r.Now(); r.batch.key == "" || now.Sub(r.batch.since) >= staleKey {
			r.batch.key, r.batch.since = r.key(now), now
		}
		if err := r.put(ctx); err != nil {
			return err
		}
		r.mu.Lock()
		r.written += r.batch.records
		r.bytes -= r.batch.size
		r.mu.Unlock()
		r.batch = batch{}
	}
}

func (r *Recorder) put(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, putTime)
	defer cancel()
	return r.Sink.Put(ctx, r.batch.key, r.batch.body)
}

// fill takes records from the queue into the batch. They keep their room until
// they are written.
func (r *Recorder) fill() {
	r.mu.Lock()
	n := 0
	for size := 0; n < len(r.queue) && (n == 0 || size+r.queue[n].size() <= batchBytes); n++ {
		size += r.queue[n].size()
		r.batch.size = size
	}
	taken := r.queue[:n]
	r.queue = append([]record(nil), r.queue[n:]...)
	r.mu.Unlock()
	var text bytes.Buffer
	for _, one := range taken {
		text.Write(one.encode())
	}
	r.batch.body, r.batch.records = text.Bytes(), int64(n)
}

// key is a new batch's: in the order of time within an hour, and nobody else's.
func (r *Recorder) key(now time.Time) string {
	now = now.UTC()
	r.sequence++
	return fmt.Sprintf("%s%s/%s-%s-%06d.jsonl", r.Prefix, now.Format("2006/01/02/15"), now.Format("04-05"), r.name, r.sequence)
}

// abandon drops what is left.
func (r *Recorder) abandon() int64 {
	r.flushing.Lock()
	defer r.flushing.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	lost := int64(len(r.queue)) + r.batch.records
	r.dropped[Shutdown] += lost
	r.queue, r.bytes, r.batch = nil, 0, batch{}
	return lost
}

// tell gives Lost what was dropped since it was last told.
func (r *Recorder) tell() {
	if r.Lost == nil {
		return
	}
	news := map[string]int64{}
	r.mu.Lock()
	for reason, n := range r.dropped {
		if n > r.told[reason] {
			news[reason], r.told[reason] = n-r.told[reason], n
		}
	}
	r.mu.Unlock()
	for reason, n := range news {
		r.Lost(reason, n)
	}
}
