package trainconfig

import (
	"maps"
	"math"
	"slices"
	"sort"
	"strings"
)

// maxSliceColumns bounds an intersection: beyond, parts are too small to judge.
const maxSliceColumns = 4

func (d *decoder) checkSlices(c *Config) {
	seen := map[string]bool{}
	for i := range c.Evaluation.Slices {
		s, path := &c.Evaluation.Slices[i], "evaluation.slices["+itoa(i)+"]"
		if len(s.By) == 0 || len(s.By) > maxSliceColumns {
			d.failAt(path+".by", "%d columns; name 1 to %d, e.g. [sex] or [sex, race]", len(s.By), maxSliceColumns)
		}
		d.unique(path+".by", s.By)
		if k := slices.Index(s.By, c.Data.Target); k >= 0 && c.Data.Target != "" {
			d.failAt(path+".by["+itoa(k)+"]", "%q is the target; a part with one outcome only cannot be judged", clip(c.Data.Target))
		}
		name := strings.Join(s.By, "\x00")
		if seen[name] && len(s.By) > 0 {
			d.failAt(path+".by", "the slice by %s is given twice", quoted(s.By))
		}
		seen[name] = true
		d.atLeast(path+".min_size", float64(s.MinSize), 1)
		d.checkThresholds(c, path+".thresholds.", s.Thresholds)
		d.checkEdges(s, path)
	}
}

func (d *decoder) checkEdges(s *Slice, path string) {
	for _, name := range slices.Sorted(maps.Keys(s.Edges)) {
		at, edges := path+".edges."+name, s.Edges[name]
		if !slices.Contains(s.By, name) {
			d.failAt(at, "edges of a column that the slice is not by; by has %s", quoted(s.By))
		}
		if len(edges) == 0 {
			d.failAt(at, "no edges; write the numbers that part the column, e.g. [30, 50]")
		}
		for i, v := range edges {
			if math.IsNaN(v) || math.IsInf(v, 0) || (i > 0 && !(v > edges[i-1])) {
				d.failAt(at+"["+itoa(i)+"]", "%v does not rise", v)
			}
		}
	}
}

// Attributes are the columns that gates tell rows apart by, sorted: the
// protected attributes and those of the slices. The evaluator keeps them beside
// the scores.
func (e *Evaluation) Attributes() []string {
	names := slices.Clone(e.Fairness.ProtectedAttributes)
	for _, s := range e.Slices {
		names = append(names, s.By...)
	}
	sort.Strings(names)
	return slices.Compact(names)
}
