// Package lambda is the local stack's AWS Lambda: it runs the real `bootstrap`
// binaries of functions on provided.al2023.
//
// A sandbox is one process of a function with a Runtime API of its own on a
// loopback port. An invocation that finds no idle sandbox starts one (a cold
// start, whose time until the process first asks for work is its init); the
// others reuse one (warm). A sandbox serves one invocation at a time, so
// several sandboxes of a function run concurrently, up to its reserved
// concurrency. A sandbox that runs out of time or memory, or whose process
// ends, is discarded.
//
// A function error is a result, not an error: the payload holds errorType and
// errorMessage, and Result.FunctionError is "Unhandled". An error of Invoke
// means that the function did not run.
//
// An asynchronous event is kept in a file until its function succeeded, or its
// retries are used up and its destination has taken the record; so events
// survive a kill of the stack and are delivered at least once.
//
// What differs from AWS: an idle process is not frozen; LAMBDA_TASK_ROOT is the
// real folder of the code; /tmp is this machine's, and EphemeralStorage is not
// enforced; the memory limit counts the resident memory of the bootstrap and the
// processes that it started; roles are recorded and not assumed.
package lambda

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/logs"
)

// Timer gives a channel that fires once after d, and a function that stops it.
type Timer func(d time.Duration) (fired <-chan time.Time, stop func() bool)

// Metrics takes the embedded metrics that functions print.
type Metrics interface {
	// PutEMF takes one line of output. found says whether it is a document of
	// the embedded metric format; an error says what is wrong with one that is.
	PutEMF(line []byte) (found bool, err error)
}

// Destinations delivers the records of asynchronous invocations.
type Destinations interface {
	// Deliver sends body to the queue, topic or event bus that arn names.
	// attributes are message attributes (a dead-letter target gets RequestID,
	// ErrorCode and ErrorMessage); they are nil for destination records. An
	// error is retried later, so a delivery may be repeated.
	Deliver(ctx context.Context, arn string, body []byte, attributes map[string]string) error
}

// Options configures the service. Dir, Region, Account, Code and Logs are
// needed.
type Options struct {
	Dir     string // owned by the service: asynchronous events, unpacked code, usage
	Region  string
	Account string
	// Endpoint is the AWS_ENDPOINT_URL of functions.
	Endpoint               string
	AccessKeyID, SecretKey string
	SessionToken           string
	Code                   func(bucket, key string) (dir string, err error) // a folder with bootstrap, or a zip file
	Logs                   *logs.Service
	Metrics                Metrics      // nil: embedded metrics are only logged
	Destinations           Destinations // nil: only functions can be destinations
	Faults                 Faults       // nil: nothing goes wrong on request
	Now                    func() time.Time
	Timer                  Timer           // of init and invocation limits
	RetryDelays            []time.Duration // before asynchronous attempts 2, 3…; nil is 1 and 2 minutes
	ThrottleDelay          time.Duration   // first wait of a throttled event, doubling to 5 minutes; 0 is 1 second
	Concurrency            int             // of the account; 0 is 1000
	AsyncConcurrency       int             // asynchronous events of a function handled at once; 0 is 8
	InitTimeout            time.Duration   // of a sandbox's first start; 0 is 10 seconds
	IdleTimeout            time.Duration   // after which an idle sandbox ends; 0 is 5 minutes
	MemoryInterval         time.Duration   // between two looks at a busy sandbox's memory; 0 is 20 milliseconds
}

func (o *Options) setDefaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Timer == nil {
		o.Timer = systemTimer
	}
	if o.RetryDelays == nil {
		o.RetryDelays = []time.Duration{time.Minute, 2 * time.Minute}
	}
	for value, standard := range map[*time.Duration]time.Duration{
		&o.ThrottleDelay: time.Second, &o.InitTimeout: 10 * time.Second,
		&o.IdleTimeout: 5 * time.Minute, &o.MemoryInterval: 20 * time.Millisecond,
	} {
		if *value == 0 {
			*value = standard
		}
	}
	if o.Concurrency == 0 {
		o.Concurrency = 1000
	}
	if o.AsyncConcurrency == 0 {
		o.AsyncConcurrency = 8
	}
}

func systemTimer(d time.Duration) (<-chan time.Time, func() bool) {
	t := time.NewTimer(d)
	return t.C, t.Stop
}

// Service runs functions. Its methods may be called from many goroutines.
type Service struct {
	options Options
	queue   *queue
	context context.Context // ends with Close
	cancel  context.CancelFunc
	work    sync.WaitGroup // invocations and asynchronous events under way

	mutex     sync.Mutex
	functions map[string]*function // by name
	running   int                  // invocations of all functions
	closed    bool
	usage     *usage
}

// Open opens the service over what o.Dir keeps. Asynchronous events that were
// left there wait for Recover.
func Open(o Options) (*Service, error) {
	o.setDefaults()
	if o.Code == nil || o.Logs == nil {
		return nil, errors.New("open lambda: Options.Code and Options.Logs are needed")
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("open lambda: %w", err)
	}
	used, err := openUsage(filepath.Join(o.Dir, "usage.json"))
	if err != nil {
		return nil, err
	}
	s := &Service{options: o, functions: map[string]*function{}, usage: used}
	s.context, s.cancel = context.WithCancel(context.Background())
	if s.queue, err = openQueue(s, filepath.Join(o.Dir, "async")); err != nil {
		return nil, err
	}
	return s, nil
}

// Recover takes up the asynchronous events that an earlier stack left; call it
// once, when the template's functions and their configurations exist.
func (s *Service) Recover() { s.queue.recover() }

// Close ends every sandbox. Invocations under way fail; asynchronous events
// stay on disk for the next Open.
func (s *Service) Close() error {
	s.mutex.Lock()
	if s.closed {
		s.mutex.Unlock()
		return nil
	}
	s.closed = true
	var all []*sandbox
	for _, f := range s.functions {
		all = append(all, f.sandboxes()...)
	}
	s.mutex.Unlock()
	s.cancel()
	for _, b := range all {
		b.stop()
	}
	s.work.Wait()
	return s.usage.save()
}

// begin counts work that Close waits for; false once the service is closed.
func (s *Service) begin() bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.closed {
		return false
	}
	s.work.Add(1)
	return true
}
