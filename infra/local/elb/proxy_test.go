package elb

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// front makes a load balancer with a listener that forwards to one target.
func (b *bench) front(port int, handle http.HandlerFunc) (lb, listener, group string) {
	lb, group = b.balancer("web"), b.group("blue")
	if handle != nil {
		b.serve("one", "10.0.0.1", 8080, handle)
		b.register(group, "10.0.0.1", 8080)
	}
	listener = b.listener(lb, port, weights(0, group, 1))
	return lb, listener, group
}

func TestHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		var got *http.Request
		lb, listener, _ := b.front(8000, func(w http.ResponseWriter, r *http.Request) {
			got = r.Clone(t.Context())
			w.Header().Set("Keep-Alive", "timeout=1")
			w.Header().Set("X-Of-Target", "1")
			w.Header()["Content-Type"] = nil
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, "<html>")
		})
		settle()
		url, client := b.url(listener), b.client(true)
		answer := b.get(client, url+"/a%2Fb/../c?x=1;y&%zz", "Host", "example.com", "X-Forwarded-For", "203.0.113.7", "X-Forwarded-Proto", "https",
			"X-Forwarded-Host", "h", "Connection", "X-Hop", "X-Hop", "1", "Te", "trailers", "X-Amzn-Trace-Id", "Self=1-2-3;Root=1-a-b;Sampled=1", "X-Kept", "k")
		require.Equal(t, http.StatusTeapot, answer.status)
		require.Equal(t, "<html>", answer.body)
		require.Equal(t, "1", answer.header.Get("X-Of-Target"))
		require.Empty(t, answer.header.Get("Keep-Alive"), "of the hop, not of the answer")
		require.Empty(t, answer.header.Get("Server"), "the target's or none")
		require.NotContains(t, answer.header, "Content-Type", "the target's or none")
		require.Equal(t, "/a%2Fb/../c?x=1;y&%zz", got.RequestURI)
		require.Equal(t, "example.com:8000", got.Host)
		h := got.Header
		require.Equal(t, "203.0.113.7, 127.0.0.1", h.Get("X-Forwarded-For"))
		require.Equal(t, "http", h.Get("X-Forwarded-Proto"))
		require.Equal(t, "8000", h.Get("X-Forwarded-Port"))
		require.Equal(t, "h", h.Get("X-Forwarded-Host"))
		require.Equal(t, "k", h.Get("X-Kept"))
		require.Empty(t, h.Get("X-Hop"))
		require.Regexp(t, `^Self=1-[0-9a-f]{8}-[0-9a-f]{24};Root=1-a-b;Sampled=1$`, h.Get("X-Amzn-Trace-Id"))

		b.get(client, url+"/", "Host", "example.com:81")
		require.Equal(t, "example.com:81", got.Host)
		require.Equal(t, "127.0.0.1", got.Header.Get("X-Forwarded-For"))
		require.Regexp(t, `^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$`, got.Header.Get("X-Amzn-Trace-Id"))
		require.Equal(t, fmt.Sprintf("%08x", time.Now().Unix()), got.Header.Get("X-Amzn-Trace-Id")[7:15])

		set := func(pairs ...Attribute) {
			_, err := b.modifyBalancerAttributes(t.Context(), modifyBalancerAttributesIn{lb, pairs})
			require.NoError(t, err)
		}
		set(Attribute{forwardedMode, "preserve"}, Attribute{preserveHost, "true"})
		b.get(client, url, "Host", "example.com", "X-Forwarded-For", "203.0.113.7")
		require.Equal(t, "203.0.113.7", got.Header.Get("X-Forwarded-For"))
		require.Equal(t, "example.com", got.Host)
		set(Attribute{forwardedMode, "remove"})
		b.get(client, url, "X-Forwarded-For", "203.0.113.7")
		require.NotContains(t, got.Header, "X-Forwarded-For")
		set(Attribute{forwardedMode, "append"}, Attribute{forwardedPort, "true"})
		b.get(client, url)
		require.Equal(t, "127.0.0.1:54321", got.Header.Get("X-Forwarded-For"))
	})
}

// TestBadTargets: what the load balancer answers for a target that does not.
func TestBadTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		lb, group := b.balancer("web"), b.group("blue")
		listener := b.listener(lb, 80, weights(0, group, 1))
		url, client := b.url(listener), b.client(false)
		answer := b.get(client, url)
		require.Equal(t, 503, answer.status)
		require.Equal(t, "awselb/2.0", answer.header.Get("Server"))
		require.Equal(t, "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n</body>\r\n</html>\r\n", answer.body)

		for port, c := range map[int]struct {
			status int
			after  time.Duration
			speak  func(net.Conn, *bufio.Reader)
		}{
			7000: {502, 0, nil}, // nobody listens
			7001: {502, 0, func(c net.Conn, r *bufio.Reader) {
				_, _ = http.ReadRequest(r)
				_, _ = c.Write([]byte("nonsense\r\n\r\n"))
			}},
			7002: {502, 0, func(c net.Conn, r *bufio.Reader) { _, _ = http.ReadRequest(r) }}, // it hangs up
			7003: {504, time.Minute, func(c net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) }},
		} {
			if c.speak != nil {
				b.raw(port, c.speak)
			}
			b.register(group, "127.0.0.1", port)
			began := time.Now()
			require.Equal(t, c.status, b.get(client, url).status, port)
			require.Equal(t, c.after, time.Since(began), port)
			require.NoError(t, b.Deregister(t.Context(), group, "127.0.0.1", port))
		}
		b.network.silent["127.0.0.1:7004"] = true
		b.register(group, "127.0.0.1", 7004)
		began := time.Now()
		require.Equal(t, 504, b.get(client, url).status)
		require.Equal(t, 10*time.Second, time.Since(began), "AWS gives up connecting after 10 seconds")
		request, err := http.NewRequestWithContext(t.Context(), http.MethodTrace, url, nil)
		require.NoError(t, err)
		response, err := client.Do(request)
		require.NoError(t, err)
		response.Body.Close()
		require.Equal(t, http.StatusMethodNotAllowed, response.StatusCode)

		require.NoError(t, b.Flush(t.Context(), time.Now()))
		for name, want := range map[string]float64{"HTTPCode_ELB_5XX_Count": 6, "HTTPCode_ELB_502_Count": 3, "HTTPCode_ELB_503_Count": 1, "HTTPCode_ELB_504_Count": 2,
			"HTTPCode_ELB_4XX_Count": 1, "RequestCount": 5, "TargetConnectionErrorCount": 3, "HTTPCode_Target_5XX_Count": 0} {
			sum, _ := b.metrics.total(name, "LoadBalancer")
			require.Equal(t, want, sum, name)
		}
	})
}

// TestStreams: bodies pass piece by piece both ways, and the idle timeout counts
// from the last piece.
func TestStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		lb, listener, _ := b.front(80, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/stall" {
				_, _ = io.WriteString(w, "first")
				w.(http.Flusher).Flush()
				<-r.Context().Done()
				return
			}
			if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
				panic(err)
			}
			for line := range bytesLines(r.Body) {
				_, _ = fmt.Fprintf(w, "echo %s\n", line)
				w.(http.Flusher).Flush()
			}
			w.Header().Set(http.TrailerPrefix+"X-Sum", "7")
		})
		_, err := b.modifyBalancerAttributes(t.Context(), modifyBalancerAttributesIn{lb, []Attribute{{idleTimeout, "10"}}})
		require.NoError(t, err)
		settle()
		client := b.client(true)
		reader, writer := io.Pipe()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url(listener), reader)
		require.NoError(t, err)
		go func() { _, _ = io.WriteString(writer, "one\n") }()
		response, err := client.Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		lines := bufio.NewScanner(response.Body)
		require.True(t, lines.Scan())
		require.Equal(t, "echo one", lines.Text())
		for range 3 {
			time.Sleep(9 * time.Second) // three times under the timeout
			_, err := io.WriteString(writer, "more\n")
			require.NoError(t, err)
			require.True(t, lines.Scan())
			require.Equal(t, "echo more", lines.Text())
		}
		require.NoError(t, writer.Close())
		require.False(t, lines.Scan())
		require.NoError(t, lines.Err())
		require.Equal(t, "7", response.Trailer.Get("X-Sum"))

		silent, silence := io.Pipe()
		began := time.Now()
		late, err := client.Post(b.url(listener), "text/plain", silent)
		require.NoError(t, err)
		late.Body.Close()
		require.Equal(t, http.StatusRequestTimeout, late.StatusCode, "the client sent nothing")
		require.Equal(t, 10*time.Second, time.Since(began))
		require.NoError(t, silence.Close())

		began = time.Now()
		stalled, err := client.Get(b.url(listener) + "/stall")
		require.NoError(t, err)
		defer stalled.Body.Close()
		text, err := io.ReadAll(stalled.Body)
		require.Equal(t, "first", string(text))
		require.Error(t, err, "the answer was cut off")
		require.Equal(t, 10*time.Second, time.Since(began))
	})
}

func bytesLines(r io.Reader) func(func(string) bool) {
	return func(yield func(string) bool) {
		for lines := bufio.NewScanner(r); lines.Scan(); {
			if !yield(lines.Text()) {
				return
			}
		}
	}
}

// TestConnections: clients keep theirs, and the load balancer keeps its to the
// target, until the client's is too old.
func TestConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		opened := map[string]bool{}
		lb, listener, _ := b.front(80, nil)
		_, err := b.modifyBalancerAttributes(t.Context(), modifyBalancerAttributesIn{lb, []Attribute{{clientKeepAlive, "60"}}})
		require.NoError(t, err)
		connections := 0
		b.raw(7000, func(c net.Conn, r *bufio.Reader) {
			for n := 0; ; n++ {
				request, err := http.ReadRequest(r)
				if err != nil {
					return
				}
				if request.URL.Path != "/ping" && n == 0 {
					connections++
				}
				_, _ = io.Copy(io.Discard, request.Body)
				_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
			}
		})
		b.register(b.groupNamed("blue"), "127.0.0.1", 7000)
		settle()
		client := b.client(true)
		for range 10 {
			answer := b.get(client, b.url(listener))
			require.Equal(t, "ok", answer.body)
			opened[answer.header.Get("Connection")] = true
		}
		require.Equal(t, 1, connections)
		require.Equal(t, map[string]bool{"": true}, opened)
		time.Sleep(50 * time.Second)
		b.get(client, b.url(listener))
		time.Sleep(50 * time.Second)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url(listener), nil)
		require.NoError(t, err)
		response, err := client.Do(request)
		require.NoError(t, err)
		response.Body.Close()
		require.True(t, response.Close, "100 seconds are more than the keep-alive of 60")
	})
}

func (b *bench) groupNamed(name string) string {
	out, err := b.describeGroups(b.t.Context(), describeGroupsIn{Names: []string{name}})
	require.NoError(b.t, err)
	return out.TargetGroups[0].TargetGroupArn
}

// TestUpgrade: after 101 the connection is the client's and the target's.
func TestUpgrade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		_, listener, group := b.front(80, nil)
		b.raw(7000, func(c net.Conn, r *bufio.Reader) {
			request, err := http.ReadRequest(r)
			if err != nil || request.Header.Get("Upgrade") != "echo" {
				return
			}
			_, _ = c.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"))
			_, _ = io.Copy(c, r)
		})
		b.register(group, "127.0.0.1", 7000)
		connection, err := b.network.Dial(t.Context(), "tcp", strings.TrimPrefix(b.url(listener), "http://"))
		require.NoError(t, err)
		defer connection.Close()
		_, err = connection.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"))
		require.NoError(t, err)
		reader := bufio.NewReader(connection)
		response, err := http.ReadResponse(reader, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
		time.Sleep(5 * time.Minute) // longer than the idle timeout of requests
		_, err = connection.Write([]byte("hello\n"))
		require.NoError(t, err)
		line, err := reader.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "hello\n", line)
	})
}

// TestClientGone: a request that nobody waits for ends at the target too.
func TestClientGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		ended := make(chan error, 1)
		_, listener, _ := b.front(80, func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			ended <- r.Context().Err()
		})
		settle()
		client := b.client(false)
		client.Timeout = time.Second
		_, err := client.Get(b.url(listener))
		var timeout net.Error
		require.True(t, errors.As(err, &timeout) && timeout.Timeout(), err)
		require.Error(t, <-ended)
	})
}

func TestFixedAndRedirect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		lb := b.balancer("web")
		listener := b.listener(lb, 80, []Action{{Type: typeFixed, FixedResponseConfig: &FixedResponse{StatusCode: "404", MessageBody: "nothing"}}})
		url, client := b.url(listener), b.client(false)
		answer := b.get(client, url)
		require.Equal(t, 404, answer.status)
		require.Equal(t, "nothing", answer.body)
		require.Equal(t, "text/plain; charset=utf-8", answer.header.Get("Content-Type"))
		require.Equal(t, "awselb/2.0", answer.header.Get("Server"))
		for i, c := range []struct {
			redirect Redirect
			location string
		}{
			{Redirect{Protocol: "HTTPS", Port: "443"}, "https://example.com:443/a%20b/c?x=1&y"},
			{Redirect{Host: "new.#{host}"}, "http://new.example.com:80/a%20b/c?x=1&y"},
			{Redirect{Path: "/v2/#{path}", Query: "#{query}&v=2"}, "http://example.com:80/v2/a%20b/c?x=1&y&v=2"},
			{Redirect{Path: "/fixed", Query: "none", Port: "8443"}, "http://example.com:8443/fixed?none"},
		} {
			c.redirect.StatusCode = "HTTP_302"
			_, err := b.modifyListener(t.Context(), modifyListenerIn{ListenerArn: listener, DefaultActions: []Action{{Type: typeRedirect, RedirectConfig: &c.redirect}}})
			require.NoError(t, err)
			settle()
			answer := b.get(client, url+"/a%20b/c?x=1&y", "Host", "example.com:99")
			require.Equal(t, http.StatusFound, answer.status)
			require.Equal(t, c.location, answer.header.Get("Location"), i)
		}
		require.NoError(t, b.Flush(t.Context(), time.Now()))
		sum, _ := b.metrics.total("HTTP_Redirect_Count", "LoadBalancer")
		require.Equal(t, 4.0, sum)
		sum, _ = b.metrics.total("RequestCount", "LoadBalancer")
		require.Zero(t, sum, "no target was chosen")
	})
}
