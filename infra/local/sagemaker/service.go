package sagemaker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/cloudwatch"
	"github.com/sluice-ml/sluice/infra/local/durable"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Objects reads artefacts and writes captured data.
type Objects interface {
	Get(ctx context.Context, bucket, key string) (io.ReadCloser, error)
	Put(ctx context.Context, bucket, key string, body []byte) error
}

// Metrics takes the endpoints' metrics.
type Metrics interface {
	Put(namespace string, data ...cloudwatch.Datum) error
}

var _ Metrics = (*cloudwatch.Service)(nil)

// ResolveImage finds the program that stands for an image on this machine, its
// arguments before "serve", and the image's environment ("NAME=value").
type ResolveImage func(imageURI string) (program string, args []string, env []string, err error)

// Config is what the service needs. Zero durations take their defaults.
type Config struct {
	Dir          string // state, extracted artefacts, server logs
	Region       string
	Account      string
	Now          func() time.Time
	Seed         *[2]uint64 // of the choice among variants and of sampling; nil is random
	ResolveImage ResolveImage
	Objects      Objects
	Metrics      Metrics
	UpdateFault  func(endpoint string) (fails, badly bool) // updates that fail on request, and whose roll-back fails too; nil is none
	Log          io.Writer                                 // what went wrong in the background; nil discards

	ReadyTimeout    time.Duration // until /ping must answer; 60 s
	StopGrace       time.Duration // between SIGTERM and SIGKILL; 30 s
	RequestTimeout  time.Duration // for a container's answer; 60 s
	RestartPause    time.Duration // before the first restart of a server that ended; 200 ms, then doubled up to 5 s
	UpdateTime      time.Duration // how long a change of weights takes at least; none
	CaptureInterval time.Duration // age at which Flush writes captured data; 10 s
}

func (c *Config) setDefaults() {
	for _, d := range []struct {
		at    *time.Duration
		value time.Duration
	}{{&c.ReadyTimeout, time.Minute}, {&c.StopGrace, 30 * time.Second}, {&c.RequestTimeout, time.Minute},
		{&c.RestartPause, 200 * time.Millisecond}, {&c.CaptureInterval, 10 * time.Second}} {
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
}

// Service is a SageMaker. It is safe for concurrent use.
type Service struct {
	config  Config
	client  *http.Client // to the servers
	context context.Context
	cancel  context.CancelFunc
	working sync.WaitGroup // deployments and copies to shadows under way

	mu        sync.Mutex // guards state and endpoints
	state     state
	endpoints map[string]*endpoint

	random  randomness
	faults  faults
	capture captureStore
	usage   usageBook
	meters  meters
	mirrors mirrors
}

// randomness is a seeded source that several invocations share.
type randomness struct {
	mu     sync.Mutex
	source *rand.Rand
}

func (r *randomness) Float64() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.source.Float64()
}

// state is the state file.
type state struct {
	Models    map[string]*Model          `json:"models"`
	Configs   map[string]*EndpointConfig `json:"configs"`
	Endpoints map[string]*endpointRecord `json:"endpoints"`
	Groups    map[string]*packageGroup   `json:"groups"`
}

// Open reads the state kept under c.Dir. No server runs until Recover.
func Open(c Config) (*Service, error) {
	if c.ResolveImage == nil || c.Objects == nil || c.Metrics == nil {
		return nil, errors.New("open sagemaker: Config needs ResolveImage, Objects and Metrics")
	}
	c.setDefaults()
	s := &Service{config: c, endpoints: map[string]*endpoint{}, client: &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute, DisableCompression: true}}}
	s.context, s.cancel = context.WithCancel(context.Background())
	s.random.source = rand.New(rand.NewPCG(c.Seed[0], c.Seed[1]))
	s.state = state{map[string]*Model{}, map[string]*EndpointConfig{}, map[string]*endpointRecord{}, map[string]*packageGroup{}}
	if _, err := durable.ReadJSON(s.statePath(), &s.state); err != nil {
		return nil, fmt.Errorf("open sagemaker: %w", err)
	}
	if err := s.usage.open(filepath.Join(c.Dir, "usage.json")); err != nil {
		return nil, fmt.Errorf("open sagemaker: %w", err)
	}
	for name, record := range s.state.Endpoints {
		s.endpoints[name] = newEndpoint(record)
	}
	return s, nil
}

func (s *Service) statePath() string { return filepath.Join(s.config.Dir, "state.json") }

// save keeps the state; s.mu is held.
func (s *Service) save() error { return durable.WriteJSON(s.statePath(), s.state) }

func (s *Service) logf(format string, args ...any) {
	fmt.Fprintf(s.config.Log, format+"\n", args...)
}

func (s *Service) arn(kind, name string) string {
	return fmt.Sprintf("arn:aws:sagemaker:%s:%s:%s/%s", s.config.Region, s.config.Account, kind, name)
}

// Flush publishes the metrics collected so far, writes captured data that is
// old enough, and keeps the usage totals. The stack calls it about once a
// second, before CloudWatch's Evaluate.
func (s *Service) Flush(ctx context.Context, now time.Time) error {
	s.accountInstances(now)
	return errors.Join(s.meters.flush(s.config.Metrics), s.flushCaptures(ctx, now, false), s.usage.save())
}

// Close stops every server, with SIGTERM first, and writes what is collected.
// The endpoints stay as they are: a later Recover starts them again.
func (s *Service) Close(ctx context.Context) error {
	s.cancel()
	s.working.Wait()
	s.mu.Lock()
	var fleets []*fleet
	for _, e := range s.endpoints {
		for _, f := range e.fleets {
			fleets = append(fleets, f)
		}
	}
	s.mu.Unlock()
	now := s.config.Now()
	s.accountInstances(now)
	stopAll(fleets)
	return errors.Join(s.meters.flush(s.config.Metrics), s.flushCaptures(ctx, now, true), s.usage.save())
}

// API serves the control plane, AWS JSON 1.1.
func (s *Service) API() http.Handler {
	return wire.JSON("SageMaker", map[string]wire.Operation{
		"CreateModel":                        wire.Op(s.createModel),
		"DescribeModel":                      wire.Op(s.describeModel),
		"DeleteModel":                        wire.Op(s.deleteModel),
		"CreateEndpointConfig":               wire.Op(s.createEndpointConfig),
		"DescribeEndpointConfig":             wire.Op(s.describeEndpointConfig),
		"DeleteEndpointConfig":               wire.Op(s.deleteEndpointConfig),
		"ListEndpointConfigs":                wire.Op(s.listEndpointConfigs),
		"CreateEndpoint":                     wire.Op(s.createEndpoint),
		"UpdateEndpoint":                     wire.Op(s.updateEndpoint),
		"UpdateEndpointWeightsAndCapacities": wire.Op(s.updateWeights),
		"DescribeEndpoint":                   wire.Op(s.describeEndpoint),
		"ListEndpoints":                      wire.Op(s.listEndpoints),
		"DeleteEndpoint":                     wire.Op(s.deleteEndpoint),
		"CreateModelPackageGroup":            wire.Op(s.createModelPackageGroup),
		"DescribeModelPackageGroup":          wire.Op(s.describeModelPackageGroup),
		"CreateModelPackage":                 wire.Op(s.createModelPackage),
		"DescribeModelPackage":               wire.Op(s.describeModelPackage),
		"ListModelPackages":                  wire.Op(s.listModelPackages),
		"UpdateModelPackage":                 wire.Op(s.updateModelPackage),
	})
}

var entityName = regexp.MustCompile(`^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$`)

func checkName(member, name string) error {
	if !entityName.MatchString(name) {
		return invalid("1 validation error detected: Value %q at %q failed to satisfy constraint: want 1 to 63 letters, digits and inner hyphens", name, member)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return wire.Errorf("ValidationException", format, args...)
}
