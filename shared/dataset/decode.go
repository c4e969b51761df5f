package dataset

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
)

// heads tells what node a payload is by its first two bytes: of which kind, and
// at least at which level.
func heads(first, format byte) (k kind, least int, ok bool) {
	switch [2]byte{first, format} {
	case [2]byte{leafKind, treeFormat}:
		return ofEntries, 0, true
	case [2]byte{indexKind, treeFormat}:
		return ofEntries, 1, true
	case [2]byte{changesKind, Format}:
		return ofChanges, 0, true
	case [2]byte{changesIndexKind, Format}:
		return ofChanges, 1, true
	}
	return 0, 0, false
}

// decodeNode reads a payload of node.encode. Its texts share the payload's
// memory.
func decodeNode(payload []byte) (*node, error) {
	if len(payload) < 2 {
		return nil, errors.New("it is cut off")
	}
	k, least, ok := heads(payload[0], payload[1])
	if !ok {
		return nil, fmt.Errorf("it is no node that this build knows: kind %q of format %d", payload[0], payload[1])
	}
	d := &decoder{text: string(payload), at: 2}
	n := &node{kind: k, level: int(d.number(63))}
	count := int(d.number(mostItems))
	if d.err == nil && count > len(payload) {
		d.fail("it has %d items in %d bytes", count, len(payload))
	}
	if d.err == nil && min(n.level, 1) != least {
		d.fail("it is of kind %q at level %d", payload[0], n.level)
	}
	if d.err != nil {
		return nil, d.err
	}
	switch {
	case n.level > 0:
		n.children = d.index(n.kind, count)
	case n.kind == ofChanges:
		n.items = d.changes(count)
	default:
		n.items = d.leaf(count)
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

func (d *decoder) leaf(count int) []item {
	items := make([]item, count)
	entries := make([]*Entry, count)
	for i := range items {
		entries[i] = &items[i].Entry
	}
	d.keys(items)
	d.columns(entries)
	return items
}

func (d *decoder) changes(count int) []item {
	items := make([]item, count)
	d.keys(items)
	var now, was []*Entry
	for i, what := range []byte(d.take(count)) {
		if what == 0 || what > holdsNow|holdsWas {
			d.fail("a change holds %d", what)
		}
		if what&holdsNow != 0 {
			now = append(now, &items[i].Entry)
		}
		if what&holdsWas != 0 {
			items[i].was = &Entry{Key: items[i].Key}
			was = append(was, items[i].was)
		}
	}
	d.columns(now)
	d.columns(was)
	for _, e := range now {
		if d.err == nil && e.VersionID == "" {
			d.fail("key %q is put without a version", e.Key)
		}
	}
	return items
}

func (d *decoder) keys(items []item) {
	d.texts(len(items), func(i int, s string) { items[i].Key = s })
	for i := range items {
		if d.err == nil && (items[i].Key == "" || (i > 0 && items[i].Key <= items[i-1].Key)) {
			d.fail("key %q is out of order", items[i].Key)
		}
	}
}

func (d *decoder) columns(entries []*Entry) {
	count := len(entries)
	d.texts(count, func(i int, s string) { entries[i].VersionID = s })
	d.texts(count, func(i int, s string) { entries[i].ETag = s })
	d.texts(count, func(i int, s string) { entries[i].Checksum = s })
	d.runs(count, func(i int, s string) { entries[i].ChecksumAlgorithm = s })
	d.runs(count, func(i int, s string) { entries[i].ChecksumType = s })
	d.runs(count, func(i int, s string) { entries[i].Schema = s })
	for _, e := range entries {
		e.Size = int64(d.number(math.MaxInt64))
	}
	for _, e := range entries {
		e.Rows = int64(d.number(math.MaxInt64))
	}
	for _, e := range entries {
		e.Metadata = d.metadata()
	}
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

func (d *decoder) index(k kind, count int) []child {
	children := make([]child, count)
	d.texts(count, func(i int, s string) { children[i].last = s })
	for i := range children {
		children[i].kind = k
		copy(children[i].hash[:], d.take(sha256.Size))
	}
	for i := range children {
		for _, n := range children[i].numbers(k) {
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
