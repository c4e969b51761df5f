package command

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/dataset"
)

func dataHold(s *settings) *cobra.Command {
	list := &cobra.Command{
		Use: "list MODEL", Short: "List the legal holds, released ones too", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			_, repository, err := s.openExisting(c, args)
			if err != nil {
				return err
			}
			holds, err := repository.Holds(c.Context())
			if err != nil {
				return err
			}
			return s.print(c, holds, func(w io.Writer) {
				fmt.Fprintln(w, "TAG\tCOMMIT\tSTATE\tSINCE\tBY\tOBJECTS\tBYTES")
				for _, h := range holds {
					fmt.Fprintf(w, "%s\t%.12s\t%s\t%s\t%s\t%d\t%d\n", h.Tag, h.Commit, h.State, h.Changed.Format(time.RFC3339), h.By, h.Objects, h.Bytes)
				}
			})
		},
	}
	place := holdCommand(s, "place MODEL TAG", "Put a legal hold on every object version of a tag; go on where it stopped", func(c *cobra.Command, args []string, by string) error {
		client, repository, err := s.open(c, args)
		if err != nil {
			return err
		}
		if _, err := repository.Resolve(c.Context(), args[1]); err != nil {
			return err // before the bucket is asked: the arguments may be in the wrong order
		}
		return s.place(c, client, repository, args[1], by)
	})
	release := holdCommand(s, "release MODEL TAG", "Take a tag's legal hold off what no other hold keeps; go on where it stopped", func(c *cobra.Command, args []string, by string) error {
		client, repository, err := s.open(c, args)
		if err != nil {
			return err
		}
		done, err := client.SharedLake().ReleaseHold(c.Context(), repository, client.Locks, args[1], by, time.Now())
		if err != nil {
			return err
		}
		return s.print(c, done, func(w io.Writer) {
			fmt.Fprintf(w, "released the hold on tag %s: %d object versions freed, %d were free, %d stay under another hold\n", args[1], done.Done, done.Found, done.Shared)
		})
	})
	c := group("hold", "Legal holds on tagged releases", list, place, release)
	c.Long = `A legal hold lets S3 keep every object version that a tag pins, whoever would
delete one: a person, a lifecycle rule, gc. It needs Object Lock on the lake's
bucket. The tag's commit is kept as well, even when the tag is deleted.`
	return c
}

func holdCommand(s *settings, use, short string, act func(c *cobra.Command, args []string, by string) error) *cobra.Command {
	var by string
	c := &cobra.Command{Use: use, Short: short, Args: exactly(2), RunE: func(c *cobra.Command, args []string) error { return act(c, args, by) }}
	c.Flags().StringVar(&by, "by", whoami(), "who does it")
	return c
}

func (s *settings) place(c *cobra.Command, client *operator.Client, repository *dataset.Repository, tag, by string) error {
	done, err := client.SharedLake().PlaceHold(c.Context(), repository, client.Locks, tag, by, time.Now())
	if err != nil {
		return err
	}
	return s.print(c, done, func(w io.Writer) {
		fmt.Fprintf(w, "tag %s names %s and is under a legal hold: %d object versions, %d put under it now, %d were\n", tag, done.Commit, done.Objects, done.Done, done.Found)
	})
}
