package trainconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"unicode/utf8"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Parse reads a configuration in YAML or JSON. name is the file's name for
// error messages. The error is a fault of kind Invalid around Problems, which
// holds everything that is wrong, not just the first; no retry can help.
func Parse(name string, data []byte) (*Config, error) {
	d := &decoder{file: name, given: map[string]*node{}}
	root, err := readDocument(data)
	if err != nil {
		where, _ := errors.AsType[*placed](err)
		d.fail(&node{line: where.line, column: where.column}, "", "%s", where.text)
		return nil, d.fault()
	}
	config := Default()
	if root.kind == kindNull {
		d.fail(nil, "", "the file is empty; it needs at least experiment.name and data.target (and evaluation.thresholds, without which no model passes)")
		return nil, d.fault()
	}
	d.decode(root, "", reflect.ValueOf(config).Elem())
	if len(d.problems) > 0 && root.kind != kindMap {
		return nil, d.fault()
	}
	d.derive(config)
	d.check(config)
	if len(d.problems) > 0 {
		return nil, d.fault()
	}
	return config, nil
}

func (d *decoder) fault() error {
	return fault.Wrap(fault.Invalid, "read configuration", d.problems.sorted())
}

// readDocument chooses YAML or JSON by the content. Its errors are *placed.
func readDocument(data []byte) (*node, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if len(data) > maxBytes {
		return nil, &placed{text: "the file is larger than 256 KiB, which no configuration needs"}
	}
	if at := invalidAt(data); at >= 0 {
		return nil, &placed{
			line:   1 + bytes.Count(data[:at], []byte("\n")),
			column: at - bytes.LastIndexByte(data[:at], '\n'),
			text:   "a byte that is not UTF-8; save the file as UTF-8",
		}
	}
	if trimmed := bytes.TrimSpace(data); len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(trimmed) {
		return readJSON(data)
	}
	if nesting(data) > maxDepth {
		return nil, &placed{line: 1, column: 1, text: "brackets are nested more than 64 deep"}
	}
	return readYAML(data)
}

func invalidAt(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 || r == 0 {
			return i
		}
		i += size
	}
	return -1
}

// nesting is how deep brackets and block markers could nest at most: a cheap
// bound that is checked before the recursive parser sees the bytes.
func nesting(data []byte) int {
	deepest, flow, block := 0, 0, 0
	for _, c := range data {
		switch c {
		case '[', '{':
			flow++
		case ']', '}':
			flow--
		case '-', '?', ':':
			block++
		case '\n':
			block = 0
		}
		deepest = max(deepest, flow, block)
	}
	return deepest
}
