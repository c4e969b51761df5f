package asl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/nearest"
)

// Codes of problems, as AWS reports them.
const (
	CodeSchema     = "SCHEMA_VALIDATION_FAILED"
	CodeJSON       = "INVALID_JSON_DESCRIPTION"
	CodeTransition = "MISSING_TRANSITION_TARGET"
	CodeDuplicate  = "DUPLICATE_STATE_NAME"
)

// Problem is one reason to refuse a definition. Pointer is the JSON pointer
// (RFC 6901) of the place, "/" for the whole.
type Problem struct {
	Code, Message, Pointer string
}

// DefinitionError refuses a definition; a retry cannot help.
type DefinitionError struct{ Problems []Problem }

// Error reads as AWS's InvalidDefinition message does.
func (e *DefinitionError) Error() string {
	parts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		parts[i] = fmt.Sprintf("%s: %s at %s", p.Code, p.Message, p.Pointer)
	}
	return "Invalid State Machine Definition: '" + strings.Join(parts, ", ") + "'"
}

// parser collects what is wrong with a definition while it compiles it.
type parser struct {
	problems []Problem
	check    func(TaskDefinition) error
	names    map[string]string // state name → pointer
}

const maxProblems = 50

func (p *parser) report(pointer, format string, args ...any) {
	p.reportCode(CodeSchema, pointer, format, args...)
}

func (p *parser) reportCode(code, pointer, format string, args ...any) {
	if len(p.problems) >= maxProblems {
		return
	}
	if pointer == "" {
		pointer = "/"
	}
	p.problems = append(p.problems, Problem{code, fmt.Sprintf(format, args...), pointer})
}

// reporter is report without formatting, for the template compilers.
func (p *parser) reporter(pointer, message string) { p.report(pointer, "%s", message) }

// fields reads an object's members and knows which were not read.
type fields struct {
	p       *parser
	pointer string
	o       object
	used    []string
}

// object reads v as an object.
func (p *parser) object(v any, pointer string) (*fields, bool) {
	o, ok := v.(object)
	if !ok {
		p.report(pointer, "Expected value of type Object")
		return nil, false
	}
	return &fields{p: p, pointer: pointer, o: o}, true
}

func (f *fields) at(name string) string { return f.pointer + "/" + escapePointer(name) }

func (f *fields) has(name string) bool { _, ok := f.o.Get(name); return ok }

func (f *fields) take(name string) (any, bool) {
	f.used = append(f.used, name)
	return f.o.Get(name)
}

func (f *fields) report(name, format string, args ...any) {
	f.p.report(f.at(name), format, args...)
}

// notImplemented are members that AWS knows and this engine refuses.
var notImplemented = []string{"Credentials"}

// done reports every member that was not read.
func (f *fields) done() {
	for _, k := range f.o.Keys() {
		switch {
		case slices.Contains(f.used, k):
		case slices.Contains(notImplemented, k):
			f.report(k, "The local stack does not implement the field %q", k)
		default:
			f.report(k, "Field is not supported%s", nearest.Hint("field", k, f.used))
		}
	}
}

// required reports the members that are missing.
func (f *fields) required(names ...string) bool {
	var missing []string
	for _, n := range names {
		if !f.has(n) {
			missing = append(missing, n)
		}
	}
	if missing != nil {
		f.p.report(f.pointer, "These fields are required: [%s]", strings.Join(missing, ", "))
	}
	return missing == nil
}

func (f *fields) text(name string) string {
	v, ok := f.take(name)
	if !ok {
		return ""
	}
	s, ok := v.(string)
	if !ok {
		f.report(name, "Expected value of type String")
	}
	return s
}

func (f *fields) flag(name string) bool {
	v, ok := f.take(name)
	if !ok {
		return false
	}
	b, ok := v.(bool)
	if !ok {
		f.report(name, "Expected value of type Boolean")
	}
	return b
}

// integer reads a whole number between least and most.
func (f *fields) integer(name string, fallback, least, most int64) int64 {
	v, ok := f.take(name)
	if !ok {
		return fallback
	}
	i, ok := integer(v)
	if !ok {
		f.report(name, "Expected value of type Integer")
		return fallback
	}
	if i < least || i > most {
		f.report(name, "Value is not in the range %d to %d", least, most)
	}
	return i
}

func (f *fields) array(name string) []any {
	v, ok := f.take(name)
	if !ok {
		return nil
	}
	a, ok := v.([]any)
	if !ok {
		f.report(name, "Expected value of type Array")
	}
	return a
}
