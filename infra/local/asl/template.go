package asl

import (
	"fmt"
	"strings"
)

// template is a compiled JSON value with expressions in it: a payload template
// (JSONPath: members whose name ends in .$) or a JSONata value (strings in
// {% %}). Constant parts are shared, never copied.
type template interface {
	fill(s *scope) (any, *Failure)
}

type (
	constant struct{ value any }
	// members is an object template. The computed members follow the constant
	// ones in hash order when the language is JSONPath.
	members struct{ list []member }
	member  struct {
		name  string
		value template
	}
	arrayTemplate []template
	pathTemplate  struct {
		path  *path
		field string // as messages name it, e.g. "value.$"
	}
	callTemplate struct {
		call  *intrinsic
		field string
	}
	jsonataTemplate struct {
		expr     *jsonata
		location string // e.g. "Output/result"
	}
)

func (t constant) fill(*scope) (any, *Failure) { return t.value, nil }

func (t members) fill(s *scope) (any, *Failure) {
	out := newObject()
	for _, m := range t.list {
		v, f := m.value.fill(s)
		if f != nil {
			return nil, f
		}
		out.Set(m.name, v)
	}
	return out, nil
}

func (t arrayTemplate) fill(s *scope) (any, *Failure) {
	out := make([]any, len(t))
	for i, e := range t {
		v, f := e.fill(s)
		if f != nil {
			return nil, f
		}
		out[i] = v
	}
	return out, nil
}

func (t pathTemplate) fill(s *scope) (any, *Failure) {
	v, err := s.path(t.path)
	if err != nil {
		return nil, s.act.runtime("The JSONPath '%s' specified for the field '%s' could not be found in the input '%s'", t.path.text, t.field, s.rootText(t.path))
	}
	return v, nil
}

func (t callTemplate) fill(s *scope) (any, *Failure) { return s.call(t.call) }

func (t jsonataTemplate) fill(s *scope) (any, *Failure) { return s.jsonata(t.expr, t.location) }

// dynamic says whether a template holds an expression.
func dynamic(t template) bool {
	_, fixed := t.(constant)
	return !fixed
}

// compilePath compiles a payload template. field names the member it is in.
func compilePathTemplate(v any, report func(pointer, message string), pointer string) template {
	switch t := v.(type) {
	case object:
		return compilePathObject(t, report, pointer)
	case []any:
		out := make(arrayTemplate, len(t))
		fixed := true
		for i, e := range t {
			out[i] = compilePathTemplate(e, report, fmt.Sprintf("%s/%d", pointer, i))
			fixed = fixed && !dynamic(out[i])
		}
		if fixed {
			return constant{v}
		}
		return out
	}
	return constant{v}
}

func compilePathObject(o object, report func(pointer, message string), pointer string) template {
	var fixed, computed []member
	var names []string
	o.Range(func(k string, v any) bool {
		place := pointer + "/" + escapePointer(k)
		name, isPath := strings.CutSuffix(k, ".$")
		if !isPath {
			fixed = append(fixed, member{k, compilePathTemplate(v, report, place)})
			return true
		}
		t, err := compileReference(v, k)
		if err != nil {
			report(place, err.Error())
			return true
		}
		if _, twice := o.Get(name); twice {
			report(place, fmt.Sprintf("the field %q is given twice", name))
		}
		names = append(names, name)
		computed = append(computed, member{name, t})
		return true
	})
	for _, name := range hashOrder(names) {
		for _, m := range computed {
			if m.name == name {
				fixed = append(fixed, m)
				break
			}
		}
	}
	for _, m := range fixed {
		if dynamic(m.value) {
			return members{fixed}
		}
	}
	return constant{o}
}

// compileReference compiles a JSONPath or an intrinsic function call.
func compileReference(v any, field string) (template, error) {
	text, ok := v.(string)
	if !ok {
		return nil, fmt.Errorf("the value for the field '%s' must be a valid JSONPath or intrinsic function call", field)
	}
	if strings.HasPrefix(text, "$") {
		p, err := parsePath(text)
		return pathTemplate{p, field}, err
	}
	call, err := parseIntrinsic(text)
	return callTemplate{call, field}, err
}

// compileJSONata compiles a JSONata value at a location such as "Output".
func compileJSONata(v any, report func(pointer, message string), pointer, location string) template {
	switch t := v.(type) {
	case string:
		source, ok := jsonataText(t)
		if !ok {
			return constant{v}
		}
		expr, err := parseJSONata(source)
		if err != nil {
			report(pointer, err.Error())
			return constant{v}
		}
		return jsonataTemplate{expr, location}
	case object:
		var list []member
		fixed := true
		t.Range(func(k string, e any) bool {
			c := compileJSONata(e, report, pointer+"/"+escapePointer(k), location+"/"+k)
			fixed = fixed && !dynamic(c)
			list = append(list, member{k, c})
			return true
		})
		if !fixed {
			return members{list}
		}
	case []any:
		out := make(arrayTemplate, len(t))
		fixed := true
		for i, e := range t {
			out[i] = compileJSONata(e, report, fmt.Sprintf("%s/%d", pointer, i), fmt.Sprintf("%s[%d]", location, i))
			fixed = fixed && !dynamic(out[i])
		}
		if !fixed {
			return out
		}
	}
	return constant{v}
}

// escapePointer escapes a member name for a JSON pointer (RFC 6901).
func escapePointer(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}
