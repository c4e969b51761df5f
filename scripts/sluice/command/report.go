package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/report"
)

// reports is where the pages are put.
const reports = ".sluice/reports"

func reportCommand(s *settings) *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "report RUN", Short: "Write a run's page: verdicts, ROC curve, groups, canary", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := s.connect(c.Context())
			if err != nil {
				return err
			}
			run, err := client.ShowRun(c.Context(), args[0])
			if err != nil {
				return err
			}
			path, err := writeReport(c.Context(), client, run, out, func(*report.Data) {})
			if err != nil {
				return err
			}
			return s.print(c, map[string]string{"report": path}, func(w io.Writer) { fmt.Fprintln(w, path) })
		},
	}
	c.Flags().StringVarP(&out, "out", "o", reports, "the folder to write to")
	return c
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
