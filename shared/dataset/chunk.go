package dataset

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
)

// cut says where nodes of one kind end. A node never has fewer than least items
// (but the last of its level) nor more than most. In between, an item ends its
// node when a hash of its key falls below a threshold: a low one up to mean
// items, a high one from there, which gathers the lengths around mean (the
// normalised chunking of FastCDC, Xia et al., USENIX ATC 2016).
type cut struct {
	least, mean, most int
	early, late       uint32 // thresholds for a uniform 32-bit hash
}

// shape is how a tree is cut. Equal sets have equal trees only in equal shapes,
// so it is part of the format.
type shape struct {
	leaf, index cut
	inline      int // a tree of at most so many items lies in its commit
}

// shapes are how trees and segments are cut, and when a segment is written.
type shapes struct {
	tree, segment shape
	overlay       overlay
}

func (s *shapes) of(k kind) *shape {
	if k == ofChanges {
		return &s.segment
	}
	return &s.tree
}

// oneIn is the threshold that one hash in n falls below.
func oneIn(n uint32) uint32 { return math.MaxUint32 / n }

// A change takes twice an entry's bytes and is looked up alone more often than
// with its neighbours, so a segment's leaves are smaller.
var standard = shapes{
	tree: shape{
		leaf:   cut{least: 512, mean: 1024, most: 2048, early: oneIn(1024), late: oneIn(256)},
		index:  cut{least: 128, mean: 256, most: 512, early: oneIn(256), late: oneIn(64)},
		inline: 64,
	},
	segment: shape{
		leaf:   cut{least: 64, mean: 128, most: 256, early: oneIn(128), late: oneIn(32)},
		index:  cut{least: 128, mean: 256, most: 512, early: oneIn(256), late: oneIn(64)},
		inline: 16,
	},
	overlay: overlay{most: 6, worth: 8, share: 8, small: 64},
}

// ends says whether the n-th item of a node at a level is its last one. Each
// level looks at 32 other bits of the key's SHA-256, so that the levels' ends
// are independent.
func (s *shape) ends(level, n int, key string) bool {
	c := &s.leaf
	if level > 0 {
		c = &s.index
	}
	if n < c.least {
		return false
	}
	if n >= c.most {
		return true
	}
	sum := sha256.Sum256([]byte(key))
	word := binary.BigEndian.Uint32(sum[4*(level%8):])
	if n < c.mean {
		return word < c.early
	}
	return word < c.late
}
