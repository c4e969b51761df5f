// Package ref keeps named pointers that move by compare-and-swap.
//
// The words:
//
//   - A store holds small objects by key and only replaces one when the caller
//     proves which content it saw (its tag). S3 with conditional writes is one,
//     Memory is another; reftest is what both must pass.
//   - A pointer is a JSON value in a store, wrapped with a sequence number and a
//     nonce. Stores derive tags from content, so without them a value that was
//     changed away and back would look untouched. Update moves a pointer.
//   - A lease is a pointer that says who may act until when, with a fencing
//     token that grows with every new holder.
//
// Everything mutable in Sluice (branches, aliases, intake and rollout state) is
// a pointer; nothing else in the suite implements compare-and-swap.
package ref

import "context"

// Tag stands for the content a caller saw. It is opaque and compares equal for
// equal bodies.
type Tag string

// Item is a stored object.
type Item struct {
	Key  string
	Body []byte
	Tag  Tag
}

// Store is linearizable per key. Its errors are faults: NotFound, Conflict
// (somebody else moved the key: read again, then redo), Denied, Unavailable
// (retry with backoff). A store that loses the response of a write finds out
// by itself whether the write landed.
//
// There is no delete. A pointer that vanished would come back with the first
// sequence number and fencing token again, and S3 servers differ on what
// If-Match means over a delete marker. What is over says so in its value.
type Store interface {
	// Get reads a key; NotFound when there is none.
	Get(ctx context.Context, key string) (Item, error)
	// Create writes a key that must not exist; Conflict when it does.
	Create(ctx context.Context, key string, body []byte) (Tag, error)
	// Swap replaces a key whose tag is still tag; Conflict when it is not, or
	// when the key is gone.
	Swap(ctx context.Context, key string, body []byte, tag Tag) (Tag, error)
	// List gives the keys that start with prefix, in order.
	List(ctx context.Context, prefix string) ([]string, error)
}
