package asl

import (
	"encoding/json"
	"fmt"
	"strings"
)

// intrinsic is a compiled call of an intrinsic function, e.g.
// States.Format('{}', $.a).
type intrinsic struct {
	text string
	name string // without "States."
	args []intrinsicArg
	call intrinsicFunc
}

// intrinsicArg is exactly one of a literal, a path and a nested call.
type intrinsicArg struct {
	literal any
	path    *path
	nested  *intrinsic
}

const maxIntrinsicDepth = 32

// parseIntrinsic compiles a call, or says what is wrong with it.
func parseIntrinsic(text string) (*intrinsic, error) {
	if len(text) > maxPathLength {
		return nil, fmt.Errorf("an intrinsic function call longer than %d bytes", maxPathLength)
	}
	p := &intrinsicParser{text: text}
	out, err := p.call(0)
	if err != nil {
		return nil, fmt.Errorf("invalid intrinsic function %q: %w", text, err)
	}
	if p.space(); p.at != len(text) {
		return nil, fmt.Errorf("invalid intrinsic function %q: unexpected %q at position %d", text, text[p.at:], p.at)
	}
	return out, nil
}

type intrinsicParser struct {
	text string
	at   int
}

func (p *intrinsicParser) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

func (p *intrinsicParser) take(c byte) bool {
	p.space()
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *intrinsicParser) call(depth int) (*intrinsic, error) {
	if depth > maxIntrinsicDepth {
		return nil, fmt.Errorf("calls nested deeper than %d", maxIntrinsicDepth)
	}
	p.space()
	start := p.at
	for p.at < len(p.text) && (isNameByte(p.text[p.at]) || p.text[p.at] == '.') {
		p.at++
	}
	full := p.text[start:p.at]
	name, ok := strings.CutPrefix(full, "States.")
	f, known := intrinsics[name]
	if !ok || !known {
		return nil, fmt.Errorf("there is no function %q", full)
	}
	out := &intrinsic{name: name, call: f.call}
	if !p.take('(') {
		return nil, fmt.Errorf("a ( is missing after %s", full)
	}
	for !p.take(')') {
		if len(out.args) > 0 && !p.take(',') {
			return nil, fmt.Errorf("a , or ) is missing at position %d", p.at)
		}
		arg, err := p.arg(depth)
		if err != nil {
			return nil, err
		}
		out.args = append(out.args, arg)
	}
	if n := len(out.args); n < f.least || f.most >= 0 && n > f.most {
		return nil, fmt.Errorf("%s does not take %d arguments", full, n)
	}
	out.text = p.text[start:p.at]
	return out, nil
}

func (p *intrinsicParser) arg(depth int) (intrinsicArg, error) {
	p.space()
	rest := p.text[p.at:]
	switch {
	case rest == "":
		return intrinsicArg{}, fmt.Errorf("an argument is missing at position %d", p.at)
	case rest[0] == '\'':
		s, err := p.quoted()
		return intrinsicArg{literal: s}, err
	case rest[0] == '$':
		return p.path()
	case strings.HasPrefix(rest, "States."):
		nested, err := p.call(depth + 1)
		return intrinsicArg{nested: nested}, err
	}
	end := strings.IndexAny(rest, ",)")
	if end < 0 {
		return intrinsicArg{}, fmt.Errorf("a ) is missing")
	}
	word := strings.TrimSpace(rest[:end])
	p.at += end
	switch word {
	case "true", "false":
		return intrinsicArg{literal: word == "true"}, nil
	case "null":
		return intrinsicArg{literal: jsonNull}, nil
	}
	if !json.Valid([]byte(word)) || strings.ContainsAny(word[:1], "\"[{") {
		return intrinsicArg{}, fmt.Errorf("bad argument %q", word)
	}
	return intrinsicArg{literal: json.Number(word)}, nil
}

// quoted reads a string in single quotes. A backslash escapes the next byte;
// the pair is kept before a brace so that States.Format can tell.
func (p *intrinsicParser) quoted() (string, error) {
	p.at++
	var b strings.Builder
	for p.at < len(p.text) {
		c := p.text[p.at]
		p.at++
		switch {
		case c == '\'':
			return b.String(), nil
		case c == '\\' && p.at < len(p.text):
			next := p.text[p.at]
			p.at++
			if next != '\'' {
				b.WriteByte('\\')
			}
			b.WriteByte(next)
		default:
			b.WriteByte(c)
		}
	}
	return "", fmt.Errorf("a closing ' is missing")
}

// path reads a JSONPath argument: up to the , or ) outside brackets and quotes.
func (p *intrinsicParser) path() (intrinsicArg, error) {
	start, depth := p.at, 0
	var quote byte
	for p.at < len(p.text) {
		c := p.text[p.at]
		switch {
		case quote != 0:
			if c == '\\' {
				p.at++
			} else if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '[' || c == '(':
			depth++
		case depth > 0 && (c == ']' || c == ')'):
			depth--
		case depth == 0 && (c == ',' || c == ')'):
			compiled, err := parsePath(strings.TrimSpace(p.text[start:p.at]))
			return intrinsicArg{path: compiled}, err
		}
		p.at++
	}
	return intrinsicArg{}, fmt.Errorf("a ) is missing")
}

// unescape drops the backslashes of a literal outside States.Format.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte(`\{}`, s[i+1]) >= 0 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
