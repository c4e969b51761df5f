package asl

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

type intrinsicFunc func(r *random, args []any) (any, error)

type intrinsicSpec struct {
	call        intrinsicFunc
	least, most int // arguments; most < 0 is any number
}

// intrinsics are the 18 functions of the JSONPath dialect.
var intrinsics = map[string]intrinsicSpec{
	"Array":          {fnArray, 0, -1},
	"ArrayContains":  {fnArrayContains, 2, 2},
	"ArrayGetItem":   {fnArrayGetItem, 2, 2},
	"ArrayLength":    {fnArrayLength, 1, 1},
	"ArrayPartition": {fnArrayPartition, 2, 2},
	"ArrayRange":     {fnArrayRange, 3, 3},
	"ArrayUnique":    {fnArrayUnique, 1, 1},
	"Base64Decode":   {fnBase64Decode, 1, 1},
	"Base64Encode":   {fnBase64Encode, 1, 1},
	"Format":         {fnFormat, 1, -1},
	"Hash":           {fnHash, 2, 2},
	"JsonMerge":      {fnJSONMerge, 3, 3},
	"JsonToString":   {fnJSONToString, 1, 1},
	"MathAdd":        {fnMathAdd, 2, 2},
	"MathRandom":     {fnMathRandom, 2, 3},
	"StringSplit":    {fnStringSplit, 2, 2},
	"StringToJson":   {fnStringToJSON, 1, 1},
	"UUID":           {fnUUID, 0, 0},
}

// Limits that AWS puts on arguments and results of intrinsic functions.
const (
	maxArrayRange   = 1000
	maxCodecLength  = 10_000
	maxHashedLength = 10_000
)

func num(i int64) json.Number { return json.Number(strconv.FormatInt(i, 10)) }

func arrayArg(v any) ([]any, error) {
	a, ok := v.([]any)
	if !ok {
		return nil, errors.New("the argument must be an array")
	}
	return a, nil
}

// intArg rounds as AWS does: to the nearest integer.
func intArg(v any) (int64, error) {
	f, ok := number(v)
	if !ok {
		return 0, errors.New("the argument must be a number")
	}
	if i, exact := integer(v); exact {
		return i, nil
	}
	if math.Abs(f) > 1<<53 {
		return 0, errors.New("the number is too large")
	}
	return int64(math.Round(f)), nil
}

func stringArg(v any, limit int) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", errors.New("the argument must be a string")
	}
	if len(s) > limit {
		return "", fmt.Errorf("the string is longer than %d", limit)
	}
	return s, nil
}

func fnArray(_ *random, args []any) (any, error) { return append([]any{}, args...), nil }

func fnArrayContains(_ *random, args []any) (any, error) {
	a, err := arrayArg(args[0])
	for _, e := range a {
		if equal(e, args[1]) {
			return true, nil
		}
	}
	return false, err
}

func fnArrayGetItem(_ *random, args []any) (any, error) {
	a, err := arrayArg(args[0])
	if err != nil {
		return nil, err
	}
	i, err := intArg(args[1])
	if err != nil {
		return nil, err
	}
	if i < 0 || i >= int64(len(a)) {
		return nil, fmt.Errorf("index %d is out of bounds for an array of %d", i, len(a))
	}
	return a[i], nil
}

func fnArrayLength(_ *random, args []any) (any, error) {
	a, err := arrayArg(args[0])
	return num(int64(len(a))), err
}

func fnArrayPartition(_ *random, args []any) (any, error) {
	a, err := arrayArg(args[0])
	if err != nil {
		return nil, err
	}
	size, err := intArg(args[1])
	if err != nil {
		return nil, err
	}
	if size <= 0 {
		return nil, errors.New("the chunk size must be positive")
	}
	return partition(a, size), nil
}

func partition(a []any, size int64) []any {
	out := []any{}
	for from := 0; from < len(a); {
		to := len(a)
		if size < int64(len(a)-from) {
			to = from + int(size)
		}
		out = append(out, append([]any{}, a[from:to]...))
		from = to
	}
	return out
}

func fnArrayRange(_ *random, args []any) (any, error) {
	var bounds [3]int64
	for i := range bounds {
		n, err := intArg(args[i])
		if err != nil {
			return nil, err
		}
		bounds[i] = n
	}
	first, last, by := bounds[0], bounds[1], bounds[2]
	if by == 0 {
		return nil, errors.New("the step must not be 0")
	}
	if count := (float64(last)-float64(first))/float64(by) + 1; count > maxArrayRange {
		return nil, fmt.Errorf("the range has more than %d elements", maxArrayRange)
	}
	out := []any{}
	for n := first; len(out) <= maxArrayRange && (by > 0 && n <= last || by < 0 && n >= last); n += by {
		out = append(out, num(n))
	}
	return out, nil
}

func fnArrayUnique(_ *random, args []any) (any, error) {
	a, err := arrayArg(args[0])
	out := []any{}
	seen := map[string]bool{}
	for _, e := range a {
		if key := encode(e); !seen[key] {
			seen[key] = true
			out = append(out, e)
		}
	}
	return out, err
}

func fnBase64Encode(_ *random, args []any) (any, error) {
	s, err := stringArg(args[0], maxCodecLength)
	return base64.StdEncoding.EncodeToString([]byte(s)), err
}

func fnBase64Decode(_ *random, args []any) (any, error) {
	s, err := stringArg(args[0], maxCodecLength)
	if err != nil {
		return nil, err
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("not Base64: %w", err)
	}
	return strings.ToValidUTF8(string(b), "\uFFFD"), nil
}

// fnFormat fills {} in its first argument; \{ \} \\ stand for themselves.
func fnFormat(_ *random, args []any) (any, error) {
	template, ok := args[0].(string)
	if !ok {
		return nil, errors.New("the template must be a string")
	}
	var b strings.Builder
	next := 1
	for i := 0; i < len(template); i++ {
		switch {
		case template[i] == '\\' && i+1 < len(template) && strings.IndexByte(`\{}`, template[i+1]) >= 0:
			i++
			b.WriteByte(template[i])
		case strings.HasPrefix(template[i:], "{}"):
			if next >= len(args) {
				return nil, errors.New("there are more {} than arguments")
			}
			b.WriteString(display(args[next]))
			next++
			i++
		default:
			b.WriteByte(template[i])
		}
	}
	if next != len(args) {
		return nil, errors.New("there are more arguments than {}")
	}
	return b.String(), nil
}

func display(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return encode(v)
}

func fnHash(_ *random, args []any) (any, error) {
	algorithm, ok := args[1].(string)
	if !ok {
		return nil, errors.New("the algorithm must be a string")
	}
	text := display(args[0])
	if len(text) > maxHashedLength {
		return nil, fmt.Errorf("the data is longer than %d", maxHashedLength)
	}
	return digest(text, algorithm)
}

func digest(text, algorithm string) (any, error) {
	var h hash.Hash
	switch algorithm {
	case "MD5":
		h = md5.New()
	case "SHA-1":
		h = sha1.New()
	case "SHA-256":
		h = sha256.New()
	case "SHA-384":
		h = sha512.New384()
	case "SHA-512":
		h = sha512.New()
	default:
		return nil, fmt.Errorf("there is no hash algorithm %q: use MD5, SHA-1, SHA-256, SHA-384 or SHA-512", algorithm)
	}
	_, _ = h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil)), nil
}

// fnJSONMerge merges shallowly; AWS has no deep merge. The keys come out in
// the order of AWS's hash map.
func fnJSONMerge(_ *random, args []any) (any, error) {
	first, ok1 := args[0].(object)
	second, ok2 := args[1].(object)
	if !ok1 || !ok2 {
		return nil, errors.New("both arguments must be objects")
	}
	if deep, _ := args[2].(bool); deep {
		return nil, errors.New("deep merging is not supported: the third argument must be false")
	}
	merged := copyObject(first)
	second.Range(func(k string, v any) bool { merged.Set(k, v); return true })
	out := newObject()
	for _, k := range hashOrder(merged.Keys()) {
		v, _ := merged.Get(k)
		out.Set(k, v)
	}
	return out, nil
}

func fnJSONToString(_ *random, args []any) (any, error) { return encode(args[0]), nil }

func fnStringToJSON(_ *random, args []any) (any, error) {
	s, ok := args[0].(string)
	if !ok {
		return nil, errors.New("the argument must be a string")
	}
	v, err := decode([]byte(s))
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	return v, nil
}

func fnMathAdd(_ *random, args []any) (any, error) {
	a, err := intArg(args[0])
	if err != nil {
		return nil, err
	}
	b, err := intArg(args[1])
	return num(a + b), err
}

// fnMathRandom gives start ≤ n < end; a seed makes it repeatable.
func fnMathRandom(r *random, args []any) (any, error) {
	start, err := intArg(args[0])
	if err != nil {
		return nil, err
	}
	end, err := intArg(args[1])
	if err != nil {
		return nil, err
	}
	if end <= start || end-start <= 0 {
		return nil, errors.New("the end must be greater than the start")
	}
	if len(args) == 3 {
		seed, err := intArg(args[2])
		if err != nil {
			return nil, err
		}
		return num(start + rand.New(rand.NewPCG(uint64(seed), 0)).Int64N(end-start)), nil
	}
	return num(start + int64(r.float()*float64(end-start))), nil
}

// fnStringSplit splits at any of the delimiter's characters and drops empty
// parts, as AWS does.
func fnStringSplit(_ *random, args []any) (any, error) {
	s, ok1 := args[0].(string)
	by, ok2 := args[1].(string)
	if !ok1 || !ok2 {
		return nil, errors.New("both arguments must be strings")
	}
	out := []any{}
	for _, part := range strings.FieldsFunc(s, func(c rune) bool { return strings.ContainsRune(by, c) }) {
		out = append(out, part)
	}
	return out, nil
}

func fnUUID(r *random, _ []any) (any, error) { return r.uuid(), nil }
