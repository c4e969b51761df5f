package dataset

import (
	"maps"
	"strings"
)

// item is what a leaf holds. In a tree it is an entry. In a segment it is a
// change: the entry that counts from there on, and the one that it replaces.
type item struct {
	Entry        // in a segment: without a VersionID where the change removes the key
	was   *Entry // in a segment: nil where the key was not there below it
}

// now is the entry that an item leaves its key with; nil where it has none.
func (k kind) now(i *item) *Entry {
	if k == ofChanges && i.VersionID == "" {
		return nil
	}
	return &i.Entry
}

// change makes the item of a segment; the two must differ.
func change(key string, was, now *Entry) item {
	if now == nil {
		return item{Entry{Key: key}, was}
	}
	return item{*now, was}
}

func (i *item) equal(o *item) bool { return i.Entry.Equal(o.Entry) && same(i.was, o.was) }

func itemsOf(entries []Entry) []item {
	items := make([]item, len(entries))
	for i := range entries {
		items[i].Entry = entries[i]
	}
	return items
}

func entriesOf(items []item) []Entry {
	entries := make([]Entry, len(items))
	for i := range items {
		entries[i] = items[i].Entry
	}
	return entries
}

// detached copies an entry out of the leaf whose memory its texts share.
func (e *Entry) detached() *Entry {
	if e == nil {
		return nil
	}
	c := *e
	texts := []*string{&c.Key, &c.VersionID, &c.ETag, &c.Checksum, &c.ChecksumAlgorithm, &c.ChecksumType, &c.Schema}
	var all strings.Builder
	for _, t := range texts {
		all.WriteString(*t)
	}
	rest := all.String()
	for _, t := range texts {
		n := len(*t)
		*t, rest = rest[:n], rest[n:]
	}
	if e.Metadata != nil {
		c.Metadata = make(map[string]string, len(e.Metadata))
		for name, value := range maps.All(e.Metadata) {
			c.Metadata[strings.Clone(name)] = strings.Clone(value)
		}
	}
	return &c
}

// kind says what a tree is made of.
type kind byte

const (
	ofEntries kind = iota
	ofChanges      // a segment
)

// totals sum up a subtree.
type totals struct {
	objects, bytes, rows, counted int64
}

func (t totals) plus(o totals) totals {
	return totals{t.objects + o.objects, t.bytes + o.bytes, t.rows + o.rows, t.counted + o.counted}
}

func (t totals) minus(o totals) totals {
	return totals{t.objects - o.objects, t.bytes - o.bytes, t.rows - o.rows, t.counted - o.counted}
}

func (t totals) count(e *Entry) totals {
	if e == nil {
		return t
	}
	one := totals{objects: 1, bytes: e.Size}
	if e.Rows > 0 {
		one.rows, one.counted = e.Rows, 1
	}
	return t.plus(one)
}

// tally is the totals of a subtree's entries; of a segment's, also those of the
// entries that they replace, and how many changes there are.
type tally struct {
	totals
	was     totals
	changes int64
}

func (s tally) plus(o tally) tally {
	return tally{s.totals.plus(o.totals), s.was.plus(o.was), s.changes + o.changes}
}

// grown is what a layer adds to the totals below it.
func (s tally) grown() totals { return s.totals.minus(s.was) }

func (k kind) sum(items []item) tally {
	var s tally
	if k == ofChanges {
		s.changes = int64(len(items))
	}
	for i := range items {
		s.totals, s.was = s.totals.count(k.now(&items[i])), s.was.count(items[i].was)
	}
	return s
}
