package lambda

import (
	"cmp"
	"io"
	"net/http"
	"time"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// What the API changes of a function here lasts until the stack stops: the next
// start makes the function as the template declares it.

// unreservedMinimum is what AWS keeps of the account's concurrency for functions
// without a reservation.
const unreservedMinimum = 100

func (s *Service) management() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"PUT /2015-03-31/functions/{name}/configuration":            s.serve(http.StatusOK, s.updateConfiguration),
		"PUT /2017-10-31/functions/{name}/concurrency":              s.serve(http.StatusOK, s.putConcurrency),
		"GET /2019-09-30/functions/{name}/concurrency":              s.serve(http.StatusOK, s.getConcurrency),
		"DELETE /2017-10-31/functions/{name}/concurrency":           s.serve(http.StatusNoContent, s.deleteConcurrency),
		"GET /2015-03-31/functions/{name}/policy":                   s.serve(http.StatusOK, s.getPolicy),
		"POST /2015-03-31/functions/{name}/policy":                  s.serve(http.StatusCreated, s.addPermission),
		"DELETE /2015-03-31/functions/{name}/policy/{sid}":          s.serve(http.StatusNoContent, s.removePermission),
		"PUT /2019-09-25/functions/{name}/event-invoke-config":      s.serve(http.StatusOK, s.putEventInvoke),
		"POST /2019-09-25/functions/{name}/event-invoke-config":     s.serve(http.StatusOK, s.updateEventInvoke),
		"GET /2019-09-25/functions/{name}/event-invoke-config":      s.serve(http.StatusOK, s.getEventInvoke),
		"DELETE /2019-09-25/functions/{name}/event-invoke-config":   s.serve(http.StatusNoContent, s.deleteEventInvoke),
		"GET /2019-09-25/functions/{name}/event-invoke-config/list": s.serve(http.StatusOK, s.listEventInvoke),
		"POST /2021-11-15/functions/{name}/response-streaming-invocations": func(w http.ResponseWriter, r *http.Request) {
			writeError(w, r, &wire.Error{Code: "UnknownOperationException", Status: http.StatusNotFound,
				Message: "the local stack's Lambda does not stream responses (InvokeWithResponseStream); use Invoke"})
		},
	}
}

// serve adapts an operation on one function; it gets the body and the request.
func (s *Service) serve(status int, operation func(f *function, body []byte, r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		out, err := s.operate(operation, r)
		switch {
		case err != nil:
			writeError(w, r, err)
		case status == http.StatusNoContent:
			w.WriteHeader(status)
		default:
			wire.WriteJSON(w, r, status, out)
		}
	}
}

func (s *Service) operate(operation func(*function, []byte, *http.Request) (any, error), r *http.Request) (any, error) {
	f, err := s.resolve(name(r))
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxPayload))
	if err != nil {
		return nil, wire.Errorf("InvalidRequestContentException", "read the request: %v", err)
	}
	return operation(f, body, r)
}

func invalidParameter(format string, args ...any) error {
	return wire.Errorf("InvalidParameterValueException", format, args...)
}

// update is UpdateFunctionConfiguration's body: what is there is changed.
type update struct {
	Timeout          *int
	MemorySize       *int
	Description      *string
	Handler          *string
	Role             *string
	Environment      *struct{ Variables map[string]string }
	DeadLetterConfig *struct{ TargetArn string }
	TracingConfig    *struct{ Mode string }
	EphemeralStorage *struct{ Size int }
	LoggingConfig    *loggingConfig
	Runtime          *string
}

// updateConfiguration gives a function a new configuration: the next invocations
// start cold.
func (s *Service) updateConfiguration(f *function, body []byte, _ *http.Request) (any, error) {
	var u update
	if err := wire.DecodeStrict(body, &u); err != nil {
		return nil, err
	}
	s.mutex.Lock()
	next, reserved := *f.config, f.reserved
	s.mutex.Unlock()
	u.apply(&next)
	if err := check(next.properties(u)); err != nil {
		return nil, invalidParameter("%v", err)
	}
	s.put(&next, reserved)
	return describe(&next)
}

func (u update) apply(c *config) {
	set(&c.description, u.Description)
	set(&c.handler, u.Handler)
	set(&c.role, u.Role)
	set(&c.memoryMB, u.MemorySize)
	if u.Timeout != nil {
		c.timeout = time.Duration(*u.Timeout) * time.Second
	}
	if u.Environment != nil {
		c.variables = u.Environment.Variables
	}
	if u.DeadLetterConfig != nil {
		c.deadLetter = u.DeadLetterConfig.TargetArn
	}
	if u.TracingConfig != nil {
		c.tracing = u.TracingConfig.Mode
	}
	if u.EphemeralStorage != nil {
		c.storageMB = u.EphemeralStorage.Size
	}
	if l := u.LoggingConfig; l != nil {
		c.logging = loggingConfig{LogFormat: cmp.Or(l.LogFormat, c.logging.LogFormat), LogGroup: cmp.Or(l.LogGroup, c.logging.LogGroup),
			ApplicationLogLevel: cmp.Or(l.ApplicationLogLevel, c.logging.ApplicationLogLevel), SystemLogLevel: cmp.Or(l.SystemLogLevel, c.logging.SystemLogLevel)}
	}
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// properties gives the configuration as the template would declare it, so that
// both are judged alike.
func (c *config) properties(u update) properties {
	seconds := int(c.timeout / time.Second)
	p := properties{FunctionName: c.name, Runtime: "provided.al2023", MemorySize: &c.memoryMB, Timeout: &seconds,
		Architectures: []string{architecture()}, LoggingConfig: c.logging}
	set(&p.Runtime, u.Runtime)
	p.Environment.Variables, p.EphemeralStorage.Size, p.TracingConfig.Mode = c.variables, c.storageMB, c.tracing
	return p
}

type concurrency struct {
	ReservedConcurrentExecutions *int `json:",omitempty"`
}

func (s *Service) getConcurrency(f *function, _ []byte, _ *http.Request) (any, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return concurrency{f.reserved}, nil
}

func (s *Service) putConcurrency(f *function, body []byte, _ *http.Request) (any, error) {
	var in concurrency
	if err := wire.DecodeStrict(body, &in); err != nil {
		return nil, err
	}
	if in.ReservedConcurrentExecutions == nil || *in.ReservedConcurrentExecutions < 0 {
		return nil, invalidParameter("ReservedConcurrentExecutions: want 0 or more")
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	reserved := *in.ReservedConcurrentExecutions
	for _, other := range s.functions {
		if other != f && other.reserved != nil {
			reserved += *other.reserved
		}
	}
	if s.options.Concurrency-reserved < unreservedMinimum {
		return nil, invalidParameter("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", unreservedMinimum)
	}
	f.reserved = in.ReservedConcurrentExecutions
	return in, nil
}

func (s *Service) deleteConcurrency(f *function, _ []byte, _ *http.Request) (any, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	f.reserved = nil
	return nil, nil
}
