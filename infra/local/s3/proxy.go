package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"syscall"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// newProxy hands requests to the gateway exactly as they were signed: the same
// host, path and headers. What the gateway would ignore in silence, or cannot
// know, is answered here.
func (s *Service) newProxy() http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "s3"})
			r.Out.Host = r.In.Host
		},
		Transport: &http.Transport{
			DialContext:         s.dialPatiently,
			MaxIdleConnsPerHost: 256, DisableCompression: true,
		},
		BufferPool: &buffers{pool: sync.Pool{New: func() any { return make([]byte, 64<<10) }}},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			writeError(w, r, &wire.Error{Code: "ServiceUnavailable", Status: http.StatusServiceUnavailable, Message: err.Error()})
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refused := s.refusal(r); refused != nil {
			writeError(w, r, refused)
			return
		}
		r, err := s.asVersion4(r)
		if err != nil {
			writeError(w, r, err)
			return
		}
		if r.URL.Query().Has("lifecycle") {
			s.lifecycle(w, r, proxy)
			return
		}
		proxy.ServeHTTP(&asWritten{ResponseWriter: w, body: r.Body}, r)
	})
}

// asWritten gives header fields the spelling that S3 gives them: clients take
// the names of user metadata from it, and S3 has them in lower case, where Go
// writes X-Amz-Meta-Name. It also drops ids that the gateway says twice.
//
// A refusal waits for the end of the request's body: many clients read no answer
// before they have sent all, and would see a broken pipe instead.
type asWritten struct {
	http.ResponseWriter
	body io.Reader // of the request; may be nil
}

func (w *asWritten) WriteHeader(status int) {
	if status >= http.StatusBadRequest && w.body != nil {
		_, _ = io.Copy(io.Discard, w.body)
	}
	h := w.Header()
	for name, values := range h {
		switch {
		case strings.HasPrefix(name, "X-Amz-Meta-"):
			delete(h, name)
			h[strings.ToLower(name)] = values
		case name == "X-Amz-Request-Id", name == "X-Amz-Id-2":
			h[name] = values[:1]
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets the proxy flush.
func (w *asWritten) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// dialPatiently connects to the gateway. When it refuses a request it reads little
// of the body and closes the connection, with its answer on the way: the rest of
// the body is then written to nowhere, and the answer is read.
func (s *Service) dialPatiently(ctx context.Context, _, _ string) (net.Conn, error) {
	conn, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	return patient{conn}, nil
}

type patient struct{ net.Conn }

func (c patient) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return len(p), nil
	}
	return n, err
}

type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte  { return b.pool.Get().([]byte) }
func (b *buffers) Put(p []byte) { b.pool.Put(p) } //nolint:staticcheck // a slice header is small

// writeError answers in S3's error shape.
func writeError(w http.ResponseWriter, r *http.Request, e *wire.Error) {
	if r.Body != nil { // it is nil where the client went away
		_, _ = io.Copy(io.Discard, r.Body)
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(e.Status)
	body, err := xml.Marshal(struct {
		XMLName  xml.Name `xml:"Error"`
		Code     string
		Message  string
		Resource string
	}{Code: e.Code, Message: e.Message, Resource: r.URL.Path})
	if err == nil {
		_, _ = w.Write(body)
	}
}
