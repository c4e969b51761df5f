package feedback

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/rollout"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// MostParts is how many parts of one slice are told apart; the rows of later ones
// are one part together.
const MostParts = 50

// slicer names the parts that a row belongs to.
type slicer struct {
	by       []trainconfig.Slice
	features []string // of rows without names
}

// parts are the places of a row's parts in l.Parts, which grows. A row that lacks
// a slice's column, or has no number where there are edges, is in none of it.
func (l *Ledger) parts(row Row) []int {
	if l.slicer == nil {
		return nil
	}
	var places []int
	for _, slice := range l.slicer.by {
		name, ok := l.slicer.part(slice, row)
		if !ok {
			continue
		}
		at := slices.Index(l.Parts, name)
		if at < 0 && l.of(slice) >= MostParts {
			name = strings.Join(slice.By, " & ") + " otherwise"
			at = slices.Index(l.Parts, name)
		}
		if at < 0 {
			l.Parts = append(l.Parts, name)
			at = len(l.Parts) - 1
		}
		places = append(places, at)
	}
	return places
}

// of counts the parts of a slice that have a name already.
func (l *Ledger) of(slice trainconfig.Slice) int {
	n := 0
	for _, name := range l.Parts {
		if belongs(name, slice) {
			n++
		}
	}
	return n
}

// belongs says that a part is one of a slice's.
func belongs(part string, slice trainconfig.Slice) bool {
	if part == strings.Join(slice.By, " & ")+" otherwise" {
		return true
	}
	cells := strings.Split(part, " & ")
	if len(cells) != len(slice.By) {
		return false
	}
	for i, name := range slice.By {
		if !strings.HasPrefix(cells[i], name+"=") {
			return false
		}
	}
	return true
}

// part names a row's part of a slice, e.g. "age=[30,50) & sex=Female".
func (s *slicer) part(slice trainconfig.Slice, row Row) (string, bool) {
	cells := make([]string, len(slice.By))
	for i, name := range slice.By {
		value, ok := s.value(row, name)
		if !ok {
			return "", false
		}
		if edges := slice.Edges[name]; len(edges) > 0 && value != "" {
			if value, ok = inRange(value, edges); !ok {
				return "", false
			}
		}
		if value == "" {
			value = "missing"
		}
		// What joins cells must not be in one.
		cells[i] = name + "=" + strings.ReplaceAll(value, " & ", " and ")
	}
	return strings.Join(cells, " & "), true
}

func (s *slicer) value(row Row, name string) (string, bool) {
	names := row.Names
	if names == nil {
		names = s.features
	}
	if at := slices.Index(names, name); at >= 0 && at < len(row.Values) {
		return strings.TrimSpace(row.Values[at]), true
	}
	return "", false
}

// inRange names the range between edges that a number lies in, as the gates do.
func inRange(text string, edges []float64) (string, bool) {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || x != x {
		return "", false
	}
	k, found := slices.BinarySearch(edges, x)
	if found {
		k++
	}
	show := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	switch k {
	case 0:
		return "below " + show(edges[0]), true
	case len(edges):
		return show(edges[k-1]) + " and above", true
	}
	return "[" + show(edges[k-1]) + "," + show(edges[k]) + ")", true
}

// Tallies counts what two slots answered since a time to the rows of each part,
// as far as ids are remembered, in the order of the parts' names. A slice of which
// no row was seen is one part without any, so that whoever judges does not miss
// it.
func (l *Ledger) Tallies(by []trainconfig.Slice, candidate, champion string, since time.Time) []rollout.Part {
	counts := make([]rollout.Part, len(l.Parts))
	for _, e := range l.Entries {
		if e.Slot == "" || e.Time.Before(since) {
			continue
		}
		answers := []Entry{e}
		if e.Also != nil {
			answers = append(answers, e.also())
		}
		for _, place := range e.Parts {
			for _, a := range answers {
				switch {
				case place >= len(counts): // a ledger that somebody else wrote
				case a.Slot == candidate:
					tally(&counts[place].Candidate, a)
				case a.Slot == champion:
					tally(&counts[place].Champion, a)
				}
			}
		}
	}
	var parts []rollout.Part
	for _, slice := range by {
		seen := false
		for i, name := range l.Parts {
			if belongs(name, slice) && counts[i].Candidate.Rows+counts[i].Champion.Rows > 0 {
				counts[i].Slice, seen = name, true
				parts = append(parts, counts[i])
			}
		}
		if !seen {
			parts = append(parts, rollout.Part{Slice: strings.Join(slice.By, " & ")})
		}
	}
	slices.SortFunc(parts, func(a, b rollout.Part) int { return strings.Compare(a.Slice, b.Slice) })
	return parts
}

func tally(t *rollout.Tally, e Entry) {
	t.Rows++
	if !e.Labelled {
		return
	}
	t.Labels++
	if e.Positive == e.Label {
		t.Correct++
	}
}
