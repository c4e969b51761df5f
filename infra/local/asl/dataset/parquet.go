package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"

	columns "github.com/sluice-ml/sluice/shared/parquet"
)

// The local stack's limits for Parquet files.
const (
	maxParquet      = 256 << 20 // bytes
	maxParquetCells = 20_000_000
)

// readParquet reads rows as objects: numbers and booleans as such, everything
// else as text, nulls as null.
func (f Format) readParquet(r io.Reader, each func(Item) bool) error {
	data, err := io.ReadAll(io.LimitReader(r, maxParquet+1))
	if err != nil {
		return err
	}
	if len(data) > maxParquet {
		return fmt.Errorf("the local stack does not read Parquet files of more than %d bytes: split the file", maxParquet)
	}
	read, err := columns.Read(context.Background(), bytes.NewReader(data), int64(len(data)), columns.Limits{MaxCells: maxParquetCells, MaxBytes: 4 * maxParquet})
	if err != nil {
		return err
	}
	literal, err := literals(data)
	if err != nil {
		return err
	}
	if len(literal) != len(read) {
		return errors.New("the Parquet file is damaged: its columns differ between two readings")
	}
	for row := range read[0].Len() {
		b := []byte{'{'}
		for i := range read {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(b, quoted(read[i].Name)...), ':')
			b = appendCell(b, &read[i], row, literal[i])
		}
		if !each(Item{Value: append(b, '}')}) {
			return nil
		}
	}
	return nil
}

func appendCell(b []byte, c *columns.Column, row int, literal bool) []byte {
	switch {
	case c.Null != nil && c.Null[row]:
		return append(b, "null"...)
	case c.Float != nil:
		if v := c.Float[row]; !math.IsNaN(v) && !math.IsInf(v, 0) {
			return strconv.AppendFloat(b, v, 'g', -1, 64)
		}
		return append(b, "null"...)
	case literal:
		return append(b, c.Text[row]...)
	}
	return append(b, quoted(c.Text[row])...)
}

// literals says of each column whether its text is a JSON number or boolean.
func literals(data []byte) (out []bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the Parquet file is damaged: %v", p)
		}
	}()
	r, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	sc := r.MetaData().Schema
	for i := range sc.NumColumns() {
		c := sc.Column(i)
		switch c.PhysicalType() {
		case parquet.Types.Boolean:
			out = append(out, true)
		case parquet.Types.Int32, parquet.Types.Int64:
			_, whole := c.LogicalType().(schema.IntLogicalType)
			out = append(out, whole || c.LogicalType().Equals(schema.NoLogicalType{}) || c.LogicalType().Equals(schema.UnknownLogicalType{}))
		default:
			out = append(out, false)
		}
	}
	return out, nil
}
