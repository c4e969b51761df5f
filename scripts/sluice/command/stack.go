package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/infra/local/stack"
	"github.com/sluice-ml/sluice/scripts/sluice/operator"
)

// local says how to run a stack on this machine.
type local struct {
	assembly string
	library  string
	port     int
	seed     uint64
	verbose  bool
}

func (l *local) flags(c *cobra.Command) {
	c.Flags().StringVar(&l.assembly, "assembly", "cdk.out", "the synthesized cloud assembly (make synth)")
	c.Flags().IntVar(&l.port, "port", 4566, "where AWS_ENDPOINT_URL points; 0 takes a free port")
	c.Flags().StringVar(&l.library, "library", ".sluice/cache/xgboost/lib", "folder of libxgboost.so (make xgboost)")
	c.Flags().Uint64Var(&l.seed, "fault-seed", 1, "what faults on request follow from (sluice fault --help)")
	c.Flags().BoolVarP(&l.verbose, "verbose", "v", false, "log what the services do")
}

// start brings a stack up in dir.
func (l *local) start(c *cobra.Command, s *settings, dir string) (*stack.Stack, error) {
	level := slog.LevelWarn
	if l.verbose {
		level = slog.LevelDebug
	}
	if _, err := os.Stat(filepath.Join(l.assembly, "manifest.json")); err != nil {
		return nil, fmt.Errorf("find the cloud assembly: %w (make synth writes it)", err)
	}
	library, err := filepath.Abs(l.library)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(library, "libxgboost.so")); err != nil {
		return nil, fmt.Errorf("find the XGBoost library: %w (make xgboost fetches it)", err)
	}
	// Absolute, because the S3 server changes the working directory.
	assembly, err := filepath.Abs(l.assembly)
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	return stack.Up(c.Context(), stack.Options{
		Assembly: assembly, Stack: "Sluice-" + s.environment, Dir: dir, Port: l.port, LibraryPath: library, Seed: l.seed,
		Log: slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: level})),
	})
}

func upCommand(s *settings) *cobra.Command {
	l := &local{}
	c := &cobra.Command{
		Use: "up", Short: "Run the stack on this machine until Ctrl-C", Args: exactly(0),
		Long: `Run the synthesized stack on this machine, without AWS and without Docker, until
Ctrl-C. What it holds is kept in --dir and is there again at the next start, also
after the process was killed.`,
		RunE: func(c *cobra.Command, _ []string) error {
			began := time.Now()
			home, err := os.Getwd()
			if err != nil {
				return err
			}
			up, err := l.start(c, s, s.dir)
			if err != nil {
				return err
			}
			defer up.Close()
			note := filepath.Join(home, s.dir, noteFile)
			if filepath.IsAbs(s.dir) {
				note = filepath.Join(s.dir, noteFile)
			}
			if err := os.WriteFile(note, []byte(up.URL()), 0o600); err != nil {
				return err
			}
			defer os.Remove(note)
			if err := s.print(c, map[string]any{"url": up.URL(), "outputs": up.Outputs()}, func(w io.Writer) { welcome(w, s, up, time.Since(began)) }); err != nil {
				return err
			}
			<-c.Context().Done()
			fmt.Fprintln(c.ErrOrStderr(), "stopping; what runs carries on at the next start")
			return up.Close()
		},
	}
	l.flags(c)
	return c
}

// welcome says what to do with a stack that is up.
func welcome(w io.Writer, s *settings, up *stack.Stack, took time.Duration) {
	fmt.Fprintf(w, "Sluice (%s) is up after %.1f s at %s\n\n", s.environment, took.Seconds(), up.URL())
	fmt.Fprintf(w, "  upload data\tAWS_ENDPOINT_URL=%s aws s3 cp FILE s3://%s/raw/MODEL/\n", up.URL(), up.Outputs()["LakeBucketOutput"])
	fmt.Fprintf(w, "  configure\t… aws s3 cp train.yaml s3://%s/configs/MODEL/train.yaml\n", up.Outputs()["StoreBucketOutput"])
	fmt.Fprintf(w, "  watch\tsluice run list\n  stop\tCtrl-C\n\n")
	fmt.Fprintf(w, "  credentials\tAWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s AWS_REGION=%s\n", stack.AccessKeyID, stack.SecretAccessKey, operator.LocalRegion)
}

// noteFile keeps a running stack's URL in its folder.
const noteFile = "url"

// runningStack finds the URL of the stack that runs in dir; "" when none
// answers there.
func runningStack(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, noteFile))
	if err != nil {
		return ""
	}
	if !locked(dir) {
		return "" // it was killed; the note is old, and another stack may answer at its address
	}
	url := strings.TrimSpace(string(text))
	client := http.Client{Timeout: 2 * time.Second}
	response, err := client.Get(url + "/_sluice/health")
	if err != nil {
		return "" // it is on its way up or down
	}
	response.Body.Close()
	return url
}

// locked says whether a process runs a stack in dir: it holds the lock file.
func locked(dir string) bool {
	file, err := os.Open(filepath.Join(dir, "lock"))
	if err != nil {
		return false
	}
	defer file.Close()
	if syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil {
		return true
	}
	return false // closing the file gives the lock back
}

func invokeCommand(s *settings) *cobra.Command {
	l := &local{}
	var event string
	c := &cobra.Command{
		Use: "invoke FUNCTION", Short: "Run a function's real binary on an event, here", Args: exactly(1),
		Long: `Run a function's real binary on an event and print its answer. It runs in the
stack that is up (sluice up), or else in one that is started for the call on what
--dir holds. The sample events speak of the run adult-income-1, which
make run leaves behind: sluice invoke plan --dir .sluice/story --event events/plan.json.`,
		RunE: func(c *cobra.Command, args []string) error {
			if event == "" {
				return usageError{fmt.Errorf("--event is missing: name a JSON file, such as events/%s.json", args[0])}
			}
			payload, err := os.ReadFile(event)
			if err != nil {
				return fmt.Errorf("read the event: %w", err)
			}
			if !json.Valid(payload) {
				return fmt.Errorf("read the event: %s is not JSON", event)
			}
			if s.endpoint != "" || runningStack(s.dir) != "" {
				client, err := s.connect(c.Context())
				if err != nil {
					return err
				}
				answer, failed, err := client.Invoke(c.Context(), args[0], payload)
				if err != nil {
					return err
				}
				return showInvocation(c, answer, failed)
			}
			up, err := l.start(c, s, s.dir)
			if err != nil {
				return err
			}
			defer up.Close()
			result, err := up.Services().Lambda.Invoke(c.Context(), "sluice-"+s.environment+"-"+args[0], payload)
			if err != nil {
				return err
			}
			return showInvocation(c, result.Payload, result.FunctionError != "")
		},
	}
	l.flags(c)
	c.Flags().StringVar(&event, "event", "", "a JSON file")
	return c
}

func showInvocation(c *cobra.Command, answer []byte, failed bool) error {
	fmt.Fprintf(c.OutOrStdout(), "%s\n", answer)
	if failed {
		return errors.New("the function failed; its error is above")
	}
	return nil
}

// runProgram runs a program with the command's own input and output.
func runProgram(c *cobra.Command, path string, args ...string) error {
	program := exec.CommandContext(c.Context(), path, args...)
	program.Stdin, program.Stdout, program.Stderr = c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr()
	return program.Run()
}
