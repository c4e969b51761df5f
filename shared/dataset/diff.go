package dataset

import (
	"context"
	"iter"
	"strconv"
)

// Change is what happened to one key between two commits: New is nil when it
// was removed, Old when it was added.
type Change struct {
	Key string `json:"key"`
	Old *Entry `json:"old,omitempty"`
	New *Entry `json:"new,omitempty"`
	// RenamedFrom is set by Renames on an added key: the removed key that had
	// the same content.
	RenamedFrom string `json:"renamed_from,omitempty"`
}

// Diff gives the changes that lead from one ref to another, in key order.
func (r *Repository) Diff(ctx context.Context, from, to string) ([]Change, error) {
	var changes []Change
	for c, err := range r.DiffEach(ctx, from, to, "") {
		if err != nil {
			return nil, err
		}
		changes = append(changes, c)
	}
	return changes, nil
}

// DiffEach walks the changes that lead from one ref to another, of keys that
// start with prefix, in key order. Subtrees that both share are not read, and
// what lies below a segment is not either: its changes say what they replace. An
// error ends it.
func (r *Repository) DiffEach(ctx context.Context, from, to, prefix string) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		names, states := [2]string{from, to}, [2]state{}
		err := parallel(ctx, len(names), func(ctx context.Context, i int) error {
			c, err := r.Resolve(ctx, names[i])
			states[i] = r.stateOf(&c)
			return err
		})
		if err != nil {
			yield(Change{}, err)
			return
		}
		r.diff(ctx, states[0], states[1], prefix)(yield)
	}
}

// Changes walks what a commit changed against its first parent, in key order;
// everything it holds when it has none.
func (r *Repository) Changes(ctx context.Context, c Commit, prefix string) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		var parent *Commit
		if len(c.Parents) > 0 {
			p, err := r.readCommit(ctx, c.Parents[0])
			if err != nil {
				yield(Change{}, err)
				return
			}
			parent = &p
		}
		r.diff(ctx, r.stateOf(parent), r.stateOf(&c), prefix)(yield)
	}
}

// DiffStats sums up a diff.
type DiffStats struct {
	Added   int `json:"added"`
	Changed int `json:"changed"`
	Removed int `json:"removed"`
	Renamed int `json:"renamed"` // of those added; each one's old key is not counted as removed
	// Bytes is how many the dataset grew by; below 0 it shrank.
	Bytes int64 `json:"bytes"`
}

// Add counts a change.
func (s *DiffStats) Add(c Change) {
	switch {
	case c.RenamedFrom != "":
		s.Renamed++
	case c.Old == nil:
		s.Added++
	case c.New == nil:
		s.Removed++
	default:
		s.Changed++
	}
	if c.New != nil {
		s.Bytes += c.New.Size
	}
	if c.Old != nil {
		s.Bytes -= c.Old.Size
	}
}

// Renames pairs a removed key with an added one of the same content, by checksum
// and size (an ETag is no proof), each at most once and the first in key order.
// The pair becomes one change of the added key, with Old from the removed.
func Renames(changes []Change) []Change {
	removed := map[string][]*Change{}
	for i := range changes {
		if c := &changes[i]; c.New == nil && c.Old.content() != "" {
			removed[c.Old.content()] = append(removed[c.Old.content()], c)
		}
	}
	paired := map[string]bool{}
	for i, c := range changes {
		if c.Old != nil {
			continue
		}
		if same := removed[c.New.content()]; len(same) > 0 {
			changes[i].RenamedFrom, changes[i].Old = same[0].Key, same[0].Old
			removed[c.New.content()] = same[1:]
			paired[same[0].Key] = true
		}
	}
	kept := make([]Change, 0, len(changes))
	for _, c := range changes {
		if c.New != nil || !paired[c.Key] {
			kept = append(kept, c)
		}
	}
	return kept
}

// content is equal for equal contents, and "" when nothing proves them. The
// parts of a composite checksum differ between uploads of one content, so it
// proves equality but not difference.
func (e *Entry) content() string {
	if e.Checksum == "" || e.ChecksumAlgorithm == "" {
		return ""
	}
	return e.ChecksumAlgorithm + " " + e.ChecksumType + " " + e.Checksum + " " + strconv.FormatInt(e.Size, 10)
}
