package elb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/infra/local/cloudwatch"
)

// memory is a network without sockets, so that synctest can advance the clock
// while everybody waits. It is this machine's loopback and, by tasks, a VPC.
type memory struct {
	mu        sync.Mutex
	listeners map[string]*memoryListener
	tasks     map[string]string // private address → where it is dialled
	next      int
	silent    map[string]bool // takes no connection and refuses none
}

func newMemory() *memory {
	return &memory{listeners: map[string]*memoryListener{}, tasks: map[string]string{}, silent: map[string]bool{}, next: 40000}
}

type memoryListener struct {
	network *memory
	address string
	accept  chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func (m *memory) Listen(port int) (net.Listener, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if port == 0 {
		m.next++
		port = m.next
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	if m.listeners[address] != nil {
		return nil, &net.OpError{Op: "listen", Err: syscall.EADDRINUSE}
	}
	l := &memoryListener{network: m, address: address, accept: make(chan net.Conn), closed: make(chan struct{})}
	m.listeners[address] = l
	return l, nil
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.network.mu.Lock()
		defer l.network.mu.Unlock()
		delete(l.network.listeners, l.address)
	})
	return nil
}

func (l *memoryListener) Addr() net.Addr { return memoryAddress(l.address) }

type memoryAddress string

func (a memoryAddress) Network() string { return "tcp" }
func (a memoryAddress) String() string  { return string(a) }

type memoryConn struct{ net.Conn }

func (memoryConn) RemoteAddr() net.Addr { return memoryAddress("127.0.0.1:54321") }

func (m *memory) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	m.mu.Lock()
	l, silent := m.listeners[address], m.silent[address]
	m.mu.Unlock()
	if silent {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if l == nil {
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}
	client, server := net.Pipe()
	select {
	case l.accept <- memoryConn{server}:
		return client, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *memory) Address(id string, port int) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	address, ok := m.tasks[fmt.Sprintf("%s:%d", id, port)]
	return address, ok
}

// vpc has three subnets in two zones, another VPC's, and two security groups.
type vpc struct{}

func (vpc) Subnet(id string) (vpc, zone string, ok bool) {
	switch id {
	case "subnet-a", "subnet-a2":
		return "vpc-1", "us-east-1a", true
	case "subnet-b":
		return "vpc-1", "us-east-1b", true
	case "subnet-other":
		return "vpc-2", "us-east-1c", true
	}
	return "", "", false
}

func (vpc) SecurityGroup(id string) (string, bool) {
	return map[string]string{"sg-1": "vpc-1", "sg-2": "vpc-2"}[id], id == "sg-1" || id == "sg-2"
}

// sink keeps the metrics.
type sink struct {
	mu   sync.Mutex
	data []cloudwatch.Datum
}

func (s *sink) Put(namespace string, data ...cloudwatch.Datum) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if namespace != Namespace {
		return errors.New(namespace)
	}
	s.data = append(s.data, data...)
	return nil
}

// total gives a metric's sum and count; dimensions as in "LoadBalancer", "TargetGroup" or "TargetGroup LoadBalancer".
func (s *sink) total(name, dimensions string) (sum, count float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.data {
		var names []string
		for _, one := range d.Dimensions {
			names = append(names, one.Name)
		}
		if d.Name != name || strings.Join(names, " ") != dimensions {
			continue
		}
		for i, v := range d.Values {
			sum += v * d.Counts[i]
			count += d.Counts[i]
		}
	}
	return sum, count
}

// bench is a service on a memory network.
type bench struct {
	t *testing.T
	*Service
	network *memory
	metrics *sink
	config  Config
	log     *lockedBuffer
}

type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func open(t *testing.T, change ...func(*Config)) *bench {
	t.Helper()
	b := &bench{t: t, network: newMemory(), metrics: &sink{}, log: &lockedBuffer{}}
	b.config = Config{Dir: t.TempDir(), Region: "us-east-1", Account: "000000000000", Stack: "Demo", Network: b.network, Subnets: vpc{}, Metrics: b.metrics,
		Seed: &[2]uint64{1, 2}, Log: b.log, Listen: b.network.Listen, Dial: b.network.Dial}
	for _, f := range change {
		f(&b.config)
	}
	b.reopen()
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func (b *bench) reopen() {
	b.t.Helper()
	s, err := Open(b.config)
	require.NoError(b.t, err)
	b.Service = s
}

func to[T any](v T) *T { return &v }

// balancer makes a load balancer.
func (b *bench) balancer(name string) string {
	b.t.Helper()
	out, err := b.createBalancer(b.t.Context(), createBalancerIn{Name: name, Subnets: []string{"subnet-a", "subnet-b"}, SecurityGroups: []string{"sg-1"}})
	require.NoError(b.t, err)
	return out.LoadBalancers[0].LoadBalancerArn
}

// quick is a health check as quick as AWS allows.
func quick() checkIn {
	return checkIn{HealthCheckIntervalSeconds: to(5), HealthCheckTimeoutSeconds: to(2), HealthyThresholdCount: to(3), UnhealthyThresholdCount: to(2), HealthCheckPath: to("/ping")}
}

func (b *bench) group(name string) string {
	b.t.Helper()
	out, err := b.createGroup(b.t.Context(), createGroupIn{Name: name, Port: to(8080), Protocol: "HTTP", TargetType: "ip", VpcId: "vpc-1", checkIn: quick()})
	require.NoError(b.t, err)
	return out.TargetGroups[0].TargetGroupArn
}

// weights makes a forward action; sticky is in seconds, 0 is none.
func weights(sticky int, pairs ...any) []Action {
	config := &ForwardConfig{}
	for i := 0; i < len(pairs); i += 2 {
		config.TargetGroups = append(config.TargetGroups, WeightedGroup{pairs[i].(string), to(pairs[i+1].(int))})
	}
	if sticky > 0 {
		config.TargetGroupStickinessConfig = &GroupStickiness{true, &sticky}
	}
	return []Action{{Type: typeForward, ForwardConfig: config}}
}

func (b *bench) listener(balancer string, port int, actions []Action) string {
	b.t.Helper()
	out, err := b.createListener(b.t.Context(), createListenerIn{LoadBalancerArn: balancer, Port: &port, Protocol: "HTTP", DefaultActions: actions})
	require.NoError(b.t, err)
	return out.Listeners[0].ListenerArn
}

// backend is a server that answers with its name.
type backend struct {
	name     string
	address  string
	ill      atomic.Bool // /ping answers 503
	handle   http.HandlerFunc
	requests atomic.Int64
	server   *http.Server
}

// serve starts a backend; as a task it has a private address, otherwise 127.0.0.1.
func (b *bench) serve(name, id string, port int, handle http.HandlerFunc) *backend {
	b.t.Helper()
	own := 0
	if strings.HasPrefix(id, "127.") {
		own = port
	}
	listener, err := b.network.Listen(own)
	require.NoError(b.t, err)
	if own == 0 {
		b.network.mu.Lock()
		b.network.tasks[fmt.Sprintf("%s:%d", id, port)] = listener.Addr().String()
		b.network.mu.Unlock()
	}
	one := &backend{name: name, address: listener.Addr().String(), handle: handle}
	one.server = &http.Server{Handler: one}
	go func() { _ = one.server.Serve(listener) }()
	b.t.Cleanup(func() { _ = one.server.Close() })
	return one
}

func (one *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/ping" {
		if one.ill.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return
	}
	one.requests.Add(1)
	if one.handle != nil {
		one.handle(w, r)
		return
	}
	_, _ = io.WriteString(w, one.name)
}

func (b *bench) register(arn, id string, port int) {
	b.t.Helper()
	require.NoError(b.t, b.Register(b.t.Context(), arn, id, port))
}

func (b *bench) health(arn, id string, port int) string {
	b.t.Helper()
	state, reason, err := b.TargetHealth(arn, id, port)
	require.NoError(b.t, err)
	return strings.TrimSpace(state + " " + reason)
}

// client talks to a listener; every request is on a connection of its own
// unless it keeps them.
func (b *bench) client(keep bool) *http.Client {
	transport := &http.Transport{DialContext: b.network.Dial, DisableKeepAlives: !keep, DisableCompression: true}
	b.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// url is where a listener really is.
func (b *bench) url(listener string) string {
	b.t.Helper()
	for _, a := range b.Addresses() {
		if a.Listener == listener {
			return a.URL
		}
	}
	b.t.Fatalf("no listener %s", listener)
	return ""
}

type reply struct {
	status int
	body   string
	header http.Header
}

func (b *bench) get(client *http.Client, url string, headers ...string) reply {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, url, nil)
	require.NoError(b.t, err)
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			request.Host = headers[i+1]
		}
		request.Header.Add(headers[i], headers[i+1])
	}
	response, err := client.Do(request)
	require.NoError(b.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(b.t, err)
	return reply{response.StatusCode, string(body), response.Header}
}

// raw is a backend that speaks for itself.
func (b *bench) raw(port int, speak func(net.Conn, *bufio.Reader)) {
	b.t.Helper()
	listener, err := b.network.Listen(port)
	require.NoError(b.t, err)
	b.t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				speak(c, bufio.NewReader(c))
			}()
		}
	}()
}

// settle lets changes of rules reach requests, and health checks end.
func settle() { time.Sleep(1500 * time.Millisecond) }
