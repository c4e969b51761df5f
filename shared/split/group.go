package split

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
)

// GroupSide is the side of a whole group of rows, e.g. of one customer's, by
// the group's canonical value. It follows from the seed and that value alone,
// so a group stays on its side as the data grows, and no group is ever on two.
func (s Splitter) GroupSide(group string) Side { return s.at(digest(s.Seed, "group", []byte(group))) }

// GroupFolds deals rows into k folds such that no group is in two: the largest
// group first, each to the fold that has the fewest rows so far, which is
// scikit-learn's GroupKFold. Groups of equal size go by the SHA-256 of the
// seed's eight bytes, the word "groupfold" and the group. The error says that
// there are fewer groups than folds.
func GroupFolds(seed int64, k int, group []string) (*Assignment, error) {
	if k < 2 {
		return nil, fmt.Errorf("%d folds: want at least 2", k)
	}
	type member struct {
		name string
		rows int
		hash [sha256.Size]byte
	}
	sizes := map[string]int{}
	for _, name := range group {
		sizes[name]++
	}
	if len(sizes) < k {
		return nil, fmt.Errorf("%d groups for %d folds: want at least one each", len(sizes), k)
	}
	members := make([]member, 0, len(sizes))
	for name, rows := range sizes {
		members = append(members, member{name, rows, digest(seed, "groupfold", []byte(name))})
	}
	slices.SortFunc(members, func(a, b member) int {
		return cmp.Or(b.rows-a.rows, bytes.Compare(a.hash[:], b.hash[:]))
	})
	foldOf, load := make(map[string]int, len(sizes)), make([]int, k)
	for _, m := range members {
		lightest := slices.Index(load, slices.Min(load))
		foldOf[m.name] = lightest
		load[lightest] += m.rows
	}
	f := &Assignment{K: k, Held: make([]int, len(group))}
	for row, name := range group {
		f.Held[row] = foldOf[name]
	}
	return f, nil
}

// at reads a digest as a number in [0, 1) and gives its side.
func (s Splitter) at(sum [sha256.Size]byte) Side {
	// The upper 53 bits are exactly a float64's worth.
	place := float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
	switch {
	case place < s.Train:
		return Train
	case place < s.Train+s.Validation:
		return Validation
	}
	return Test
}
