// Package training is the reference trainer: it learns a model from a commit's
// rows and writes what the trainer contract asks for.
//
// Cross-validation comes first. The training rows are dealt into stratified
// folds; for each fold a booster learns from the other folds and stops when it
// no longer improves on this one. That gives every training row a prediction
// by a booster that had not seen it (out-of-fold), and a number of rounds per
// fold; their mean is how many rounds the final booster gets, which learns
// from all training rows.
//
// The same plan gives the same bytes, on the same kind of machine: seeds,
// folds and threads are fixed and written down. Between folds there is a
// checkpoint, so that an interrupted run takes up where it was and still gives
// those bytes.
package training

import (
	"fmt"
	"math"
	"slices"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/model"
	"github.com/sluice-ml/sluice/shared/rows"
	"github.com/sluice-ml/sluice/shared/split"
	"github.com/sluice-ml/sluice/shared/table"
	"github.com/sluice-ml/sluice/shared/trainconfig"
)

// maxCategories bounds a categorical feature: beyond it a column of text is an
// identifier or prose, and nothing can be learned from it this way.
const maxCategories = 10_000

// matrix is the features and labels of some rows, as XGBoost takes them.
type matrix struct {
	rows   []int     // indices into the rows.Set
	values []float32 // rows × features
	label  []float32
	query  []float32 // ranking: the number of each row's query, rising
}

// subset is the rows of m at positions.
func (m *matrix) subset(positions []int) *matrix {
	width := len(m.values) / len(m.rows)
	out := &matrix{}
	for _, at := range positions {
		out.rows = append(out.rows, m.rows[at])
		out.values = append(out.values, m.values[at*width:][:width]...)
		out.label = append(out.label, m.label[at])
		if m.query != nil {
			out.query = append(out.query, m.query[at])
		}
	}
	return out
}

// features finds the columns to learn from: those that are configured, else
// all but the target and the query. Categories, means and deviations are the training rows'
// alone.
func features(set *rows.Set, data trainconfig.Data, train []int) ([]model.Feature, error) {
	names := data.Features
	if len(names) == 0 {
		for _, name := range set.Table.Names() {
			if name != data.Target && (data.QID == "" || name != data.QID) {
				names = append(names, name)
			}
		}
	}
	var list []model.Feature
	for _, name := range names {
		column, ok := set.Table.Column(name)
		if !ok {
			return nil, fault.New(fault.Invalid, "choose features", "there is no column %q among %q", name, set.Table.Names()).
				WithHint("correct data.features")
		}
		feature, err := describe(column, train)
		if err != nil {
			return nil, err
		}
		list = append(list, feature)
	}
	return list, nil
}

func describe(c *table.Column, train []int) (model.Feature, error) {
	if c.Kind == table.Number {
		mean, deviation := moments(c.Number, train)
		return model.Feature{Name: c.Name, Kind: model.Numeric, Mean: mean, StdDev: deviation}, nil
	}
	values := make([]string, len(train))
	for i, row := range train {
		values[i] = c.Content(row)
	}
	categories := model.CategoriesOf(values)
	if len(categories) > maxCategories {
		return model.Feature{}, fault.New(fault.Invalid, "choose features",
			"column %q has %d distinct texts (one is %q): want at most %d", c.Name, len(categories), categories[0], maxCategories).
			WithHint("leave it out of data.features, or mend the values if it should hold numbers")
	}
	return model.Feature{Name: c.Name, Kind: model.Categorical, Categories: categories}, nil
}

// moments are the mean and the standard deviation (over n) of the values that
// are there, by Welford's method; 0 and 0 when there are none.
func moments(values []float64, rows []int) (mean, deviation float64) {
	n, squares := 0.0, 0.0
	for _, row := range rows {
		v := values[row]
		if math.IsNaN(v) {
			continue
		}
		n++
		delta := v - mean
		mean += delta / n
		squares += delta * (v - mean)
	}
	if n == 0 {
		return 0, 0
	}
	return mean, math.Sqrt(squares / n)
}

// encode makes the matrix of some rows.
func encode(set *rows.Set, schema *model.Schema, which []int) (*matrix, error) {
	width := len(schema.Features)
	m := &matrix{rows: which, values: make([]float32, len(which)*width), label: make([]float32, len(which))}
	for i, row := range which {
		m.label[i] = float32(set.Label[row])
	}
	m.query = queryNumbers(set, which)
	for f, feature := range schema.Features {
		column, _ := set.Table.Column(feature.Name)
		for i, row := range which {
			value, err := encodeCell(schema, f, column, row)
			if err != nil {
				return nil, fault.New(fault.Invalid, "encode row "+set.ID[row], "%w", err)
			}
			m.values[i*width+f] = value
		}
	}
	return m, nil
}

func encodeCell(schema *model.Schema, feature int, column *table.Column, row int) (float32, error) {
	if column.Kind == table.Number {
		return schema.EncodeNumber(feature, column.Number[row])
	}
	return schema.EncodeText(feature, column.Content(row))
}

// classes are the labels as whole numbers; every class must be there. Where there
// are no classes, all rows are of one.
func classes(set *rows.Set, train []int) ([]int, error) {
	list := make([]int, len(train))
	if set.Goal == goal.Regression || set.Goal == goal.Ranking {
		return list, nil
	}
	count := make([]int, max(2, len(set.Classes)))
	for i, row := range train {
		list[i] = int(set.Label[row])
		count[list[i]]++
	}
	empty := slices.Index(count, 0)
	switch {
	case empty >= 0 && set.Goal == goal.Multiclass:
		return nil, fault.New(fault.Invalid, "split the rows", "of %d training rows none is of the class %q", len(train), set.Classes[empty]).
			WithHint("add rows of it, or take its rows away")
	case empty >= 0:
		return nil, fault.New(fault.Invalid, "split the rows",
			"of %d training rows %d are positive (%q): want rows of both classes", len(train), count[1], set.Positive).
			WithHint("check data.target, data.positive and data.split.train")
	}
	return list, nil
}

// deal gives each training row its fold.
func deal(set *rows.Set, train []int, folds int, seed int64) ([]int, error) {
	list, err := classes(set, train)
	if err != nil {
		return nil, err
	}
	fold, err := split.Folds(seed, folds, list, func(i int) []byte { return set.Together(train[i]) })
	if err != nil {
		return nil, fault.New(fault.Invalid, "deal the folds", "%w", err).WithHint("lower training.folds (%d), or add rows", folds)
	}
	return fold, nil
}

func describeSides(set *rows.Set) string {
	return fmt.Sprintf("%d rows: %d train, %d validation, %d test", len(set.Side),
		len(set.On(split.Train)), len(set.On(split.Validation)), len(set.On(split.Test)))
}
