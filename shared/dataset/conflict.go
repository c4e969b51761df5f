package dataset

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Choice says which side of a conflict counts.
type Choice string

// The choices. TakeNewest is the side whose commit changed the key last; when both
// did at the same time, the conflict stays.
const (
	TakeOurs   Choice = "ours"
	TakeTheirs Choice = "theirs"
	TakeNewest Choice = "newest"
	Refuse     Choice = "fail"
)

// Rule resolves the conflicts of the keys that a glob matches: "*" stands for
// anything but "/", "**" for anything, "?" for one character but "/"; a glob
// that ends in "/" matches all below it. Of several rules the first that matches
// counts; without one a conflict fails.
type Rule struct {
	Glob   string `json:"glob"`
	Choice Choice `json:"choice"`
}

// ParseRule reads GLOB=CHOICE, e.g. "raw/labels/**=theirs".
func ParseRule(text string) (Rule, error) {
	at := strings.LastIndexByte(text, '=')
	if at < 0 {
		return Rule{}, fault.New(fault.Invalid, "read rule "+text, "want GLOB=CHOICE, e.g. raw/labels/**=theirs")
	}
	rule := Rule{text[:at], Choice(text[at+1:])}
	_, err := rule.matcher()
	return rule, err
}

func (r Rule) matcher() (*regexp.Regexp, error) {
	switch r.Choice {
	case TakeOurs, TakeTheirs, TakeNewest, Refuse:
	default:
		return nil, fault.New(fault.Invalid, "read rule "+r.Glob, "its choice is %q: want ours, theirs, newest or fail", string(r.Choice))
	}
	if r.Glob == "" {
		return nil, fault.New(fault.Invalid, "read a rule", "its glob is empty: ** matches every key")
	}
	if strings.HasSuffix(r.Glob, "/") {
		r.Glob += "**"
	}
	var text strings.Builder
	text.WriteString(`(?s)\A`)
	for rest := r.Glob; rest != ""; {
		switch {
		case strings.HasPrefix(rest, "**"):
			text.WriteString(`.*`)
			rest = rest[2:]
		case rest[0] == '*':
			text.WriteString(`[^/]*`)
			rest = rest[1:]
		case rest[0] == '?':
			text.WriteString(`[^/]`)
			rest = rest[1:]
		default:
			end := strings.IndexAny(rest, "*?")
			if end < 0 {
				end = len(rest)
			}
			text.WriteString(regexp.QuoteMeta(rest[:end]))
			rest = rest[end:]
		}
	}
	text.WriteString(`\z`)
	compiled, err := regexp.Compile(text.String())
	if err != nil {
		return nil, fault.New(fault.Invalid, "read rule "+r.Glob, "%w", err)
	}
	return compiled, nil
}

// Conflict is a key that both sides changed since they parted, and not to the
// same. A nil entry means that the key is not there.
type Conflict struct {
	Key    string `json:"key"`
	Base   *Entry `json:"base"`
	Ours   *Entry `json:"ours"`
	Theirs *Entry `json:"theirs"`
	// Choice says how a rule resolved it: TakeOurs or TakeTheirs; Refuse when none did.
	Choice Choice `json:"choice"`
}

// ConflictError lists what a merge, a revert or a cherry-pick could not decide.
// It is the cause of a fault of kind Conflict; a retry cannot help.
type ConflictError struct{ Conflicts []Conflict }

func (e *ConflictError) Error() string {
	text := fmt.Sprintf("%d conflict(s)", len(e.Conflicts))
	for i, c := range e.Conflicts {
		if i == 3 {
			text += fmt.Sprintf("; and %d more", len(e.Conflicts)-i)
			break
		}
		text += fmt.Sprintf("; %s: base %s, ours %s, theirs %s", c.Key, c.Base.brief(), c.Ours.brief(), c.Theirs.brief())
	}
	return text
}

func (e *Entry) brief() string {
	if e == nil {
		return "absent"
	}
	return "version " + e.VersionID
}

// AsConflicts gives the conflicts that an error lists; nil when it lists none.
func AsConflicts(err error) []Conflict {
	if list, ok := errors.AsType[*ConflictError](err); ok {
		return list.Conflicts
	}
	return nil
}

// resolve decides conflicts by rules. Those still undecided have Choice Refuse.
func (r *Repository) resolve(ctx context.Context, conflicts []Conflict, rules []Rule, ours, theirs Commit) error {
	matchers := make([]*regexp.Regexp, len(rules))
	for i, rule := range rules {
		var err error
		if matchers[i], err = rule.matcher(); err != nil {
			return err
		}
	}
	newest := map[string]*Conflict{}
	for i := range conflicts {
		c := &conflicts[i]
		c.Choice = Refuse
		for j, m := range matchers {
			if m.MatchString(c.Key) {
				c.Choice = rules[j].Choice
				break
			}
		}
		if c.Choice == TakeNewest {
			newest[c.Key], c.Choice = c, Refuse
		}
	}
	return r.resolveNewest(ctx, newest, ours, theirs)
}

func (r *Repository) resolveNewest(ctx context.Context, conflicts map[string]*Conflict, ours, theirs Commit) error {
	if len(conflicts) == 0 {
		return nil
	}
	var times [2]map[string]time.Time
	for i, c := range []Commit{ours, theirs} {
		var err error
		if times[i], err = r.changed(ctx, c, conflicts); err != nil {
			return err
		}
	}
	for key, c := range conflicts {
		switch times[0][key].Compare(times[1][key]) {
		case 1:
			c.Choice = TakeOurs
		case -1:
			c.Choice = TakeTheirs
		}
	}
	return nil
}

// changed finds when keys last changed on the line of first parents of a commit.
func (r *Repository) changed(ctx context.Context, c Commit, keys map[string]*Conflict) (map[string]time.Time, error) {
	times := map[string]time.Time{}
	for len(times) < len(keys) {
		var parent *Commit
		if len(c.Parents) > 0 {
			p, err := r.readCommit(ctx, c.Parents[0])
			if err != nil {
				return nil, err
			}
			parent = &p
		}
		for key := range keys {
			if _, known := times[key]; known {
				continue
			}
			differs, err := r.touched(ctx, c, parent, key)
			if err != nil {
				return nil, err
			}
			if differs || parent == nil {
				times[key] = c.Time
			}
		}
		if parent == nil {
			break
		}
		c = *parent
	}
	return times, nil
}

// touched says whether a commit changed a key against its first parent.
func (r *Repository) touched(ctx context.Context, c Commit, parent *Commit, key string) (bool, error) {
	is, was := r.stateOf(&c), r.stateOf(parent)
	if parent == nil || is.is(&was) {
		return false, nil
	}
	before, err := r.lookup(ctx, was, key)
	if err != nil {
		return false, err
	}
	after, err := r.lookup(ctx, is, key)
	return !same(before, after), err
}

func same(a, b *Entry) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}
