package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ml/sluice/scripts/sluice/operator"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
)

// claim is what another system says of an object version.
type claim struct {
	dataset.Entry        // key and VersionId; what else is known; Size below 0 where it is not
	where         string // e.g. the file and line that say it
}

// landing commits object versions that another system pinned.
type landing struct {
	about
	add     bool
	base    string
	despite bool
}

func (l *landing) flags(c *cobra.Command) {
	c.Flags().BoolVar(&l.add, "add", false, "keep what the branch holds beside it (default: the commit holds this alone)")
	c.Flags().StringVar(&l.base, "base", "", "the REF a new branch starts at (default: an empty dataset)")
	c.Flags().BoolVar(&l.despite, "despite-lifecycle", false, "pin also what a lifecycle rule of the lake would delete")
	l.about.flags(c)
}

// land commits entries, which come in key order. source goes into the commit's
// metadata.
func (s *settings) land(c *cobra.Command, client *operator.Client, repository *dataset.Repository, branch string, l landing, entries []dataset.Entry, source map[string]string) error {
	metadata, err := l.metadata()
	if err != nil {
		return err
	}
	if metadata == nil {
		metadata = map[string]string{}
	}
	if err := existingBase(c, repository, branch, l.base); err != nil {
		return err
	}
	maps.Copy(metadata, source)
	if !l.despite {
		if err := safeFromRules(c, client, entries); err != nil {
			return err
		}
	}
	request := dataset.Request{Branch: branch, Base: l.base, Message: l.message, Author: l.author, Time: time.Now(), Metadata: metadata}
	var made dataset.Merged
	if l.add {
		request.Changes.Puts = entries
		made, err = repository.CommitMoved(c.Context(), request)
	} else {
		made, err = repository.Import(c.Context(), request, func(yield func(dataset.Entry, error) bool) {
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
			}
		})
	}
	if err != nil {
		return cutOff(c, err, "all %d objects were looked at, and branch %s did not move, or has just moved; run the same command again: it commits once", len(entries), branch)
	}
	return s.made(c, branch, made)
}

// lookers is how many objects are looked at at once.
const lookers = 32

// verify looks at every claimed version in the lake, compares it with the claim,
// and describes it as the lake has it, in key order.
func (s *settings) verify(c *cobra.Command, client *operator.Client, claims []claim) ([]dataset.Entry, error) {
	unique, err := once(claims)
	if err != nil {
		return nil, err
	}
	lake := client.LakeSource()
	entries := make([]dataset.Entry, len(unique))
	err = s.parallel(c, "looked at", len(unique), func(ctx context.Context, i int) (err error) {
		entries[i], err = unique[i].look(ctx, lake)
		return err
	})
	return entries, err
}

// once sorts claims by key and drops those that say the same twice.
func once(claims []claim) ([]claim, error) {
	slices.SortStableFunc(claims, func(a, b claim) int { return cmp.Compare(a.Key, b.Key) })
	unique := claims[:0]
	for _, next := range claims {
		if last := len(unique) - 1; last >= 0 && unique[last].Key == next.Key {
			if unique[last].VersionID != next.VersionID {
				return nil, fault.New(fault.Invalid, next.where, "it pins %s at version %s, and %s pins it at %s", next.Key, next.VersionID, unique[last].where, unique[last].VersionID).
					WithHint("a commit holds one version of a key: import them to branches of their own")
			}
			continue
		}
		unique = append(unique, next)
	}
	return unique, nil
}

func (k claim) look(ctx context.Context, lake dataset.Source) (dataset.Entry, error) {
	if err := dataset.CheckKey(k.Key); err != nil {
		return dataset.Entry{}, fault.Wrap(fault.Invalid, k.where, err)
	}
	if k.VersionID == "null" {
		return dataset.Entry{}, fault.New(fault.Invalid, k.where, `%s has the version "null", which can be overwritten`, k.Key).
			WithHint("turn versioning on for the bucket, upload the object again or copy it onto itself, and pin that")
	}
	e, err := lake.Stat(ctx, k.Key, k.VersionID)
	switch {
	case fault.Is(err, fault.NotFound):
		return e, fault.New(fault.NotFound, k.where, "version %s of %s is gone, or was never there", k.VersionID, k.Key).
			WithHint("a lifecycle rule or a person deleted it for good; upload it again and pin that, or leave it out")
	case refusedAsked(err):
		return e, fault.New(fault.Invalid, k.where, "the bucket does not take %s for a version of %s", k.VersionID, k.Key).
			WithHint("a version id is what S3 gave the upload: sluice data show lists those that a commit pins, aws s3api list-object-versions --prefix %s all; what names it was edited by hand, or means another bucket", k.Key)
	case err != nil:
		return e, fault.Wrap(fault.Unavailable, k.where, err)
	case k.Size >= 0 && e.Size != k.Size:
		return e, fault.New(fault.Invalid, k.where, "%s has %d bytes in the bucket at version %s, and should have %d", k.Key, e.Size, k.VersionID, k.Size).
			WithHint("the file was edited by hand, or names another bucket's version")
	case k.ETag != "" && e.ETag != k.ETag:
		return e, fault.New(fault.Invalid, k.where, "%s has the ETag %s in the bucket at version %s, and should have %s", k.Key, e.ETag, k.VersionID, k.ETag).
			WithHint("the file was edited by hand, or names another bucket's version")
	}
	e.Key, e.VersionID, e.Rows, e.Metadata = k.Key, k.VersionID, k.Rows, k.Metadata
	return e, nil
}

// refusedAsked says whether S3 found fault with what it was asked (400), as it
// does with a version id that it cannot have given.
func refusedAsked(err error) bool {
	var answer interface{ HTTPStatusCode() int }
	return errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusBadRequest && fault.Is(err, fault.Invalid)
}

// every is how often long work says how far it is.
const every = 2 * time.Second

// parallel calls do for 0…count-1, some at once, gives the error of the least of
// them that failed, and tells on the standard error how far it is.
func (s *settings) parallel(c *cobra.Command, what string, count int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	errs := make([]error, count)
	var next, done atomic.Int64
	var wait sync.WaitGroup
	for range min(lookers, count) {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < count && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if errs[i] = do(ctx, i); errs[i] != nil {
					cancel()
				}
				done.Add(1)
			}
		})
	}
	stop := progress(c.ErrOrStderr(), what, &done, count)
	wait.Wait()
	stop()
	return cutOff(c, firstOf(c.Context(), errs), "%s %d of %d objects; nothing was committed; run the same command again", what, done.Load(), count)
}

// firstOf prefers an error to the cancelling that it caused.
func firstOf(ctx context.Context, errs []error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return ctx.Err()
}

// progress says now and then how much is done; short work says nothing. stop
// ends it.
func progress(w io.Writer, what string, done *atomic.Int64, count int) (stop func()) {
	over := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-over:
				return
			case <-ticker.C:
				fmt.Fprintf(w, "%s %d of %d objects\n", what, done.Load(), count)
			}
		}
	})
	return func() { close(over); wait.Wait() }
}

// distinct sorts entries by key, of which each may come once: two paths of lakeFS
// may have one physical address, where it was copied there without its bytes.
func distinct(entries []dataset.Entry) ([]dataset.Entry, error) {
	slices.SortStableFunc(entries, func(a, b dataset.Entry) int { return cmp.Compare(a.Key, b.Key) })
	kept := entries[:0]
	for _, e := range entries {
		last := len(kept) - 1
		if last < 0 || kept[last].Key != e.Key {
			kept = append(kept, e)
			continue
		}
		if kept[last].VersionID != e.VersionID {
			return nil, fault.New(fault.Invalid, "import "+e.Metadata["lakefs.path"], "its object %s is that of %s too, at another version", e.Key, kept[last].Metadata["lakefs.path"])
		}
		kept[last].Metadata["lakefs.path"] += "\n" + e.Metadata["lakefs.path"]
	}
	return kept, nil
}
