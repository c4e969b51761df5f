package dvc

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/sluice-ml/sluice/shared/fault"
)

// maxDepth bounds how deep a document nests; DVC's nest 8 deep.
const maxDepth = 64

// decoder reads one file.
type decoder struct{ file string }

// node is a value of the document with the field that it stands in.
type node struct {
	ast.Node
	field string
}

func (n node) line() int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}

// fail is an error at a node.
func (d *decoder) fail(n node, why string, args ...any) *fault.Error {
	place := fmt.Sprintf("read %s:%d", d.file, n.line())
	if n.field != "" {
		place += ": " + n.field
	}
	return fault.New(fault.Invalid, place, why, args...)
}

// document parses one YAML document. The YAML library sees hostile bytes, so its
// panics become errors.
func (d *decoder) document(text []byte) (root node, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fault.New(fault.Invalid, "read "+d.file, "not YAML that can be read: %v", r)
		}
	}()
	switch {
	case len(text) > MaxBytes:
		return node{}, fault.New(fault.Invalid, "read "+d.file, "it has %d bytes, more than %d", len(text), MaxBytes).
			WithHint("track the folders below it each with a .dvc file of its own")
	case !utf8.Valid(text):
		return node{}, fault.New(fault.Invalid, "read "+d.file, "it is not UTF-8 text")
	case nesting(text) > maxDepth:
		return node{}, fault.New(fault.Invalid, "read "+d.file, "it nests more than %d deep", maxDepth)
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		if syntax, ok := errors.AsType[*yaml.SyntaxError](err); ok && syntax.Token != nil {
			return node{}, fault.New(fault.Invalid, fmt.Sprintf("read %s:%d", d.file, syntax.Token.Position.Line), "%s", syntax.Message)
		}
		return node{}, fault.New(fault.Invalid, "read "+d.file, "%w", err)
	}
	docs := slices.DeleteFunc(file.Docs, func(doc *ast.DocumentNode) bool { return doc.Body == nil })
	if len(docs) != 1 {
		return node{}, fault.New(fault.Invalid, "read "+d.file, "it holds %d YAML documents: want one", len(docs))
	}
	return node{docs[0].Body, ""}, nil
}

// nesting is how deep brackets and indentation could nest at most: a cheap bound
// checked before the recursive parser sees the bytes.
func nesting(text []byte) int {
	open, most := 0, 0
	for line := range strings.Lines(string(text)) {
		dashes := 0
		for at, c := range line {
			switch {
			case c == '[' || c == '{':
				open++
			case (c == ']' || c == '}') && open > 0:
				open--
			case c == '-' && strings.TrimLeft(line[:at], " -") == "":
				dashes++
			}
			most = max(most, open+dashes)
		}
	}
	return most
}

// mapping gives the pairs of a mapping in the file's order.
func (d *decoder) mapping(n node) ([]*ast.MappingValueNode, error) {
	switch v := n.Node.(type) {
	case *ast.MappingNode:
		return v.Values, nil
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{v}, nil
	}
	return nil, d.fail(n, "want a mapping, got %s", n.Type())
}

// reader takes in the value of a field.
type reader func(node) error

// fields reads a mapping whose keys are all among known.
func (d *decoder) fields(n node, known map[string]reader) error {
	pairs, err := d.mapping(n)
	if err != nil {
		return err
	}
	for _, pair := range pairs {
		key := node{pair.Key, n.field}
		name, err := d.text(key)
		if err != nil {
			return err
		}
		child := node{pair.Value, join(n.field, name)}
		read, ok := known[name]
		if !ok {
			return d.fail(key, "unknown field %q", name).WithHint("DVC 3 knows %s", list(known))
		}
		if read == nil {
			continue
		}
		if err := read(child); err != nil {
			return err
		}
	}
	return nil
}

func join(field, name string) string {
	if field == "" {
		return name
	}
	return field + "." + name
}

func list(known map[string]reader) string {
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// each reads the items of a list; of nothing, none.
func (d *decoder) each(n node, read reader) error {
	if n.Type() == ast.NullType {
		return nil
	}
	v, ok := n.Node.(*ast.SequenceNode)
	if !ok {
		return d.fail(n, "want a list, got %s", n.Type())
	}
	for i, item := range v.Values {
		if err := read(node{item, fmt.Sprintf("%s[%d]", n.field, i)}); err != nil {
			return err
		}
	}
	return nil
}

// text reads a string.
func (d *decoder) text(n node) (string, error) {
	switch v := n.Node.(type) {
	case *ast.StringNode:
		return v.Value, nil
	case *ast.LiteralNode:
		return v.Value.Value, nil
	}
	return "", d.fail(n, "want text, got %s", n.Type()).WithHint("quote it, if it is meant as text")
}

// hash reads a hash in hex or an ETag. DVC takes one of digits alone, too, which
// YAML calls a number.
func (d *decoder) hash(into *string) reader {
	return func(n node) (err error) {
		switch v := n.Node.(type) {
		case *ast.IntegerNode:
			*into = v.Token.Value
		case *ast.NullNode:
			*into = ""
		default:
			*into, err = d.text(n)
		}
		return err
	}
}

func (d *decoder) string(into *string) reader {
	return func(n node) (err error) {
		*into, err = d.text(n)
		return err
	}
}

// whole reads a number of 0 or more.
func (d *decoder) whole(into *int64) reader {
	return func(n node) error {
		v, ok := n.Node.(*ast.IntegerNode)
		if !ok {
			return d.fail(n, "want a number, got %s", n.Type())
		}
		number, err := strconv.ParseInt(v.Token.Value, 10, 64)
		if err != nil || number < 0 {
			return d.fail(n, "%s: want a number from 0 to %d", v.Token.Value, int64(1)<<62)
		}
		*into = number
		return nil
	}
}

// boolean checks a field that is true or false and says nothing to us.
func (d *decoder) boolean(n node) error {
	if _, ok := n.Node.(*ast.BoolNode); !ok {
		return d.fail(n, "want true or false, got %s", n.Type())
	}
	return nil
}
