package parquet

import (
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// Write writes columns of equal length as one row group: Float columns as
// DOUBLE, Text columns as UTF-8 strings; where Null is nil nothing is null.
// Equal columns give equal bytes.
func Write(w io.Writer, columns []Column) (err error) {
	root, err := root(columns)
	if err != nil {
		return err
	}
	props := parquet.NewWriterProperties(
		parquet.WithCompression(compress.Codecs.Snappy),
		parquet.WithCreatedBy("sluice"),
		parquet.WithVersion(parquet.V2_LATEST),
	)
	f, err := file.NewParquetWriterWithError(w, root, file.WithWriterProps(props))
	if err != nil {
		return fmt.Errorf("write Parquet: %w", err)
	}
	if err := writeGroup(f, columns); err != nil {
		return fmt.Errorf("write Parquet: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write Parquet: %w", err)
	}
	return nil
}

func root(columns []Column) (*schema.GroupNode, error) {
	fields := make(schema.FieldList, len(columns))
	for i, c := range columns {
		logical, physical := schema.LogicalType(schema.NoLogicalType{}), parquet.Types.Double
		if c.Float == nil {
			logical, physical = schema.StringLogicalType{}, parquet.Types.ByteArray
		}
		node, err := schema.NewPrimitiveNodeLogical(c.Name, repetition(c), logical, physical, -1, -1)
		if err != nil {
			return nil, fmt.Errorf("write Parquet: column %q: %w", c.Name, err)
		}
		fields[i] = node
	}
	group, err := schema.NewGroupNode("schema", parquet.Repetitions.Required, fields, -1)
	if err != nil {
		return nil, fmt.Errorf("write Parquet: %w", err)
	}
	return group, nil
}

func repetition(c Column) parquet.Repetition {
	if c.Null == nil {
		return parquet.Repetitions.Required
	}
	return parquet.Repetitions.Optional
}

func writeGroup(f *file.Writer, columns []Column) error {
	group, err := f.AppendRowGroupChecked()
	if err != nil {
		return err
	}
	for _, c := range columns {
		chunk, err := group.NextColumn()
		if err != nil {
			return err
		}
		if err := writeChunk(chunk, c); err != nil {
			return fmt.Errorf("column %q: %w", c.Name, err)
		}
		if err := chunk.Close(); err != nil {
			return err
		}
	}
	return group.Close()
}

func writeChunk(chunk file.ColumnChunkWriter, c Column) error {
	var levels []int16
	if c.Null != nil {
		levels = make([]int16, len(c.Null))
		for i, null := range c.Null {
			if !null {
				levels[i] = 1
			}
		}
	}
	switch w := chunk.(type) {
	case *file.Float64ColumnChunkWriter:
		_, err := w.WriteBatch(present(c.Float, c.Null), levels, nil)
		return err
	case *file.ByteArrayColumnChunkWriter:
		text := present(c.Text, c.Null)
		values := make([]parquet.ByteArray, len(text))
		for i, v := range text {
			values[i] = parquet.ByteArray(v)
		}
		_, err := w.WriteBatch(values, levels, nil)
		return err
	}
	return fmt.Errorf("no way to write %T", chunk)
}

// present drops the values that are null: Parquet stores only the others.
func present[T any](values []T, null []bool) []T {
	if null == nil {
		return values
	}
	out := make([]T, 0, len(values))
	for i, v := range values {
		if !null[i] {
			out = append(out, v)
		}
	}
	return out
}
