package s3

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
)

// clockSlack allows for file times that are coarser than the clock.
const clockSlack = 2 * time.Second

// Recover publishes the events of writes that the end of the process before cut
// off between the write and its event. Call it once the buckets and the rules
// exist, before clients come.
func (s *Service) Recover(ctx context.Context) error {
	n := s.backend
	for _, id := range slices.Sorted(maps.Keys(n.left)) {
		i := n.left[id]
		written, err := n.landed(ctx, i)
		if err != nil {
			return fmt.Errorf("recover the events of s3://%s/%s: %w", i.Bucket, i.Key, err)
		}
		list := i.Events
		if len(list) == 0 {
			for index, c := range written {
				list = append(list, n.event(eventID(id, index), i, c))
			}
		}
		if err := n.publish(ctx, list); err != nil {
			return err
		}
		if err := n.intents.Remove(id); err != nil {
			return err
		}
		delete(n.left, id)
	}
	return nil
}

// Tick publishes events that the bus refused before.
func (s *Service) Tick(ctx context.Context) error { return s.backend.flush(ctx) }

// landed finds what a write that was cut off did to its key, if anything.
func (n *notifying) landed(ctx context.Context, i intent) ([]change, error) {
	if _, err := n.Posix.HeadBucket(ctx, &sdk.HeadBucketInput{Bucket: &i.Bucket}); err != nil {
		return nil, nil // the bucket is gone, and the write with it
	}
	if i.Reason == reasonDelete && i.VersionID != "" {
		_, err := n.Posix.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: &i.Bucket, Key: &i.Key, VersionId: &i.VersionID})
		if err == nil {
			return nil, nil // still there
		}
		return []change{{Key: i.Key, VersionID: i.VersionID, Deleted: permanentlyDeleted}}, nil
	}
	versioned, err := n.Posix.GetBucketVersioning(ctx, i.Bucket)
	if err != nil {
		return nil, err
	}
	if versioned.Status == nil {
		return n.landedUnversioned(ctx, i)
	}
	return n.landedVersions(ctx, i)
}

func (n *notifying) landedUnversioned(ctx context.Context, i intent) ([]change, error) {
	head, err := n.Posix.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: &i.Bucket, Key: &i.Key})
	switch {
	case err != nil && i.Reason == reasonDelete:
		return []change{{Key: i.Key, Deleted: permanentlyDeleted}}, nil
	case err != nil || i.Reason == reasonDelete || head.LastModified.Before(i.Began.Add(-clockSlack)):
		return nil, nil
	}
	return []change{{Key: i.Key, ETag: text(head.ETag), Size: *head.ContentLength}}, nil
}

// landedVersions announces every version of the key that is as young as the
// write; one that was announced already is announced twice, as may happen on AWS.
func (n *notifying) landedVersions(ctx context.Context, i intent) ([]change, error) {
	limit := int32(1000)
	list, err := n.Posix.ListObjectVersions(ctx, &sdk.ListObjectVersionsInput{Bucket: &i.Bucket, Prefix: &i.Key, MaxKeys: &limit})
	if err != nil {
		return nil, err
	}
	since := i.Began.Add(-clockSlack)
	var written []change
	if i.Reason == reasonDelete {
		for _, marker := range list.DeleteMarkers {
			if text(marker.Key) == i.Key && !marker.LastModified.Before(since) {
				written = append(written, change{Key: i.Key, VersionID: text(marker.VersionId), Deleted: markerCreated})
			}
		}
		return written, nil
	}
	for _, version := range list.Versions {
		if text(version.Key) == i.Key && !version.LastModified.Before(since) {
			written = append(written, change{Key: i.Key, VersionID: text(version.VersionId), ETag: text(version.ETag), Size: *version.Size})
		}
	}
	return written, nil
}
