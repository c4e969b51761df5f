package trainconfig

import (
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"
)

// decoder fills a Config from nodes and collects every problem on the way. It
// remembers where each given value stood, for the checks that follow.
type decoder struct {
	file     string
	given    map[string]*node // by path
	problems Problems
}

func (d *decoder) fail(n *node, path, text string, args ...any) {
	p := Problem{File: d.file, Path: path, Text: fmt.Sprintf(text, args...)}
	if n != nil {
		p.Line, p.Column = n.line, n.column
	}
	d.problems = append(d.problems, p)
}

// failAt reports a problem with the value at path; where the file does not
// give it, the nearest given block is the place.
func (d *decoder) failAt(path, text string, args ...any) {
	for at := path; ; {
		if n := d.given[at]; n != nil || at == "" {
			d.fail(n, path, text, args...)
			return
		}
		at = at[:max(0, strings.LastIndexAny(at, ".["))]
	}
}

func (d *decoder) has(path string) bool { return d.given[path] != nil }

func (d *decoder) wrong(n *node, path, want string) {
	d.fail(n, path, "%s is not %s", n.describe(), want)
}

// decode sets v from n. What is null in the file is as if it were not there.
func (d *decoder) decode(n *node, path string, v reflect.Value) {
	if n.kind == kindNull {
		return
	}
	d.given[path] = n
	switch p := v.Addr().Interface().(type) {
	case *Duration:
		d.duration(n, path, p)
		return
	case *Gap:
		d.gap(n, path, p)
		return
	case *ClassWeight:
		d.classWeight(n, path, p)
		return
	case *Size:
		d.size(n, path, p)
		return
	case *map[string]any:
		d.params(n, path, p)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, path, v)
	case reflect.Map:
		d.mapping(n, path, v)
	case reflect.Slice, reflect.Array:
		d.list(n, path, v)
	default:
		d.scalar(n, path, v)
	}
}

func (d *decoder) scalar(n *node, path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if n.kind == kindList || n.kind == kindMap {
			d.wrong(n, path, "text")
			return
		}
		v.SetString(n.text)
	case reflect.Bool:
		if n.kind != kindBool {
			d.wrong(n, path, "true or false")
			return
		}
		v.SetBool(n.truth)
	case reflect.Int, reflect.Int64:
		if n.kind != kindNumber || !n.whole {
			d.wrong(n, path, "a whole number")
			return
		}
		v.SetInt(n.integer)
	case reflect.Float64:
		if n.kind != kindNumber {
			d.wrong(n, path, "a number"+percentHint(n))
			return
		}
		v.SetFloat(n.number)
	default:
		panic("trainconfig: no way to decode a " + v.Type().String())
	}
}

// percentHint helps those who write 5% where 0.05 is wanted.
func percentHint(n *node) string {
	digits, found := strings.CutSuffix(n.text, "%")
	share, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if !found || err != nil {
		return ""
	}
	return "; write " + strconv.FormatFloat(share/100, 'g', -1, 64)
}

func (d *decoder) duration(n *node, path string, out *Duration) {
	if n.kind == kindNumber {
		d.fail(n, path, "%s has no unit; write %[1]sms, %[1]ss or %[1]sm", n.describe())
		return
	}
	if n.kind != kindString {
		d.wrong(n, path, "a duration such as 500ms, 30s, 5m or 2h")
		return
	}
	value, err := ParseDuration(n.text)
	if err != nil {
		d.fail(n, path, "%v", err)
		return
	}
	*out = value
}

func (d *decoder) structure(n *node, path string, v reflect.Value) {
	if n.kind != kindMap {
		d.wrong(n, path, "a mapping with the keys "+strings.Join(fieldKeys(v.Type()), ", "))
		return
	}
	d.each(n, path, func(e entry, child string) {
		i := fieldIndex(v.Type(), e.key)
		if i < 0 {
			d.fail(&node{line: e.line, column: e.column}, child,
				"unknown key %q; %s", clip(e.key), misplaced(e.key, path, fieldKeys(v.Type())))
			return
		}
		d.decode(e.value, child, v.Field(i))
	})
}

// each visits a mapping's entries and reports the keys that come twice.
func (d *decoder) each(n *node, path string, visit func(e entry, child string)) {
	first := map[string]int{}
	for _, e := range n.entries {
		child := join(path, clip(e.key))
		if line, twice := first[e.key]; twice {
			d.fail(&node{line: e.line, column: e.column}, child, "given twice; the first is on line %d", line)
			continue
		}
		first[e.key] = e.line
		visit(e, child)
	}
}

func (d *decoder) mapping(n *node, path string, v reflect.Value) {
	if n.kind != kindMap {
		d.wrong(n, path, "a mapping of names to values")
		return
	}
	out := reflect.MakeMap(v.Type())
	d.each(n, path, func(e entry, child string) {
		value := reflect.New(v.Type().Elem()).Elem()
		d.decode(e.value, child, value)
		if e.value.kind != kindNull {
			out.SetMapIndex(reflect.ValueOf(e.key), value)
		}
	})
	v.Set(out)
}

func (d *decoder) list(n *node, path string, v reflect.Value) {
	if n.kind != kindList {
		d.wrong(n, path, "a list; write [a, b]")
		return
	}
	if v.Kind() == reflect.Array && len(n.items) != v.Len() {
		d.fail(n, path, "%d values where %d are wanted", len(n.items), v.Len())
		return
	}
	if v.Kind() == reflect.Slice {
		v.Set(reflect.MakeSlice(v.Type(), len(n.items), len(n.items)))
	}
	for i, item := range n.items {
		child := fmt.Sprintf("%s[%d]", path, i)
		if item.kind == kindNull {
			d.fail(item, child, "nothing stands here; write a value or remove the item")
			continue
		}
		d.decode(item, child, v.Index(i))
	}
}

// params keeps model parameters as they are written: bool, int64, float64 or
// string, or a list of those.
func (d *decoder) params(n *node, path string, out *map[string]any) {
	if n.kind != kindMap {
		d.wrong(n, path, "a mapping of XGBoost's parameter names to values")
		return
	}
	*out = map[string]any{}
	d.each(n, path, func(e entry, child string) {
		if e.value.kind == kindNull {
			return // XGBoost's own default
		}
		d.given[child] = e.value
		if value, ok := d.plain(e.value, child); ok {
			(*out)[e.key] = value
		}
	})
}

func (d *decoder) plain(n *node, path string) (any, bool) {
	switch n.kind {
	case kindBool:
		return n.truth, true
	case kindString:
		return n.text, true
	case kindNumber:
		if n.whole {
			return n.integer, true
		}
		return n.number, true
	case kindList:
		list := make([]any, 0, len(n.items))
		for i, item := range n.items {
			value, ok := d.plain(item, fmt.Sprintf("%s[%d]", path, i))
			if !ok {
				return nil, false
			}
			list = append(list, value)
		}
		return list, true
	}
	d.wrong(n, path, "a number, text, true or false, or a list")
	return nil, false
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func fieldKeys(t reflect.Type) []string {
	keys := make([]string, t.NumField())
	for i := range keys {
		keys[i] = t.Field(i).Tag.Get("yaml")
	}
	sort.Strings(keys)
	return keys
}

func fieldIndex(t reflect.Type, key string) int {
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("yaml") == key {
			return i
		}
	}
	return -1
}
