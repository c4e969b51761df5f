package table

import (
	"math"
	"strconv"
)

type form int

const (
	formText     form = iota
	formNumber        // a finite number
	formInfinite      // an infinity, spelt out or by overflow
)

// parseNumber reads a decimal number: digits, a point, an exponent. Hexadecimal
// and underscores are text, as they are to every other reader of such files.
func parseNumber(s string) (float64, form) {
	if len(s) == 0 || len(s) > 400 {
		return 0, formText
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return infinity(s)
		}
	}
	v, err := strconv.ParseFloat(s, 64)
	if math.IsInf(v, 0) {
		return v, formInfinite
	}
	if err != nil {
		return 0, formText
	}
	return v, formNumber
}

func infinity(s string) (float64, form) {
	switch s {
	case "inf", "+inf", "Inf", "+Inf", "INF", "Infinity", "infinity", "+Infinity":
		return math.Inf(1), formInfinite
	case "-inf", "-Inf", "-INF", "-Infinity", "-infinity":
		return math.Inf(-1), formInfinite
	}
	return 0, formText
}

// missing says whether a cell's text means that there is no value: the empty
// cell and the spellings that pandas.read_csv takes by default.
func missing(s string) bool {
	if len(s) == 0 {
		return true
	}
	if len(s) > 8 {
		return false
	}
	switch s {
	case "NA", "N/A", "n/a", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None", "<NA>", "#N/A", "#NA":
		return true
	}
	return false
}

// infer makes a column of cells as they stood in the file. The returned row is
// that of an infinite number in a column of numbers, -1 when there is none.
func infer(name string, cells []string) (Column, int) {
	c := Column{Name: name, Null: make([]bool, len(cells)), FirstText: -1}
	numbers := make([]float64, len(cells))
	infinite := -1
	for i, cell := range cells {
		if missing(cell) {
			c.Null[i], numbers[i] = true, math.NaN()
			continue
		}
		if c.FirstText >= 0 {
			continue
		}
		v, form := parseNumber(cell)
		switch form {
		case formText:
			c.FirstText = i
		case formInfinite:
			if infinite < 0 {
				infinite = i
			}
		}
		numbers[i] = v
	}
	if c.FirstText < 0 {
		c.Number, c.raw = numbers, cells
		return c, infinite
	}
	c.Kind, c.Text = Text, cells
	for i, null := range c.Null {
		if null {
			cells[i] = ""
		}
	}
	return c, -1
}

// ParseNumber reads a finite decimal number, and says whether s is one.
func ParseNumber(s string) (float64, bool) {
	v, form := parseNumber(s)
	return v, form == formNumber
}
