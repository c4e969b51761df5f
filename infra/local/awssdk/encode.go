package awssdk

import (
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// maxStream is how much of a stream is read: more fits no state's payload.
const maxStream = 256 << 10

// toJSON turns what an operation gave into a JSON value; members that are not
// set are left out.
func toJSON(out any) (any, error) {
	if plain, ok := out.(plainJSON); ok {
		return plain.value, nil
	}
	return value(reflect.ValueOf(out))
}

func value(v reflect.Value) (any, error) {
	switch v.Kind() {
	case reflect.Invalid:
		return nil, nil
	case reflect.Pointer:
		return value(v.Elem())
	case reflect.Interface:
		return variant(v)
	case reflect.Struct:
		if t, ok := v.Interface().(time.Time); ok {
			return instant(t), nil
		}
		return structure(v)
	case reflect.Slice:
		return list(v)
	case reflect.Map:
		members := map[string]any{}
		for it := v.MapRange(); it.Next(); {
			e, err := value(it.Value())
			if err != nil {
				return nil, err
			}
			members[it.Key().String()] = e
		}
		return members, nil
	case reflect.Float32, reflect.Float64:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Sprint(f), nil // JSON has no such number
		}
	}
	return v.Interface(), nil
}

func list(v reflect.Value) (any, error) {
	if v.Type() == blobType {
		return string(v.Bytes()), nil
	}
	items := make([]any, v.Len())
	for i := range items {
		e, err := value(v.Index(i))
		if err != nil {
			return nil, err
		}
		items[i] = e
	}
	return items, nil
}

// instant writes a time as Java does: without a fraction when it has none.
func instant(t time.Time) string {
	layout := "2006-01-02T15:04:05Z"
	if t.Nanosecond() >= int(time.Millisecond) {
		layout = "2006-01-02T15:04:05.000Z"
	}
	return t.UTC().Format(layout)
}

func structure(v reflect.Value) (any, error) {
	members := map[string]any{}
	for i := range v.NumField() {
		f, field := v.Type().Field(i), v.Field(i)
		if !isMember(f) || !isSet(field) {
			continue
		}
		e, err := value(field)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		members[memberName(f.Name)] = e
	}
	return members, nil
}

func isSet(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return !v.IsNil()
	case reflect.String:
		return v.Len() > 0 // an enumeration
	}
	return true
}

// variant is a stream, which is read, or a union, whose type says which member
// it is: types.XMemberY{Value: v} is {"Y": v}.
func variant(v reflect.Value) (any, error) {
	if body, ok := v.Interface().(io.ReadCloser); ok {
		text, err := io.ReadAll(io.LimitReader(body, maxStream+1))
		if err = errors.Join(err, body.Close()); err != nil {
			return nil, err
		}
		if len(text) > maxStream {
			return nil, wire.Errorf("States.DataLimitExceeded", "the body is larger than %d bytes", maxStream)
		}
		return string(text), nil
	}
	member := reflect.Indirect(v.Elem())
	_, name, ok := strings.Cut(member.Type().Name(), "Member")
	if !ok || member.Kind() != reflect.Struct || !member.FieldByName("Value").IsValid() {
		return nil, fmt.Errorf("the local stack cannot read a %s", member.Type())
	}
	e, err := value(member.FieldByName("Value"))
	return map[string]any{memberName(name): e}, err
}
