package asl

import (
	"fmt"
	"strings"
)

// choiceTest is a compiled JSONPath choice rule.
type choiceTest interface {
	holds(s *scope) (bool, *Failure)
}

type (
	andTest []choiceTest
	orTest  []choiceTest
	notTest struct{ inner choiceTest }
	// comparison applies an operator to a variable.
	comparison struct {
		variable *path
		operator string // without "Path"
		literal  any
		operand  *path // of a …Path operator
	}
)

func (t andTest) holds(s *scope) (bool, *Failure) {
	for _, e := range t {
		if ok, f := e.holds(s); f != nil || !ok {
			return false, f
		}
	}
	return true, nil
}

func (t orTest) holds(s *scope) (bool, *Failure) {
	for _, e := range t {
		if ok, f := e.holds(s); f != nil || ok {
			return ok, f
		}
	}
	return false, nil
}

func (t notTest) holds(s *scope) (bool, *Failure) {
	ok, f := t.inner.holds(s)
	return !ok, f
}

func (t comparison) holds(s *scope) (bool, *Failure) {
	v, err := s.path(t.variable)
	if t.operator == "IsPresent" {
		return (err == nil) == t.literal.(bool), nil
	}
	if err != nil {
		return false, s.act.runtime("Invalid path '%s': The choice state's condition path references an invalid value.", t.variable.text)
	}
	operand := t.literal
	if t.operand != nil {
		if operand, err = s.path(t.operand); err != nil {
			return false, s.act.runtime("Invalid path '%s': The choice state's condition path references an invalid value.", t.operand.text)
		}
	}
	return applyOperator(t.operator, v, operand), nil
}

func applyOperator(operator string, v, operand any) bool {
	switch operator {
	case "IsNull":
		return isNull(v) == operand.(bool)
	case "IsString", "IsBoolean", "IsNumeric":
		want := map[string]string{"IsString": "string", "IsBoolean": "boolean", "IsNumeric": "number"}[operator]
		return (typeName(v) == want) == operand.(bool)
	case "IsTimestamp":
		text, ok := v.(string)
		if ok {
			_, ok = parseTimestamp(text)
		}
		return ok == operand.(bool)
	case "BooleanEquals":
		a, ok1 := v.(bool)
		b, ok2 := operand.(bool)
		return ok1 && ok2 && a == b
	case "StringMatches":
		a, ok1 := v.(string)
		b, ok2 := operand.(string)
		return ok1 && ok2 && wildcard(b, a)
	}
	for kind, order := range orders {
		if relation, ok := strings.CutPrefix(operator, kind); ok {
			c, comparable := order(v, operand)
			return comparable && related(relation, c)
		}
	}
	return false
}

// orders compare two values of a kind; false when either is of another kind.
var orders = map[string]func(a, b any) (int, bool){
	"String": func(a, b any) (int, bool) {
		x, ok1 := a.(string)
		y, ok2 := b.(string)
		return strings.Compare(x, y), ok1 && ok2
	},
	"Numeric": func(a, b any) (int, bool) {
		if _, ok := number(a); !ok {
			return 0, false
		}
		return compare(a, b)
	},
	"Timestamp": func(a, b any) (int, bool) {
		x, ok1 := a.(string)
		y, ok2 := b.(string)
		s, ok3 := parseTimestamp(x)
		t, ok4 := parseTimestamp(y)
		return s.Compare(t), ok1 && ok2 && ok3 && ok4
	},
}

func related(relation string, c int) bool {
	switch relation {
	case "Equals":
		return c == 0
	case "LessThan":
		return c < 0
	case "GreaterThan":
		return c > 0
	case "LessThanEquals":
		return c <= 0
	case "GreaterThanEquals":
		return c >= 0
	}
	return false
}

// wildcard matches text against a pattern in which * is any run of
// characters, and a backslash makes the next character stand for itself.
func wildcard(pattern, text string) bool {
	var parts []string
	var part strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch {
		case pattern[i] == '\\' && i+1 < len(pattern):
			i++
			part.WriteByte(pattern[i])
		case pattern[i] == '*':
			parts = append(parts, part.String())
			part.Reset()
		default:
			part.WriteByte(pattern[i])
		}
	}
	parts = append(parts, part.String())
	if len(parts) == 1 {
		return text == parts[0]
	}
	rest, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	for _, middle := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(rest, middle)
		if !found {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}

func (p *parser) choice(f *fields, s *State, outer []string) {
	f.required("Choices")
	rules := f.array("Choices")
	if f.has("Choices") && len(rules) == 0 {
		f.report("Choices", "A Choice state needs at least one choice rule")
	}
	for i, v := range rules {
		r, ok := p.object(v, fmt.Sprintf("%s/%d", f.at("Choices"), i))
		if !ok {
			continue
		}
		r.text("Comment")
		r.required("Next")
		rule := choiceRule{next: r.text("Next"), assign: r.assign(s.Language, outer)}
		if s.Language == JSONata {
			r.condition(&rule)
			rule.output = r.jsonata("Output")
		} else {
			rule.test = r.test(0)
		}
		r.done()
		s.choices = append(s.choices, rule)
	}
	s.other = f.text("Default")
}

func (f *fields) condition(rule *choiceRule) {
	if !f.required("Condition") {
		return
	}
	v, _ := f.take("Condition")
	rule.condition = compileJSONata(v, f.p.reporter, f.at("Condition"), "Condition")
	if _, isBool := v.(bool); !isBool && !dynamic(rule.condition) {
		f.report("Condition", "The Condition must be a boolean or a JSONata expression")
	}
}

const maxTestDepth = 64

// test reads a JSONPath choice rule, at the top or nested.
func (f *fields) test(depth int) choiceTest {
	if depth > maxTestDepth {
		f.p.report(f.pointer, "Choice rules nested deeper than %d", maxTestDepth)
		return orTest{}
	}
	for _, name := range []string{"And", "Or"} {
		if !f.has(name) {
			continue
		}
		list := f.array(name)
		if len(list) == 0 {
			f.report(name, "%s needs at least one choice rule", name)
		}
		var tests []choiceTest
		for i, v := range list {
			if inner, ok := f.p.object(v, fmt.Sprintf("%s/%d", f.at(name), i)); ok {
				tests = append(tests, inner.nested(depth+1))
			}
		}
		if name == "And" {
			return andTest(tests)
		}
		return orTest(tests)
	}
	if f.has("Not") {
		v, _ := f.take("Not")
		inner, ok := f.p.object(v, f.at("Not"))
		if !ok {
			return orTest{}
		}
		return notTest{inner.nested(depth + 1)}
	}
	return f.comparison()
}

func (f *fields) nested(depth int) choiceTest {
	f.text("Comment")
	t := f.test(depth)
	f.done()
	return t
}

func (f *fields) comparison() choiceTest {
	t := comparison{literal: false}
	if !f.required("Variable") {
		return t
	}
	v, _ := f.take("Variable")
	t.variable = f.path("Variable", v)
	found := 0
	for _, key := range f.o.Keys() {
		operator, isPath := strings.CutSuffix(key, "Path")
		want, known := operators[operator]
		if !known || isPath && (strings.HasPrefix(operator, "Is") || operator == "StringMatches") {
			continue
		}
		found++
		t.operator = operator
		v, _ := f.take(key)
		if isPath {
			t.operand = f.path(key, v)
			continue
		}
		t.literal = v
		if typeName(v) != want {
			f.report(key, "Expected value of type %s", want)
			t.literal = false
		} else if _, ok := v.(string); ok && strings.HasPrefix(operator, "Timestamp") {
			if _, ok := parseTimestamp(v.(string)); !ok {
				f.report(key, "Value is not a valid ISO-8601 timestamp")
			}
		}
	}
	if found != 1 {
		f.p.report(f.pointer, "A choice rule needs exactly one comparison operator")
	}
	return t
}

// operators are the comparison operators and the type of their literal.
var operators = func() map[string]string {
	out := map[string]string{"StringMatches": "string", "BooleanEquals": "boolean"}
	for _, is := range []string{"IsNull", "IsPresent", "IsNumeric", "IsString", "IsBoolean", "IsTimestamp"} {
		out[is] = "boolean"
	}
	for kind, literal := range map[string]string{"String": "string", "Numeric": "number", "Timestamp": "string"} {
		for _, relation := range []string{"Equals", "LessThan", "GreaterThan", "LessThanEquals", "GreaterThanEquals"} {
			out[kind+relation] = literal
		}
	}
	return out
}()
