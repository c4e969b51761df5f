package gbdt

import (
	"math"
	"sync"
)

// A forest is all trees of a model, laid out so that one step down a tree is a
// subtraction and a shift, without a branch that the processor could guess
// wrong.
//
// A row is first encoded: each of the forest's columns, which say how one
// feature is looked at, gives an entry of 64 bits, a key above six bits that
// say how far to shift. A node has a cut of the same shape and goes right when
//
//	(cut - entry) >> (entry & 63) & 1
//
// is 1. For a number the entry is its order among all float32 numbers, shifted
// by 6, and 63; the difference then is negative, so its top bit is 1, unless the
// number is below the threshold. For a category the entry is only a shift, and
// the cut is the set of the categories that go right, a bit for each. What is
// missing becomes an entry that goes left, or right, at every node; features
// missing in both directions have two columns. Leaves go left to themselves.
type forest struct {
	nodes   []node
	roots   []root
	columns []column
	vectors []float32 // of vector leaves, as many as there are groups in each
	blocks  sync.Pool // *[]uint64: encoded blocks of rows
}

// node is 16 bytes. Its children are next and next+1. A leaf's cut holds the
// bits of its weight, or its place in vectors, above the six bits.
type node struct {
	cut    uint64
	next   uint32
	column uint32
}

func (n *node) weight() float32 { return math.Float32frombits(uint32(n.cut >> 6)) }

// root is a tree: its first node, the steps to its deepest leaf, and the group
// that it adds to; vectorGroup when it adds to all.
type root struct{ node, depth, group int32 }

const vectorGroup = -1

// column is a way to look at a feature: as a number, or as one of 57
// categories from word*57, with missing values going left or right. Column 0 is
// the leaves': it looks at nothing.
type column struct {
	feature uint32
	word    int32 // -1 for a number
	right   bool
}

const (
	numberWord  = -1
	wordBits    = 57 // categories in a cut: 64 less six bits of shift and the top bit
	alwaysLeft  = 63
	alwaysRight = 1<<63 | 63
)

// maxCategory: categories are below 2²⁴, where float32 stops counting by ones.
const maxCategory = 1 << 24

// order numbers the float32 values so that greater ones have greater numbers;
// -0 has the number of 0.
func order(v float32) uint64 {
	bits := math.Float32bits(v + 0)
	return uint64(bits ^ (uint32(int32(bits)>>31) | 1<<31))
}

// thresholdCut sends right what is not below threshold.
func thresholdCut(threshold float32) uint64 { return (order(threshold)-1)<<6 | 63 }

func leafCut(bits uint32) uint64 { return uint64(bits)<<6 | 63 }

// entry encodes a value. What is no valid category goes left.
func (c *column) entry(v float32) uint64 {
	switch {
	case v != v:
		if c.right {
			return alwaysRight
		}
		return alwaysLeft
	case c.word == numberWord:
		return order(v)<<6 | 63
	case !(v >= 0 && v < maxCategory):
		return alwaysLeft
	}
	bit := uint32(int32(v) - c.word*wordBits)
	if bit >= wordBits {
		return alwaysLeft
	}
	return uint64(bit + 6)
}

// step is one step down from a node for the entry of its column.
func (n *node) step(entry uint64) uint32 {
	return n.next + uint32((n.cut-entry)>>(entry&63)&1)
}

// lanes is how many trees, or rows, go down at once: while one waits for its
// node, the others' nodes are on their way.
const lanes = 4

// stackColumns is how many columns a single row's entries may have without
// memory from the heap.
const stackColumns = 256

// addOne adds all trees to one row's margins, in order.
func (f *forest) addOne(row, out []float32) {
	var buffer [stackColumns]uint64
	entries := buffer[:]
	if len(f.columns) > stackColumns {
		kept := f.block(len(f.columns))
		defer f.blocks.Put(kept)
		entries = *kept
	}
	entries = entries[:len(f.columns)]
	f.encode(row, entries, 1)
	i := 0
	for ; i+lanes <= len(f.roots); i += lanes {
		r := f.roots[i : i+lanes : i+lanes]
		depth := max(r[0].depth, r[1].depth, r[2].depth, r[3].depth)
		a, b, c, d := downTrees(f.nodes, entries, uint32(r[0].node), uint32(r[1].node), uint32(r[2].node), uint32(r[3].node), depth)
		f.add(&r[0], a, out)
		f.add(&r[1], b, out)
		f.add(&r[2], c, out)
		f.add(&r[3], d, out)
	}
	for ; i < len(f.roots); i++ {
		at := uint32(f.roots[i].node)
		for range f.roots[i].depth {
			at = f.nodes[at].step(entries[f.nodes[at].column])
		}
		f.add(&f.roots[i], at, out)
	}
}

// add adds the leaf at a node to one row's margins.
func (f *forest) add(r *root, at uint32, out []float32) {
	leaf := &f.nodes[at]
	if r.group != vectorGroup {
		out[r.group] += leaf.weight()
		return
	}
	first := int(leaf.cut >> 6)
	for g, v := range f.vectors[first : first+len(out)] {
		out[g] += v
	}
}

// blockRows is how many rows go through one tree before the next tree: few
// enough to stay in the cache together with it.
const blockRows = 64

// addBatch adds all trees to n rows' margins, each row's in order. A block's
// entries lie column by column.
func (f *forest) addBatch(n, features int, rows, out []float32) {
	kept := f.block(len(f.columns) * blockRows)
	defer f.blocks.Put(kept)
	entries := (*kept)[:len(f.columns)*blockRows]
	groups := len(out) / n
	for begin := 0; begin < n; begin += blockRows {
		count := min(blockRows, n-begin)
		for i := range (count + lanes - 1) / lanes * lanes {
			f.encode(rows[(begin+min(i, count-1))*features:][:features], entries[i:], blockRows)
		}
		block := out[begin*groups : (begin+count)*groups]
		for i := range f.roots {
			f.addTree(&f.roots[i], entries, count, block)
		}
	}
}

// addTree adds one tree to a block of rows. Where count is no multiple of
// lanes, the last row's entries are there again to make it one.
func (f *forest) addTree(r *root, entries []uint64, count int, out []float32) {
	groups := len(out) / count
	for i := 0; i < count; i += lanes {
		a, b, c, d := downRows(f.nodes, entries[i:], uint32(r.node), r.depth)
		if groups == 1 && i+lanes <= count && r.group == 0 {
			four := out[i : i+lanes : i+lanes]
			four[0] += f.nodes[a].weight()
			four[1] += f.nodes[b].weight()
			four[2] += f.nodes[c].weight()
			four[3] += f.nodes[d].weight()
			continue
		}
		for lane, at := range [lanes]uint32{a, b, c, d} {
			if i+lane < count {
				f.add(r, at, out[(i+lane)*groups:][:groups])
			}
		}
	}
}

// downTrees takes one row depth steps down four trees. It and downRows are
// functions of their own so that all they need stays in registers.
//
//go:noinline
func downTrees(nodes []node, entries []uint64, a, b, c, d uint32, depth int32) (uint32, uint32, uint32, uint32) {
	for range depth {
		a = nodes[a].step(entries[nodes[a].column])
		b = nodes[b].step(entries[nodes[b].column])
		c = nodes[c].step(entries[nodes[c].column])
		d = nodes[d].step(entries[nodes[d].column])
	}
	return a, b, c, d
}

// downRows takes the first four rows of a block depth steps down one tree.
//
//go:noinline
func downRows(nodes []node, entries []uint64, at uint32, depth int32) (uint32, uint32, uint32, uint32) {
	a, b, c, d := at, at, at, at
	for range depth {
		a = nodes[a].step(entries[nodes[a].column*blockRows])
		b = nodes[b].step(entries[nodes[b].column*blockRows+1])
		c = nodes[c].step(entries[nodes[c].column*blockRows+2])
		d = nodes[d].step(entries[nodes[d].column*blockRows+3])
	}
	return a, b, c, d
}

// encode writes a row's entries stride apart.
func (f *forest) encode(row []float32, entries []uint64, stride int) {
	entries[0] = alwaysLeft
	for i := 1; i < len(f.columns); i++ {
		c := &f.columns[i]
		entries[i*stride] = c.entry(row[c.feature])
	}
}

// slice is the forest of some of the trees.
func (f *forest) slice(begin, end int) *forest {
	return &forest{nodes: f.nodes, roots: f.roots[begin:end], columns: f.columns, vectors: f.vectors}
}

// block is memory for at least n entries; what it holds is of earlier rows.
func (f *forest) block(n int) *[]uint64 {
	if kept, ok := f.blocks.Get().(*[]uint64); ok && len(*kept) >= n {
		return kept
	}
	fresh := make([]uint64, n)
	return &fresh
}
