package parquet

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// Leaf is the values of one leaf column of a nested file, in one group of rows.
// Either Text or Whole is set, of equal length with Null. A value is null too
// where a group around it is.
type Leaf struct {
	Text  []string // from BYTE_ARRAY
	Whole []int64  // from INT32 and INT64
	Null  []bool
	// Starts is set for a leaf that lies in a list or a map: row i has the values
	// from Starts[i] to Starts[i+1]. Without it every row has one value.
	Starts []int
}

// Span is where a row's values stand.
func (l *Leaf) Span(row int) (from, to int) {
	if l.Starts == nil {
		return row, row + 1
	}
	return l.Starts[row], l.Starts[row+1]
}

// Nested reads the leaves of a nested file whose dotted paths are wanted, and
// hands each row group's to each, by path. Read reads flat files, and their
// floats. A leaf may lie in one list or map, not in one within another.
func Nested(ctx context.Context, r io.ReaderAt, size int64, limits Limits, wanted func(path string) bool, each func(rows int, leaves map[string]*Leaf) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the Parquet file is damaged or cut off: %v", p)
		}
	}()
	alloc := &limited{in: memory.NewGoAllocator(), left: limits.MaxBytes, max: limits.MaxBytes}
	f, err := file.NewParquetReader(io.NewSectionReader(r, 0, size), file.WithReadProps(parquet.NewReaderProperties(alloc)))
	if err != nil {
		return fmt.Errorf("not a whole Parquet file: %w", err)
	}
	var columns []int
	for i := range f.MetaData().Schema.NumColumns() {
		if wanted(f.MetaData().Schema.Column(i).Path()) {
			columns = append(columns, i)
		}
	}
	if len(columns) == 0 {
		return errors.New("it has none of the columns that are wanted")
	}
	left := limits.MaxCells
	for g := range f.NumRowGroups() {
		group, leaves := f.RowGroup(g), map[string]*Leaf{}
		if group.NumRows() < 0 || group.NumRows() > left {
			return fmt.Errorf("row group %d has %d rows, which with those before it are more than %d cells", g, group.NumRows(), limits.MaxCells)
		}
		for _, i := range columns {
			if err := ctx.Err(); err != nil {
				return err
			}
			column := f.MetaData().Schema.Column(i)
			leaf, err := readLeaf(group, i, column, &left)
			if err != nil {
				return fmt.Errorf("column %q: %w", column.Path(), err)
			}
			leaves[column.Path()] = leaf
		}
		if err := each(int(group.NumRows()), leaves); err != nil {
			return err
		}
	}
	return nil
}

func readLeaf(group *file.RowGroupReader, i int, column *schema.Column, left *int64) (*Leaf, error) {
	if column.MaxRepetitionLevel() > 1 {
		return nil, errors.New("it lies in a list within a list")
	}
	chunk, err := group.Column(i)
	if err != nil {
		return nil, fmt.Errorf("damaged: %w", err)
	}
	leaf, rows := &Leaf{}, group.NumRows()
	if column.MaxRepetitionLevel() > 0 {
		leaf.Starts = []int{}
	}
	switch r := chunk.(type) {
	case *file.ByteArrayColumnChunkReader:
		err = leaf.read(left, rows, column, levels(r, func(v parquet.ByteArray) { leaf.Text = append(leaf.Text, string(v)) }, func() { leaf.Text = append(leaf.Text, "") }))
	case *file.Int64ColumnChunkReader:
		err = leaf.read(left, rows, column, levels(r, func(v int64) { leaf.Whole = append(leaf.Whole, v) }, func() { leaf.Whole = append(leaf.Whole, 0) }))
	case *file.Int32ColumnChunkReader:
		err = leaf.read(left, rows, column, levels(r, func(v int32) { leaf.Whole = append(leaf.Whole, int64(v)) }, func() { leaf.Whole = append(leaf.Whole, 0) }))
	default:
		err = fmt.Errorf("type %s: want text or a whole number", column.PhysicalType())
	}
	return leaf, err
}

// levelReader reads the next levels of a column; it gives their number, 0 at the
// end. Then take takes the next value, or the next null.
type levelReader struct {
	next func(definition, repetition []int16) (int64, error)
	take func(null bool) error
}

func levels[T any](r batcher[T], value func(T), null func()) levelReader {
	values, at, stored := make([]T, batch), 0, 0
	return levelReader{
		next: func(definition, repetition []int16) (got int64, err error) {
			at = 0
			got, stored, err = r.ReadBatch(batch, values, definition, repetition)
			if err != nil {
				return 0, fmt.Errorf("damaged or cut off: %w", err)
			}
			return got, nil
		},
		take: func(isNull bool) error {
			if isNull {
				null()
				return nil
			}
			if at >= stored {
				return errors.New("fewer values than rows; the file is damaged")
			}
			value(values[at])
			at++
			return nil
		},
	}
}

// read takes in a leaf's values by their levels (the encoding of the Dremel
// paper, as the Parquet format's documentation tells it).
func (l *Leaf) read(left *int64, rows int64, column *schema.Column, from levelReader) error {
	definition, repetition := make([]int16, batch), make([]int16, batch)
	full, present := column.MaxDefinitionLevel(), int16(0)
	if l.Starts != nil {
		present = presentAt(column)
	}
	seen := int64(0)
	for {
		got, err := from.next(definition, repetition)
		if err != nil {
			return err
		}
		if got == 0 {
			break
		}
		if *left -= got; *left < 0 {
			return errors.New("it has more values than are allowed")
		}
		for i := range got {
			level := full // a column that is always there has no levels
			if full > 0 {
				level = definition[i]
			}
			if l.Starts == nil || repetition[i] == 0 {
				if seen++; seen > rows {
					return fmt.Errorf("more values than the row group's %d rows; the file is damaged", rows)
				}
				if l.Starts != nil {
					l.Starts = append(l.Starts, len(l.Null))
				}
			}
			if seen == 0 {
				return errors.New("its first value continues a row; the file is damaged")
			}
			if level < present {
				continue // an empty list
			}
			if err := from.take(level < full); err != nil {
				return err
			}
			l.Null = append(l.Null, level < full)
		}
	}
	if l.Starts != nil {
		l.Starts = append(l.Starts, len(l.Null))
	}
	if seen != rows {
		return fmt.Errorf("%d rows where the row group has %d; the file is damaged or cut off", seen, rows)
	}
	return nil
}

// presentAt is the definition level from which on an item of the list that a leaf
// lies in is there.
func presentAt(column *schema.Column) int16 {
	level := column.MaxDefinitionLevel()
	for n := column.SchemaNode(); n != nil && n.RepetitionType() != parquet.Repetitions.Repeated; n = n.Parent() {
		if n.RepetitionType() == parquet.Repetitions.Optional {
			level--
		}
	}
	return level
}
