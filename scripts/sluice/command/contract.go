package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/infra/local/image"
	"github.com/sluice-ml/sluice/shared/conformity"
	"github.com/sluice-ml/sluice/shared/fault"
)

// contractOptions are the flags of sluice contract check.
type contractOptions struct {
	trainer, server string
	model, params   string
	env             []string
	timeout         time.Duration
}

func contractCommand(s *settings) *cobra.Command {
	items := &cobra.Command{
		Use: "items", Short: "List what the contracts ask", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return s.print(c, conformity.Items(), func(w io.Writer) {
				for _, item := range conformity.Items() {
					fmt.Fprintf(w, "%s\t%s\t%s\n", item.ID, item.Level, item.Rule)
				}
			})
		},
	}
	return group("contract", "What a trainer and a server of one's own must do", contractCheckCommand(s), items)
}

func contractCheckCommand(s *settings) *cobra.Command {
	o := &contractOptions{}
	c := &cobra.Command{
		Use: "check [IMAGE|COMMAND]", Short: "Say what a trainer or a server of one's own does wrong", Args: cobra.MaximumNArgs(1),
		Long: `Run a trainer and a model server through their contracts, item by item, on this
machine: with generated data in temporary folders, and nothing of AWS.

An image is a folder with a Dockerfile; its entry point runs as the local stack
runs it (base image and packages are this machine's; SLUICE_PYTHON names the
interpreter of Python images). Anything else is a command line, split at spaces.
The argument is checked as both, the trainer first and the server with the model
that it made; --trainer and --server name two, or one alone. A server alone needs
a model that it can read, --model.

  sluice contract check --trainer images/train --server images/serve
  sluice contract check --trainer 'python train.py' --params '{"n_estimators": 50}'
  sluice contract check --server 'build/server' --model model.tar.gz

Each item passes, fails (a must), warns (a should) or is skipped because one before
it failed. What to do about it stands beside it. sluice contract items lists them.

Exit codes: 0 no must failed; 1 one did, or the check could not be done; 2 the
command line is wrong.`,
		RunE: func(c *cobra.Command, args []string) error { return o.run(c, s, args) },
	}
	f := c.Flags()
	f.StringVar(&o.trainer, "trainer", "", "the trainer's image folder or command")
	f.StringVar(&o.server, "server", "", "the server's image folder or command")
	f.StringVarP(&o.model, "model", "m", "", "a model.tar.gz for a server without its trainer")
	f.StringVar(&o.params, "params", "{}", "the job's params, as JSON")
	f.StringArrayVar(&o.env, "env", nil, "NAME=VALUE for the programs (again for more)")
	f.DurationVar(&o.timeout, "timeout", 10*time.Minute, "how long one training may take")
	return c
}

// checked is the answer of sluice contract check.
type checked struct {
	Passed  bool               `json:"passed"`
	Trainer *conformity.Report `json:"trainer,omitempty"`
	Server  *conformity.Report `json:"server,omitempty"`
}

func (o *contractOptions) run(c *cobra.Command, s *settings, args []string) error {
	if len(args) == 1 {
		if o.trainer != "" || o.server != "" {
			return usageError{errors.New("name one image or command, or --trainer and --server; not both")}
		}
		o.trainer, o.server = args[0], args[0]
	}
	if o.trainer == "" && o.server == "" {
		return usageError{errors.New("name an image folder or a command to check")}
	}
	if o.trainer == "" && o.model == "" {
		return usageError{errors.New("a server alone needs --model: a model.tar.gz that it can read")}
	}
	if err := o.checkFlags(); err != nil {
		return err
	}
	answer, err := o.check(c)
	if err != nil {
		return err
	}
	if err := s.print(c, answer, func(w io.Writer) { answer.tell(w) }); err != nil {
		return err
	}
	if !answer.Passed {
		return fault.New(fault.Invalid, "check the contracts", "%s", answer.summary())
	}
	return nil
}

// checkFlags refuses what no program could be run with.
func (o *contractOptions) checkFlags() error {
	for _, pair := range o.env {
		if name, _, ok := strings.Cut(pair, "="); !ok || name == "" {
			return usageError{fmt.Errorf("--env %s: want NAME=VALUE", pair)}
		}
	}
	if o.timeout <= 0 {
		return usageError{fmt.Errorf("--timeout %s: want more than 0, e.g. 10m", o.timeout)}
	}
	return errors.Join(checkProgram("--trainer", o.trainer), checkProgram("--server", o.server))
}

// checkProgram says at once that nothing could be run: what is named is a folder
// without a Dockerfile, or no file and no program that can be found.
func checkProgram(flag, named string) error {
	words := strings.Fields(named)
	if len(words) == 0 {
		return nil // not asked for
	}
	op := fmt.Sprintf("check %s (%s)", named, strings.TrimPrefix(flag, "--"))
	if info, err := os.Stat(named); err == nil && info.IsDir() {
		if _, err := os.Stat(filepath.Join(named, "Dockerfile")); err != nil {
			return fault.New(fault.Invalid, op, "the folder has no Dockerfile").WithHint("name the folder of an image, or a command line")
		}
		return nil
	}
	if strings.ContainsAny(words[0], ":@") { // an image's name, which is told as such
		return nil
	}
	if _, err := exec.LookPath(words[0]); err != nil {
		return fault.New(fault.NotFound, op, "%s is neither a folder nor a program that can be run: %w", words[0], err).
			WithHint("name the folder of a Dockerfile, or a command line")
	}
	return nil
}

func (o *contractOptions) check(c *cobra.Command) (*checked, error) {
	answer, archive := &checked{Passed: true}, []byte(nil)
	if o.model != "" {
		var err error
		if archive, err = readFile(o.model); err != nil {
			return nil, err
		}
	}
	if o.trainer != "" {
		argv, env, err := o.program(o.trainer)
		if err != nil {
			return nil, err
		}
		t := conformity.Trainer{Argv: argv, Env: env, Timeout: o.timeout, Now: time.Now}
		if err := json.Unmarshal([]byte(o.params), &t.Params); err != nil {
			return nil, usageError{fmt.Errorf("--params %s: want a JSON object: %w", o.params, err)}
		}
		var made []byte
		if answer.Trainer, made, err = t.Check(c.Context()); err != nil {
			return nil, err
		}
		answer.Passed = answer.Trainer.Passed
		if o.model == "" {
			archive = made
		}
	}
	if o.server == "" || archive == nil {
		return answer, nil
	}
	argv, env, err := o.program(o.server)
	if err != nil {
		return nil, err
	}
	if answer.Server, err = (conformity.Server{Argv: argv, Env: env, Now: time.Now}).Check(c.Context(), archive); err != nil {
		return nil, err
	}
	answer.Passed = answer.Passed && answer.Server.Passed
	return answer, nil
}

// program is the command line of an image's folder, or a command's words.
func (o *contractOptions) program(named string) (argv, env []string, err error) {
	if _, err := os.Stat(filepath.Join(named, "Dockerfile")); err == nil {
		found, err := image.Resolve(named)
		if err != nil {
			return nil, nil, err
		}
		program, args, err := found.Program([]string{})
		return append([]string{program}, args...), append(found.Env, o.env...), err
	}
	words := strings.Fields(named)
	if len(words) == 0 {
		return nil, nil, usageError{errors.New("the command is empty")}
	}
	if strings.Contains(words[0], "/") {
		if words[0], err = filepath.Abs(words[0]); err != nil {
			return nil, nil, err
		}
	}
	for i, word := range words[1:] { // the program runs in a folder of its own
		if _, err := os.Stat(word); err == nil {
			if words[i+1], err = filepath.Abs(word); err != nil {
				return nil, nil, err
			}
		}
	}
	if len(words) == 1 && strings.ContainsAny(words[0], ":@") {
		return nil, nil, usageError{fmt.Errorf("%s: an image in a registry cannot be run here: name the folder of a Dockerfile, or the command", named)}
	}
	return words, o.env, nil
}

func (a *checked) summary() string {
	failed := []string{}
	for _, r := range []*conformity.Report{a.Trainer, a.Server} {
		if r == nil {
			continue
		}
		for _, f := range r.Findings {
			if f.Status == conformity.Fail {
				failed = append(failed, f.ID)
			}
		}
	}
	return "these do not hold: " + strings.Join(failed, ", ")
}

// tell writes the reports for people.
func (a *checked) tell(w io.Writer) {
	for _, r := range []*conformity.Report{a.Trainer, a.Server} {
		if r == nil {
			continue
		}
		for _, f := range r.Findings {
			fmt.Fprintf(w, "%s\t%s\t%s\n", f.Status, f.ID, f.Rule)
			if f.Status != conformity.Pass {
				fmt.Fprintf(w, "\t\t  saw: %s\n", f.Said)
			}
			if f.Status == conformity.Fail || f.Status == conformity.Warn {
				fmt.Fprintf(w, "\t\t  mend: %s\n", f.Mend)
			}
		}
		if r.Output != "" {
			fmt.Fprintf(w, "\nWhat it said last:\n%s\n\n", r.Output)
		}
	}
	if a.Trainer != nil && a.Server == nil && !a.Trainer.Passed {
		fmt.Fprintln(w, "The trainer made no model that a server could be checked with, or none was asked for.")
	}
	if a.Passed {
		fmt.Fprintln(w, "Every must holds.")
	}
}
