package table

import (
	"math"
	"strings"
)

// exactBelow is the number from which on not every whole number is a float64.
const exactBelow = 1 << 53

// Exact is Content, but that whole numbers which a float64 does not hold keep all
// their digits: 9007199254740993 and 9007199254740992 are two customers, or two
// queries. It is for columns whose values are names.
func (c *Column) Exact(i int) string {
	if !c.Null[i] && (c.Kind == Text || math.Abs(c.Number[i]) >= exactBelow) {
		if whole, is := wholeNumber(c.Original(i)); is {
			return whole
		}
	}
	return c.Content(i)
}

// wholeNumber is a long whole number's one spelling, and whether text is one.
func wholeNumber(text string) (string, bool) {
	digits, negative := strings.CutPrefix(text, "-")
	digits = strings.TrimLeft(strings.TrimPrefix(digits, "+"), "0")
	if len(digits) < 16 || len(digits) > 40 || strings.Trim(digits, "0123456789") != "" {
		return "", false
	}
	if negative {
		return "-" + digits, true
	}
	return digits, true
}

// longNumbers are the texts of the numbers that a float64 does not hold.
func (c *Column) longNumbers() map[int]string {
	if c.raw == nil {
		return c.odd
	}
	var out map[int]string
	for i, v := range c.Number {
		if !(math.Abs(v) >= exactBelow) {
			continue
		}
		if out == nil {
			out = map[int]string{}
		}
		out[i] = strings.Clone(c.raw[i])
	}
	return out
}
