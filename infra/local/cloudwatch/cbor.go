package cloudwatch

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/fxamacker/cbor/v2"

	"github.com/sluice-ml/sluice/infra/local/nearest"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// RPC v2 CBOR: POST /service/<service>/operation/<operation>, body and answer
// are CBOR maps, a timestamp is tag 1 (seconds since 1970, here as a float).
// https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html

type cborOperation func(ctx context.Context, body []byte) (any, error)

type codec struct {
	decode cbor.DecMode
	encode cbor.EncMode
}

var codecs = sync.OnceValue(func() codec {
	decode, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		MaxArrayElements:  1 << 17,
		MaxNestedLevels:   16,
	}.DecMode()
	if err != nil {
		panic(err) // the options above are constants
	}
	encode, err := cbor.EncOptions{
		Time:          cbor.TimeUnixMicro,
		TimeTag:       cbor.EncTagRequired,
		NilContainers: cbor.NilContainerAsEmpty,
	}.EncMode()
	if err != nil {
		panic(err)
	}
	return codec{decode, encode}
})

// decodeCBOR reads a request strictly: a member that is not implemented is
// refused by name.
func decodeCBOR(body []byte, into any) error {
	if len(body) == 0 {
		return nil
	}
	if err := codecs().decode.Unmarshal(body, into); err != nil {
		return refused("the local stack cannot honour this request: %v%s", err, unknownMembers(body, into, err))
	}
	return nil
}

// unknownMembers adds the members' names, which the decoder's error gives as an
// index only, and the nearest to the one that is wrong.
func unknownMembers(body []byte, into any, err error) string {
	if _, unknown := errors.AsType[*cbor.UnknownFieldError](err); !unknown {
		return ""
	}
	var members map[string]cbor.RawMessage
	if cbor.Unmarshal(body, &members) != nil {
		return ""
	}
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	text := "; one of, or a member of, " + strings.Join(names, ", ")
	known := nearest.Members(into)
	for _, name := range names {
		if !slices.Contains(known, name) {
			return text + nearest.Hint("member", name, known)
		}
	}
	return text
}

func op[In, Out any](f func(context.Context, *In) (*Out, error)) cborOperation {
	return func(ctx context.Context, body []byte) (any, error) {
		var in In
		if err := decodeCBOR(body, &in); err != nil {
			return nil, err
		}
		return f(ctx, &in)
	}
}

// handler serves both protocols.
func handler(operations map[string]cborOperation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Target") != "" {
			serveJSON(w, r, operations)
			return
		}
		out, err := serveCBOR(r, operations)
		if err != nil {
			writeCBORError(w, err)
			return
		}
		writeCBOR(w, http.StatusOK, out)
	})
}

func serveCBOR(r *http.Request, operations map[string]cborOperation) (any, error) {
	if protocol := r.Header.Get("Smithy-Protocol"); protocol != "rpc-v2-cbor" {
		return nil, refused("the local stack's CloudWatch speaks AWS JSON and smithy-protocol rpc-v2-cbor, not %q", protocol)
	}
	_, name, found := strings.Cut(r.URL.Path, "/operation/")
	operation, ok := operations[name]
	if !found || !ok {
		return nil, wire.Errorf("UnknownOperationException", "the local stack's CloudWatch does not serve operation %q%s", name, nearest.Hint("operation", name, nearest.Keys(operations)))
	}
	body, err := readBody(r)
	if err != nil {
		return nil, wire.Errorf("SerializationException", "read the request: %v", err)
	}
	return operation(r.Context(), body)
}

// readBody undoes the gzip that the SDK applies to large requests.
func readBody(r *http.Request) ([]byte, error) {
	var source io.Reader = r.Body
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		source = unzipped
	default:
		return nil, fmt.Errorf("content encoding %q is not supported", encoding)
	}
	body, err := io.ReadAll(io.LimitReader(source, wire.MaxBody+1))
	if err == nil && len(body) > wire.MaxBody {
		err = fmt.Errorf("the body is larger than %d bytes", wire.MaxBody)
	}
	return body, err
}

func writeCBOR(w http.ResponseWriter, status int, v any) {
	var body bytes.Buffer
	if err := codecs().encode.NewEncoder(&body).Encode(v); err != nil {
		writeCBORError(w, fmt.Errorf("encode the response: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/cbor")
	w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	w.Header().Set("X-Amzn-RequestId", wire.RequestID())
	w.Header().Set("Content-Length", strconv.Itoa(body.Len())) // as AWS does; without it a large answer is chunked
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

// shapes maps an error code to the name of its Smithy shape, where the two
// differ: the service was a Query service once and keeps those codes.
var shapes = map[string]string{
	"InvalidParameterValue":       "InvalidParameterValueException",
	"InvalidParameterCombination": "InvalidParameterCombinationException",
	"MissingParameter":            "MissingRequiredParameterException",
	"LimitExceeded":               "LimitExceededFault",
	"InternalFailure":             "InternalServiceFault",
}

func writeCBORError(w http.ResponseWriter, err error) {
	e := wire.AsError(err)
	shape, fault := writtenError(e)
	w.Header().Set("X-Amzn-Query-Error", e.Code+";"+fault)
	writeCBOR(w, cmp.Or(e.Status, http.StatusBadRequest), map[string]string{"__type": "com.amazonaws.cloudwatch#" + shape, "message": e.Message})
}

// writtenError gives the shape of an error and whose fault it is.
func writtenError(e *wire.Error) (shape, fault string) {
	shape, fault = e.Code, "Sender"
	if s, ok := shapes[e.Code]; ok {
		shape = s
	}
	if e.Status >= http.StatusInternalServerError {
		fault = "Receiver"
	}
	return shape, fault
}

// refused is the error of a parameter that is wrong or not supported here.
func refused(format string, args ...any) error {
	return wire.Errorf("InvalidParameterValue", format, args...)
}
