package command

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/xgboost"
)

func runReproduce(s *settings) *cobra.Command {
	var folder string
	c := &cobra.Command{
		Use: "reproduce RUN", Short: "Train a run's model again here and compare the bytes; exit 1 and name what differs", Args: exactly(1),
		Long: `Train a run's model again on this machine, as the trainer did: from the plan, the
configuration and the very versions of the objects that it names, with the same
seed and number of threads. Nothing is written to the deployment.

Exit 0 means that model.tar.gz is the same, byte by byte. Otherwise it says what
differs between the run's environment.json and this machine.`,
		RunE: func(c *cobra.Command, args []string) error {
			client, err := s.connect(c.Context())
			if err != nil {
				return err
			}
			library, err := openXGBoost(folder, c.Flags().Changed("library"))
			if err != nil {
				return err
			}
			r, err := client.Reproduce(c.Context(), args[0], library, c.ErrOrStderr())
			if err != nil {
				return err
			}
			err = s.print(c, r, func(w io.Writer) {
				fmt.Fprintf(w, "run\t%s\ntrained by\t%s\nthen\t%s\nhere\t%s\n\t%s\n", r.Run, r.TrainedBy, r.Digest, r.Here, r.Explain())
				for _, d := range r.Differences {
					fmt.Fprintf(w, "  %s\t%s → %s\n", d.What, d.Run, d.Here)
				}
			})
			if err == nil && !r.Same {
				err = fmt.Errorf("run %s is not reproduced: %s", r.Run, r.Explain())
			}
			return err
		},
	}
	c.Flags().StringVar(&folder, "library", ".sluice/cache/xgboost/lib", "folder of libxgboost.so (make xgboost), where "+xgboost.EnvLibrary+" names none")
	return c
}

// openXGBoost opens the library that the environment names, the one in a folder,
// or, where no folder was asked for, the system's.
func openXGBoost(folder string, asked bool) (*xgboost.Library, error) {
	const op, next = "open XGBoost's library", "make xgboost puts it into .sluice/cache/xgboost/lib"
	file := filepath.Join(folder, "libxgboost.so")
	if _, err := os.Stat(file); err == nil && os.Getenv(xgboost.EnvLibrary) == "" {
		return xgboost.OpenFile(file)
	} else if err != nil && asked {
		return nil, fault.New(fault.NotFound, op, "there is no libxgboost.so in %s", folder).WithHint(next)
	}
	library, err := xgboost.Open()
	if err != nil {
		return nil, fault.New(fault.NotFound, op, "%w", err).WithHint(next)
	}
	return library, nil
}
