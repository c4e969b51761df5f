package dataset

import (
	"fmt"
)

// mostSegments bounds what a commit may have, above what any overlay makes.
const mostSegments = 16

// Segment is a changeset that lies over a commit's tree and the segments before
// it.
type Segment struct {
	Tree    string   `json:"tree"`             // the hash of its root
	Level   int      `json:"level"`            // of the root
	Changes int64    `json:"changes"`          // how many
	Now     Totals   `json:"now"`              // of the entries that it leaves its keys with
	Was     Totals   `json:"was"`              // of the entries that it replaces or removes
	Inline  []Change `json:"inline,omitempty"` // all of it, when it is small
}

// checkSegments refuses a commit whose segments contradict it.
func (c *Commit) checkSegments() error {
	switch {
	case (c.Format == Format) != (len(c.Segments) > 0):
		return fmt.Errorf("it is of format %d and has %d segments", c.Format, len(c.Segments))
	case len(c.Segments) == 0 && (c.Appended || c.Cursor != ""):
		return fmt.Errorf("it speaks of segments and has none")
	case len(c.Segments) > mostSegments:
		return fmt.Errorf("it has %d segments, more than %d", len(c.Segments), mostSegments)
	}
	for i, s := range c.Segments {
		if _, ok := parseHash(s.Tree); !ok || s.Level < 0 || s.Changes <= 0 || (len(s.Inline) > 0 && int64(len(s.Inline)) != s.Changes) {
			return fmt.Errorf("its segment %d has root %q at level %d, %d changes and %d of them inline", i, s.Tree, s.Level, s.Changes, len(s.Inline))
		}
		for j, change := range s.Inline {
			if change.Key == "" || (j > 0 && change.Key <= s.Inline[j-1].Key) || same(change.Old, change.New) || !change.of(change.Key) {
				return fmt.Errorf("its segment %d has a bad change of key %q", i, change.Key)
			}
		}
	}
	return nil
}

func (c *Change) of(key string) bool {
	return (c.Old == nil || c.Old.Key == key) && (c.New == nil || (c.New.Key == key && c.New.VersionID != ""))
}

// tree is a root of entries or of changes.
type tree struct {
	child
	level  int
	inline []item // all items of a small tree, which is no blob of its own
	small  bool   // inline holds them
}

// flat says that a tree has no blob.
func (t *tree) flat() bool { return t.small || (t.kind == ofEntries && t.objects == 0) }

// state is what a commit holds: a tree, and the segments over it.
type state struct {
	base     tree
	segments []tree // oldest first; none is empty
	cursor   string // the last key that was compacted
	// appended says that the last segment is the changeset against the first
	// parent of the commit that the state is of.
	appended       bool
	commit, parent string // ids; "" where the state is of no commit yet
}

// layers are a state's trees, the lowest first.
func (s *state) layers() []tree { return append([]tree{s.base}, s.segments...) }

// sum is what a state's entries sum up to.
func (s *state) sum() totals {
	t := s.base.totals
	for i := range s.segments {
		t = t.plus(s.segments[i].grown())
	}
	return t
}

// is says that two states are made of the same blobs, so hold the same entries.
// Those that are not may hold the same entries, too, if either has segments: a
// diff tells.
func (s *state) is(o *state) bool {
	if s.base.hash != o.base.hash || len(s.segments) != len(o.segments) {
		return false
	}
	for i := range s.segments {
		if s.segments[i].hash != o.segments[i].hash {
			return false
		}
	}
	return true
}

// stateOf is what a commit holds; nothing for nil.
func (r *Repository) stateOf(c *Commit) state {
	if c == nil {
		return state{base: inlineTree(ofEntries, nil)}
	}
	s := state{cursor: c.Cursor, appended: c.Appended, commit: c.ID}
	if len(c.Parents) > 0 {
		s.parent = c.Parents[0]
	}
	left := totals{int64(c.Stats.Objects), c.Stats.Bytes, c.Stats.Rows, int64(c.Stats.Counted)}
	for i := range c.Segments {
		t := c.Segments[i].tree()
		s.segments = append(s.segments, t)
		left = left.minus(t.grown())
	}
	t := tree{level: c.Level, inline: itemsOf(c.Inline), small: c.Level == 0 && int(left.objects) <= r.shapes.tree.inline}
	t.hash, _ = parseHash(c.Tree)
	t.totals = left
	s.base = t
	return s
}

func (s *Segment) tree() tree {
	t := tree{level: s.Level, small: len(s.Inline) > 0}
	t.kind, t.changes = ofChanges, s.Changes
	t.totals, t.was = s.Now.totals(), s.Was.totals()
	t.hash, _ = parseHash(s.Tree)
	for _, c := range s.Inline {
		t.inline = append(t.inline, change(c.Key, c.Old, c.New))
	}
	return t
}

func (t Totals) totals() totals   { return totals{t.Objects, t.Bytes, t.Rows, t.Counted} }
func (t totals) exported() Totals { return Totals{t.objects, t.bytes, t.rows, t.counted} }

// segment is how a commit names a tree of changes.
func (t *tree) segment() Segment {
	s := Segment{Tree: t.hash.String(), Level: t.level, Changes: t.changes, Now: t.totals.exported(), Was: t.was.exported()}
	for i := range t.inline {
		c := Change{Key: t.inline[i].Key, Old: t.inline[i].was}
		if e := ofChanges.now(&t.inline[i]); e != nil {
			c.New = e
		}
		s.Inline = append(s.Inline, c)
	}
	return s
}

// names sets what a commit says of the state it holds.
func (s *state) names(c *Commit) {
	sum := s.sum()
	c.Format, c.Tree, c.Level = treeFormat, s.base.hash.String(), s.base.level
	c.Stats.Objects, c.Stats.Bytes, c.Stats.Rows, c.Stats.Counted = int(sum.objects), sum.bytes, sum.rows, int(sum.counted)
	if s.base.small {
		c.Inline = entriesOf(s.base.inline)
	}
	if len(s.segments) == 0 {
		return
	}
	c.Format, c.Appended, c.Cursor = Format, s.appended, s.cursor
	for i := range s.segments {
		c.Segments = append(c.Segments, s.segments[i].segment())
	}
}
