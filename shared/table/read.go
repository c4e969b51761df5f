package table

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sluice-ml/sluice/shared/fault"
)

// Options bound what Read takes in. The zero value means the defaults.
type Options struct {
	MaxBytes int64 // after decompression; default 1 GiB
	MaxCells int64 // rows × columns; default 100 million
}

func (o Options) withDefaults() Options {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 1 << 30
	}
	if o.MaxCells <= 0 {
		o.MaxCells = 100_000_000
	}
	return o
}

// Formats are the extensions that Read knows.
func Formats() []string {
	return []string{".csv", ".csv.gz", ".parquet", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz"}
}

// readAhead is how much is read from the storage at once, in bytes.
const readAhead = 8 << 20

// Known says whether Read can read an object of this name.
func Known(name string) bool {
	for _, extension := range Formats() {
		if strings.HasSuffix(strings.ToLower(name), extension) {
			return true
		}
	}
	return false
}

// Read reads a table of size bytes from r; the extension of name chooses the
// format. The error is a fault: Invalid when the content is wrong, with the
// line, the column and the value; Unavailable when r failed, and then a retry
// can help.
func Read(ctx context.Context, name string, r io.ReaderAt, size int64, opts Options) (*Table, error) {
	source := &source{ctx: ctx, r: r}
	t, err := readFormat(source, name, size, opts.withDefaults())
	op := "read " + name
	switch {
	case source.err != nil:
		return nil, fault.Wrap(fault.Unavailable, op, source.err)
	case ctx.Err() != nil:
		return nil, fault.Wrap(fault.Unavailable, op, ctx.Err())
	case err != nil:
		return nil, fault.Wrap(fault.Invalid, op, err)
	}
	return t, nil
}

func readFormat(r *source, name string, size int64, opts Options) (*Table, error) {
	if size == 0 {
		return nil, errors.New("the file is empty; remove it, or replace it with one that has rows")
	}
	lower := strings.ToLower(name)
	plain, zipped := strings.CutSuffix(lower, ".gz")
	switch {
	case strings.HasSuffix(lower, ".parquet"):
		return readParquet(r, name, size, opts)
	case strings.HasSuffix(plain, ".csv"):
		in, err := r.text(size, zipped, opts)
		if err != nil {
			return nil, err
		}
		return readCSV(name, in, opts)
	case strings.HasSuffix(plain, ".jsonl"), strings.HasSuffix(plain, ".ndjson"):
		in, err := r.text(size, zipped, opts)
		if err != nil {
			return nil, err
		}
		return readJSONL(name, in, opts)
	}
	return nil, fmt.Errorf("no reader for this extension; use one of %s", strings.Join(Formats(), ", "))
}

// source remembers an error of the storage below, so that it is not taken for
// an error of the content.
type source struct {
	ctx context.Context
	r   io.ReaderAt
	err error
}

// ReadAt reads and fails once the context is done.
func (s *source) ReadAt(p []byte, off int64) (int, error) {
	if err := s.ctx.Err(); err != nil {
		s.err = err
		return 0, err
	}
	n, err := s.r.ReadAt(p, off)
	if err != nil && err != io.EOF && s.err == nil {
		s.err = err
	}
	return n, err
}

// text is the content, decompressed and bounded, without a byte order mark.
func (s *source) text(size int64, zipped bool, opts Options) (io.Reader, error) {
	// One read below may be one request over the network: make them large.
	var in io.Reader = bufio.NewReaderSize(io.NewSectionReader(s, 0, size), int(min(size, readAhead)))
	if zipped {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("not a gzip file, though it is named so: %w", err)
		}
		in = &gunzip{z}
	}
	in = &bounded{in: in, left: opts.MaxBytes, max: opts.MaxBytes}
	head := make([]byte, 3)
	n, err := io.ReadFull(in, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	head = head[:n]
	if bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) {
		return nil, errors.New("the file is UTF-16; save it as UTF-8")
	}
	return io.MultiReader(bytes.NewReader(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))), in), nil
}

// gunzip says what a damaged stream most likely is.
type gunzip struct{ z *gzip.Reader }

func (g *gunzip) Read(p []byte) (int, error) {
	n, err := g.z.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("the gzip stream is damaged or cut off: %w; replace the file with a whole copy", err)
	}
	return n, err
}

// bounded fails where a reader gives more than it may.
type bounded struct {
	in        io.Reader
	left, max int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.in.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("more than %d bytes of content; split the file", b.max)
	}
	return n, err
}
