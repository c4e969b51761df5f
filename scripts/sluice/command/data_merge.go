package command

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/dataset"
)

const resolving = `A key that both sides changed is a conflict. --resolve GLOB=CHOICE decides the
conflicts of the keys that GLOB matches; the first that matches counts. In GLOB,
* is anything but "/", ** is anything, ? is one character. CHOICE is ours (the
branch's), theirs, newest (whose commit changed the key last) or fail.`

// bringing is the flag of commands that bring object versions back to a branch.
type bringing struct{ despite bool }

func (x *bringing) flags(c *cobra.Command) {
	c.Flags().BoolVar(&x.despite, "despite-gone", false, "do not look whether the object versions that the branch would gain are still in the lake")
}

// lake is what is asked for them.
func (x *bringing) lake(c *cobra.Command, client *operator.Client) dataset.Source {
	if x.despite {
		return nil
	}
	return &looking{Source: client.LakeSource(), tell: c.ErrOrStderr(), now: time.Now, last: time.Now()}
}

// looking is a lake that tells now and then how many versions were looked at.
type looking struct {
	dataset.Source
	tell io.Writer
	now  func() time.Time
	mu   sync.Mutex
	last time.Time
	done int
}

// Stat implements dataset.Source.
func (l *looking) Stat(ctx context.Context, key, versionID string) (dataset.Entry, error) {
	e, err := l.Source.Stat(ctx, key, versionID)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done++
	if now := l.now(); now.Sub(l.last) >= every {
		l.last = now
		fmt.Fprintf(l.tell, "looked whether %d object versions are still there\n", l.done)
	}
	return e, err
}

const bringsBack = `It looks whether the object versions that the branch gains by it are still in the
lake, and moves nothing when some are gone (a lifecycle rule may have deleted them);
--despite-gone does not look.`

// mergedView has no commit when conflicts stopped it.
type mergedView struct {
	Commit    *commitView        `json:"commit,omitempty"`
	Moved     bool               `json:"moved"`
	Forward   bool               `json:"fast_forward"`
	Resolved  []dataset.Conflict `json:"resolved"`
	Conflicts []dataset.Conflict `json:"conflicts"`
}

// conclude prints what came of a merge; of conflicts too, with --json, before
// their error ends the command.
func (s *settings) conclude(c *cobra.Command, m dataset.Merged, err error) error {
	if err != nil {
		if conflicts := dataset.AsConflicts(err); conflicts != nil {
			_ = s.print(c, mergedView{Resolved: []dataset.Conflict{}, Conflicts: conflicts}, func(w io.Writer) { printConflicts(w, conflicts) })
		}
		return err
	}
	head := viewOf(m.Commit)
	view := mergedView{&head, m.Moved, m.Forward, append([]dataset.Conflict{}, m.Resolved...), []dataset.Conflict{}}
	return s.print(c, view, func(w io.Writer) {
		switch {
		case !m.Moved:
			fmt.Fprintln(w, "nothing to do: the branch holds it all already")
		case m.Forward:
			fmt.Fprintln(w, "fast-forward")
		}
		printCommit(w, head)
		if len(m.Resolved) > 0 {
			fmt.Fprintln(w)
			printConflicts(w, m.Resolved)
		}
	})
}

func printConflicts(w io.Writer, conflicts []dataset.Conflict) {
	fmt.Fprintln(w, "CONFLICT\tBASE\tOURS\tTHEIRS\tTAKEN")
	for _, c := range conflicts {
		taken := string(c.Choice)
		if c.Choice == dataset.Refuse {
			taken = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", shown(c.Key), versionOf(c.Base), versionOf(c.Ours), versionOf(c.Theirs), taken)
	}
}

func versionOf(e *dataset.Entry) string {
	if e == nil {
		return "absent"
	}
	return e.VersionID
}

func parseRules(texts []string) ([]dataset.Rule, error) {
	var rules []dataset.Rule
	for _, text := range texts {
		rule, err := dataset.ParseRule(text)
		if err != nil {
			return nil, usageError{fmt.Errorf("--resolve: %w", err)}
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

func dataMerge(s *settings) *cobra.Command {
	var rules []string
	var note about
	var always bool
	var back bringing
	c := &cobra.Command{
		Use: "merge MODEL BRANCH REF", Short: "Bring the changes of REF into BRANCH", Long: resolving + "\n\n" + bringsBack + "\n\n" + addresses, Args: exactly(3),
		RunE: func(c *cobra.Command, args []string) error {
			client, repository, err := s.open(c, args)
			if err != nil {
				return err
			}
			q := dataset.MergeRequest{Branch: args[1], From: args[2], Commit: always, Lake: back.lake(c, client), Message: note.message, Author: note.author, Time: time.Now()}
			if q.Rules, err = parseRules(rules); err != nil {
				return err
			}
			if q.Metadata, err = note.metadata(); err != nil {
				return err
			}
			m, err := repository.Merge(c.Context(), q)
			return s.conclude(c, m, err)
		},
	}
	c.Flags().StringArrayVar(&rules, "resolve", nil, "GLOB=ours|theirs|newest|fail; repeat")
	c.Flags().BoolVar(&always, "no-ff", false, "make a commit even where a fast-forward would do")
	back.flags(c)
	note.flags(c)
	return c
}

func dataPick(s *settings, verb, short string, act func(*dataset.Repository, context.Context, dataset.PickRequest) (dataset.Merged, error)) *cobra.Command {
	var rules []string
	var note about
	var back bringing
	c := &cobra.Command{
		Use: verb + " MODEL BRANCH REF", Short: short, Long: short + ".\n\n" + resolving + "\n\n" + bringsBack + "\n\n" + addresses, Args: exactly(3),
		RunE: func(c *cobra.Command, args []string) error {
			client, repository, err := s.open(c, args)
			if err != nil {
				return err
			}
			q := dataset.PickRequest{Branch: args[1], Commit: args[2], Lake: back.lake(c, client), Message: note.message, Author: note.author, Time: time.Now()}
			if q.Rules, err = parseRules(rules); err != nil {
				return err
			}
			if q.Metadata, err = note.metadata(); err != nil {
				return err
			}
			m, err := act(repository, c.Context(), q)
			return s.conclude(c, m, err)
		},
	}
	c.Flags().StringArrayVar(&rules, "resolve", nil, "GLOB=ours|theirs|newest|fail; repeat")
	back.flags(c)
	note.flags(c)
	return c
}

func dataRestore(s *settings) *cobra.Command {
	var note about
	var prefix string
	var back bringing
	c := &cobra.Command{
		Use: "restore MODEL BRANCH REF", Short: "Make BRANCH equal to REF, in a new commit", Long: "Make BRANCH equal to REF, in a new commit.\n" + bringsBack + "\n\n" + addresses, Args: exactly(3),
		RunE: func(c *cobra.Command, args []string) error {
			client, repository, err := s.open(c, args)
			if err != nil {
				return err
			}
			metadata, err := note.metadata()
			if err != nil {
				return err
			}
			if err := needPrefix(c, repository, "restore "+args[2], prefix, args[1], args[2]); err != nil {
				return err
			}
			made, err := repository.Restore(c.Context(), dataset.RestoreRequest{Branch: args[1], From: args[2], Prefix: prefix, Lake: back.lake(c, client),
				Message: note.message, Author: note.author, Time: time.Now(), Metadata: metadata})
			if err != nil {
				return err
			}
			return s.made(c, args[1], made)
		},
	}
	c.Flags().StringVar(&prefix, "prefix", "", "only keys that start with this")
	back.flags(c)
	note.flags(c)
	return c
}
