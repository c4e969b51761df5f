package gbdt

import (
	"fmt"
	"math"
	"slices"
)

// layout writes a file's trees into a forest. columns is where each column is.
type layout struct {
	*forest
	features int
	groups   int
	columns  map[column]uint32
}

// maxNodes is far above any real model's, and keeps leaves' places in 32 bits.
const maxNodes = 1 << 28

func newLayout(f *forest, features, groups int) *layout {
	f.columns = []column{{}}
	return &layout{forest: f, features: features, groups: groups, columns: map[column]uint32{}}
}

// place is where a node of the file goes: to at, and a copy to each of copies.
// A copy needs no children of its own: it shares them.
type place struct {
	source int32
	at     uint32
	depth  int32
	copies []uint32
}

// add lays a tree out breadth first, so that the children of a node are
// neighbours and only one of them needs a pointer. Reaching a node twice, by a
// cycle or a shared child, is an error; nodes that nothing reaches are dropped.
func (l *layout) add(t *treeFile, group int, weight float32) error {
	leaves, err := t.check(l.groups)
	if err != nil {
		return err
	}
	categories, err := t.categories()
	if err != nil {
		return err
	}
	if len(l.nodes)+len(t.LeftChildren)+2*len(t.Categories) > maxNodes {
		return fmt.Errorf("the model has more than %d nodes", maxNodes)
	}
	if leaves != nil {
		group = vectorGroup
	}
	tree := root{node: int32(len(l.nodes)), group: int32(group)}
	seen := make([]bool, len(t.LeftChildren))
	seen[0] = true
	queue := []place{{at: l.grow(1)}}
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		tree.depth = max(tree.depth, p.depth)
		if t.LeftChildren[p.source] == -1 {
			l.leaf(t, p.at, p.source, leaves, weight)
		} else if queue, err = l.split(t, p, seen, categories, queue); err != nil {
			return fmt.Errorf("node %d %w", p.source, err)
		}
		for _, copied := range p.copies {
			l.nodes[copied] = l.nodes[p.at]
		}
	}
	l.roots = append(l.roots, tree)
	return nil
}

// grow makes n more nodes and gives the first one's place.
func (l *layout) grow(n int) uint32 {
	first := uint32(len(l.nodes))
	l.nodes = append(l.nodes, make([]node, n)...)
	return first
}

func (l *layout) leaf(t *treeFile, at uint32, source int32, leaves []float32, weight float32) {
	cut := leafCut(math.Float32bits(t.SplitConditions[source] * weight))
	if leaves != nil {
		first := t.vector(source) * l.groups
		cut = leafCut(uint32(len(l.vectors)))
		for _, v := range leaves[first : first+l.groups] {
			l.vectors = append(l.vectors, v*weight)
		}
	}
	l.nodes[at] = node{cut: cut, next: at}
}

// split writes an inner node and queues its children.
func (l *layout) split(t *treeFile, p place, seen []bool, categories map[int32][]int32, queue []place) ([]place, error) {
	left, right := t.LeftChildren[p.source], t.RightChildren[p.source]
	for _, child := range [2]int32{left, right} {
		if child <= 0 || int(child) >= len(seen) || seen[child] {
			return nil, fmt.Errorf("has child %d: want a node from 1 to %d that has no other parent", child, len(seen)-1)
		}
		seen[child] = true
	}
	feature := t.SplitIndices[p.source]
	if feature < 0 || int(feature) >= l.features {
		return nil, fmt.Errorf("splits feature %d: want 0 to %d", feature, l.features-1)
	}
	look := column{feature: uint32(feature), word: numberWord, right: t.DefaultLeft[p.source] == 0}
	if len(t.SplitType) > 0 && t.SplitType[p.source] == 1 {
		return l.splitCategories(p, look, categories[p.source], left, right, queue), nil
	}
	threshold := t.SplitConditions[p.source]
	if threshold != threshold {
		return nil, fmt.Errorf("splits feature %d at NaN: want a number", feature)
	}
	pair := l.grow(2)
	l.nodes[p.at] = node{cut: thresholdCut(threshold), next: pair, column: l.column(look)}
	return append(queue, place{source: left, at: pair, depth: p.depth + 1}, place{source: right, at: pair + 1, depth: p.depth + 1}), nil
}

// splitCategories writes a node for each run of 57 categories that has some
// which go right. Each one's left child is the next; their right children are
// copies of one node.
func (l *layout) splitCategories(p place, look column, set []int32, left, right int32, queue []place) []place {
	words, masks := wordsOf(set)
	at, depth := p.at, p.depth
	var rights []uint32
	for i, word := range words {
		pair := l.grow(2)
		look.word = word
		l.nodes[at] = node{cut: masks[i]<<6 | 63, next: pair, column: l.column(look)}
		rights = append(rights, pair+1)
		at, depth = pair, depth+1
	}
	return append(queue, place{source: left, at: at, depth: depth}, place{source: right, at: rights[0], depth: depth, copies: rights[1:]})
}

// wordsOf cuts a set of categories into words of wordBits; at least one.
func wordsOf(set []int32) (words []int32, masks []uint64) {
	if len(set) == 0 {
		return []int32{0}, []uint64{0}
	}
	set = slices.Clone(set)
	slices.Sort(set)
	for _, category := range set {
		word := category / wordBits
		if len(words) == 0 || words[len(words)-1] != word {
			words, masks = append(words, word), append(masks, 0)
		}
		masks[len(masks)-1] |= 1 << (category % wordBits)
	}
	return words, masks
}

func (l *layout) column(look column) uint32 {
	index, known := l.columns[look]
	if !known {
		index = uint32(len(l.forest.columns))
		l.columns[look] = index
		l.forest.columns = append(l.forest.columns, look)
	}
	return index
}
