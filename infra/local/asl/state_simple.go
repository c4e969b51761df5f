package asl

import (
	"math"
	"time"
)

func (a *activation) pass() (*outcome, *Failure) {
	if a.state.Language == JSONata {
		return a.finish(nil, nil)
	}
	_, result, f := a.arguments()
	if f != nil {
		return nil, f
	}
	if a.state.result != nil {
		result = a.state.result
	}
	return a.finish(result, nil)
}

// fail gives the failure that a Fail state stands for.
func (a *activation) fail() *Failure {
	s := a.newScope(a.input.value)
	out := &Failure{}
	for _, part := range []struct {
		from *quantity
		into **string
	}{{a.state.errorName, &out.Name}, {a.state.cause, &out.Cause}} {
		if part.from == nil {
			continue
		}
		v, f := s.typed(part.from.value, part.from.name, "string")
		if f != nil {
			return f
		}
		*part.into = text(v.(string))
	}
	return out
}

func (a *activation) choose() (*outcome, *Failure) {
	effective, f := a.effective()
	if f != nil {
		return nil, f
	}
	s := a.newScope(effective)
	for _, rule := range a.state.choices {
		holds, f := a.holds(s, rule)
		if f != nil {
			return nil, f
		}
		if holds {
			return a.chosen(rule.next, rule.assign, rule.output, effective)
		}
	}
	if a.state.other == "" {
		return nil, failure(ErrNoChoiceMatched, a.in("No choice rule matched and the state has no Default."))
	}
	return a.chosen(a.state.other, a.state.assign, a.state.jsonataOutput, effective)
}

func (a *activation) holds(s *scope, rule choiceRule) (bool, *Failure) {
	if rule.test != nil {
		return rule.test.holds(s)
	}
	v, f := s.typed(rule.condition, "Condition", "boolean")
	if f != nil {
		return false, f
	}
	return v.(bool), nil
}

func (a *activation) chosen(next string, assign []member, output template, effective any) (*outcome, *Failure) {
	if a.state.Language == JSONata {
		return a.finishJSONata(nil, output, assign, next)
	}
	values, f := a.fillAssign(a.newScope(effective), assign)
	if f != nil {
		return nil, f
	}
	out, f := a.selectPath(a.state.output, effective)
	if f != nil {
		return nil, f
	}
	return &outcome{next: next, out: a.payloadOf(out), assign: assign, values: values}, nil
}

// maxWait is the longest wait, 68 years: what fits 31 bits of seconds.
const maxWait = math.MaxInt32

func (a *activation) wait() (*outcome, *Failure) {
	effective, f := a.effective()
	if f != nil {
		return nil, f
	}
	if a.progress == nil {
		until, f := a.deadline(effective)
		if f != nil {
			return nil, f
		}
		if until.Sub(a.exec.now()) > maxWait*time.Second {
			return nil, a.runtime("Wait state delay is too long.")
		}
		a.begin(Progress{Until: &until})
	}
	a.branch.sleep(*a.progress.Until)
	return a.finish(nil, effective)
}

// deadline counts from the entry of the state.
func (a *activation) deadline(effective any) (time.Time, *Failure) {
	s := a.newScope(effective)
	if q := a.state.timestamp; q != nil {
		v, f := s.quantity(q)
		if f != nil {
			return time.Time{}, f
		}
		if written, ok := v.(string); ok {
			if t, ok := parseTimestamp(written); ok {
				return t, nil
			}
		}
		if q.path != nil {
			return time.Time{}, a.runtime("The %s parameter does not reference a valid ISO-8601 extended offset date-time format string: %s == %s", q.name, q.path.text, display(v))
		}
		return time.Time{}, a.query("Timestamp", "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: %s", display(v))
	}
	seconds, f := a.waitSeconds(s, a.state.seconds)
	return a.enteredAt.Add(time.Duration(seconds) * time.Second), f
}

func (a *activation) waitSeconds(s *scope, q *quantity) (int64, *Failure) {
	v, f := s.quantity(q)
	if f != nil {
		return 0, f
	}
	n, ok := integer(v)
	switch {
	case q.path != nil && !ok:
		return 0, a.runtime("The %s parameter cannot be parsed as a long value: %s == %s", q.name, q.path.text, display(v))
	case q.path != nil && n < 0:
		return 0, a.runtime("The %s parameter references a negative value: %s == %s", q.name, q.path.text, display(v))
	case !ok || n < 0:
		return 0, a.query("Seconds", "The Seconds field must be a non-negative integer, but was: %s", encode(v))
	case n > maxWait:
		return 0, a.runtime("Wait state delay is too long.")
	}
	return n, nil
}

// quantity evaluates a scalar field.
func (s *scope) quantity(q *quantity) (any, *Failure) {
	if q.path == nil {
		return q.value.fill(s)
	}
	v, err := s.path(q.path)
	if err != nil {
		return nil, s.act.runtime("Invalid path '%s' : %s", q.path.text, err)
	}
	return v, nil
}

// count evaluates an optional integer field; fallback when it is absent.
func (s *scope) count(q *quantity, fallback int64) (int64, *Failure) {
	if q == nil {
		return fallback, nil
	}
	v, f := s.quantity(q)
	if f != nil {
		return 0, f
	}
	n, ok := integer(v)
	if !ok {
		return 0, s.mistyped(q, v, "integer")
	}
	if n < 0 {
		return 0, s.act.outOfRange(q, "%s cannot be negative.", q.field())
	}
	return n, nil
}

// percentage evaluates an optional field between 0 and 100.
func (s *scope) percentage(q *quantity) (float64, *Failure) {
	if q == nil {
		return 0, nil
	}
	v, f := s.quantity(q)
	if f != nil {
		return 0, f
	}
	n, ok := number(v)
	if !ok {
		return 0, s.mistyped(q, v, "float")
	}
	if n < 0 || n > 100 {
		return 0, s.act.outOfRange(q, "%s must be between 0 and 100.", q.field())
	}
	return n, nil
}

// field is the quantity's name without "Path".
func (q *quantity) field() string {
	if q.path == nil {
		return q.name
	}
	return q.name[:len(q.name)-len("Path")]
}

func (s *scope) mistyped(q *quantity, v any, want string) *Failure {
	if q.path != nil {
		return s.act.runtime("The %s field refers to value \"%s\" which is not a valid %s: %s", q.name, display(v), want, q.path.text)
	}
	e, ok := q.value.(jsonataTemplate)
	if !ok {
		return s.act.runtime("The %s field is not a valid %s: %s", q.name, want, encode(v))
	}
	return s.act.query(q.name, "The JSONata expression '%s' specified for the field '%s' returned an unexpected result type. Expected '%s', but was '%s' for value: %s",
		e.expr.source, q.name, "number", typeName(v), encode(v))
}

func (a *activation) outOfRange(q *quantity, format string, args ...any) *Failure {
	if a.state.Language == JSONata {
		return a.query(q.name, format, args...)
	}
	return a.runtime(format, args...)
}
