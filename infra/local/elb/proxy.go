package elb

import (
	"context"
	"errors"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// proxy passes requests on to targets and their answers back.
type proxy struct {
	service *Service
	reverse *httputil.ReverseProxy
	targets *http.Transport // for requests
	checks  *http.Transport // for health checks
	log     *log.Logger
}

// Why a request to a target was given up.
var (
	errIdle      = errors.New("nothing came or went within the idle timeout")
	errRemoved   = errors.New("the target's deregistration delay is over")
	errNoHost    = errors.New("no process of this stack has the address")
	errNoConnect = errors.New("the target took no connection in time")
)

func newProxy(s *Service) *proxy {
	p := &proxy{service: s, log: log.New(s.config.Log, "elb: ", 0)}
	p.targets = &http.Transport{DialContext: p.dial, MaxIdleConns: 4096, MaxIdleConnsPerHost: 1024, IdleConnTimeout: time.Minute,
		DisableCompression: true, ExpectContinueTimeout: time.Second, MaxResponseHeaderBytes: 64 << 10}
	p.checks = &http.Transport{DialContext: s.config.Dial, DisableKeepAlives: true, DisableCompression: true}
	p.reverse = &httputil.ReverseProxy{Transport: p.targets, Rewrite: rewrite, ModifyResponse: answered, ErrorHandler: failed,
		BufferPool: &buffers{}, ErrorLog: p.log}
	return p
}

func (p *proxy) close() {
	p.targets.CloseIdleConnections()
	p.checks.CloseIdleConnections()
}

// dial connects within ConnectTimeout.
func (p *proxy) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.service.config.ConnectTimeout, errNoConnect)
	defer cancel()
	connection, err := p.service.config.Dial(ctx, network, address)
	if err != nil && errors.Is(context.Cause(ctx), errNoConnect) {
		return nil, errNoConnect
	}
	return connection, err
}

// buffers are reused for copying bodies.
type buffers struct{ pool sync.Pool }

const bufferBytes = 32 << 10

func (b *buffers) Get() []byte {
	if buffer, ok := b.pool.Get().(*[bufferBytes]byte); ok {
		return buffer[:]
	}
	return make([]byte, bufferBytes)
}

func (b *buffers) Put(buffer []byte) { b.pool.Put((*[bufferBytes]byte)(buffer)) }

// exchange is one request on its way to a target and back.
type exchange struct {
	front    *front
	settings *frontSettings
	pool     *pool
	member   *member
	address  string
	group    time.Duration // for how long the client is to stay at the group; 0: not
	began    time.Time     // when the request left for the target
	idle     *time.Timer
	body     *progress // of the request; nil: there is none
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// ServeHTTP answers one request by the listener's rules.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	settings := f.balancer.settings.Load()
	if since, ok := r.Context().Value(connectedAt{}).(time.Time); ok && f.service.config.Now().Sub(since) > settings.keepAlive {
		w.Header().Set("Connection", "close")
	}
	if r.Method == http.MethodTrace || r.Method == http.MethodConnect {
		f.refuse(w, http.StatusMethodNotAllowed)
		return
	}
	switch a := f.routes.Load().find(r); {
	case a.fixed != nil:
		f.count("HTTP_Fixed_Response_Count")
		writeFixed(w, a.fixed)
	case a.redirect != nil:
		f.redirect(w, r, a.redirect)
	default:
		f.forward(w, r, a.forward, settings)
	}
}

// forward passes a request on to a target of one of the groups.
func (f *front) forward(w http.ResponseWriter, r *http.Request, to *forward, settings *frontSettings) {
	x := &exchange{front: f, settings: settings, group: to.sticky, pool: f.group(r, to)}
	if x.pool != nil {
		x.member = f.target(r, x.pool)
	}
	if x.member == nil {
		f.refuse(w, http.StatusServiceUnavailable)
		return
	}
	x.member.outstanding.Add(1)
	defer x.member.outstanding.Add(-1)
	x.count("RequestCount", 1)
	x.countPerTarget()
	x.pass(w, r)
}

// group picks the target group: the one the client sticks to, or one by weight.
func (f *front) group(r *http.Request, to *forward) *pool {
	if len(to.groups) == 1 && to.total > 0 {
		return to.groups[0].pool
	}
	if to.sticky > 0 {
		if arn, ok := f.service.cookies.get(r, groupCookie, f.service.config.Now()); ok {
			if p := to.weighted(arn); p != nil {
				return p
			}
		}
	}
	if to.total == 0 {
		return nil
	}
	return to.draw(f.service.random.IntN(to.total))
}

// target picks the target: the one the client sticks to, or the next.
func (f *front) target(r *http.Request, p *pool) *member {
	if p.settings.Load().sticky > 0 {
		if what, ok := f.service.cookies.get(r, targetCookie, f.service.config.Now()); ok {
			if group, key, _ := strings.Cut(what, " "); group == p.arn {
				if m := p.sticky(key); m != nil {
					return m
				}
			}
		}
	}
	return p.choose()
}

// pass sends the request to the target and its answer to the client.
func (x *exchange) pass(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancelCause(context.WithValue(r.Context(), exchangeKey{}, x))
	defer cancel(nil)
	giveUp := cancel
	if r.Body != nil && r.Body != http.NoBody {
		giveUp = unblock(w, cancel)
		x.body = &progress{ReadCloser: r.Body, x: x}
	}
	x.idle = time.AfterFunc(x.settings.idle, func() { giveUp(errIdle) })
	defer x.idle.Stop()
	stop := context.AfterFunc(x.member.removed, func() { giveUp(errRemoved) })
	defer stop()
	r = r.WithContext(ctx)
	if x.body != nil {
		r.Body = x.body
	}
	x.began = x.front.service.config.Now()
	if done := x.drill(w, r); done {
		return
	}
	var err error
	if x.address, err = x.front.service.address(x.member.id, x.member.port); err != nil {
		failed(w, r, err)
		return
	}
	w.Header()["Content-Type"] = nil // the target's or none, never a guess
	x.front.service.proxy.reverse.ServeHTTP(w, r)
}

// unblock makes giving up end a read of the request's body too, which may wait
// for a client that sends nothing. The answer may begin before the body ends.
func unblock(w http.ResponseWriter, cancel context.CancelCauseFunc) context.CancelCauseFunc {
	control := http.NewResponseController(w)
	_ = control.EnableFullDuplex() // an HTTP/1 server's writer can
	return func(cause error) {
		cancel(cause)
		_ = control.SetReadDeadline(time.Unix(1, 0))
	}
}

// progress is a body whose every piece restarts the idle timeout.
type progress struct {
	io.ReadCloser
	x     *exchange
	ended atomic.Bool // it was read to its end
}

func (p *progress) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	if errors.Is(err, io.EOF) {
		p.ended.Store(true)
	}
	p.x.idle.Reset(p.x.settings.idle)
	return n, err
}

// rewrite makes the request that the target gets.
func rewrite(p *httputil.ProxyRequest) {
	x := exchangeOf(p.In.Context())
	p.Out.URL.Scheme, p.Out.URL.Host = "http", x.address
	p.Out.URL.RawQuery = p.In.URL.RawQuery // as it came, be it parsable or not
	p.Out.Host = x.host(p.In.Host)
	in, out := p.In.Header, p.Out.Header
	for _, name := range []string{"Forwarded", "X-Forwarded-Host"} {
		if v, ok := in[name]; ok {
			out[name] = v
		}
	}
	x.forwardedFor(p.In, out)
	out.Set("X-Forwarded-Proto", "http")
	out.Set("X-Forwarded-Port", strconv.Itoa(x.front.port))
	out.Set("X-Amzn-Trace-Id", trace(in.Get("X-Amzn-Trace-Id"), x.began))
}

// host is the Host header for the target: with the listener's port unless that
// is a default one, or as it came.
func (x *exchange) host(host string) string {
	if x.settings.preserveHost || x.front.port == 80 || x.front.port == 443 || hostname(host) != host {
		return host
	}
	return host + ":" + strconv.Itoa(x.front.port)
}

func (x *exchange) forwardedFor(in *http.Request, out http.Header) {
	const name = "X-Forwarded-For"
	before := in.Header[name]
	switch x.settings.forwardedMode {
	case "remove":
		return
	case "preserve":
		if len(before) > 0 {
			out[name] = before
		}
		return
	}
	client := clientIP(in)
	if x.settings.forwardedPort {
		client = in.RemoteAddr
	}
	out.Set(name, strings.Join(append(before[:len(before):len(before)], client), ", "))
}

// trace gives the trace header: a new root, or the client's root with this hop
// as Self.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-request-tracing.html
func trace(before string, now time.Time) string {
	const digits = "0123456789abcdef"
	id := make([]byte, 0, 35)
	id = append(id, "1-"...)
	for shift := 28; shift >= 0; shift -= 4 {
		id = append(id, digits[now.Unix()>>shift&15])
	}
	id = append(id, '-')
	for range 24 {
		id = append(id, digits[rand.IntN(16)])
	}
	var kept []string
	root := false
	for field := range strings.SplitSeq(before, ";") {
		field = strings.TrimSpace(field)
		root = root || strings.HasPrefix(field, "Root=")
		if field != "" && !strings.HasPrefix(field, "Self=") {
			kept = append(kept, field)
		}
	}
	name := "Root="
	if root {
		name = "Self="
	}
	return strings.Join(append([]string{name + string(id)}, kept...), ";")
}

// answered takes the target's answer into account before it is passed on.
func answered(response *http.Response) error {
	x := exchangeOf(response.Request.Context())
	x.observe(response.StatusCode)
	x.stick(response.Header)
	if response.StatusCode == http.StatusSwitchingProtocols {
		x.idle.Stop() // from here it is a connection of its own
		return nil
	}
	x.idle.Reset(x.settings.idle)
	response.Body = &progress{ReadCloser: response.Body, x: x}
	return nil
}

// stick gives the client the cookies that keep it where it is.
func (x *exchange) stick(h http.Header) {
	s := x.front.service
	if x.group > 0 {
		s.cookies.set(h, groupCookie, x.pool.arn, s.config.Now(), x.group)
	}
	if sticky := x.pool.settings.Load().sticky; sticky > 0 {
		s.cookies.set(h, targetCookie, x.pool.arn+" "+x.member.key(), s.config.Now(), sticky)
	}
}

// failed answers for a target that gave no answer.
func failed(w http.ResponseWriter, r *http.Request, err error) {
	x := exchangeOf(r.Context())
	cause := context.Cause(r.Context())
	if x.body != nil && !x.body.ended.Load() {
		w.Header().Set("Connection", "close") // what is left of the body is in the way
	}
	switch {
	case errors.Is(cause, errIdle) && x.body != nil && !x.body.ended.Load():
		x.front.refuse(w, http.StatusRequestTimeout) // it is the client that was silent
	case errors.Is(cause, errIdle), errors.Is(err, errNoConnect):
		x.front.refuse(w, http.StatusGatewayTimeout)
	case errors.Is(cause, context.Canceled):
		panic(http.ErrAbortHandler) // the client is gone
	default:
		if !errors.Is(cause, errRemoved) {
			x.count("TargetConnectionErrorCount", 1)
		}
		x.front.refuse(w, http.StatusBadGateway)
	}
}
