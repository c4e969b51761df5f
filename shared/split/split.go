// Package split says which side of the split a row is on, and which fold.
//
// Rows are parted in one of three ways:
//
//   - by row: both follow from a hash of the seed and the row's content alone.
//     So a row stays on its side as the data grows, duplicates are always
//     together, and nobody needs to keep a list;
//   - by group: from a hash of the seed and the row's group, e.g. the customer,
//     so that what is learnt about a group is never tried on the same group;
//   - by time: earlier rows are learnt from and later ones judged on, as the
//     model will meet them; folds chain forward.
package split

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
)

// Side of the split.
type Side int8

const (
	Train Side = iota
	Validation
	Test
	Gap // left out between two sides in time
)

// String is "train", "validation", "test" or "gap".
func (s Side) String() string { return [...]string{"train", "validation", "test", "gap"}[s] }

// Splitter assigns rows.
type Splitter struct {
	Seed       int64
	Train      float64 // share of the rows, 0..1
	Validation float64 // share of the rows; what is left is Test
}

// Side of a row, by its canonical content (every column, whatever the order and
// the file format). SHA-256 of the seed's eight bytes, big end first, and the
// content, read as a number in [0, 1): below Train it is Train, below
// Train+Validation it is Validation, else it is Test.
func (s Splitter) Side(content []byte) Side { return s.at(digest(s.Seed, "", content)) }

// RowID names a row: "<key>#<row number from 0>".
func RowID(key string, row int) string { return key + "#" + strconv.Itoa(row) }

// digest is a variable only in its salt: folds must not follow from sides.
func digest(seed int64, salt string, content []byte) [sha256.Size]byte {
	buffer := make([]byte, 0, 256)
	buffer = binary.BigEndian.AppendUint64(buffer, uint64(seed))
	buffer = append(buffer, salt...)
	return sha256.Sum256(append(buffer, content...))
}

// Key is what a row's fold follows from: the beginning of the SHA-256 of the
// seed's eight bytes, the word "fold" and the row's canonical content. Rows with
// equal keys are duplicates.
type Key [16]byte

// KeyOf is the key of a row's content.
func KeyOf(seed int64, content []byte) Key {
	sum := digest(seed, "fold", content)
	return Key(sum[:16])
}

// Folds deals rows into k stratified folds: each fold gets the same share of
// each class, as near as whole rows and duplicates allow. content(i) is row
// i's canonical content and class[i] its class. The rows of a class are sorted
// by their keys and cut into k runs of equal length; a cut that would part
// duplicates moves behind them. The error says which class is too small to be
// in every fold.
func Folds(seed int64, k int, class []int, content func(row int) []byte) ([]int, error) {
	return foldsByKey(k, class, func(row int) Key { return KeyOf(seed, content(row)) })
}

func foldsByKey(k int, class []int, key func(row int) Key) ([]int, error) {
	if k < 2 {
		return nil, fmt.Errorf("%d folds: want at least 2", k)
	}
	type place struct {
		key Key
		row int
	}
	byClass := map[int][]place{}
	for row, c := range class {
		byClass[c] = append(byClass[c], place{key(row), row})
	}
	folds := make([]int, len(class))
	for c, places := range byClass {
		if len(places) < k {
			return nil, fmt.Errorf("class %d has %d rows: want at least one for each of %d folds", c, len(places), k)
		}
		slices.SortFunc(places, func(a, b place) int {
			if order := bytes.Compare(a.key[:], b.key[:]); order != 0 {
				return order
			}
			return a.row - b.row
		})
		for i, p := range places {
			fold := i * k / len(places)
			if i > 0 && p.key == places[i-1].key {
				fold = folds[places[i-1].row]
			}
			folds[p.row] = fold
		}
	}
	return folds, nil
}
