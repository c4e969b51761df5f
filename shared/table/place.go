package table

import (
	"fmt"
	"sort"
)

// part is the rows of a Table that came from one object.
type part struct {
	name  string
	end   int     // the row after its last one
	lines []int32 // of each row, from 1; nil where the format has rows, not lines
}

// Place says where a row stood: "a.csv line 7", or "b.parquet row 6", counted
// from 1.
func (t *Table) Place(row int) string {
	i := sort.Search(len(t.parts), func(i int) bool { return row < t.parts[i].end })
	begin := 0
	if i > 0 {
		begin = t.parts[i-1].end
	}
	if p := t.parts[i]; p.lines != nil {
		return fmt.Sprintf("%s line %d", p.name, p.lines[row-begin])
	}
	return fmt.Sprintf("%s row %d", t.parts[i].name, row-begin+1)
}

func joinParts(tables []*Table) []part {
	var out []part
	rows := 0
	for _, t := range tables {
		for _, p := range t.parts {
			p.end += rows
			out = append(out, p)
		}
		rows += t.rows
	}
	return out
}
