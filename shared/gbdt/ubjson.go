package gbdt

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
)

// maxDepth bounds the nesting of a UBJSON file; XGBoost's own are 8 deep.
const maxDepth = 64

// decodeUBJSON reads the part of Universal Binary JSON (https://ubjson.org)
// that XGBoost writes into the struct that target points to, whose json tags
// name the members. Members without a field are skipped.
func decodeUBJSON(data []byte, target any) (err error) {
	d := &ubjson{data: data}
	defer func() {
		if r := recover(); r != nil {
			failure, ok := r.(ubjsonError)
			if !ok {
				panic(r)
			}
			err = fmt.Errorf("UBJSON: byte %d of %d: %s", d.at, len(d.data), string(failure))
		}
	}()
	d.value(d.byte(), reflect.ValueOf(target).Elem(), 0)
	if d.at != len(d.data) {
		d.fail("%d more bytes after the end of the model", len(d.data)-d.at)
	}
	return nil
}

// ubjsonError unwinds the decoder; decodeUBJSON turns it into an error.
type ubjsonError string

type ubjson struct {
	data []byte
	at   int
}

func (d *ubjson) fail(format string, args ...any) {
	panic(ubjsonError(fmt.Sprintf(format, args...)))
}

func (d *ubjson) take(n int) []byte {
	if n < 0 || n > len(d.data)-d.at {
		d.fail("the file ends where %d more bytes should follow: it is cut off or damaged", n)
	}
	d.at += n
	return d.data[d.at-n : d.at]
}

func (d *ubjson) byte() byte { return d.take(1)[0] }

// size is the width in bytes of a fixed-size value; 0 when marker is not one.
func size(marker byte) int {
	switch marker {
	case 'i', 'U':
		return 1
	case 'I':
		return 2
	case 'l', 'd':
		return 4
	case 'L', 'D':
		return 8
	}
	return 0
}

func (d *ubjson) integer(marker byte) int64 {
	switch marker {
	case 'i':
		return int64(int8(d.byte()))
	case 'U':
		return int64(d.byte())
	case 'I':
		return int64(int16(binary.BigEndian.Uint16(d.take(2))))
	case 'l':
		return int64(int32(binary.BigEndian.Uint32(d.take(4))))
	case 'L':
		return int64(binary.BigEndian.Uint64(d.take(8)))
	}
	d.fail("marker %q: want an integer", marker)
	return 0
}

// length reads a count of things that take at least one byte each, or that are
// all alike (width 0), in which case it is bounded too.
func (d *ubjson) length(width int) int {
	n := d.integer(d.byte())
	if n < 0 || n > int64((len(d.data)-d.at)/max(width, 1)) {
		d.fail("a length of %d, but only %d bytes follow: the file is cut off or damaged", n, len(d.data)-d.at)
	}
	return int(n)
}

func (d *ubjson) text() string { return string(d.take(d.length(1))) }

// value decodes what marker begins into v; an invalid v skips it.
func (d *ubjson) value(marker byte, v reflect.Value, depth int) {
	if depth > maxDepth {
		d.fail("nested deeper than %d", maxDepth)
	}
	switch marker {
	case '{':
		d.object(v, depth)
	case '[':
		d.array(v, depth)
	case 'S':
		text := d.text()
		if v.IsValid() {
			d.want(v, reflect.String, "text")
			v.SetString(text)
		}
	case 'Z', 'N':
	case 'T', 'F':
		d.setInteger(v, int64(map[byte]int{'T': 1, 'F': 0}[marker]))
	case 'd':
		d.setFloat(v, float64(math.Float32frombits(binary.BigEndian.Uint32(d.take(4)))))
	case 'D':
		d.setFloat(v, math.Float64frombits(binary.BigEndian.Uint64(d.take(8))))
	default:
		d.setInteger(v, d.integer(marker))
	}
}

func (d *ubjson) want(v reflect.Value, kind reflect.Kind, got string) {
	if v.Kind() != kind {
		d.fail("%s where %s should be", got, v.Type())
	}
}

func (d *ubjson) setInteger(v reflect.Value, n int64) {
	switch {
	case !v.IsValid():
	case v.CanInt() && !v.OverflowInt(n):
		v.SetInt(n)
	case v.CanUint() && n >= 0 && !v.OverflowUint(uint64(n)):
		v.SetUint(uint64(n))
	case v.CanFloat():
		v.SetFloat(float64(n))
	default:
		d.fail("the integer %d where %s should be", n, v.Type())
	}
}

func (d *ubjson) setFloat(v reflect.Value, f float64) {
	if !v.IsValid() {
		return
	}
	if !v.CanFloat() {
		d.fail("the number %v where %s should be", f, v.Type())
	}
	v.SetFloat(f)
}

// object reads name-value pairs up to the closing brace. XGBoost writes names
// without the string marker and objects without a count.
func (d *ubjson) object(v reflect.Value, depth int) {
	if v.IsValid() && v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if v.IsValid() {
		d.want(v, reflect.Struct, "an object")
	}
	for {
		if d.at < len(d.data) && d.data[d.at] == '}' {
			d.at++
			return
		}
		name := d.text()
		d.value(d.byte(), member(v, name), depth+1)
	}
}

// member is the field whose json tag is name; invalid when there is none.
func member(v reflect.Value, name string) reflect.Value {
	if !v.IsValid() {
		return v
	}
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("json") == name {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

// array reads "[$<type>#<count>" with bare values, "[#<count>" with marked
// values, and "[" with marked values up to "]".
func (d *ubjson) array(v reflect.Value, depth int) {
	if v.IsValid() {
		d.want(v, reflect.Slice, "an array")
	}
	next := d.byte()
	switch next {
	case '$':
		marker := d.byte()
		if d.byte() != '#' {
			d.fail("a typed array without a count")
		}
		if size(marker) == 0 {
			d.fail("an array of type %q: want a number type", marker)
		}
		d.elements(v, d.length(size(marker)), marker, depth)
	case '#':
		d.elements(v, d.length(1), 0, depth)
	default:
		for ; next != ']'; next = d.byte() {
			d.appendOne(v, next, depth)
		}
	}
}

// elements reads n values, each with its own marker when marker is 0.
func (d *ubjson) elements(v reflect.Value, n int, marker byte, depth int) {
	if !v.IsValid() && marker != 0 {
		d.take(n * size(marker))
		return
	}
	if list := floatsOf(v); list != nil && marker == 'd' {
		*list = make(floats, n)
		for i, raw := 0, d.take(4*n); i < n; i++ {
			(*list)[i] = math.Float32frombits(binary.BigEndian.Uint32(raw[4*i:]))
		}
		return
	}
	for range n {
		each := marker
		if each == 0 {
			each = d.byte()
		}
		d.appendOne(v, each, depth)
	}
}

func floatsOf(v reflect.Value) *floats {
	if !v.IsValid() || !v.CanAddr() {
		return nil
	}
	target, _ := v.Addr().Interface().(*floats)
	return target
}

func (d *ubjson) appendOne(v reflect.Value, marker byte, depth int) {
	if !v.IsValid() {
		d.value(marker, v, depth+1)
		return
	}
	n := v.Len()
	v.Grow(1)
	v.SetLen(n + 1)
	element := v.Index(n)
	element.SetZero()
	d.value(marker, element, depth+1)
}
