package s3store

import (
	"context"
	"fmt"
	"iter"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/dataset"
	"github.com/sluice-ml/sluice/shared/fault"
)

// EachVersion walks the versions of the keys that start with prefix page by page,
// without delete markers: keys in order, each newest first. An error ends it.
func (s *Store) EachVersion(ctx context.Context, bucket, prefix string) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		pages := s3.NewListObjectVersionsPaginator(encoded{s.client}, &s3.ListObjectVersionsInput{Bucket: &bucket, Prefix: &prefix})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(Version{}, classify("list the versions of "+contract.URI(bucket, prefix), err))
				return
			}
			for _, v := range page.Versions {
				if !yield(versionOf(v), nil) {
					return
				}
			}
		}
	}
}

// Sweeper is a lake whose garbage is collected.
type Sweeper struct {
	store  *Store
	locks  *Locks
	bucket string
}

var _ dataset.LakeSweeper = (*Sweeper)(nil)

// Sweeper gives a bucket as a dataset.LakeSweeper; locks is the bucket's.
func (s *Store) Sweeper(bucket string, locks *Locks) *Sweeper { return &Sweeper{s, locks, bucket} }

// Each implements dataset.LakeSweeper.
func (s *Sweeper) Each(ctx context.Context, prefix string) iter.Seq2[dataset.LakeVersion, error] {
	return func(yield func(dataset.LakeVersion, error) bool) {
		for v, err := range s.store.EachVersion(ctx, s.bucket, prefix) {
			stored := dataset.StoredVersion{Key: v.Key, VersionID: v.VersionID, Size: v.Size, Stored: v.LastModified}
			if !yield(dataset.LakeVersion{StoredVersion: stored, Latest: v.IsLatest, Class: v.Class}, err) {
				return
			}
		}
	}
}

// Delete implements dataset.LakeSweeper. Without a version's id S3 would only hide
// the object, so that is refused.
func (s *Sweeper) Delete(ctx context.Context, key, versionID string) error {
	if versionID == "" || versionID == "null" {
		return fault.New(fault.Invalid, "delete "+contract.URI(s.bucket, key), "its VersionId is %q", versionID)
	}
	err := s.store.Delete(ctx, s.bucket, key, versionID)
	if !fault.Is(err, fault.Denied) && !fault.Is(err, fault.Invalid) {
		return err
	}
	if held, failed := s.locks.Held(ctx, key, versionID); failed == nil && held {
		return fmt.Errorf("delete %s: %w", VersionURI(s.bucket, key, versionID), dataset.ErrHeld)
	}
	return needs("s3:DeleteObjectVersion", err)
}
