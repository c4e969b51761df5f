// Package parquet reads and writes flat Parquet files as plain columns.
//
// Reading takes what data tools write: any flat column of numbers, text,
// booleans, dates, times, timestamps and decimals. Writing knows the two kinds
// that Sluice keeps, text and 64-bit floats, and gives the same bytes for the
// same columns. Files come from outside, so everything they claim about their
// own size is bounded, and a panic of the decoder is an error.
package parquet

// Column is one column. Either Float or Text is set, of equal length with Null.
type Column struct {
	Name  string
	Float []float64 // from FLOAT and DOUBLE
	Text  []string  // from every other type, numbers in decimal
	Null  []bool
}

// Len is the number of rows.
func (c *Column) Len() int { return len(c.Null) }

// Limits bound what Read takes in.
type Limits struct {
	MaxCells int64 // rows × columns
	MaxBytes int64 // of decoder memory at one time
}
