package dataset

import (
	"context"
	"encoding/binary"
	"maps"
	"slices"
)

// child is what an index node says of a node below it.
type child struct {
	hash hash
	kind kind
	last string // its greatest key
	tally
}

// node is a decoded node of a tree: items at level 0, children above.
type node struct {
	kind     kind
	level    int
	items    []item
	children []child
}

// The encoding of a node's payload is in columns, so that like compresses with
// like: a kind, the format, the level, the count; then column by column. A
// column of texts is all lengths, then all bytes; a column of repetitive texts
// is runs. Numbers are unsigned varints. A leaf of changes has, after the keys,
// a byte for each that says what it holds; then the columns of the entries that
// count from here on, then those of the entries that they replace.
const (
	leafKind         = 'L'
	indexKind        = 'I'
	changesKind      = 'C'
	changesIndexKind = 'D'
)

// What a change holds.
const (
	holdsNow = 1 << iota
	holdsWas
)

// mostItems bounds a node's items, far above what any shape makes.
const mostItems = 1 << 16

func (n *node) encode() []byte { return n.encodeTo(nil) }

// encodeTo is encode into a buffer, whose content goes.
func (n *node) encodeTo(b []byte) []byte {
	switch {
	case n.level > 0:
		return encodeIndex(n.kind, n.level, n.children)
	case n.kind == ofChanges:
		return encodeChanges(n.items)
	}
	return encodeLeafTo(b, n.items)
}

func encodeLeaf(items []item) []byte { return encodeLeafTo(nil, items) }

func encodeLeafTo(b []byte, items []item) []byte {
	b = slices.Grow(b[:0], 64+160*len(items))
	b = append(b, leafKind, treeFormat, 0)
	b = binary.AppendUvarint(b, uint64(len(items)))
	entries := make([]*Entry, len(items))
	for i := range items {
		entries[i] = &items[i].Entry
	}
	b = appendTexts(b, entries, entryKey)
	return appendColumns(b, entries)
}

func encodeChanges(items []item) []byte {
	b := make([]byte, 0, 64+300*len(items))
	b = append(b, changesKind, Format, 0)
	b = binary.AppendUvarint(b, uint64(len(items)))
	keys := make([]*Entry, len(items))
	var now, was []*Entry
	for i := range items {
		keys[i] = &items[i].Entry
		if e := ofChanges.now(&items[i]); e != nil {
			now = append(now, e)
		}
		if e := items[i].was; e != nil {
			was = append(was, e)
		}
	}
	b = appendTexts(b, keys, entryKey)
	for i := range items {
		b = append(b, holding(&items[i]))
	}
	return appendColumns(appendColumns(b, now), was)
}

func holding(i *item) byte {
	var what byte
	if ofChanges.now(i) != nil {
		what |= holdsNow
	}
	if i.was != nil {
		what |= holdsWas
	}
	return what
}

// appendColumns adds all that entries hold but their keys.
func appendColumns(b []byte, entries []*Entry) []byte {
	for _, field := range []func(*Entry) string{entryVersion, entryETag, entryChecksum} {
		b = appendTexts(b, entries, field)
	}
	for _, field := range []func(*Entry) string{entryAlgorithm, entryType, entrySchema} {
		b = appendRuns(b, entries, field)
	}
	for _, e := range entries {
		b = binary.AppendUvarint(b, uint64(e.Size))
	}
	for _, e := range entries {
		b = binary.AppendUvarint(b, uint64(e.Rows))
	}
	for _, e := range entries {
		b = appendMetadata(b, e.Metadata)
	}
	return b
}

func entryKey(e *Entry) string       { return e.Key }
func entryVersion(e *Entry) string   { return e.VersionID }
func entryETag(e *Entry) string      { return e.ETag }
func entryChecksum(e *Entry) string  { return e.Checksum }
func entryAlgorithm(e *Entry) string { return e.ChecksumAlgorithm }
func entryType(e *Entry) string      { return e.ChecksumType }
func entrySchema(e *Entry) string    { return e.Schema }

func appendTexts[T any](b []byte, items []T, field func(T) string) []byte {
	for _, i := range items {
		b = binary.AppendUvarint(b, uint64(len(field(i))))
	}
	for _, i := range items {
		b = append(b, field(i)...)
	}
	return b
}

func appendRuns(b []byte, entries []*Entry, field func(*Entry) string) []byte {
	for i := 0; i < len(entries); {
		text, start := field(entries[i]), i
		for i < len(entries) && field(entries[i]) == text {
			i++
		}
		b = binary.AppendUvarint(b, uint64(i-start))
		b = appendText(b, text)
	}
	return b
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func appendMetadata(b []byte, metadata map[string]string) []byte {
	b = binary.AppendUvarint(b, uint64(len(metadata)))
	for _, name := range slices.Sorted(maps.Keys(metadata)) {
		b = appendText(appendText(b, name), metadata[name])
	}
	return b
}

func encodeIndex(k kind, level int, children []child) []byte {
	b := make([]byte, 0, 64+96*len(children))
	if k == ofChanges {
		b = append(b, changesIndexKind, Format)
	} else {
		b = append(b, indexKind, treeFormat)
	}
	b = binary.AppendUvarint(b, uint64(level))
	b = binary.AppendUvarint(b, uint64(len(children)))
	b = appendTexts(b, children, func(c child) string { return c.last })
	for i := range children {
		b = append(b, children[i].hash[:]...)
	}
	for i := range children {
		for _, n := range children[i].numbers(k) {
			b = binary.AppendUvarint(b, uint64(*n))
		}
	}
	return b
}

// numbers are the tally that an index node holds of a child.
func (s *tally) numbers(k kind) []*int64 {
	list := []*int64{&s.objects, &s.bytes, &s.rows, &s.counted}
	if k == ofChanges {
		list = append(list, &s.was.objects, &s.was.bytes, &s.was.rows, &s.was.counted, &s.changes)
	}
	return list
}

// readNode gives the node of a child at a level; it must be what the child says.
func (r *Repository) readNode(ctx context.Context, c child, level int) (*node, error) {
	key := blobs + c.hash.String()
	if known, ok := r.cache.get(key); ok && known.(*node).level == level && known.(*node).kind == c.kind {
		return known.(*node), nil
	}
	payload, err := r.load(ctx, blobs, c.hash)
	if err != nil {
		return nil, err
	}
	n, err := decodeNode(payload)
	if err != nil {
		return nil, damaged("read "+key, "%w", err)
	}
	if n.level != level || n.kind != c.kind {
		return nil, damaged("read "+key, "it is a node of kind %d at level %d, not of kind %d at %d", n.kind, n.level, c.kind, level)
	}
	r.cache.put(key, n, len(payload))
	return n, nil
}
