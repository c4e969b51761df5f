package awssdk

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/infra/local/nearest"
)

var (
	timeType = reflect.TypeFor[time.Time]()
	blobType = reflect.TypeFor[[]byte]()
)

// set puts a JSON value into a Go value; path says where, for errors.
func set(v reflect.Value, from any, path string) error {
	if from == nil {
		return nil // a null is a member that is not given
	}
	switch {
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return set(v.Elem(), from, path)
	case v.Type() == timeType:
		return setTime(v, from, path)
	case v.Type() == blobType:
		v.SetBytes(blob(from))
		return nil
	case v.Type() == reader:
		v.Set(reflect.ValueOf(strings.NewReader(string(blob(from)))))
		return nil
	}
	switch v.Kind() {
	case reflect.Struct:
		return setStruct(v, from, path)
	case reflect.Slice:
		return setList(v, from, path)
	case reflect.Map:
		return setMap(v, from, path)
	case reflect.Interface:
		return fmt.Errorf("%s: the local stack does not support members of this type", path)
	}
	return setScalar(v, from, path)
}

// blob is the bytes of a string; anything else is sent as its JSON.
func blob(from any) []byte {
	if s, ok := from.(string); ok {
		return []byte(s)
	}
	text, err := json.Marshal(from)
	if err != nil {
		return nil // it was decoded from JSON
	}
	return text
}

func mistyped(path, want string, from any) error {
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return fmt.Errorf("%s: want %s, got %.100s", path, want, text)
}

func setTime(v reflect.Value, from any, path string) error {
	s, ok := from.(string)
	t, err := time.Parse(time.RFC3339Nano, s)
	if !ok || err != nil {
		return mistyped(path, "an ISO 8601 time such as 2026-01-02T15:04:05Z", from)
	}
	v.Set(reflect.ValueOf(t))
	return nil
}

func setScalar(v reflect.Value, from any, path string) error {
	switch t := from.(type) {
	case string:
		if v.Kind() == reflect.String {
			v.SetString(t)
			return nil
		}
	case bool:
		if v.Kind() == reflect.Bool {
			v.SetBool(t)
			return nil
		}
	case json.Number:
		return setNumber(v, t, path)
	}
	return mistyped(path, "a "+v.Kind().String(), from)
}

func setNumber(v reflect.Value, n json.Number, path string) error {
	switch v.Kind() {
	case reflect.Int32, reflect.Int64:
		f, err := n.Float64() // 5.0 is a whole number too
		i := int64(f)
		if err != nil || float64(i) != f || v.OverflowInt(i) {
			return mistyped(path, "a whole number", n)
		}
		v.SetInt(i)
		return nil
	case reflect.Float32, reflect.Float64:
		f, err := n.Float64()
		if err != nil {
			return mistyped(path, "a number", n)
		}
		v.SetFloat(f)
		return nil
	}
	return mistyped(path, "a "+v.Kind().String(), n)
}

func setStruct(v reflect.Value, from any, path string) error {
	members, ok := from.(map[string]any)
	if !ok {
		return mistyped(path, "an object", from)
	}
	for name, value := range members {
		at := strings.TrimPrefix(path+"."+name, ".")
		field, ok := member(v, name)
		if !ok {
			return fmt.Errorf("the field %q is not supported by Step Functions%s", at, nearest.Hint("field", name, memberNames(v.Type())))
		}
		if err := set(field, value, at); err != nil {
			return err
		}
	}
	return nil
}

func member(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if f := v.Type().Field(i); isMember(f) && memberName(f.Name) == name {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func setList(v reflect.Value, from any, path string) error {
	list, ok := from.([]any)
	if !ok {
		return mistyped(path, "an array", from)
	}
	v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
	for i, e := range list {
		if err := set(v.Index(i), e, fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	return nil
}

func setMap(v reflect.Value, from any, path string) error {
	members, ok := from.(map[string]any)
	if !ok {
		return mistyped(path, "an object", from)
	}
	v.Set(reflect.MakeMap(v.Type()))
	for name, e := range members {
		value := reflect.New(v.Type().Elem()).Elem()
		if err := set(value, e, path+"."+name); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), value)
	}
	return nil
}
