package trainconfig

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a file that Parse takes in: far above any honest train.yaml, far
// below what could exhaust memory or stack.
const (
	maxBytes = 256 << 10
	maxDepth = 64
)

type kind int

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindString
	kindList
	kindMap
)

func (k kind) String() string {
	return [...]string{"nothing", "true or false", "a number", "text", "a list", "a mapping"}[k]
}

// node is a value of a YAML or JSON document with its place.
type node struct {
	kind         kind
	line, column int
	text         string  // scalars: as written, without quotes
	number       float64 // kindNumber
	integer      int64   // kindNumber, when whole
	whole        bool
	truth        bool
	items        []*node // kindList
	entries      []entry // kindMap, in file order
}

type entry struct {
	key          string
	line, column int
	value        *node
}

// describe shows a value in an error message.
func (n *node) describe() string {
	switch n.kind {
	case kindString:
		return "the text " + strconv.Quote(clip(n.text))
	case kindNumber, kindBool:
		return clip(n.text)
	}
	return n.kind.String()
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

// placed is an error at a place of the document.
type placed struct {
	line, column int
	text         string
}

func (p *placed) Error() string { return p.text }

func placedAt(t *token.Token, text string, args ...any) *placed {
	p := &placed{text: fmt.Sprintf(text, args...)}
	if t != nil && t.Position != nil {
		p.line, p.column = t.Position.Line, t.Position.Column
	}
	return p
}

// tabbedLine is the first line whose indentation holds a tab.
func tabbedLine(data []byte) (line int, tabbed bool) {
	for text := range bytes.Lines(data) {
		line++
		indent := text[:len(text)-len(bytes.TrimLeft(text, " \t"))]
		if bytes.ContainsRune(indent, '\t') && len(bytes.TrimSpace(text)) > 0 {
			return line, true
		}
	}
	return 0, false
}

// readYAML parses one YAML document into nodes. The YAML library is the only
// code here that sees hostile bytes unchecked, so its panics become errors.
func readYAML(data []byte) (root *node, err error) {
	defer func() {
		if r := recover(); r != nil {
			root, err = nil, &placed{text: fmt.Sprintf("not YAML that can be read: %v", r)}
		}
	}()
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		if syntax, ok := errors.AsType[*yaml.SyntaxError](err); ok {
			if line, tabbed := tabbedLine(data); tabbed {
				return nil, &placed{line: line, column: 1, text: "the line begins with a tab, and YAML is indented with spaces; replace the tab"}
			}
			return nil, placedAt(syntax.Token, "%s", syntax.Message)
		}
		return nil, &placed{text: err.Error()}
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	if len(bodies) == 0 {
		return &node{kind: kindNull, line: 1, column: 1}, nil
	}
	if len(bodies) > 1 {
		return nil, placedAt(bodies[1].GetToken(), "a second document; keep one per file")
	}
	return fromYAML(bodies[0], 0)
}

func fromYAML(n ast.Node, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, placedAt(n.GetToken(), "nested more than %d deep", maxDepth)
	}
	switch v := n.(type) {
	case *ast.MappingNode:
		return fromYAMLMap(v, depth)
	case *ast.MappingValueNode:
		return fromYAMLMap(&ast.MappingNode{Start: v.Start, Values: []*ast.MappingValueNode{v}}, depth)
	case *ast.SequenceNode:
		out := at(kindList, v.Start, "")
		for _, item := range v.Values {
			child, err := fromYAML(item, depth+1)
			if err != nil {
				return nil, err
			}
			out.items = append(out.items, child)
		}
		return out, nil
	}
	return fromYAMLScalar(n)
}

func fromYAMLMap(m *ast.MappingNode, depth int) (*node, error) {
	out := at(kindMap, m.Start, "")
	for i, v := range m.Values {
		key, err := fromYAMLKey(v.Key)
		if err != nil {
			return nil, err
		}
		if i == 0 && !m.IsFlowStyle {
			out.line, out.column = key.line, key.column
		}
		value, err := fromYAML(v.Value, depth+1)
		if err != nil {
			return nil, err
		}
		out.entries = append(out.entries, entry{key.text, key.line, key.column, value})
	}
	return out, nil
}

func fromYAMLKey(k ast.MapKeyNode) (*node, error) {
	if _, merge := k.(*ast.MergeKeyNode); merge {
		return nil, placedAt(k.GetToken(), "merge keys (<<) are not supported; write the keys out")
	}
	scalar, ok := ast.Node(k).(ast.ScalarNode)
	if !ok {
		return nil, placedAt(k.GetToken(), "a key must be plain text")
	}
	return fromYAMLScalar(scalar)
}

func fromYAMLScalar(n ast.Node) (*node, error) {
	t := n.GetToken()
	switch v := n.(type) {
	case *ast.NullNode:
		return at(kindNull, t, ""), nil
	case *ast.BoolNode:
		out := at(kindBool, t, strconv.FormatBool(v.Value))
		out.truth = v.Value
		return out, nil
	case *ast.StringNode:
		return fromYAMLString(v), nil
	case *ast.LiteralNode:
		return at(kindString, t, v.Value.Value), nil
	case *ast.FloatNode:
		return at(kindNumber, t, t.Value).withFloat(v.Value), nil
	case *ast.InfinityNode, *ast.NanNode:
		return nil, placedAt(t, "%s is not a number that can be used here", t.Value)
	case *ast.IntegerNode:
		return fromYAMLInteger(v)
	case *ast.AnchorNode, *ast.AliasNode:
		return nil, placedAt(t, "anchors and aliases are not supported; write the value out")
	case *ast.TagNode:
		return nil, placedAt(t, "tags such as %q are not supported; write the plain value", clip(t.Value))
	}
	return nil, placedAt(t, "%s is not supported", n.Type())
}

// plainNumber is a number of YAML 1.2's core schema. The library takes those
// without a point, such as 1e-6, for text.
var plainNumber = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)

func fromYAMLString(v *ast.StringNode) *node {
	n := at(kindString, v.Token, v.Value)
	if v.Token.Type != token.StringType || !plainNumber.MatchString(v.Value) {
		return n
	}
	f, err := strconv.ParseFloat(v.Value, 64)
	if err != nil {
		return n
	}
	n.kind = kindNumber
	return n.withFloat(f)
}

func fromYAMLInteger(v *ast.IntegerNode) (*node, error) {
	out := at(kindNumber, v.Token, v.Token.Value)
	switch i := v.Value.(type) {
	case int64:
		return out.withInteger(i), nil
	case uint64:
		if i <= 1<<63-1 {
			return out.withInteger(int64(i)), nil
		}
		return out.withFloat(float64(i)), nil
	}
	return nil, placedAt(v.Token, "integer %q cannot be read", clip(v.Token.Value))
}

func at(k kind, t *token.Token, text string) *node {
	n := &node{kind: k, text: text}
	if t != nil && t.Position != nil {
		n.line, n.column = t.Position.Line, t.Position.Column
	}
	return n
}

func (n *node) withInteger(i int64) *node {
	n.integer, n.number, n.whole = i, float64(i), true
	return n
}

// withFloat also keeps the whole number when there is one that float64 holds
// exactly, so that 5.0 and 5 mean the same.
func (n *node) withFloat(f float64) *node {
	n.number = f
	if f == float64(int64(f)) && f > -1<<53 && f < 1<<53 {
		n.integer, n.whole = int64(f), true
	}
	return n
}
