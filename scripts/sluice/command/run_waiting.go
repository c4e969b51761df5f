package command

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/intake"
)

func runWaiting(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "waiting [MODEL]", Short: "Count the uploads that no run took yet, and say what they wait for", Args: between(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := s.connect(c.Context())
			if err != nil {
				return err
			}
			all, err := client.Intakes(c.Context(), args...)
			if err != nil {
				return err
			}
			return s.print(c, all, func(w io.Writer) {
				fmt.Fprintln(w, "MODEL\tUPLOADS\tCARRIED\tSINCE\tFOR")
				for _, m := range all {
					since := "-"
					if !m.Since.IsZero() {
						since = m.Since.UTC().Format(time.DateTime)
					}
					fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\n", m.Model, m.Uploads, m.Carried, since, waitsFor(m, contract.URI(client.Store, contract.ConfigKey(m.Model))))
				}
			})
		},
	}
}

// waitsFor says what has to happen for a model's uploads to be taken.
func waitsFor(m intake.Waiting, configuration string) string {
	switch {
	case !m.Configured && m.Uploads+m.Carried > 0:
		return "a configuration at " + configuration
	case m.Run != "" && m.Collecting:
		return "uploads to pause: run " + m.Run + " is collecting"
	case m.Run != "":
		return "the end of run " + m.Run
	case m.Uploads > 0:
		return "the next event about the model (sluice run start " + m.Model + ")"
	case m.Carried > 0:
		return "the next run: the last one broke"
	}
	return "nothing"
}
