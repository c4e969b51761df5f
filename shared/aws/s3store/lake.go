package s3store

import (
	"context"

	"github.com/sluice-ml/sluice/shared/dataset"
)

// Lake is a bucket as the source of datasets.
type Lake struct {
	store  *Store
	bucket string
}

var _ dataset.Source = (*Lake)(nil)

// Lake gives a bucket as a dataset.Source.
func (s *Store) Lake(bucket string) *Lake { return &Lake{s, bucket} }

// Stat implements dataset.Source.
func (l *Lake) Stat(ctx context.Context, key, versionID string) (dataset.Entry, error) {
	info, err := l.store.Head(ctx, l.bucket, key, versionID)
	if err != nil {
		return dataset.Entry{}, err
	}
	return dataset.Entry{Key: key, VersionID: info.VersionID, ETag: info.ETag, Size: info.Size,
		Checksum: info.Checksum.Value, ChecksumAlgorithm: info.Checksum.Algorithm, ChecksumType: info.Checksum.Type}, nil
}

// Latest implements dataset.Source; the entries have no checksums.
func (l *Lake) Latest(ctx context.Context, prefix string) ([]dataset.Entry, error) {
	versions, err := l.store.ListVersions(ctx, l.bucket, prefix)
	if err != nil {
		return nil, err
	}
	var latest []dataset.Entry
	for _, v := range versions {
		if v.IsLatest && !v.DeleteMarker {
			latest = append(latest, dataset.Entry{Key: v.Key, VersionID: v.VersionID, ETag: v.ETag, Size: v.Size})
		}
	}
	return latest, nil
}
