package gbdt

import (
	"fmt"
	"math"
	"slices"
)

// node is an inner node or a leaf. Inner nodes: value is the threshold (for
// categorical ones the bits of an index into forest.sets), and the children are
// left and left+1. Leaves: value is the leaf's weight.
type node struct {
	value   float32
	feature uint32 // with the flags below
	left    int32
}

const (
	leafFlag        = 1 << 31
	defaultLeftFlag = 1 << 30
	categoricalFlag = 1 << 29
	featureMask     = 1<<29 - 1
)

type root struct{ node, group int32 }

// forest is all trees of a model in one array.
type forest struct {
	nodes []node
	roots []root
	sets  []categorySet
}

// maxCategory: categories are below 2²⁴, where float32 stops counting by ones.
const maxCategory = 1 << 24

// categorySet is the categories that go right: as bits when they are small, in
// order when they are not.
type categorySet struct {
	bits   []uint64
	sorted []int32
}

const maxBits = 4096

func newCategorySet(categories []int32) categorySet {
	if len(categories) == 0 {
		return categorySet{}
	}
	largest := slices.Max(categories)
	if largest >= maxBits {
		sorted := slices.Clone(categories)
		slices.Sort(sorted)
		return categorySet{sorted: sorted}
	}
	set := categorySet{bits: make([]uint64, largest/64+1)}
	for _, category := range categories {
		set.bits[category/64] |= 1 << (category % 64)
	}
	return set
}

// right says whether the category v, cut to a whole number, goes right. What
// is no valid category goes left.
func (s *categorySet) right(v float32) bool {
	if !(v >= 0 && v < maxCategory) {
		return false
	}
	category := int32(v)
	if s.sorted != nil {
		_, found := slices.BinarySearch(s.sorted, category)
		return found
	}
	word := int(category / 64)
	return word < len(s.bits) && s.bits[word]>>(category%64)&1 == 1
}

// leaf follows a row from a root to its leaf's value.
func (f *forest) leaf(at int32, row []float32) float32 {
	n := &f.nodes[at]
	for n.feature&leafFlag == 0 {
		v := row[n.feature&featureMask]
		var right bool
		switch {
		case v != v:
			right = n.feature&defaultLeftFlag == 0
		case n.feature&categoricalFlag != 0:
			right = f.set(n).right(v)
		default:
			right = !(v < n.value)
		}
		next := n.left
		if right {
			next++
		}
		n = &f.nodes[next]
	}
	return n.value
}

func (f *forest) set(n *node) *categorySet { return &f.sets[math.Float32bits(n.value)] }

// Features is the length of a row.
func (m *Model) Features() int { return m.features }

// Outputs is how many predictions a row gets: one, or one per class or target.
func (m *Model) Outputs() int { return m.outputs }

// Groups is how many margins a row gets; Outputs, but for multi:softmax, which
// predicts one class out of Groups.
func (m *Model) Groups() int { return len(m.base) }

// Objective is XGBoost's name of what was learned, e.g. "binary:logistic".
func (m *Model) Objective() string { return m.objective }

// Version is that of the XGBoost which wrote the file, e.g. [3 2 0].
func (m *Model) Version() []int { return m.version }

// FeatureNames and FeatureTypes ("q" is numeric, "c" categorical, …) are what
// training gave XGBoost; empty when it gave none.
func (m *Model) FeatureNames() []string { return m.names }
func (m *Model) FeatureTypes() []string { return m.types }

// Trees counts the trees of all groups.
func (m *Model) Trees() int { return len(m.forest.roots) }

// Predict writes one row's Outputs predictions to out. row has Features
// values, NaN where one is missing and the code where one is categorical. It
// panics when a length is wrong. It allocates nothing for up to 32 classes.
func (m *Model) Predict(row, out []float32) {
	m.checkLengths(1, row, out, m.outputs)
	if m.outputs == len(m.base) {
		m.margins(1, row, out)
		m.link.transform(out)
		return
	}
	var buffer [32]float32
	margins := buffer[:]
	if len(m.base) > len(buffer) {
		margins = make([]float32, len(m.base))
	}
	margins = margins[:len(m.base)]
	m.margins(1, row, margins)
	m.link.transform(margins)
	copy(out, margins[:m.outputs])
}

// PredictBatch is Predict for len(rows)/Features rows, one after the other in
// rows and in out. It is faster than row by row, and gives the same bits.
func (m *Model) PredictBatch(rows, out []float32) {
	n := len(rows) / m.features
	m.checkLengths(n, rows, out, m.outputs)
	if m.outputs != len(m.base) {
		for i := range n {
			m.Predict(rows[i*m.features:][:m.features], out[i*m.outputs:][:m.outputs])
		}
		return
	}
	m.margins(n, rows, out)
	for i := range n {
		m.link.transform(out[i*m.outputs:][:m.outputs])
	}
}

// Margins writes Groups margins for each of len(rows)/Features rows to out.
func (m *Model) Margins(rows, out []float32) {
	n := len(rows) / m.features
	m.checkLengths(n, rows, out, len(m.base))
	m.margins(n, rows, out)
}

func (m *Model) checkLengths(n int, rows, out []float32, width int) {
	if len(rows) != n*m.features || len(out) != n*width {
		panic(fmt.Sprintf("gbdt: %d values in and %d out for %d rows of %d features and %d outputs",
			len(rows), len(out), n, m.features, width))
	}
}

// block is how many rows go through one tree before the next tree: few enough
// to stay in the cache together with it.
const block = 64

func (m *Model) margins(n int, rows, out []float32) {
	groups := len(m.base)
	for i := range n {
		copy(out[i*groups:], m.base)
	}
	if m.linear != nil {
		m.addLinear(n, rows, out)
		return
	}
	for begin := 0; begin < n; begin += block {
		end := min(begin+block, n)
		for _, r := range m.forest.roots {
			for i := begin; i < end; i++ {
				out[i*groups+int(r.group)] += m.forest.leaf(r.node, rows[i*m.features:][:m.features])
			}
		}
	}
}

// addLinear adds bias and weighted features; a missing one adds nothing.
func (m *Model) addLinear(n int, rows, out []float32) {
	groups := len(m.base)
	bias := m.linear[m.features*groups:]
	for i := range n {
		row := rows[i*m.features:][:m.features]
		for g := range groups {
			sum := bias[g] + out[i*groups+g]
			for f, v := range row {
				if v == v {
					sum += float32(v * m.linear[f*groups+g])
				}
			}
			out[i*groups+g] = sum
		}
	}
}
