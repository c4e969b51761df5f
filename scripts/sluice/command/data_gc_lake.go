package command

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
)

// lakeDisposal is what gc does with the lake's objects.
type lakeDisposal struct {
	on, allowed   bool
	prefix        string
	allow, forbid string
}

func (l *lakeDisposal) flags(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&l.on, "lake", false, "collect the lake's objects instead of commits")
	f.StringVar(&l.prefix, "prefix", "", "with --lake: only below this (default: raw/MODEL/)")
	f.StringVar(&l.allow, "allow", "", "with --lake: let collections delete below this prefix")
	f.StringVar(&l.forbid, "forbid", "", "with --lake: take --allow back")
	f.BoolVar(&l.allowed, "allowed", false, "with --lake: list where collections may delete")
}

func (l *lakeDisposal) given() bool { return l.allowed || l.prefix+l.allow+l.forbid != "" }

func (d *disposal) collectLake(c *cobra.Command, s *settings, client *operator.Client, model string) error {
	if err := setPrefix(c, d.lake.prefix); err != nil {
		return err
	}
	lake := client.SharedLake()
	if d.lake.allow != "" || d.lake.forbid != "" || d.lake.allowed {
		return d.permit(c, s, lake)
	}
	if d.cancel {
		if err := lake.Cancel(c.Context()); err != nil {
			return err
		}
		return s.print(c, struct{}{}, func(w io.Writer) { fmt.Fprintln(w, "no collection of the lake is planned any more") })
	}
	if len(d.pins) > 0 {
		return usageError{errors.New("--pin does not go with --lake: every stored commit counts")}
	}
	waiting, err := client.WaitingUploads(c.Context(), d.runs)
	if err != nil {
		return err
	}
	q := dataset.LakeRequest{Now: time.Now(), Grace: d.grace, Keep: waiting}
	prefix := d.lake.prefix
	if prefix == "" {
		prefix = contract.RawPrefix(model)
	}
	var found dataset.LakeCollection
	switch {
	case d.plan:
		found, err = lake.Plan(c.Context(), client.LakeSweeper(), prefix, q)
	case d.apply:
		found, err = lake.Collect(c.Context(), client.LakeSweeper(), q)
	default:
		found, err = lake.Survey(c.Context(), client.LakeSweeper(), prefix, q)
	}
	if err != nil {
		return err
	}
	return s.print(c, found, func(w io.Writer) { d.reportLake(w, found) })
}

func (d *disposal) permit(c *cobra.Command, s *settings, lake *dataset.Lake) error {
	if d.lake.allow != "" {
		if err := lake.Allow(c.Context(), d.lake.allow); err != nil {
			return err
		}
	}
	if d.lake.forbid != "" {
		if err := lake.Forbid(c.Context(), d.lake.forbid); err != nil {
			return err
		}
	}
	allowed, err := lake.Allowed(c.Context())
	if err != nil {
		return err
	}
	return s.print(c, allowed, func(w io.Writer) {
		fmt.Fprintf(w, "collections may delete below %d prefix(es) of the lake\n", len(allowed))
		for _, uri := range allowed {
			fmt.Fprintln(w, uri)
		}
	})
}

func (d *disposal) reportLake(w io.Writer, found dataset.LakeCollection) {
	for _, v := range found.Garbage {
		fmt.Fprintf(w, "%s\t%s\t%d bytes\t%s\n", shown(v.Key), v.VersionID, v.Size, v.Stored.UTC().Format(time.RFC3339))
	}
	for _, v := range found.Held {
		fmt.Fprintf(w, "%s\t%s\tkept: a legal hold or a retention is on it\n", shown(v.Key), v.VersionID)
	}
	fate := "could be deleted"
	switch {
	case d.apply:
		fate = "deleted"
	case d.plan && found.Plan != "":
		fate = "to be deleted from " + found.Published.Add(d.grace).Format(time.RFC3339) + " on, by --lake --apply"
	}
	fmt.Fprintf(w, "%d object versions, %d bytes, %s; ", len(found.Garbage), found.Bytes, fate)
	if d.apply {
		fmt.Fprintf(w, "%d spared, which are pinned or current by now, %d held\n", found.Spared, len(found.Held))
		return
	}
	fmt.Fprintf(w, "%d pinned, %d current and %d young ones stay\n", found.Pinned, found.Current, found.Young)
}
