package gate

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/predictions"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// MostParts is how many parts of one slice, or groups of one attribute, are
// judged at most: beyond, every interval is too wide to tell, and the pairs of
// groups are too many to read.
const MostParts = 50

// part is some rows of the set: those of one value, or joint value, of a slice.
type part struct {
	name  string // "age=[30,50) & sex=Female"
	rows  []int
	set   *predictions.Set
	slice *trainconfig.Slice
}

// parts are the parts of a slice that are large enough to judge; the others are
// listed. A slice with none is insufficient.
func (v *Verdict) parts(set *predictions.Set, slice *trainconfig.Slice) []part {
	by := strings.Join(slice.By, ", ")
	columns := make([][]string, len(slice.By))
	for k, name := range slice.By {
		values, ok := set.Attributes[name]
		if !ok {
			v.insufficient("slice by %s: the predictions do not say %q; was the model evaluated with this configuration?", by, name)
			return nil
		}
		var err error
		if columns[k], err = ranged(name, values, slice.Edges[name]); err != nil {
			v.insufficient("slice by %s: %v", by, err)
			return nil
		}
	}
	all, missing, err := evaluation.PartitionRows(len(set.RowID), slice.By, columns)
	if err != nil {
		v.insufficient("slice by %s: %v", by, err)
		return nil
	}
	if missing > 0 {
		without := set.Take(valueless(columns...))
		v.skip(by+" missing", missing, positivesOf(without), "the rows have no value")
	}
	return v.judgeable(set, slice, all)
}

func (v *Verdict) judgeable(set *predictions.Set, slice *trainconfig.Slice, all map[string][]int) []part {
	by := strings.Join(slice.By, ", ")
	var out []part
	for _, name := range slices.Sorted(maps.Keys(all)) {
		rows := all[name]
		taken := set.Take(rows)
		why := few(taken)
		switch {
		case len(rows) < slice.MinSize:
			v.skip(name, len(rows), positivesOf(taken), "fewer than %d rows", slice.MinSize)
		case why != "":
			v.skip(name, len(rows), positivesOf(taken), "%s", why)
		default:
			out = append(out, part{name: name, rows: rows, set: taken, slice: slice})
		}
	}
	switch {
	case len(out) == 0:
		v.insufficient("slice by %s: none of its %d parts is large enough to judge", by, len(all))
	case len(out) > MostParts:
		v.insufficient("slice by %s: %d parts are large enough to judge, and at most %d are judged; give a numeric column edges, or raise min_size", by, len(out), MostParts)
		return nil
	}
	return out
}

// ranged names the range between edges that each value lies in; without edges,
// values are as they are. "" stays missing.
func ranged(name string, values []string, edges []float64) ([]string, error) {
	if len(edges) == 0 {
		return values, nil
	}
	out := make([]string, len(values))
	for i, text := range values {
		if text == "" {
			continue
		}
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || x != x {
			return nil, fmt.Errorf("column %q has edges, and in row %d the value %q, which is not a number", name, i+1, text)
		}
		k, found := slices.BinarySearch(edges, x)
		if found {
			k++
		}
		out[i] = rangeName(edges, k)
	}
	return out, nil
}

func rangeName(edges []float64, k int) string {
	text := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	switch k {
	case 0:
		return "below " + text(edges[0])
	case len(edges):
		return text(edges[k-1]) + " and above"
	}
	return "[" + text(edges[k-1]) + "," + text(edges[k]) + ")"
}
