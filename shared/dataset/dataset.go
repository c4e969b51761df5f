// Package dataset versions the objects that a model learns from.
//
// The words:
//
//   - An entry pins one version of one object of the lake: key, VersionId, ETag,
//     checksum, size. The data itself is never copied.
//   - A tree is a set of entries, cut into content-addressed leaves of about
//     1,024 entries in key order, and an index of the leaves. Where a leaf ends
//     depends on its last key alone, so equal sets have equal trees and a small
//     change rewrites few leaves.
//   - A commit is an immutable dataset version: a tree, its parents, and the
//     changeset that made it. Its id is the SHA-256 of its canonical JSON.
//   - A branch is a ref to a commit that moves forward. A tag is one that does
//     not move.
//
// Everything lies in a ref.Store: commits/, trees/, changesets/ (each object
// named by its hash), branches/ and tags/. Every write is either
// content-addressed or a compare-and-swap, made in that order, so a writer
// that dies between any two leaves unreachable objects and nothing else.
package dataset

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sluice-ml/sluice/shared/canonical"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// Format is the format of the objects that this package writes, and the only
// one that it reads.
const Format = 1

// Main is the branch that holds data which passed validation.
const Main = "main"

// Entry pins one version of an object.
type Entry struct {
	Key               string `json:"key"`
	VersionID         string `json:"version_id"`
	ETag              string `json:"etag"`
	Size              int64  `json:"size"`                         // bytes
	Checksum          string `json:"checksum,omitempty"`           // base64
	ChecksumAlgorithm string `json:"checksum_algorithm,omitempty"` // e.g. "CRC64NVME"
	ChecksumType      string `json:"checksum_type,omitempty"`      // "FULL_OBJECT" or "COMPOSITE"
}

// Changes is what a commit does to its parent's tree. Deletes are keys; one
// that is not there is not an error.
type Changes struct {
	Puts    []Entry  `json:"puts,omitempty"`
	Deletes []string `json:"deletes,omitempty"`
}

// Commit is an immutable dataset version.
type Commit struct {
	ID         string    `json:"-"`
	Format     int       `json:"format"`
	Parents    []string  `json:"parents"` // none for a dataset's first
	Tree       string    `json:"tree"`    // the index's hash
	Message    string    `json:"message"`
	Author     string    `json:"author"`
	Time       time.Time `json:"time"`       // UTC
	Generation int       `json:"generation"` // one more than the greatest of the parents'; 1 for the first
	Changeset  string    `json:"changeset"`  // the hash of its Changes
	Stats      Stats     `json:"stats"`
}

// Stats sums up a commit.
type Stats struct {
	Objects int   `json:"objects"` // in the tree
	Bytes   int64 `json:"bytes"`   // of those objects
	Added   int   `json:"added"`
	Changed int   `json:"changed"`
	Removed int   `json:"removed"`
}

// Repository is the versions of one model's dataset.
type Repository struct{ store ref.Store }

// New opens the repository that a store holds.
func New(store ref.Store) *Repository { return &Repository{store} }

// Request asks for a commit.
type Request struct {
	Branch string
	// Base is where the branch starts when it does not exist yet: any ref, ""
	// for an empty dataset. A branch that exists is continued from its head.
	Base    string
	Changes Changes
	Message string
	Author  string
	Time    time.Time
}

// Commit applies changes to a branch's head and moves the branch there. When
// somebody else moves it meanwhile, the changes are replayed on the new head.
// Changes that change nothing make no commit: the head comes back, so a
// duplicate is harmless. Invalid names what is wrong with the changes; NotFound
// a missing base; Conflict and Unavailable may be retried.
func (r *Repository) Commit(ctx context.Context, request Request) (Commit, error) {
	if err := request.check(); err != nil {
		return Commit{}, err
	}
	changes := request.Changes.sorted()
	changeset, err := r.write(ctx, "changesets/", changes)
	if err != nil {
		return Commit{}, err
	}
	var made Commit
	_, err = ref.Update(ctx, r.store, branchKey(request.Branch), func(old branch, found bool) (branch, error) {
		parent, err := r.parent(ctx, request, old, found)
		if err != nil {
			return old, err
		}
		made, err = r.apply(ctx, parent, changes, changeset, request)
		if err != nil || (found && made.ID == old.Commit) {
			return old, orUnchanged(err)
		}
		return branch{Commit: made.ID}, nil
	})
	return made, err
}

func orUnchanged(err error) error {
	if err == nil {
		return ref.Unchanged
	}
	return err
}

// parent is the commit to build on; nil for an empty dataset.
func (r *Repository) parent(ctx context.Context, request Request, old branch, found bool) (*Commit, error) {
	name := request.Base
	if found {
		name = old.Commit
	}
	if name == "" {
		return nil, nil
	}
	c, err := r.Resolve(ctx, name)
	return &c, err
}

// apply writes the commit that changes make of parent; parent itself when they
// change nothing.
func (r *Repository) apply(ctx context.Context, parent *Commit, changes Changes, changeset string, request Request) (Commit, error) {
	var index treeIndex
	if parent != nil {
		var err error
		if index, err = r.readIndex(ctx, parent.Tree); err != nil {
			return Commit{}, err
		}
	}
	next, stats, err := r.rewrite(ctx, index, changes)
	if err != nil {
		return Commit{}, err
	}
	if parent != nil && stats.Added+stats.Changed+stats.Removed == 0 {
		return *parent, nil
	}
	if parent == nil && stats.Objects == 0 {
		return Commit{}, fault.New(fault.Invalid, "commit to "+request.Branch, "the dataset is empty and nothing is added")
	}
	tree, err := r.write(ctx, "trees/", next)
	if err != nil {
		return Commit{}, err
	}
	c := Commit{Format: Format, Parents: []string{}, Tree: tree, Message: request.Message, Author: request.Author,
		Time: request.Time.UTC(), Generation: 1, Changeset: changeset, Stats: stats}
	if parent != nil {
		c.Parents, c.Generation = []string{parent.ID}, parent.Generation+1
	}
	c.ID, err = r.write(ctx, "commits/", c)
	return c, err
}

// write stores v under the hash of its canonical JSON and gives the hash. An
// object that is there already is the same one.
func (r *Repository) write(ctx context.Context, folder string, v any) (string, error) {
	body, err := canonical.JSON(v)
	if err != nil {
		return "", err
	}
	id := canonical.Sum(body)
	if _, err := r.store.Create(ctx, folder+id, body); err != nil && !fault.Is(err, fault.Conflict) {
		return "", err
	}
	return id, nil
}

// read fills into with the object of a hash, after checking that it still has
// that hash.
func (r *Repository) read(ctx context.Context, folder, id string, into any) error {
	item, err := r.store.Get(ctx, folder+id)
	if err != nil {
		return err
	}
	if sum := canonical.Sum(item.Body); sum != id {
		return fault.New(fault.Invalid, "read "+folder+id, "its content has the hash %s", sum).
			WithHint("the object was altered; restore its first version")
	}
	if err := json.Unmarshal(item.Body, into); err != nil {
		return fault.New(fault.Invalid, "read "+folder+id, "%w", err)
	}
	return nil
}

func (r *Repository) readCommit(ctx context.Context, id string) (Commit, error) {
	var c Commit
	if err := r.read(ctx, "commits/", id, &c); err != nil {
		return Commit{}, err
	}
	if c.Format != Format {
		return Commit{}, wrongFormat("commits/"+id, c.Format)
	}
	c.ID = id
	return c, nil
}

func wrongFormat(key string, format int) error {
	return fault.New(fault.Invalid, "read "+key, "its format is %d, this build knows %d", format, Format).
		WithHint("a newer Sluice wrote it; use that one")
}
