package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A JSON pattern looks at messages that are JSON objects:
//
//	{ $.level = "error" && ($.ms > 250 || $.tags[0] = "slow*") && $.user IS NULL }
//
// A value is a string, in quotation marks or bare, in which '*' stands for any
// run of characters; or a number, which is compared as one. IS NULL, IS TRUE, IS
// FALSE, EXISTS and NOT EXISTS take no value. A property that is not there matches
// NOT EXISTS alone.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html

// jsonNode is a parsed JSON pattern: "&&", "||", or a comparison.
type jsonNode struct {
	op       string // && || = != < > <= >= IS-NULL IS-TRUE IS-FALSE EXISTS NOT-EXISTS
	path     []any  // names and indexes
	text     string
	number   float64
	isNumber bool
	operands []*jsonNode
}

var jsonToken = regexp.MustCompile(`^(?:"(?:[^"\\]|\\.)*"|&&|\|\||!=|<=|>=|[=<>()]|\$(?:\.[A-Za-z0-9_-]+|\[[0-9]+\]|\['[^']*'\]|\["[^"]*"\])+|[^\s"=<>()&|!%{}]+)`)

type jsonParser struct {
	tokens []string
	depth  int
}

// parseJSONFilter reads what stands between the braces.
func parseJSONFilter(text string) (*jsonNode, error) {
	p := &jsonParser{}
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		t := jsonToken.FindString(rest)
		if t == "" {
			return nil, fmt.Errorf("cannot read %q (regular expressions are not supported)", rest)
		}
		p.tokens = append(p.tokens, t)
		rest = rest[len(t):]
	}
	n, err := p.or()
	if err == nil && len(p.tokens) > 0 {
		err = fmt.Errorf("unexpected %q", p.tokens[0])
	}
	return n, err
}

func (p *jsonParser) peek() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0]
}

func (p *jsonParser) next() string {
	t := p.peek()
	if t != "" {
		p.tokens = p.tokens[1:]
	}
	return t
}

func (p *jsonParser) or() (*jsonNode, error) { return p.joined("||", p.and) }

func (p *jsonParser) and() (*jsonNode, error) { return p.joined("&&", p.one) }

func (p *jsonParser) joined(op string, inner func() (*jsonNode, error)) (*jsonNode, error) {
	left, err := inner()
	for err == nil && p.peek() == op {
		p.next()
		var right *jsonNode
		right, err = inner()
		left = &jsonNode{op: op, operands: []*jsonNode{left, right}}
	}
	return left, err
}

func (p *jsonParser) one() (*jsonNode, error) {
	if p.depth++; p.depth > 64 {
		return nil, fmt.Errorf("it is nested more than 64 deep")
	}
	defer func() { p.depth-- }()
	t := p.next()
	if t == "(" {
		n, err := p.or()
		if err == nil && p.next() != ")" {
			err = fmt.Errorf(`want ")"`)
		}
		return n, err
	}
	path, err := jsonPath(t)
	if err != nil {
		return nil, err
	}
	n := &jsonNode{path: path}
	return n, n.comparison(p)
}

// comparison reads what follows a property.
func (n *jsonNode) comparison(p *jsonParser) error {
	switch op := p.next(); op {
	case "=", "!=", "<", ">", "<=", ">=":
		n.op = op
		return n.value(p.next())
	case "IS":
		if word := p.next(); word == "NULL" || word == "TRUE" || word == "FALSE" {
			n.op = "IS-" + word
			return nil
		}
		return fmt.Errorf("after IS want NULL, TRUE or FALSE")
	case "EXISTS":
		n.op = "EXISTS"
		return nil
	case "NOT":
		if p.next() != "EXISTS" {
			return fmt.Errorf("after NOT want EXISTS")
		}
		n.op = "NOT-EXISTS"
		return nil
	case "":
		return fmt.Errorf("it ends too early")
	default:
		return fmt.Errorf("unexpected %q: want =, !=, <, >, <=, >=, IS, EXISTS or NOT EXISTS", op)
	}
}

func (n *jsonNode) value(token string) error {
	if token == "" || strings.ContainsAny(token[:1], "=<>()&|!$") {
		return fmt.Errorf("a value is missing after %s", n.op)
	}
	if strings.HasPrefix(token, `"`) {
		if err := json.Unmarshal([]byte(token), &n.text); err != nil {
			return fmt.Errorf("the string %s: %w", token, err)
		}
		return n.checkOrder()
	}
	if v, err := strconv.ParseFloat(token, 64); err == nil {
		n.number, n.isNumber = v, true
		return nil
	}
	n.text = token
	return n.checkOrder()
}

func (n *jsonNode) checkOrder() error {
	if n.op != "=" && n.op != "!=" {
		return fmt.Errorf("%s compares numbers, not %q", n.op, n.text)
	}
	return nil
}

var jsonStep = regexp.MustCompile(`^(?:\.([A-Za-z0-9_-]+)|\[([0-9]+)\]|\['([^']*)'\]|\["([^"]*)"\])`)

// jsonPath reads $.a.b[0]['c d'].
func jsonPath(token string) ([]any, error) {
	rest, ok := strings.CutPrefix(token, "$")
	if !ok || rest == "" {
		return nil, fmt.Errorf("want a property such as $.level, found %q", token)
	}
	var path []any
	for rest != "" {
		m := jsonStep.FindStringSubmatch(rest)
		if m == nil {
			return nil, fmt.Errorf("cannot read the property %q", token)
		}
		switch {
		case m[2] != "":
			i, err := strconv.Atoi(m[2])
			if err != nil {
				return nil, fmt.Errorf("the property %q: %w", token, err)
			}
			path = append(path, i)
		default:
			path = append(path, m[1]+m[3]+m[4])
		}
		rest = rest[len(m[0]):]
	}
	return path, nil
}

// matches says whether a message, which should be a JSON object, is meant.
func (n *jsonNode) matches(message string) bool {
	decoder := json.NewDecoder(bytes.NewReader([]byte(message)))
	var object map[string]any
	if decoder.Decode(&object) != nil || object == nil {
		return false
	}
	return n.holds(object)
}

func (n *jsonNode) holds(object map[string]any) bool {
	switch n.op {
	case "&&":
		return n.operands[0].holds(object) && n.operands[1].holds(object)
	case "||":
		return n.operands[0].holds(object) || n.operands[1].holds(object)
	}
	v, found := property(object, n.path)
	switch n.op {
	case "EXISTS":
		return found
	case "NOT-EXISTS":
		return !found
	case "IS-NULL":
		return found && v == nil
	case "IS-TRUE":
		return v == true
	case "IS-FALSE":
		return v == false
	}
	return found && n.compare(v)
}

func property(v any, path []any) (any, bool) {
	for _, step := range path {
		switch at := step.(type) {
		case int:
			list, ok := v.([]any)
			if !ok || at >= len(list) {
				return nil, false
			}
			v = list[at]
		case string:
			object, ok := v.(map[string]any)
			if !ok {
				return nil, false
			}
			if v, ok = object[at]; !ok {
				return nil, false
			}
		}
	}
	return v, true
}

func (n *jsonNode) compare(v any) bool {
	if n.isNumber {
		got, ok := v.(float64)
		if !ok {
			return n.op == "!=" && v != nil
		}
		switch n.op {
		case "=":
			return got == n.number
		case "!=":
			return got != n.number
		case "<":
			return got < n.number
		case "<=":
			return got <= n.number
		case ">":
			return got > n.number
		}
		return got >= n.number
	}
	text, ok := v.(string)
	if !ok {
		return n.op == "!=" && v != nil
	}
	return glob(n.text, text) == (n.op == "=")
}

// glob matches a pattern in which '*' is any run of characters.
func glob(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	rest, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}
