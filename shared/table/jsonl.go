package table

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxLine bounds one JSON line.
const maxLine = 16 << 20

// readJSONL reads one JSON object a line. A key that a line does not have is a
// missing value there.
func readJSONL(name string, in io.Reader, opts Options) (*Table, error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	b := &jsonRows{index: map[string]int{}, opts: opts}
	line := 0
	for lines.Scan() {
		line++
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		if err := b.add(text, line); err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return nil, fmt.Errorf("line %d: longer than %d bytes; is this JSON Lines, one object a line?", line+1, maxLine)
		}
		return nil, err
	}
	if len(b.header) == 0 {
		return nil, errors.New("no values; add rows or remove the file")
	}
	for i := range b.cells {
		b.fill(i)
	}
	return fromCells(name, b.header, b.cells, b.lines)
}

type jsonRows struct {
	opts   Options
	header []string
	index  map[string]int
	cells  [][]string // each as long as its last value; fill evens them out
	lines  []int32
	rows   int
}

// fill gives column i missing values up to the current row.
func (b *jsonRows) fill(i int) {
	for len(b.cells[i]) < b.rows {
		b.cells[i] = append(b.cells[i], "")
	}
}

func (b *jsonRows) add(line []byte, number int) error {
	if !utf8.Valid(line) {
		return errors.New("not UTF-8 text; save the file as UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errors.New("not a JSON object; write one object a line")
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return fmt.Errorf("not JSON: %w", err)
		}
		value, err := dec.Token()
		if err != nil {
			return fmt.Errorf("not JSON: %w", err)
		}
		if text, ok := value.(string); ok && strings.ContainsRune(text, utf8.RuneError) && !bytes.ContainsRune(line, utf8.RuneError) {
			return fmt.Errorf("key %q: half of a surrogate pair, which is no text; write both halves, or the character itself", key)
		}
		if err := b.set(key.(string), value); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("not JSON: %w; is the file cut off?", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows the object; write one object a line")
	}
	b.rows++
	b.lines = append(b.lines, int32(number))
	return nil
}

func (b *jsonRows) set(key string, value json.Token) error {
	i, known := b.index[key]
	if !known {
		if key == "" || !textual(key) {
			return fmt.Errorf("%q is no name for a column", key)
		}
		i = len(b.header)
		b.index[key] = i
		b.header = append(b.header, key)
		b.cells = append(b.cells, nil)
	}
	if int64(b.rows+1)*int64(len(b.header)) > b.opts.MaxCells {
		return fmt.Errorf("more than %d cells; split the file", b.opts.MaxCells)
	}
	b.fill(i)
	if len(b.cells[i]) > b.rows {
		return fmt.Errorf("key %q is given twice", key)
	}
	cell, err := jsonCell(value)
	if err != nil {
		return fmt.Errorf("key %q: %w", key, err)
	}
	b.cells[i] = append(b.cells[i], cell)
	return nil
}

func jsonCell(value json.Token) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", nil
	case string:
		if !textual(v) {
			return "", fmt.Errorf("%q is not text", clip(v))
		}
		return strings.TrimSpace(v), nil
	case json.Number:
		return v.String(), nil
	case bool:
		return fmt.Sprint(v), nil
	}
	return "", errors.New("a nested value; flatten it into columns of its own")
}
