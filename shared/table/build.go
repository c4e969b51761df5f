package table

import (
	"math"
	"strings"
)

// oddShare of a column's cells may be odd before every text is kept: an entry of a
// map takes several times what one of a list does.
const oddShare = 8

// internLimit is how many distinct texts of a column share their memory.
const internLimit = 4096

// builder makes a column of cells as they come. While nearly every cell is a
// number in its shortest form, which says all that its text says, the texts are
// not kept, but for the odd ones.
type builder struct {
	name         string
	number       []float64
	null         []bool
	text         []string       // nil as long as the numbers and odd say it all
	odd          map[int]string // texts of numbers that are not in their shortest form
	firstText    int            // -1 while there is none
	infinite     int            // the first row of an infinite number, -1 without
	infiniteCell string
	interned     map[string]string
}

func newBuilder(name string) *builder { return &builder{name: name, firstText: -1, infinite: -1} }

// add takes the next row's cell; it keeps no memory of it but its value.
func (b *builder) add(cell string) {
	row := len(b.null)
	if missing(cell) {
		b.put(math.NaN(), "", true)
		return
	}
	v, kind := 0.0, formText
	if b.firstText < 0 {
		v, kind = parseNumber(cell)
	}
	switch {
	case kind == formNumber && b.text == nil && shortest(cell, v):
		b.number, b.null = append(b.number, v), append(b.null, false)
		return
	case kind == formNumber && b.text == nil && len(b.odd) <= 64+row/oddShare:
		if b.odd == nil {
			b.odd = map[int]string{}
		}
		b.odd[row] = b.intern(cell)
		b.put(v, "", false)
		return
	case kind == formText && b.firstText < 0:
		b.keepText()
		b.firstText, b.number = row, nil
	case kind != formText:
		b.keepText()
	}
	if kind == formInfinite && b.infinite < 0 {
		b.infinite, b.infiniteCell = row, strings.Clone(cell)
	}
	b.put(v, b.intern(cell), false)
}

func (b *builder) put(v float64, text string, null bool) {
	b.null = append(b.null, null)
	if b.firstText < 0 {
		b.number = append(b.number, v)
	}
	if b.text != nil {
		b.text = append(b.text, text)
	}
}

// keepText begins to keep the cells' texts; those before are the numbers' own.
func (b *builder) keepText() {
	if b.text != nil {
		return
	}
	b.text = make([]string, len(b.null), max(16, cap(b.null)))
	for i, null := range b.null {
		if null {
			continue
		}
		text, is := b.odd[i]
		if !is {
			text = FormatNumber(b.number[i])
		}
		b.text[i] = text
	}
	b.odd = nil
}

// intern gives equal texts one memory, and no text the memory of its record.
func (b *builder) intern(cell string) string {
	if kept, ok := b.interned[cell]; ok {
		return kept
	}
	kept := strings.Clone(cell)
	if b.interned == nil {
		b.interned = map[string]string{}
	}
	if len(b.interned) < internLimit {
		b.interned[kept] = kept
	}
	return kept
}

// column is what was built. The returned row is that of an infinite number in a
// column of numbers, -1 when there is none.
func (b *builder) column() (Column, int) {
	c := Column{Name: b.name, Null: b.null, FirstText: b.firstText}
	if b.firstText >= 0 {
		c.Kind, c.Text = Text, b.text
		return c, -1
	}
	c.Number, c.raw, c.odd = b.number, b.text, b.odd
	return c, b.infinite
}

// shortest says whether FormatNumber(v) is cell, of which v was read. A plain
// decimal of at most 15 digits, without needless zeros and signs, is: no other
// decimal of so few digits reads as the same number. False may be wrong.
func shortest(cell string, v float64) bool {
	digits, point := 0, -1
	start := 0
	if cell[0] == '-' {
		start = 1
	}
	for i := start; i < len(cell); i++ {
		switch c := cell[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c == '.' && point < 0:
			point = i
		default:
			return false
		}
	}
	whole := len(cell) - start
	if point >= 0 {
		whole = point - start
		if cell[len(cell)-1] == '0' || point == len(cell)-1 || math.Abs(v) < 1e-6 {
			return false
		}
	}
	if v == 0 {
		return cell == "0"
	}
	return digits <= 15 && whole > 0 && (cell[start] != '0' || whole == 1)
}
