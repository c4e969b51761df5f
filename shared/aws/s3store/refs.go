package s3store

import (
	"context"
	"strings"

	"github.com/sluice-ml/sluice/shared/ref"
)

// Refs is a bucket as a ref.Store; its tags are ETags.
type Refs struct {
	store  *Store
	bucket string
	prefix string
}

var _ ref.Store = (*Refs)(nil)

// Refs gives the objects of a bucket whose keys start with prefix as a
// ref.Store, whose keys are what follows the prefix.
func (s *Store) Refs(bucket, prefix string) *Refs { return &Refs{s, bucket, prefix} }

// Get implements ref.Store.
func (r *Refs) Get(ctx context.Context, key string) (ref.Item, error) {
	body, info, err := r.store.Get(ctx, r.bucket, r.prefix+key, "")
	if err != nil {
		return ref.Item{}, err
	}
	return ref.Item{Key: key, Body: body, Tag: ref.Tag(info.ETag)}, nil
}

// Create implements ref.Store.
func (r *Refs) Create(ctx context.Context, key string, body []byte) (ref.Tag, error) {
	info, err := r.store.PutIfAbsent(ctx, r.bucket, r.prefix+key, body)
	return ref.Tag(info.ETag), err
}

// Swap implements ref.Store.
func (r *Refs) Swap(ctx context.Context, key string, body []byte, tag ref.Tag) (ref.Tag, error) {
	info, err := r.store.PutIfMatch(ctx, r.bucket, r.prefix+key, body, string(tag))
	return ref.Tag(info.ETag), err
}

// List implements ref.Store.
func (r *Refs) List(ctx context.Context, prefix string) ([]string, error) {
	infos, err := r.store.List(ctx, r.bucket, r.prefix+prefix)
	if err != nil {
		return nil, err
	}
	keys := make([]string, len(infos))
	for i, info := range infos {
		keys[i] = strings.TrimPrefix(info.Key, r.prefix)
	}
	return keys, nil
}
