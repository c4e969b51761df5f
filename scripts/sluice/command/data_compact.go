package command

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/shared/dataset"
)

func dataCompact(s *settings) *cobra.Command {
	var note about
	var dry bool
	c := &cobra.Command{
		Use: "compact MODEL BRANCH", Short: "Put a branch's changeset segments into its tree, in a commit that changes nothing", Args: exactly(2),
		Long: `Put the changeset segments that lie over a branch's tree into the tree, in a new
commit of the same objects. Commits compact as they go, so this is for two purposes:
to compare versions by the root of their trees, which then depends on the objects
alone; and for readers that do not know segments. It may rewrite the whole tree.
Somebody else's commit meanwhile is not lost: the work is redone on it. A branch
without segments is left alone. With --dry-run it only tells what it would write.`,
		RunE: func(c *cobra.Command, args []string) error {
			_, repository, err := s.open(c, args)
			if err != nil {
				return err
			}
			if dry {
				plan, err := repository.PlanCompaction(c.Context(), args[1])
				if err != nil {
					return err
				}
				return s.print(c, plan, func(w io.Writer) { printCompaction(w, args[1], plan) })
			}
			q := dataset.CompactRequest{Branch: args[1], Message: note.message, Author: note.author, Time: time.Now()}
			if q.Metadata, err = note.metadata(); err != nil {
				return err
			}
			m, err := repository.Compact(c.Context(), q)
			if err != nil {
				return err
			}
			if !m.Moved && !s.json {
				fmt.Fprintf(c.OutOrStdout(), "nothing to compact: branch %s has no segments\n", args[1])
				return nil
			}
			return s.made(c, args[1], m)
		},
	}
	c.Flags().BoolVar(&dry, "dry-run", false, "only tell what it would write")
	note.flags(c)
	return c
}

func printCompaction(w io.Writer, branch string, plan dataset.Compaction) {
	if plan.Segments == 0 {
		fmt.Fprintf(w, "nothing to compact: branch %s has no segments\n", branch)
		return
	}
	fmt.Fprintf(w, "segments\t%d, of %d changes, over a dataset of %d objects\nwould write\t%d objects, %d bytes, a commit and the branch\n",
		plan.Segments, plan.Changes, plan.Objects, plan.Writes, plan.Bytes)
}
