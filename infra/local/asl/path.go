package asl

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// A path is a compiled JSONPath in the dialect AWS uses (Jayway's). Its root
// is the state's input ($), the context object ($$) or a variable ($name).
type path struct {
	text     string
	root     pathRoot
	variable string // of a variable root
	segments []segment
	definite bool // selects at most one value
}

type pathRoot int

const (
	rootInput pathRoot = iota
	rootContext
	rootVariable
)

type segmentKind int

const (
	segChild segmentKind = iota // by names; several make a union
	segWildcard
	segIndex // by positions; several make a union
	segSlice
	segFilter
	segDescend // .. before the next segment
)

type segment struct {
	kind     segmentKind
	names    []string
	indices  []int
	from, to *int
	filter   filterExpr
}

// maxPathLength bounds a path's text and so the work of compiling it.
const maxPathLength = 16 << 10

// parsePath compiles a JSONPath, or says what is wrong with it.
func parsePath(text string) (*path, error) {
	if len(text) > maxPathLength {
		return nil, fmt.Errorf("a JSONPath longer than %d bytes", maxPathLength)
	}
	p := &pathParser{text: text}
	out, err := p.parse()
	if err != nil {
		return nil, fmt.Errorf("invalid JSONPath %q: %w", text, err)
	}
	return out, nil
}

type pathParser struct {
	text  string
	at    int
	depth int
}

func (p *pathParser) parse() (*path, error) {
	out := &path{text: p.text, definite: true}
	if !strings.HasPrefix(p.text, "$") {
		return nil, fmt.Errorf("it must begin with $")
	}
	p.at = 1
	if p.peek() == '$' {
		out.root = rootContext
		p.at++
	} else if isNameStart(p.peek()) {
		out.root = rootVariable
		out.variable = p.name()
	}
	segments, err := p.segments(false)
	if err != nil {
		return nil, err
	}
	if p.at < len(p.text) {
		return nil, fmt.Errorf("unexpected %q at position %d", p.text[p.at:], p.at)
	}
	out.segments = segments
	for _, s := range segments {
		if s.kind != segChild && s.kind != segIndex || len(s.names)+len(s.indices) != 1 {
			out.definite = false
		}
	}
	return out, nil
}

func (p *pathParser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func isNameStart(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

func isNameByte(c byte) bool { return isNameStart(c) || c >= '0' && c <= '9' }

func (p *pathParser) name() string {
	start := p.at
	for p.at < len(p.text) && isNameByte(p.text[p.at]) {
		p.at++
	}
	return p.text[start:p.at]
}

// segments reads until the text ends or, inside a filter, until a byte that
// cannot continue a path.
func (p *pathParser) segments(inFilter bool) ([]segment, error) {
	var out []segment
	for p.at < len(p.text) {
		switch {
		case strings.HasPrefix(p.text[p.at:], ".."):
			p.at += 2
			out = append(out, segment{kind: segDescend})
			if p.peek() == '[' {
				continue
			}
			s, err := p.dotted()
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		case p.peek() == '.':
			p.at++
			if p.peek() == '[' {
				continue
			}
			s, err := p.dotted()
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		case p.peek() == '[':
			s, err := p.bracket()
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		case inFilter:
			return out, nil
		default:
			return nil, fmt.Errorf("unexpected %q at position %d", p.text[p.at:], p.at)
		}
	}
	return out, nil
}

// dotted reads what follows a dot: a name or *. A name may hold anything but
// the bytes that have a meaning.
func (p *pathParser) dotted() (segment, error) {
	if p.peek() == '*' {
		p.at++
		return segment{kind: segWildcard}, nil
	}
	start := p.at
	for p.at < len(p.text) && !strings.ContainsRune(".[]()*,?@'\"$&|!=<>~ \t\n", rune(p.text[p.at])) {
		p.at++
	}
	name := p.text[start:p.at]
	if name == "" {
		return segment{}, fmt.Errorf("a name is missing at position %d", p.at)
	}
	if p.peek() == '(' {
		return segment{}, fmt.Errorf("the local stack does not run the JSONPath function %s()", name)
	}
	return segment{kind: segChild, names: []string{name}}, nil
}

func (p *pathParser) space() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t' || p.text[p.at] == '\n') {
		p.at++
	}
}

func (p *pathParser) bracket() (segment, error) {
	p.at++ // [
	p.space()
	var out segment
	var err error
	switch c := p.peek(); {
	case c == '\'' || c == '"':
		out, err = p.quotedNames()
	case c == '*':
		p.at++
		out = segment{kind: segWildcard}
	case c == '?':
		p.at++
		out, err = p.filter()
	default:
		out, err = p.positions()
	}
	if err != nil {
		return out, err
	}
	p.space()
	if p.peek() != ']' {
		return out, fmt.Errorf("a ] is missing at position %d", p.at)
	}
	p.at++
	return out, nil
}

func (p *pathParser) quotedNames() (segment, error) {
	out := segment{kind: segChild}
	for {
		p.space()
		name, err := p.quoted()
		if err != nil {
			return out, err
		}
		out.names = append(out.names, name)
		p.space()
		if p.peek() != ',' {
			return out, nil
		}
		p.at++
	}
}

// quoted reads a quoted string. A backslash only escapes the quote that the
// string is in; AWS keeps every other backslash as it is.
func (p *pathParser) quoted() (string, error) {
	quote := p.peek()
	if quote != '\'' && quote != '"' {
		return "", fmt.Errorf("a quoted name is missing at position %d", p.at)
	}
	p.at++
	var b strings.Builder
	for p.at < len(p.text) {
		c := p.text[p.at]
		if c == '\\' && p.at+1 < len(p.text) && p.text[p.at+1] == quote {
			b.WriteByte(quote)
			p.at += 2
			continue
		}
		p.at++
		if c == quote {
			return b.String(), nil
		}
		b.WriteByte(c)
	}
	return "", fmt.Errorf("a closing %c is missing", quote)
}

// positions reads indices (one or several) or a slice.
func (p *pathParser) positions() (segment, error) {
	first, err := p.optionalInt()
	if err != nil {
		return segment{}, err
	}
	p.space()
	if p.peek() == ':' {
		p.at++
		p.space()
		to, err := p.optionalInt()
		return segment{kind: segSlice, from: first, to: to}, err
	}
	if first == nil {
		return segment{}, fmt.Errorf("an index, a name or a filter is missing at position %d", p.at)
	}
	out := segment{kind: segIndex, indices: []int{*first}}
	for p.peek() == ',' {
		p.at++
		p.space()
		next, err := p.optionalInt()
		if err != nil || next == nil {
			return out, fmt.Errorf("an index is missing at position %d", p.at)
		}
		out.indices = append(out.indices, *next)
		p.space()
	}
	return out, nil
}

func (p *pathParser) optionalInt() (*int, error) {
	start := p.at
	if p.peek() == '-' {
		p.at++
	}
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		p.at++
	}
	if p.at == start {
		return nil, nil
	}
	n, err := strconv.Atoi(p.text[start:p.at])
	if err != nil {
		return nil, fmt.Errorf("bad index %q", p.text[start:p.at])
	}
	return &n, nil
}

// bracketed is the path up to segment n as Jayway writes it in messages.
func (p *path) bracketed(from, to int) string {
	var b strings.Builder
	b.WriteByte('$')
	for _, s := range p.segments[from:to] {
		for _, n := range s.names {
			fmt.Fprintf(&b, "['%s']", n)
		}
		for _, i := range s.indices {
			fmt.Fprintf(&b, "[%d]", i)
		}
	}
	return b.String()
}

// numberLiteral keeps a number's text in filters.
func numberLiteral(text string) (any, error) {
	if !json.Valid([]byte(text)) {
		return nil, fmt.Errorf("bad number %q", text)
	}
	return json.Number(text), nil
}
