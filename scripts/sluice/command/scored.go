package command

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/sluice-ml/sluice/shared/evaluation"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/table"
)

// readTable reads a file of rows; the extension says the format.
func readTable(ctx context.Context, path string) (*table.Table, error) {
	file, size, err := openRows(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return table.Read(ctx, path, file, size, table.Options{MaxBytes: 8 << 30, MaxCells: 400_000_000})
}

// openRows opens a file of rows and gives its size in bytes. What is there is told
// before what its name says.
func openRows(path string) (*os.File, int64, error) {
	if strings.HasPrefix(path, "s3://") {
		return nil, 0, fault.New(fault.Invalid, "read "+path, "it is in S3, and this command reads files of this machine").
			WithHint("copy it first: aws s3 cp %s .", path)
	}
	file, size, err := openFile(path)
	if err != nil {
		return nil, 0, err
	}
	magic := make([]byte, len(parquetMagic))
	n, _ := file.ReadAt(magic, 0) // a shorter file has none, and the reader tells of one that cannot be read
	lower := strings.ToLower(path)
	switch {
	case string(magic[:n]) == parquetMagic && !strings.HasSuffix(lower, ".parquet"):
		err = fault.New(fault.Invalid, "read "+path, "the content is Parquet, and the name does not say so").WithHint("rename it to end in .parquet")
	case !table.Known(path):
		err = fault.New(fault.Invalid, "read "+path, "no format by this extension; want one of %s", strings.Join(table.Formats(), ", "))
	}
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	return file, size, nil
}

// parquetMagic is what a Parquet file begins with.
const parquetMagic = "PAR1"

// columns names the columns of a file of predictions.
type columns struct {
	label, positive, score, weight, id, query string
}

// scored is a file of predictions.
type scored struct {
	file     string
	table    *table.Table
	sample   evaluation.Sample
	positive string   // the label's value that counts as positive
	id       []string // nil without an id column
}

// readScored reads predictions. Its errors name the file, the column, the row
// (from 1, without a header) and the value.
func readScored(ctx context.Context, path string, names columns, threshold float64) (*scored, error) {
	t, err := readTable(ctx, path)
	if err != nil {
		return nil, err
	}
	s := &scored{file: path, table: t}
	if err := s.read(names); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s.sample.At = threshold
	return s, nil
}

func (s *scored) read(names columns) error {
	label, err := s.column("--label", names.label)
	if err != nil {
		return err
	}
	if s.sample.Label, s.positive, err = labels(label, names.positive); err != nil {
		return err
	}
	if s.sample.Score, err = s.numbers("--score", names.score); err != nil {
		return err
	}
	if names.weight != "" {
		if s.sample.Weight, err = s.numbers("--weight", names.weight); err != nil {
			return err
		}
		for i, w := range s.sample.Weight {
			if w < 0 {
				return wrongFile("column %q is the weight %v in row %d; weights are 0 or more", names.weight, w, i+1)
			}
		}
	}
	return s.readIDs(names.id)
}

// readIDs reads the row ids where the column is there.
func (s *scored) readIDs(name string) error {
	column, ok := s.table.Column(name)
	if !ok {
		return nil
	}
	seen := make(map[string]int, column.Len())
	for i := range column.Len() {
		id := column.Original(i)
		if id == "" {
			return wrongFile("column %q has no row id in row %d", name, i+1)
		}
		if first, twice := seen[id]; twice {
			return wrongFile("column %q has the row id %q in row %d and in row %d; ids must be unique", name, id, first, i+1)
		}
		seen[id] = i + 1
		s.id = append(s.id, id)
	}
	return nil
}

func (s *scored) column(flag, name string) (*table.Column, error) {
	if name == "" {
		return nil, usageError{fmt.Errorf("%s is missing; the columns are %s", flag, quoted(s.table.Names()))}
	}
	column, ok := s.table.Column(name)
	if !ok {
		return nil, wrongFile("there is no column %q (%s); the columns are %s", name, flag, quoted(s.table.Names()))
	}
	return column, nil
}

func quoted(names []string) string {
	const most = 20
	text := []string{}
	for i, name := range names {
		if i == most {
			text = append(text, fmt.Sprintf("and %d more", len(names)-most))
			break
		}
		text = append(text, fmt.Sprintf("%q", name))
	}
	return strings.Join(text, ", ")
}

func (s *scored) numbers(flag, name string) ([]float64, error) {
	column, err := s.column(flag, name)
	if err != nil {
		return nil, err
	}
	for i := range column.Len() {
		if column.Kind != table.Number && i < column.FirstText {
			continue // the first that is no number is told
		}
		if column.Kind != table.Number || column.Null[i] || math.IsNaN(column.Number[i]) || math.IsInf(column.Number[i], 0) {
			return nil, noNumber(flag, column, i)
		}
	}
	return column.Number, nil
}

// noNumber tells of a cell that is not a finite number.
func noNumber(flag string, column *table.Column, row int) error {
	text, next := column.Original(row), "drop the row, or score it"
	if flag == "--weight" {
		next = "drop the row, or say how much it counts: 0 or more"
	}
	if flag == "--label" {
		next = "drop the row, or label it"
	}
	if text == "" {
		return wrongFile("column %q (%s) is empty or NaN in row %d", column.Name, flag, row+1).WithHint("%s", next)
	}
	return wrongFile("column %q (%s) is %q in row %d, which is not a finite number", column.Name, flag, text, row+1).WithHint("%s", next)
}

// wrongFile is an error of a file's content.
func wrongFile(why string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, "read the predictions", why, args...)
}

// labels are 1 for the positive value and 0 for the other.
func labels(column *table.Column, positive string) ([]float64, string, error) {
	for i := range column.Len() {
		if column.Null[i] {
			return nil, "", noNumber("--label", column, i)
		}
	}
	values, positive, err := table.Labels(column, positive)
	if err == nil {
		return values, positive, nil
	}
	why := err
	for e, ok := errors.AsType[*fault.Error](err); ok; e, ok = errors.AsType[*fault.Error](why) {
		why = e.Err // the hint underneath speaks of a configuration
	}
	return nil, "", wrongFile("column %q (--label): %w", column.Name, why).WithHint("say with --positive which value is the positive class")
}

// match gives the second file's sample in the order of the first's rows.
func (s *scored) match(other *scored, idName string) (evaluation.Sample, error) {
	rows, err := s.partners(other, idName)
	if err != nil {
		return evaluation.Sample{}, err
	}
	out := other.sample.Take(rows)
	for i := range rows {
		if out.Label[i] != s.sample.Label[i] {
			return out, wrongFile("row id %q has the label %v in %s and %v in %s; the files are not of the same rows",
				s.id[i], s.sample.Label[i], s.file, out.Label[i], other.file)
		}
	}
	out.Weight = s.sample.Weight
	return out, nil
}

// partners gives the second file's row of each of the first's rows.
func (s *scored) partners(other *scored, idName string) ([]int, error) {
	for _, f := range []*scored{s, other} {
		if f.id == nil {
			return nil, wrongFile("%s: there is no column %q to match rows by", f.file, idName).
				WithHint("name the column of row ids with --id, or compare different rows with --unpaired")
		}
	}
	at := make(map[string]int, len(other.id))
	for i, id := range other.id {
		at[id] = i
	}
	rows, absent, first := make([]int, len(s.id)), 0, -1
	for i, id := range s.id {
		k, ok := at[id]
		if !ok {
			if absent++; first < 0 {
				first = i
			}
		}
		rows[i] = k
	}
	if absent > 0 || len(s.id) != len(other.id) {
		return nil, s.mismatch(other, absent, first)
	}
	return rows, nil
}

func (s *scored) mismatch(other *scored, absent, first int) error {
	if absent == 0 {
		return wrongFile("%s has %d rows and %s has %d, so %d rows of the second have no partner",
			s.file, len(s.id), other.file, len(other.id), len(other.id)-len(s.id)).WithHint("compare the same rows, or use --unpaired")
	}
	return wrongFile("%d of the %d row ids of %s are not in %s, the first is %q in row %d",
		absent, len(s.id), s.file, other.file, s.id[first], first+1).WithHint("compare the same rows, or use --unpaired")
}
