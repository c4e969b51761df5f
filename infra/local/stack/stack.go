package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/sluice-ml/sluice/infra/local/assembly"
	"github.com/sluice-ml/sluice/infra/local/faults"
)

// Stack is a stack that is up.
type Stack struct {
	options    Options
	template   *assembly.Template
	services   *Services
	deployment *assembly.Deployment
	listener   net.Listener
	server     *http.Server
	release    func()
	started    time.Time
	faults     *faults.Injector

	stop    context.CancelFunc
	tickers sync.WaitGroup
	once    sync.Once
	closing error
}

// Up opens the services, deploys the template into them and serves them. On a
// directory that was used before it carries on with what is there. The errors
// say what to do; nothing is left running after one.
func Up(ctx context.Context, o Options) (*Stack, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	cloud, err := assembly.Open(o.Assembly)
	if err != nil {
		return nil, err
	}
	template, err := cloud.Stack(o.Stack)
	if err != nil {
		return nil, err
	}
	release, err := lock(o.Dir)
	if err != nil {
		return nil, err
	}
	listener, err := listen(o.Port)
	if err != nil {
		release()
		return nil, err
	}
	s := &Stack{template: template, listener: listener, release: release, started: o.Now(), faults: &faults.Injector{Seed: o.Seed}}
	o.Now = s.faults.Clock(o.Now)
	s.options = o
	if err := s.up(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Faults is what goes wrong on request in this stack.
func (s *Stack) Faults() *faults.Injector { return s.faults }

func (s *Stack) up(ctx context.Context) error {
	var err error
	if s.services, err = openServices(ctx, s.options, s.template, s.URL(), s.faults); err != nil {
		return err
	}
	if s.deployment, err = assembly.Deploy(ctx, s.template, s.services.creators(s.template.Assets)); err != nil {
		return err
	}
	// Connections that came meanwhile wait; from here they are answered. What is
	// recovered may call back.
	s.server = &http.Server{Handler: s.frontDoor(), ReadHeaderTimeout: 30 * time.Second}
	go func() { _ = s.server.Serve(s.listener) }()
	if err := s.services.recover(ctx, s.options.Log); err != nil {
		return err
	}
	running, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.tickers.Go(func() { s.tick(running) })
	// Tasks may call back, and load balancers must find them healthy: services
	// become steady only now.
	return s.services.ECS.AwaitStable(ctx)
}

// tickInterval is how often alarms are judged, schedules fired and deliveries
// retried.
const tickInterval = time.Second

func (s *Stack) tick(ctx context.Context) {
	ticker := time.NewTicker(tickInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := s.services.tick(ctx, s.options.Now()); err != nil && ctx.Err() == nil {
				s.options.Log.Error("periodic work failed; it is tried again in a second", "error", err)
			}
		}
	}
}

// URL is what AWS_ENDPOINT_URL is set to.
func (s *Stack) URL() string { return "http://" + s.listener.Addr().String() }

// Outputs gives the template's outputs.
func (s *Stack) Outputs() map[string]string { return s.deployment.Outputs }

// Resources lists what the template became, in the order of creation.
func (s *Stack) Resources() []assembly.Made { return s.deployment.Resources }

// Services gives the services themselves.
func (s *Stack) Services() *Services { return s.services }

// closeGrace is how long requests in progress may take at shutdown.
const closeGrace = 5 * time.Second

// Close takes no more requests, lets those in progress end, stops the services
// and their processes, and gives the directory free. Executions that are running
// carry on at the next Up. Calling it again gives the same result.
func (s *Stack) Close() error {
	s.once.Do(func() { s.closing = s.close() })
	return s.closing
}

func (s *Stack) close() error {
	defer s.release()
	var failed []error
	if s.stop != nil {
		s.stop()
		s.tickers.Wait()
	}
	if s.services != nil {
		s.services.quiesce()
	}
	if s.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
		defer cancel()
		if err := s.server.Shutdown(ctx); err != nil {
			failed = append(failed, s.server.Close())
		}
	} else {
		failed = append(failed, s.listener.Close())
	}
	if s.services != nil {
		failed = append(failed, s.services.close())
	}
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("take the stack in %s down: %w", filepath.Base(s.options.Dir), err)
	}
	return nil
}
