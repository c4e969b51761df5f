package s3store

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/intake"
)

const (
	deleteBatch   = 1000 // what S3 takes at once
	deleteWorkers = 4
)

// Inbox is a bucket as an intake.Inbox.
type Inbox struct {
	store  *Store
	bucket string
}

var _ intake.Inbox = (*Inbox)(nil)

// Inbox gives a bucket as an intake.Inbox.
func (s *Store) Inbox(bucket string) *Inbox { return &Inbox{s, bucket} }

// Arrivals implements intake.Inbox.
func (b *Inbox) Arrivals(ctx context.Context, prefix string) ([]intake.Arrival, error) {
	listed, err := b.store.List(ctx, b.bucket, prefix)
	if err != nil {
		return nil, err
	}
	all := make([]intake.Arrival, len(listed))
	for n, o := range listed {
		all[n] = intake.Arrival{Key: o.Key, Time: o.LastModified}
	}
	return all, nil
}

// Remove implements intake.Inbox. Versions are named, so that nothing is left of
// an object, not even a delete marker, and that one which comes after the listing
// stays.
func (b *Inbox) Remove(ctx context.Context, prefix string, gone func(key string) bool) error {
	versions, err := b.store.ListVersions(ctx, b.bucket, prefix)
	if err != nil {
		return err
	}
	var list []types.ObjectIdentifier
	for _, v := range versions {
		if gone(v.Key) {
			list = append(list, types.ObjectIdentifier{Key: aws.String(v.Key), VersionId: optional(v.VersionID)})
		}
	}
	var wait sync.WaitGroup
	var mu sync.Mutex
	slots := make(chan struct{}, deleteWorkers)
	for batch := range slices.Chunk(list, deleteBatch) {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			if failed := b.delete(ctx, prefix, batch); failed != nil {
				mu.Lock()
				defer mu.Unlock()
				err = failed
			}
		})
	}
	wait.Wait()
	return err
}

// delete removes versions with one request. S3 tells of each what went wrong.
func (b *Inbox) delete(ctx context.Context, prefix string, batch []types.ObjectIdentifier) error {
	op := "empty " + contract.URI(b.bucket, prefix)
	out, err := b.store.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &b.bucket,
		Delete: &types.Delete{Objects: batch, Quiet: aws.Bool(true)}})
	if err != nil {
		return classify(op, err)
	}
	for _, e := range out.Errors {
		switch code := aws.ToString(e.Code); code {
		case "NoSuchKey", "NoSuchVersion":
		case "AccessDenied":
			return needs("s3:DeleteObjectVersion", fault.New(fault.Denied, op, "%s: %s", aws.ToString(e.Key), aws.ToString(e.Message)))
		case "InternalError", "SlowDown", "ServiceUnavailable":
			return fault.New(fault.Unavailable, op, "%s: %s: %s", aws.ToString(e.Key), code, aws.ToString(e.Message))
		default:
			return fault.New(fault.Invalid, op, "%s: %s: %s", aws.ToString(e.Key), code, aws.ToString(e.Message))
		}
	}
	return nil
}

// Below gives the names directly below a prefix that ends in "/", objects and
// folders alike, in order; a folder's ends in "/".
func (s *Store) Below(ctx context.Context, bucket, prefix string) ([]string, error) {
	var names []string
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix, Delimiter: aws.String("/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, classify("list "+contract.URI(bucket, prefix), err)
		}
		for _, o := range page.Contents {
			names = append(names, strings.TrimPrefix(aws.ToString(o.Key), prefix))
		}
		for _, p := range page.CommonPrefixes {
			names = append(names, strings.TrimPrefix(aws.ToString(p.Prefix), prefix))
		}
	}
	slices.Sort(names)
	return names, nil
}
