package lambda

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxPayload is AWS's limit on a synchronous request or response: 6 MB and the
// room AWS leaves for its envelope, in bytes.
const maxPayload = 6291556

// invocation is one call of a function.
type invocation struct {
	id            string
	payload       []byte
	deadline      time.Time
	trace         string
	clientContext string // JSON; may be empty
	arn           string
}

// answer is what a runtime said to an invocation, or why its init failed.
type answer struct {
	payload   []byte
	failed    bool
	errorType string // of a failure
}

// runtimeAPI is the Runtime API of one sandbox.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
type runtimeAPI struct {
	idle      chan struct{}    // a value each time the runtime asks for work
	next      chan *invocation // work for the runtime that asks
	answers   chan answer      // of the current invocation
	initError chan answer      // at most one
	mutex     sync.Mutex
	current   *invocation // handed out and not answered yet
	begun     bool        // the runtime has asked for work
}

func newRuntimeAPI() *runtimeAPI {
	return &runtimeAPI{
		idle: make(chan struct{}, 1), next: make(chan *invocation),
		answers: make(chan answer, 1), initError: make(chan answer, 1),
	}
}

const runtimePath = "/2018-06-01/runtime/"

func (a *runtimeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, runtimePath)
	if extension(r.URL.Path) {
		refuse(w, http.StatusNotFound, "ExtensionsNotServed", "the local stack serves no Lambda extensions (Extensions, Logs and Telemetry API): "+r.URL.Path+"; do the work in the function itself")
		return
	}
	if !ok {
		refuse(w, http.StatusNotFound, "InvalidPath", "the local stack's Runtime API does not serve "+r.URL.Path)
		return
	}
	id, verb, nested := strings.Cut(strings.TrimPrefix(path, "invocation/"), "/")
	switch {
	case path == "invocation/next" && r.Method == http.MethodGet:
		a.serveNext(w, r)
	case path == "init/error" && r.Method == http.MethodPost:
		a.serveInitError(w, r)
	case nested && strings.HasPrefix(path, "invocation/") && r.Method == http.MethodPost && verb == "response":
		a.serveResponse(w, r, id)
	case nested && strings.HasPrefix(path, "invocation/") && r.Method == http.MethodPost && verb == "error":
		a.serveError(w, r, id)
	default:
		refuse(w, http.StatusNotFound, "InvalidPath", "the local stack's Runtime API does not serve "+r.Method+" "+r.URL.Path)
	}
}

// extension tells the paths of the APIs that extensions use.
func extension(path string) bool {
	for _, prefix := range []string{"/2020-01-01/extension/", "/2020-08-15/logs", "/2022-07-01/telemetry"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

func refuse(w http.ResponseWriter, status int, errorType, message string) {
	writeStatus(w, status, map[string]string{"errorType": errorType, "errorMessage": message})
}

func writeStatus(w http.ResponseWriter, status int, v any) {
	body, _ := json.Marshal(v) // maps of strings always encode
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func accept(w http.ResponseWriter) {
	writeStatus(w, http.StatusAccepted, map[string]string{"status": "OK"})
}

// serveNext blocks until there is work. Asking for work is also what completes
// the invocation before.
func (a *runtimeAPI) serveNext(w http.ResponseWriter, r *http.Request) {
	a.mutex.Lock()
	busy := a.current != nil
	a.begun = true
	a.mutex.Unlock()
	if busy {
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "the invocation before has not been answered")
		return
	}
	select {
	case a.idle <- struct{}{}:
	default: // a second asker; one is enough
	}
	select {
	case in := <-a.next:
		a.hand(w, in)
	case <-r.Context().Done():
	}
}

func (a *runtimeAPI) hand(w http.ResponseWriter, in *invocation) {
	a.mutex.Lock()
	a.current = in
	a.mutex.Unlock()
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Lambda-Runtime-Aws-Request-Id", in.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(in.deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", in.arn)
	h.Set("Lambda-Runtime-Trace-Id", in.trace)
	if in.clientContext != "" {
		h.Set("Lambda-Runtime-Client-Context", in.clientContext)
	}
	h.Set("Content-Length", strconv.Itoa(len(in.payload)))
	_, _ = w.Write(in.payload)
}

// settle ends the current invocation when it is the one with the id.
func (a *runtimeAPI) settle(w http.ResponseWriter, id string, got answer) bool {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.current == nil || a.current.id != id {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID "+strconv.Quote(id))
		return false
	}
	a.current = nil
	a.answers <- got
	return true
}

// errTooLarge says that a body passed maxPayload.
var errTooLarge = errors.New("Exceeded maximum allowed payload size (6291556 bytes).")

func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxPayload+1))
	if err == nil && len(body) > maxPayload {
		err = errTooLarge
	}
	return body, err
}

func (a *runtimeAPI) serveResponse(w http.ResponseWriter, r *http.Request, id string) {
	if strings.EqualFold(r.Header.Get("Lambda-Runtime-Function-Response-Mode"), "streaming") {
		message := "the local stack does not serve response streaming; return the whole response"
		if a.settle(w, id, failure("Runtime.StreamingNotServed", message)) {
			refuse(w, http.StatusBadRequest, "Runtime.StreamingNotServed", message)
		}
		return
	}
	body, err := readBody(r)
	switch {
	case errors.Is(err, errTooLarge):
		if a.settle(w, id, failure("Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size (6291556 bytes).")) {
			refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", err.Error())
		}
		return
	case err != nil:
		return // the process ended while it sent
	}
	got := answer{payload: body}
	if errorType := r.Trailer.Get("Lambda-Runtime-Function-Error-Type"); errorType != "" {
		got = trailerFailure(errorType, r.Trailer.Get("Lambda-Runtime-Function-Error-Body"))
	}
	if a.settle(w, id, got) {
		accept(w)
	}
}

// trailerFailure is a response that broke off while the function wrote it.
func trailerFailure(errorType, encoded string) answer {
	body, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(body) == 0 {
		return failure(errorType, "the function failed while it wrote its response")
	}
	return answer{payload: body, failed: true, errorType: errorType}
}

func (a *runtimeAPI) serveError(w http.ResponseWriter, r *http.Request, id string) {
	got, err := readFailure(r)
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", err.Error())
		return
	}
	if a.settle(w, id, got) {
		accept(w)
	}
}

func (a *runtimeAPI) serveInitError(w http.ResponseWriter, r *http.Request) {
	got, err := readFailure(r)
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", err.Error())
		return
	}
	a.mutex.Lock()
	begun := a.begun
	a.mutex.Unlock()
	if begun {
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "the init is over: the runtime has asked for work")
		return
	}
	select {
	case a.initError <- got:
		accept(w)
	default:
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "an init error was reported before")
	}
}

// readFailure reads an error report: its JSON is passed on as it is; a report
// without one is made from the header.
func readFailure(r *http.Request) (answer, error) {
	body, err := readBody(r)
	if err != nil {
		return answer{}, err
	}
	var report struct {
		ErrorType string `json:"errorType"`
	}
	headerType := r.Header.Get("Lambda-Runtime-Function-Error-Type")
	if json.Unmarshal(body, &report) != nil {
		if headerType == "" {
			headerType = "Runtime.Unknown"
		}
		return failure(headerType, string(body)), nil
	}
	if report.ErrorType == "" {
		report.ErrorType = headerType
	}
	return answer{payload: body, failed: true, errorType: report.ErrorType}, nil
}

// failure makes the payload of a failed invocation.
func failure(errorType, message string) answer {
	body, _ := json.Marshal(struct {
		ErrorType    string `json:"errorType"`
		ErrorMessage string `json:"errorMessage"`
	}{errorType, message})
	return answer{payload: body, failed: true, errorType: errorType}
}
