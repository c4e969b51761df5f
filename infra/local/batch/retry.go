package batch

import (
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/infra/local/wire"
)

// RetryStrategy says whether a failed attempt is followed by another.
type RetryStrategy struct {
	Attempts       int    `json:"attempts"` // in all, 1 to 10
	EvaluateOnExit []Rule `json:"evaluateOnExit"`
}

// Rule matches how an attempt ended: every pattern that is given must match. A
// pattern may end in '*', which then stands for any rest.
type Rule struct {
	OnStatusReason string `json:"onStatusReason,omitempty"` // e.g. "Host EC2*"
	OnReason       string `json:"onReason,omitempty"`       // e.g. "OutOfMemoryError:*"
	OnExitCode     string `json:"onExitCode,omitempty"`     // e.g. "137", "1*"
	Action         string `json:"action"`                   // RETRY or EXIT
}

// end is how an attempt ended.
type end struct {
	statusReason string
	reason       string // of the container
	exitCode     *int   // nil when the host was lost before it could tell
}

// Retry says whether attempt number n (from 1), which ended in e, is followed
// by another: the first rule that matches decides; when none does, it is.
func (r RetryStrategy) retry(n int, e end) bool {
	if n >= max(r.Attempts, 1) {
		return false
	}
	for _, rule := range r.EvaluateOnExit {
		if rule.matches(e) {
			return strings.EqualFold(rule.Action, "RETRY")
		}
	}
	return true
}

func (r Rule) matches(e end) bool {
	code := ""
	if e.exitCode != nil {
		code = strconv.Itoa(*e.exitCode)
	}
	// A pattern of "*" matches everything, an end without an exit code as well.
	return like(r.OnStatusReason, e.statusReason) && like(r.OnReason, e.reason) && like(r.OnExitCode, code)
}

// like matches a pattern; an empty one was not given, and always matches.
func like(pattern, text string) bool {
	if pattern == "" {
		return true
	}
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(text, prefix)
	}
	return pattern == text
}

// check refuses what AWS refuses. where names the strategy's place.
func (r RetryStrategy) check(where string) error {
	if r.Attempts < 0 || r.Attempts > 10 || (r.Attempts == 0 && len(r.EvaluateOnExit) > 0) {
		return clientError("%s: attempts %d: want 1 to 10", where, r.Attempts)
	}
	if len(r.EvaluateOnExit) > 5 {
		return clientError("%s: evaluateOnExit has %d rules: AWS allows 5", where, len(r.EvaluateOnExit))
	}
	for i, rule := range r.EvaluateOnExit {
		if err := rule.check(); err != "" {
			return clientError("%s: evaluateOnExit[%d]: %s", where, i, err)
		}
	}
	return nil
}

func (r Rule) check() string {
	if a := strings.ToUpper(r.Action); a != "RETRY" && a != "EXIT" {
		return "action " + strconv.Quote(r.Action) + ": want RETRY or EXIT"
	}
	if r.OnExitCode == "" && r.OnReason == "" && r.OnStatusReason == "" {
		return "a rule needs onStatusReason, onReason or onExitCode"
	}
	for _, pattern := range []string{r.OnStatusReason, r.OnReason, r.OnExitCode} {
		if star := strings.IndexByte(pattern, '*'); len(pattern) > 512 || star >= 0 && star != len(pattern)-1 {
			return "pattern " + strconv.Quote(pattern) + ": want up to 512 characters, with a '*' only at the end"
		}
	}
	if strings.Trim(strings.TrimSuffix(r.OnExitCode, "*"), "0123456789") != "" {
		return "onExitCode " + strconv.Quote(r.OnExitCode) + ": want digits, and perhaps a '*' at the end"
	}
	return ""
}

func clientError(format string, args ...any) error {
	return wire.Errorf("ClientException", format, args...)
}
