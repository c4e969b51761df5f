package trainconfig

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"strconv"
)

// readJSON parses a JSON document into nodes. JSON is read as JSON, not as the
// YAML it nearly is, so tabs and every escape work.
func readJSON(data []byte) (*node, error) {
	r := &jsonReader{data: data, dec: json.NewDecoder(bytes.NewReader(data))}
	r.dec.UseNumber()
	root, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := r.dec.Token(); err != io.EOF {
		return nil, r.fail("something follows the document; keep one per file")
	}
	return root, nil
}

type jsonReader struct {
	data []byte
	dec  *json.Decoder
}

func (r *jsonReader) fail(text string) error {
	line, column := r.place(r.dec.InputOffset())
	return &placed{line, column, text}
}

// place is the line and column (in bytes, from 1) of the token that starts at
// or after offset.
func (r *jsonReader) place(offset int64) (int, int) {
	at := min(int(offset), len(r.data))
	for at < len(r.data) && bytes.IndexByte([]byte(" \t\r\n,:"), r.data[at]) >= 0 {
		at++
	}
	head := r.data[:at]
	return 1 + bytes.Count(head, []byte("\n")), at - bytes.LastIndexByte(head, '\n')
}

func (r *jsonReader) next() (json.Token, int, int, error) {
	line, column := r.place(r.dec.InputOffset())
	t, err := r.dec.Token()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, 0, 0, r.fail(err.Error())
	}
	return t, line, column, nil
}

func (r *jsonReader) value(depth int) (*node, error) {
	t, line, column, err := r.next()
	if err != nil {
		return nil, err
	}
	n := &node{line: line, column: column}
	switch v := t.(type) {
	case nil:
		n.kind = kindNull
	case bool:
		n.kind, n.truth, n.text = kindBool, v, strconv.FormatBool(v)
	case string:
		n.kind, n.text = kindString, v
	case json.Number:
		return n.withNumber(v)
	case json.Delim:
		if depth > maxDepth {
			return nil, r.fail("nested too deep")
		}
		return n, r.inside(n, v, depth)
	}
	return n, nil
}

func (n *node) withNumber(v json.Number) (*node, error) {
	n.kind, n.text = kindNumber, v.String()
	if i, err := v.Int64(); err == nil {
		return n.withInteger(i), nil
	}
	f, err := v.Float64()
	if err != nil || math.IsInf(f, 0) {
		return nil, &placed{n.line, n.column, "number " + clip(n.text) + " is out of range"}
	}
	return n.withFloat(f), nil
}

func (r *jsonReader) inside(n *node, open json.Delim, depth int) error {
	n.kind = kindList
	if open == '{' {
		n.kind = kindMap
	}
	for r.dec.More() {
		var e entry
		if n.kind == kindMap {
			key, line, column, err := r.next()
			if err != nil {
				return err
			}
			e = entry{key: key.(string), line: line, column: column}
		}
		child, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		if e.value = child; n.kind == kindMap {
			n.entries = append(n.entries, e)
		} else {
			n.items = append(n.items, child)
		}
	}
	_, _, _, err := r.next()
	return err
}
