package elb

import (
	"slices"
	"strings"
)

// page is the part of a Describe request that asks for a part of the answer.
type page struct {
	Marker   string
	PageSize *int
}

// maxPage is how much one answer lists at most.
const maxPage = 400

// cut gives the items after the marker, which is the key of the last one seen,
// as many as the page takes, and the marker of the next page.
func cut[T any](p page, items []T, key func(T) string) ([]T, string, error) {
	size := maxPage
	if p.PageSize != nil {
		size = *p.PageSize
	}
	if size < 1 || size > maxPage {
		return nil, "", invalid("1 validation error detected: Value '%d' at 'pageSize' failed to satisfy constraint: want 1 to %d", size, maxPage)
	}
	if p.Marker != "" {
		at := slices.IndexFunc(items, func(item T) bool { return key(item) == p.Marker })
		if at < 0 {
			return nil, "", invalid("Invalid marker '%s'", p.Marker)
		}
		items = items[at+1:]
	}
	if len(items) <= size {
		return items, "", nil
	}
	return items[:size], key(items[size-1]), nil
}

// chosen gives what has one of the ARNs, in their order, or everything by ARN if
// there are none.
func chosen[T any](from map[string]T, arns []string, missing func(string) error) ([]T, error) {
	if len(arns) == 0 {
		arns = sorted(from)
	}
	var out []T
	for _, arn := range arns {
		one, ok := from[arn]
		if !ok {
			return nil, missing(arn)
		}
		out = append(out, one)
	}
	return out, nil
}

// named gives what has one of the names, or everything if there are none.
func named[T any](from []T, names []string, name func(T) string, missing func(string) error) ([]T, error) {
	if len(names) == 0 {
		return from, nil
	}
	var out []T
	var lacking []string
	for _, n := range names {
		at := slices.IndexFunc(from, func(one T) bool { return name(one) == n })
		if at < 0 {
			lacking = append(lacking, n)
			continue
		}
		out = append(out, from[at])
	}
	if len(lacking) > 0 {
		return nil, missing(strings.Join(lacking, ", "))
	}
	return out, nil
}
