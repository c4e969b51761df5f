// Package dataset reads the datasets of distributed Map states: it takes a
// file apart into items.
//
// An item is one JSON value. A JSON file has the elements of an array or the
// members of an object as its items, JSON Lines one item a line, CSV and
// Parquet one object a row. An inventory is S3's own list of a bucket's
// objects: a manifest that names CSV files, often compressed. An Athena
// manifest names the files that a query left.
//
// Every error is about the file and reads as the cause of
// States.ItemReaderFailed; reading the same bytes again gives it again.
package dataset

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Type is ReaderConfig's InputType.
type Type string

// The input types.
const (
	JSON     Type = "JSON"
	JSONL    Type = "JSONL"
	CSV      Type = "CSV"
	Parquet  Type = "PARQUET"
	Manifest Type = "MANIFEST"
)

// Item is one element of a dataset.
type Item struct {
	// Value is JSON.
	Value json.RawMessage `json:"v"`
	// Key is the member's name when the dataset is a JSON object; Value is then
	// {"Key": …, "Value": …}.
	Key *string `json:"k,omitempty"`
	// Source is where the item comes from: STATE_DATA, S3://bucket or
	// S3://bucket/key.
	Source string `json:"s,omitempty"`
}

// Format says how a file is to be read.
type Format struct {
	Type Type
	// Pointer is a JSON pointer (RFC 6901) to the array or object with the
	// items in a JSON file; "" is the whole file.
	Pointer string
	// Headers name the columns of a CSV file; nil takes its first row.
	Headers []string
	// Delimiter separates the fields of a CSV file; 0 is a comma.
	Delimiter rune
	// Order gives the order in which an item has a row's members; nil is the
	// columns' order.
	Order func(names []string) []string
}

// MaxLine bounds a line of JSON Lines, in bytes; no item may be nearly as
// large.
const MaxLine = 8 << 20

// Read gives the items of a file in order until each returns false. Text that
// is compressed with gzip is read through.
func (f Format) Read(r io.Reader, each func(Item) bool) error {
	if f.Type == Parquet {
		return f.readParquet(r, each)
	}
	text, err := inflated(r)
	if err != nil {
		return err
	}
	switch f.Type {
	case JSON:
		return f.readJSON(text, each)
	case JSONL:
		return readLines(text, each)
	case CSV:
		return f.readCSV(text, each)
	}
	return fmt.Errorf("the local stack does not read files of the type %q: use CSV, JSON, JSONL or PARQUET", f.Type)
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// inflated looks through gzip and drops a byte order mark.
func inflated(r io.Reader) (*bufio.Reader, error) {
	text := bufio.NewReaderSize(r, 64<<10)
	magic, err := text.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(text)
		if err != nil {
			return nil, fmt.Errorf("the file is not whole gzip data: %w", err)
		}
		text = bufio.NewReaderSize(z, 64<<10)
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return nil, errors.New("the local stack does not read files that are compressed with Zstandard: use gzip")
	}
	if mark, err := text.Peek(3); err == nil && bytes.Equal(mark, byteOrderMark) {
		_, err = text.Discard(3)
		return text, err
	}
	return text, nil
}
