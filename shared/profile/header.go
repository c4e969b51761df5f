package profile

import (
	"fmt"
	"slices"
	"strings"
)

// Header is a set of columns that objects came with. The merged columns do not
// tell which object lacks one; this does, by name, for the first few.
type Header struct {
	Columns []string `json:"columns"` // sorted
	Objects []string `json:"objects"` // the first few that have just these columns, in the order of merging
	Count   int      `json:"count"`   // how many objects do
}

// What a merged profile keeps at most. A dataset of more headers than this has
// no names for its last ones.
const (
	mostHeaders = 32
	mostNamed   = 3
)

// Name says which object a single object's profile is of, where it does not
// know: one that was kept before headers were.
func (p *Profile) Name(object string) {
	if len(p.Headers) == 0 {
		p.Headers = []Header{{Columns: p.Names(), Objects: []string{object}, Count: 1}}
	}
}

// mergeHeaders joins profiles' headers. Where one of the profiles does not know
// its own, nothing is known.
func mergeHeaders(profiles []Profile) []Header {
	var out []Header
	for _, p := range profiles {
		if len(p.Headers) == 0 {
			return nil
		}
		for _, h := range p.Headers {
			at := slices.IndexFunc(out, func(o Header) bool { return slices.Equal(o.Columns, h.Columns) })
			switch {
			case at >= 0:
				out[at].Count += h.Count
				out[at].Objects = firstFew(out[at].Objects, h.Objects)
			case len(out) < mostHeaders:
				out = append(out, Header{h.Columns, firstFew(nil, h.Objects), h.Count})
			}
		}
	}
	return out
}

func firstFew(have, more []string) []string {
	all := slices.Concat(have, more)
	return all[:min(len(all), mostNamed)]
}

// without names the objects that lack a column, ": a.csv and 4 more lack it, b.csv
// has it"; "" where nothing is known of them.
func (p *Profile) without(column string) string {
	var lack, have []string
	lacking, having := 0, 0
	for _, h := range p.Headers {
		if _, found := slices.BinarySearch(h.Columns, column); found {
			have, having = firstFew(have, h.Objects), having+h.Count
		} else {
			lack, lacking = firstFew(lack, h.Objects), lacking+h.Count
		}
	}
	if lacking == 0 {
		return ""
	}
	text := ": " + listed(lack, lacking) + plural(lacking, " lacks it", " lack it")
	if having > 0 {
		text += ", " + listed(have, having) + plural(having, " has it", " have it")
	}
	return text
}

// listed names the first few of count objects.
func listed(names []string, count int) string {
	text := strings.Join(names, ", ")
	if more := count - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// checkHeaders says whether decoded headers have the shape that merging needs.
func checkHeaders(headers []Header) error {
	if len(headers) > mostHeaders {
		return fmt.Errorf("%d headers: at most %d are kept", len(headers), mostHeaders)
	}
	for i, h := range headers {
		if !slices.IsSorted(h.Columns) || h.Count < len(h.Objects) || len(h.Objects) == 0 || len(h.Objects) > mostNamed {
			return fmt.Errorf("header %d: %d objects named of %d, columns %q", i, len(h.Objects), h.Count, h.Columns)
		}
	}
	return nil
}
