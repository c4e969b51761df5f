package s3store

import (
	"context"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sluice-ml/sluice/shared/fault"
)

// ReaderAt reads ranges of one version of an object. It never mixes versions:
// in an unversioned bucket a range of a replaced object is a Conflict.
type ReaderAt struct {
	ctx    context.Context
	store  *Store
	bucket string
	info   ObjectInfo
}

var _ io.ReaderAt = (*ReaderAt)(nil)

// ReaderAt opens an object for ranged reads, each one request; the latest
// version when versionID is "". The context bounds all of them.
func (s *Store) ReaderAt(ctx context.Context, bucket, key, versionID string) (*ReaderAt, error) {
	info, err := s.Head(ctx, bucket, key, versionID)
	if err != nil {
		return nil, err
	}
	return &ReaderAt{ctx: ctx, store: s, bucket: bucket, info: info}, nil
}

// Size is the object's length in bytes.
func (r *ReaderAt) Size() int64 { return r.info.Size }

// Info describes the version that is read.
func (r *ReaderAt) Info() ObjectInfo { return r.info }

// ReadAt implements io.ReaderAt.
func (r *ReaderAt) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fault.New(fault.Invalid, "read "+VersionURI(r.bucket, r.info.Key, r.info.VersionID), "offset %d is negative", offset)
	}
	if offset >= r.info.Size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), r.info.Size-offset)]
	if len(want) == 0 {
		return 0, nil
	}
	n, err := r.read(want, offset)
	if err == nil && len(want) < len(p) {
		err = io.EOF
	}
	return n, err
}

func (r *ReaderAt) read(p []byte, offset int64) (int, error) {
	last := offset + int64(len(p)) - 1
	out, err := r.store.client.GetObject(r.ctx, &s3.GetObjectInput{Bucket: &r.bucket, Key: &r.info.Key,
		VersionId: optional(r.info.VersionID), IfMatch: aws.String(`"` + r.info.ETag + `"`),
		Range: aws.String(fmt.Sprintf("bytes=%d-%d", offset, last))})
	op := fmt.Sprintf("read bytes %d to %d of %s", offset, last, VersionURI(r.bucket, r.info.Key, r.info.VersionID))
	if err != nil {
		return 0, classify(op, err)
	}
	defer out.Body.Close()
	n, err := io.ReadFull(out.Body, p)
	if err != nil {
		return n, fault.New(fault.Unavailable, op, "%w", err)
	}
	return n, nil
}
