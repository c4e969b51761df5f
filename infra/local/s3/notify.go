package s3

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"

	"github.com/sluice-ml/sluice/infra/local/events"
	"github.com/sluice-ml/sluice/infra/local/events/journal"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// notifying is the store with EventBridge notifications: before a write it
// journals the intent, and after it, before the client gets its answer, it hands
// the event to the bus and forgets the intent. An intent that is still there at
// the next start belongs to a write that was cut off; recover looks at the object
// to see whether it landed. So events come at least once, as on AWS.
type notifying struct {
	*posix.Posix
	intents  *journal.Journal[intent]
	notifies func(bucket string) bool
	o        Options
	left     map[string]intent // of the process before; for recover

	attributes meta.MetadataStorer // the store's, for what it keeps and does not tell
	versions   string              // the folder of versions that are not the latest

	keys        keyLocks
	listings    listings
	mu          sync.Mutex
	unpublished map[string]intent // written, but the bus refused the event
}

// intent is a write that has begun. Events is set when the write landed and
// only the bus is missing.
type intent struct {
	Bucket    string         `json:"bucket"`
	Key       string         `json:"key"`
	VersionID string         `json:"version_id,omitempty"` // of a permanent delete
	Reason    string         `json:"reason"`
	Began     time.Time      `json:"began"`
	Events    []events.Event `json:"events,omitempty"`
}

// Reasons, as EventBridge's S3 events give them.
const (
	reasonPut       = "PutObject"
	reasonCopy      = "CopyObject"
	reasonMultipart = "CompleteMultipartUpload"
	reasonDelete    = "DeleteObject"
)

func newNotifying(store files, intents *journal.Journal[intent], notifies func(string) bool, o Options) *notifying {
	return &notifying{Posix: store.Posix, attributes: store.attributes, versions: store.versions, intents: intents, notifies: notifies, o: o,
		left: intents.All(), unpublished: map[string]intent{},
		keys: keyLocks{locks: map[string]*keyLock{}}}
}

// begin journals an intent; "" when nobody wants to know.
func (n *notifying) begin(i intent) (string, error) {
	n.listings.wrote(i.Bucket)
	if !n.notifies(i.Bucket) {
		return "", nil
	}
	i.Began = time.Now() // compared with the file system's clock
	id := wire.RequestID()
	return id, n.intents.Put(id, i)
}

// end publishes what a write did, or forgets a write that failed.
func (n *notifying) end(ctx context.Context, id string, i intent, written []change, err error) {
	n.listings.wrote(i.Bucket)
	if id == "" {
		return
	}
	if err == nil {
		for index, c := range written {
			i.Events = append(i.Events, n.event(eventID(id, index), i, c))
		}
		if n.publish(ctx, i.Events) != nil {
			n.keep(id, i)
			return
		}
	}
	if err := n.intents.Remove(id); err != nil {
		n.o.Log.Error("the journal of S3 writes could not be written", "error", err)
	}
}

// keep holds on to events that the bus refused; flush tries them again.
func (n *notifying) keep(id string, i intent) {
	n.mu.Lock()
	n.unpublished[id] = i
	n.mu.Unlock()
	if err := n.intents.Put(id, i); err != nil {
		n.o.Log.Error("the journal of S3 writes could not be written", "error", err)
	}
}

func (n *notifying) publish(ctx context.Context, list []events.Event) error {
	ctx = context.WithoutCancel(ctx) // the object is written: a client that left changes nothing
	for _, e := range list {
		if err := n.o.Publisher.Publish(ctx, e); err != nil {
			n.o.Log.Error("an S3 event could not be published, will be tried again", "event", string(e.Detail), "error", err)
			return err
		}
	}
	return nil
}

// flush publishes the events that the bus refused before.
func (n *notifying) flush(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for id, i := range n.unpublished {
		if err := n.publish(ctx, i.Events); err != nil {
			return err
		}
		delete(n.unpublished, id)
		if err := n.intents.Remove(id); err != nil {
			return err
		}
	}
	return nil
}

// change is what happened to one object.
type change struct {
	Key       string
	VersionID string // "" in a bucket without versions
	Size      int64
	ETag      string
	Deleted   string // "", or the deletion type
}

const (
	markerCreated      = "Delete Marker Created"
	permanentlyDeleted = "Permanently Deleted"
)

type detail struct {
	Version      string       `json:"version"`
	Bucket       bucketDetail `json:"bucket"`
	Object       objectDetail `json:"object"`
	RequestID    string       `json:"request-id"`
	Requester    string       `json:"requester"`
	SourceIP     string       `json:"source-ip-address"`
	Reason       string       `json:"reason"`
	DeletionType string       `json:"deletion-type,omitempty"`
}

type bucketDetail struct {
	Name string `json:"name"`
}

type objectDetail struct {
	Key       string `json:"key"`
	Size      *int64 `json:"size,omitempty"`
	ETag      string `json:"etag,omitempty"`
	VersionID string `json:"version-id,omitempty"`
	Sequencer string `json:"sequencer"`
}

// eventID names the event of one change: the intent's id, with a number where
// one write changed several things.
func eventID(intentID string, index int) string {
	if index == 0 {
		return intentID
	}
	return fmt.Sprintf("%s-%d", intentID, index)
}

// event makes the event that EventBridge gets. The same write gives the same
// event id each time it is published.
func (n *notifying) event(id string, i intent, c change) events.Event {
	d := detail{Version: "0", Bucket: bucketDetail{i.Bucket}, RequestID: strings.ToUpper(strings.ReplaceAll(id, "-", ""))[:16],
		Requester: n.o.Account, SourceIP: "127.0.0.1", Reason: i.Reason, DeletionType: c.Deleted,
		Object: objectDetail{Key: c.Key, VersionID: c.VersionID, ETag: strings.Trim(c.ETag, `"`), Sequencer: sequencer(c.VersionID)}}
	kind := "Object Deleted"
	if c.Deleted == "" {
		kind, d.Object.Size = "Object Created", &c.Size
	}
	raw, err := json.Marshal(d)
	if err != nil {
		panic("a struct of strings and numbers cannot fail to encode: " + err.Error())
	}
	return events.Event{ID: id, Source: "aws.s3", DetailType: kind, Time: events.Timestamp(n.o.Now()),
		Resources: []string{"arn:aws:s3:::" + i.Bucket}, Detail: raw}
}

// sequencer orders the events of one key. Version ids of the store are ULIDs,
// made in order while the key is locked or just before, so they give the order
// themselves.
func sequencer(versionID string) string {
	id, err := ulid.ParseStrict(versionID)
	if err != nil {
		id = ulid.Make()
	}
	return strings.ToUpper(hex.EncodeToString(id[:]))
}
