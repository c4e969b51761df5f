package ecs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/cloudwatch"
	"github.com/sluice-ml/sluice/infra/local/image"
	"github.com/sluice-ml/sluice/infra/local/logs"
)

// LoadBalancing is what services need of Elastic Load Balancing. A target is an
// address of a task and a container's port.
type LoadBalancing interface {
	// Register adds a target; adding one that is there changes nothing.
	Register(ctx context.Context, targetGroupArn, id string, port int) error
	// Deregister begins to drain a target; one that is not there is no error.
	Deregister(ctx context.Context, targetGroupArn, id string, port int) error
	// TargetHealth gives a target's state ("initial", "healthy", "unhealthy",
	// "unused", "draining") and the reason that AWS gives with it.
	TargetHealth(targetGroupArn, id string, port int) (state, reason string, err error)
	// TargetGroupExists says whether there is such a group (ok), and whether a
	// listener or a rule forwards to it (inUse).
	TargetGroupExists(arn string) (inUse, ok bool)
}

// Events takes the service's events; EventBridge is behind it.
type Events interface {
	Put(ctx context.Context, e Event)
}

// Event is one event of source aws.ecs.
type Event struct {
	DetailType string   // e.g. "ECS Task State Change"
	Resources  []string // ARNs
	Time       time.Time
	Detail     []byte // JSON
}

// Metrics takes the services' metrics.
type Metrics interface {
	Put(namespace string, data ...cloudwatch.Datum) error
}

var _ Metrics = (*cloudwatch.Service)(nil)

// Options configures the service. Dir, Region, Account, Image and Logs are
// needed. Zero durations take their defaults.
type Options struct {
	Dir     string // owned by the service
	Region  string
	Account string
	// Image finds the program of a container's image.
	Image func(uri string) (*image.Image, error)
	// Environment is set in every container, over the image's variables and under
	// the task definition's own: AWS_REGION, credentials, AWS_ENDPOINT_URL,
	// LD_LIBRARY_PATH.
	Environment map[string]string
	// MetadataURL is where the caller serves Metadata, without a final slash; ""
	// is nowhere, and containers are not told.
	MetadataURL   string
	Logs          *logs.Service
	LoadBalancing LoadBalancing // nil: services with load balancers are refused
	Events        Events        // nil: nobody listens
	Metrics       Metrics       // nil: none are published
	Now           func() time.Time
	Log           io.Writer // what went wrong in the background; nil discards

	SteadyAfter    time.Duration // that a task without health checks must have run to be healthy; 2 s
	RestartPause   time.Duration // after the first of several short-lived tasks, then doubled up to a minute; 1 s
	MemoryInterval time.Duration // between two looks at a container's memory; 100 ms
	MetricInterval time.Duration // between two publications of metrics; 1 min
	StoppedFor     time.Duration // how long stopped tasks are described; 1 h, as on AWS
	StableTimeout  time.Duration // for a service of a template to become steady; 5 min
}

func (o *Options) setDefaults() {
	for _, d := range []struct {
		at    *time.Duration
		value time.Duration
	}{{&o.SteadyAfter, 2 * time.Second}, {&o.RestartPause, time.Second}, {&o.MemoryInterval, 100 * time.Millisecond},
		{&o.MetricInterval, time.Minute}, {&o.StoppedFor, time.Hour}, {&o.StableTimeout, 5 * time.Minute}} {
		if *d.at == 0 {
			*d.at = d.value
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
}

// Service is an ECS. It is safe for concurrent use.
//
// Two locks: working is held by the one reconcile at a time, which alone starts
// and stops processes and talks to the load balancers; mutex guards the records,
// and is not held while a load balancer is asked, because that may ask Address.
type Service struct {
	options   Options
	events    *outbox
	addresses addresses
	usage     usageBook
	meters    meters

	working sync.Mutex

	mutex    sync.Mutex
	clusters map[string]*cluster      // by name
	families map[string][]*definition // revisions ascending
	services map[string]*service      // by ARN
	tasks    map[string]*task         // by id
	declared map[string]bool          // services that the template has, by ARN
	awaited  map[string]string        // the deployments of those of them that this process made or changed
	changed  chan struct{}            // closed and replaced whenever something happened
	active   bool                     // Recover was called
	closed   bool

	wakes chan struct{}
	quit  chan struct{} // closed to end the goroutine behind wakes
	ended chan struct{} // closed when it has ended
}

// Open reads the state kept under o.Dir. No task runs until Recover.
func Open(o Options) (*Service, error) {
	if o.Image == nil || o.Logs == nil {
		return nil, errors.New("open ecs: Options.Image and Options.Logs are needed")
	}
	o.setDefaults()
	s := &Service{options: o, clusters: map[string]*cluster{}, families: map[string][]*definition{}, services: map[string]*service{},
		tasks: map[string]*task{}, declared: map[string]bool{}, awaited: map[string]string{}, changed: make(chan struct{}), wakes: make(chan struct{}, 1),
		quit: make(chan struct{}), ended: make(chan struct{})}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("open ecs: %w", err)
	}
	s.events = newOutbox(o.Events)
	go s.run()
	return s, nil
}

// run reconciles whenever it is woken: by a call of the API, by the end of a
// process.
func (s *Service) run() {
	defer close(s.ended)
	for {
		select {
		case <-s.quit:
			return
		case <-s.wakes:
			s.reconcile(context.Background())
		}
	}
}

// wake asks for a reconcile soon. Callers may hold the mutex.
func (s *Service) wake() {
	select {
	case s.wakes <- struct{}{}:
	default:
	}
}

// Tick does what time demands: health checks, kills after the stop timeout,
// restarts after a pause, metrics. The stack calls it about once a second.
func (s *Service) Tick(ctx context.Context) error {
	s.reconcile(ctx)
	s.working.Lock()
	defer s.working.Unlock()
	now := s.options.Now()
	s.forget(now)
	return errors.Join(s.measure(now), s.usage.save())
}

// Close stops every task's processes, with SIGTERM first. The tasks stay as they
// are on disk: a later Recover ends them and starts others.
func (s *Service) Close() error {
	s.mutex.Lock()
	if s.closed {
		s.mutex.Unlock()
		return nil
	}
	s.closed = true
	s.mutex.Unlock()
	close(s.quit)
	<-s.ended
	s.working.Lock() // the last reconcile of a Tick has ended
	defer s.working.Unlock()
	var stopping sync.WaitGroup
	for _, c := range s.liveContainers() {
		stopping.Go(func() { c.process.Stop(c.stopTimeout()) })
	}
	stopping.Wait()
	now := s.options.Now()
	err := errors.Join(s.measure(now), s.usage.save())
	s.events.close()
	return err
}

func (s *Service) logf(format string, args ...any) {
	fmt.Fprintf(s.options.Log, format+"\n", args...)
}

// notify tells those who wait that something has changed; the mutex is held.
func (s *Service) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}
