package dataset

import (
	"context"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// sunk is what compacting a range of keys leaves.
type sunk struct {
	base   tree
	cursor string
	gone   [][]edit // what each segment lost
}

// sink compacts at least so many changes (fewer at the end of the keys): those of
// all segments after the cursor, up to the end of a leaf of the tree, so that no
// leaf is written for a part of its changes. The cursor goes round, so that every
// range has its turn.
func (r *Repository) sink(ctx context.Context, s *session, old state, least int64) (sunk, error) {
	out := sunk{base: old.base, gone: make([][]edit, len(old.segments))}
	edits, end, err := r.due(ctx, old, span{from: after(old.cursor)}, least, out.gone)
	if err == nil && len(edits) == 0 {
		edits, end, err = r.due(ctx, old, span{}, least, out.gone)
	}
	if err != nil {
		return sunk{}, err
	}
	out.cursor = end
	out.base, _, err = r.rewrite(ctx, s, old.base, edits)
	return out, err
}

// after is the least key that comes after one; "" after "".
func after(key string) string {
	if key == "" {
		return ""
	}
	return key + "\x00"
}

// due gives the first changes of a state's segments in a span, as edits of its
// tree, and the key that they go up to; "" for the end. It notes what each
// segment loses by them.
func (r *Repository) due(ctx context.Context, old state, in span, least int64, gone [][]edit) ([]edit, string, error) {
	l, err := r.layered(ctx, old.segments, in)
	if err != nil {
		return nil, "", err
	}
	defer l.stop()
	var edits []edit
	var h heap
	end, bounded, decided := "", false, false
	for {
		found, err := l.next(&h)
		if err != nil || !found {
			return edits, "", err
		}
		if bounded && h.key > end {
			return edits, end, nil
		}
		key := strings.Clone(h.key)
		for i, in := range h.in {
			if in {
				gone[i] = append(gone[i], edit{key: key})
			}
		}
		edits = append(edits, edit{key: key, put: h.now.detached()})
		if !decided && int64(len(edits)) >= least {
			if end, bounded, err = r.leafEnd(ctx, old.base, h.key); err != nil {
				return nil, "", err
			}
			decided = true
		}
	}
}

// leafEnd is the last key of the leaf of a tree that a key falls into; bounded is
// false for the last leaf, which holds all that comes.
func (r *Repository) leafEnd(ctx context.Context, t tree, key string) (end string, bounded bool, err error) {
	c := t.child
	for level := t.level; level > 0 && !t.flat(); level-- {
		n, err := r.readNode(ctx, c, level)
		if err != nil {
			return "", false, err
		}
		at, _ := slices.BinarySearchFunc(n.children, key, func(c child, key string) int { return strings.Compare(c.last, key) })
		bounded = bounded || at < len(n.children)-1
		c = n.children[min(at, len(n.children)-1)]
	}
	return c.last, bounded, nil
}

// flatten puts all that a state's segments say, and fresh edits over them, into
// its tree.
func (r *Repository) flatten(ctx context.Context, s *session, old state, fresh []edit) (state, error) {
	top := tree{small: true}
	for _, e := range fresh {
		top.inline = append(top.inline, item{*e.put, e.was})
	}
	top.kind, top.tally = ofChanges, ofChanges.sum(top.inline)
	over := state{base: old.base, segments: append(slices.Clone(old.segments), top)}
	edits, _, err := r.due(ctx, over, span{}, math.MaxInt64, make([][]edit, len(over.segments)))
	if err != nil {
		return state{}, err
	}
	base, _, err := r.rewrite(ctx, s, old.base, edits)
	return state{base: base}, err
}

// Compaction is what Compact would do.
type Compaction struct {
	Commit   string `json:"commit"`   // the branch's head
	Segments int    `json:"segments"` // none: there is nothing to do
	Changes  int64  `json:"changes"`  // in those segments
	Objects  int    `json:"objects"`  // in the dataset
	Writes   int64  `json:"writes"`   // objects that it would store, without those that are there already
	Bytes    int64  `json:"bytes"`    // of those
	Tree     string `json:"tree"`     // the root that depends on the entries alone
}

// PlanCompaction says what Compact would do to a branch. It reads what that reads,
// and writes nothing.
func (r *Repository) PlanCompaction(ctx context.Context, branch string) (Compaction, error) {
	head, err := r.Head(ctx, branch)
	if err != nil {
		return Compaction{}, err
	}
	c := Compaction{Commit: head.ID, Segments: len(head.Segments), Objects: head.Stats.Objects, Tree: head.Tree}
	if c.Segments == 0 {
		return c, nil
	}
	for _, s := range head.Segments {
		c.Changes += s.Changes
	}
	dry := &rehearsal{Store: r.store}
	with := *r
	with.store, with.cache = dry, newCache(cacheBytes)
	s := with.newSession()
	st, err := with.flatten(ctx, s, with.stateOf(&head), nil)
	if failed := s.finish(); err == nil {
		err = failed
	}
	c.Writes, c.Bytes, c.Tree = dry.writes.Load(), dry.bytes.Load(), st.base.hash.String()
	return c, err
}

// rehearsal is a store that takes writes and forgets them. A compaction reads
// nothing that it wrote.
type rehearsal struct {
	ref.Store
	writes, bytes atomic.Int64
}

// Create counts what is not there yet.
func (d *rehearsal) Create(ctx context.Context, key string, body []byte) (ref.Tag, error) {
	if _, err := d.Get(ctx, key); !fault.Is(err, fault.NotFound) {
		if err == nil {
			err = fault.New(fault.Conflict, "store "+key, "it is there already")
		}
		return "", err
	}
	d.writes.Add(1)
	d.bytes.Add(int64(len(body)))
	return "", nil
}

// Swap writes nothing: only a collection under way asks for it.
func (d *rehearsal) Swap(context.Context, string, []byte, ref.Tag) (ref.Tag, error) { return "", nil }

// CompactRequest asks for a commit without segments.
type CompactRequest struct {
	Branch   string
	Message  string // "" is "compact"
	Author   string
	Time     time.Time
	Metadata map[string]string
}

// Compact commits what a branch holds already with all of it in its tree, whose
// root then depends on the entries alone: equal datasets have equal ones. Commits
// compact as they go, so this is for comparing roots, and for readers of before
// there were segments. It may rewrite the whole tree. A branch without segments is
// left alone: it does not move. A protected branch may be compacted.
func (r *Repository) Compact(ctx context.Context, q CompactRequest) (Merged, error) {
	if err := checkMove(q.Branch, q.Time, nil); err != nil {
		return Merged{}, err
	}
	if q.Message == "" {
		q.Message = "compact"
	}
	s := r.newSession()
	return r.advance(ctx, move{to: q.Branch, exists: true, merges: true}, func(head *Commit) (Commit, error) {
		if len(head.Segments) == 0 {
			return *head, nil
		}
		st, err := r.flatten(ctx, s, r.stateOf(head), nil)
		if err != nil {
			_ = s.finish()
			return Commit{}, err
		}
		return r.record(ctx, s, []Commit{*head}, st, effect{changes: &Changes{}}, note{q.Message, q.Author, q.Time, q.Metadata})
	})
}
