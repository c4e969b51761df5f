package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
)

// totals sum up a subtree.
type totals struct {
	objects, bytes, rows, counted int64
}

func (t totals) plus(o totals) totals {
	return totals{t.objects + o.objects, t.bytes + o.bytes, t.rows + o.rows, t.counted + o.counted}
}

func totalsOf(entries []Entry) totals {
	t := totals{objects: int64(len(entries))}
	for i := range entries {
		t.bytes += entries[i].Size
		if entries[i].Rows > 0 {
			t.rows += entries[i].Rows
			t.counted++
		}
	}
	return t
}

// child is what an index node says of a node below it.
type child struct {
	hash hash
	last string // its greatest key
	totals
}

// node is a decoded tree node: entries at level 0, children above.
type node struct {
	level    int
	entries  []Entry
	children []child
}

// The encoding of a node's payload is in columns, so that like compresses with
// like: a kind, the format, the level, the count; then column by column. A
// column of texts is all lengths, then all bytes; a column of repetitive texts
// is runs. Numbers are unsigned varints.
const (
	leafKind  = 'L'
	indexKind = 'I'
)

// mostItems bounds a node's items, far above what any shape makes.
const mostItems = 1 << 16

func encodeLeaf(entries []Entry) []byte {
	b := make([]byte, 0, 64+160*len(entries))
	b = append(b, leafKind, Format, 0)
	b = binary.AppendUvarint(b, uint64(len(entries)))
	for _, field := range []func(*Entry) string{entryKey, entryVersion, entryETag, entryChecksum} {
		b = appendTexts(b, entries, field)
	}
	for _, field := range []func(*Entry) string{entryAlgorithm, entryType, entrySchema} {
		b = appendRuns(b, entries, field)
	}
	for i := range entries {
		b = binary.AppendUvarint(b, uint64(entries[i].Size))
	}
	for i := range entries {
		b = binary.AppendUvarint(b, uint64(entries[i].Rows))
	}
	for i := range entries {
		b = appendMetadata(b, entries[i].Metadata)
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

func appendTexts[T any](b []byte, items []T, field func(*T) string) []byte {
	for i := range items {
		b = binary.AppendUvarint(b, uint64(len(field(&items[i]))))
	}
	for i := range items {
		b = append(b, field(&items[i])...)
	}
	return b
}

func appendRuns(b []byte, entries []Entry, field func(*Entry) string) []byte {
	for i := 0; i < len(entries); {
		text, start := field(&entries[i]), i
		for i < len(entries) && field(&entries[i]) == text {
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

func encodeIndex(level int, children []child) []byte {
	b := make([]byte, 0, 64+96*len(children))
	b = append(b, indexKind, Format)
	b = binary.AppendUvarint(b, uint64(level))
	b = binary.AppendUvarint(b, uint64(len(children)))
	b = appendTexts(b, children, func(c *child) string { return c.last })
	for i := range children {
		b = append(b, children[i].hash[:]...)
	}
	for _, c := range children {
		for _, n := range []int64{c.objects, c.bytes, c.rows, c.counted} {
			b = binary.AppendUvarint(b, uint64(n))
		}
	}
	return b
}

// decodeNode reads a payload of encodeLeaf or encodeIndex. Its texts share the
// payload's memory.
func decodeNode(payload []byte) (*node, error) {
	if len(payload) < 2 || payload[1] != Format {
		return nil, errors.New("it is no tree node of this format")
	}
	d := &decoder{text: string(payload), at: 2}
	n := &node{level: int(d.number(63))}
	count := int(d.number(mostItems))
	if d.err == nil && count > len(payload) {
		d.fail("it has %d items in %d bytes", count, len(payload))
	}
	if d.err != nil {
		return nil, d.err
	}
	switch {
	case payload[0] == leafKind && n.level == 0:
		n.entries = d.leaf(count)
	case payload[0] == indexKind && n.level > 0:
		n.children = d.index(count)
	default:
		d.fail("it is of kind %q at level %d", payload[0], n.level)
	}
	if d.err == nil && d.at != len(d.text) {
		d.fail("%d bytes follow its end", len(d.text)-d.at)
	}
	return n, d.err
}

// decoder reads varints and texts; after its first error it gives zeros.
type decoder struct {
	text string
	at   int
	err  error
}

func (d *decoder) fail(why string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("at byte %d: %w", d.at, fmt.Errorf(why, args...))
		d.at = len(d.text)
	}
}

func (d *decoder) number(most uint64) uint64 {
	var n uint64
	for shift := 0; d.err == nil; shift += 7 {
		if d.at >= len(d.text) || shift > 63 {
			d.fail("a number is cut off or too long")
			return 0
		}
		c := d.text[d.at]
		d.at++
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			break
		}
	}
	if n > most {
		d.fail("%d is more than %d", n, most)
		return 0
	}
	return n
}

func (d *decoder) take(n int) string {
	if n > len(d.text)-d.at {
		d.fail("%d bytes are wanted, %d are left", n, len(d.text)-d.at)
		return ""
	}
	d.at += n
	return d.text[d.at-n : d.at]
}

func (d *decoder) word() string { return d.take(int(d.number(mostPayload))) }

func (d *decoder) texts(count int, set func(i int, text string)) {
	lengths := make([]int, count)
	for i := range lengths {
		lengths[i] = int(d.number(mostPayload))
	}
	for i, n := range lengths {
		set(i, d.take(n))
	}
}

func (d *decoder) runs(count int, set func(i int, text string)) {
	for i := 0; i < count && d.err == nil; {
		n := int(d.number(uint64(count - i)))
		text := d.word()
		if n == 0 {
			d.fail("a run is empty")
		}
		for range n {
			set(i, text)
			i++
		}
	}
}

func (d *decoder) leaf(count int) []Entry {
	entries := make([]Entry, count)
	d.texts(count, func(i int, s string) { entries[i].Key = s })
	d.texts(count, func(i int, s string) { entries[i].VersionID = s })
	d.texts(count, func(i int, s string) { entries[i].ETag = s })
	d.texts(count, func(i int, s string) { entries[i].Checksum = s })
	d.runs(count, func(i int, s string) { entries[i].ChecksumAlgorithm = s })
	d.runs(count, func(i int, s string) { entries[i].ChecksumType = s })
	d.runs(count, func(i int, s string) { entries[i].Schema = s })
	for i := range entries {
		entries[i].Size = int64(d.number(math.MaxInt64))
	}
	for i := range entries {
		entries[i].Rows = int64(d.number(math.MaxInt64))
	}
	for i := range entries {
		entries[i].Metadata = d.metadata()
	}
	for i := range entries {
		if d.err == nil && (entries[i].Key == "" || (i > 0 && entries[i].Key <= entries[i-1].Key)) {
			d.fail("key %q is out of order", entries[i].Key)
		}
	}
	return entries
}

func (d *decoder) metadata() map[string]string {
	count := int(d.number(mostItems))
	if count == 0 {
		return nil
	}
	m := map[string]string{}
	for range count {
		name := d.word()
		if m[name] = d.word(); d.err != nil {
			return nil
		}
	}
	return m
}

func (d *decoder) index(count int) []child {
	children := make([]child, count)
	d.texts(count, func(i int, s string) { children[i].last = s })
	for i := range children {
		copy(children[i].hash[:], d.take(sha256.Size))
	}
	for i := range children {
		for _, n := range []*int64{&children[i].objects, &children[i].bytes, &children[i].rows, &children[i].counted} {
			*n = int64(d.number(math.MaxInt64))
		}
	}
	for i := range children {
		if d.err == nil && i > 0 && children[i].last <= children[i-1].last {
			d.fail("key %q is out of order", children[i].last)
		}
	}
	if count == 0 {
		d.fail("it has no children")
	}
	return children
}

// readNode gives a node of a level that it must have.
func (r *Repository) readNode(ctx context.Context, id hash, level int) (*node, error) {
	key := blobs + id.String()
	if known, ok := r.cache.get(key); ok && known.(*node).level == level {
		return known.(*node), nil
	}
	payload, err := r.load(ctx, blobs, id)
	if err != nil {
		return nil, err
	}
	n, err := decodeNode(payload)
	if err != nil {
		return nil, damaged("read "+key, "%w", err)
	}
	if n.level != level {
		return nil, damaged("read "+key, "it is at level %d, not %d", n.level, level)
	}
	r.cache.put(key, n, len(payload))
	return n, nil
}
