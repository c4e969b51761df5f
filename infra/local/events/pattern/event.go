package pattern

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Event is an event made ready for matching against any number of patterns.
type Event struct {
	fields map[string][]field // by dotted path
}

// field is one leaf of the event. A leaf within arrays remembers which element
// of each it came from.
type field struct {
	value    any
	elements map[string]int // id of an array → index of the element
}

// maxSteps bounds the search for a consistent choice of array elements.
const maxSteps = 100_000

// ParseEvent reads an event's JSON, which must be an object.
func ParseEvent(raw []byte) (*Event, error) {
	value, err := decode(raw)
	if err != nil {
		return nil, fmt.Errorf("event is not valid JSON: %w", err)
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("event is not a JSON object")
	}
	e := &Event{fields: map[string][]field{}}
	e.flatten(object, "", nil, "")
	return e, nil
}

func (e *Event) flatten(value any, path string, elements map[string]int, array string) {
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			e.flatten(v[key], join(path, key), elements, join(array, key))
		}
	case []any:
		for i, item := range v {
			inner := maps.Clone(elements)
			if inner == nil {
				inner = map[string]int{}
			}
			inner[array] = i
			e.flatten(item, path, inner, array+"["+strconv.Itoa(i)+"]")
		}
	default:
		e.fields[path] = append(e.fields[path], field{value, elements})
	}
}

// Match reports whether the event matches the pattern.
func (p *Pattern) Match(e *Event) bool {
	return slices.ContainsFunc(p.alternatives, func(c clause) bool {
		steps := 0
		return c.match(slices.Sorted(maps.Keys(c)), e, map[string]int{}, &steps)
	})
}

// match looks for one field per path such that no array is in two of its
// elements at once.
func (c clause) match(paths []string, e *Event, chosen map[string]int, steps *int) bool {
	if len(paths) == 0 {
		return true
	}
	path, rest := paths[0], paths[1:]
	fields := e.fields[path]
	if len(fields) == 0 {
		return slices.ContainsFunc(c[path], func(m matcher) bool { return m.absent }) && c.match(rest, e, chosen, steps)
	}
	for _, f := range fields {
		if *steps++; *steps > maxSteps {
			return false
		}
		both, consistent := merge(chosen, f.elements)
		if !consistent || !slices.ContainsFunc(c[path], func(m matcher) bool { return m.holds(f.value) }) {
			continue
		}
		if c.match(rest, e, both, steps) {
			return true
		}
	}
	return false
}

func merge(a, b map[string]int) (map[string]int, bool) {
	if len(b) == 0 {
		return a, true
	}
	both := maps.Clone(a)
	for array, index := range b {
		if other, ok := both[array]; ok && other != index {
			return nil, false
		}
		both[array] = index
	}
	return both, true
}
