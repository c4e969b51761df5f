// Package serving answers predictions over HTTP as SageMaker wants it of a
// model container.
//
// GET /ping is 200 while the server takes requests. POST /invocations takes
// instances as text/csv (with a header, or without one in the features'
// order), application/json ({"instances": [{…}, […]]}) or application/x-ndjson
// (an instance a line), and answers a score per instance: the probability of
// the positive class (binary), the predicted number (regression), or what orders
// the rows of a query, the highest first (ranking). A multiclass model answers
// the likeliest class and the probability of each. GET /metrics is Prometheus
// text.
//
// What a client sent wrong is 400, 413 or 415 with {"error": …} that names the
// instance, the feature and the value; nothing is answered half.
package serving

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-ml/sluice/shared/model"
)

// DefaultMaxBody is the longest body that is read, in bytes: what
// InvokeEndpoint allows.
const DefaultMaxBody = 25 << 20

// Server answers for one model.
type Server struct {
	artifact *model.Artifact
	answers  *names
	maxBody  int64
	now      func() time.Time
	draining atomic.Bool
	metrics  metrics
	batches  sync.Pool // *batch
}

// New makes a server. maxBody is in bytes.
func New(artifact *model.Artifact, maxBody int64, now func() time.Time) *Server {
	return &Server{artifact: artifact, answers: namesOf(artifact.Schema), maxBody: maxBody, now: now,
		batches: sync.Pool{New: func() any { return new(batch) }}}
}

// Drain makes /ping answer 503, so that no new traffic is sent here.
func (s *Server) Drain() { s.draining.Store(true) }

// Handler routes the paths.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ping", s.ping)
	mux.HandleFunc("POST /invocations", s.invoke)
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		s.metrics.write(w, s.artifact)
	})
	return mux
}

func (s *Server) ping(w http.ResponseWriter, _ *http.Request) {
	if s.draining.Load() {
		http.Error(w, "shutting down", http.StatusServiceUnavailable)
	}
}

// clientError is what a client can mend.
type clientError struct {
	status int
	err    error
}

func (e *clientError) Error() string { return e.err.Error() }

func bad(format string, args ...any) error {
	return &clientError{http.StatusBadRequest, fmt.Errorf(format, args...)}
}

func (s *Server) invoke(w http.ResponseWriter, r *http.Request) {
	start := s.now()
	b := s.batches.Get().(*batch)
	defer s.batches.Put(b)
	status := http.StatusOK
	contentType, err := s.predictSafely(b, w, r)
	if err != nil {
		b.out, status, contentType = refusal(b.out, err)
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(b.out)))
	w.WriteHeader(status)
	_, _ = w.Write(b.out) // a client that has gone away is no error of ours
	s.metrics.observe(status, len(b.scores)/s.artifact.Schema.Outputs(), s.now().Sub(start))
}

func refusal(out []byte, err error) (body []byte, status int, contentType string) {
	status = http.StatusInternalServerError
	if client, ok := errors.AsType[*clientError](err); ok {
		status = client.status
	}
	answer := map[string]string{"error": err.Error()}
	if value, ok := errors.AsType[*model.ValueError](err); ok {
		answer["feature"] = value.Feature
	}
	text, _ := json.Marshal(answer) // a map of strings always encodes
	return append(append(out[:0], text...), '\n'), status, "application/json"
}

// predictSafely turns a bug into an answer: a request that makes the server
// panic is a 500 that is counted, not a connection that just ends.
func (s *Server) predictSafely(b *batch, w http.ResponseWriter, r *http.Request) (contentType string, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("the server failed on this request: %v", problem)
		}
	}()
	return s.predict(b, w, r)
}

// Unwrap gives the cause.
func (e *clientError) Unwrap() error { return e.err }

// predict reads the request and writes the answer to b.out.
func (s *Server) predict(b *batch, w http.ResponseWriter, r *http.Request) (contentType string, err error) {
	b.reset(s.artifact.Schema, s.answers)
	if err := b.readBody(http.MaxBytesReader(w, r.Body, s.maxBody), s.maxBody); err != nil {
		return "", err
	}
	form, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		form = r.Header.Get("Content-Type")
	}
	if err := b.decode(form); err != nil {
		return "", err
	}
	n := len(b.rows) / len(s.artifact.Schema.Features) * s.artifact.Schema.Outputs()
	if cap(b.scores) < n {
		b.scores = make([]float32, n)
	}
	b.scores = b.scores[:n]
	s.artifact.Trees.PredictBatch(b.rows, b.scores)
	return b.encode(form), nil
}

func (b *batch) readBody(body io.Reader, limit int64) error {
	if _, err := b.body.ReadFrom(body); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return &clientError{http.StatusRequestEntityTooLarge, fmt.Errorf("the body has more than %d bytes: send fewer instances at once", limit)}
		}
		return bad("the body ended early: %w", err)
	}
	return nil
}
