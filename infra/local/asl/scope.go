package asl

import (
	"errors"

	"github.com/recolabs/gnata"
)

// variables are one branch's variables; an inner branch reads the outer ones.
type variables struct {
	outer *variables
	own   map[string]any
}

func (v *variables) lookup(name string) (any, bool) {
	for s := v; s != nil; s = s.outer {
		if value, ok := s.own[name]; ok {
			return value, true
		}
	}
	return nil, false
}

func (v *variables) assign(values []member, filled []any) {
	if v.own == nil {
		v.own = map[string]any{}
	}
	for i, m := range values {
		v.own[m.name] = filled[i]
	}
}

// scope is what expressions see while a state is evaluated.
type scope struct {
	act    *activation
	input  any // $ in JSONPath; $states.input in JSONata
	result any // $states.result, nil when there is none
	failed any // $states.errorOutput, nil when there is none

	states        any // cached $states without the context
	statesContext any // cached $states with the context
	context       any // cached context object
}

// contextObject is $$ and $states.context.
func (s *scope) contextObject() any {
	if s.context == nil {
		s.context = s.act.contextObject()
	}
	return s.context
}

// path evaluates a JSONPath from its root.
func (s *scope) path(p *path) (any, error) {
	root, ok := s.root(p)
	if !ok {
		return nil, &pathMissing{"No such variable: $" + p.variable}
	}
	return p.sel(root)
}

func (s *scope) root(p *path) (any, bool) {
	switch p.root {
	case rootContext:
		return s.contextObject(), true
	case rootVariable:
		return s.act.branch.vars.lookup(p.variable)
	}
	return s.input, true
}

// rootText is the JSON that a path was looked up in, for messages.
func (s *scope) rootText(p *path) string {
	root, ok := s.root(p)
	if !ok {
		return ""
	}
	return encode(root)
}

// call runs an intrinsic function.
func (s *scope) call(c *intrinsic) (any, *Failure) {
	args := make([]any, len(c.args))
	for i, a := range c.args {
		switch {
		case a.path != nil:
			v, err := s.path(a.path)
			if err != nil {
				return nil, s.act.runtime("The function '%s' had the following error: The JsonPath argument for the field '%s' could not be found in the input '%s'", c.text, a.path.text, s.rootText(a.path))
			}
			args[i] = v
		case a.nested != nil:
			v, f := s.call(a.nested)
			if f != nil {
				return nil, f
			}
			args[i] = v
		default:
			args[i] = a.literal
			if text, ok := a.literal.(string); ok && (c.name != "Format" || i > 0) {
				args[i] = unescape(text)
			}
		}
	}
	v, err := c.call(s.act.exec.engine.random, args)
	if err != nil {
		return nil, failure(ErrIntrinsicFailure, s.act.in("The function '%s' had the following error: %s", c.text, err))
	}
	return v, nil
}

// jsonata runs an expression whose result must be a JSON value.
func (s *scope) jsonata(e *jsonata, location string) (any, *Failure) {
	raw, err := s.act.exec.engine.evaluator.eval(s.act.exec.ctx, e, bindings{states: s.statesOf(e), lookup: s.act.branch.vars.lookup})
	if err != nil {
		return nil, s.act.query(location, "The JSONata expression '%s' specified for the field '%s' threw an error during evaluation. %s", e.source, location, err)
	}
	if raw == nil {
		return nil, s.act.query(location, "The JSONata expression '%s' specified for the field '%s' returned nothing (undefined).", e.source, location)
	}
	v, err := clean(raw)
	if errors.Is(err, errUnsupported) {
		return nil, s.act.query(location, "The JSONata expression '%s' specified for the field '%s' returned an unsupported result type.", e.source, location)
	}
	if err != nil {
		return nil, s.act.query(location, "The JSONata expression '%s' specified for the field '%s' threw an error during evaluation. %s", e.source, location, err)
	}
	return v, nil
}

// statesOf builds $states as far as e reads it.
func (s *scope) statesOf(e *jsonata) any {
	if !e.states {
		return nil
	}
	cached := &s.states
	if e.context {
		cached = &s.statesContext
	}
	if *cached != nil {
		return *cached
	}
	o := objectOf("input", s.input)
	if e.context {
		o.Set("context", s.contextObject())
	}
	if s.result != nil {
		o.Set("result", s.result)
	}
	if s.failed != nil {
		o.Set("errorOutput", s.failed)
	}
	*cached = o
	return o
}

// typed runs a template whose result must have a type; source is its
// expression for the message.
func (s *scope) typed(t template, location, want string) (any, *Failure) {
	v, f := t.fill(s)
	if f != nil || typeName(v) == want {
		return v, f
	}
	e, ok := t.(jsonataTemplate)
	if !ok {
		return nil, s.act.runtime("The field '%s' must be of type '%s', but was '%s' for value: %s", location, want, typeName(v), encode(v))
	}
	return nil, s.act.query(location, "The JSONata expression '%s' specified for the field '%s' returned an unexpected result type. Expected '%s', but was '%s' for value: %s",
		e.expr.source, location, want, typeName(v), encode(v))
}

func isNull(v any) bool { return gnata.IsNull(v) }
