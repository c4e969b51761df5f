package parquet

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// Records reads the columns of a nested file whose dotted paths are wanted, a
// row group at a time, and hands each batch of rows to each. The record is only
// good within the call. Read flattens instead, and refuses nested files.
func Records(ctx context.Context, r io.ReaderAt, size int64, limits Limits, wanted func(path string) bool, each func(arrow.RecordBatch) error) (err error) {
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
	var leaves []int
	for i := range f.MetaData().Schema.NumColumns() {
		if wanted(f.MetaData().Schema.Column(i).Path()) {
			leaves = append(leaves, i)
		}
	}
	if rows := f.NumRows(); rows < 0 || rows > limits.MaxCells/int64(max(1, len(leaves))) {
		return fmt.Errorf("%d rows of %d columns are more than %d cells", rows, len(leaves), limits.MaxCells)
	}
	if len(leaves) == 0 {
		return errors.New("it has none of the columns that are wanted")
	}
	reader, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{}, alloc)
	if err != nil {
		return fmt.Errorf("read its schema: %w", err)
	}
	for group := range f.NumRowGroups() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := readGroup(ctx, reader, leaves, group, each); err != nil {
			return err
		}
	}
	return nil
}

func readGroup(ctx context.Context, reader *pqarrow.FileReader, leaves []int, group int, each func(arrow.RecordBatch) error) error {
	table, err := reader.ReadRowGroups(ctx, leaves, []int{group})
	if err != nil {
		return fmt.Errorf("row group %d: %w", group, err)
	}
	defer table.Release()
	batches := array.NewTableReader(table, batch)
	defer batches.Release()
	for batches.Next() {
		if err := each(batches.RecordBatch()); err != nil {
			return err
		}
	}
	return batches.Err()
}
