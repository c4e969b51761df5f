package asl

import "fmt"

// asReference checks that p can be a reference path: one that names exactly
// one place in the input, as ResultPath must.
func (p *path) asReference() error {
	if !p.definite {
		return fmt.Errorf("%q is not a reference path: it can select several values", p.text)
	}
	if p.root != rootInput {
		return fmt.Errorf("%q is not a reference path into the input", p.text)
	}
	return nil
}

// put returns root with value at p; objects on the way are made, and copied
// rather than changed. It fails where an array index is not already there.
func (p *path) put(root, value any) (any, error) {
	return put(root, p.segments, value)
}

func put(v any, segments []segment, value any) (any, error) {
	if len(segments) == 0 {
		return value, nil
	}
	s := segments[0]
	if s.kind == segIndex {
		a, ok := v.([]any)
		i := s.indices[0]
		if !ok || i < 0 || i >= len(a) {
			return nil, fmt.Errorf("there is no element %d to write", i)
		}
		out := append([]any(nil), a...)
		inner, err := put(a[i], segments[1:], value)
		out[i] = inner
		return out, err
	}
	out := newObject()
	if o, ok := v.(object); ok {
		out = copyObject(o)
	}
	child, _ := out.Get(s.names[0])
	inner, err := put(child, segments[1:], value)
	if err != nil {
		return nil, err
	}
	out.Set(s.names[0], inner)
	return out, nil
}
