// Package nearest names what the local stack does serve, next to what it
// refuses: "does not serve CreateActivity; the nearest operation that it
// serves is CreateStateMachine". The nearest name is the one with the least
// edit distance, case aside.
package nearest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// longest is how much of a name is compared, in bytes.
const longest = 128

// Name gives the known name that is nearest to name, the first in the
// alphabet of equals, and "" when nothing is known. A name that name begins,
// or that begins it, is near.
func Name(name string, known []string) string {
	folded, best, least := fold(name), "", 0
	for _, k := range slices.Sorted(slices.Values(known)) {
		other := fold(k)
		d := 2 * distance(folded, other)
		if folded != "" && other != "" && (strings.HasPrefix(other, folded) || strings.HasPrefix(folded, other)) {
			d /= 4
		}
		if best == "" || d < least {
			best, least = k, d
		}
	}
	return best
}

// Hint is Name as the end of a sentence about a kind of thing, such as
// "operation": "; the nearest operation here is …", "" when nothing is known.
func Hint(kind, name string, known []string) string {
	near := Name(name, known)
	if near == "" {
		return ""
	}
	return fmt.Sprintf("; the nearest %s here is %s", kind, near)
}

// Keys are the keys of a map, for its known names.
func Keys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	return names
}

// Member adds the nearest member that the type of into knows to the error of a
// strict JSON decoder; other errors stay as they are.
func Member(err error, into any) error {
	const unknown = "json: unknown field "
	if err == nil || !strings.HasPrefix(err.Error(), unknown) {
		return err
	}
	name := strings.Trim(strings.TrimPrefix(err.Error(), unknown), `"`)
	return fmt.Errorf("%w%s", err, Hint("member", name, Members(into)))
}

// Members lists the JSON members of a value's type and of what it holds.
func Members(v any) []string {
	return members(reflect.TypeOf(v), map[reflect.Type]bool{})
}

func members(t reflect.Type, seen map[reflect.Type]bool) []string {
	for t != nil && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Array || t.Kind() == reflect.Map) {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct || seen[t] || reflect.PointerTo(t).Implements(unmarshaler) {
		return nil
	}
	seen[t] = true
	var names []string
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "-" || !field.IsExported() && !field.Anonymous {
			continue
		}
		if !field.Anonymous || name != "" {
			if name == "" {
				name = field.Name
			}
			names = append(names, name)
		}
		names = append(names, members(field.Type, seen)...)
	}
	return names
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

func fold(s string) string {
	s = strings.ToLower(s)
	return s[:min(len(s), longest)]
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
