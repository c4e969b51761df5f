package cloudwatch

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Metric math, the part alarms use: + - * / and unary minus, the comparisons,
// AND OR (&& ||), IF, FILL, ABS, CEIL, FLOOR, numbers, parentheses and the ids
// of the other queries.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html

// node is a parsed expression: a number, an id, or an operator or function
// (op) with its operands.
type node struct {
	op       string // "number", "id", "+", "IF", …
	number   float64
	id       string
	operands []*node
}

var token = regexp.MustCompile(`^(?:[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+|[A-Za-z_][A-Za-z0-9_]*|==|!=|<=|>=|&&|\|\||[-+*/()<>,])`)

// maxExpression is AWS's limit on an expression's length.
const maxExpression = 1024

func tokens(text string) ([]string, error) {
	if len(text) > maxExpression {
		return nil, fmt.Errorf("it has %d characters: at most %d", len(text), maxExpression)
	}
	var out []string
	for rest := strings.TrimLeft(text, " \t\r\n"); rest != ""; rest = strings.TrimLeft(rest, " \t\r\n") {
		t := token.FindString(rest)
		if t == "" {
			return nil, fmt.Errorf("cannot read %q at character %d", rest, len(text)-len(rest)+1)
		}
		out = append(out, t)
		rest = rest[len(t):]
	}
	return out, nil
}

// levels are the binary operators from the loosest to the tightest.
var levels = [][]string{
	{"OR", "||"}, {"AND", "&&"}, {"==", "!=", "<", "<=", ">", ">="}, {"+", "-"}, {"*", "/"},
}

// arity is each function's least and greatest number of operands.
var arity = map[string][2]int{"IF": {3, 3}, "FILL": {2, 2}, "ABS": {1, 1}, "CEIL": {1, 1}, "FLOOR": {1, 1}}

type parser struct {
	tokens []string
	depth  int
}

// parseExpression reads an expression. The error says what is wrong with it;
// a function that is not supported is named.
func parseExpression(text string) (*node, error) {
	all, err := tokens(text)
	if err != nil {
		return nil, refused("expression %q: %v", text, err)
	}
	p := &parser{tokens: all}
	n, err := p.binary(0)
	if err == nil && len(p.tokens) > 0 {
		err = fmt.Errorf("unexpected %q", p.tokens[0])
	}
	if err != nil {
		return nil, refused("expression %q: %v", text, err)
	}
	return n, nil
}

func (p *parser) peek() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0]
}

func (p *parser) next() string {
	t := p.peek()
	if t != "" {
		p.tokens = p.tokens[1:]
	}
	return t
}

func (p *parser) expect(want string) error {
	if got := p.next(); got != want {
		return fmt.Errorf("want %q, found %q", want, got)
	}
	return nil
}

func (p *parser) binary(level int) (*node, error) {
	if level == len(levels) {
		return p.unary()
	}
	left, err := p.binary(level + 1)
	for err == nil && member(levels[level], p.peek()) {
		op := p.next()
		var right *node
		if right, err = p.binary(level + 1); err == nil {
			left = &node{op: canonical(op), operands: []*node{left, right}}
		}
	}
	return left, err
}

func member(set []string, s string) bool {
	for _, one := range set {
		if one == s {
			return true
		}
	}
	return false
}

func canonical(op string) string {
	switch op {
	case "||":
		return "OR"
	case "&&":
		return "AND"
	}
	return op
}

func (p *parser) unary() (*node, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > 64 {
		return nil, fmt.Errorf("it is nested more than 64 deep")
	}
	if p.peek() != "-" {
		return p.primary()
	}
	p.next()
	operand, err := p.unary()
	return &node{op: "negate", operands: []*node{operand}}, err
}

func (p *parser) primary() (*node, error) {
	t := p.next()
	switch {
	case t == "":
		return nil, fmt.Errorf("it ends too early")
	case t == "(":
		n, err := p.binary(0)
		if err != nil {
			return nil, err
		}
		return n, p.expect(")")
	case t[0] == '.' || t[0] >= '0' && t[0] <= '9':
		v, err := strconv.ParseFloat(t, 64)
		return &node{op: "number", number: v}, err
	case p.peek() == "(":
		return p.call(t)
	case t[0] >= 'a' && t[0] <= 'z':
		return &node{op: "id", id: t}, nil
	case t == "REPEAT":
		return &node{op: "REPEAT"}, nil
	}
	return nil, fmt.Errorf("unexpected %q (an id starts with a lower-case letter)", t)
}

func (p *parser) call(name string) (*node, error) {
	bounds, ok := arity[name]
	if !ok {
		return nil, fmt.Errorf("the local stack does not support function %s (it has ABS, CEIL, FILL, FLOOR and IF)", name)
	}
	p.next() // "("
	n := &node{op: name}
	for p.peek() != ")" {
		operand, err := p.binary(0)
		if err != nil {
			return nil, err
		}
		n.operands = append(n.operands, operand)
		if p.peek() != "," {
			break
		}
		p.next()
	}
	if len(n.operands) < bounds[0] || len(n.operands) > bounds[1] {
		return nil, fmt.Errorf("%s takes %d operands, not %d", name, bounds[0], len(n.operands))
	}
	return n, p.expect(")")
}

// ids lists the queries the expression refers to.
func (n *node) ids() []string {
	if n.op == "id" {
		return []string{n.id}
	}
	var out []string
	for _, o := range n.operands {
		out = append(out, o.ids()...)
	}
	return out
}
