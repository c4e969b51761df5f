package elb

import "strings"

// pattern is a text with wildcards: * is any number of characters, ? is one.
type pattern struct {
	parts []patternPart
	fold  bool // letters match whatever their case
}

type patternPart struct {
	kind rune // '*', '?' or 0 for a literal
	char byte
}

// newPattern compiles a pattern; with escapes, a backslash makes the next
// character a literal.
func newPattern(text string, fold, escapes bool) pattern {
	if fold {
		text = strings.ToLower(text)
	}
	p := pattern{fold: fold}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case escapes && c == '\\' && i+1 < len(text):
			i++
			p.parts = append(p.parts, patternPart{char: text[i]})
		case c == '*' || c == '?':
			p.parts = append(p.parts, patternPart{kind: rune(c)})
		default:
			p.parts = append(p.parts, patternPart{char: c})
		}
	}
	return p
}

// matches takes time in the order of len(p) × len(text) at most.
func (p pattern) matches(text string) bool {
	if p.fold {
		text = strings.ToLower(text)
	}
	at, part := 0, 0
	star, mark := -1, 0 // the last * and how far it has swallowed
	for at < len(text) {
		switch {
		case part < len(p.parts) && p.parts[part].kind == '*':
			star, mark = part, at
			part++
		case part < len(p.parts) && (p.parts[part].kind == '?' || p.parts[part].kind == 0 && p.parts[part].char == text[at]):
			at++
			part++
		case star >= 0:
			mark++
			at, part = mark, star+1
		default:
			return false
		}
	}
	for part < len(p.parts) && p.parts[part].kind == '*' {
		part++
	}
	return part == len(p.parts)
}
