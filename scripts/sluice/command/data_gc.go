package command

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/dataset"
)

// disposal says which act of a collection to do.
type disposal struct {
	plan, apply, cancel bool
	runs                bool
	grace               time.Duration
	pins                []string
	lake                lakeDisposal
}

func dataGC(s *settings) *cobra.Command {
	var d disposal
	c := &cobra.Command{
		Use: "gc MODEL", Short: "Find and delete what no ref leads to", Args: exactly(1),
		Long: `Find and delete the commits and tree nodes that no ref leads to: those of
branches deleted longer than --grace ago, and those of writers that died.

Without a flag it only tells. --plan publishes what it found; --apply, at least
--grace later, looks again and deletes what is still not used, by key and
VersionId. It may be cut off and run again. What branches, tags, --pin,
legal holds and runs under way stand on is kept.

With --lake it is about the lake's objects below raw/MODEL/ (or --prefix) instead:
the versions that are not their keys' latest and that no stored commit of any
dataset pins. Nothing of the lake is deleted unless --lake --allow PREFIX said once
that it may be. Uploads that wait for a run and versions under a legal hold stay.`,
		RunE: func(c *cobra.Command, args []string) error {
			if (d.plan && d.apply) || (d.plan && d.cancel) || (d.apply && d.cancel) {
				return usageError{errors.New("want at most one of --plan, --apply and --cancel")}
			}
			if d.grace < dataset.LeastGrace {
				return usageError{fmt.Errorf("--grace %s: want at least %s", d.grace, dataset.LeastGrace)}
			}
			client, repository, err := s.openExisting(c, args)
			if err != nil {
				return err
			}
			if d.lake.on {
				return d.collectLake(c, s, client, args[0])
			}
			if d.lake.given() {
				return usageError{errors.New("--prefix, --allow, --forbid and --allowed go with --lake")}
			}
			if d.cancel {
				if err := repository.CancelCollection(c.Context()); err != nil {
					return err
				}
				return s.print(c, struct{}{}, func(w io.Writer) { fmt.Fprintln(w, "no collection is planned any more") })
			}
			found, err := d.act(c, client, repository, args[0])
			if err != nil {
				return err
			}
			return s.print(c, found, func(w io.Writer) { d.report(w, found) })
		},
	}
	f := c.Flags()
	f.BoolVar(&d.plan, "plan", false, "publish what is to be deleted")
	f.BoolVar(&d.apply, "apply", false, "delete what the plan lists and nothing uses")
	f.BoolVar(&d.cancel, "cancel", false, "take the plan back")
	d.grace = 7 * 24 * time.Hour
	f.Var((*days)(&d.grace), "grace", "how old garbage must be, and a plan before --apply, e.g. 7d or 36h; at least 1h")
	f.StringArrayVar(&d.pins, "pin", nil, "a REF to keep beside; repeat")
	f.BoolVar(&d.runs, "runs", true, "keep what runs under way learn from")
	d.lake.flags(c)
	return c
}

func (d *disposal) act(c *cobra.Command, client *operator.Client, repository *dataset.Repository, model string) (dataset.Collection, error) {
	q := dataset.CollectRequest{Now: time.Now(), Grace: d.grace}
	for _, pin := range d.pins {
		commit, err := repository.Resolve(c.Context(), pin)
		if err != nil {
			return dataset.Collection{}, err
		}
		q.Pins = append(q.Pins, commit.ID)
	}
	if d.runs {
		running, err := client.RunningCommits(c.Context(), model)
		if err != nil {
			return dataset.Collection{}, err
		}
		q.Pins = append(q.Pins, running...)
	}
	switch {
	case d.plan:
		return repository.PlanCollection(c.Context(), client.Sweeper(model), q)
	case d.apply:
		return repository.Collect(c.Context(), client.Sweeper(model), q)
	}
	return repository.Survey(c.Context(), client.Sweeper(model), q)
}

func (d *disposal) report(w io.Writer, found dataset.Collection) {
	for _, v := range found.Garbage {
		fmt.Fprintf(w, "%s\t%s\t%d bytes\t%s\n", shown(v.Key), v.VersionID, v.Size, v.Stored.UTC().Format(time.RFC3339))
	}
	fate := "could be deleted"
	switch {
	case d.apply:
		fate = "deleted"
	case d.plan && found.Plan != "":
		fate = "to be deleted from " + found.Published.Add(d.grace).Format(time.RFC3339) + " on, by --apply"
	}
	fmt.Fprintf(w, "%d object versions, %d bytes, %s; %d kept", len(found.Garbage), found.Bytes, fate, found.Kept)
	if found.Spared > 0 {
		fmt.Fprintf(w, "; %d spared, which are used again", found.Spared)
	}
	fmt.Fprintln(w)
}
