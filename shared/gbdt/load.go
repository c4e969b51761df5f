package gbdt

import (
	"fmt"
	"math"
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
	forest    forest
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
	m := &Model{objective: l.Objective.Name, version: f.Version, names: l.FeatureNames, types: l.FeatureTypes}
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
	return m, m.setBooster(&l.Booster)
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

func (m *Model) setBooster(b *booster) error {
	switch b.Name {
	case "gbtree":
		return m.setTrees(&b.Model, nil)
	case "dart":
		if b.GBTree == nil {
			return fmt.Errorf("booster dart has no gbtree")
		}
		if len(b.WeightDrop) != len(b.GBTree.Model.Trees) {
			return fmt.Errorf("booster dart has %d trees and %d weights", len(b.GBTree.Model.Trees), len(b.WeightDrop))
		}
		return m.setTrees(&b.GBTree.Model, b.WeightDrop)
	case "gblinear":
		if want := (m.features + 1) * len(m.base); len(b.Model.Weights) != want {
			return fmt.Errorf("booster gblinear has %d weights: want %d", len(b.Model.Weights), want)
		}
		m.linear = b.Model.Weights
		return nil
	}
	return fmt.Errorf("booster %q is not supported: want gbtree, dart or gblinear", clip(b.Name))
}

func (m *Model) setTrees(model *boosterModel, weights []float32) error {
	if len(model.TreeInfo) != len(model.Trees) {
		return fmt.Errorf("%d trees but %d entries in tree_info", len(model.Trees), len(model.TreeInfo))
	}
	for i := range model.Trees {
		group := int(model.TreeInfo[i])
		if group < 0 || group >= len(m.base) {
			return fmt.Errorf("tree %d is of group %d: want 0 to %d", i, group, len(m.base)-1)
		}
		weight := float32(1)
		if weights != nil {
			weight = weights[i]
		}
		if err := m.forest.add(&model.Trees[i], m.features, group, weight); err != nil {
			return fmt.Errorf("tree %d: %w", i, err)
		}
	}
	return nil
}

// add lays a tree out breadth first, so that the children of a node are
// neighbours and only one of them needs a pointer. Reaching a node twice, by a
// cycle or a shared child, is an error; nodes that nothing reaches are dropped.
func (f *forest) add(t *treeFile, features, group int, weight float32) error {
	if err := t.check(); err != nil {
		return err
	}
	categories, err := t.categories()
	if err != nil {
		return err
	}
	first := len(f.nodes)
	if first+len(t.LeftChildren) > math.MaxInt32 {
		return fmt.Errorf("the model has more than %d nodes", math.MaxInt32)
	}
	seen := make([]bool, len(t.LeftChildren))
	queue := make([]int32, 1, len(t.LeftChildren))
	seen[0] = true
	for at := 0; at < len(queue); at++ {
		index := queue[at]
		left, right := t.LeftChildren[index], t.RightChildren[index]
		if left == -1 {
			f.nodes = append(f.nodes, node{value: float32(t.SplitConditions[index] * weight), feature: leafFlag})
			continue
		}
		for _, child := range [2]int32{left, right} {
			if child <= 0 || int(child) >= len(seen) || seen[child] {
				return fmt.Errorf("node %d has child %d: want a node from 1 to %d that has no other parent", index, child, len(seen)-1)
			}
			seen[child] = true
		}
		n := node{value: t.SplitConditions[index], left: int32(first + len(queue))}
		queue = append(queue, left, right)
		split := t.SplitIndices[index]
		if split < 0 || int(split) >= features {
			return fmt.Errorf("node %d splits feature %d: want 0 to %d", index, split, features-1)
		}
		n.feature = uint32(split)
		if t.DefaultLeft[index] != 0 {
			n.feature |= defaultLeftFlag
		}
		if len(t.SplitType) > 0 && t.SplitType[index] == 1 {
			n.feature |= categoricalFlag
			n.value = math.Float32frombits(uint32(len(f.sets)))
			f.sets = append(f.sets, newCategorySet(categories[index]))
		}
		f.nodes = append(f.nodes, n)
	}
	f.roots = append(f.roots, root{node: int32(first), group: int32(group)})
	return nil
}

// check makes sure that the parallel arrays are as long as each other.
func (t *treeFile) check() error {
	if size, err := integer("size_leaf_vector", t.Param.SizeLeafVector); err != nil {
		return err
	} else if size > 1 {
		return fmt.Errorf("leaves with %d values are not supported (train with multi_strategy one_output_per_tree)", size)
	}
	n := len(t.LeftChildren)
	if n == 0 {
		return fmt.Errorf("it has no nodes")
	}
	for _, column := range []struct {
		name string
		len  int
	}{
		{"right_children", len(t.RightChildren)}, {"split_indices", len(t.SplitIndices)},
		{"split_conditions", len(t.SplitConditions)}, {"default_left", len(t.DefaultLeft)},
	} {
		if column.len != n {
			return fmt.Errorf("%s has %d entries and left_children %d", column.name, column.len, n)
		}
	}
	if len(t.SplitType) != 0 && len(t.SplitType) != n {
		return fmt.Errorf("split_type has %d entries and left_children %d", len(t.SplitType), n)
	}
	return nil
}

// categories maps each categorical node to the categories that go right.
func (t *treeFile) categories() (map[int32][]int32, error) {
	n := len(t.CategoriesNodes)
	if len(t.CategoriesSegments) != n || len(t.CategoriesSizes) != n {
		return nil, fmt.Errorf("categories_nodes has %d entries, categories_segments %d and categories_sizes %d",
			n, len(t.CategoriesSegments), len(t.CategoriesSizes))
	}
	result := make(map[int32][]int32, n)
	for i, index := range t.CategoriesNodes {
		begin, size := t.CategoriesSegments[i], t.CategoriesSizes[i]
		total := int64(len(t.Categories))
		if begin < 0 || size < 0 || begin > total || size > total-begin {
			return nil, fmt.Errorf("node %d has categories %d+%d of %d", index, begin, size, total)
		}
		set := t.Categories[begin : begin+size]
		if len(set) > 0 && (slices.Min(set) < 0 || slices.Max(set) >= maxCategory) {
			return nil, fmt.Errorf("node %d has a category outside 0 to %d", index, maxCategory-1)
		}
		result[index] = set
	}
	return result, nil
}
