package s3

import (
	"context"
	"encoding/xml"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"

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
			DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return s.dial(ctx) },
			MaxIdleConnsPerHost: 256, DisableCompression: true,
		},
		BufferPool: &buffers{pool: sync.Pool{New: func() any { return make([]byte, 64<<10) }}},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			writeError(w, r, &wire.Error{Code: "ServiceUnavailable", Status: http.StatusServiceUnavailable, Message: err.Error()})
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		switch {
		case query.Has("lifecycle"):
			s.lifecycle(w, r)
		case r.Header.Get("X-Amz-Copy-Source") != "" && (r.Header.Get("If-Match") != "" || r.Header.Get("If-None-Match") != ""):
			writeError(w, r, &wire.Error{Code: "NotImplemented", Status: http.StatusNotImplemented,
				Message: "the local stack does not implement If-Match and If-None-Match on CopyObject; use PutObject"})
		default:
			proxy.ServeHTTP(&asWritten{ResponseWriter: w}, r)
		}
	})
}

// asWritten gives header fields the spelling that S3 gives them: clients take
// the names of user metadata from it, and S3 has them in lower case, where Go
// writes X-Amz-Meta-Name. It also drops ids that the gateway says twice.
type asWritten struct{ http.ResponseWriter }

func (w *asWritten) WriteHeader(status int) {
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

type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte  { return b.pool.Get().([]byte) }
func (b *buffers) Put(p []byte) { b.pool.Put(p) } //nolint:staticcheck // a slice header is small

// writeError answers in S3's error shape.
func writeError(w http.ResponseWriter, r *http.Request, e *wire.Error) {
	_, _ = io.Copy(io.Discard, r.Body)
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

// lifecycle answers GetBucketLifecycleConfiguration from what the template
// declared. Changing it through the API is refused.
func (s *Service) lifecycle(w http.ResponseWriter, r *http.Request) {
	bucket := strings.Trim(r.URL.Path, "/")
	if r.Method != http.MethodGet {
		writeError(w, r, &wire.Error{Code: "NotImplemented", Status: http.StatusNotImplemented,
			Message: "the local stack reads lifecycle rules from the template only"})
		return
	}
	kept, ok := s.buckets.All()[bucket]
	if !ok || len(kept.Lifecycle) == 0 {
		writeError(w, r, &wire.Error{Code: "NoSuchLifecycleConfiguration", Status: http.StatusNotFound,
			Message: "The lifecycle configuration does not exist"})
		return
	}
	body, err := xml.Marshal(struct {
		XMLName xml.Name           `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LifecycleConfiguration"`
		Rules   []lifecycleRuleXML `xml:"Rule"`
	}{Rules: lifecycleXML(kept.Lifecycle)})
	if err != nil {
		writeError(w, r, &wire.Error{Code: "InternalError", Status: http.StatusInternalServerError, Message: err.Error()})
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	_, _ = w.Write(body)
}
