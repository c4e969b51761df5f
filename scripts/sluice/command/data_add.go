package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/upload"
)

// addedView is what an add did.
type addedView struct {
	upload.Result
	Moved  bool        `json:"moved"`            // false: there was nothing to commit
	Commit *commitView `json:"commit,omitempty"` // none of a dry run
}

func dataAdd(s *settings) *cobra.Command {
	var note about
	var prefix, base string
	var keep, dry, verify, despite bool
	c := &cobra.Command{
		Use: "add MODEL BRANCH FOLDER", Short: "Upload a folder's new and changed files to the lake and commit them",
		Long: `Upload a folder's new and changed files to the lake and commit them: the branch
then holds, below the prefix, what the folder holds. Files whose size and time a
journal in the folder (` + upload.JournalName + `) knows are not read, but with
--verify (a content may change under its size and time); others are
compared by checksum. With --dry-run it only tells what would change: it reads
files of unknown time, and uploads and commits nothing.

The upload is of a folder's files as they are: a file that is written meanwhile
is an error. What was uploaded before an error, or before Ctrl-C, is not uploaded
again. Empty files are objects like others.`,
		Example: "  sluice data add adult main ./train --prefix raw/adult/train/ -m 'november'",
		Args:    exactly(3),
		RunE: func(c *cobra.Command, args []string) error {
			client, repository, err := s.open(c, args)
			if err != nil {
				return err
			}
			if prefix == "" && c.Flags().Changed("prefix") {
				return setPrefix(c, prefix)
			}
			if prefix == "" {
				prefix = contract.RawPrefix(args[0])
			}
			if !strings.HasSuffix(prefix, "/") {
				return usageError{fmt.Errorf(`--prefix %q: want one that ends in "/"`, prefix)}
			}
			if err := dataset.CheckKey(prefix + "file"); err != nil {
				return usageError{fmt.Errorf("--prefix %q: %w", prefix, err)}
			}
			if info, err := os.Stat(args[2]); err == nil && !info.IsDir() {
				return usageError{fmt.Errorf("%s is a file: name the folder that holds it, or upload it with aws s3 cp and commit it with sluice data commit %s %s --object KEY", args[2], args[0], args[1])}
			}
			if err := notLaidOut(args[2], prefix); err != nil {
				return err
			}
			metadata, err := note.metadata()
			if err != nil {
				return err
			}
			if err := existingBase(c, repository, args[1], base); err != nil {
				return err
			}
			held, err := heldBy(c, repository, args[1], base, prefix)
			if err != nil {
				return err
			}
			result, err := upload.Run(c.Context(), client.LakeSink(), upload.Request{Folder: args[2], Prefix: prefix, Held: held, Keep: keep, DryRun: dry, Verify: verify, Now: time.Now,
				Parallel: func(what string, count int, do func(context.Context, int) error) error {
					return s.parallel(c, what, count, do)
				}})
			if err != nil {
				return cutOff(c, err, "%d of %d files were compared, and %d uploaded; nothing was committed; run the same command again: it uploads none of those twice",
					result.Unchanged+result.Added+result.Changed, result.Files, result.Uploaded)
			}
			view := addedView{Result: result}
			if !dry {
				if !despite {
					if err := safeFromRules(c, client, result.Changes.Puts); err != nil {
						return err
					}
				}
				made, err := repository.CommitMoved(c.Context(), dataset.Request{Branch: args[1], Base: base, Changes: result.Changes, KeepSame: true, Message: note.message,
					Author: note.author, Time: time.Now(), Metadata: metadata})
				if err != nil {
					return cutOff(c, err, "all %d files are in the lake, and branch %s did not move, or has just moved; run the same command again: it commits once", result.Files, args[1])
				}
				head := viewOf(made.Commit)
				view.Commit, view.Moved = &head, made.Moved
			}
			return s.print(c, view, func(w io.Writer) { printAdded(w, view) })
		},
	}
	f := c.Flags()
	f.StringVar(&prefix, "prefix", "", "where in the lake the folder's files go (default: the model's raw prefix)")
	f.StringVar(&base, "base", "", "the REF a new branch starts at (default: an empty dataset)")
	f.BoolVar(&keep, "keep", false, "keep what the branch holds there and the folder does not")
	f.BoolVar(&dry, "dry-run", false, "only tell what would change")
	f.BoolVar(&verify, "verify", false, "read every file, also those of known size and time")
	f.BoolVar(&despite, "despite-lifecycle", false, "pin also what a lifecycle rule of the lake would delete")
	note.flags(c)
	return c
}

// notLaidOut refuses a folder that a checkout of whole keys filled: below the
// prefix, its files would get the prefix twice, and all that was there would go.
func notLaidOut(folder, prefix string) error {
	inner := filepath.Join(folder, filepath.FromSlash(prefix))
	if _, err := os.Stat(filepath.Join(folder, dataset.CheckoutJournal)); err != nil {
		return nil //nolint:nilerr // no checkout was here
	}
	if info, err := os.Stat(inner); err != nil || !info.IsDir() {
		return nil //nolint:nilerr // it was one of what lies below the prefix
	}
	return fault.New(fault.Invalid, "add "+folder, "a checkout made it, and it holds the folder %s already, which would come below %s again", prefix, prefix).
		WithHint("add that folder: %s", inner)
}

// heldBy is what a branch holds below a prefix; nothing, when it does not exist
// and has no base.
func heldBy(c *cobra.Command, repository *dataset.Repository, branch, base, prefix string) (map[string]dataset.Entry, error) {
	held, from := map[string]dataset.Entry{}, base
	switch head, err := repository.Head(c.Context(), branch); {
	case err == nil:
		from = head.ID
	case !fault.Is(err, fault.NotFound):
		return nil, err
	case base == "":
		return held, nil
	}
	for e, err := range repository.Each(c.Context(), from, prefix) {
		if err != nil {
			return nil, err
		}
		held[e.Key] = e
	}
	return held, nil
}

func printAdded(w io.Writer, v addedView) {
	fmt.Fprintf(w, "files\t%d: %d added, %d changed, %d removed, %d unchanged\nread\t%d\nuploaded\t%d files, %d bytes\n",
		v.Files, v.Added, v.Changed, v.Removed, v.Unchanged, v.Read, v.Uploaded, v.Bytes)
	if len(v.LeftOut) > 0 {
		fmt.Fprintf(w, "left out\t%d that look like a checkout's own: %s\n", len(v.LeftOut), shown(strings.Join(v.LeftOut[:min(3, len(v.LeftOut))], ", ")))
	}
	if v.Commit != nil && !v.Moved {
		fmt.Fprintln(w, "nothing to commit: the branch holds it all already")
	}
	if v.Commit != nil {
		printCommit(w, *v.Commit)
	}
}
