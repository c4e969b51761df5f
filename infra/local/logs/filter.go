package logs

import (
	"fmt"
	"strings"
)

// Filter is a filter pattern over unstructured text: terms that must all occur
// (`ERROR "timed out"`), terms of which one must (`?ERROR ?WARN`) and terms
// that must not (`-DEBUG`). The empty filter matches everything. A pattern in
// braces looks at the properties of JSON messages instead.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
type Filter struct {
	all, any, none []string
	json           *jsonNode // nil: the terms above
}

// ParseFilter reads a filter pattern; space-delimited patterns and regular
// expressions are refused by name.
func ParseFilter(pattern string) (Filter, error) {
	var f Filter
	rest := strings.TrimSpace(pattern)
	if strings.HasPrefix(rest, "{") && strings.HasSuffix(rest, "}") {
		n, err := parseJSONFilter(rest[1 : len(rest)-1])
		if err != nil {
			return Filter{}, fmt.Errorf("filter pattern %q: %w", pattern, err)
		}
		return Filter{json: n}, nil
	}
	for rest != "" {
		var err error
		if rest, err = f.term(rest); err != nil {
			return Filter{}, fmt.Errorf("filter pattern %q: %w", pattern, err)
		}
	}
	return f, nil
}

// term takes one term off the front of text.
func (f *Filter) term(text string) (rest string, err error) {
	into := &f.all
	switch text[0] {
	case '?':
		into, text = &f.any, text[1:]
	case '-':
		into, text = &f.none, text[1:]
	}
	var word string
	if strings.HasPrefix(text, `"`) {
		quoted, after, closed := strings.Cut(text[1:], `"`)
		if !closed {
			return "", fmt.Errorf(`the quote before %q is never closed`, quoted)
		}
		word, rest = quoted, after
	} else {
		end := strings.IndexAny(text, " \t\n")
		if end < 0 {
			end = len(text)
		}
		word, rest = text[:end], text[end:]
		if strings.ContainsAny(word, `{}[]%"`) {
			return "", fmt.Errorf("the local stack matches plain terms and JSON patterns; quote %q, or leave out space-delimited and regular-expression patterns", word)
		}
	}
	if word == "" {
		return "", fmt.Errorf("a term is empty")
	}
	*into = append(*into, word)
	return strings.TrimSpace(rest), nil
}

// Match says whether a message passes; case matters.
func (f Filter) Match(message string) bool {
	if f.json != nil {
		return f.json.matches(message)
	}
	for _, term := range f.none {
		if strings.Contains(message, term) {
			return false
		}
	}
	for _, term := range f.all {
		if !strings.Contains(message, term) {
			return false
		}
	}
	for _, term := range f.any {
		if strings.Contains(message, term) {
			return true
		}
	}
	return len(f.any) == 0
}
