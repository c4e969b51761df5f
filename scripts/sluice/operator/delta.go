package operator

import (
	"context"
	"strings"

	"github.com/sluice-ml/sluice/shared/aws/s3store"
	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/delta"
)

// DeltaTable is a Delta table in the lake; root is its folder, ending in "/".
func (c *Client) DeltaTable(root string) delta.Store { return deltaTable{c.Objects, c.Lake, root} }

type deltaTable struct {
	objects      *s3store.Store
	bucket, root string
}

// List implements delta.Store.
func (t deltaTable) List(ctx context.Context, folder string) ([]string, error) {
	objects, err := t.objects.List(ctx, t.bucket, t.root+folder)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(objects))
	for _, o := range objects {
		names = append(names, strings.TrimPrefix(o.Key, t.root))
	}
	return names, nil
}

// Read implements delta.Store.
func (t deltaTable) Read(ctx context.Context, name string) ([]byte, error) {
	body, _, err := t.objects.Get(ctx, t.bucket, t.root+name, "")
	return body, err
}

// StoredVersions are the versions, newest first, of the lake's keys that start
// with prefix: what a VACUUM hid behind a delete marker is among them.
func (c *Client) StoredVersions(ctx context.Context, prefix string) (map[string][]s3store.Version, error) {
	versions, err := c.Objects.ListVersions(ctx, c.Lake, prefix)
	if err != nil {
		return nil, err
	}
	stored := map[string][]s3store.Version{}
	for _, v := range versions {
		if !v.DeleteMarker {
			stored[v.Key] = append(stored[v.Key], v)
		}
	}
	return stored, nil
}

// LakeURI is the S3 URI of a key of the lake.
func (c *Client) LakeURI(key string) string { return contract.URI(c.Lake, key) }
