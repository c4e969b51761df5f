package dataset

import (
	"context"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Listed gives the changes that make a branch hold, below a prefix, what lies in
// the lake now: the latest version of every object there, and nothing else. A
// branch that does not exist is compared at base; "" is an empty dataset. Only
// versions that the branch does not hold already are looked at (see Pin), so it
// costs the listing and the change. Folder markers (empty, with a key that ends in
// "/") and Sluice's own files in folders are left out. Invalid names a version
// that cannot be pinned.
func (r *Repository) Listed(ctx context.Context, source Source, branch, base, prefix string) (Changes, error) {
	held, err := r.held(ctx, branch, base, prefix)
	if err != nil {
		return Changes{}, err
	}
	latest, err := source.Latest(ctx, prefix)
	if err != nil {
		return Changes{}, err
	}
	var versions []contract.ObjectVersion
	for _, e := range latest {
		old, known := held[e.Key]
		delete(held, e.Key)
		if !leftOut(e) && (!known || old != e.VersionID) {
			versions = append(versions, contract.ObjectVersion{Key: e.Key, VersionID: e.VersionID, ETag: e.ETag, Size: e.Size})
		}
	}
	changes := Changes{}
	if changes.Puts, err = Pin(ctx, source, versions); err != nil {
		return Changes{}, err
	}
	for key := range held {
		changes.Deletes = append(changes.Deletes, key)
	}
	return changes, nil
}

// held is the version of each key below a prefix that a branch holds.
func (r *Repository) held(ctx context.Context, branch, base, prefix string) (map[string]string, error) {
	held, from := map[string]string{}, base
	head, err := r.Head(ctx, branch)
	switch {
	case err == nil:
		from = head.ID
	case !fault.Is(err, fault.NotFound):
		return nil, err
	case base == "":
		return held, nil
	}
	for e, err := range r.Each(ctx, from, prefix) {
		if err != nil {
			return nil, err
		}
		held[e.Key] = e.VersionID
	}
	return held, nil
}
