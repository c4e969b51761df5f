package command

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/shared/dataset"
)

func dataBranch(s *settings) *cobra.Command {
	list := &cobra.Command{
		Use: "list MODEL", Short: "List the branches", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			_, repository, err := s.openExisting(c, args)
			if err != nil {
				return err
			}
			branches, err := repository.BranchList(c.Context())
			if err != nil {
				return err
			}
			return s.print(c, branches, func(w io.Writer) {
				fmt.Fprintln(w, "BRANCH\tCOMMIT\tPROTECTED\tEXPIRES")
				for _, b := range branches {
					expires := "never"
					if b.Expires != nil {
						expires = b.Expires.Format(time.RFC3339)
					}
					fmt.Fprintf(w, "%s\t%.12s\t%t\t%s\n", b.Name, b.Commit, b.Protected, expires)
				}
			})
		},
	}
	remove := &cobra.Command{
		Use: "delete MODEL BRANCH", Short: "Delete a branch; its commits stay", Args: exactly(2),
		RunE: func(c *cobra.Command, args []string) error {
			_, repository, err := s.open(c, args)
			if err != nil {
				return err
			}
			at, err := repository.DeleteBranch(c.Context(), args[1], time.Now())
			if err != nil {
				return err
			}
			return s.print(c, named{args[1], at}, func(w io.Writer) {
				fmt.Fprintf(w, "deleted branch %s, which was at %s\n", args[1], at)
			})
		},
	}
	return group("branch", "List, create, protect and delete branches", list, branchCreate(s), remove, branchProtect(s), branchExpire(s))
}

// named is a ref and its commit.
type named struct {
	Name   string `json:"name"`
	Commit string `json:"commit"`
}

func branchCreate(s *settings) *cobra.Command {
	var ttl time.Duration
	var options dataset.BranchOptions
	c := &cobra.Command{
		Use: "create MODEL BRANCH [REF]", Short: "Create a branch", Long: addresses, Args: between(2, 3),
		RunE: func(c *cobra.Command, args []string) error {
			if ttl < 0 {
				return usageError{fmt.Errorf("--ttl %s: want a time above 0", ttl)}
			}
			_, repository, err := s.open(c, args)
			if err != nil {
				return err
			}
			if ttl > 0 {
				at := time.Now().Add(ttl).UTC()
				options.Expires = &at
			}
			commit, err := repository.CreateBranch(c.Context(), args[1], refOf(args[1:]), options)
			if err != nil {
				return err
			}
			return s.print(c, named{args[1], commit.ID}, func(w io.Writer) { fmt.Fprintf(w, "branch %s is at %s\n", args[1], commit.ID) })
		},
	}
	c.Flags().DurationVar(&ttl, "ttl", 0, "how long the branch lives, e.g. 72h, until: sluice data branch expire")
	c.Flags().BoolVar(&options.Protected, "protected", false, "it moves by merges and fast-forwards only")
	return c
}

func branchProtect(s *settings) *cobra.Command {
	var off bool
	c := &cobra.Command{
		Use: "protect MODEL BRANCH", Short: "Let a branch move by merges and fast-forwards only", Args: exactly(2),
		RunE: func(c *cobra.Command, args []string) error {
			_, repository, err := s.open(c, args)
			if err != nil {
				return err
			}
			if err := repository.Protect(c.Context(), args[1], !off); err != nil {
				return err
			}
			view := struct {
				Name      string `json:"name"`
				Protected bool   `json:"protected"`
			}{args[1], !off}
			return s.print(c, view, func(w io.Writer) { fmt.Fprintf(w, "branch %s protected: %t\n", args[1], !off) })
		},
	}
	c.Flags().BoolVar(&off, "off", false, "lift the protection")
	return c
}

func branchExpire(s *settings) *cobra.Command {
	return &cobra.Command{
		Use: "expire MODEL", Short: "Delete the branches whose time to live is over", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			_, repository, err := s.openExisting(c, args)
			if err != nil {
				return err
			}
			gone, err := repository.Expire(c.Context(), time.Now())
			if err != nil {
				return err
			}
			return s.print(c, gone, func(w io.Writer) {
				fmt.Fprintf(w, "%d branch(es) deleted\n", len(gone))
				for _, name := range gone {
					fmt.Fprintln(w, name)
				}
			})
		},
	}
}

func dataTag(s *settings) *cobra.Command {
	list := &cobra.Command{
		Use: "list MODEL", Short: "List the tags", Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			_, repository, err := s.openExisting(c, args)
			if err != nil {
				return err
			}
			tags, err := repository.TagList(c.Context())
			if err != nil {
				return err
			}
			return s.print(c, tags, func(w io.Writer) {
				fmt.Fprintln(w, "TAG\tCOMMIT")
				for _, t := range tags {
					fmt.Fprintf(w, "%s\t%.12s\n", t.Name, t.Commit)
				}
			})
		},
	}
	remove := &cobra.Command{
		Use: "delete MODEL TAG", Short: "Delete a tag; its name stays bound to its commit", Args: exactly(2),
		RunE: func(c *cobra.Command, args []string) error {
			_, repository, err := s.open(c, args)
			if err != nil {
				return err
			}
			if err := repository.DeleteTag(c.Context(), args[1], time.Now()); err != nil {
				return err
			}
			return s.print(c, named{Name: args[1]}, func(w io.Writer) { fmt.Fprintf(w, "deleted tag %s\n", args[1]) })
		},
	}
	return group("tag", "List, create and delete tags", list, tagCreate(s), remove)
}

func tagCreate(s *settings) *cobra.Command {
	var hold bool
	var by string
	c := &cobra.Command{
		Use: "create MODEL TAG [REF]", Short: "Give a commit a name for good", Long: addresses, Args: between(2, 3),
		RunE: func(c *cobra.Command, args []string) error {
			client, repository, err := s.open(c, args)
			if err != nil {
				return err
			}
			if hold { // before the tag: a bucket that cannot hold leaves no tag behind
				if err := client.Locks.Able(c.Context()); err != nil {
					return err
				}
			}
			commit, err := repository.Tag(c.Context(), args[1], refOf(args[1:]))
			if err != nil {
				return err
			}
			if hold {
				return s.place(c, client, repository, args[1], by)
			}
			return s.print(c, named{args[1], commit.ID}, func(w io.Writer) { fmt.Fprintf(w, "tag %s names %s\n", args[1], commit.ID) })
		},
	}
	c.Flags().BoolVar(&hold, "legal-hold", false, "let S3 keep every object version of it until the hold is released")
	c.Flags().StringVar(&by, "by", whoami(), "who puts the hold on it")
	return c
}
