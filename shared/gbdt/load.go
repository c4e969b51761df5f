package gbdt

import (
	"fmt"
	"slices"
)

// Limits on what a file may ask for, far above any real model's.
const (
	maxFeatures = 1 << 24
	maxGroups   = 1 << 16
)

// Model predicts. It is immutable, so many goroutines may use it at once.
type Model struct {
	objective string
	version   []int
	names     []string
	types     []string
	features  int
	outputs   int
	link      link
	base      []float32 // margin per group
	forest    *forest
	rounds    []int     // each round's first tree, then how many there are
	best      int       // the best round, or -1
	linear    []float32 // gblinear: features × groups, then one bias per group
}

// Load reads an XGBoost model file, JSON or UBJSON. Whatever the bytes, it
// returns a model or an error that says what is wrong; a retry cannot help.
func Load(data []byte) (*Model, error) {
	f, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("read XGBoost model: %w", err)
	}
	m, err := build(f)
	if err != nil {
		return nil, fmt.Errorf("read XGBoost model: %w", err)
	}
	return m, nil
}

func build(f *file) (*Model, error) {
	l := &f.Learner
	m := &Model{forest: new(forest), objective: l.Objective.Name, version: f.Version, names: l.FeatureNames, types: l.FeatureTypes}
	groups, err := m.shape(&l.Param)
	if err != nil {
		return nil, err
	}
	if m.link, err = linkOf(m.objective); err != nil {
		return nil, err
	}
	if err := m.setBase(l.Param.BaseScore, groups); err != nil {
		return nil, err
	}
	trees, err := m.setBooster(&l.Booster)
	if err != nil {
		return nil, err
	}
	return m, m.setRounds(trees, &l.Attributes)
}

// shape reads the number of features and of groups: classes times targets.
func (m *Model) shape(p *learnerParam) (groups int, err error) {
	classes, err := integer("num_class", p.NumClass)
	if err != nil {
		return 0, err
	}
	targets, err := integer("num_target", p.NumTarget)
	if err != nil {
		return 0, err
	}
	if m.features, err = integer("num_feature", p.NumFeature); err != nil {
		return 0, err
	}
	if m.features < 1 || m.features > maxFeatures {
		return 0, fmt.Errorf("num_feature is %d: want 1 to %d", m.features, maxFeatures)
	}
	if classes > maxGroups || targets > maxGroups || max(classes, 1)*max(targets, 1) > maxGroups {
		return 0, fmt.Errorf("num_class is %d and num_target %d: want at most %d outputs", classes, targets, maxGroups)
	}
	groups = max(classes, 1) * max(targets, 1)
	m.outputs = groups
	if m.objective == "multi:softmax" {
		m.outputs = 1
	}
	return groups, nil
}

func (m *Model) setBase(text string, groups int) error {
	scores, err := baseScores(text)
	if err != nil {
		return err
	}
	if len(scores) != 1 && len(scores) != groups {
		return fmt.Errorf("base_score has %d values: want 1 or one for each of %d outputs", len(scores), groups)
	}
	m.base = make([]float32, groups)
	for i := range m.base {
		if m.base[i], err = m.link.margin(scores[min(i, len(scores)-1)]); err != nil {
			return err
		}
	}
	return nil
}

// setBooster gives the part of the booster that has its trees.
func (m *Model) setBooster(b *booster) (*boosterModel, error) {
	switch b.Name {
	case "gbtree":
		return &b.Model, m.setTrees(&b.Model, nil)
	case "dart":
		if b.GBTree == nil {
			return nil, fmt.Errorf("booster dart has no gbtree")
		}
		if len(b.WeightDrop) != len(b.GBTree.Model.Trees) {
			return nil, fmt.Errorf("booster dart has %d trees and %d weights", len(b.GBTree.Model.Trees), len(b.WeightDrop))
		}
		return &b.GBTree.Model, m.setTrees(&b.GBTree.Model, b.WeightDrop)
	case "gblinear":
		if want := (m.features + 1) * len(m.base); len(b.Model.Weights) != want {
			return nil, fmt.Errorf("booster gblinear has %d weights: want %d", len(b.Model.Weights), want)
		}
		m.linear = b.Model.Weights
		return &b.Model, nil
	}
	return nil, fmt.Errorf("booster %q is not supported: want gbtree, dart or gblinear", clip(b.Name))
}

func (m *Model) setTrees(model *boosterModel, weights []float32) error {
	if len(model.TreeInfo) != len(model.Trees) {
		return fmt.Errorf("%d trees but %d entries in tree_info", len(model.Trees), len(model.TreeInfo))
	}
	lay := newLayout(m.forest, m.features, len(m.base))
	for i := range model.Trees {
		group := int(model.TreeInfo[i])
		if group < 0 || group >= len(m.base) {
			return fmt.Errorf("tree %d is of group %d: want 0 to %d", i, group, len(m.base)-1)
		}
		weight := float32(1)
		if weights != nil {
			weight = weights[i]
		}
		if err := lay.add(&model.Trees[i], group, weight); err != nil {
			return fmt.Errorf("tree %d: %w", i, err)
		}
	}
	return nil
}

// check makes sure that the parallel arrays are as long as each other. leaves
// are the vectors of a tree whose leaves have one value per group; else nil.
func (t *treeFile) check(groups int) (leaves []float32, err error) {
	n := len(t.LeftChildren)
	if n == 0 {
		return nil, fmt.Errorf("it has no nodes")
	}
	for _, column := range []struct {
		name string
		len  int
	}{
		{"right_children", len(t.RightChildren)}, {"split_indices", len(t.SplitIndices)},
		{"split_conditions", len(t.SplitConditions)}, {"default_left", len(t.DefaultLeft)},
	} {
		if column.len != n {
			return nil, fmt.Errorf("%s has %d entries and left_children %d", column.name, column.len, n)
		}
	}
	if len(t.SplitType) != 0 && len(t.SplitType) != n {
		return nil, fmt.Errorf("split_type has %d entries and left_children %d", len(t.SplitType), n)
	}
	size, err := integer("size_leaf_vector", t.Param.SizeLeafVector)
	if err != nil || size <= 1 {
		return nil, err
	}
	return t.checkVectors(size, groups)
}

// checkVectors finds the leaves' vectors: since XGBoost 3.2 in leaf_weights,
// where a leaf's right child says; before, in base_weights, where each node has
// one.
func (t *treeFile) checkVectors(size, groups int) ([]float32, error) {
	if size != groups {
		return nil, fmt.Errorf("its leaves have %d values: want one for each of %d outputs", size, groups)
	}
	leaves, name := t.LeafWeights, "leaf_weights"
	if leaves == nil {
		leaves, name = t.BaseWeights, "base_weights"
	}
	for i, left := range t.LeftChildren {
		if at := t.vector(int32(i)); left == -1 && (at < 0 || at >= len(leaves)/groups) {
			return nil, fmt.Errorf("leaf %d has vector %d of %d in %s", i, at, len(leaves)/groups, name)
		}
	}
	return leaves, nil
}

// vector is which vector is a leaf's.
func (t *treeFile) vector(leaf int32) int {
	if t.LeafWeights != nil {
		return int(t.RightChildren[leaf])
	}
	return int(leaf)
}

// categories maps each categorical node to the categories that go right.
func (t *treeFile) categories() (map[int32][]int32, error) {
	n := len(t.CategoriesNodes)
	if len(t.CategoriesSegments) != n || len(t.CategoriesSizes) != n {
		return nil, fmt.Errorf("categories_nodes has %d entries, categories_segments %d and categories_sizes %d",
			n, len(t.CategoriesSegments), len(t.CategoriesSizes))
	}
	result := make(map[int32][]int32, n)
	unused := int64(len(t.Categories))
	for i, index := range t.CategoriesNodes {
		begin, size := t.CategoriesSegments[i], t.CategoriesSizes[i]
		total := int64(len(t.Categories))
		if begin < 0 || size < 0 || begin > total || size > total-begin {
			return nil, fmt.Errorf("node %d has categories %d+%d of %d", index, begin, size, total)
		}
		if unused -= size; unused < 0 {
			return nil, fmt.Errorf("node %d shares categories with other nodes", index)
		}
		set := t.Categories[begin : begin+size]
		if len(set) > 0 && (slices.Min(set) < 0 || slices.Max(set) >= maxCategory) {
			return nil, fmt.Errorf("node %d has a category outside 0 to %d", index, maxCategory-1)
		}
		result[index] = set
	}
	return result, nil
}
