package batch

import (
	"context"
	"encoding/json"
	"sync"
)

// outbox hands events on in order, outside the service's lock.
type outbox struct {
	port   Events
	mutex  sync.Mutex
	wake   *sync.Cond
	queued []json.RawMessage
	closed bool
	ended  chan struct{}
}

func newOutbox(port Events) *outbox {
	o := &outbox{port: port, ended: make(chan struct{})}
	o.wake = sync.NewCond(&o.mutex)
	go o.run()
	return o
}

// put queues a job's state change. Events are best effort, as AWS's are: one
// that a kill cuts off is lost.
func (o *outbox) put(d JobDetail) {
	text, err := json.Marshal(d)
	if err != nil || o.port == nil {
		return
	}
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.queued = append(o.queued, text)
	o.wake.Signal()
}

func (o *outbox) run() {
	defer close(o.ended)
	for {
		o.mutex.Lock()
		for len(o.queued) == 0 && !o.closed {
			o.wake.Wait()
		}
		if len(o.queued) == 0 {
			o.mutex.Unlock()
			return
		}
		next := o.queued[0]
		o.queued = o.queued[1:]
		o.mutex.Unlock()
		o.port.Put(context.Background(), "aws.batch", "Batch Job State Change", next)
	}
}

// close hands on what is queued and ends.
func (o *outbox) close() {
	o.mutex.Lock()
	o.closed = true
	o.wake.Signal()
	o.mutex.Unlock()
	<-o.ended
}
