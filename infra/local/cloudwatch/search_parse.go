package cloudwatch

import (
	"fmt"
	"strings"
)

func (p *searchParser) parse(text string) (*term, error) {
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		t := searchToken.FindString(rest)
		if t == "" {
			return nil, fmt.Errorf("cannot read %q", rest)
		}
		p.tokens = append(p.tokens, t)
		rest = rest[len(t):]
	}
	if len(p.tokens) == 0 {
		return nil, nil
	}
	t, err := p.or()
	if err == nil && len(p.tokens) > 0 {
		err = fmt.Errorf("unexpected %q", p.tokens[0])
	}
	return t, err
}

func (p *searchParser) take(token string) bool {
	if len(p.tokens) == 0 || p.tokens[0] != token {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

func (p *searchParser) or() (*term, error) {
	left, err := p.and()
	for err == nil && p.take("OR") {
		var right *term
		right, err = p.and()
		left = &term{op: "OR", operands: []*term{left, right}}
	}
	return left, err
}

func (p *searchParser) and() (*term, error) {
	left, err := p.not()
	for err == nil && len(p.tokens) > 0 && p.tokens[0] != "OR" && p.tokens[0] != ")" {
		p.take("AND")
		var right *term
		right, err = p.not()
		left = &term{op: "AND", operands: []*term{left, right}}
	}
	return left, err
}

func (p *searchParser) not() (*term, error) {
	if p.depth++; p.depth > 64 {
		return nil, fmt.Errorf("it is nested more than 64 deep")
	}
	defer func() { p.depth-- }()
	switch {
	case len(p.tokens) == 0:
		return nil, fmt.Errorf("it ends too early")
	case p.take("NOT"):
		operand, err := p.not()
		return &term{op: "NOT", operands: []*term{operand}}, err
	case p.take("("):
		inner, err := p.or()
		if err == nil && !p.take(")") {
			err = fmt.Errorf(`want ")"`)
		}
		return inner, err
	}
	t := p.tokens[0]
	p.tokens = p.tokens[1:]
	if t == ")" || t == "AND" || t == "OR" {
		return nil, fmt.Errorf("unexpected %q", t)
	}
	return property(t), nil
}

// property reads name=value or a word.
func property(token string) *term {
	name, value, given := strings.Cut(token, "=")
	if strings.HasPrefix(token, `"`) { // a "=" may stand in the quoted name
		end := strings.Index(token[1:], `"`) + 2
		name, value, given = token[:end], strings.TrimPrefix(token[end:], "="), end < len(token)
	}
	if !given {
		name, value = "", token
	}
	t := &term{property: strings.Trim(name, `"`), value: strings.Trim(value, `"`), exact: strings.HasPrefix(value, `"`)}
	if !t.exact {
		t.value = strings.ToLower(t.value)
	}
	return t
}
