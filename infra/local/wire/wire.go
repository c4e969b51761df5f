// Package wire speaks the AWS protocols that the Go SDK v2 speaks, so a service
// of the local stack is a map from operation to function.
//
// Requests are decoded strictly: a parameter that a service does not implement
// is refused by name, because a silent skip would make a green local run mean
// nothing.
package wire

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/nearest"
)

// MaxBody bounds a request body: Lambda's synchronous limit plus its envelope.
const MaxBody = 8 << 20

// Error is an AWS error: the code is what SDK clients match on.
type Error struct {
	Code    string // e.g. "ValidationException"
	Message string
	Status  int // HTTP status; 0 means 400
	// Query is the code that clients see instead, of a service that spoke the
	// Query protocol once (SQS); "" is none.
	Query string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Errorf makes an AWS client error (400).
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Status: http.StatusBadRequest}
}

// AsError gives err as an AWS error; anything else is a 500 InternalFailure.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: "InternalFailure", Message: err.Error(), Status: http.StatusInternalServerError}
}

// Operation answers one API operation: JSON in, a value to encode out.
type Operation func(ctx context.Context, body []byte) (any, error)

// Op adapts a typed function, decoding its input strictly.
func Op[In, Out any](f func(context.Context, In) (Out, error)) Operation {
	return func(ctx context.Context, body []byte) (any, error) {
		var in In
		if err := DecodeStrict(body, &in); err != nil {
			return nil, err
		}
		return f(ctx, in)
	}
}

// DecodeStrict reads JSON into the pointer, refusing unknown members.
// An empty body reads as {}.
func DecodeStrict(body []byte, into any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := nearest.Member(decoder.Decode(into), into); err != nil {
		return Errorf("ValidationException", "the local stack cannot honour this request: %v", err)
	}
	return nil
}

// JSON serves AWS JSON 1.0 and 1.1: the operation is the part of X-Amz-Target
// after the last dot. service names it in errors.
func JSON(service string, operations map[string]Operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target := r.Header.Get("X-Amz-Target")
		name := target[strings.LastIndexByte(target, '.')+1:]
		operation, ok := operations[name]
		if !ok {
			WriteJSONError(w, r, &Error{Code: "UnknownOperationException", Status: http.StatusBadRequest,
				Message: fmt.Sprintf("the local stack's %s does not serve operation %q%s", service, name, nearest.Hint("operation", name, nearest.Keys(operations)))})
			return
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, MaxBody))
		if err != nil {
			WriteJSONError(w, r, Errorf("SerializationException", "read the request: %v", err))
			return
		}
		out, err := operation(r.Context(), body)
		if err != nil {
			WriteJSONError(w, r, err)
			return
		}
		WriteJSON(w, r, http.StatusOK, out)
	})
}

// WriteJSON encodes v with the content type the request used; nil is {}.
func WriteJSON(w http.ResponseWriter, r *http.Request, status int, v any) {
	body := []byte("{}")
	if v != nil {
		var err error
		if body, err = json.Marshal(v); err != nil {
			WriteJSONError(w, r, fmt.Errorf("encode the response: %w", err))
			return
		}
	}
	contentType := r.Header.Get("Content-Type")
	if !strings.HasPrefix(contentType, "application/x-amz-json") {
		contentType = "application/json"
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Amzn-RequestId", RequestID())
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// WriteJSONError answers in the JSON protocols' error shape.
func WriteJSONError(w http.ResponseWriter, r *http.Request, err error) {
	e := AsError(err)
	status := e.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	w.Header().Set("X-Amzn-ErrorType", e.Code)
	if e.Query != "" {
		w.Header().Set("X-Amzn-Query-Error", e.Query+";Sender")
	}
	WriteJSON(w, r, status, map[string]string{"__type": e.Code, "message": e.Message})
}

// RequestID is a new random id in the shape of AWS's.
func RequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
