package asl

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/recolabs/gnata"
)

// Values are what the JSONata library works on, so both query languages share
// them without conversion: object, []any, json.Number, float64, string, bool
// and the null sentinel. A Go nil is JSONata's undefined. Values are never
// changed once another state may see them.

// object is the JSONata library's ordered object, reached through its methods
// because its type is internal.
type object interface {
	Get(key string) (any, bool)
	Set(key string, value any)
	Keys() []string
	Len() int
	Range(func(key string, value any) bool)
}

// jsonNull is the library's sentinel for JSON null; it is a comparable value.
var jsonNull = func() any { v, _ := gnata.DecodeJSON([]byte("null")); return v }()

func newObject() object {
	v, err := gnata.DecodeJSON([]byte("{}"))
	if err != nil {
		panic(err) // the text is a constant
	}
	return v.(object)
}

// objectOf makes an object of alternating keys and values.
func objectOf(pairs ...any) object {
	o := newObject()
	for i := 0; i+1 < len(pairs); i += 2 {
		o.Set(pairs[i].(string), pairs[i+1])
	}
	return o
}

func copyObject(o object) object {
	c := newObject()
	o.Range(func(k string, v any) bool { c.Set(k, v); return true })
	return c
}

var errNotJSON = errors.New("not a JSON document")

// decode reads one JSON document, keeping the order of keys and the text of
// numbers.
func decode(text []byte) (any, error) {
	if !json.Valid(text) {
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			return nil, err
		}
		return nil, errNotJSON
	}
	return gnata.DecodeJSON(text)
}

// encode writes v as compact JSON, as AWS does: no escaping of <, > and &.
func encode(v any) string { return string(appendJSON(nil, v)) }

func appendJSON(b []byte, v any) []byte {
	switch t := v.(type) {
	case nil:
		return append(b, "null"...)
	case string:
		return appendString(b, t)
	case bool:
		return strconv.AppendBool(b, t)
	case json.Number:
		return append(b, t...)
	case float64:
		return appendFloat(b, t)
	case int:
		return strconv.AppendInt(b, int64(t), 10)
	case int64:
		return strconv.AppendInt(b, t, 10)
	case []any:
		b = append(b, '[')
		for i, e := range t {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, e)
		}
		return append(b, ']')
	case object:
		return appendObject(b, t)
	}
	return append(b, "null"...)
}

func appendObject(b []byte, o object) []byte {
	b = append(b, '{')
	first := true
	o.Range(func(k string, v any) bool {
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(appendString(b, k), ':')
		b = appendJSON(b, v)
		return true
	})
	return append(b, '}')
}

// appendFloat writes a number as JavaScript does: integers without a fraction
// below 1e21.
func appendFloat(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.AppendInt(b, int64(f), 10)
	}
	text, err := json.Marshal(f)
	if err != nil {
		return append(b, "null"...)
	}
	return append(b, text...)
}

const hexDigits = "0123456789ABCDEF"

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, s[start:i]...), "\uFFFD"...)
				i++
				start = i
				continue
			}
			i += size
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		b = appendEscape(append(b, s[start:i]...), c)
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	case '\b':
		return append(b, '\\', 'b')
	case '\f':
		return append(b, '\\', 'f')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// errUnsupported: a JSONata function, or a value holding one.
var errUnsupported = errors.New("unsupported value")

// errNotFinite: a number that JSON cannot hold, e.g. of a division by zero.
var errNotFinite = errors.New("number out of range")

// clean turns what an expression gave into plain values; an undefined element
// becomes null. It fails for functions.
func clean(v any) (any, error) {
	switch t := v.(type) {
	case nil:
		return jsonNull, nil
	case string, bool, json.Number:
		return v, nil
	case float64:
		if math.IsNaN(t) || math.IsInf(t, 0) {
			return nil, errNotFinite
		}
		return v, nil
	case int:
		return json.Number(strconv.Itoa(t)), nil
	case []any:
		return cleanArray(t)
	case object:
		return cleanObject(t)
	case map[string]any:
		return cleanMap(t)
	}
	if gnata.IsNull(v) {
		return v, nil
	}
	if _, ok := v.(interface{ Keys() []string }); !ok {
		if n := gnata.NormalizeValue(v); isPlain(n) {
			return clean(n)
		}
	}
	return nil, errUnsupported
}

func isPlain(v any) bool {
	switch v.(type) {
	case string, bool, json.Number, float64, []any, map[string]any:
		return true
	}
	return false
}

func cleanArray(in []any) (any, error) {
	out := make([]any, len(in))
	for i, e := range in {
		c, err := clean(e)
		if err != nil {
			return nil, err
		}
		out[i] = c
	}
	return out, nil
}

func cleanObject(in object) (any, error) {
	out := newObject()
	var failed error
	in.Range(func(k string, v any) bool {
		if v == nil {
			return true // an undefined member is no member
		}
		c, err := clean(v)
		if err != nil {
			failed = err
			return false
		}
		out.Set(k, c)
		return true
	})
	if failed != nil {
		return nil, failed
	}
	return out, nil
}

func cleanMap(in map[string]any) (any, error) {
	keys := make([]string, 0, len(in))
	for k := range in {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	out := newObject()
	for _, k := range keys {
		c, err := clean(in[k])
		if err != nil {
			return nil, err
		}
		out.Set(k, c)
	}
	return out, nil
}

// typeName is the JSON type of v in AWS's error messages.
func typeName(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case json.Number, float64, int:
		return "number"
	case []any:
		return "array"
	case object:
		return "object"
	}
	return "null"
}

// number is v as a float; false when it is no number.
func number(v any) (float64, bool) {
	switch t := v.(type) {
	case json.Number:
		f, err := t.Float64()
		return f, err == nil
	case float64:
		return t, true
	case int:
		return float64(t), true
	}
	return 0, false
}

// integer is v as an integer; false when it is not a whole number in range.
func integer(v any) (int64, bool) {
	if n, ok := v.(json.Number); ok {
		if i, err := n.Int64(); err == nil {
			return i, true
		}
	}
	f, ok := number(v)
	if !ok || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

func equal(a, b any) bool { return gnata.DeepEqual(a, b) }

// payload is a value with its JSON text, encoded at most once.
type payload struct {
	value any
	text  string
}

func newPayload(v any) *payload { return &payload{value: v} }

func (p *payload) json() string {
	if p.text == "" {
		p.text = encode(p.value)
	}
	return p.text
}

// MaxPayload is the largest input or output, in bytes of UTF-8.
const MaxPayload = 262_144

func (p *payload) tooLarge() bool { return len(p.json()) > MaxPayload }
