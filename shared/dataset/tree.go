package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"slices"
	"strings"
)

// leafEntries is how many entries a leaf has on average.
const leafEntries = 1024

// treeIndex lists a tree's leaves in key order. Format 1 has this one level
// above the leaves; Level leaves room for more.
type treeIndex struct {
	Format int       `json:"format"`
	Level  int       `json:"level"` // 1
	Leaves []leafRef `json:"leaves"`
}

type leafRef struct {
	Hash  string `json:"hash"`
	Last  string `json:"last"` // its greatest key
	Count int    `json:"count"`
	Bytes int64  `json:"bytes"` // of the objects
}

type leaf struct {
	Format  int     `json:"format"`
	Level   int     `json:"level"` // 0
	Entries []Entry `json:"entries"`
}

// endsLeaf says whether a key is the last of its leaf: one key in leafEntries
// is, by its hash.
func endsLeaf(key string) bool {
	sum := sha256.Sum256([]byte(key))
	return binary.BigEndian.Uint64(sum[:8])%leafEntries == 0
}

func (r *Repository) readIndex(ctx context.Context, id string) (treeIndex, error) {
	var index treeIndex
	if err := r.read(ctx, "trees/", id, &index); err != nil {
		return treeIndex{}, err
	}
	if index.Format != Format || index.Level != 1 {
		return treeIndex{}, wrongFormat("trees/"+id, index.Format)
	}
	return index, nil
}

func (r *Repository) readLeaf(ctx context.Context, id string) ([]Entry, error) {
	var l leaf
	if err := r.read(ctx, "trees/", id, &l); err != nil {
		return nil, err
	}
	if l.Format != Format || l.Level != 0 {
		return nil, wrongFormat("trees/"+id, l.Format)
	}
	return l.Entries, nil
}

// treeWriter cuts a growing, key-ordered list of entries into leaves.
type treeWriter struct {
	repository *Repository
	ctx        context.Context
	index      treeIndex
	open       []Entry
}

func (w *treeWriter) add(e Entry) error {
	w.open = append(w.open, e)
	if endsLeaf(e.Key) {
		return w.cut()
	}
	return nil
}

func (w *treeWriter) cut() error {
	if len(w.open) == 0 {
		return nil
	}
	hash, err := w.repository.write(w.ctx, "trees/", leaf{Format: Format, Entries: w.open})
	if err != nil {
		return err
	}
	l := leafRef{Hash: hash, Last: w.open[len(w.open)-1].Key, Count: len(w.open)}
	for _, e := range w.open {
		l.Bytes += e.Size
	}
	w.index.Leaves, w.open = append(w.index.Leaves, l), nil
	return nil
}

// rewrite applies sorted changes to a tree. A leaf that no change falls into is
// neither read nor written, unless the leaf before it lost its end.
func (r *Repository) rewrite(ctx context.Context, old treeIndex, changes Changes) (treeIndex, Stats, error) {
	w := &treeWriter{repository: r, ctx: ctx, index: treeIndex{Format: Format, Level: 1, Leaves: []leafRef{}}}
	edits := changes.edits()
	var stats Stats
	for i, l := range old.Leaves {
		mine := edits
		if i < len(old.Leaves)-1 {
			at, _ := slices.BinarySearchFunc(edits, l.Last+"\x00", func(e edit, key string) int { return strings.Compare(e.key, key) })
			mine = edits[:at]
		}
		edits = edits[len(mine):]
		if len(mine) == 0 && len(w.open) == 0 {
			w.index.Leaves = append(w.index.Leaves, l)
			continue
		}
		entries, err := r.readLeaf(ctx, l.Hash)
		if err != nil {
			return treeIndex{}, Stats{}, err
		}
		if err := w.merge(entries, mine, &stats); err != nil {
			return treeIndex{}, Stats{}, err
		}
	}
	if err := w.merge(nil, edits, &stats); err != nil {
		return treeIndex{}, Stats{}, err
	}
	if err := w.cut(); err != nil {
		return treeIndex{}, Stats{}, err
	}
	for _, l := range w.index.Leaves {
		stats.Objects += l.Count
		stats.Bytes += l.Bytes
	}
	return w.index, stats, nil
}

// edit is a put, or with put nil a delete.
type edit struct {
	key string
	put *Entry
}

// edits interleaves sorted changes in key order.
func (c Changes) edits() []edit {
	edits := make([]edit, 0, len(c.Puts)+len(c.Deletes))
	for i := range c.Puts {
		edits = append(edits, edit{c.Puts[i].Key, &c.Puts[i]})
	}
	for _, key := range c.Deletes {
		edits = append(edits, edit{key, nil})
	}
	slices.SortFunc(edits, func(a, b edit) int { return strings.Compare(a.key, b.key) })
	return edits
}

// merge adds old entries with edits applied, counting what they do.
func (w *treeWriter) merge(old []Entry, edits []edit, stats *Stats) error {
	for len(old) > 0 || len(edits) > 0 {
		if len(edits) == 0 || (len(old) > 0 && old[0].Key < edits[0].key) {
			if err := w.add(old[0]); err != nil {
				return err
			}
			old = old[1:]
			continue
		}
		e := edits[0]
		edits = edits[1:]
		replaces := len(old) > 0 && old[0].Key == e.key
		e.count(replaces, old, stats)
		if replaces {
			old = old[1:]
		}
		if e.put != nil {
			if err := w.add(*e.put); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e edit) count(replaces bool, old []Entry, stats *Stats) {
	switch {
	case e.put == nil && replaces:
		stats.Removed++
	case e.put != nil && !replaces:
		stats.Added++
	case e.put != nil && old[0] != *e.put:
		stats.Changed++
	}
}

// entries walks a tree in key order, reading only leaves that may hold keys with
// the prefix.
func (r *Repository) entries(ctx context.Context, index treeIndex, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for _, l := range index.Leaves {
			if l.Last < prefix {
				continue
			}
			entries, err := r.readLeaf(ctx, l.Hash)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, e := range entries {
				if strings.HasPrefix(e.Key, prefix) {
					if !yield(e, nil) {
						return
					}
				} else if e.Key > prefix {
					return
				}
			}
		}
	}
}
