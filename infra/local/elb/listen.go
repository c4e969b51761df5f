package elb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// balancer is a load balancer at work.
type balancer struct {
	arn, full, dns string
	settings       atomic.Pointer[frontSettings]
}

// domain ends the DNS names of load balancers. What ends in localhost is this
// machine, by RFC 6761.
const domain = ".elb.localhost"

func newBalancer(record *loadBalancer) *balancer {
	b := &balancer{arn: record.ARN, full: fullName(record.ARN), dns: dnsName(record)}
	b.configure(record)
	return b
}

func (b *balancer) configure(record *loadBalancer) {
	settings := frontSettingsOf(record)
	b.settings.Store(&settings)
}

func dnsName(b *loadBalancer) string {
	hash := b.ARN[strings.LastIndexByte(b.ARN, '/')+1:]
	name := strings.ToLower(b.Name) + "-" + hash[:min(10, len(hash))] + domain
	if b.Scheme == schemeInternal {
		name = "internal-" + name
	}
	return name
}

// front is a listener at work.
type front struct {
	service  *Service
	arn      string
	balancer *balancer
	port     int // the listener's, which requests are told of
	server   *http.Server
	routes   atomic.Pointer[routes]

	mu      sync.Mutex
	version int // of the routes that were made last
	current int // of the routes that requests follow
}

// listen opens a listener's port and serves it; s.mu is held. The port is kept
// in the record.
func (s *Service) listen(l *listener) error {
	opened, err := s.openPort(l)
	if err != nil {
		return fmt.Errorf("listener %s: %w", l.ARN, err)
	}
	_, port, err := net.SplitHostPort(opened.Addr().String())
	if err == nil {
		l.LocalPort, err = strconv.Atoi(port)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("listener %s: %w", l.ARN, err), opened.Close())
	}
	f := &front{service: s, arn: l.ARN, balancer: s.balancers[l.LoadBalancer], port: l.Port}
	f.routes.Store(s.compile(l))
	f.server = &http.Server{Handler: f, ReadHeaderTimeout: time.Minute, IdleTimeout: f.balancer.settings.Load().idle,
		MaxHeaderBytes: 64 << 10, ErrorLog: s.proxy.log, ConnContext: s.connected}
	s.fronts[l.ARN] = f
	s.working.Go(func() {
		if err := f.server.Serve(opened); !errors.Is(err, http.ErrServerClosed) {
			s.logf("elb: listener %s ended: %v", l.ARN, err)
		}
	})
	return nil
}

// openPort opens the port that the listener had before, its own if that needs no
// privilege, or any.
func (s *Service) openPort(l *listener) (net.Listener, error) {
	wish := l.LocalPort
	if wish == 0 && l.Port >= 1024 {
		wish = l.Port
	}
	if wish == 0 {
		return s.config.Listen(0)
	}
	opened, err := s.config.Listen(wish)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return opened, err
	}
	if l.LocalPort != 0 {
		s.logf("elb: port %d of listener %s is taken by another process: it gets another port", wish, l.ARN)
	}
	return s.config.Listen(0)
}

func loopback(port int) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}

// connectedAt is the key of the time at which a connection was made.
type connectedAt struct{}

func (s *Service) connected(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, connectedAt{}, s.config.Now())
}

// publish lets requests follow the listener's rules as they are now, after the
// propagation delay; s.mu is held.
func (s *Service) publish(listenerARN string) {
	f := s.fronts[listenerARN]
	next := s.compile(s.state.Listeners[listenerARN])
	f.mu.Lock()
	f.version++
	version := f.version
	f.mu.Unlock()
	if s.config.PropagationDelay < 0 {
		f.follow(next, version)
		return
	}
	time.AfterFunc(s.config.PropagationDelay, func() { f.follow(next, version) })
}

// follow routes by r unless newer routes are followed already.
func (f *front) follow(r *routes, version int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if version > f.current {
		f.current = version
		f.routes.Store(r)
	}
}

// unlisten closes a listener's port; requests in progress may end. s.mu is held.
func (s *Service) unlisten(arn string) {
	if f := s.fronts[arn]; f != nil {
		delete(s.fronts, arn)
		s.working.Go(f.close)
	}
}

func (f *front) close() {
	ctx, cancel := context.WithTimeout(context.Background(), f.service.config.CloseGrace)
	defer cancel()
	if err := f.server.Shutdown(ctx); err != nil {
		if err := f.server.Close(); err != nil {
			f.service.logf("elb: close listener %s: %v", f.arn, err)
		}
	}
}

// attach tells every pool whether it is in use; s.mu is held.
func (s *Service) attach() {
	for arn, p := range s.pools {
		p.use(len(s.users(arn)) > 0)
	}
}

// Host gives the handler for requests whose Host header names a load balancer,
// at whatever port: that of its listener on port 80 or else on its lowest port.
func (s *Service) Host(host string) (http.Handler, bool) {
	name := strings.ToLower(hostname(host))
	if !strings.HasSuffix(name, domain) {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for arn, b := range s.balancers {
		listeners := s.listenersOf(arn)
		if b.dns != name || len(listeners) == 0 {
			continue
		}
		for _, l := range listeners {
			if l.Port == 80 {
				return s.fronts[l.ARN], true
			}
		}
		return s.fronts[listeners[0].ARN], true
	}
	return nil, false
}

// Address is where a listener is reached.
type Address struct {
	LoadBalancer string `json:"load_balancer"`
	Listener     string `json:"listener"` // its ARN
	DNSName      string `json:"dns_name"`
	Port         int    `json:"port"` // the listener's
	URL          string `json:"url"`  // where it really listens
}

// Addresses lists the listeners by load balancer and port.
func (s *Service) Addresses() []Address {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Address{}
	for _, arn := range sorted(s.state.LoadBalancers) {
		b := s.state.LoadBalancers[arn]
		for _, l := range s.listenersOf(arn) {
			out = append(out, Address{b.Name, l.ARN, dnsName(b), l.Port, "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(l.LocalPort))})
		}
	}
	return out
}
