package elb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/cloudwatch"
	"github.com/sluice-ml/sluice/infra/local/durable"
)

// Network knows where targets really listen: tasks share this machine's
// network, and each has a private address that only the stack knows.
type Network interface {
	// Address gives where what has the private address id and listens on port
	// there is dialled, as host:port. ok is false for an address it does not know.
	Address(id string, port int) (hostport string, ok bool)
}

// Subnets know the networking that load balancers are put into.
type Subnets interface {
	// Subnet gives a subnet's VPC and Availability Zone.
	Subnet(id string) (vpc, zone string, ok bool)
	// SecurityGroup gives a security group's VPC.
	SecurityGroup(id string) (vpc string, ok bool)
}

// Metrics takes the load balancers' metrics.
type Metrics interface {
	Put(namespace string, data ...cloudwatch.Datum) error
}

var _ Metrics = (*cloudwatch.Service)(nil)

// Config is what the service needs. Zero durations take their defaults.
type Config struct {
	Dir     string
	Region  string
	Account string
	Stack   string // the stack's name, part of names that the template leaves out
	Network Network
	Subnets Subnets
	Metrics Metrics
	Now     func() time.Time
	Seed    *[2]uint64 // of the choice among target groups and of faults; nil is random
	Log     io.Writer  // what went wrong in the background; nil discards

	PropagationDelay time.Duration // from a change of rules to requests that follow it; 1 s, negative is none
	ConnectTimeout   time.Duration // for a connection to a target; 10 s, as on AWS
	MetricPeriod     time.Duration // of data points, whole seconds; a minute, as on AWS
	CloseGrace       time.Duration // for requests in progress at Close; 5 s

	// Listen opens a port on the loopback interface, 0 any free one; nil is TCP.
	Listen func(port int) (net.Listener, error)
	// Dial connects to a target; nil is TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

func (c *Config) setDefaults() {
	for _, d := range []struct {
		at    *time.Duration
		value time.Duration
	}{{&c.PropagationDelay, time.Second}, {&c.ConnectTimeout, 10 * time.Second}, {&c.MetricPeriod, time.Minute}, {&c.CloseGrace, 5 * time.Second}} {
		if *d.at == 0 {
			*d.at = d.value
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = io.Discard
	}
	if c.Seed == nil {
		c.Seed = &[2]uint64{rand.Uint64(), rand.Uint64()}
	}
	if c.Listen == nil {
		c.Listen = loopback
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{}).DialContext
	}
}

// Service is an Elastic Load Balancing. It is safe for concurrent use.
type Service struct {
	config  Config
	proxy   *proxy
	cookies cookies
	faults  faults
	meters  meters
	random  randomness
	working sync.WaitGroup // health checks, listeners that serve, drains
	context context.Context
	cancel  context.CancelFunc

	mu        sync.Mutex // guards what follows
	state     state
	balancers map[string]*balancer // by load balancer ARN
	pools     map[string]*pool     // by target group ARN
	fronts    map[string]*front    // by listener ARN
	declared  map[string]bool      // ARNs that the template declared since Open
}

// randomness is a seeded source that several requests share.
type randomness struct {
	mu     sync.Mutex
	source *rand.Rand
}

func (r *randomness) Float64() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.source.Float64()
}

func (r *randomness) IntN(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.source.IntN(n)
}

// Open reads the state kept under c.Dir, opens its listeners and begins to check
// its targets.
func Open(c Config) (*Service, error) {
	if c.Network == nil || c.Subnets == nil || c.Metrics == nil {
		return nil, errors.New("open elb: Config needs Network, Subnets and Metrics")
	}
	c.setDefaults()
	s := &Service{config: c, state: newState(), balancers: map[string]*balancer{}, pools: map[string]*pool{}, fronts: map[string]*front{},
		declared: map[string]bool{}}
	s.random.source = rand.New(rand.NewPCG(c.Seed[0], c.Seed[1]))
	s.context, s.cancel = context.WithCancel(context.Background())
	if _, err := durable.ReadJSON(s.path(), &s.state); err != nil {
		return nil, fmt.Errorf("open elb: %w", err)
	}
	if err := s.cookies.open(&s.state.CookieKey); err != nil {
		return nil, fmt.Errorf("open elb: %w", err)
	}
	s.proxy = newProxy(s)
	if err := s.resume(); err != nil {
		return nil, errors.Join(fmt.Errorf("open elb: %w", err), s.Close())
	}
	return s, nil
}

// resume puts what the state holds to work.
func (s *Service) resume() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for arn, record := range s.state.LoadBalancers {
		s.balancers[arn] = newBalancer(record)
	}
	for arn, record := range s.state.TargetGroups {
		s.pools[arn] = s.newPool(record)
	}
	s.attach()
	for _, arn := range sorted(s.state.Listeners) {
		if err := s.listen(s.state.Listeners[arn]); err != nil {
			return err
		}
	}
	return s.save()
}

func (s *Service) path() string { return filepath.Join(s.config.Dir, "state.json") }

// save keeps the state; s.mu is held.
func (s *Service) save() error { return durable.WriteJSON(s.path(), s.state) }

func (s *Service) logf(format string, args ...any) {
	fmt.Fprintf(s.config.Log, format+"\n", args...)
}

// Flush publishes the metrics collected so far. The stack calls it about once a
// second, before CloudWatch's Evaluate.
func (s *Service) Flush(_ context.Context, now time.Time) error {
	s.countHosts(now)
	return s.meters.flush(s.config.Metrics, s.config.MetricPeriod < time.Minute)
}

// Close stops listening, lets requests in progress end, stops the health checks
// and publishes what is collected. Everything is there again at the next Open.
func (s *Service) Close() error {
	s.mu.Lock()
	fronts := make([]*front, 0, len(s.fronts))
	for _, f := range s.fronts {
		fronts = append(fronts, f)
	}
	for _, p := range s.pools {
		p.stop()
	}
	s.mu.Unlock()
	var closing sync.WaitGroup
	for _, f := range fronts {
		closing.Go(f.close)
	}
	closing.Wait()
	s.cancel()
	s.working.Wait()
	s.proxy.close()
	return s.meters.flush(s.config.Metrics, s.config.MetricPeriod < time.Minute)
}

var _ http.Handler = (*front)(nil)
