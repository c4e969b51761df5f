package predictions

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/goal"
	"github.com/sluice-ml/sluice/shared/parquet"
)

// Names of the columns of predictions.parquet. A protected attribute's column
// is attributePrefix and its name, so that none can shadow another. The goal is
// told by the columns: a regression's scores are its predictions, a multiclass
// model's a column for each class, and only ranking has queries.
const (
	columnRowID       = "row_id"
	columnLabel       = "label"
	columnScore       = "score"
	columnPrediction  = "prediction"
	columnChampion    = "champion"
	columnQuery       = "query"
	columnWeight      = "weight"
	attributePrefix   = "attribute."
	probabilityPrefix = "probability."
	championPrefix    = "champion."
)

// limits are far above any evaluation: 100 million cells.
func limits() parquet.Limits { return parquet.Limits{MaxCells: 100_000_000, MaxBytes: 2 << 30} }

// Write writes s as Parquet; equal sets give equal bytes. A set that Check
// refuses is not written.
func Write(w io.Writer, s Set) error {
	if err := s.Check(); err != nil {
		return err
	}
	columns := s.scores()
	if s.Weight != nil {
		columns = append(columns, parquet.Column{Name: columnWeight, Float: s.Weight})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Attributes)) {
		columns = append(columns, parquet.Column{Name: attributePrefix + name, Text: s.Attributes[name]})
	}
	return fault.Wrap(fault.Unavailable, "write predictions", parquet.Write(w, columns))
}

// Read reads what Write wrote and checks it. The error is a fault of kind
// Invalid: the file is damaged or is not aligned.
func Read(r io.ReaderAt, size int64) (Set, error) {
	columns, err := parquet.Read(context.Background(), r, size, limits())
	if err != nil {
		return Set{}, fault.Wrap(fault.Invalid, "read predictions", err)
	}
	s, err := fromColumns(columns)
	if err != nil {
		return Set{}, fault.Wrap(fault.Invalid, "read predictions", err)
	}
	return s, s.Check()
}

// scores are the columns of what was predicted.
func (s Set) scores() []parquet.Column {
	columns := []parquet.Column{{Name: columnRowID, Text: s.RowID}}
	if s.Goal == goal.Multiclass {
		return append(columns, s.classColumns()...)
	}
	columns = append(columns, parquet.Column{Name: columnLabel, Float: s.Label})
	switch s.Goal {
	case goal.Regression:
		columns = append(columns, parquet.Column{Name: columnPrediction, Float: s.Score})
	case goal.Ranking:
		columns = append(columns, parquet.Column{Name: columnQuery, Text: s.Query}, parquet.Column{Name: columnScore, Float: s.Score})
	default:
		columns = append(columns, parquet.Column{Name: columnScore, Float: s.Score})
	}
	if s.Champion != nil {
		columns = append(columns, parquet.Column{Name: columnChampion, Float: s.Champion})
	}
	return columns
}

// classColumns are a multiclass set's label, as text, and its probabilities.
func (s Set) classColumns() []parquet.Column {
	label := make([]string, len(s.Label))
	for i, k := range s.Label {
		label[i] = s.Classes[int(k)]
	}
	columns := []parquet.Column{{Name: columnLabel, Text: label}}
	for k, name := range s.Classes {
		columns = append(columns, parquet.Column{Name: probabilityPrefix + name, Float: s.Probability[k]})
	}
	for k, name := range s.Classes {
		if s.ChampionProbability != nil {
			columns = append(columns, parquet.Column{Name: championPrefix + name, Float: s.ChampionProbability[k]})
		}
	}
	return columns
}

// reading is a set whose columns come one after the other.
type reading struct {
	Set
	label    *parquet.Column
	champion []string // multiclass: the classes of ChampionProbability
}

func fromColumns(columns []parquet.Column) (Set, error) {
	r := reading{Set: Set{Attributes: map[string][]string{}}}
	for i := range columns {
		if err := r.take(&columns[i]); err != nil {
			return Set{}, err
		}
	}
	if len(r.Classes) > 0 {
		r.Goal = goal.Multiclass
		if r.champion != nil && !slices.Equal(r.champion, r.Classes) {
			return Set{}, fmt.Errorf("the champion's classes %q are not the candidate's, %q", r.champion, r.Classes)
		}
	}
	return r.Set, r.labels()
}

func (r *reading) take(c *parquet.Column) (err error) {
	attribute, isAttribute := strings.CutPrefix(c.Name, attributePrefix)
	class, isClass := strings.CutPrefix(c.Name, probabilityPrefix)
	champion, isChampion := strings.CutPrefix(c.Name, championPrefix)
	var values []float64
	switch {
	case isAttribute:
		r.Attributes[attribute], err = texts(c)
	case isClass:
		values, err = floats(c)
		r.Classes, r.Probability = append(r.Classes, class), append(r.Probability, values)
	case isChampion:
		values, err = floats(c)
		r.champion, r.ChampionProbability = append(r.champion, champion), append(r.ChampionProbability, values)
	case c.Name == columnRowID:
		r.RowID, err = texts(c)
	case c.Name == columnLabel:
		r.label = c
	case c.Name == columnScore:
		r.Score, err = floats(c)
	case c.Name == columnPrediction:
		r.Goal = goal.Regression
		r.Score, err = floats(c)
	case c.Name == columnQuery:
		r.Goal = goal.Ranking
		r.Query, err = texts(c)
	case c.Name == columnChampion:
		r.Champion, err = floats(c)
	case c.Name == columnWeight:
		r.Weight, err = floats(c)
	default:
		err = fmt.Errorf("unknown column %q; was it written by another version of the evaluator?", c.Name)
	}
	return err
}

// labels reads the labels, which are names where there are classes.
func (r *reading) labels() (err error) {
	if r.label == nil {
		return nil // which the check says
	}
	if r.Goal != goal.Multiclass {
		r.Label, err = floats(r.label)
		return err
	}
	names, err := texts(r.label)
	if err != nil {
		return err
	}
	r.Label, err = IndexClasses(r.Classes, names)
	return err
}

// IndexClasses gives each name's place among the classes.
func IndexClasses(classes, names []string) ([]float64, error) {
	at := make(map[string]int, len(classes))
	for k, name := range classes {
		at[name] = k
	}
	out := make([]float64, len(names))
	for i, name := range names {
		k, known := at[name]
		if !known {
			return nil, fmt.Errorf("row %d: the label %q is none of the classes %q", i+1, name, classes)
		}
		out[i] = float64(k)
	}
	return out, nil
}

func texts(c *parquet.Column) ([]string, error) {
	if c.Text == nil {
		return nil, fmt.Errorf("column %q holds numbers where text is wanted", c.Name)
	}
	return c.Text, noNulls(c)
}

func floats(c *parquet.Column) ([]float64, error) {
	if c.Float == nil {
		return nil, fmt.Errorf("column %q holds text where numbers are wanted", c.Name)
	}
	return c.Float, noNulls(c)
}

func noNulls(c *parquet.Column) error {
	if i := slices.Index(c.Null, true); i >= 0 {
		return fmt.Errorf("column %q is null in row %d", c.Name, i+1)
	}
	return nil
}

// Check says what is wrong with a set: columns that are not aligned, row ids
// that come twice, labels and scores that are none of the goal's. The error is a
// fault of kind Invalid.
func (s Set) Check() error {
	if err := s.check(); err != nil {
		return fault.Wrap(fault.Invalid, "check predictions", err)
	}
	return nil
}

func (s Set) check() error {
	n := len(s.RowID)
	if n == 0 {
		return fmt.Errorf("no rows")
	}
	if s.Goal != goal.Multiclass && (len(s.Label) != n || len(s.Score) != n || (s.Champion != nil && len(s.Champion) != n)) {
		return fmt.Errorf("%d row ids, %d labels, %d scores and %d champion scores are not aligned",
			n, len(s.Label), len(s.Score), len(s.Champion))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Attributes)) {
		if len(s.Attributes[name]) != n {
			return fmt.Errorf("attribute %q has %d values for %d rows", name, len(s.Attributes[name]), n)
		}
	}
	if err := s.checkWeight(n); err != nil {
		return err
	}
	seen := make(map[string]bool, n)
	for i, id := range s.RowID {
		if id == "" || seen[id] {
			return fmt.Errorf("row %d: the id %q is empty or was seen before", i+1, id)
		}
		seen[id] = true
		if s.Goal == goal.Binary && s.Label[i] != 0 && s.Label[i] != 1 {
			return fmt.Errorf("row %d (%s): the label %v is neither 0 nor 1", i+1, id, s.Label[i])
		}
	}
	return s.checkGoal(n)
}

func probabilities(what string, scores []float64) error {
	for i, v := range scores {
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("row %d: the %s %v is not a probability from 0 to 1", i+1, what, v)
		}
	}
	return nil
}

// WritePerturbed writes the scores of disturbed copies, one column for each
// (noise, draw), aligned with the row ids of the Set that they belong to.
func WritePerturbed(w io.Writer, rowID []string, all []Perturbed) error {
	if err := checkPerturbed(rowID, all); err != nil {
		return fault.Wrap(fault.Invalid, "write perturbed predictions", err)
	}
	columns := []parquet.Column{{Name: columnRowID, Text: rowID}}
	for _, p := range all {
		columns = append(columns, p.columns()...)
	}
	return fault.Wrap(fault.Unavailable, "write perturbed predictions", parquet.Write(w, columns))
}

func perturbedName(p Perturbed) string {
	return "noise=" + strconv.FormatFloat(p.Noise, 'g', -1, 64) + ",draw=" + strconv.Itoa(p.Draw)
}

// ReadPerturbed reads what WritePerturbed wrote and checks it, with the row
// ids, which the caller compares with those of the Set. The error is a fault
// of kind Invalid.
func ReadPerturbed(r io.ReaderAt, size int64) (rowID []string, all []Perturbed, err error) {
	const op = "read perturbed predictions"
	columns, err := parquet.Read(context.Background(), r, size, limits())
	if err != nil {
		return nil, nil, fault.Wrap(fault.Invalid, op, err)
	}
	for i := range columns {
		if columns[i].Name == columnRowID {
			rowID, err = texts(&columns[i])
		} else {
			all, err = addPerturbed(all, &columns[i])
		}
		if err != nil {
			return nil, nil, fault.Wrap(fault.Invalid, op, err)
		}
	}
	if err := checkPerturbed(rowID, all); err != nil {
		return nil, nil, fault.Wrap(fault.Invalid, op, err)
	}
	return rowID, all, nil
}

func checkPerturbed(rowID []string, all []Perturbed) error {
	if len(rowID) == 0 || len(all) == 0 {
		return fmt.Errorf("%d row ids and %d disturbed copies; there must be some of both", len(rowID), len(all))
	}
	type key struct {
		noise float64
		draw  int
	}
	seen := map[key]bool{}
	for _, p := range all {
		k := key{p.Noise, p.Draw}
		if !(p.Noise > 0) || p.Draw < 0 || seen[k] {
			return fmt.Errorf("noise %v draw %d is out of range or was seen before", p.Noise, p.Draw)
		}
		seen[k] = true
		if err := p.check(len(rowID)); err != nil {
			return err
		}
	}
	return nil
}
