// Package table reads the rows of a dataset's objects, whatever their format,
// into columns.
//
// A column's kind is decided over the whole column: Number when every value
// that is there parses as a finite number, else Text. A cell that is empty or
// one of the spellings of "no value" (NA, NaN, null, …) is missing: NaN in a
// Number column, null in both. The text of a cell as it stood in the file is
// kept, so a column that is Number in one object and Text in another can be
// joined without loss.
package table

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Kind is what a column holds.
type Kind int

const (
	Number Kind = iota
	Text
)

// String is "number" or "text".
func (k Kind) String() string { return [...]string{"number", "text"}[k] }

// Column is one column; index i of each slice is row i.
type Column struct {
	Name   string
	Kind   Kind
	Number []float64 // Kind Number: NaN where missing; else nil
	Text   []string  // Kind Text: "" where missing; else nil
	Null   []bool    // true where missing
	// FirstText is the first row whose value is not a number, -1 in a Number
	// column: what to show when a column was expected to hold numbers.
	FirstText int

	raw []string // the text of each cell of a Number column, nil when Number and odd say it all
	// odd are the texts of the few cells of a Number column whose number does not
	// say them ("2.0"), by row.
	odd map[int]string
}

// Len is the number of rows.
func (c *Column) Len() int { return len(c.Null) }

// Content is the cell's value as text that does not depend on the column's
// kind or the file's format: the shortest decimal form of a number, else the
// text itself; "" where missing.
func (c *Column) Content(i int) string {
	switch {
	case c.Null[i]:
		return ""
	case c.Kind == Number:
		return FormatNumber(c.Number[i])
	}
	return CanonicalText(c.Text[i])
}

// Original is the cell as it stood in the file, "" where missing.
func (c *Column) Original(i int) string {
	switch {
	case c.Null[i]:
		return ""
	case c.Kind == Text:
		return c.Text[i]
	case c.raw != nil:
		return c.raw[i]
	}
	if text, is := c.odd[i]; is {
		return text
	}
	return FormatNumber(c.Number[i])
}

// FormatNumber is the shortest decimal text that reads back as v; minus zero
// is "0".
func FormatNumber(v float64) string { return string(appendNumber(nil, v)) }

func appendNumber(dst []byte, v float64) []byte {
	if v == 0 {
		v = 0
	}
	if abs := math.Abs(v); v != 0 && (abs < 1e-6 || abs >= 1e21) {
		return strconv.AppendFloat(dst, v, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, v, 'f', -1, 64)
}

// CanonicalText is the form in which two cells of equal value are equal:
// numbers through FormatNumber, other text unchanged.
func CanonicalText(text string) string {
	if v, form := parseNumber(text); form == formNumber {
		return FormatNumber(v)
	}
	return text
}

// Table is columns of equal length.
type Table struct {
	Name    string // where it came from, for messages
	Columns []Column
	rows    int
	order   []int    // columns by name, for Row
	quoted  []string // the columns' names as Row has them
	parts   []part   // in the order of their rows
}

// newTable indexes the columns. Names must be unique.
func newTable(name string, columns []Column, rows int) *Table {
	t := &Table{Name: name, Columns: columns, rows: rows, order: make([]int, len(columns)), quoted: make([]string, len(columns)), parts: []part{{name: name, end: rows}}}
	for i := range t.order {
		t.order[i], t.quoted[i] = i, strconv.Quote(columns[i].Name)
	}
	slices.SortFunc(t.order, func(a, b int) int { return strings.Compare(columns[a].Name, columns[b].Name) })
	return t
}

// Rows is the number of rows.
func (t *Table) Rows() int { return t.rows }

// Names are the columns' names in their order.
func (t *Table) Names() []string {
	names := make([]string, len(t.Columns))
	for i := range t.Columns {
		names[i] = t.Columns[i].Name
	}
	return names
}

// Column finds a column by name.
func (t *Table) Column(name string) (*Column, bool) {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i], true
		}
	}
	return nil, false
}

// Row renders row i's whole content, the same for equal rows whatever the
// file's format and the columns' order: name=value pairs sorted by name,
// joined by commas, names and text values quoted as Go quotes them.
func (t *Table) Row(i int) string { return string(t.AppendRow(nil, i)) }

// AppendRow appends Row(i) to dst: for hashing many rows without garbage.
func (t *Table) AppendRow(dst []byte, i int) []byte {
	for n, at := range t.order {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, t.quoted[at]...)
		dst = append(dst, '=')
		dst = t.Columns[at].appendContent(dst, i)
	}
	return dst
}

func (c *Column) appendContent(dst []byte, i int) []byte {
	if c.Null[i] {
		return dst
	}
	if c.Kind == Number {
		return appendNumber(dst, c.Number[i])
	}
	if v, form := parseNumber(c.Text[i]); form == formNumber {
		return appendNumber(dst, v)
	}
	return strconv.AppendQuote(dst, c.Text[i])
}

// Concat joins tables with the same columns, in any order, one below the
// other; the first one's order is kept. A column that is Number here and Text
// there becomes Text with every cell as it stood in its file. The error is a
// fault of kind Invalid that names the columns that differ.
func Concat(tables ...*Table) (*Table, error) {
	if len(tables) == 0 {
		return nil, fault.New(fault.Invalid, "join tables", "there are none")
	}
	if len(tables) == 1 {
		return tables[0], nil
	}
	first, rows := tables[0], 0
	for _, t := range tables {
		if err := sameColumns(first, t); err != nil {
			return nil, err
		}
		rows += t.rows
	}
	columns := make([]Column, len(first.Columns))
	for i := range columns {
		parts := make([]*Column, len(tables))
		for j, t := range tables {
			parts[j], _ = t.Column(first.Columns[i].Name)
		}
		columns[i] = concatColumn(parts, rows)
	}
	out := newTable(first.Name, columns, rows)
	out.parts = joinParts(tables)
	return out, nil
}

func sameColumns(a, b *Table) error {
	missing, extra := difference(a, b), difference(b, a)
	if len(missing)+len(extra) == 0 {
		return nil
	}
	var parts []string
	if len(missing) > 0 {
		parts = append(parts, "lacks "+strings.Join(missing, ", "))
	}
	if len(extra) > 0 {
		parts = append(parts, "has also "+strings.Join(extra, ", "))
	}
	return fault.New(fault.Invalid, "join tables", "the columns of %s differ from those of %s: it %s",
		b.Name, a.Name, strings.Join(parts, " and ")).
		WithHint("upload every object with the same columns; a JSON Lines file that has no value for a key writes it as null at least once")
}

func difference(a, b *Table) []string {
	var names []string
	for _, name := range a.Names() {
		if _, ok := b.Column(name); !ok {
			names = append(names, fmt.Sprintf("%q", name))
		}
	}
	return names
}

func (c *Column) keepOdd(row int, text string) {
	if c.odd == nil {
		c.odd = map[int]string{}
	}
	c.odd[row] = text
}

func concatColumn(parts []*Column, rows int) Column {
	out := Column{Name: parts[0].Name, FirstText: -1, Null: make([]bool, 0, rows)}
	keepRaw := false
	for _, p := range parts {
		if p.Kind == Text && out.FirstText < 0 {
			out.Kind, out.FirstText = Text, len(out.Null)+p.FirstText
		}
		keepRaw = keepRaw || p.raw != nil
		out.Null = append(out.Null, p.Null...)
	}
	for _, p := range parts {
		if out.Kind == Number {
			out.Number = append(slices.Grow(out.Number, rows-len(out.Number)), p.Number...)
		}
		before := len(out.Number) - len(p.Number)
		for i := range p.odd {
			if out.Kind == Number && !keepRaw {
				out.keepOdd(before+i, p.odd[i])
			}
		}
		for i := range p.Null {
			switch {
			case out.Kind == Text:
				out.Text = append(out.Text, p.Original(i))
			case keepRaw:
				out.raw = append(out.raw, p.Original(i))
			}
		}
	}
	return out
}
