package model

import (
	"math"
	"strconv"
)

// The rules for a cell's text are those that training data is read by
// (package table), kept apart so that the server needs no Parquet reader. A
// test holds the two together.

// missing says whether a cell's text means that there is no value.
func missing(s string) bool {
	switch s {
	case "", "NA", "N/A", "n/a", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None", "<NA>", "#N/A", "#NA":
		return true
	}
	return false
}

// number reads a finite decimal number: digits, a point, an exponent.
func number(s string) (float64, bool) {
	if len(s) == 0 || len(s) > 400 {
		return 0, false
	}
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return 0, false
		}
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}

// formatNumber is the shortest decimal text that reads back as v.
func formatNumber(v float64) string {
	abs := math.Abs(v)
	switch {
	case v == 0:
		return "0"
	case abs < 1e-6 || abs >= 1e21:
		return strconv.FormatFloat(v, 'e', -1, 64)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// canonical is a category's name: numbers in one spelling, so that 7, 7.0 and
// "7" are one category, and other text unchanged.
func canonical(s string) string {
	if v, ok := number(s); ok {
		return formatNumber(v)
	}
	return s
}
