package command

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

func rolloutQuarantine(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "quarantine MODEL", Short: "List the candidates that were rolled back", Args: exactly(1),
		Long: `List the candidates that were rolled back. The same model.tar.gz is not rolled out
again, by whatever run, until sluice rollout release lets it.`,
		RunE: func(c *cobra.Command, args []string) error {
			client, err := s.connect(c.Context())
			if err != nil {
				return err
			}
			list, err := client.Quarantined(c.Context(), args[0])
			if err != nil {
				return err
			}
			return s.print(c, list, func(w io.Writer) {
				fmt.Fprintln(w, "VERSION\tROLLED BACK\tRELEASED\tREASON")
				for _, q := range list {
					released := "no"
					if q.Released != nil {
						released = q.Released.Time.Format(time.RFC3339) + " by " + q.Released.By
					}
					fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", q.Version, q.Time.Format(time.RFC3339), released, q.Reason)
				}
			})
		},
	}
}

func rolloutRelease(s *settings) *cobra.Command {
	var why string
	c := &cobra.Command{
		Use: "release MODEL VERSION", Short: "Let a candidate that was rolled back be rolled out again", Args: exactly(2),
		RunE: func(c *cobra.Command, args []string) error {
			version, err := strconv.Atoi(args[1])
			if err != nil || version < 1 {
				return usageError{fmt.Errorf("version %q: want a number from 1", args[1])}
			}
			client, err := s.connect(c.Context())
			if err != nil {
				return err
			}
			q, before, err := client.ReleaseQuarantined(c.Context(), args[0], version, whoAndWhy(why))
			if err != nil {
				return err
			}
			return s.print(c, q, func(w io.Writer) {
				if before {
					fmt.Fprintf(w, "version %d of %s may be rolled out again already: released by %s on %s; nothing changed\n", q.Version, q.Model, q.Released.By, q.Released.Time.Format(time.RFC3339))
					return
				}
				fmt.Fprintf(w, "version %d of %s may be rolled out again; released by %s\n", q.Version, q.Model, q.Released.By)
			})
		},
	}
	c.Flags().StringVarP(&why, "reason", "m", "", "kept with the release")
	return c
}
