package table

import (
	"slices"
	"strings"
)

// Narrow is a copy of some columns, those that are there, which keeps nothing
// of the others in memory. Numbers are no longer as they stood in the file.
func (t *Table) Narrow(names ...string) *Table {
	var columns []Column
	for _, name := range names {
		c, ok := t.Column(name)
		if !ok || slices.ContainsFunc(columns, func(other Column) bool { return other.Name == name }) {
			continue
		}
		copied := *c
		copied.odd = c.longNumbers()
		copied.raw, copied.Text = nil, nil
		if c.Kind == Text {
			copied.Text = internAll(c.Text)
		}
		columns = append(columns, copied)
	}
	out := newTable(t.Name, columns, t.rows)
	out.parts = t.parts
	return out
}

// internAll copies each distinct text once.
func internAll(texts []string) []string {
	known := map[string]string{}
	out := make([]string, len(texts))
	for i, text := range texts {
		copied, seen := known[text]
		if !seen {
			copied = strings.Clone(text)
			known[copied] = copied
		}
		out[i] = copied
	}
	return out
}

// Take is a copy of some rows, in the order given. Columns keep their kinds.
func (t *Table) Take(rows []int) *Table {
	columns := make([]Column, len(t.Columns))
	for i := range t.Columns {
		c := &t.Columns[i]
		out := Column{Name: c.Name, Kind: c.Kind, FirstText: c.FirstText, Null: pick(c.Null, rows), Number: pick(c.Number, rows), raw: nil}
		if c.Kind == Text {
			out.Text = internAll(pick(c.Text, rows))
			out.FirstText = 0
		}
		columns[i] = out
	}
	out := newTable(t.Name, columns, len(rows))
	out.parts[0].lines = make([]int32, len(rows))
	for i, row := range rows {
		out.parts[0].lines[i] = int32(row + 1)
		if lines := t.parts[0].lines; len(t.parts) == 1 && lines != nil {
			out.parts[0].lines[i] = lines[row]
		}
	}
	return out
}

func pick[T any](values []T, rows []int) []T {
	if values == nil {
		return nil
	}
	out := make([]T, len(rows))
	for i, row := range rows {
		out[i] = values[row]
	}
	return out
}

// Head is the columns' names and kinds over several tables, without rows. The
// zero value is of none.
type Head struct {
	first *Table
	Kinds map[string]Kind // Text where one table has Text
}

// Add takes in a table's columns. The error is Concat's: they are not those of
// the tables before.
func (h *Head) Add(t *Table) error {
	if h.first == nil {
		columns := make([]Column, len(t.Columns))
		for i := range columns {
			columns[i].Name = t.Columns[i].Name
		}
		h.first, h.Kinds = newTable(t.Name, columns, 0), map[string]Kind{}
	}
	if err := sameColumns(h.first, t); err != nil {
		return err
	}
	for i := range t.Columns {
		if t.Columns[i].Kind == Text {
			h.Kinds[t.Columns[i].Name] = Text
		}
	}
	return nil
}

// Names are the columns' names, in the first table's order.
func (h *Head) Names() []string { return h.first.Names() }

// Bytes is about what the table takes in memory.
func (t *Table) Bytes() int64 {
	var sum int64
	for i := range t.Columns {
		c := &t.Columns[i]
		sum += int64(len(c.Null)) + 8*int64(len(c.Number)) + 16*int64(len(c.Text)+len(c.raw))
		for _, texts := range [][]string{c.Text, c.raw} {
			for _, text := range texts {
				sum += int64(len(text))
			}
		}
	}
	return sum
}
