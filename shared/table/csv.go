package table

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
	"unicode/utf8"
)

// readCSV reads comma-separated values with a header (RFC 4180; spaces around
// a value do not count).
func readCSV(name string, in io.Reader, opts Options) (*Table, error) {
	r := csv.NewReader(in)
	r.ReuseRecord, r.FieldsPerRecord, r.TrimLeadingSpace = true, -1, true
	header, err := csvHeader(r)
	if err != nil {
		return nil, err
	}
	var lines []int32 // of each row
	columns := make([]*builder, len(header))
	for i, name := range header {
		columns[i] = newBuilder(name)
	}
	for b := range records(r, header, opts.MaxCells) {
		for i := range b.lines {
			for f, cell := range b.cells[i*len(header):][:len(header)] {
				columns[f].add(strings.TrimSpace(cell))
			}
		}
		if b.err != nil {
			return nil, b.err
		}
		lines = append(lines, b.lines...)
	}
	return fromBuilders(name, columns, lines)
}

// batch is some records one after the other.
type batch struct {
	cells []string
	lines []int32 // of each record
	err   error   // what came after them
}

// batchRecords is how many records pass from one goroutine to the other at once.
const batchRecords = 1024

// records reads ahead: finding the cells takes as long as reading the numbers
// in them. Whoever stops listening ends it.
func records(r *csv.Reader, header []string, maxCells int64) iter.Seq[*batch] {
	return func(yield func(*batch) bool) {
		full, free, done := make(chan *batch, 2), make(chan *batch, 4), make(chan struct{})
		var reading sync.WaitGroup
		reading.Go(func() {
			defer close(full)
			for rows, more := int64(0), true; more; {
				b := reused(free)
				more = b.fill(r, header, rows, maxCells)
				rows += int64(len(b.lines))
				select {
				case full <- b:
				case <-done:
					return
				}
			}
		})
		defer reading.Wait()
		defer close(done)
		for b := range full {
			if !yield(b) {
				return
			}
			select {
			case free <- b:
			default:
			}
		}
	}
}

func reused(free <-chan *batch) *batch {
	select {
	case b := <-free:
		return b
	default:
		return &batch{}
	}
}

// fill reads the next records, after so many rows. It says whether there are more.
func (b *batch) fill(r *csv.Reader, header []string, rows, maxCells int64) bool {
	b.cells, b.lines, b.err = b.cells[:0], b.lines[:0], nil
	for len(b.lines) < batchRecords {
		record, err := r.Read()
		if err == io.EOF {
			return false
		}
		if err != nil {
			b.err = csvError(err)
			return false
		}
		line, _ := r.FieldPos(0)
		rows++
		if b.err = checkRecord(record, header, line); b.err == nil && rows*int64(len(header)) > maxCells {
			b.err = fmt.Errorf("line %d: more than %d cells; split the file", line, maxCells)
		}
		if b.err != nil {
			return false
		}
		b.cells, b.lines = append(b.cells, record...), append(b.lines, int32(line))
	}
	return true
}

func csvHeader(r *csv.Reader) ([]string, error) {
	record, err := r.Read()
	if err == io.EOF {
		return nil, errors.New("the file is empty; it needs a header line and rows")
	}
	if err != nil {
		return nil, csvError(err)
	}
	header := make([]string, len(record))
	for i, name := range record {
		header[i] = strings.Clone(strings.TrimSpace(name))
	}
	if len(header) == 1 {
		for _, other := range []string{";", "\t", "|"} {
			if strings.Contains(header[0], other) {
				return nil, fmt.Errorf("line 1: the columns seem to be separated by %q; save the file with commas", other)
			}
		}
	}
	return header, checkHeader(header, "line 1")
}

func checkHeader(header []string, place string) error {
	seen := map[string]int{}
	for i, name := range header {
		if name == "" {
			return fmt.Errorf("%s: column %d has no name; name it in the header", place, i+1)
		}
		if !textual(name) {
			return fmt.Errorf("%s: the name of column %d, %q, is not UTF-8 text; save the file as UTF-8", place, i+1, name)
		}
		if before, twice := seen[name]; twice {
			return fmt.Errorf("%s: columns %d and %d are both named %q; rename one", place, before, i+1, name)
		}
		seen[name] = i + 1
	}
	return nil
}

func checkRecord(record, header []string, line int) error {
	if len(record) != len(header) {
		return fmt.Errorf("line %d: %d values where the header has %d columns; quote values that hold commas",
			line, len(record), len(header))
	}
	for i, cell := range record {
		if !textual(cell) {
			return fmt.Errorf("line %d: column %q: %q is not UTF-8 text; save the file as UTF-8", line, header[i], clip(cell))
		}
	}
	return nil
}

// textual refuses what is not UTF-8 and the NUL bytes of binary files.
func textual(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

func csvError(err error) error {
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		return fmt.Errorf("line %d, column %d: %w; a quote inside a value is written twice", parse.Line, parse.Column, parse.Err)
	}
	return err
}

// fromBuilders ends every column; lines are the rows' lines, for messages.
func fromBuilders(name string, builders []*builder, lines []int32) (*Table, error) {
	if len(lines) == 0 {
		return nil, errNoRows
	}
	columns := make([]Column, len(builders))
	for i, b := range builders {
		column, at := b.column()
		if at >= 0 {
			return nil, notFinite(int(lines[at]), b.name, b.infiniteCell)
		}
		columns[i] = column
	}
	return inLines(name, columns, lines), nil
}

// inLines is a table whose rows stand in lines of its file.
func inLines(name string, columns []Column, lines []int32) *Table {
	t := newTable(name, columns, len(lines))
	t.parts[0].lines = lines
	return t
}

var errNoRows = errors.New("a header but no rows; add rows or remove the file")

func notFinite(line int, column, cell string) error {
	return fmt.Errorf("line %d: column %q: %s is not a finite number; mend the value or drop the row (of a feature, an empty cell is a missing value)", line, column, clip(cell))
}

// fromCells infers every column; lines are the rows' lines, for messages.
func fromCells(name string, header []string, cells [][]string, lines []int32) (*Table, error) {
	if len(lines) == 0 {
		return nil, errNoRows
	}
	columns := make([]Column, len(header))
	for i := range columns {
		column, infinite := infer(header[i], cells[i])
		if infinite >= 0 {
			return nil, notFinite(int(lines[infinite]), header[i], cells[i][infinite])
		}
		columns[i] = column
	}
	return inLines(name, columns, lines), nil
}
