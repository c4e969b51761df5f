package s3store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"

	"github.com/sluice-ml/sluice/shared/fault"
)

// digestBlock is how many bytes of an object Digest holds at once.
const digestBlock = 8 << 20

// Digest is "sha256:" and the hexadecimal SHA-256 of an object's content, read
// in blocks; the latest version when versionID is "". The info says which
// version that was.
func (s *Store) Digest(ctx context.Context, bucket, key, versionID string) (string, ObjectInfo, error) {
	r, err := s.ReaderAt(ctx, bucket, key, versionID)
	if err != nil {
		return "", ObjectInfo{}, err
	}
	sum := sha256.New()
	blocks := struct{ io.Reader }{io.NewSectionReader(r, 0, r.Size())}
	if _, err := io.CopyBuffer(sum, blocks, make([]byte, min(digestBlock, max(1, r.Size())))); err != nil {
		return "", ObjectInfo{}, fault.Wrap(fault.Unavailable, "hash "+VersionURI(bucket, key, versionID), err)
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), r.Info(), nil
}
