package training

import (
	"slices"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/split"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// oneHoldOut says that the validation side is the only fold.
func (r *run) oneHoldOut() bool { return r.config.Training.Folds < 2 }

// examples are the rows that folds are made of: the training rows, and for one
// hold-out the validation rows after them.
func (r *run) examples(train []int) []int {
	if r.oneHoldOut() {
		return append(slices.Clone(train), r.set.On(split.Validation)...)
	}
	return train
}

// learnt are the examples that the final model learns from.
func (r *run) learnt(m *matrix) *matrix {
	if !r.oneHoldOut() {
		return m
	}
	var positions []int
	for i, row := range m.rows {
		if r.set.Side[row] == split.Train {
			positions = append(positions, i)
		}
	}
	return m.subset(positions)
}

// deal says which examples each fold learns from and holds out.
func (r *run) deal(examples []int) (*split.Assignment, error) {
	list, err := classes(r.set, examples)
	if err != nil {
		return nil, err
	}
	folds, err := r.assign(examples, list)
	if err != nil {
		return nil, fault.New(fault.Invalid, "deal the folds", "%w", err).
			WithHint("lower training.folds (%d), or add rows", r.config.Training.Folds)
	}
	return folds, checkClasses(folds, list)
}

func (r *run) assign(examples, class []int) (*split.Assignment, error) {
	k := r.config.Training.Folds
	switch {
	case r.oneHoldOut():
		f := &split.Assignment{K: 1, Held: make([]int, len(examples))}
		for i, row := range examples {
			if r.set.Side[row] == split.Train {
				f.Held[i] = -1
			}
		}
		return f, nil
	case r.config.Data.Split.By == trainconfig.ByGroup:
		return split.GroupFolds(r.plan.Seed, k, at(r.set.Group, examples))
	case r.config.Data.Split.By == trainconfig.ByTime:
		times := split.Times{At: at(r.set.Times.At, examples), Dates: r.set.Times.Dates}
		return times.Forward(k, r.config.Data.Split.Gap.Spacing())
	}
	keys := r.set.FoldKeys(r.plan.Seed, examples)
	return split.Stratified(k, class, func(i int) split.Key { return keys[i] })
}

// checkClasses: where folds follow groups or times, one may lack a class, and
// then nothing can be learnt or measured in it.
func checkClasses(folds *split.Assignment, class []int) error {
	if len(class) == 0 || slices.Max(class) == 0 {
		return nil
	}
	for fold := range folds.K {
		learns, held := folds.Of(fold)
		for what, rows := range map[string][]int{"learns from": learns, "holds out": held} {
			if len(slices.Compact(slices.Sorted(slices.Values(at(class, rows))))) < 2 {
				return fault.New(fault.Invalid, "deal the folds", "fold %d of %d %s %d rows of one class only", fold+1, folds.K, what, len(rows)).
					WithHint("lower training.folds, part the rows by another column, or add rows")
			}
		}
	}
	return nil
}

// describe notes how rows were parted and classes weighed.
func (r *run) describe(metrics *Metrics) (err error) {
	metrics.Split, err = r.set.Parting(r.config.Data)
	metrics.ClassWeight = r.classWeight
	return err
}

func (r *run) describeFold(m *FoldMetrics, train *matrix, learnt int, held []int) {
	m.Learnt = learnt
	if times := r.set.Times; times.At != nil {
		first, last := times.Span(at(train.rows, held))
		m.From, m.To = times.Text(first), times.Text(last)
	}
}

// heldOut leaves out the examples that no fold held out.
func heldOut(m *matrix, fold []int, scores []float32) (*matrix, []int, []float32) {
	if !slices.Contains(fold, -1) {
		return m, fold, scores
	}
	width := len(scores) / len(fold)
	var positions, folds []int
	var kept []float32
	for i, f := range fold {
		if f >= 0 {
			positions, folds = append(positions, i), append(folds, f)
			kept = append(kept, scores[i*width:][:width]...)
		}
	}
	return m.subset(positions), folds, kept
}

// at is the values at positions; nil of nil.
func at[T any](values []T, positions []int) []T {
	if values == nil {
		return nil
	}
	out := make([]T, len(positions))
	for i, position := range positions {
		out[i] = values[position]
	}
	return out
}
