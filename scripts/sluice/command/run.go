package command

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
)

func runCommand(s *settings) *cobra.Command {
	return group("run", "Start and watch runs", runStart(s), runList(s), runWaiting(s), runShow(s), runLogs(s), runReproduce(s))
}

func runStart(s *settings) *cobra.Command {
	var watch, retrain bool
	var id string
	c := &cobra.Command{
		Use: "start MODEL", Short: "Start a run of a model by hand", Args: exactly(1),
		Long: `Start a run of a model on the data that is there, whether or not anything is
new. While another run of the model is going on, this one follows it.

A run whose plan (data, configuration, seed and images) has a trained model does
not train again: where that model is the champion it ends unchanged, otherwise it
judges that model anew. --retrain trains it all the same.

The same --id starts nothing twice, so a script may repeat the command safely.`,
		RunE: func(c *cobra.Command, args []string) error {
			client, err := s.connect(c.Context())
			if err != nil {
				return err
			}
			if id == "" {
				id = time.Now().UTC().Format("20060102T150405.000000000Z")
			}
			start := client.StartRun
			if retrain {
				start = client.RetrainRun
			}
			result, err := start(c.Context(), args[0], id)
			if err != nil {
				return err
			}
			if watch && result.Run == "" {
				return fmt.Errorf("there is no run to watch: %s (sluice run list %s)", result.Reason, args[0])
			}
			if !watch {
				return s.print(c, result, func(w io.Writer) { fmt.Fprintf(w, "%s\t%s\n", result.Run, result.Reason) })
			}
			return watchRun(c, s, client, result.Run)
		},
	}
	c.Flags().BoolVarP(&watch, "watch", "w", false, "wait for the run's end and show its progress")
	c.Flags().BoolVar(&retrain, "retrain", false, "train even where an earlier run trained the same plan")
	c.Flags().StringVar(&id, "id", "", "names the request (default: the time)")
	return c
}

// watchRun shows progress on standard error and the outcome on standard output.
func watchRun(c *cobra.Command, s *settings, client *operator.Client, name string) error {
	started := time.Now()
	run, err := client.WaitRun(c.Context(), name, func(p operator.Phase) {
		fmt.Fprintf(c.ErrOrStderr(), "%7.1fs  %s\n", time.Since(started).Seconds(), p.Name)
	})
	if err != nil {
		return err
	}
	if err := showRun(c, s, run, nil); err != nil {
		return err
	}
	if run.Status != "promoted" && run.Status != "registered" && run.Status != "unchanged" && run.Status != "shadowed" {
		return endedError{fmt.Errorf("run %s ended %s", run.Run, run.Status)}
	}
	return nil
}

func runList(s *settings) *cobra.Command {
	var most int
	c := &cobra.Command{
		Use: "list [MODEL]", Short: "List runs, newest first", Args: between(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := s.connect(c.Context())
			if err != nil {
				return err
			}
			runs, err := client.ListRuns(c.Context(), append(args, "")[0], most)
			if err != nil {
				return err
			}
			return s.print(c, runs, func(w io.Writer) {
				fmt.Fprintln(w, "RUN\tSTATUS\tSTARTED\tTOOK\tCAUSE\tREASON")
				for _, r := range runs {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Run, r.Status, r.Started.UTC().Format(time.DateTime), took(r), r.Cause.Kind, reason(r, 80))
				}
			})
		},
	}
	c.Flags().IntVarP(&most, "most", "n", 20, "how many at the most")
	return c
}

func took(r operator.Run) string {
	if r.Finished.IsZero() {
		return "-"
	}
	return r.Finished.Sub(r.Started).Round(100 * time.Millisecond).String()
}

func reason(r operator.Run, most int) string {
	if r.Outcome == nil {
		return ""
	}
	text := []rune(r.Outcome.Reason)
	if len(text) > most {
		return string(text[:most-1]) + "…"
	}
	return string(text)
}

func runShow(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "show RUN", Short: "Show a run: outcome, reason, and where the time went", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := s.connect(c.Context())
			if err != nil {
				return err
			}
			run, err := client.ShowRun(c.Context(), args[0])
			if err != nil {
				return err
			}
			phases, err := client.Phases(c.Context(), args[0])
			if err != nil {
				return err
			}
			return showRun(c, s, run, phases)
		},
	}
}

func showRun(c *cobra.Command, s *settings, run operator.Run, phases []operator.Phase) error {
	view := struct {
		operator.Run
		Phases []operator.Phase `json:"phases,omitempty"`
	}{run, phases}
	return s.print(c, view, func(w io.Writer) {
		fmt.Fprintf(w, "run\t%s\nmodel\t%s\nstatus\t%s\nstarted\t%s\ntook\t%s\ncause\t%s %s\n", run.Run, run.Model, run.Status,
			run.Started.UTC().Format(time.DateTime), took(run), run.Cause.Kind, run.Cause.ID)
		if run.Outcome != nil {
			fmt.Fprintf(w, "reason\t%s\n", run.Outcome.Reason)
			if run.Outcome.Version > 0 {
				fmt.Fprintf(w, "version\t%d\n", run.Outcome.Version)
			}
		}
		for _, p := range phases {
			duration := "…"
			if p.Done {
				duration = p.Duration.Round(time.Millisecond).String()
			}
			fmt.Fprintf(w, "  %s\t%s\n", p.Name, duration)
		}
	})
}

func runLogs(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "logs RUN", Short: "Print a run's events and what its jobs wrote, in time order", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := s.connect(c.Context())
			if err != nil {
				return err
			}
			lines, err := client.Logs(c.Context(), args[0])
			if err != nil {
				return err
			}
			return s.print(c, lines, func(w io.Writer) {
				for _, l := range lines {
					fmt.Fprintf(w, "%s\t%s\t%s\n", l.Time.UTC().Format("15:04:05.000"), l.Source, l.Text)
				}
			})
		},
	}
}

func doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Say what this machine lacks", Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return script(c, "scripts/doctor.sh")
		},
	}
}

// script runs one of the repository's scripts.
func script(c *cobra.Command, path string) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("find %s: %w (run from the repository's top folder)", path, err)
	}
	return runProgram(c, path)
}
