package parquet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// Read reads every column of a file of size bytes. Errors name the column and
// what to do; none can be helped by reading the same bytes again.
func Read(ctx context.Context, r io.ReaderAt, size int64, limits Limits) (columns []Column, err error) {
	defer func() {
		if p := recover(); p != nil {
			columns, err = nil, fmt.Errorf("the Parquet file is damaged or cut off: %v; replace it with a whole copy", p)
		}
	}()
	alloc := &limited{in: memory.NewGoAllocator(), left: limits.MaxBytes, max: limits.MaxBytes}
	props := parquet.NewReaderProperties(alloc)
	f, err := file.NewParquetReader(io.NewSectionReader(r, 0, size), file.WithReadProps(props))
	if err != nil {
		return nil, fmt.Errorf("not a whole Parquet file: %w; replace it with a whole copy", err)
	}
	fields, err := flatFields(f.MetaData().Schema)
	if err != nil {
		return nil, err
	}
	rows := f.NumRows()
	if rows < 0 || rows > limits.MaxCells/int64(max(1, len(fields))) {
		return nil, fmt.Errorf("%d rows of %d columns are more than %d cells; split the file", rows, len(fields), limits.MaxCells)
	}
	return readColumns(ctx, f, fields, rows)
}

func flatFields(sc *schema.Schema) ([]*schema.Column, error) {
	root := sc.Root()
	if root.NumFields() == 0 {
		return nil, errors.New("no columns")
	}
	fields := make([]*schema.Column, root.NumFields())
	for i := range fields {
		field := root.Field(i)
		if field.Type() != schema.Primitive || field.RepetitionType() == parquet.Repetitions.Repeated {
			return nil, fmt.Errorf("column %q is nested (%s); flatten it into columns of its own", field.Name(), nesting(field))
		}
		fields[i] = sc.Column(i)
		if err := supported(fields[i]); err != nil {
			return nil, err
		}
	}
	return fields, nil
}

// nesting is how people know a nested column: List, Map, or a struct, which has no
// type of its own in the file.
func nesting(field schema.Node) string {
	if _, plain := field.LogicalType().(schema.NoLogicalType); plain && field.Type() != schema.Primitive {
		return "struct"
	}
	return field.LogicalType().String()
}

func readColumns(ctx context.Context, f *file.Reader, fields []*schema.Column, rows int64) ([]Column, error) {
	columns := make([]Column, len(fields))
	for i, field := range fields {
		columns[i].Name = field.Name()
	}
	for g := range f.NumRowGroups() {
		group := f.RowGroup(g)
		for i, field := range fields {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			before := columns[i].Len()
			if group.NumRows() < 0 || int64(before)+group.NumRows() > rows {
				return nil, fmt.Errorf("row group %d has more rows than the file's %d; the file is damaged", g, rows)
			}
			if err := readChunk(group, i, field, &columns[i]); err != nil {
				return nil, fmt.Errorf("column %q: %w", field.Name(), err)
			}
			if got := int64(columns[i].Len() - before); got != group.NumRows() {
				return nil, fmt.Errorf("column %q: %d values where row group %d has %d rows; the file is damaged or cut off",
					field.Name(), got, g, group.NumRows())
			}
		}
	}
	if int64(columns[0].Len()) != rows {
		return nil, fmt.Errorf("%d rows where the file claims %d; it is damaged", columns[0].Len(), rows)
	}
	return columns, nil
}

func readChunk(group *file.RowGroupReader, i int, field *schema.Column, out *Column) error {
	chunk, err := group.Column(i)
	if err != nil {
		return fmt.Errorf("damaged: %w", err)
	}
	rows := group.NumRows()
	switch r := chunk.(type) {
	case *file.Float64ColumnChunkReader:
		return floats(r, field, rows, out, func(v float64) float64 { return v })
	case *file.Float32ColumnChunkReader:
		return floats(r, field, rows, out, widen)
	case *file.Int32ColumnChunkReader:
		text := int32Text(field)
		return texts(r, field, rows, out, text)
	case *file.Int64ColumnChunkReader:
		return texts(r, field, rows, out, int64Text(field))
	case *file.Int96ColumnChunkReader:
		return texts(r, field, rows, out, int96Text)
	case *file.BooleanColumnChunkReader:
		return texts(r, field, rows, out, boolText)
	case *file.ByteArrayColumnChunkReader:
		return texts(r, field, rows, out, bytesText[parquet.ByteArray](field))
	case *file.FixedLenByteArrayColumnChunkReader:
		return texts(r, field, rows, out, bytesText[parquet.FixedLenByteArray](field))
	}
	return fmt.Errorf("type %s is not supported", field.PhysicalType())
}

type batcher[T any] interface {
	ReadBatch(batchSize int64, values []T, defLvls, repLvls []int16) (int64, int, error)
}

const batch = 8192

// each gives every value of a chunk in row order; at most rows of them, so that
// a lying page cannot run on.
func each[T any](r batcher[T], field *schema.Column, rows int64, value func(v T) error, null func()) error {
	values, levels := make([]T, batch), make([]int16, batch)
	for rows > 0 {
		got, stored, err := r.ReadBatch(min(batch, rows), values, levels, nil)
		if err != nil {
			return fmt.Errorf("damaged or cut off: %w", err)
		}
		if got == 0 {
			return nil
		}
		rows -= got
		next := 0
		for i := range got {
			if field.MaxDefinitionLevel() > 0 && levels[i] == 0 {
				null()
				continue
			}
			if next >= stored {
				return errors.New("fewer values than rows; the file is damaged")
			}
			if err := value(values[next]); err != nil {
				return err
			}
			next++
		}
	}
	return nil
}

func floats[T any](r batcher[T], field *schema.Column, rows int64, out *Column, convert func(T) float64) error {
	return each(r, field, rows, func(v T) error {
		out.Float, out.Null = append(out.Float, convert(v)), append(out.Null, false)
		return nil
	}, func() {
		out.Float, out.Null = append(out.Float, 0), append(out.Null, true)
	})
}

func texts[T any](r batcher[T], field *schema.Column, rows int64, out *Column, convert func(T) string) error {
	seen := map[string]string{} // equal texts share memory while they are few
	return each(r, field, rows, func(v T) error {
		text := convert(v)
		if !utf8.ValidString(text) {
			return fmt.Errorf("row %d holds bytes that are not UTF-8 text; leave binary columns out", len(out.Null)+1)
		}
		if known, ok := seen[text]; ok {
			text = known
		} else if len(seen) < 4096 {
			seen[text] = text
		}
		out.Text, out.Null = append(out.Text, text), append(out.Null, false)
		return nil
	}, func() {
		out.Text, out.Null = append(out.Text, ""), append(out.Null, true)
	})
}

// limited is an allocator that a damaged or hostile file cannot make take more
// than its share. Its panic is caught by Read.
type limited struct {
	mu        sync.Mutex // buffers are freed by finalizers
	in        memory.Allocator
	left, max int64
}

func (l *limited) take(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left -= int64(n); l.left < 0 {
		l.left += int64(n)
		panic(fmt.Sprintf("decoding it would take more than %d bytes", l.max))
	}
}

// Allocate panics when the limit is passed.
func (l *limited) Allocate(size int) []byte {
	l.take(size)
	return l.in.Allocate(size)
}

// Reallocate panics when the limit is passed.
func (l *limited) Reallocate(size int, b []byte) []byte {
	l.take(size - len(b))
	return l.in.Reallocate(size, b)
}

// Free gives the bytes back to the limit.
func (l *limited) Free(b []byte) {
	l.mu.Lock()
	l.left += int64(len(b))
	l.mu.Unlock()
	l.in.Free(b)
}
