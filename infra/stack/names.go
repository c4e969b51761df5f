package stack

import (
	"bytes"
	"strings"
	"unicode"
)

// pascal makes a construct id of a model's name: "adult-income" → "AdultIncome".
// "_" and "-" become different marks, so two models never share an id.
func pascal(model string) string {
	var b strings.Builder
	upper := true
	for _, r := range model {
		switch {
		case r == '-':
			upper = true
		case r == '_':
			b.WriteString("U")
			upper = true
		case upper:
			b.WriteRune(unicode.ToUpper(r))
			upper = false
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// kebab makes a physical name of a construct id: "AlarmFired" → "alarm-fired".
func kebab(id string) string {
	var b strings.Builder
	for i, r := range id {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// unescapeAngles undoes encoding/json's escaping of < and >.
func unescapeAngles(text []byte) []byte {
	text = bytes.ReplaceAll(text, []byte(`\u003c`), []byte("<"))
	return bytes.ReplaceAll(text, []byte(`\u003e`), []byte(">"))
}
