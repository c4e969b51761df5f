package command

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/aws/hooks"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
)

const hooksLong = `Hooks judge a commit before a branch moves to it, and can refuse. A hook is a
Lambda function, which gets the dataset, the branch, base and head, a summary of
the diff and where the full changeset lies, and answers {"allow": true} or
{"allow": false, "reason": "…"}; or a gate that is built in: data_quality.

They are asked by every writer: this command, ingest and validate. There is no
flag to pass by them. A hook that gives no answer refuses, unless it is set with
--on-error allow.`

func dataHooks(s *settings) *cobra.Command {
	list := &cobra.Command{
		Use: "list MODEL", Short: "List the hooks in the order in which they are asked", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			_, repository, err := s.open(c, args)
			if err != nil {
				return err
			}
			specs, err := repository.HookList(c.Context())
			if err != nil {
				return err
			}
			return s.print(c, specs, func(w io.Writer) { printHooks(w, specs) })
		},
	}
	remove := &cobra.Command{
		Use: "remove MODEL HOOK", Short: "Take a hook away", Args: exactly(2),
		RunE: func(c *cobra.Command, args []string) error {
			_, repository, err := s.open(c, args)
			if err != nil {
				return err
			}
			if err := repository.RemoveHook(c.Context(), args[1]); err != nil {
				return err
			}
			return s.print(c, struct {
				Name string `json:"name"`
			}{args[1]}, func(w io.Writer) { fmt.Fprintf(w, "removed hook %s\n", args[1]) })
		},
	}
	c := group("hooks", "Functions and gates that can refuse a commit or a merge", list, hooksSet(s), remove)
	c.Long = hooksLong
	return c
}

func printHooks(w io.Writer, specs []dataset.HookSpec) {
	fmt.Fprintln(w, "HOOK\tON\tBRANCHES\tASKS\tTIME LIMIT\tAN ERROR")
	for _, h := range specs {
		branches, target, onError := "all", "function "+h.Lambda, "refuses"
		if len(h.Branches) > 0 {
			branches = strings.Join(h.Branches, " ")
		}
		if h.Gate != "" {
			target = "gate " + h.Gate
		}
		if h.OnError == dataset.ErrorAllows {
			onError = "passes"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", h.Name, strings.Join(h.On, " "), branches, target, h.Timeout(), onError)
	}
}

func hooksSet(s *settings) *cobra.Command {
	var h dataset.HookSpec
	var file string
	var limit time.Duration
	c := &cobra.Command{
		Use: "set MODEL [HOOK]", Short: "Add a hook, or change what the flags name of one that is there",
		Long: hooksLong + `

With --file it takes the hooks of a YAML or JSON file instead:
  hooks:
    - {name: quality, on: [pre-merge], branches: [main], gate: data_quality}
    - {name: owners, on: [pre-commit, pre-merge], lambda: sluice-production-hook-owners, timeout_seconds: 60}`,
		Args: between(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			if (file == "") == (len(args) == 1) {
				return usageError{errors.New("want the HOOK's name, or --file")}
			}
			if file != "" {
				for _, flag := range []string{"on", "branch", "lambda", "gate", "timeout", "on-error"} {
					if c.Flags().Changed(flag) {
						return usageError{fmt.Errorf("--file and --%s: the file says all of its hooks, use it alone", flag)}
					}
				}
			}
			if limit%time.Second != 0 {
				return usageError{fmt.Errorf("--timeout %s: want whole seconds", limit)}
			}
			client, repository, err := s.open(c, args)
			if err != nil {
				return err
			}
			var specs []dataset.HookSpec
			if file != "" {
				specs, err = readHooks(c.InOrStdin(), file)
			} else {
				h.Name, h.TimeoutSeconds = args[1], int(limit/time.Second)
				specs, err = oneHook(c, repository, h)
			}
			if err != nil {
				return err
			}
			for _, spec := range specs {
				// What is there already may be put right although its function is gone.
				if file == "" && !c.Flags().Changed("lambda") && !c.Flags().Changed("gate") {
					continue
				}
				if err := s.asks(c, client, spec); err != nil {
					return err
				}
			}
			if err := repository.SetHooks(c.Context(), specs...); err != nil {
				return err
			}
			all, err := repository.HookList(c.Context())
			if err != nil {
				return err
			}
			if missing := s.needDataset(c); fault.Is(missing, fault.NotFound) { // it may be mistyped, or be about to begin
				fmt.Fprintf(c.ErrOrStderr(), "sluice: the hooks are set, and count from the first commit on: %v\n", missing)
			}
			return s.print(c, all, func(w io.Writer) {
				printHooks(w, all)
				for _, set := range specs {
					if mine := s.hookPrefix(); set.Lambda != "" && !strings.Contains(set.Lambda, mine) {
						fmt.Fprintf(w, "\n%s: let ingest's and validate's roles invoke %s; the stack does so for functions called %s*\n", set.Name, set.Lambda, mine)
					}
				}
			})
		},
	}
	f := c.Flags()
	f.StringSliceVar(&h.On, "on", []string{dataset.PreMerge}, "pre-commit, pre-merge, or both")
	f.StringArrayVar(&h.Branches, "branch", nil, "a glob of the branches that it guards, e.g. main or release/*; repeat (default: all)")
	f.StringVar(&h.Lambda, "lambda", "", "the function's name or ARN")
	f.StringVar(&h.Gate, "gate", "", "a gate that is built in: data_quality")
	f.DurationVar(&limit, "timeout", 30*time.Second, "how long it may take, at most 15m")
	f.StringVar(&h.OnError, "on-error", dataset.ErrorRefuses, "what no answer counts as: refuse or allow")
	f.StringVar(&file, "file", "", "a YAML or JSON file of hooks; - is the standard input")
	return c
}

// hookPrefix begins the names of functions that the stack's roles may invoke.
func (s *settings) hookPrefix() string { return "sluice-" + s.environment + "-hook-" }

// asks refuses a hook whose gate or function is not there. Whoever may not look
// is told, and may set it all the same.
func (s *settings) asks(c *cobra.Command, client *operator.Client, spec dataset.HookSpec) error {
	err := hooks.Check(c.Context(), client.Hooks, s.hookPrefix(), spec)
	if fault.Is(err, fault.Denied) {
		fmt.Fprintf(c.ErrOrStderr(), "sluice: it could not be looked whether %s exists: %v\n", spec.Lambda, err)
		return nil
	}
	return err
}

// oneHook is the hook that the flags make or change; what is wrong with it is wrong
// with the command line.
func oneHook(c *cobra.Command, repository *dataset.Repository, h dataset.HookSpec) ([]dataset.HookSpec, error) {
	known, err := repository.HookList(c.Context())
	if err != nil {
		return nil, err
	}
	h = changed(c, known, h)
	if (h.Lambda == "") == (h.Gate == "") {
		return nil, usageError{fmt.Errorf("hook %s: want --lambda FUNCTION or --gate GATE, just one of them; the gates are: %s", h.Name, strings.Join(hooks.Gates(), ", "))}
	}
	if err := h.Check(); err != nil {
		return nil, usageError{err}
	}
	if err := h.CheckBranches(); err != nil {
		return nil, usageError{err}
	}
	if c.Flags().Changed("gate") && h.Gate != "" && !slices.Contains(hooks.Gates(), h.Gate) {
		return nil, usageError{fmt.Errorf("--gate %s: there is no such gate; the gates are: %s", h.Gate, strings.Join(hooks.Gates(), ", "))}
	}
	return []dataset.HookSpec{h}, nil
}

// changed is a hook as it stands with what the flags name; as the flags say when
// it is new.
func changed(c *cobra.Command, known []dataset.HookSpec, h dataset.HookSpec) dataset.HookSpec {
	at := slices.IndexFunc(known, func(old dataset.HookSpec) bool { return old.Name == h.Name })
	if at < 0 {
		return h
	}
	next, given := known[at], c.Flags().Changed
	if given("on") {
		next.On = h.On
	}
	if given("branch") {
		next.Branches = h.Branches
	}
	if given("lambda") || given("gate") {
		next.Lambda, next.Gate = h.Lambda, h.Gate
	}
	if given("timeout") {
		next.TimeoutSeconds = h.TimeoutSeconds
	}
	if given("on-error") {
		next.OnError = h.OnError
	}
	return next
}

func readHooks(stdin io.Reader, name string) ([]dataset.HookSpec, error) {
	text, err := readAll(stdin, name)
	if err != nil {
		return nil, err
	}
	var set struct {
		Hooks []dataset.HookSpec `json:"hooks"`
	}
	if err := yaml.UnmarshalWithOptions(text, &set, yaml.Strict()); err != nil && !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Invalid, name, "%w", err).WithHint(`want hooks: and a list below it, as in: sluice data hooks set --help`)
	}
	if len(set.Hooks) == 0 {
		return nil, fault.New(fault.Invalid, name, "it sets no hook").
			WithHint("want hooks: and a list below it; a hook is taken away by: sluice data hooks remove MODEL HOOK")
	}
	for i, h := range set.Hooks {
		err := h.Check()
		if err == nil {
			err = h.CheckBranches()
		}
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, fmt.Sprintf("%s:%d: hooks[%d]", name, lineOf(text, i), i), err)
		}
	}
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, fault.New(fault.Invalid, name, "%w", err)
	}
	specs, err := dataset.ParseHooks(asJSON)
	return specs, fault.Wrap(fault.Invalid, name, err)
}

// lineOf is the line of a file's i-th hook; 0 where that cannot be told.
func lineOf(text []byte, i int) int {
	path, err := yaml.PathString(fmt.Sprintf("$.hooks[%d]", i))
	if err != nil {
		return 0
	}
	node, err := path.ReadNode(bytes.NewReader(text))
	if err != nil || node.GetToken() == nil {
		return 0
	}
	return node.GetToken().Position.Line
}
