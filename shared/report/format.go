package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sluice-ml/sluice/shared/gate"
	"github.com/sluice-ml/sluice/shared/rollout"
)

// body collects a section.
type body struct{ strings.Builder }

// longest is how many characters of somebody else's text are shown.
const longest = 1000

// dash stands for what is not known.
const dash = "–"

// text makes somebody else's text safe to show: control characters and broken
// UTF-8 become �, and what is too long is clipped. Escaping is the template's.
func text(s string) string { return clip(s, longest) }

func clip(s string, most int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n == most {
			b.WriteRune('…')
			break
		}
		if r == utf8.RuneError || unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Noncharacter_Code_Point, r) {
			r = '�'
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// number writes a figure with the digits that a reader can use.
func number(v float64) string {
	a := math.Abs(v)
	switch {
	case !finite(v):
		return dash
	case a < 1e-12: // what is left of rounding
		return "0"
	case v == math.Trunc(v) && a < 1e15:
		return minus(grouped(int64(v)))
	case a >= 1e6:
		return minus(strconv.FormatFloat(v, 'g', 4, 64))
	case a >= 1000:
		return minus(grouped(int64(math.Round(v))))
	case a >= 100:
		return minus(strconv.FormatFloat(v, 'f', 1, 64))
	case a >= 10:
		return minus(strconv.FormatFloat(v, 'f', 2, 64))
	case a >= 0.0001:
		return minus(strconv.FormatFloat(v, 'f', 4, 64))
	case a >= 0.000001:
		return minus(strconv.FormatFloat(v, 'f', 6, 64))
	}
	return minus(strconv.FormatFloat(v, 'g', 2, 64))
}

// rounded writes four digits that count.
func rounded(v float64) string {
	if !finite(v) || math.Abs(v) >= 1000 {
		return number(v)
	}
	return minus(strconv.FormatFloat(v, 'g', 4, 64))
}

// minus writes a true minus sign, which is as wide as a plus.
func minus(s string) string { return strings.ReplaceAll(s, "-", "−") }

// grouped writes thousands apart.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	return sign + digits
}

func count[T int | int64](n T) string { return minus(grouped(int64(n))) }

// countOf is count for templates.
func countOf(n any) string {
	switch n := n.(type) {
	case int:
		return count(n)
	case int64:
		return count(n)
	}
	return dash
}

func percent(v float64) string {
	if !finite(v) {
		return dash
	}
	p := 100 * v
	switch {
	case p == math.Trunc(p):
		return minus(strconv.FormatFloat(p, 'f', 0, 64)) + " %"
	case math.Abs(p) < 10:
		return minus(strconv.FormatFloat(p, 'f', 2, 64)) + " %"
	}
	return minus(strconv.FormatFloat(p, 'f', 1, 64)) + " %"
}

func milliseconds(v float64) string {
	switch {
	case !finite(v):
		return dash
	case v == 0:
		return "0 ms"
	case v >= 1000:
		return strconv.FormatFloat(v/1000, 'f', 2, 64) + " s"
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64) + " ms"
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64) + " ms"
	}
	return strconv.FormatFloat(v, 'f', 2, 64) + " ms"
}

func duration(d time.Duration) string {
	switch {
	case d < 0:
		return dash
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

func clock(t time.Time) string {
	if t.IsZero() {
		return dash
	}
	return t.UTC().Format("15:04:05")
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return dash
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func usd(v float64) string {
	if v >= 0.01 {
		return fmt.Sprintf("$%.4f", v)
	}
	return fmt.Sprintf("$%.6f", v)
}

// words are how the page names what the code has a name for.
var words = map[string]string{
	"auc_roc": "ROC AUC", "pr_auc": "average precision", "f1_score": "F1", "log_loss": "log loss", "brier": "Brier score",
	"partial_auc": "partial ROC AUC", "calibration_error": "calibration error", "auc_disparity": "AUC disparity", "auc_drop": "AUC lost",
	"auc_difference": "AUC difference", "latency_p99_ms": "99th percentile", "error_rate": "failed requests",
	"demographic_parity_difference": "demographic parity, difference", "demographic_parity_ratio": "demographic parity, ratio",
	"equal_opportunity_difference": "equal opportunity, difference", "equalised_odds_difference": "equalised odds, difference",
	"greatest_intersection_auc_disparity": "greatest AUC disparity of intersections", "null_ratio": "share missing", "class_balance": "share of the class",
	"selection_rate": "predicted positive", "true_positive_rate": "true positive rate", "false_positive_rate": "false positive rate",
	"latency_p99": "99th percentile", "accuracy_drop": "accuracy lost", "slow_rate": "slow answers", "slow_rate_rise": "more slow answers",
	"error_rate_rise": "more failed requests",
	"rolled_back":     "rolled back", "rolling_back": "rolling back", "dry_run": "dry run", "data_quality": "data quality",
	"insufficient": "cannot tell", "advance": "pass",
}

// word is the page's name of a metric, gate, status or verdict.
func word(name string) string {
	if w, ok := words[name]; ok {
		return w
	}
	return text(strings.ReplaceAll(name, "_", " "))
}

// sentence begins with a capital letter.
func sentence(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[size:]
}

// tone is the colour class of a verdict, status or phase.
func tone(word string) string {
	switch word {
	case gate.Pass, "promoted", "registered", "ship", "dry_run", "advance", "unchanged":
		return "good"
	case gate.Insufficient, "hold", "held", "unknown", "running", string(rollout.Waiting), string(rollout.Observing):
		return "unsure"
	case gate.Fail, "rejected", "reject", "rolled_back", "rolling_back", "invalid", "failed", string(rollout.Reverting):
		return "bad"
	}
	return ""
}

// mark is a sign that says the same as the colour.
func mark(word string) string {
	switch tone(word) {
	case "good":
		return "✓"
	case "bad":
		return "✕"
	case "unsure":
		return "?"
	}
	return "·"
}
