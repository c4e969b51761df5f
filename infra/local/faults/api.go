package faults

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Calls puts a service's API behind the rules on it. A call's names are the
// service's ("s3"), service:Operation where the protocol has operations
// ("states:StartExecution"), and service:METHOD /path where it has not
// ("s3:PUT /bucket/key").
func (i *Injector) Calls(service string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rule, struck := i.Meet(API, names(service, r)...)
		if !struck {
			next.ServeHTTP(w, r)
			return
		}
		switch rule.Do {
		case Lose:
			next.ServeHTTP(&deaf{header: http.Header{}}, r)
			panic(http.ErrAbortHandler) // the connection ends without an answer
		case Throttle:
			refuse(w, r, service, throttling(service, r))
		default:
			refuse(w, r, service, &wire.Error{Code: "InternalFailure", Status: http.StatusInternalServerError, Message: "injected fault " + rule.ID})
		}
	})
}

// deaf takes an answer that nobody gets.
type deaf struct{ header http.Header }

func (d *deaf) Header() http.Header         { return d.header }
func (d *deaf) Write(b []byte) (int, error) { return len(b), nil }
func (d *deaf) WriteHeader(int)             {}

// maxForm bounds how much of a Query request is read to find its action.
const maxForm = 1 << 20

func names(service string, r *http.Request) []string {
	all := []string{service, service + ":" + r.Method + " " + r.URL.Path}
	if _, operation, found := strings.Cut(r.Header.Get("X-Amz-Target"), "."); found {
		return append(all, service+":"+operation)
	}
	if _, operation, found := strings.Cut(r.URL.Path, "/operation/"); found {
		return append(all, service+":"+operation)
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxForm))
		r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), r.Body))
		if form, wrong := url.ParseQuery(string(body)); err == nil && wrong == nil && form.Get("Action") != "" {
			return append(all, service+":"+form.Get("Action"))
		}
	}
	return all
}

// throttling is each protocol's own word for "too fast".
func throttling(service string, r *http.Request) *wire.Error {
	switch {
	case service == "s3":
		return &wire.Error{Code: "SlowDown", Status: http.StatusServiceUnavailable, Message: "Please reduce your request rate."}
	case service == "lambda":
		return &wire.Error{Code: "TooManyRequestsException", Status: http.StatusTooManyRequests, Message: "Rate Exceeded."}
	case isForm(r):
		return &wire.Error{Code: "Throttling", Status: http.StatusBadRequest, Message: "Rate exceeded"}
	}
	return &wire.Error{Code: "ThrottlingException", Status: http.StatusBadRequest, Message: "Rate exceeded"}
}

func isForm(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
}

// refuse writes an error in the request's protocol.
func refuse(w http.ResponseWriter, r *http.Request, service string, e *wire.Error) {
	switch {
	case service == "s3":
		writeXML(w, e, "<Error><Code>%s</Code><Message>%s</Message><RequestId>%s</RequestId></Error>")
	case isForm(r):
		writeXML(w, e, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>%s</RequestId></ErrorResponse>")
	case r.Header.Get("Smithy-Protocol") == "rpc-v2-cbor":
		body, err := cbor.Marshal(map[string]string{"__type": e.Code, "message": e.Message})
		if err != nil {
			body = nil
		}
		w.Header().Set("Content-Type", "application/cbor")
		w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
		w.WriteHeader(e.Status)
		_, _ = w.Write(body)
	default:
		wire.WriteJSONError(w, r, e)
	}
}

func writeXML(w http.ResponseWriter, e *wire.Error, form string) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(e.Status)
	_, _ = fmt.Fprintf(w, form, e.Code, e.Message, wire.RequestID())
}
