package dataset

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Log gives at most limit commits, from a ref along first parents, newest
// first; all of them when limit is 0.
func (r *Repository) Log(ctx context.Context, name string, limit int) ([]Commit, error) {
	c, err := r.Resolve(ctx, name)
	if err != nil {
		return nil, err
	}
	log := []Commit{c}
	for len(c.Parents) > 0 && (limit == 0 || len(log) < limit) {
		if c, err = r.readCommit(ctx, c.Parents[0]); err != nil {
			return nil, err
		}
		log = append(log, c)
	}
	return log, nil
}

// Entries gives the entries of a ref whose keys start with prefix, in key order.
func (r *Repository) Entries(ctx context.Context, name, prefix string) ([]Entry, error) {
	c, err := r.Resolve(ctx, name)
	if err != nil {
		return nil, err
	}
	index, err := r.readIndex(ctx, c.Tree)
	if err != nil {
		return nil, err
	}
	var found []Entry
	for e, err := range r.entries(ctx, index, prefix) {
		if err != nil {
			return nil, err
		}
		found = append(found, e)
	}
	return found, nil
}

// Change is what happened to one key between two commits: New is nil when it
// was removed, Old when it was added.
type Change struct {
	Key string `json:"key"`
	Old *Entry `json:"old,omitempty"`
	New *Entry `json:"new,omitempty"`
}

// Diff gives the changes that lead from one ref to another, in key order. Leaves
// that both share are not read.
func (r *Repository) Diff(ctx context.Context, from, to string) ([]Change, error) {
	var sides [2]treeIndex
	for i, name := range []string{from, to} {
		c, err := r.Resolve(ctx, name)
		if err != nil {
			return nil, err
		}
		if sides[i], err = r.readIndex(ctx, c.Tree); err != nil {
			return nil, err
		}
	}
	old, err := r.unshared(ctx, sides[0], sides[1])
	if err != nil {
		return nil, err
	}
	now, err := r.unshared(ctx, sides[1], sides[0])
	if err != nil {
		return nil, err
	}
	return compare(old, now), nil
}

// unshared reads the leaves of a tree that the other does not have.
func (r *Repository) unshared(ctx context.Context, index, other treeIndex) ([]Entry, error) {
	shared := map[string]bool{}
	for _, l := range other.Leaves {
		shared[l.Hash] = true
	}
	var entries []Entry
	for _, l := range index.Leaves {
		if shared[l.Hash] {
			continue
		}
		more, err := r.readLeaf(ctx, l.Hash)
		if err != nil {
			return nil, err
		}
		entries = append(entries, more...)
	}
	return entries, nil
}

func compare(old, now []Entry) []Change {
	var changes []Change
	for len(old) > 0 || len(now) > 0 {
		switch {
		case len(now) == 0 || (len(old) > 0 && old[0].Key < now[0].Key):
			changes = append(changes, Change{Key: old[0].Key, Old: &old[0]})
			old = old[1:]
		case len(old) == 0 || now[0].Key < old[0].Key:
			changes = append(changes, Change{Key: now[0].Key, New: &now[0]})
			now = now[1:]
		default:
			if old[0] != now[0] {
				changes = append(changes, Change{Key: old[0].Key, Old: &old[0], New: &now[0]})
			}
			old, now = old[1:], now[1:]
		}
	}
	return changes
}

func (q Request) check() error {
	if err := checkName("branch", q.Branch); err != nil {
		return err
	}
	if q.Time.IsZero() {
		return fault.New(fault.Invalid, "commit to "+q.Branch, "it has no time")
	}
	seen := map[string]bool{}
	for _, e := range q.Changes.Puts {
		if err := e.check(); err != nil {
			return err
		}
		if seen[e.Key] {
			return fault.New(fault.Invalid, "commit "+e.Key, "it is changed twice in one changeset")
		}
		seen[e.Key] = true
	}
	for _, key := range q.Changes.Deletes {
		if key == "" || seen[key] {
			return fault.New(fault.Invalid, "commit "+key, "it is changed twice in one changeset, or has no key")
		}
		seen[key] = true
	}
	return nil
}

func (e Entry) check() error {
	switch {
	case e.Key == "":
		return fault.New(fault.Invalid, "commit an object", "it has no key")
	case e.VersionID == "" || e.VersionID == "null":
		return fault.New(fault.Invalid, "commit "+e.Key, "its VersionId is %q, which can be overwritten", e.VersionID).
			WithHint("turn versioning on for the bucket, then upload the object again")
	case e.Size < 0:
		return fault.New(fault.Invalid, "commit "+e.Key, "its size is %d bytes", e.Size)
	}
	return nil
}

// sorted is the same changes in key order, so that the order in which they were
// listed decides no hash.
func (c Changes) sorted() Changes {
	return Changes{
		Puts:    slices.SortedFunc(slices.Values(c.Puts), func(a, b Entry) int { return cmp.Compare(a.Key, b.Key) }),
		Deletes: slices.SortedFunc(slices.Values(c.Deletes), strings.Compare),
	}
}
