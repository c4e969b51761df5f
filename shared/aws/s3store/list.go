package s3store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sluice-ml/sluice/shared/contract"
)

// List gives the latest objects whose keys start with prefix, in key order.
// S3 does not tell versions, metadata or checksums here.
func (s *Store) List(ctx context.Context, bucket, prefix string) ([]ObjectInfo, error) {
	var found []ObjectInfo
	pages := s3.NewListObjectsV2Paginator(encoded{s.client}, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, classify("list "+contract.URI(bucket, prefix), err)
		}
		for _, o := range page.Contents {
			found = append(found, ObjectInfo{Key: aws.ToString(o.Key), ETag: unquote(o.ETag),
				Size: aws.ToInt64(o.Size), LastModified: aws.ToTime(o.LastModified)})
		}
	}
	return found, nil
}

// Folders gives the names directly below a prefix that ends in "/" and that
// objects lie below, in order and without their own "/".
func (s *Store) Folders(ctx context.Context, bucket, prefix string) ([]string, error) {
	found := []string{}
	pages := s3.NewListObjectsV2Paginator(encoded{s.client}, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix, Delimiter: aws.String("/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, classify("list "+contract.URI(bucket, prefix), err)
		}
		for _, p := range page.CommonPrefixes {
			found = append(found, strings.TrimSuffix(strings.TrimPrefix(aws.ToString(p.Prefix), prefix), "/"))
		}
	}
	return found, nil
}

// Version is one entry of a key's history.
type Version struct {
	Key          string
	VersionID    string // "null" for a version from before versioning was on
	ETag         string
	Size         int64 // bytes
	IsLatest     bool
	DeleteMarker bool
	LastModified time.Time
	Class        string // storage class, e.g. "STANDARD"; "" for a delete marker
}

// ListVersions gives every version of the keys that start with prefix: keys in
// order, each newest first, delete markers included.
func (s *Store) ListVersions(ctx context.Context, bucket, prefix string) ([]Version, error) {
	var found []Version
	pages := s3.NewListObjectVersionsPaginator(encoded{s.client}, &s3.ListObjectVersionsInput{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, classify("list the versions of "+contract.URI(bucket, prefix), err)
		}
		for _, v := range page.Versions {
			found = append(found, versionOf(v))
		}
		for _, d := range page.DeleteMarkers {
			found = append(found, Version{Key: aws.ToString(d.Key), VersionID: aws.ToString(d.VersionId),
				IsLatest: aws.ToBool(d.IsLatest), DeleteMarker: true, LastModified: aws.ToTime(d.LastModified)})
		}
	}
	slices.SortStableFunc(found, newestFirst)
	return found, nil
}

func versionOf(v types.ObjectVersion) Version {
	return Version{Key: aws.ToString(v.Key), VersionID: aws.ToString(v.VersionId), ETag: unquote(v.ETag),
		Size: aws.ToInt64(v.Size), IsLatest: aws.ToBool(v.IsLatest), LastModified: aws.ToTime(v.LastModified),
		Class: string(v.StorageClass)}
}

// newestFirst merges the SDK's two lists. Each is in S3's order; times have
// whole seconds, so only IsLatest is trusted within one second.
func newestFirst(a, b Version) int {
	if c := strings.Compare(a.Key, b.Key); c != 0 {
		return c
	}
	if a.IsLatest != b.IsLatest {
		if a.IsLatest {
			return -1
		}
		return 1
	}
	return b.LastModified.Compare(a.LastModified)
}
