package s3

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/s3response"
)

// entry is one line of a listing of versions.
type entry struct {
	key       string
	versionID string
	latest    bool
	modified  time.Time
	version   *s3response.ObjectVersion
	marker    *types.DeleteMarkerEntry
	prefix    *types.CommonPrefix
}

// ListObjectVersions lists versions in S3's order: by key, then newest first.
// The store's own paging repeats versions, so pages are cut here from the whole
// listing below the prefix.
func (n *notifying) ListObjectVersions(ctx context.Context, in *sdk.ListObjectVersionsInput) (s3response.ListVersionsResult, error) {
	e, err := requestedEncoding(ctx)
	if err != nil {
		return s3response.ListVersionsResult{}, err
	}
	rest, writes, kept := n.listings.take(in)
	if !kept {
		everything := int32(1 << 30)
		whole, err := n.Posix.ListObjectVersions(ctx, &sdk.ListObjectVersionsInput{
			Bucket: in.Bucket, Prefix: in.Prefix, Delimiter: in.Delimiter, MaxKeys: &everything})
		if err != nil {
			return s3response.ListVersionsResult{}, err
		}
		rest = after(sorted(whole), text(in.KeyMarker), text(in.VersionIdMarker))
	}
	limit := 1000
	if in.MaxKeys != nil {
		limit = int(*in.MaxKeys)
	}
	out := s3response.ListVersionsResult{Name: in.Bucket, Prefix: in.Prefix, Delimiter: in.Delimiter, MaxKeys: in.MaxKeys,
		KeyMarker: in.KeyMarker, VersionIdMarker: in.VersionIdMarker}
	truncated := len(rest) > limit && limit > 0
	out.IsTruncated = &truncated
	page := rest[:min(limit, len(rest))]
	for _, e := range page {
		switch {
		case e.version != nil:
			out.Versions = append(out.Versions, *e.version)
		case e.marker != nil:
			out.DeleteMarkers = append(out.DeleteMarkers, *e.marker)
		default:
			out.CommonPrefixes = append(out.CommonPrefixes, *e.prefix)
		}
	}
	if truncated {
		last := page[len(page)-1]
		out.NextKeyMarker, out.NextVersionIdMarker = &last.key, &last.versionID
		n.listings.keep(in, last.key, last.versionID, rest[limit:], writes)
	}
	n.encodeVersions(e, text(in.Bucket), &out)
	return out, nil
}

// sorted gives the entries in order, each version once: a write that was cut off
// can leave a version in two places.
func sorted(whole s3response.ListVersionsResult) []entry {
	var entries []entry
	for _, v := range whole.Versions {
		entries = append(entries, entry{key: text(v.Key), versionID: text(v.VersionId), latest: v.IsLatest != nil && *v.IsLatest, modified: *v.LastModified, version: &v})
	}
	for _, m := range whole.DeleteMarkers {
		entries = append(entries, entry{key: text(m.Key), versionID: text(m.VersionId), latest: m.IsLatest != nil && *m.IsLatest, modified: *m.LastModified, marker: &m})
	}
	for _, p := range whole.CommonPrefixes {
		entries = append(entries, entry{key: text(p.Prefix), prefix: &p})
	}
	slices.SortStableFunc(entries, compareEntries)
	return slices.CompactFunc(entries, func(a, b entry) bool { return a.key == b.key && a.versionID == b.versionID })
}

func compareEntries(a, b entry) int {
	if c := strings.Compare(a.key, b.key); c != 0 {
		return c
	}
	if a.latest != b.latest {
		if a.latest {
			return -1
		}
		return 1
	}
	if a.versionID == nullVersion || b.versionID == nullVersion {
		return cmp.Or(b.modified.Compare(a.modified), strings.Compare(a.versionID, b.versionID))
	}
	return strings.Compare(b.versionID, a.versionID) // ULIDs: newest first
}

const nullVersion = "null"

// after drops what a page before has shown.
func after(entries []entry, key, versionID string) []entry {
	if key == "" {
		return entries
	}
	at := slices.IndexFunc(entries, func(e entry) bool { return e.key == key && e.versionID == versionID })
	if versionID != "" && at >= 0 {
		return entries[at+1:]
	}
	at = slices.IndexFunc(entries, func(e entry) bool {
		return e.key > key || (e.key == key && versionID != "" && !e.latest && e.versionID < versionID)
	})
	if at < 0 {
		return nil
	}
	return entries[at:]
}
