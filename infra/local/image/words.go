package image

import (
	"strings"
)

// words splits an instruction's text as Docker does: on spaces outside quotes,
// with variables filled in from vars and quotes removed.
func (d *Dockerfile) words(in Instruction, vars map[string]string) ([]string, error) {
	s := scanner{text: in.Text, vars: vars}
	words, why := s.words()
	if why != "" {
		return nil, d.errorf(in.Line, "%s %s: %s", in.Name, in.Text, why)
	}
	return words, nil
}

// scanner reads words; why, where a method returns it, says what is wrong and
// is empty when nothing is.
type scanner struct {
	text string
	at   int
	vars map[string]string
}

func (s *scanner) words() (words []string, why string) {
	for {
		for s.at < len(s.text) && isSpace(s.text[s.at]) {
			s.at++
		}
		if s.at == len(s.text) {
			return words, ""
		}
		word, why := s.word()
		if why != "" {
			return nil, why
		}
		words = append(words, word)
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// word reads up to the next space outside quotes.
func (s *scanner) word() (string, string) {
	var out strings.Builder
	quote := byte(0)
	for s.at < len(s.text) {
		c := s.text[s.at]
		switch {
		case quote == 0 && isSpace(c):
			return out.String(), ""
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote && quote != 0:
			quote = 0
		case c == '\\' && quote != '\'' && s.at+1 < len(s.text):
			s.at++
			if quote == '"' && !strings.ContainsRune(`"$\`, rune(s.text[s.at])) {
				out.WriteByte('\\')
			}
			out.WriteByte(s.text[s.at])
		case c == '$' && quote != '\'':
			value, why := s.variable()
			if why != "" {
				return "", why
			}
			out.WriteString(value)
			continue
		default:
			out.WriteByte(c)
		}
		s.at++
	}
	if quote != 0 {
		return "", "a quote is never closed"
	}
	return out.String(), ""
}

// variable reads $name, ${name}, ${name:-default} or ${name:+instead} at s.at.
func (s *scanner) variable() (string, string) {
	s.at++ // the dollar
	if s.at < len(s.text) && s.text[s.at] == '{' {
		return s.braced()
	}
	start := s.at
	for s.at < len(s.text) && isName(s.text[s.at], s.at > start) {
		s.at++
	}
	if s.at == start {
		return "$", ""
	}
	return s.vars[s.text[start:s.at]], ""
}

func (s *scanner) braced() (string, string) {
	end := strings.IndexByte(s.text[s.at:], '}')
	if end < 0 {
		return "", "${ is never closed"
	}
	body := s.text[s.at+1 : s.at+end]
	s.at += end + 1
	length := 0
	for length < len(body) && isName(body[length], length > 0) {
		length++
	}
	name, modifier := body[:length], body[length:]
	value := s.vars[name]
	switch {
	case name == "":
		return "", "${" + body + "} names no variable"
	case modifier == "":
		return value, ""
	case strings.HasPrefix(modifier, ":-"):
		if value == "" {
			value = modifier[2:]
		}
		return value, ""
	case strings.HasPrefix(modifier, ":+"):
		if value != "" {
			value = modifier[2:]
		}
		return value, ""
	}
	return "", "${" + body + "}: the local stack fills in ${name}, ${name:-default} and ${name:+instead}"
}

func isName(c byte, digits bool) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || digits && c >= '0' && c <= '9'
}
