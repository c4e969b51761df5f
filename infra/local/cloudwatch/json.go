package cloudwatch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/infra/local/nearest"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// AWS JSON 1.0, which the AWS CLI and AWS's Python client speak to CloudWatch:
// X-Amz-Target names the operation, a timestamp is seconds since 1970. The
// bodies are the same as in CBOR, so that is what they are turned into and from.

// serveJSON answers one request; the operations are those of CBOR.
func serveJSON(w http.ResponseWriter, r *http.Request, operations map[string]cborOperation) {
	out, err := answerJSON(r, operations)
	if err != nil {
		e := wire.AsError(err)
		shape, fault := writtenError(e)
		w.Header().Set("X-Amzn-Query-Error", e.Code+";"+fault)
		wire.WriteJSONError(w, r, &wire.Error{Code: shape, Message: e.Message, Status: e.Status})
		return
	}
	wire.WriteJSON(w, r, http.StatusOK, out)
}

func answerJSON(r *http.Request, operations map[string]cborOperation) (any, error) {
	target := r.Header.Get("X-Amz-Target")
	name := target[strings.LastIndexByte(target, '.')+1:]
	operation, ok := operations[name]
	if !ok {
		return nil, wire.Errorf("UnknownOperationException", "the local stack's CloudWatch does not serve operation %q%s", name, nearest.Hint("operation", name, nearest.Keys(operations)))
	}
	body, err := readBody(r)
	if err != nil {
		return nil, wire.Errorf("SerializationException", "read the request: %v", err)
	}
	translated, err := fromJSON(body)
	if err != nil {
		return nil, wire.Errorf("SerializationException", "read the request: %v", err)
	}
	out, err := operation(r.Context(), translated)
	if err != nil {
		return nil, err
	}
	return toJSON(out)
}

// fromJSON turns a JSON object into CBOR.
func fromJSON(body []byte) ([]byte, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var members map[string]any
	if err := decoder.Decode(&members); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	v, err := plainNumbers(members)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = codecs().encode.NewEncoder(&out).Encode(v)
	return out.Bytes(), err
}

// plainNumbers replaces every json.Number in v: whole ones by integers.
func plainNumbers(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if member == nil {
				delete(v, name) // null is absent
				continue
			}
			if v[name], err = plainNumbers(member); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	case []any:
		for i, member := range v {
			if v[i], err = plainNumbers(member); err != nil {
				return nil, fmt.Errorf("[%d]: %w", i, err)
			}
		}
	case json.Number:
		if whole, err := v.Int64(); err == nil {
			return whole, nil
		}
		number, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("the number %s is too large", v)
		}
		return number, nil
	}
	return v, nil
}

// toJSON turns an answer into what encoding/json writes as AWS does.
func toJSON(out any) (any, error) {
	var body bytes.Buffer
	if err := codecs().encode.NewEncoder(&body).Encode(out); err != nil {
		return nil, fmt.Errorf("encode the response: %w", err)
	}
	var v any
	if err := codecs().decode.Unmarshal(body.Bytes(), &v); err != nil {
		return nil, fmt.Errorf("encode the response: %w", err)
	}
	return jsonValue(v), nil
}

// jsonValue makes seconds of times, and names of the numbers JSON has none for.
func jsonValue(v any) any {
	switch v := v.(type) {
	case map[any]any:
		members := make(map[string]any, len(v))
		for name, member := range v {
			members[fmt.Sprint(name)] = jsonValue(member)
		}
		return members
	case []any:
		for i, member := range v {
			v[i] = jsonValue(member)
		}
	case time.Time:
		return float64(v.UnixMilli()) / 1000
	case float64:
		if math.IsNaN(v) {
			return "NaN"
		}
		if math.IsInf(v, 1) {
			return "Infinity"
		}
		if math.IsInf(v, -1) {
			return "-Infinity"
		}
	}
	return v
}
