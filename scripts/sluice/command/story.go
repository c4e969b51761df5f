package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/infra/local/sagemaker"
	"github.com/sluice-ml/sluice/infra/local/stack"
	"github.com/sluice-ml/sluice/scripts/sluice/cost"
	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/scripts/sluice/story"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/report"
)

// storyDir keeps the story's stack, apart from the one that `sluice up` runs.
const storyDir = ".sluice/story"

func storyCommand(s *settings) *cobra.Command {
	l := &local{}
	var data string
	c := &cobra.Command{
		Use: "story", Short: "Run the lifecycle end to end on real data: five endings, asserted", Args: exactly(0),
		Long: `Start a fresh stack on this machine and tell the whole story on the UCI Adult
data: a first champion, a canary under live traffic, a corrupted upload, a weak
model, and a good model that fails in production. Every ending is asserted; exit 1
says which one was not as it should be. A page per run is put into
.sluice/reports/.`,
		RunE: func(c *cobra.Command, _ []string) error { return tellStory(c, s, l, data) },
	}
	l.flags(c)
	c.Flags().StringVar(&data, "data", "events/adult", "the example's folder")
	return c
}

func tellStory(c *cobra.Command, s *settings, l *local, data string) error {
	out := c.OutOrStdout()
	if s.json {
		out = c.ErrOrStderr() // progress is for people
	}
	// Absolute, because the S3 server changes the working directory.
	paths := []string{storyDir, data, reports}
	for i := range paths {
		var err error
		if paths[i], err = filepath.Abs(paths[i]); err != nil {
			return err
		}
	}
	dir, data, pages := paths[0], paths[1], paths[2]
	if url := runningStack(dir); url != "" {
		return fmt.Errorf("a story is being told already, at %s; wait for its end", url)
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("clear the last story: %w", err)
	}
	began := time.Now()
	up, err := l.start(c, s, dir)
	if err != nil {
		return err
	}
	defer up.Close()
	if err := os.WriteFile(filepath.Join(dir, noteFile), []byte(up.URL()), 0o600); err != nil {
		return err
	}
	defer os.Remove(filepath.Join(dir, noteFile))
	fmt.Fprintf(out, "The stack is up after %.1f s at %s\n", time.Since(began).Seconds(), up.URL())
	client, err := operator.Connect(c.Context(), operator.Target{Environment: s.environment, Endpoint: up.URL()})
	if err != nil {
		return err
	}
	chapters, err := story.Tell(c.Context(), story.Options{
		Client: client, Stack: drill{up}, Data: data, Out: out,
		Report: func(ctx context.Context, run operator.Run, usage cost.Usage, served map[string]story.Served) (string, error) {
			_, err := writeReport(ctx, client, run, pages, func(d *report.Data) { addUsage(d, usage, served) })
			return filepath.Join(reports, run.Run+".html"), err
		},
	})
	if s.json {
		if printed := s.print(c, chapters, nil); printed != nil {
			return printed
		}
	}
	if err != nil {
		return err
	}
	summarise(out, chapters, time.Since(began))
	return nil
}

// addUsage adds what only the local stack knows: requests and costs.
func addUsage(d *report.Data, usage cost.Usage, served map[string]story.Served) {
	for _, slot := range []string{contract.SlotBlue, contract.SlotGreen} {
		if v, ok := served[slot]; ok {
			d.Traffic = append(d.Traffic, report.Traffic{Variant: "slot " + slot, Requests: v.Requests, Failed: v.Failed})
		}
	}
	d.Costs = cost.Lines(usage)
	d.CostNote = "List prices of us-east-1 as of " + cost.Date + ", without free tiers and Spot discounts; training as on this machine's processor, which is not a GPU's time."
}

func summarise(w io.Writer, chapters []story.Chapter, took time.Duration) {
	fmt.Fprintf(w, "\n%-4s%-74s%-13s%8s%10s%9s\n", "", "", "ended", "took", "overhead", "AWS")
	total := 0.0
	for i, chapter := range chapters {
		fmt.Fprintf(w, "%-4d%-74s%-13s%6.1f s%8.2f s%9s\n", i+1, chapter.Title, chapter.Ending, chapter.Elapsed, chapter.Overhead, fmt.Sprintf("$%.4f", chapter.USD))
		total += chapter.USD
	}
	fmt.Fprintf(w, "\nAll five endings are as they should be. %.0f s in all; on AWS $%.4f (list prices of %s).\n", took.Seconds(), total, cost.Date)
	fmt.Fprintf(w, "Reports: %s/. Keep a stack running with: make up\n", reports)
}

// drill is the story's view of a stack that runs in this process.
type drill struct{ *stack.Stack }

// SetFault implements story.Stack.
func (d drill) SetFault(_ context.Context, endpoint, variant string, delay time.Duration, errorRate float64) error {
	return d.Services().SageMaker.SetFault(endpoint, variant, sagemaker.Fault{Delay: delay, ErrorRate: errorRate})
}

// ClearFaults implements story.Stack.
func (d drill) ClearFaults(context.Context) error {
	d.Services().SageMaker.ClearFaults()
	return nil
}

// Usage implements story.Stack.
func (d drill) Usage(context.Context) (cost.Usage, error) {
	return cost.Usage(d.Services().Usage()), nil
}
