package pattern

import (
	"fmt"
	"strings"
)

// compileWildcard splits a wildcard at its stars: the first part is a prefix,
// the last a suffix. \* and \\ stand for the character itself.
func compileWildcard(wildcard string) ([]string, error) {
	parts := []string{""}
	last := &parts[0]
	for i := 0; i < len(wildcard); i++ {
		switch c := wildcard[i]; c {
		case '*':
			if i > 0 && *last == "" && len(parts) > 1 {
				return nil, fmt.Errorf("wildcard %q: stars must not be next to each other", wildcard)
			}
			parts = append(parts, "")
			last = &parts[len(parts)-1]
		case '\\':
			i++
			if i == len(wildcard) || (wildcard[i] != '*' && wildcard[i] != '\\') {
				return nil, fmt.Errorf("wildcard %q: a backslash must come before * or \\", wildcard)
			}
			*last += wildcard[i : i+1]
		default:
			*last += wildcard[i : i+1]
		}
	}
	return parts, nil
}

// matchWildcard is greedy from the left, which is right because stars are all
// that varies. It takes time linear in s for each part.
func matchWildcard(parts []string, s string) bool {
	if len(parts) == 1 {
		return s == parts[0]
	}
	rest, ok := strings.CutPrefix(s, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}
