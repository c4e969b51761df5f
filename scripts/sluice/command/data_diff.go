package command

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/shared/dataset"
)

func dataDiff(s *settings) *cobra.Command {
	var prefix string
	var summary, plain bool
	c := &cobra.Command{
		Use: "diff MODEL FROM TO", Short: "List what changed from one version to another", Long: addresses, Args: exactly(3),
		RunE: func(c *cobra.Command, args []string) error {
			_, repository, err := s.open(c, args)
			if err != nil {
				return err
			}
			if err := needPrefix(c, repository, "diff "+args[1]+" "+args[2], prefix, args[1], args[2]); err != nil {
				return err
			}
			changes := []dataset.Change{}
			for change, err := range repository.DiffEach(c.Context(), args[1], args[2], prefix) {
				if err != nil {
					return err
				}
				changes = append(changes, change)
			}
			if !plain {
				changes = dataset.Renames(changes)
			}
			var stats dataset.DiffStats
			for _, change := range changes {
				stats.Add(change)
			}
			if summary {
				changes = nil
			}
			view := struct {
				dataset.DiffStats
				Changes []dataset.Change `json:"changes,omitempty"`
			}{stats, changes}
			return s.print(c, view, func(w io.Writer) { printDiff(w, stats, changes) })
		},
	}
	c.Flags().StringVar(&prefix, "prefix", "", "only keys that start with this")
	c.Flags().BoolVar(&summary, "summary", false, "only the numbers")
	c.Flags().BoolVar(&plain, "no-renames", false, "show a renamed object as removed and added")
	return c
}

func printDiff(w io.Writer, stats dataset.DiffStats, changes []dataset.Change) {
	for _, c := range changes {
		switch {
		case c.RenamedFrom != "":
			fmt.Fprintf(w, "renamed\t%s\tfrom %s\n", shown(c.Key), shown(c.RenamedFrom))
		case c.Old == nil:
			fmt.Fprintf(w, "added\t%s\t%d bytes\n", shown(c.Key), c.New.Size)
		case c.New == nil:
			fmt.Fprintf(w, "removed\t%s\t%d bytes\n", shown(c.Key), c.Old.Size)
		default:
			fmt.Fprintf(w, "changed\t%s\t%d to %d bytes\n", shown(c.Key), c.Old.Size, c.New.Size)
		}
	}
	fmt.Fprintf(w, "%d added, %d changed, %d removed, %d renamed; %+d bytes\n", stats.Added, stats.Changed, stats.Removed, stats.Renamed, stats.Bytes)
}

func dataCheckout(s *settings) *cobra.Command {
	var q dataset.CheckoutRequest
	c := &cobra.Command{
		Use: "checkout MODEL REF FOLDER", Short: "Download a version's objects to a folder, verified; go on where it stopped",
		Long: `Download a version's objects to a folder. A file appears under its name when it is
whole and verified. A checkout that was cut off goes on where it stopped when it is
run again; one of another version fetches only what differs, and removes what that
does not hold.

` + addresses, Args: exactly(3),
		RunE: func(c *cobra.Command, args []string) error {
			client, repository, err := s.open(c, args)
			if err != nil {
				return err
			}
			q.Ref, q.Folder = args[1], args[2]
			start := time.Now()
			done, err := repository.Checkout(c.Context(), client.LakeContent(), q)
			if err != nil {
				return cutOff(c, err, "%d of %d files are in %s, verified, and %d are left; run the same command again to fetch those", done.Kept+done.Fetched, done.Files, q.Folder, done.Files-done.Kept-done.Fetched)
			}
			return s.print(c, done, func(w io.Writer) {
				fmt.Fprintf(w, "commit %.12s: %d files, %d bytes in %s\n%d fetched (%d verified by checksum, %d by size), %d kept, %d removed, in %s\n",
					done.Commit, done.Files, done.Bytes, q.Folder, done.Fetched, done.BySum, done.BySize, done.Kept, done.Removed,
					time.Since(start).Round(time.Millisecond))
			})
		},
	}
	c.Flags().StringVar(&q.Prefix, "prefix", "", "only keys that start with this; up to its last / it is left off the names")
	c.Flags().BoolVar(&q.Force, "force", false, "replace files that differ and that no checkout made")
	c.Flags().BoolVar(&q.Verify, "verify", false, "read files of an earlier checkout again")
	return c
}
