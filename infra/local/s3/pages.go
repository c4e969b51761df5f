package s3

import (
	"sync"
	"sync/atomic"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
)

// listings keep what is left of listings of versions between their pages, so that
// listing many objects walks them once, not once a page. What is left is only
// used while nothing was written to the bucket since the walk began.
type listings struct {
	mu     sync.Mutex
	left   map[string]leftover // by bucket, filter and markers
	order  []string            // of left, oldest first
	writes sync.Map            // bucket → *atomic.Int64: writes that began or ended
}

type leftover struct {
	entries []entry
	writes  int64
}

// keptListings bounds how many unfinished listings are kept.
const keptListings = 8

func (l *listings) count(bucket string) *atomic.Int64 {
	n, _ := l.writes.LoadOrStore(bucket, new(atomic.Int64))
	return n.(*atomic.Int64)
}

// wrote is to be called before and after every write to a bucket.
func (l *listings) wrote(bucket string) { l.count(bucket).Add(1) }

func listingName(in *sdk.ListObjectVersionsInput, key, version string) string {
	const apart = "\x00"
	return text(in.Bucket) + apart + text(in.Prefix) + apart + text(in.Delimiter) + apart + key + apart + version
}

// take gives what a page before left, if that still holds.
func (l *listings) take(in *sdk.ListObjectVersionsInput) ([]entry, int64, bool) {
	now := l.count(text(in.Bucket)).Load()
	name := listingName(in, text(in.KeyMarker), text(in.VersionIdMarker))
	l.mu.Lock()
	defer l.mu.Unlock()
	found, ok := l.left[name]
	return found.entries, now, ok && found.writes == now
}

// keep keeps what is left after a page that ended at key and version.
func (l *listings) keep(in *sdk.ListObjectVersionsInput, key, version string, rest []entry, writes int64) {
	name := listingName(in, key, version)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left == nil {
		l.left = map[string]leftover{}
	}
	if _, known := l.left[name]; !known {
		l.order = append(l.order, name)
	}
	l.left[name] = leftover{rest, writes}
	for len(l.order) > keptListings {
		delete(l.left, l.order[0])
		l.order = l.order[1:]
	}
}
