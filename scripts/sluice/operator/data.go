package operator

import (
	"context"
	"io"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/dataset"
)

// LakeSource is the lake as a dataset's source.
func (c *Client) LakeSource() dataset.Source { return c.Objects.Lake(c.Lake) }

// LakeContent reads the lake's objects.
func (c *Client) LakeContent() dataset.Content { return content{c.Objects, c.Lake} }

type content struct {
	objects *s3store.Store
	bucket  string
}

// block is how many bytes of an object one request reads.
const block = 8 << 20

// Open implements dataset.Content. The object is read in blocks, so its size is
// not bounded by memory.
func (c content) Open(ctx context.Context, key, versionID string) (io.ReadCloser, error) {
	r, err := c.objects.ReaderAt(ctx, c.bucket, key, versionID)
	if err != nil {
		return nil, err
	}
	return &blocks{from: io.NewSectionReader(r, 0, r.Size()), size: r.Size()}, nil
}

// blocks reads ahead a block at a time, whatever pieces its reader asks for.
type blocks struct {
	from   *io.SectionReader
	size   int64
	buffer []byte
	left   []byte
}

func (b *blocks) Read(p []byte) (int, error) {
	if len(b.left) == 0 {
		if b.buffer == nil {
			b.buffer = make([]byte, max(1, min(block, b.size)))
		}
		n, err := io.ReadFull(b.from, b.buffer)
		if n == 0 {
			return 0, err
		}
		if err != nil && err != io.ErrUnexpectedEOF {
			return 0, err
		}
		b.left = b.buffer[:n]
	}
	n := copy(p, b.left)
	b.left = b.left[n:]
	return n, nil
}

func (b *blocks) Close() error { return nil }
