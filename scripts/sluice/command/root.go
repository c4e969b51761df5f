// Package command is the sluice command line.
package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/fault"
)

// settings are the options every command shares.
type settings struct {
	environment string
	endpoint    string
	dir         string
	onAWS       bool
	json        bool
	dial        func(context.Context, operator.Target) (*operator.Client, error)
	flags       *pflag.FlagSet // the persistent ones; nil in tests of parts
	opened      openDataset    // by a data command
}

// Root is the whole command.
func Root() *cobra.Command {
	s := &settings{dial: operator.Connect}
	root := &cobra.Command{
		Use:   "sluice",
		Short: "From a data upload to production traffic, gated",
		Long: `sluice runs the stack on this machine and asks a deployed Sluice about runs,
data, models and rollouts.

It speaks to the local stack when one runs here (sluice up) or when
AWS_ENDPOINT_URL is set; otherwise, or with --aws, to the AWS account of your
credentials. Add --json to any command for output that a script can parse: the
answer on the standard output, an error as {"error": {"kind", "message", "hint",
"retry"}, "exit"} on the standard error, in one line.

Exit codes
  0    done, also where there was nothing to do
  1    it failed: what is named is not there, something refuses, is in conflict or
       does not answer, or a file's content is wrong; "kind" tells which (NotFound,
       Denied, Conflict, Busy, Unavailable, Invalid, Internal)
  2    the command line is wrong ("kind": Usage): an unknown command or flag, or an
       argument or a flag's value that cannot be one, whatever the deployment holds
  3    a run ended other than promoted, registered or unchanged, or a gate could not tell
  130  interrupted ("kind": Interrupted); it says how far it came, and the same
       command again goes on from there`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE:          onlyGroups,
	}
	flags := root.PersistentFlags()
	s.flags = flags
	flags.StringVarP(&s.environment, "environment", "e", "production", `"staging" or "production"`)
	flags.StringVar(&s.endpoint, "endpoint", "", "a local stack's URL (default: the one that runs here)")
	flags.StringVar(&s.dir, "dir", ".sluice/stack", "where the local stack keeps its data")
	flags.BoolVar(&s.onAWS, "aws", false, "speak to AWS even when a local stack runs here")
	flags.BoolVar(&s.json, "json", false, "print JSON")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (see: %s --help)", err, c.CommandPath())}
	})
	root.AddCommand(upCommand(s), storyCommand(s), invokeCommand(s), runCommand(s), dataCommand(s), modelCommand(s),
		rolloutCommand(s), configCommand(s), reportCommand(s), trafficCommand(s), faultCommand(s), aslCommand(s), doctorCommand(),
		evaluateCommand(s), gateCommand(s), predictCommand(s), decisionCommand(s), contractCommand(s))
	return root
}

// usageError is a wrong command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// endedError is a run that ended in a way a script should notice.
type endedError struct{ error }

// ExitCode is the process's exit status for an error of Root.
func ExitCode(err error) int {
	var usage usageError
	var ended endedError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		return 2
	case errors.As(err, &ended):
		return 3
	case isInterrupted(err), errors.Is(err, context.Canceled):
		return 130
	}
	return 1
}

// connect finds the deployment to speak to.
func (s *settings) connect(ctx context.Context) (*operator.Client, error) {
	if s.environment != "staging" && s.environment != "production" {
		return nil, usageError{fmt.Errorf("--environment %q: want staging or production", s.environment)}
	}
	if s.onAWS {
		// The SDK reads it by itself, and --aws means AWS.
		if err := os.Unsetenv("AWS_ENDPOINT_URL"); err != nil {
			return nil, err
		}
	}
	endpoint, err := s.localStack()
	if err != nil {
		return nil, err
	}
	return s.dial(ctx, operator.Target{Environment: s.environment, Endpoint: endpoint})
}

// localStack is the URL of the local stack to speak to; "" is none. A --dir that is
// given means that one, and never AWS: also not when AWS_ENDPOINT_URL is set.
func (s *settings) localStack() (string, error) {
	given := s.flags != nil && s.flags.Changed("dir")
	switch {
	case s.endpoint != "":
		if at, err := url.Parse(s.endpoint); err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
			return "", usageError{fmt.Errorf("--endpoint %q: want a URL, e.g. http://127.0.0.1:4566", s.endpoint)}
		}
		return s.endpoint, nil
	case s.onAWS && given:
		return "", usageError{errors.New("--aws and --dir: want at most one of them")}
	case s.onAWS, os.Getenv("AWS_ENDPOINT_URL") != "" && !given:
		return "", nil
	}
	endpoint := runningStack(s.dir)
	if endpoint == "" && given {
		return "", noStack(s.dir)
	}
	return endpoint, nil
}

// noStack says that a folder's stack does not run.
func noStack(dir string) error {
	return fault.New(fault.NotFound, "connect", "no stack is running in %s", dir).
		WithHint("start it: sluice up --dir %s, or make up; without --dir it is the one that runs here, and --aws is for AWS", dir)
}

// print writes v as JSON with --json, and by human otherwise.
func (s *settings) print(c *cobra.Command, v any, human func(w io.Writer)) error {
	if s.json {
		encoder := json.NewEncoder(c.OutOrStdout())
		encoder.SetIndent("", "  ")
		return encoder.Encode(v)
	}
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 4, 2, ' ', 0)
	human(w)
	return w.Flush()
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: onlyGroups}
	c.AddCommand(commands...)
	return c
}

// onlyGroups is what a command that only holds others does by itself.
func onlyGroups(c *cobra.Command, args []string) error {
	if len(args) > 0 && args[0] == "help" {
		if found, rest, err := c.Find(args[1:]); err == nil && len(rest) == 0 {
			return found.Help()
		}
	}
	if asJSON, err := c.Flags().GetBool("json"); len(args) == 0 && err == nil && asJSON && c.HasParent() {
		return usageError{fmt.Errorf("%s --json: want a command of it (see: %s --help)", c.CommandPath(), c.CommandPath())}
	}
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s has no command %q (see: %s --help)", c.CommandPath(), args[0], c.CommandPath())}
	}
	return c.Help()
}

// exactly checks the number of arguments and teaches the usage.
func exactly(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError{fmt.Errorf("want %d argument(s), got %d: %s", n, len(args), c.UseLine())}
		}
		return nil
	}
}
