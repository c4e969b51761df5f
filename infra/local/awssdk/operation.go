package awssdk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// operation is one operation of a service.
type operation struct {
	name string       // the action, e.g. "describeEndpoint"
	in   reflect.Type // the input's struct
	call func(ctx context.Context, in any) (any, error)
}

// op makes an operation of a client's method, e.g. (*sfn.Client).StopExecution.
func op[C, I, O, P any](client C, method func(C, context.Context, *I, ...func(*P)) (*O, error)) operation {
	t := reflect.TypeFor[I]()
	return operation{name: action(t), in: t, call: func(ctx context.Context, in any) (any, error) {
		return method(client, ctx, in.(*I))
	}}
}

// action is the camelCase name of the operation that takes an input.
func action(input reflect.Type) string {
	name := strings.TrimSuffix(input.Name(), "Input")
	return strings.ToLower(name[:1]) + name[1:]
}

// members are the parameters that the operation has.
func (o operation) members() []string {
	return memberNames(o.in)
}

// input reads the parameters.
func (o operation) input(parameters json.RawMessage) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(parameters))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, wire.Errorf("States.Runtime", "the parameters of %s: %v", o.name, err)
	}
	in := reflect.New(o.in)
	if err := set(in.Elem(), v, ""); err != nil {
		return nil, wire.Errorf("States.Runtime", "the parameters of %s: %v", o.name, err)
	}
	return in.Interface(), nil
}

// errNotSent ends a call that is made for the SDK's own checks only.
var errNotSent = errors.New("the call is not made")

type unsent struct{}

// required refuses a call without a parameter that it needs: the SDK checks
// that before it sends anything.
func (o operation) required(fields []string) error {
	in := reflect.New(o.in)
	for i := range o.in.NumField() {
		if f := o.in.Field(i); f.IsExported() && slices.Contains(fields, memberName(f.Name)) {
			fill(in.Elem().Field(i))
		}
	}
	stopped, cancel := context.WithCancelCause(context.WithValue(context.Background(), unsent{}, true))
	cancel(errNotSent)
	_, err := o.call(stopped, in.Interface())
	invalid, ok := errors.AsType[smithy.InvalidParamsError](err)
	if !ok {
		return nil
	}
	for _, e := range invalid.Errs() {
		missing, ok := errors.AsType[smithy.InvalidParamError](e)
		if !ok {
			continue
		}
		_, name, _ := strings.Cut(missing.Field(), ".") // behind the input's name
		if !strings.ContainsAny(name, ".[") && !slices.Contains(fields, memberName(name)) {
			return fmt.Errorf("The field %q is required but was missing", memberName(name))
		}
	}
	return nil
}

// fill gives a field some value, so that it does not count as missing.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
	case reflect.String:
		v.SetString("x")
	case reflect.Interface:
		if v.Type() == reader {
			v.Set(reflect.ValueOf(strings.NewReader("")))
		}
	}
}

var reader = reflect.TypeFor[io.Reader]()
