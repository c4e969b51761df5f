// Package training is the reference trainer: it learns a model from a commit's
// rows and writes what the trainer contract asks for.
//
// Cross-validation comes first. The training rows are dealt into folds
// (stratified, by group, or chained forward in time) or the validation side is
// the only one; for each fold a booster learns from the other folds and stops when it
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
	values []float32 // of some rows and all features; nil on disk
	at     []int     // where each row's are among them; nil: one after the other
	disk   *disk     // where values are; nil in memory
	label  []float32
	count  []float32 // how much each row counts; nil: each 1
	weight []float32 // the same times its class's weight: what is learnt with; nil: each 1
	query  []float32 // ranking: the number of each row's query, rising
}

// subset is the rows of m at positions. Their values stay where they are: there
// are as many subsets as folds.
func (m *matrix) subset(positions []int) *matrix {
	out := &matrix{disk: m.disk, values: m.values, rows: at(m.rows, positions), label: at(m.label, positions), query: at(m.query, positions),
		count: at(m.count, positions), weight: at(m.weight, positions)}
	if out.at = at(m.at, positions); out.at == nil && m.disk == nil {
		out.at = positions
	}
	return out
}

// block is the values of the rows from one to another, put together in buffer
// where they are not already.
func (m *matrix) block(width, from, to int, buffer []float32) []float32 {
	if m.at == nil {
		return m.values[from*width : to*width]
	}
	buffer = slices.Grow(buffer[:0], (to-from)*width)
	for _, at := range m.at[from:to] {
		buffer = append(buffer, m.values[at*width:][:width]...)
	}
	return buffer
}

// features finds the columns to learn from: those that are configured, else
// all but the target and the query. Categories, means and deviations are the training rows'
// alone.
func features(set *rows.Set, data trainconfig.Data, train []int) ([]model.Feature, error) {
	names := featureNames(data, set.Table.Names())
	list := make([]model.Feature, len(names))
	return list, spread(len(names), func(from, to int) (err error) {
		for i := from; i < to && err == nil; i++ {
			column, ok := set.Table.Column(names[i])
			if !ok {
				return fault.New(fault.Invalid, "choose features", "there is no column %q among %q", names[i], set.Table.Names()).
					WithHint("correct data.features")
			}
			list[i], err = describe(column, train)
		}
		return err
	})
}

func featureNames(data trainconfig.Data, columns []string) []string {
	if len(data.Features) > 0 {
		return data.Features
	}
	return slices.DeleteFunc(slices.Clone(columns), data.Reserved)
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
	return categorical(c.Name, values)
}

// categorical describes a column of text by its values in the training rows.
func categorical(name string, values []string) (model.Feature, error) {
	categories := model.CategoriesOf(values)
	if len(categories) > maxCategories {
		return model.Feature{}, fault.New(fault.Invalid, "choose features",
			"column %q has %d distinct texts (one is %q): want at most %d", name, len(categories), categories[0], maxCategories).
			WithHint("leave it out of data.features, or mend the values if it should hold numbers")
	}
	return model.Feature{Name: name, Kind: model.Categorical, Categories: categories}, nil
}

// moments are the mean and the standard deviation (over n) of the values that
// are there, by Welford's method; 0 and 0 when there are none.
func moments(values []float64, rows []int) (mean, deviation float64) {
	var w welford
	for _, row := range rows {
		w.add(values[row])
	}
	return w.result()
}

// welford takes in values one by one.
type welford struct{ n, mean, squares float64 }

func (w *welford) add(v float64) {
	if math.IsNaN(v) {
		return
	}
	w.n++
	delta := v - w.mean
	w.mean += delta / w.n
	w.squares += delta * (v - w.mean)
}

func (w *welford) result() (mean, deviation float64) {
	if w.n == 0 {
		return 0, 0
	}
	return w.mean, math.Sqrt(w.squares / w.n)
}

// encode makes the matrix of some rows.
func encode(set *rows.Set, schema *model.Schema, which []int) (*matrix, error) {
	width := len(schema.Features)
	m := &matrix{rows: which, values: make([]float32, len(which)*width), query: queryNumbers(set, which)}
	m.labels(set)
	columns := make([]*table.Column, width)
	for f, feature := range schema.Features {
		columns[f], _ = set.Table.Column(feature.Name)
	}
	return m, spread(len(which), func(from, to int) error {
		return encodeRows(set, schema, columns, which[from:to], m.values[from*width:to*width])
	})
}

// encodeRows fills in the values of some rows, one row after the other.
func encodeRows(set *rows.Set, schema *model.Schema, columns []*table.Column, which []int, values []float32) error {
	for f, column := range columns {
		for i, row := range which {
			value, err := encodeCell(schema, f, column, row)
			if err != nil {
				return fault.New(fault.Invalid, "encode row "+set.RowID(row), "%w", err)
			}
			values[i*len(columns)+f] = value
		}
	}
	return nil
}

// labels fills in what is known of the rows beside their features.
func (m *matrix) labels(set *rows.Set) {
	m.label = make([]float32, len(m.rows))
	for i, row := range m.rows {
		m.label[i] = float32(set.Label[row])
	}
	m.count = counts(set, m.rows)
	m.weight = m.count
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

func describeSides(set *rows.Set) string {
	text := fmt.Sprintf("%d rows: %d train, %d validation, %d test", len(set.Side),
		len(set.On(split.Train)), len(set.On(split.Validation)), len(set.On(split.Test)))
	if gap := len(set.On(split.Gap)); gap > 0 {
		text += fmt.Sprintf(", %d left out between them", gap)
	}
	return text
}
