package operator

import (
	"context"
	"io"
	"strings"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/upload"
)

// LakeSource is the lake as a dataset's source.
func (c *Client) LakeSource() dataset.Source { return c.Objects.Lake(c.Lake) }

// LakeSink is the lake as a place to upload to.
func (c *Client) LakeSink() upload.Sink { return sink{c.Objects.Lake(c.Lake), c.Objects, c.Lake} }

type sink struct {
	dataset.Source
	objects *s3store.Store
	bucket  string
}

// Put implements upload.Sink.
func (s sink) Put(ctx context.Context, key string, body []byte) (dataset.Entry, error) {
	info, err := s.objects.PutHashed(ctx, s.bucket, key, body)
	if err != nil {
		return dataset.Entry{}, err
	}
	if info.VersionID == "" || info.VersionID == "null" {
		return dataset.Entry{}, fault.New(fault.Invalid, "upload "+contract.URI(s.bucket, key), "the bucket keeps no versions").
			WithHint("turn versioning on for the bucket, then upload again")
	}
	return dataset.Entry{Key: key, VersionID: info.VersionID, ETag: info.ETag, Size: info.Size,
		Checksum: info.Checksum.Value, ChecksumAlgorithm: info.Checksum.Algorithm, ChecksumType: info.Checksum.Type}, nil
}

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

// Sweeper is the versions of the objects that a model's dataset consists of.
func (c *Client) Sweeper(model string) dataset.Sweeper {
	return sweeper{c.Objects, c.Store, contract.DatasetPrefix(model)}
}

type sweeper struct {
	objects        *s3store.Store
	bucket, prefix string
}

// Versions implements dataset.Sweeper. Delete markers are left out: a dataset
// makes none.
func (s sweeper) Versions(ctx context.Context, prefix string) ([]dataset.StoredVersion, error) {
	versions, err := s.objects.ListVersions(ctx, s.bucket, s.prefix+prefix)
	if err != nil {
		return nil, err
	}
	stored := make([]dataset.StoredVersion, 0, len(versions))
	for _, v := range versions {
		if !v.DeleteMarker {
			stored = append(stored, dataset.StoredVersion{Key: strings.TrimPrefix(v.Key, s.prefix), VersionID: v.VersionID, Size: v.Size, Stored: v.LastModified})
		}
	}
	return stored, nil
}

// Delete implements dataset.Sweeper. Without a version's id S3 would only hide
// the object, so that is refused.
func (s sweeper) Delete(ctx context.Context, key, versionID string) error {
	if versionID == "" {
		return fault.New(fault.Invalid, "delete "+contract.URI(s.bucket, s.prefix+key), "it has no VersionId").
			WithHint("turn versioning on for the bucket")
	}
	return s.objects.Delete(ctx, s.bucket, s.prefix+key, versionID)
}

// RunningCommits are the commits that a model's runs under way learn from.
func (c *Client) RunningCommits(ctx context.Context, model string) ([]string, error) {
	var found []string
	err := c.eachRunning(ctx, func(of, run string) error {
		if of != model {
			return nil
		}
		var plan contract.Plan
		err := c.RunFile(ctx, model, run, contract.FilePlan, &plan)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		if plan.Dataset.Commit != "" {
			found = append(found, plan.Dataset.Commit)
		}
		return nil
	})
	return found, err
}
