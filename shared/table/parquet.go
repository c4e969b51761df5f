package table

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/sluice-ml/sluice/shared/parquet"
)

func readParquet(r *source, name string, size int64, opts Options) (*Table, error) {
	in, err := r.whole(size)
	if err != nil {
		return nil, err
	}
	read, err := parquet.Read(r.ctx, in, size, parquet.Limits{MaxCells: opts.MaxCells, MaxBytes: opts.MaxBytes})
	if err != nil {
		return nil, err
	}
	header := make([]string, len(read))
	for i := range read {
		header[i] = read[i].Name
	}
	if err := checkHeader(header, "schema"); err != nil {
		return nil, err
	}
	rows := read[0].Len()
	if rows == 0 {
		return nil, errors.New("no rows; add rows or remove the file")
	}
	columns := make([]Column, len(read))
	for i := range read {
		if columns[i], err = parquetColumn(&read[i]); err != nil {
			return nil, err
		}
	}
	return newTable(name, columns, rows), nil
}

// whole reads a file that is not large at once: the Parquet reader jumps about
// in small reads, each of which may be a request over the network.
func (s *source) whole(size int64) (io.ReaderAt, error) {
	if size > 16*readAhead {
		return s, nil
	}
	data := make([]byte, size)
	if n, err := s.ReadAt(data, 0); int64(n) < size {
		return nil, fmt.Errorf("only %d of %d bytes are there: %w", n, size, err)
	}
	return bytes.NewReader(data), nil
}

func parquetColumn(c *parquet.Column) (Column, error) {
	infinite := -1
	out := Column{Name: c.Name, Number: c.Float, Null: c.Null, FirstText: -1}
	if c.Float == nil {
		for i, cell := range c.Text { // as of every other format, spaces around a value do not count
			c.Text[i] = strings.TrimSpace(cell)
		}
		out, infinite = infer(c.Name, c.Text)
	}
	for i, v := range c.Float {
		if c.Null[i] || math.IsNaN(v) {
			c.Null[i], c.Float[i] = true, math.NaN()
		} else if math.IsInf(v, 0) && infinite < 0 {
			infinite = i
		}
	}
	if infinite >= 0 {
		return out, fmt.Errorf("row %d: column %q: not a finite number; leave the cell null when there is no value", infinite+1, c.Name)
	}
	return out, nil
}
