package lambda

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/sluice-ml/sluice/infra/local/nearest"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Handler serves the Lambda API (REST-JSON).
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	routes := map[string]http.HandlerFunc{
		"POST /2015-03-31/functions/{name}/invocations":  s.serveInvoke,
		"GET /2015-03-31/functions/{name}":               s.serveGet,
		"GET /2015-03-31/functions/{name}/configuration": s.serveConfiguration,
		"GET /2015-03-31/functions":                      s.serveList,
		"GET /2015-03-31/functions/{$}":                  s.serveList,
	}
	maps.Copy(routes, s.management())
	for route, serve := range routes {
		mux.HandleFunc(route, serve)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		asked := r.Method + " " + r.URL.Path
		writeError(w, r, &wire.Error{Code: "UnknownOperationException", Status: 404,
			Message: "the local stack's Lambda does not serve " + asked + nearest.Hint("request", asked, nearest.Keys(routes))})
	})
	return mux
}

// writeError answers in Lambda's error shape: a Type beside the message, and
// the reason of a throttle.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	e := wire.AsError(err)
	kind := "User"
	if e.Status >= 500 {
		kind = "Service"
	}
	body := map[string]string{"Type": kind, "Message": e.Message, "message": e.Message}
	if t, ok := errors.AsType[*Throttled](err); ok {
		body["Reason"] = t.Reason
	}
	w.Header().Set("X-Amzn-ErrorType", e.Code)
	wire.WriteJSON(w, r, cmp.Or(e.Status, http.StatusBadRequest), body)
}

// name gives the function that the path and the Qualifier name.
func name(r *http.Request) string {
	name := r.PathValue("name")
	if qualifier := r.URL.Query().Get("Qualifier"); qualifier != "" {
		name += ":" + qualifier
	}
	return name
}

func (s *Service) serveInvoke(w http.ResponseWriter, r *http.Request) {
	request, err := readRequest(r)
	if err != nil {
		writeError(w, r, err)
		return
	}
	switch kind := cmp.Or(r.Header.Get("X-Amz-Invocation-Type"), "RequestResponse"); kind {
	case "RequestResponse":
		s.serveSync(w, r, request)
	case "Event":
		id, err := s.InvokeAsyncRequest(r.Context(), request)
		if err != nil {
			writeError(w, r, err)
			return
		}
		w.Header().Set("X-Amzn-RequestId", id)
		w.WriteHeader(http.StatusAccepted)
	case "DryRun":
		if _, err := s.resolve(request.Function); err != nil {
			writeError(w, r, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		writeError(w, r, wire.Errorf("InvalidParameterValueException", "X-Amz-Invocation-Type %q: want RequestResponse, Event or DryRun", kind))
	}
}

func readRequest(r *http.Request) (Request, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxPayload+1)) // one byte over is refused by its size
	if err != nil {
		return Request{}, wire.Errorf("InvalidRequestContentException", "read the request: %v", err)
	}
	client, err := base64.StdEncoding.DecodeString(r.Header.Get("X-Amz-Client-Context"))
	if err != nil {
		return Request{}, wire.Errorf("InvalidRequestContentException", "X-Amz-Client-Context is not base64: %v", err)
	}
	return Request{Function: name(r), Payload: body, ClientContext: string(client), Trace: r.Header.Get("X-Amzn-Trace-Id")}, nil
}

func (s *Service) serveSync(w http.ResponseWriter, r *http.Request, request Request) {
	kind := cmp.Or(r.Header.Get("X-Amz-Log-Type"), "None")
	if kind != "None" && kind != "Tail" {
		writeError(w, r, wire.Errorf("InvalidParameterValueException", "X-Amz-Log-Type %q: want None or Tail", kind))
		return
	}
	result, err := s.InvokeRequest(r.Context(), request)
	if err != nil {
		writeError(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Amzn-RequestId", result.RequestID)
	h.Set("X-Amz-Executed-Version", result.Version)
	if result.FunctionError != "" {
		h.Set("X-Amz-Function-Error", result.FunctionError)
	}
	if kind == "Tail" {
		h.Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString(result.LogTail))
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(result.Payload)
}

// Configuration is a function as the API describes it.
type Configuration struct {
	FunctionName     string
	FunctionArn      string
	Runtime          string
	Role             string `json:",omitempty"`
	Handler          string
	CodeSize         int64 // bytes of the bootstrap
	CodeSha256       string
	Description      string
	Timeout          int // seconds
	MemorySize       int // MB
	LastModified     string
	Version          string
	PackageType      string
	Architectures    []string
	Environment      map[string]map[string]string `json:",omitempty"`
	DeadLetterConfig map[string]string            `json:",omitempty"`
	TracingConfig    map[string]string
	EphemeralStorage map[string]int
	LoggingConfig    loggingConfig
	State            string
	LastUpdateStatus string
}

func describe(c *config) (Configuration, error) {
	path := filepath.Join(c.dir, "bootstrap")
	info, err := os.Stat(path)
	if err != nil {
		return Configuration{}, err
	}
	code, err := os.ReadFile(path)
	if err != nil {
		return Configuration{}, err
	}
	sum := sha256.Sum256(code)
	d := Configuration{
		FunctionName: c.name, FunctionArn: c.arn, Runtime: "provided.al2023", Role: c.role, Handler: c.handler,
		CodeSize: info.Size(), CodeSha256: base64.StdEncoding.EncodeToString(sum[:]), Description: c.description,
		Timeout: int(c.timeout.Seconds()), MemorySize: c.memoryMB, LastModified: info.ModTime().UTC().Format("2006-01-02T15:04:05.000+0000"),
		Version: "$LATEST", PackageType: "Zip", Architectures: []string{architecture()},
		TracingConfig: map[string]string{"Mode": c.tracing}, EphemeralStorage: map[string]int{"Size": c.storageMB},
		LoggingConfig: c.logging, State: "Active", LastUpdateStatus: "Successful",
	}
	if len(c.variables) > 0 {
		d.Environment = map[string]map[string]string{"Variables": c.variables}
	}
	if c.deadLetter != "" {
		d.DeadLetterConfig = map[string]string{"TargetArn": c.deadLetter}
	}
	return d, nil
}

func (s *Service) lookUp(r *http.Request) (*config, Configuration, error) {
	f, err := s.resolve(name(r))
	if err != nil {
		return nil, Configuration{}, err
	}
	s.mutex.Lock()
	c := f.config
	s.mutex.Unlock()
	d, err := describe(c)
	return c, d, err
}

func (s *Service) serveConfiguration(w http.ResponseWriter, r *http.Request) {
	_, d, err := s.lookUp(r)
	if err != nil {
		writeError(w, r, err)
		return
	}
	wire.WriteJSON(w, r, http.StatusOK, d)
}

func (s *Service) serveGet(w http.ResponseWriter, r *http.Request) {
	c, d, err := s.lookUp(r)
	if err != nil {
		writeError(w, r, err)
		return
	}
	s.mutex.Lock()
	reserved := s.functions[c.name].reserved
	s.mutex.Unlock()
	out := map[string]any{"Configuration": d, "Code": map[string]string{"RepositoryType": "S3", "Location": "file://" + c.dir}}
	if len(c.tags) > 0 {
		out["Tags"] = c.tags
	}
	if reserved != nil {
		out["Concurrency"] = map[string]int{"ReservedConcurrentExecutions": *reserved}
	}
	wire.WriteJSON(w, r, http.StatusOK, out)
}

// Functions gives the names of all functions, sorted.
func (s *Service) Functions() []string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	names := make([]string, 0, len(s.functions))
	for name := range s.functions {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// serveList pages through the functions; a Marker is the name before the page.
func (s *Service) serveList(w http.ResponseWriter, r *http.Request) {
	limit := 50
	if text := r.URL.Query().Get("MaxItems"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 {
			writeError(w, r, wire.Errorf("InvalidParameterValueException", "MaxItems %q: want a number from 1", text))
			return
		}
	}
	out := struct {
		Functions  []Configuration
		NextMarker string `json:",omitempty"`
	}{Functions: []Configuration{}}
	marker := r.URL.Query().Get("Marker")
	for _, name := range s.Functions() {
		if name <= marker {
			continue
		}
		if len(out.Functions) == min(limit, 50) {
			out.NextMarker = out.Functions[len(out.Functions)-1].FunctionName
			break
		}
		f, err := s.resolve(name)
		if err != nil {
			continue
		}
		s.mutex.Lock()
		c := f.config
		s.mutex.Unlock()
		d, err := describe(c)
		if err != nil {
			writeError(w, r, err)
			return
		}
		out.Functions = append(out.Functions, d)
	}
	wire.WriteJSON(w, r, http.StatusOK, out)
}
