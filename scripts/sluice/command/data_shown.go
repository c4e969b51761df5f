package command

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// shown is a key, or other text that somebody else chose, as a table shows it: as
// it is where that is safe, else quoted as in Go, as ls and git do. A control
// character could break the table, or give the terminal orders.
func shown(text string) string {
	plain := func(r rune) bool { return strconv.IsPrint(r) && r != '"' && r != '\\' && r != utf8.RuneError }
	if strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	return strconv.Quote(text)
}

// harmless is an error's text without control characters; its lines and tabs stay.
func harmless(text string) string {
	bad := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' || r == utf8.RuneError }
	if strings.IndexFunc(text, bad) < 0 {
		return text
	}
	var out strings.Builder
	for _, r := range text {
		if bad(r) {
			out.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}
