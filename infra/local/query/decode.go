package query

import (
	"context"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Struct makes an operation of a function that takes its parameters as a
// struct: the field Port is read from the parameter Port, the field Forward
// (a struct) from Forward.X, the field Groups (a list) from Groups.member.1,
// Groups.member.2, … What no field reads is refused by name before the function
// is called; a value of the wrong type is a ValidationError.
//
// Fields are strings, bools, ints, structs, pointers to these and lists. A nil
// pointer or list is a parameter that was not sent.
func Struct[In, Out any](act func(context.Context, In) (*Out, error)) Operation {
	type read struct {
		in  In
		err error
	}
	return Op(func(p *Params) (r read) {
		r.err = p.Decode(&r.in)
		return r
	}, func(ctx context.Context, r read) (*Out, error) {
		if r.err != nil {
			return nil, r.err
		}
		return act(ctx, r.in)
	})
}

// Decode fills the struct that into points to, as Struct says, and marks what
// it reads as known.
func (p *Params) Decode(into any) error {
	d := decoder{params: p, root: tree(p.values)}
	return d.structure(d.root, reflect.ValueOf(into).Elem())
}

// node is one step of a parameter's dotted name.
type node struct {
	name     string // the whole name up to here
	value    string
	set      bool // a parameter ends here
	children map[string]*node
}

// maxName bounds a parameter's name in bytes; AWS's longest have about 100.
const maxName = 1 << 10

func tree(values url.Values) *node {
	root := &node{}
	for name := range values {
		if len(name) > maxName {
			continue // no field has such a name, so it is refused as unknown
		}
		at := root
		for part := range strings.SplitSeq(name, ".") {
			if at.children == nil {
				at.children = map[string]*node{}
			}
			next := at.children[part]
			if next == nil {
				next = &node{name: strings.TrimPrefix(at.name+"."+part, ".")}
				at.children[part] = next
			}
			at = next
		}
		at.value, at.set = values.Get(name), true
	}
	return root
}

type decoder struct {
	params *Params
	root   *node
}

func (d decoder) structure(n *node, into reflect.Value) error {
	for i := range into.NumField() {
		field := into.Type().Field(i)
		if field.Anonymous {
			if err := d.structure(n, into.Field(i)); err != nil {
				return err
			}
			continue
		}
		if child := n.children[field.Name]; child != nil && field.IsExported() {
			if err := d.value(child, into.Field(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d decoder) value(n *node, into reflect.Value) error {
	switch into.Kind() {
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		return d.value(n, into.Elem())
	case reflect.Struct:
		return d.structure(n, into)
	case reflect.Slice:
		return d.list(n, into)
	}
	if !n.set {
		return nil // only names below it: they are refused as unknown
	}
	d.params.read[n.name] = true
	return scalar(n, into)
}

func scalar(n *node, into reflect.Value) error {
	switch into.Kind() {
	case reflect.String:
		into.SetString(n.value)
	case reflect.Bool:
		if n.value != "true" && n.value != "false" {
			return wrongType(n, "true or false")
		}
		into.SetBool(n.value == "true")
	case reflect.Int:
		v, err := strconv.ParseInt(n.value, 10, 32)
		if err != nil {
			return wrongType(n, "an integer")
		}
		into.SetInt(v)
	default:
		panic(fmt.Sprintf("query: a parameter cannot be read into %s", into.Type()))
	}
	return nil
}

func wrongType(n *node, want string) error {
	return wire.Errorf("ValidationError", "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: want %s", n.value, n.name, want)
}

// list reads member.1, member.2, … in the order of the numbers, up to the first
// gap. An empty list is sent as its name alone.
func (d decoder) list(n *node, into reflect.Value) error {
	if n.set && n.value == "" {
		d.params.read[n.name] = true
	}
	members := n.children["member"]
	out := reflect.MakeSlice(into.Type(), 0, 0)
	for i := 1; members != nil; i++ {
		child := members.children[strconv.Itoa(i)]
		if child == nil {
			break
		}
		one := reflect.New(into.Type().Elem()).Elem()
		if err := d.value(child, one); err != nil {
			return err
		}
		out = reflect.Append(out, one)
	}
	into.Set(out)
	return nil
}
