package asl

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// filterExpr is the inside of [?( … )].
type filterExpr interface {
	// test gives the expression's value for a candidate; nil when it has none.
	test(w *walker, candidate any) any
}

type (
	filterLiteral struct{ value any }
	filterPath    struct {
		fromRoot bool
		path     *path
	}
	filterNot struct{ inner filterExpr }
	filterOp  struct {
		op          string
		left, right filterExpr
		pattern     *regexp.Regexp
	}
)

func (f filterLiteral) test(*walker, any) any { return f.value }

func (f filterPath) test(w *walker, candidate any) any {
	base := candidate
	if f.fromRoot {
		base = w.root
	}
	v, err := f.path.within(w, base)
	if err != nil {
		return nil
	}
	if a, ok := v.([]any); ok && !f.path.definite && len(a) == 0 {
		return nil
	}
	return v
}

func (f filterNot) test(w *walker, c any) any { return !truth(f.inner.test(w, c)) }

// truth: a path that selects something holds; a boolean result is itself.
func truth(v any) bool {
	if b, ok := v.(bool); ok {
		return b
	}
	return v != nil
}

func (f filterOp) test(w *walker, c any) any {
	switch f.op {
	case "&&":
		return f.holds(f.left, w, c) && f.holds(f.right, w, c)
	case "||":
		return f.holds(f.left, w, c) || f.holds(f.right, w, c)
	}
	left, right := f.left.test(w, c), any(nil)
	if f.right != nil {
		right = f.right.test(w, c)
	}
	switch f.op {
	case "==":
		return left != nil && right != nil && equal(left, right)
	case "!=":
		return left == nil || right == nil || !equal(left, right)
	case "=~":
		s, ok := left.(string)
		return ok && f.pattern.MatchString(s)
	case "in", "nin":
		list, _ := right.([]any)
		return slices.ContainsFunc(list, func(e any) bool { return equal(left, e) }) == (f.op == "in")
	}
	order, ok := compare(left, right)
	return ok && (f.op == "<" && order < 0 || f.op == "<=" && order <= 0 || f.op == ">" && order > 0 || f.op == ">=" && order >= 0)
}

// holds: a bare path in a logical expression tests existence, not its value.
func (f filterOp) holds(e filterExpr, w *walker, c any) bool {
	v := e.test(w, c)
	if _, bare := e.(filterPath); bare {
		return v != nil
	}
	return truth(v)
}

func compare(a, b any) (int, bool) {
	if x, ok := number(a); ok {
		y, ok := number(b)
		switch {
		case !ok:
			return 0, false
		case x < y:
			return -1, true
		case x > y:
			return 1, true
		}
		return 0, true
	}
	x, ok1 := a.(string)
	y, ok2 := b.(string)
	return strings.Compare(x, y), ok1 && ok2
}

const maxFilterDepth = 64

func (p *pathParser) filter() (segment, error) {
	p.space()
	if p.peek() != '(' {
		return segment{}, fmt.Errorf("a filter begins with ?( at position %d", p.at)
	}
	p.at++
	e, err := p.or()
	if err != nil {
		return segment{}, err
	}
	if err := p.expect(")"); err != nil {
		return segment{}, err
	}
	if bare, ok := e.(filterPath); ok {
		e = existence{bare}
	}
	return segment{kind: segFilter, filter: e}, nil
}

// existence is a bare path as a whole filter: it holds when it selects.
type existence struct{ path filterPath }

func (e existence) test(w *walker, c any) any { return e.path.test(w, c) != nil }

func (p *pathParser) expect(token string) error {
	p.space()
	if !strings.HasPrefix(p.text[p.at:], token) {
		return fmt.Errorf("%q is missing at position %d", token, p.at)
	}
	p.at += len(token)
	return nil
}

func (p *pathParser) accept(token string) bool { return p.expect(token) == nil }

func (p *pathParser) or() (filterExpr, error) {
	return p.chain("||", func() (filterExpr, error) { return p.chain("&&", p.unary) })
}

func (p *pathParser) chain(op string, operand func() (filterExpr, error)) (filterExpr, error) {
	left, err := operand()
	for err == nil && p.accept(op) {
		var right filterExpr
		if right, err = operand(); err == nil {
			left = filterOp{op: op, left: left, right: right}
		}
	}
	return left, err
}

func (p *pathParser) unary() (filterExpr, error) {
	if p.depth++; p.depth > maxFilterDepth {
		return nil, fmt.Errorf("a filter nested deeper than %d", maxFilterDepth)
	}
	defer func() { p.depth-- }()
	p.space()
	if p.peek() == '!' {
		p.at++
		inner, err := p.unary()
		if bare, ok := inner.(filterPath); ok {
			inner = existence{bare}
		}
		return filterNot{inner}, err
	}
	if p.peek() == '(' {
		p.at++
		inner, err := p.or()
		if err != nil {
			return nil, err
		}
		return inner, p.expect(")")
	}
	return p.comparison()
}

func (p *pathParser) comparison() (filterExpr, error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	for _, op := range []string{"==", "!=", "<=", ">=", "=~", "<", ">", "nin ", "in "} {
		if !p.accept(op) {
			continue
		}
		f := filterOp{op: strings.TrimSpace(op), left: left}
		if f.op == "=~" {
			f.pattern, err = p.pattern()
		} else {
			f.right, err = p.operand()
		}
		return f, err
	}
	return left, nil
}

func (p *pathParser) operand() (filterExpr, error) {
	p.space()
	switch c := p.peek(); {
	case c == '@' || c == '$':
		p.at++
		segments, err := p.segments(true)
		inner := &path{segments: segments, definite: true}
		for _, s := range segments {
			inner.definite = inner.definite && (s.kind == segChild || s.kind == segIndex) && len(s.names)+len(s.indices) == 1
		}
		return filterPath{c == '$', inner}, err
	case c == '\'' || c == '"':
		s, err := p.quoted()
		return filterLiteral{s}, err
	case c == '[':
		return p.list()
	}
	return p.word()
}

func (p *pathParser) word() (filterExpr, error) {
	start := p.at
	for p.at < len(p.text) && (isNameByte(p.text[p.at]) || strings.ContainsRune("+-.", rune(p.text[p.at]))) {
		p.at++
	}
	switch text := p.text[start:p.at]; text {
	case "true", "false":
		return filterLiteral{text == "true"}, nil
	case "null":
		return filterLiteral{jsonNull}, nil
	case "":
		return nil, fmt.Errorf("an operand is missing at position %d", p.at)
	default:
		v, err := numberLiteral(text)
		return filterLiteral{v}, err
	}
}

func (p *pathParser) list() (filterExpr, error) {
	p.at++
	items := []any{}
	for !p.accept("]") {
		if len(items) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		e, err := p.operand()
		if err != nil {
			return nil, err
		}
		literal, ok := e.(filterLiteral)
		if !ok {
			return nil, fmt.Errorf("a list in a filter holds literals only")
		}
		items = append(items, literal.value)
	}
	return filterLiteral{items}, nil
}

func (p *pathParser) pattern() (*regexp.Regexp, error) {
	if err := p.expect("/"); err != nil {
		return nil, err
	}
	start := p.at
	for p.at < len(p.text) && (p.text[p.at] != '/' || p.text[p.at-1] == '\\') {
		p.at++
	}
	body := strings.ReplaceAll(p.text[start:p.at], `\/`, "/")
	if err := p.expect("/"); err != nil {
		return nil, err
	}
	flags := p.name()
	if strings.Trim(flags, "imsx") != "" {
		return nil, fmt.Errorf("regular expression flags %q", flags)
	}
	if flags = strings.ReplaceAll(flags, "x", ""); flags != "" {
		body = "(?" + flags + ")" + body
	}
	return regexp.Compile("^(?:" + body + ")$")
}
