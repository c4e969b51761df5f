package asl

import "fmt"

// pathMissing says why a definite path selected nothing, in Jayway's words.
type pathMissing struct{ why string }

func (e *pathMissing) Error() string { return e.why }

// sel evaluates p against its root value. A definite path gives its one
// value or a *pathMissing; any other path gives an array, empty when nothing
// matches.
func (p *path) sel(root any) (any, error) {
	return p.within(&walker{root: root}, root)
}

// within is sel as a part of another path's evaluation, whose steps it shares.
func (p *path) within(w *walker, root any) (any, error) {
	if !p.definite {
		inner := &walker{root: w.root, found: []any{}, steps: w.steps}
		inner.walk(root, p.segments)
		if w.steps = inner.steps; w.steps > maxPathSteps {
			return nil, &pathMissing{fmt.Sprintf("the path visits more than %d values", maxPathSteps)}
		}
		return inner.found, nil
	}
	w.steps++
	v := root
	for i, s := range p.segments {
		next, ok := step(v, s)
		if !ok {
			return nil, p.missing(v, i)
		}
		v = next
	}
	return v, nil
}

func (p *path) missing(v any, at int) error {
	s := p.segments[at]
	if s.kind == segIndex {
		if _, isArray := v.([]any); isArray {
			return &pathMissing{fmt.Sprintf("Index out of bounds when evaluating path %s", p.bracketed(0, at+1))}
		}
		return &pathMissing{fmt.Sprintf("Filter: [%d] can only be applied to arrays. Current context is: %s", s.indices[0], encode(v))}
	}
	if at == len(p.segments)-1 {
		return &pathMissing{"No results for path: " + p.bracketed(0, at+1)}
	}
	return &pathMissing{"Missing property in path " + p.bracketed(0, at+1)}
}

// step follows one definite segment.
func step(v any, s segment) (any, bool) {
	if s.kind == segChild {
		o, ok := v.(object)
		if !ok {
			return nil, false
		}
		return o.Get(s.names[0])
	}
	a, ok := v.([]any)
	if !ok {
		return nil, false
	}
	return at(a, s.indices[0])
}

// at gives a's element i, counted from the end when i is negative.
func at(a []any, i int) (any, bool) {
	if i < 0 {
		i += len(a)
	}
	if i < 0 || i >= len(a) {
		return nil, false
	}
	return a[i], true
}

// maxPathSteps bounds the values one path may visit: several .. in a row would
// otherwise visit exponentially many.
const maxPathSteps = 1_000_000

// walker collects what segments select.
type walker struct {
	root  any
	found []any
	steps int
}

func (w *walker) walk(v any, segments []segment) {
	if w.steps++; w.steps > maxPathSteps {
		return
	}
	if len(segments) == 0 {
		w.found = append(w.found, v)
		return
	}
	s, rest := segments[0], segments[1:]
	switch s.kind {
	case segChild:
		if o, ok := v.(object); ok {
			for _, name := range s.names {
				if c, ok := o.Get(name); ok {
					w.walk(c, rest)
				}
			}
		}
	case segIndex:
		if a, ok := v.([]any); ok {
			for _, i := range s.indices {
				if c, ok := at(a, i); ok {
					w.walk(c, rest)
				}
			}
		}
	case segDescend:
		w.descend(v, rest)
	default:
		for _, c := range w.children(s, v) {
			w.walk(c, rest)
		}
	}
}

func (w *walker) descend(v any, rest []segment) {
	w.walk(v, rest)
	if w.steps > maxPathSteps {
		return
	}
	for _, c := range elements(v) {
		w.descend(c, rest)
	}
}

// elements are the direct children of an array or object.
func elements(v any) []any {
	switch t := v.(type) {
	case []any:
		return t
	case object:
		out := make([]any, 0, t.Len())
		t.Range(func(_ string, e any) bool { out = append(out, e); return true })
		return out
	}
	return nil
}

// children are what a segment that is no name, index or descent selects.
func (w *walker) children(s segment, v any) []any {
	switch s.kind {
	case segWildcard:
		return elements(v)
	case segSlice:
		a, _ := v.([]any)
		from, to := bounds(s.from, s.to, len(a))
		return a[from:to]
	case segFilter:
		candidates := []any{v}
		if a, ok := v.([]any); ok {
			candidates = a
		}
		var out []any
		for _, c := range candidates {
			if w.steps++; w.steps > maxPathSteps {
				break
			}
			if truth(s.filter.test(w, c)) {
				out = append(out, c)
			}
		}
		return out
	}
	return nil
}

// bounds clips a slice's ends to a length, counting negatives from the end.
func bounds(from, to *int, length int) (int, int) {
	clip := func(p *int, fallback int) int {
		if p == nil {
			return fallback
		}
		i := *p
		if i < 0 {
			i += length
		}
		return max(0, min(i, length))
	}
	lo, hi := clip(from, 0), clip(to, length)
	return lo, max(lo, hi)
}
