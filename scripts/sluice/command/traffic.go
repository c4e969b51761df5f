package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/scripts/sluice/story"
)

func trafficCommand(s *settings) *cobra.Command {
	var r story.Rows
	var limit time.Duration
	c := &cobra.Command{
		Use: "traffic MODEL FILE.csv.gz", Short: "Replay labelled rows against a model's endpoint, for drills", Args: exactly(2),
		Long: `Replay the rows of a gzipped CSV file against a model's endpoint, over and over,
and upload each answered row's label some seconds later: what a canary needs to be
judged by. Every five seconds it prints what each slot served. It ends after --for,
or with Ctrl-C.`,
		RunE: func(c *cobra.Command, args []string) error {
			r.Model, r.File = args[0], args[1]
			switch {
			case r.Target == "" || r.Positive == "":
				return usageError{errors.New("name the truth: --target COLUMN --positive VALUE, as in train.yaml")}
			case r.Rate < 1 || r.Rate > 1000:
				return usageError{fmt.Errorf("--rate %d: want 1 to 1000 requests a second", r.Rate)}
			}
			client, err := s.connect(c.Context())
			if err != nil {
				return err
			}
			ctx := c.Context()
			if limit > 0 {
				timed, cancel := context.WithTimeout(ctx, limit)
				defer cancel()
				ctx = timed
			}
			return story.Replay(ctx, client, r, func(served map[string]story.Served, last error) {
				printServed(c, s, served, last)
			})
		},
	}
	c.Flags().StringVar(&r.Target, "target", "", "the column with the truth")
	c.Flags().StringVar(&r.Positive, "positive", "", "its positive value")
	c.Flags().IntVar(&r.Rate, "rate", 20, "requests a second")
	c.Flags().DurationVar(&limit, "for", 0, "how long (default: until Ctrl-C)")
	return c
}

// printServed prints the counts so far: a line of text, or of JSON.
func printServed(c *cobra.Command, s *settings, served map[string]story.Served, last error) {
	if s.json {
		_ = json.NewEncoder(c.OutOrStdout()).Encode(served)
		return
	}
	for _, slot := range slices.Sorted(maps.Keys(served)) {
		name := "slot " + slot
		if slot == "" {
			name = "the endpoint itself"
		}
		fmt.Fprintf(c.OutOrStdout(), "%s: %d requests, %d failed  ", name, served[slot].Requests, served[slot].Failed)
	}
	if last != nil {
		fmt.Fprintf(c.OutOrStdout(), "(last error: %v)", last)
	}
	fmt.Fprintln(c.OutOrStdout())
}
