package trainconfig

import (
	"fmt"
	"slices"
	"strings"
)

// Nearest is the known word with the least edit distance to word (the first of
// equals), "" when nothing is known.
func Nearest(word string, known []string) string {
	best, least := "", -1
	for _, k := range known {
		d := distance(word, k)
		if word != "" && strings.HasPrefix(fold(k), fold(word)) {
			d = (d + 1) / 2 // "auc" means "auc_roc" rather than "pr_auc"
		}
		if least < 0 || d < least {
			best, least = k, d
		}
	}
	return best
}

// suggest reads "did you mean …?", and lists the known words when there are few.
func suggest(word string, known []string) string {
	nearest := Nearest(word, known)
	if nearest == "" {
		return ""
	}
	text := fmt.Sprintf("did you mean %q?", nearest)
	if len(known) > 1 && len(known) <= 12 {
		text += " known: " + strings.Join(known, ", ")
	}
	return text
}

// distance is the optimal string alignment distance, case and the difference
// of '-' and '_' aside. Words are cut at 64 bytes: no key is longer.
func distance(a, b string) int {
	a, b = fold(a), fold(b)
	before, above := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(row[j-1]+1, above[j]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above = above, row
	}
	return above[len(b)]
}

func fold(s string) string {
	s = strings.ReplaceAll(strings.ToLower(s), "-", "_")
	return s[:min(len(s), 64)]
}

func quoted(words []string) string {
	out := slices.Clone(words)
	for i, w := range out {
		out[i] = fmt.Sprintf("%q", w)
	}
	return strings.Join(out, ", ")
}
