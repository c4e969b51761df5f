package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/report"
)

// reports is where the pages are put.
const reports = ".sluice/reports"

// rewritten is how often a page is written again while its run goes on.
const rewritten = 5 * time.Second

// reportOptions are the flags of sluice report.
type reportOptions struct {
	folder      string
	open, watch bool
}

func reportCommand(s *settings) *cobra.Command {
	o := &reportOptions{}
	c := &cobra.Command{
		Use: "report RUN", Short: "Write a run's page and say where it is: verdicts, curves, groups, data, rollout, lineage", Args: exactly(1),
		Long: `Write a run's page, one HTML file that holds everything that it shows, and print
where it is. It can be read on a phone, printed and mailed; it runs no script and
asks nothing of any server.

A run that is under way has a page too, with what there is so far: its rollout is
shown as it goes. --watch writes the page again every 5 seconds until the run is
over, and the browser reads it again by itself.

  sluice report adult-income-7 --open
  sluice report adult-income-8 --watch --open`,
		RunE: func(c *cobra.Command, args []string) error {
			client, err := s.connect(c.Context())
			if err != nil {
				return err
			}
			path, err := o.write(c, client, args[0])
			if err != nil {
				return err
			}
			return s.print(c, map[string]string{"report": path, "url": fileURL(path)}, func(w io.Writer) { fmt.Fprintln(w, path) })
		},
	}
	c.Flags().StringVarP(&o.folder, "out", "o", reports, "the folder to write to")
	c.Flags().BoolVar(&o.open, "open", false, "show it in the browser")
	c.Flags().BoolVarP(&o.watch, "watch", "w", false, "write it again until the run is over")
	return c
}

// write writes the page, once or until the run is over.
func (o *reportOptions) write(c *cobra.Command, client *operator.Client, name string) (string, error) {
	for shown := false; ; shown = true {
		run, err := client.ShowRun(c.Context(), name)
		if err != nil {
			return "", err
		}
		live := o.watch && run.Outcome == nil
		path, err := writeReport(c.Context(), client, run, o.folder, func(d *report.Data) {
			if live {
				d.Refresh = int(rewritten / time.Second)
			}
		})
		if err != nil {
			return "", err
		}
		if o.open && !shown {
			if err := show(c.Context(), path); err != nil {
				return "", err
			}
		}
		if !live {
			return path, nil
		}
		if !shown {
			fmt.Fprintf(c.ErrOrStderr(), "%s is written again every %s until the run is over (Ctrl-C stops that)\n", path, rewritten)
		}
		if err := pause(c.Context(), rewritten); err != nil {
			return path, nil // Ctrl-C: the page is there
		}
	}
}

// fileURL is what a browser is given.
func fileURL(path string) string {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(absolute)}).String()
}

// show asks the desktop to open a page.
func show(ctx context.Context, path string) error {
	program := "xdg-open"
	if runtime.GOOS == "darwin" {
		program = "open"
	}
	err := exec.CommandContext(ctx, program, fileURL(path)).Run()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("there is no %s to open %s with: open it in a browser", program, path)
	}
	if err != nil {
		return fmt.Errorf("open %s with %s: %w", path, program, err)
	}
	return nil
}

// writeReport writes <folder>/<run>.html, whole or not at all.
func writeReport(ctx context.Context, client *operator.Client, run operator.Run, folder string, complete func(*report.Data)) (string, error) {
	data, err := client.Report(ctx, run)
	if err != nil {
		return "", err
	}
	complete(&data)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(folder, run.Run+".html")
	file, err := os.CreateTemp(folder, run.Run+".*.tmp")
	if err != nil {
		return "", err
	}
	defer os.Remove(file.Name()) // after the rename there is nothing left to remove
	if err := report.Render(file, data); err != nil {
		file.Close()
		return "", err
	}
	if err := file.Close(); err != nil {
		return "", err
	}
	if err := os.Chmod(file.Name(), 0o644); err != nil {
		return "", err
	}
	return path, os.Rename(file.Name(), path)
}
