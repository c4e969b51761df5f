package lambda

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// What the API changes of a function here lasts until the stack stops: the next
// start makes the function as the template declares it.

// unreservedMinimum is what AWS keeps of the account's concurrency for functions
// without a reservation.
const unreservedMinimum = 100

func (s *Service) manage(mux *http.ServeMux) {
	mux.HandleFunc("PUT /2015-03-31/functions/{name}/configuration", s.serve(http.StatusOK, s.updateConfiguration))
	mux.HandleFunc("PUT /2017-10-31/functions/{name}/concurrency", s.serve(http.StatusOK, s.putConcurrency))
	mux.HandleFunc("GET /2019-09-30/functions/{name}/concurrency", s.serve(http.StatusOK, s.getConcurrency))
	mux.HandleFunc("DELETE /2017-10-31/functions/{name}/concurrency", s.serve(http.StatusNoContent, s.deleteConcurrency))
	mux.HandleFunc("GET /2015-03-31/functions/{name}/policy", s.serve(http.StatusOK, s.getPolicy))
	mux.HandleFunc("POST /2015-03-31/functions/{name}/policy", s.serve(http.StatusCreated, s.addPermission))
	mux.HandleFunc("DELETE /2015-03-31/functions/{name}/policy/{sid}", s.serve(http.StatusNoContent, s.removePermission))
	mux.HandleFunc("PUT /2019-09-25/functions/{name}/event-invoke-config", s.serve(http.StatusOK, s.putEventInvoke))
	mux.HandleFunc("POST /2019-09-25/functions/{name}/event-invoke-config", s.serve(http.StatusOK, s.updateEventInvoke))
	mux.HandleFunc("GET /2019-09-25/functions/{name}/event-invoke-config", s.serve(http.StatusOK, s.getEventInvoke))
	mux.HandleFunc("DELETE /2019-09-25/functions/{name}/event-invoke-config", s.serve(http.StatusNoContent, s.deleteEventInvoke))
	mux.HandleFunc("GET /2019-09-25/functions/{name}/event-invoke-config/list", s.serve(http.StatusOK, s.listEventInvoke))
	mux.HandleFunc("POST /2021-11-15/functions/{name}/response-streaming-invocations", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, r, &wire.Error{Code: "UnknownOperationException", Status: http.StatusNotFound,
			Message: "the local stack's Lambda does not stream responses (InvokeWithResponseStream); use Invoke"})
	})
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

// statement is one permission of a function's policy, as GetPolicy writes it.
type statement struct {
	Sid       string
	Effect    string
	Principal any // a service, an account, or "*"
	Action    string
	Resource  string
	Condition map[string]map[string]string `json:",omitempty"`
}

func (p permission) statement(sid, arn string) statement {
	out := statement{Sid: sid, Effect: "Allow", Action: p.action, Resource: arn, Principal: map[string]string{"Service": p.principal}}
	switch {
	case p.principal == "*":
		out.Principal = "*"
	case len(p.principal) == 12:
		out.Principal = map[string]string{"AWS": "arn:aws:iam::" + p.principal + ":root"}
	}
	conditions := map[string]map[string]string{}
	if p.sourceARN != "" {
		conditions["ArnLike"] = map[string]string{"AWS:SourceArn": p.sourceARN}
	}
	if p.sourceAccount != "" {
		conditions["StringEquals"] = map[string]string{"AWS:SourceAccount": p.sourceAccount}
	}
	if len(conditions) > 0 {
		out.Condition = conditions
	}
	return out
}

// revision names a state of the policy.
func revision(policy []byte) string {
	sum := sha256.Sum256(policy)
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// policy gives the function's resource policy; nil when it has none. Callers
// hold the mutex.
func (f *function) policy() ([]byte, error) {
	if len(f.permissions) == 0 {
		return nil, nil
	}
	var statements []statement
	for sid, p := range f.permissions {
		statements = append(statements, p.statement(sid, f.config.arn))
	}
	slices.SortFunc(statements, func(a, b statement) int { return cmp.Compare(a.Sid, b.Sid) })
	return json.Marshal(struct {
		Version, Id string
		Statement   []statement
	}{"2012-10-17", "default", statements})
}

func (s *Service) getPolicy(f *function, _ []byte, _ *http.Request) (any, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	policy, err := f.policy()
	if err != nil {
		return nil, err
	}
	if policy == nil {
		return nil, &wire.Error{Code: "ResourceNotFoundException", Status: http.StatusNotFound, Message: "The resource you requested does not exist."}
	}
	return map[string]string{"Policy": string(policy), "RevisionId": revision(policy)}, nil
}

type addPermissionInput struct {
	StatementID   string `json:"StatementId"`
	Action        string
	Principal     string
	SourceArn     string
	SourceAccount string
	RevisionID    string `json:"RevisionId"`
}

func (s *Service) addPermission(f *function, body []byte, _ *http.Request) (any, error) {
	var in addPermissionInput
	if err := wire.DecodeStrict(body, &in); err != nil {
		return nil, err
	}
	switch {
	case !functionName.MatchString(in.StatementID):
		return nil, invalidParameter("StatementId %q: want 1 to 64 letters, digits, '-' and '_'", in.StatementID)
	case in.Action != "lambda:InvokeFunction":
		return nil, invalidParameter("Action %q: the local stack knows lambda:InvokeFunction", in.Action)
	case in.Principal == "":
		return nil, invalidParameter("Principal is missing")
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if err := f.sameRevision(in.RevisionID); err != nil {
		return nil, err
	}
	if _, ok := f.permissions[in.StatementID]; ok {
		return nil, &wire.Error{Code: "ResourceConflictException", Status: http.StatusConflict,
			Message: "The statement id (" + in.StatementID + ") provided already exists. Please provide a new statement id, or remove the existing statement."}
	}
	p := permission{in.Action, in.Principal, in.SourceArn, in.SourceAccount}
	f.permissions[in.StatementID] = p
	text, err := json.Marshal(p.statement(in.StatementID, f.config.arn))
	return map[string]string{"Statement": string(text)}, err
}

func (s *Service) removePermission(f *function, _ []byte, r *http.Request) (any, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if err := f.sameRevision(r.URL.Query().Get("RevisionId")); err != nil {
		return nil, err
	}
	sid := r.PathValue("sid")
	if _, ok := f.permissions[sid]; !ok {
		return nil, &wire.Error{Code: "ResourceNotFoundException", Status: http.StatusNotFound, Message: "Statement " + sid + " is not found in resource policy."}
	}
	delete(f.permissions, sid)
	return nil, nil
}

// sameRevision refuses a change of a policy that is not the one that was read.
// Callers hold the mutex.
func (f *function) sameRevision(want string) error {
	if want == "" {
		return nil
	}
	policy, err := f.policy()
	if err != nil {
		return err
	}
	if revision(policy) != want {
		return &wire.Error{Code: "PreconditionFailedException", Status: http.StatusPreconditionFailed,
			Message: "The RevisionId provided does not match the latest RevisionId. Call the GetPolicy API to retrieve the latest RevisionId"}
	}
	return nil
}

// eventInvoke is the configuration of asynchronous events as the API has it.
type eventInvoke struct {
	FunctionArn              string  `json:",omitempty"`
	LastModified             float64 `json:",omitempty"` // seconds since 1970
	MaximumRetryAttempts     *int
	MaximumEventAgeInSeconds *int
	DestinationConfig        struct {
		OnSuccess, OnFailure struct {
			Destination string `json:",omitempty"`
		}
	}
}

func (s *Service) putEventInvoke(f *function, body []byte, _ *http.Request) (any, error) {
	return s.changeEventInvoke(f, body, invokeConfig{retries: 2, maxAge: maxEventAge})
}

func (s *Service) updateEventInvoke(f *function, body []byte, _ *http.Request) (any, error) {
	s.mutex.Lock()
	base, found := f.invoke, f.invoke.modified != 0
	s.mutex.Unlock()
	if !found {
		return nil, noEventInvoke(f)
	}
	return s.changeEventInvoke(f, body, base)
}

// changeEventInvoke lays what the body names over a configuration.
func (s *Service) changeEventInvoke(f *function, body []byte, c invokeConfig) (any, error) {
	var in eventInvoke
	if err := wire.DecodeStrict(body, &in); err != nil {
		return nil, err
	}
	set(&c.retries, in.MaximumRetryAttempts)
	if in.MaximumEventAgeInSeconds != nil {
		c.maxAge = time.Duration(*in.MaximumEventAgeInSeconds) * time.Second
	}
	c.onSuccess = cmp.Or(in.DestinationConfig.OnSuccess.Destination, c.onSuccess)
	c.onFailure = cmp.Or(in.DestinationConfig.OnFailure.Destination, c.onFailure)
	if err := c.check(); err != nil {
		return nil, invalidParameter("%v", err)
	}
	c.modified = s.options.Now().Unix()
	s.mutex.Lock()
	defer s.mutex.Unlock()
	f.invoke = c
	return f.eventInvoke(), nil
}

// eventInvoke describes the configuration. Callers hold the mutex.
func (f *function) eventInvoke() eventInvoke {
	age := int(f.invoke.maxAge / time.Second)
	out := eventInvoke{FunctionArn: f.config.arn + ":$LATEST", LastModified: float64(f.invoke.modified), MaximumRetryAttempts: &f.invoke.retries, MaximumEventAgeInSeconds: &age}
	out.DestinationConfig.OnSuccess.Destination = f.invoke.onSuccess
	out.DestinationConfig.OnFailure.Destination = f.invoke.onFailure
	return out
}

func noEventInvoke(f *function) error {
	return &wire.Error{Code: "ResourceNotFoundException", Status: http.StatusNotFound,
		Message: "The function " + f.config.arn + ":$LATEST doesn't have an EventInvokeConfig"}
}

func (s *Service) getEventInvoke(f *function, _ []byte, _ *http.Request) (any, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if f.invoke.modified == 0 {
		return nil, noEventInvoke(f)
	}
	return f.eventInvoke(), nil
}

func (s *Service) deleteEventInvoke(f *function, _ []byte, _ *http.Request) (any, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if f.invoke.modified == 0 {
		return nil, noEventInvoke(f)
	}
	f.invoke = invokeConfig{retries: 2, maxAge: maxEventAge}
	return nil, nil
}

func (s *Service) listEventInvoke(f *function, _ []byte, r *http.Request) (any, error) {
	if most := r.URL.Query().Get("MaxItems"); most != "" {
		if n, err := strconv.Atoi(most); err != nil || n < 1 {
			return nil, invalidParameter("MaxItems %q: want a number from 1", most)
		}
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	list := []eventInvoke{}
	if f.invoke.modified != 0 {
		list = append(list, f.eventInvoke())
	}
	return map[string]any{"FunctionEventInvokeConfigs": list}, nil
}
