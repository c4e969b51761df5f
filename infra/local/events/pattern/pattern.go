// Package pattern implements EventBridge's event pattern language.
//
// A pattern mirrors the event it matches: an object of fields, and at each leaf
// an array of values or operators of which one must match. Fields are joined
// with "and", the items of an array with "or", and "$or" joins whole branches.
// Paths are compared in their dotted form, as EventBridge does: the pattern
// {"a": {"b": [1]}} also matches the field "a.b".
//
// Where a path runs through an array of objects, all fields of the pattern below
// that array must hold for the same element.
//
// See "Amazon EventBridge event patterns" in the EventBridge User Guide.
package pattern

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Limits keep a hostile pattern from costing more than it should. AWS allows
// 1,000 combinations of "$or" branches and 4,096 characters.
const (
	maxCombinations = 1000
	maxDepth        = 64
)

// Pattern is a compiled event pattern.
type Pattern struct {
	alternatives []clause // the event matches when one of them does
}

// clause is a conjunction: each dotted path has matchers of which one must hold.
type clause map[string][]matcher

// Compile checks and compiles a pattern. The error says where the pattern is
// wrong; PutRule and TestEventPattern report it as InvalidEventPatternException.
func Compile(raw []byte) (*Pattern, error) {
	value, err := decode(raw)
	if err != nil {
		return nil, fmt.Errorf("event pattern is not valid JSON: %w", err)
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("event pattern is not valid: it must be a JSON object")
	}
	alternatives, err := compileObject(object, "", 0)
	if err != nil {
		return nil, fmt.Errorf("event pattern is not valid: %w", err)
	}
	return &Pattern{alternatives: alternatives}, nil
}

// decode reads exactly one JSON value, keeping numbers as they were written.
func decode(raw []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, fmt.Errorf("there is more after the first value")
	}
	return value, nil
}

// compileObject gives the alternatives of an object: the product of those of
// its fields.
func compileObject(object map[string]any, path string, depth int) ([]clause, error) {
	if len(object) == 0 {
		return nil, fmt.Errorf("%s is an empty object; empty patterns are not allowed", name(path))
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("%s is nested more than %d deep", name(path), maxDepth)
	}
	product := []clause{{}}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		branches, err := compileField(object[key], key, path, depth)
		if err != nil {
			return nil, err
		}
		if product, err = cross(product, branches); err != nil {
			return nil, err
		}
	}
	return product, nil
}

func compileField(value any, key, path string, depth int) ([]clause, error) {
	if key == "$or" {
		return compileOr(value, path, depth)
	}
	field := join(path, key)
	switch v := value.(type) {
	case map[string]any:
		return compileObject(v, field, depth+1)
	case []any:
		matchers, err := compileLeaf(v, field)
		return []clause{{field: matchers}}, err
	}
	return nil, fmt.Errorf("%s must be an object or an array", name(field))
}

func compileOr(value any, path string, depth int) ([]clause, error) {
	branches, ok := value.([]any)
	if !ok || len(branches) < 2 {
		return nil, fmt.Errorf("%s must be an array of at least two patterns", name(join(path, "$or")))
	}
	var alternatives []clause
	for _, branch := range branches {
		object, ok := branch.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s must hold patterns only", name(join(path, "$or")))
		}
		compiled, err := compileObject(object, path, depth+1)
		if err != nil {
			return nil, err
		}
		alternatives = append(alternatives, compiled...)
		if len(alternatives) > maxCombinations {
			return nil, fmt.Errorf("$or makes more than %d combinations", maxCombinations)
		}
	}
	return alternatives, nil
}

// cross combines every left clause with every right one. A path in both keeps
// the matchers of both as alternatives of the same array, as EventBridge does.
func cross(left, right []clause) ([]clause, error) {
	if len(left)*len(right) > maxCombinations {
		return nil, fmt.Errorf("$or makes more than %d combinations", maxCombinations)
	}
	var product []clause
	for _, l := range left {
		for _, r := range right {
			both := maps.Clone(l)
			for path, matchers := range r {
				both[path] = append(slices.Clone(both[path]), matchers...)
			}
			product = append(product, both)
		}
	}
	return product, nil
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func name(path string) string {
	if path == "" {
		return "the pattern"
	}
	return "field " + strings.TrimSpace(path)
}
