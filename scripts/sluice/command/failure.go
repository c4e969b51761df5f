package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Run executes a command line and tells on stderr why it failed. It gives the
// process's exit status. The end of ctx is Ctrl-C.
func Run(ctx context.Context, root *cobra.Command, args []string, stderr io.Writer) int {
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	err = interruption(ctx, err)
	code := ExitCode(err)
	if wantsJSON(root, args) {
		_ = json.NewEncoder(stderr).Encode(failureOf(err, code))
	} else {
		fmt.Fprintln(stderr, "sluice:", harmless(err.Error()))
	}
	return code
}

// wantsJSON finds --json also behind a flag that could not be read, where reading
// stopped.
func wantsJSON(root *cobra.Command, args []string) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	asJSON, _ := root.PersistentFlags().GetBool("json")
	return asJSON || slices.Contains(args, "--json")
}

// failure is an error for a script.
type failure struct {
	Error struct {
		Kind      string             `json:"kind"`    // as in package fault; "Usage" for a wrong command line
		Message   string             `json:"message"` // what a person would read, without the hint
		Hint      string             `json:"hint,omitempty"`
		Retry     bool               `json:"retry"` // the same command may succeed later
		Conflicts []dataset.Conflict `json:"conflicts,omitempty"`
		Gone      []dataset.Entry    `json:"gone,omitempty"` // versions that a move would bring back
	} `json:"error"`
	Exit int `json:"exit"`
}

func failureOf(err error, code int) failure {
	f := failure{Exit: code}
	kind := fault.KindOf(err)
	f.Error.Kind, f.Error.Message, f.Error.Retry = string(kind), err.Error(), kind.Retryable()
	f.Error.Conflicts, f.Error.Gone = dataset.AsConflicts(err), dataset.AsGone(err)
	var usage usageError
	switch {
	case errors.As(err, &usage):
		f.Error.Kind, f.Error.Retry = "Usage", false
	case isInterrupted(err), errors.Is(err, context.Canceled):
		f.Error.Kind, f.Error.Retry = "Interrupted", true
	case len(f.Error.Conflicts) > 0:
		f.Error.Retry = false // it wants a choice
	}
	model := ""
	if m, ok := errors.AsType[modelError](err); ok {
		model = m.model
	}
	for e, ok := errors.AsType[*fault.Error](err); ok && f.Error.Hint == ""; e, ok = errors.AsType[*fault.Error](e.Err) {
		f.Error.Hint = withModel(e.Hint, model)
	}
	if f.Error.Hint != "" {
		f.Error.Message = strings.Replace(f.Error.Message, " ("+f.Error.Hint+")", "", 1)
	}
	return f
}

// modelError writes the model into the commands that an error advises: packages
// below know a dataset, and not its name.
type modelError struct {
	err   error
	model string
}

func (e modelError) Error() string { return withModel(e.err.Error(), e.model) }
func (e modelError) Unwrap() error { return e.err }

var advised = regexp.MustCompile(`\b(sluice data(?: [a-z-]+){1,2}) MODEL\b`)

func withModel(text, model string) string {
	if model == "" {
		return text
	}
	return advised.ReplaceAllString(text, "${1} "+model)
}

// nameModel lets the errors of a command, and of those below it, name the model
// that is the first argument, and holds the names among its arguments against what
// such a name may be.
func (s *settings) nameModel(c *cobra.Command) {
	for _, below := range c.Commands() {
		s.nameModel(below)
	}
	run := c.RunE
	if run == nil || c.HasSubCommands() {
		return
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		err := checkNames(c, args)
		if err == nil {
			err = run(c, args)
		}
		if err == nil || len(args) == 0 {
			return err
		}
		return modelError{s.noDataset(c, err), args[0]}
	}
}

// checkOf is the rule for what a word of a command's usage stands for.
func checkOf(word string) func(string) error {
	switch strings.Trim(word, "[]") {
	case "MODEL":
		return contract.CheckModel
	case "BRANCH":
		return dataset.CheckBranch
	case "TAG":
		return dataset.CheckTag
	case "REF", "FROM", "TO":
		return dataset.CheckAddress
	}
	return func(string) error { return nil }
}

// checkNames makes a name that cannot be one a wrong command line, before anything
// is asked of the deployment.
func checkNames(c *cobra.Command, args []string) error {
	words := strings.Fields(c.Use)[1:]
	for i, arg := range args[:min(len(args), len(words))] {
		if err := checkOf(words[i])(arg); err != nil {
			return usageError{err}
		}
	}
	for _, name := range []string{"base", "pin"} {
		flag := c.Flags().Lookup(name)
		if flag == nil || !flag.Changed {
			continue
		}
		values := []string{flag.Value.String()}
		if list, ok := flag.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, value := range values {
			if err := dataset.CheckAddress(value); err != nil {
				return usageError{fmt.Errorf("--%s: %w", name, err)}
			}
		}
	}
	return nil
}

// noDataset tells of a model that has no dataset, where that is why something was
// not found.
func (s *settings) noDataset(c *cobra.Command, err error) error {
	for at := c; at != nil; at = at.Parent() {
		switch at.Name() {
		case "add", "commit", "import", "pin", "hooks": // a model needs no dataset for them
			return err
		}
	}
	if s.opened.repository == nil || !fault.Is(err, fault.NotFound) || c.Context().Err() != nil {
		return err
	}
	if missing := s.needDataset(c); fault.Is(missing, fault.NotFound) {
		return missing
	}
	return err
}

// openDataset is what a data command works on.
type openDataset struct {
	client     *operator.Client
	repository *dataset.Repository
	model      string
}

// needDataset is NotFound where the opened dataset has nothing, and names those
// that there are.
func (s *settings) needDataset(c *cobra.Command) error {
	there, err := s.opened.repository.Exists(c.Context())
	if err != nil || there {
		return err
	}
	known, err := s.opened.client.Objects.Folders(c.Context(), s.opened.client.Store, "datasets/")
	if err != nil {
		return err
	}
	known = slices.DeleteFunc(known, func(name string) bool { return strings.HasPrefix(name, "_") }) // the stack's own
	hint := "no model has a dataset yet: upload to raw/MODEL/, or: sluice data add MODEL main FOLDER"
	if len(known) > 0 {
		hint = fmt.Sprintf("there are datasets of: %s", strings.Join(known[:min(20, len(known))], ", "))
	}
	return fault.New(fault.NotFound, "open the dataset of "+s.opened.model, "there is none: no commit was ever made").WithHint("%s", hint)
}
