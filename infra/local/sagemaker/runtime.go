package sagemaker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// The runtime's headers.
// https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
const (
	headerTarget     = "X-Amzn-SageMaker-Target-Variant"
	headerInference  = "X-Amzn-SageMaker-Inference-Id"
	headerAttributes = "X-Amzn-SageMaker-Custom-Attributes"
	headerInvoked    = "X-Amzn-Invoked-Production-Variant"
)

// refusedHeaders would change where a request goes or what it means.
var refusedHeaders = []string{"X-Amzn-SageMaker-Target-Model", "X-Amzn-SageMaker-Target-Container-Hostname", "X-Amzn-SageMaker-Session-Id",
	"X-Amzn-SageMaker-Inference-Component", "X-Amzn-SageMaker-Enable-Explanations", "X-Amzn-SageMaker-Prefix-Aware-Id"}

// maxPayload is SageMaker's limit on the body of a real-time request.
const maxPayload = 25 << 20

// Runtime serves InvokeEndpoint: POST /endpoints/{name}/invocations.
func (s *Service) Runtime() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /endpoints/{name}/invocations", s.invoke)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		wire.WriteJSONError(w, r, wire.Errorf("UnknownOperationException", "the local stack's SageMaker runtime does not serve %s %s; the nearest request here is POST /endpoints/{name}/invocations", r.Method, r.URL.Path))
	})
	return mux
}

// invocation is one request on its way.
type invocation struct {
	endpoint string
	began    time.Time
	body     []byte
	header   http.Header
	route    *route
	variant  *routed
	copied   bool // for the shadow: nobody waits for its answer
}

// answer is what came back from a container, or the reason that nothing did.
type answer struct {
	status  int // 0 when the container did not answer
	header  http.Header
	body    []byte
	latency time.Duration
	err     error
}

func (s *Service) invoke(w http.ResponseWriter, r *http.Request) {
	in, err := s.accept(w, r)
	if err != nil {
		wire.WriteJSONError(w, r, err)
		return
	}
	s.mirror(in)
	a := s.ask(r.Context(), in)
	s.record(in, a)
	if err := s.reply(w, r, in, a); err != nil {
		wire.WriteJSONError(w, r, err)
	}
}

func (s *Service) accept(w http.ResponseWriter, r *http.Request) (*invocation, error) {
	in := &invocation{endpoint: r.PathValue("name"), began: s.config.Now(), header: r.Header}
	for _, name := range refusedHeaders {
		if r.Header.Get(name) != "" {
			return nil, wire.Errorf("ValidationError", "the local stack does not support the header %s", name)
		}
	}
	s.mu.Lock()
	e := s.endpoints[in.endpoint]
	s.mu.Unlock()
	if e != nil {
		in.route = e.route.Load()
	}
	if in.route == nil {
		return nil, wire.Errorf("ValidationError", "Endpoint %s of account %s not found.", in.endpoint, s.config.Account)
	}
	if err := s.target(in); err != nil {
		return nil, err
	}
	var err error
	if in.body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxPayload)); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return nil, &wire.Error{Code: "PayloadTooLarge", Message: fmt.Sprintf("the body is larger than %d bytes", maxPayload), Status: http.StatusRequestEntityTooLarge}
		}
		return nil, wire.Errorf("ValidationError", "read the body: %v", err)
	}
	return in, nil
}

func (s *Service) target(in *invocation) error {
	name := in.header.Get(headerTarget)
	if name == "" {
		in.variant = in.route.choose(s.random.Float64())
		return nil
	}
	if in.variant = in.route.named(name); in.variant == nil {
		return wire.Errorf("ValidationError", "Variant %s not found for endpoint %s of account %s.", name, in.endpoint, s.config.Account)
	}
	return nil
}

// ask sends the request to an instance. A fault of the variant is added to the
// container's answer.
func (s *Service) ask(ctx context.Context, in *invocation) answer {
	began := s.config.Now()
	a := s.forward(ctx, in)
	if f, ok := s.faults.get(in.endpoint, in.variant.name); ok {
		if err := pause(ctx, f.Delay); err != nil {
			a = answer{err: err}
		} else if a.err == nil && s.random.Float64() < f.ErrorRate {
			a = answer{status: http.StatusInternalServerError, header: http.Header{}, body: []byte("injected fault")}
		} else if a.err == nil && a.status == http.StatusOK && s.random.Float64() < f.WrongRate {
			a.body = wrong(a.body)
			a.header.Del("Content-Length")
		}
	}
	a.latency = s.config.Now().Sub(began)
	return a
}

var errNoInstance = errors.New("no instance is ready")

func (s *Service) forward(ctx context.Context, in *invocation) answer {
	i := s.pick(in)
	if i == nil {
		return answer{err: errNoInstance}
	}
	defer i.release()
	ctx, cancel := context.WithTimeout(ctx, s.config.RequestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, i.url("/invocations"), bytes.NewReader(in.body))
	if err != nil {
		return answer{err: err}
	}
	for _, name := range []string{"Content-Type", "Accept", headerAttributes} {
		if v := in.header.Get(name); v != "" {
			request.Header.Set(name, v)
		}
	}
	response, err := s.client.Do(request)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxPayload+1))
	if err == nil && len(body) > maxPayload {
		err = fmt.Errorf("the answer is larger than %d bytes", maxPayload)
	}
	return answer{status: response.StatusCode, header: response.Header, body: body, err: err}
}

// pick finds a ready instance. The route may have been replaced, and its fleet
// stopped, since the request came in: then the new route's variant of the same
// name, or a newly drawn one, takes it.
func (s *Service) pick(in *invocation) *instance {
	if in.variant.fleet != nil {
		if i := in.variant.fleet.pick(); i != nil {
			return i
		}
	}
	if in.copied {
		return nil
	}
	s.mu.Lock()
	e := s.endpoints[in.endpoint]
	s.mu.Unlock()
	if e == nil {
		return nil
	}
	r := e.route.Load()
	if r == nil || r == in.route {
		return nil
	}
	in.route = r
	if v := r.named(in.variant.name); v != nil {
		in.variant = v
	} else if in.header.Get(headerTarget) == "" {
		in.variant = r.choose(s.random.Float64())
	}
	if in.variant.fleet == nil {
		return nil
	}
	return in.variant.fleet.pick()
}

// record counts the answer and captures it.
func (s *Service) record(in *invocation, a answer) {
	now := s.config.Now()
	class := a.class()
	in.variant.meter.observe(now, class, a.latency, now.Sub(in.began)-a.latency)
	s.usage.request(in.endpoint, in.variant.name, class)
	if class == classOK {
		s.captureAnswer(in, a, now)
	}
}

const (
	classOK = iota
	class4XX
	class5XX
)

func (a answer) class() int {
	switch {
	case a.err != nil || a.status >= 500 || a.status < 200:
		return class5XX
	case a.status >= 400:
		return class4XX
	}
	return classOK
}

// modelError is the runtime's 424: what a container said that was not success.
type modelError struct {
	Message            string `json:"Message"`
	OriginalStatusCode int    `json:"OriginalStatusCode"`
	OriginalMessage    string `json:"OriginalMessage"`
	LogStreamArn       string `json:"LogStreamArn"`
}

func (s *Service) reply(w http.ResponseWriter, r *http.Request, in *invocation, a answer) error {
	w.Header().Set(headerInvoked, in.variant.name)
	switch {
	case errors.Is(a.err, errNoInstance):
		return &wire.Error{Code: "ServiceUnavailable", Status: http.StatusServiceUnavailable,
			Message: fmt.Sprintf("no instance of variant %s of endpoint %s is ready", in.variant.name, in.endpoint)}
	case a.err != nil:
		s.writeModelError(w, r, in, fmt.Sprintf("Received server error (0) from primary with message %q.", a.err), a)
		return nil
	case a.class() != classOK:
		kind := "client"
		if a.class() == class5XX {
			kind = "server"
		}
		s.writeModelError(w, r, in, fmt.Sprintf("Received %s error (%d) from primary with message \"%s\".", kind, a.status, a.body), a)
		return nil
	}
	for _, name := range []string{"Content-Type", headerAttributes} {
		if v := a.header.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	w.Header().Set("X-Amzn-RequestId", wire.RequestID())
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(a.body)
	return nil
}

func (s *Service) writeModelError(w http.ResponseWriter, r *http.Request, in *invocation, message string, a answer) {
	group := "/aws/sagemaker/Endpoints/" + in.endpoint
	w.Header().Set("X-Amzn-ErrorType", "ModelError")
	wire.WriteJSON(w, r, http.StatusFailedDependency, modelError{
		Message:            message + " See " + group + " in account " + s.config.Account + " for more information.",
		OriginalStatusCode: a.status,
		OriginalMessage:    strings.ToValidUTF8(string(a.body), "\uFFFD"),
		LogStreamArn:       fmt.Sprintf("arn:aws:logs:%s:%s:log-group:%s", s.config.Region, s.config.Account, group),
	})
}
