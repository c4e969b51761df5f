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
	"github.com/sluice-ml/sluice/shared/parquet"
)

// Names of the columns of predictions.parquet. A protected attribute's column
// is attributePrefix and its name, so that none can shadow another.
const (
	columnRowID     = "row_id"
	columnLabel     = "label"
	columnScore     = "score"
	columnChampion  = "champion"
	columnWeight    = "weight"
	attributePrefix = "attribute."
)

// limits are far above any evaluation: 100 million cells.
func limits() parquet.Limits { return parquet.Limits{MaxCells: 100_000_000, MaxBytes: 2 << 30} }

// Write writes s as Parquet; equal sets give equal bytes. A set that Check
// refuses is not written.
func Write(w io.Writer, s Set) error {
	if err := s.Check(); err != nil {
		return err
	}
	columns := []parquet.Column{
		{Name: columnRowID, Text: s.RowID},
		{Name: columnLabel, Float: s.Label},
		{Name: columnScore, Float: s.Score},
	}
	if s.Champion != nil {
		columns = append(columns, parquet.Column{Name: columnChampion, Float: s.Champion})
	}
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

func fromColumns(columns []parquet.Column) (Set, error) {
	s := Set{Attributes: map[string][]string{}}
	for i := range columns {
		c := &columns[i]
		attribute, isAttribute := strings.CutPrefix(c.Name, attributePrefix)
		var err error
		switch {
		case isAttribute:
			s.Attributes[attribute], err = texts(c)
		case c.Name == columnRowID:
			s.RowID, err = texts(c)
		case c.Name == columnLabel:
			s.Label, err = floats(c)
		case c.Name == columnScore:
			s.Score, err = floats(c)
		case c.Name == columnChampion:
			s.Champion, err = floats(c)
		case c.Name == columnWeight:
			s.Weight, err = floats(c)
		default:
			err = fmt.Errorf("unknown column %q; was it written by another version of the evaluator?", c.Name)
		}
		if err != nil {
			return Set{}, err
		}
	}
	return s, nil
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
// that come twice, labels other than 0 and 1, scores that are no probability.
// The error is a fault of kind Invalid.
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
	if len(s.Label) != n || len(s.Score) != n || (s.Champion != nil && len(s.Champion) != n) {
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
		if s.Label[i] != 0 && s.Label[i] != 1 {
			return fmt.Errorf("row %d (%s): the label %v is neither 0 nor 1", i+1, id, s.Label[i])
		}
	}
	if err := probabilities("score", s.Score); err != nil {
		return err
	}
	return probabilities("champion score", s.Champion)
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
		columns = append(columns, parquet.Column{Name: perturbedName(p), Float: p.Score})
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
			var p Perturbed
			p, err = perturbedColumn(&columns[i])
			all = append(all, p)
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

func perturbedColumn(c *parquet.Column) (Perturbed, error) {
	noise, draw, found := strings.Cut(strings.TrimPrefix(c.Name, "noise="), ",draw=")
	var p Perturbed
	var errNoise, errDraw error
	p.Noise, errNoise = strconv.ParseFloat(noise, 64)
	p.Draw, errDraw = strconv.Atoi(draw)
	if !found || errNoise != nil || errDraw != nil {
		return p, fmt.Errorf("unknown column %q; want noise=…,draw=…", c.Name)
	}
	var err error
	p.Score, err = floats(c)
	return p, err
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
		if len(p.Score) != len(rowID) {
			return fmt.Errorf("noise %v draw %d has %d scores for %d rows", p.Noise, p.Draw, len(p.Score), len(rowID))
		}
		if err := probabilities(perturbedName(p)+" score", p.Score); err != nil {
			return err
		}
	}
	return nil
}
