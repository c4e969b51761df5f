package dataset_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// asker answers by the hook's name.
type asker struct {
	answers map[string]func(context.Context) error
	asked   []string
	passed  []string
}

func (a *asker) Ask(ctx context.Context, h dataset.HookSpec, p dataset.Proposal) error {
	a.asked = append(a.asked, h.Name+" "+p.Event()+" "+p.Branch)
	if answer := a.answers[h.Name]; answer != nil {
		return answer(ctx)
	}
	return nil
}

func (a *asker) Passed(_ context.Context, h dataset.HookSpec, _ dataset.Proposal, err error) {
	a.passed = append(a.passed, h.Name+": "+err.Error())
}

func says(err error) func(context.Context) error { return func(context.Context) error { return err } }

func hook(name string, change ...func(*dataset.HookSpec)) dataset.HookSpec {
	h := dataset.HookSpec{Name: name, On: []string{dataset.PreMerge}, Lambda: "f"}
	for _, c := range change {
		c(&h)
	}
	return h
}

func TestConfiguredHooks(t *testing.T) {
	memory := ref.NewMemory()
	a := &asker{answers: map[string]func(context.Context) error{}}
	r := dataset.New(memory).Guarded(a)
	list, err := r.HookList(t.Context())
	require.NoError(t, err)
	require.Empty(t, list)
	require.NoError(t, r.SetHooks(t.Context(), hook("one", func(h *dataset.HookSpec) { h.Branches = []string{"main", "release/*"} }),
		hook("two", func(h *dataset.HookSpec) { h.On = []string{dataset.PreCommit, dataset.PreMerge} })))
	first := commit(t, r, "main", put(entry("a", 1)))
	commit(t, r, "side", put(entry("a", 1)))
	side := commit(t, r, "work", put(entry("b", 1)))
	require.Equal(t, []string{"two pre-commit main", "two pre-commit side", "two pre-commit work"}, a.asked)
	_ = side
	_, err = r.CreateBranch(t.Context(), "release/1", "main", dataset.BranchOptions{})
	require.NoError(t, err)
	require.Equal(t, []string{"one pre-merge release/1", "two pre-merge release/1"}, a.asked[3:])

	a.asked, a.answers["two"] = nil, says(&dataset.Refusal{Reason: "too few rows"})
	next := commitTo(t, dataset.New(memory), "next", "main", put(entry("c", 1)))
	_, err = r.FastForward(t.Context(), "main", "next")
	requireKind(t, fault.Denied, err)
	require.ErrorContains(t, err, "move branch main: hook two (function f) refuses commit "+next.ID+": too few rows")
	require.ErrorContains(t, err, "sluice data diff MODEL "+first.ID+" "+next.ID)
	require.Equal(t, []string{"one pre-merge main", "two pre-merge main"}, a.asked)
	head, err := r.Head(t.Context(), "main")
	require.NoError(t, err)
	require.Equal(t, first.ID, head.ID)

	require.NoError(t, r.RemoveHook(t.Context(), "two"))
	requireKind(t, fault.NotFound, r.RemoveHook(t.Context(), "two"))
	_, err = r.FastForward(t.Context(), "main", "next")
	require.NoError(t, err)
}

func commitTo(t *testing.T, r *dataset.Repository, branch, base string, changes dataset.Changes) dataset.Commit {
	t.Helper()
	c, err := r.Commit(t.Context(), dataset.Request{Branch: branch, Base: base, Changes: changes, Message: "test", Author: "test", Time: noon})
	require.NoError(t, err)
	return c
}

func TestAHookWithoutAnAnswerRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		kind fault.Kind
	}{
		"failed":   {fault.New(fault.Denied, "function f", "it failed: panic"), fault.Denied},
		"plain":    {errors.New("what?"), fault.Denied},
		"nowhere":  {fault.New(fault.NotFound, "invoke function f", "there is no such function"), fault.Denied},
		"throttle": {fault.New(fault.Unavailable, "invoke function f", "429"), fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			memory := ref.NewMemory()
			a := &asker{answers: map[string]func(context.Context) error{"h": says(c.err)}}
			r := dataset.New(memory).Guarded(a)
			commit(t, r, "main", put(entry("a", 1)))
			commitTo(t, r, "side", "main", put(entry("b", 1)))
			require.NoError(t, r.SetHooks(t.Context(), hook("h")))
			_, err := r.FastForward(t.Context(), "main", "side")
			requireKind(t, c.kind, err)
			require.ErrorContains(t, err, "hook h (function f) did not judge commit")
			require.ErrorContains(t, err, "which counts as a refusal")
			require.ErrorContains(t, err, "sluice data hooks set MODEL h --on-error allow")
			require.NoError(t, r.SetHooks(t.Context(), hook("h", func(h *dataset.HookSpec) { h.OnError = dataset.ErrorAllows })))
			_, err = r.FastForward(t.Context(), "main", "side")
			require.NoError(t, err)
			require.Equal(t, []string{"h: " + c.err.Error()}, a.passed)
		})
	}
}

func TestAHookThatTakesTooLongRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &asker{answers: map[string]func(context.Context) error{"h": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}}
		r := dataset.New(ref.NewMemory()).Guarded(a)
		commit(t, r, "main", put(entry("a", 1)))
		commitTo(t, r, "side", "main", put(entry("b", 1)))
		require.NoError(t, r.SetHooks(t.Context(), hook("h", func(h *dataset.HookSpec) { h.TimeoutSeconds = 7 })))
		start := time.Now()
		_, err := r.FastForward(t.Context(), "main", "side")
		requireKind(t, fault.Unavailable, err)
		require.ErrorContains(t, err, "hook h gave no answer in 7s")
		require.Equal(t, 7*time.Second, time.Since(start))
	})
}

func TestBadHooksAreRefused(t *testing.T) {
	r := dataset.New(ref.NewMemory())
	for want, h := range map[string]dataset.HookSpec{
		`name "a b"`:             hook("a b"),
		"on is empty":            hook("h", func(h *dataset.HookSpec) { h.On = nil }),
		`on has "pre-push"`:      hook("h", func(h *dataset.HookSpec) { h.On = []string{"pre-push"} }),
		"want just one of them":  hook("h", func(h *dataset.HookSpec) { h.Gate = "data_quality" }),
		`lambda "f g"`:           hook("h", func(h *dataset.HookSpec) { h.Lambda = "f g" }),
		"timeout_seconds is 901": hook("h", func(h *dataset.HookSpec) { h.TimeoutSeconds = 901 }),
		`on_error is "ignore"`:   hook("h", func(h *dataset.HookSpec) { h.OnError = "ignore" }),
		`branches has ""`:        hook("h", func(h *dataset.HookSpec) { h.Branches = []string{""} }),
	} {
		err := r.SetHooks(t.Context(), h)
		requireKind(t, fault.Invalid, err)
		require.ErrorContains(t, err, want)
	}
	var many []dataset.HookSpec
	for n := range 17 {
		many = append(many, hook("h"+strings.Repeat("x", n)))
	}
	require.ErrorContains(t, r.SetHooks(t.Context(), many...), "there are 17: want at most 16")
	for text, want := range map[string]string{
		`{"hooks":[{"name":"h","on":["pre-merge"],"lambda":"f","onerror":"allow"}]}`: `unknown field "onerror"`,
		`{"hook":[]}`: `unknown field "hook"`,
		`{"hooks":[{"name":"h","on":["pre-merge"],"lambda":"f"},{"name":"h","on":["pre-merge"],"gate":"g"}]}`: "two are called h",
		`[]`: "cannot unmarshal",
	} {
		_, err := dataset.ParseHooks([]byte(text))
		requireKind(t, fault.Invalid, err)
		require.ErrorContains(t, err, want)
	}
}

// TestHooksThatCannotBeReadStopEverything: what guards a branch is not known.
func TestHooksThatCannotBeReadStopEverything(t *testing.T) {
	memory := ref.NewMemory()
	r := dataset.New(memory).Guarded(&asker{})
	_, err := memory.Create(t.Context(), "hooks.json", []byte(`{"format":1,"sequence":1,"nonce":"n","value":{"hooks":[],"strict":true}}`))
	require.NoError(t, err)
	_, err = r.Commit(t.Context(), dataset.Request{Branch: "main", Changes: put(entry("a", 1)), Time: noon})
	requireKind(t, fault.Invalid, err)
	require.ErrorContains(t, err, "hooks.json")
	_, err = r.Head(t.Context(), "main")
	requireKind(t, fault.NotFound, err)
}

func FuzzParseHooks(f *testing.F) {
	f.Add([]byte(`{"hooks":[{"name":"h","on":["pre-merge"],"branches":["main"],"gate":"data_quality"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		hooks, err := dataset.ParseHooks(text)
		for _, h := range hooks {
			if err == nil {
				require.NoError(t, h.Check())
			}
		}
	})
}
