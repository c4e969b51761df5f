package dataset

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// hooksKey is where a dataset's configured hooks lie.
const hooksKey = "hooks.json"

// When a hook is asked: before a commit of a branch's own (also a revert, a
// cherry-pick, a restore), or before a branch moves to commits made elsewhere (a
// merge, a fast-forward, a new branch).
const (
	PreCommit = "pre-commit"
	PreMerge  = "pre-merge"
)

// What an error of a hook counts as: no answer in time, a failed function, an
// answer that cannot be read. Without a word it refuses.
const (
	ErrorRefuses = "refuse"
	ErrorAllows  = "allow"
)

// HookSpec configures a hook of a dataset. It is a function, or a gate that is
// built in.
type HookSpec struct {
	Name string   `json:"name"`
	On   []string `json:"on"` // PreCommit, PreMerge
	// Branches are globs of the branches that it guards, as in Rule; none is all.
	Branches       []string `json:"branches,omitempty"`
	Lambda         string   `json:"lambda,omitempty"`          // a function's name or ARN
	Gate           string   `json:"gate,omitempty"`            // e.g. "data_quality"
	TimeoutSeconds int      `json:"timeout_seconds,omitempty"` // 1 to 900; 0 is 30
	OnError        string   `json:"on_error,omitempty"`        // ErrorRefuses or ErrorAllows; "" is ErrorRefuses
}

// mostHooks bounds what a branch waits for.
const mostHooks = 16

var (
	hookName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
	lambdaName = regexp.MustCompile(`^(arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]{12}:function:)?[A-Za-z0-9_-]{1,140}(:[A-Za-z0-9_$-]{1,128})?$`)
)

// Check says what is wrong with a hook; Invalid.
func (h HookSpec) Check() error {
	wrong := func(why string, args ...any) error {
		return fault.New(fault.Invalid, "read hook "+h.Name, why, args...)
	}
	switch {
	case !hookName.MatchString(h.Name):
		return wrong("name %q: want 1 to 64 letters, digits, '_', '.' and '-'", h.Name)
	case len(h.On) == 0:
		return wrong(`on is empty: want %q, %q or both`, PreCommit, PreMerge)
	case (h.Lambda == "") == (h.Gate == ""):
		return wrong("lambda is %q and gate is %q: want just one of them", h.Lambda, h.Gate)
	case h.Lambda != "" && !lambdaName.MatchString(h.Lambda):
		return wrong("lambda %q: want a function's name or ARN", h.Lambda)
	case h.TimeoutSeconds < 0 || h.TimeoutSeconds > 900:
		return wrong("timeout_seconds is %d: want 1 to 900", h.TimeoutSeconds)
	case h.OnError != "" && h.OnError != ErrorRefuses && h.OnError != ErrorAllows:
		return wrong("on_error is %q: want %q or %q", h.OnError, ErrorRefuses, ErrorAllows)
	}
	for _, on := range h.On {
		if on != PreCommit && on != PreMerge {
			return wrong("on has %q: want %q or %q", on, PreCommit, PreMerge)
		}
	}
	for _, glob := range h.Branches {
		if _, err := (Rule{glob, Refuse}).matcher(); err != nil {
			return wrong("branches has %q: want a glob, e.g. main or release/*", glob)
		}
	}
	return nil
}

// anyText are the parts of a glob that stand for what is not known.
var anyText = regexp.MustCompile(`[*?]+`)

// CheckBranches says which of the globs no branch's name can match; Invalid. Check
// lets them pass, because hooks that are stored must stay readable.
func (h HookSpec) CheckBranches() error {
	for _, glob := range h.Branches {
		if strings.HasSuffix(glob, "/") {
			glob += "**"
		}
		if name := anyText.ReplaceAllString(glob, "a"); checkName("branch", name) != nil {
			return fault.New(fault.Invalid, "read hook "+h.Name, "branches has %q, which no branch can match: their names are %s", glob, nameWords).
				WithHint("write e.g. main or release/*; without any it guards all")
		}
	}
	return nil
}

// Timeout is how long the hook may take.
func (h HookSpec) Timeout() time.Duration {
	if h.TimeoutSeconds == 0 {
		return 30 * time.Second
	}
	return time.Duration(h.TimeoutSeconds) * time.Second
}

// guards says whether a hook is to be asked about a proposal.
func (h HookSpec) guards(p Proposal) bool {
	if !slices.Contains(h.On, p.Event()) {
		return false
	}
	return len(h.Branches) == 0 || slices.ContainsFunc(h.Branches, func(glob string) bool {
		match, err := (Rule{glob, Refuse}).matcher()
		return err != nil || match.MatchString(p.Branch) // a glob that cannot be read guards all
	})
}

// hookSet is the value of the pointer at hooksKey.
type hookSet struct {
	Hooks []HookSpec `json:"hooks"` // asked in this order
}

// UnmarshalJSON is strict: a member that this build does not know could be a
// condition that it would not check.
func (s *hookSet) UnmarshalJSON(text []byte) error {
	type plain hookSet
	var read plain
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&read); err != nil {
		return err
	}
	*s = hookSet(read)
	return s.check()
}

func (s hookSet) check() error {
	if len(s.Hooks) > mostHooks {
		return fault.New(fault.Invalid, "read the hooks", "there are %d: want at most %d", len(s.Hooks), mostHooks)
	}
	seen := map[string]bool{}
	for _, h := range s.Hooks {
		if err := h.Check(); err != nil {
			return err
		}
		if seen[h.Name] {
			return fault.New(fault.Invalid, "read the hooks", "two are called %s", h.Name)
		}
		seen[h.Name] = true
	}
	return nil
}

// ParseHooks reads hooks as an operator writes them: {"hooks": […]}. Invalid names
// what is wrong, an unknown member too.
func ParseHooks(text []byte) ([]HookSpec, error) {
	var set hookSet
	if err := set.UnmarshalJSON(text); err != nil {
		return nil, fault.Wrap(fault.Invalid, "read the hooks", err)
	}
	return set.Hooks, nil
}

// HookList gives the configured hooks in the order in which they are asked. A
// configuration that cannot be read is Invalid, and then nothing may move.
func (r *Repository) HookList(ctx context.Context) ([]HookSpec, error) {
	p, err := ref.Read[hookSet](ctx, r.store, hooksKey)
	if fault.Is(err, fault.NotFound) {
		return []HookSpec{}, nil
	}
	return append([]HookSpec{}, p.Value.Hooks...), err
}

// SetHooks takes hooks into the configuration, in the place of those of the same
// names, and else behind the others.
func (r *Repository) SetHooks(ctx context.Context, hooks ...HookSpec) error {
	return r.changeHooks(ctx, func(s *hookSet) error {
		for _, h := range hooks {
			at := slices.IndexFunc(s.Hooks, func(old HookSpec) bool { return old.Name == h.Name })
			if at < 0 {
				s.Hooks = append(s.Hooks, h)
			} else {
				s.Hooks[at] = h
			}
		}
		return s.check()
	})
}

// RemoveHook takes a hook out of the configuration; NotFound when there is none
// of that name.
func (r *Repository) RemoveHook(ctx context.Context, name string) error {
	return r.changeHooks(ctx, func(s *hookSet) error {
		at := slices.IndexFunc(s.Hooks, func(h HookSpec) bool { return h.Name == name })
		if at < 0 {
			return fault.New(fault.NotFound, "remove hook "+name, "there is no such hook").WithHint("list them: sluice data hooks list MODEL")
		}
		s.Hooks = slices.Delete(s.Hooks, at, at+1)
		return nil
	})
}

func (r *Repository) changeHooks(ctx context.Context, change func(*hookSet) error) error {
	_, err := ref.Update(ctx, r.store, hooksKey, func(old hookSet, _ bool) (hookSet, error) {
		next := hookSet{append([]HookSpec{}, old.Hooks...)}
		return next, change(&next)
	})
	return err
}

// Asker asks configured hooks; an adapter is one.
type Asker interface {
	// Ask judges a proposal by a hook. A *Refusal is the hook's own word; any
	// other error says that there was none.
	Ask(ctx context.Context, h HookSpec, p Proposal) error
	// Passed tells that a proposal goes on although the hook gave no answer,
	// because the hook is configured so.
	Passed(ctx context.Context, h HookSpec, p Proposal, err error)
}

// Refusal is a hook's no.
type Refusal struct{ Reason string }

func (e *Refusal) Error() string { return e.Reason }

// Guarded gives a repository that asks the dataset's configured hooks before it
// moves a branch, after those of WithHooks. It reads the configuration with every
// move: one request more.
func (r *Repository) Guarded(asker Asker) *Repository {
	with := *r
	with.asker = asker
	return &with
}

// askConfigured gives the first refusal of a configured hook.
func (r *Repository) askConfigured(ctx context.Context, p Proposal) error {
	if r.asker == nil {
		return nil
	}
	hooks, err := r.HookList(ctx)
	if err != nil {
		return fault.Wrap(fault.Invalid, "move branch "+p.Branch+": read its hooks", err)
	}
	for _, h := range hooks {
		if !h.guards(p) {
			continue
		}
		if err := r.askOne(ctx, h, p); err != nil {
			return err
		}
	}
	return nil
}

func (r *Repository) askOne(ctx context.Context, h HookSpec, p Proposal) error {
	limited, cancel := context.WithTimeoutCause(ctx, h.Timeout(), fmt.Errorf("hook %s gave no answer in %s", h.Name, h.Timeout()))
	defer cancel()
	err := r.asker.Ask(limited, h, p)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fault.Wrap(fault.Unavailable, "move branch "+p.Branch, ctx.Err())
	}
	op := "move branch " + p.Branch + ": " + h.title()
	if refusal, ok := err.(*Refusal); ok { //nolint:errorlint // a refusal inside another error is an error
		return fault.New(fault.Denied, op+" refuses commit "+p.Commit.ID, "%w", refusal).
			WithHint("the commit is stored and can be looked at: sluice data diff MODEL %s %s", orEmpty(p.Head), p.Commit.ID)
	}
	if limited.Err() != nil {
		err = fault.New(fault.Unavailable, "ask "+h.target(), "%w", context.Cause(limited))
	}
	if h.OnError == ErrorAllows {
		r.asker.Passed(ctx, h, p, err)
		return nil
	}
	kind := fault.KindOf(err)
	if !kind.Retryable() {
		kind = fault.Denied
	}
	return fault.New(kind, op+" did not judge commit "+p.Commit.ID+", which counts as a refusal", "%w", err).
		WithHint("put the hook right, or let its errors pass: sluice data hooks set MODEL %s --on-error allow", h.Name)
}

func orEmpty(head *Commit) string {
	if head == nil {
		return Main
	}
	return head.ID
}

func (h HookSpec) target() string {
	if h.Lambda != "" {
		return "function " + h.Lambda
	}
	return "gate " + h.Gate
}

func (h HookSpec) title() string { return "hook " + h.Name + " (" + h.target() + ")" }
