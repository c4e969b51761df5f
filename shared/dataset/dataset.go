// Package dataset versions the objects that a model learns from.
//
// The words:
//
//   - An entry pins one version of one object of the lake: key, VersionId, ETag,
//     checksum, size, and rows, schema and metadata where known. The data itself
//     is never copied.
//   - A tree is a set of entries in key order: leaves of about 1,024 entries,
//     under index nodes of about 256 children, as many levels as it takes. Where
//     a node ends depends on a hash of its keys alone (a prolly tree), so equal
//     sets have equal trees and a change rewrites one path. A tree of a few
//     entries lies inside its commit.
//   - A segment is a changeset that lies over a tree, and over the segments
//     before it: where changes are few and scattered, a commit writes them, with
//     the entries that they replace, and not the leaves that they fall into. It
//     is itself a prolly tree, of changes. A key's newest change counts; one may
//     say that the key is removed. Segments are folded into each other and, range
//     by range, into the tree (compacted) by the commits that follow.
//   - A commit is an immutable dataset version: a tree with at most a few
//     segments, its parents, and the changeset against the first of them. Its id
//     is the SHA-256 of its canonical JSON. Its skips point far back along its
//     line of first parents, so that looking up a time or an ancestor reads few
//     commits.
//   - A branch is a ref to a commit that moves. A tag is one that does not. A
//     deleted one stays as a tombstone.
//   - A conflict is a key that both sides of a merge changed; rules resolve it.
//   - Garbage is what no ref leads to any more; a collection deletes it.
//
// What may be compared how: without segments, a commit's tree depends on its
// entries alone, not on how they came there, so two such commits hold the same
// entries if and only if their trees have the same root. With segments it depends
// on history: the same tree and segments mean the same entries, but the same
// entries may lie in different ones. Diff is empty in every case, and reads only
// what the two do not share; Compact gives the root that depends on the entries
// alone. Writers agree all the same: what a commit writes is decided by its parent
// and its changes, so whoever repeats it writes the same objects.
//
// What a commit writes: where its changes fill at least an eighth of the leaves
// that they fall into, those leaves. Else a segment of two entries a change, and
// now and then more: when there are more than six segments two are folded, and
// when they hold more than an eighth of the tree's entries, as many changes as
// came in are compacted, in the order of their keys, at about eight entries each.
// A commit of fewer than 64 changes leaves that to others, until there is twice as
// much. It reads the leaves that its changes fall into, to say what they replace;
// merges, reverts and cherry-picks know that from the diffs that they are made of.
//
// Everything lies in a ref.Store: blobs/ (nodes of trees and segments) and
// commits/, each object named by its hash, branches/, tags/ and what a collection
// under way needs. Every write is either content-addressed or a compare-and-swap,
// made in that order, so a writer that dies between any two leaves garbage and
// nothing else.
package dataset

import (
	"context"
	"maps"
	"time"

	"github.com/sluice-ml/sluice/shared/ref"
)

// Format is the newest format of the objects that this package writes: that of
// segments and of commits that have some. All else is of the format before,
// which had no segments.
const Format = 3

const treeFormat = 2

// Main is the branch that holds data which passed validation.
const Main = "main"

// Entry pins one version of an object.
type Entry struct {
	Key               string            `json:"key"`
	VersionID         string            `json:"version_id"`
	ETag              string            `json:"etag"`
	Size              int64             `json:"size"`                         // bytes
	Checksum          string            `json:"checksum,omitempty"`           // base64
	ChecksumAlgorithm string            `json:"checksum_algorithm,omitempty"` // e.g. "CRC64NVME"
	ChecksumType      string            `json:"checksum_type,omitempty"`      // "FULL_OBJECT" or "COMPOSITE"
	Rows              int64             `json:"rows,omitempty"`               // 0 where not counted
	Schema            string            `json:"schema,omitempty"`             // the id of the columns' names and types
	Metadata          map[string]string `json:"metadata,omitempty"`           // the user's
}

// Equal says whether two entries agree in every field.
func (e Entry) Equal(o Entry) bool {
	return e.Key == o.Key && e.VersionID == o.VersionID && e.ETag == o.ETag && e.Size == o.Size &&
		e.Checksum == o.Checksum && e.ChecksumAlgorithm == o.ChecksumAlgorithm && e.ChecksumType == o.ChecksumType &&
		e.Rows == o.Rows && e.Schema == o.Schema && maps.Equal(e.Metadata, o.Metadata)
}

// sameBytes says whether two entries' checksums prove equal content. An object of
// parts has a checksum of checksums, which proves it where the parts are equal too.
func (e Entry) sameBytes(o Entry) bool {
	return e.Key == o.Key && e.Size == o.Size && e.Checksum != "" && e.Checksum == o.Checksum &&
		e.ChecksumAlgorithm == o.ChecksumAlgorithm && e.ChecksumType == o.ChecksumType
}

// Changes is what a commit does to its first parent's tree. Deletes are keys;
// one that is not there is not an error.
type Changes struct {
	Puts    []Entry  `json:"puts,omitempty"`
	Deletes []string `json:"deletes,omitempty"`
}

// Commit is an immutable dataset version.
type Commit struct {
	ID       string    `json:"-"`
	Format   int       `json:"format"`
	Parents  []string  `json:"parents"` // none for a dataset's first
	Tree     string    `json:"tree"`    // the hash of its root; without Segments it depends on the entries alone
	Level    int       `json:"level"`   // of the root; 0 is a leaf
	Inline   []Entry   `json:"inline,omitempty"`
	Segments []Segment `json:"segments,omitempty"` // over the tree, the oldest first
	// Appended says that the last segment is the changeset against the first
	// parent, no more and no less.
	Appended   bool      `json:"appended,omitempty"`
	Cursor     string    `json:"cursor,omitempty"` // the last key that was compacted; "" where that begins anew
	Message    string    `json:"message"`
	Author     string    `json:"author"`
	Time       time.Time `json:"time"`       // UTC; never before a parent's
	Generation int       `json:"generation"` // one more than the greatest of the parents'; 1 for the first
	Depth      int       `json:"depth"`      // how many first parents lie behind it
	Skips      []Skip    `json:"skips"`
	// Changes is the changeset against the first parent. It is absent from a
	// first commit and from one of more than 128 changes: there the trees tell
	// (see Repository.Changes).
	Changes  *Changes          `json:"changes,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"` // e.g. the pipeline, the git commit
	Stats    Stats             `json:"stats"`
}

// Skip points to an ancestor on a commit's line of first parents: the first is
// the parent, and each next has a depth with one more of its low bits cleared.
type Skip struct {
	Commit string    `json:"commit"`
	Depth  int       `json:"depth"`
	Time   time.Time `json:"time"`
}

// Stats sums up a commit.
type Stats struct {
	Objects int   `json:"objects"`           // in the dataset
	Bytes   int64 `json:"bytes"`             // of those objects
	Rows    int64 `json:"rows,omitempty"`    // of those objects whose rows are known
	Counted int   `json:"counted,omitempty"` // how many objects' rows are known
	Added   int   `json:"added"`
	Changed int   `json:"changed"`
	Removed int   `json:"removed"`
}

// Repository is the versions of one model's dataset. It is safe for concurrent
// use and keeps what it read of the immutable objects in a bounded cache.
type Repository struct {
	store  ref.Store
	cache  *cache
	shapes shapes
	hooks  []Hook
	asker  Asker // of the hooks that the store configures; nil asks none
	// shared is what all datasets of the lake share; nil when this one is alone.
	shared ref.Store
}

// Exists says whether there is a dataset: whether a commit, or a branch, was ever
// made.
func (r *Repository) Exists(ctx context.Context) (bool, error) {
	for _, folder := range []string{"branches/", commits} {
		keys, err := r.store.List(ctx, folder)
		if err != nil || len(keys) > 0 {
			return err == nil, err
		}
	}
	return false, nil
}

// New opens the repository that a store holds.
func New(store ref.Store) *Repository {
	return &Repository{store: store, cache: newCache(cacheBytes), shapes: standard}
}
