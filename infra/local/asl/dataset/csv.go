package dataset

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
)

// maxHeaders is how large a CSV file's header row may be, in bytes.
const maxHeaders = 10 << 10

// readCSV reads rows as objects whose values are strings. As on AWS, a row
// that is too short has empty strings for the rest, and what a row has beyond
// the last column is left out.
func (f Format) readCSV(r *bufio.Reader, each func(Item) bool) error {
	rows := csv.NewReader(r)
	rows.FieldsPerRecord = -1
	rows.ReuseRecord = true
	if f.Delimiter != 0 {
		rows.Comma = f.Delimiter
	}
	headers := f.Headers
	if headers == nil {
		first, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return badCSV(err)
		}
		headers = slices.Clone(first)
	}
	columns, err := f.columns(headers)
	if err != nil {
		return err
	}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return badCSV(err)
		}
		if !each(Item{Value: rowObject(columns, row)}) {
			return nil
		}
	}
}

func badCSV(err error) error { return fmt.Errorf("the file is not CSV: %w", err) }

// column is where an item's member is in a row, with its name as JSON.
type column struct {
	index int
	name  []byte
}

func (f Format) columns(headers []string) ([]column, error) {
	if err := CheckHeaders(headers); err != nil {
		return nil, err
	}
	ordered := headers
	if f.Order != nil {
		ordered = f.Order(headers)
	}
	out := make([]column, len(ordered))
	for i, name := range ordered {
		out[i] = column{slices.Index(headers, name), quoted(name)}
	}
	return out, nil
}

// CheckHeaders says what AWS has against a CSV file's column names.
func CheckHeaders(headers []string) error {
	seen := map[string]bool{}
	size := 0
	for _, h := range headers {
		if seen[h] {
			return errors.New("CSV headers cannot contain duplicates.")
		}
		seen[h] = true
		size += len(h) + 1
	}
	if size > maxHeaders {
		return fmt.Errorf("CSV headers cannot be larger than %d bytes.", maxHeaders)
	}
	return nil
}

func rowObject(columns []column, row []string) []byte {
	b := []byte{'{'}
	for i, c := range columns {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, c.name...), ':')
		value := ""
		if c.index < len(row) {
			value = row[c.index]
		}
		b = append(b, quoted(value)...)
	}
	return append(b, '}')
}
