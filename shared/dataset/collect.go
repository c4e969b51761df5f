package dataset

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// Garbage is what no ref leads to: commits of deleted branches, and the blobs of
// writers that died or lost a race. It is collected in two acts, so that nobody
// who is at work loses what he stands on:
//
//  1. PlanCollection marks from the refs, pins and young commits, and publishes
//     by compare-and-swap the versions of the objects it did not reach. From
//     then on, whoever would use one of them again stores it anew (see
//     session.revive), or refuses to name it (see Repository.source).
//  2. Collect, once every writer who may not have seen the plan is done, marks
//     again and deletes what is still not reached, by key and VersionId only. It
//     may be cut off and run again.
//
// The objects of the lake are not touched: see Lake.

// Sweeper is the store with its objects' versions.
type Sweeper interface {
	// Versions gives every version of the objects whose keys start with prefix.
	Versions(ctx context.Context, prefix string) ([]StoredVersion, error)
	// Delete removes one version for good; one that is gone is not an error.
	Delete(ctx context.Context, key, versionID string) error
}

// StoredVersion is one version of an object of the store.
type StoredVersion struct {
	Key       string    `json:"key"`
	VersionID string    `json:"version_id"`
	Size      int64     `json:"size"` // bytes
	Stored    time.Time `json:"stored"`
}

const (
	collectionKey = "collection.json"
	changesets    = "changesets/"  // what hooks were shown; nothing refers to them, so they go when they are old
	plans         = "collections/" // the lists of what is to be deleted, each named by its hash
)

// collection is the value of the pointer at collectionKey.
type collection struct {
	Plan      string    `json:"plan,omitempty"` // "" when none is under way
	Published time.Time `json:"published"`
	Sweeping  bool      `json:"sweeping,omitempty"` // deleting has begun: it cannot be taken back
}

// CollectRequest says what to keep beside what refs lead to.
type CollectRequest struct {
	Now time.Time
	// Grace is how old an object must be to be deleted, and for how long a
	// deleted branch or tag keeps its commits. It must exceed the longest
	// operation: at least an hour.
	Grace time.Duration
	Pins  []string // commits that must stay, e.g. of running plans
}

// Collection is what is, or was, deleted.
type Collection struct {
	Plan      string          `json:"plan"` // "" of a dry run
	Published time.Time       `json:"published,omitzero"`
	Kept      int             `json:"kept"` // commits and blobs that refs lead to
	Garbage   []StoredVersion `json:"garbage"`
	Bytes     int64           `json:"bytes"`  // of the garbage
	Spared    int             `json:"spared"` // planned, but used again since
}

// LeastGrace is the shortest grace period of a collection: longer than any writer
// takes from its first blob to its ref.
const LeastGrace = time.Hour

// Survey finds the garbage and does nothing: the dry run.
func (r *Repository) Survey(ctx context.Context, sweeper Sweeper, q CollectRequest) (Collection, error) {
	if q.Grace < LeastGrace || q.Now.IsZero() {
		return Collection{}, fault.New(fault.Invalid, "collect garbage", "the grace period is %s: want at least %s, and a time", q.Grace, LeastGrace)
	}
	stored := []StoredVersion{}
	for _, folder := range []string{commits, blobs, changesets} {
		more, err := sweeper.Versions(ctx, folder)
		if err != nil {
			return Collection{}, err
		}
		stored = append(stored, more...)
	}
	young := func(v StoredVersion) bool { return v.Stored.After(q.Now.Add(-q.Grace)) }
	var roots []string
	for _, v := range stored {
		if id, ok := strings.CutPrefix(v.Key, commits); ok && young(v) {
			roots = append(roots, id)
		}
	}
	marked, err := r.mark(ctx, q, roots)
	if err != nil {
		return Collection{}, err
	}
	found := Collection{Kept: len(marked), Garbage: []StoredVersion{}}
	for _, v := range stored {
		if !marked[v.Key] && !young(v) {
			found.Garbage = append(found.Garbage, v)
			found.Bytes += v.Size
		}
	}
	slices.SortFunc(found.Garbage, func(a, b StoredVersion) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.VersionID, b.VersionID))
	})
	return found, nil
}

// PlanCollection publishes what Survey finds. Conflict when a plan is under way.
func (r *Repository) PlanCollection(ctx context.Context, sweeper Sweeper, q CollectRequest) (Collection, error) {
	found, err := r.Survey(ctx, sweeper, q)
	if err != nil || len(found.Garbage) == 0 {
		return found, err
	}
	payload, err := json.Marshal(found.Garbage)
	if err != nil {
		return Collection{}, fault.New(fault.Internal, "encode a collection", "%w", err)
	}
	id := hash(sha256.Sum256(payload))
	if _, err := r.keep(ctx, parcel{plans, id, payload, treeFormat}); err != nil {
		return Collection{}, err
	}
	found.Plan, found.Published = id.String(), q.Now.UTC()
	_, err = ref.Update(ctx, r.store, collectionKey, func(old collection, _ bool) (collection, error) {
		if old.Plan != "" && old.Plan != found.Plan {
			return old, fault.New(fault.Conflict, "collect garbage", "a collection of %s is under way", old.Published.Format(time.RFC3339)).
				WithHint("end it first: sluice data gc MODEL --apply, or --cancel")
		}
		if old.Plan != "" {
			found.Published = old.Published
			return old, ref.Unchanged
		}
		return collection{Plan: found.Plan, Published: found.Published}, nil
	})
	return found, err
}

// Collect deletes what the published plan lists and nothing has come to lead to
// since. Busy until grace has passed since the plan was published; NotFound when
// there is none. It may be repeated after an error.
func (r *Repository) Collect(ctx context.Context, sweeper Sweeper, q CollectRequest) (Collection, error) {
	p, err := ref.Read[collection](ctx, r.store, collectionKey)
	if err == nil && p.Value.Plan == "" || fault.Is(err, fault.NotFound) {
		return Collection{}, fault.New(fault.NotFound, "collect garbage", "no collection is planned").WithHint("plan one: sluice data gc MODEL --plan")
	}
	if err != nil {
		return Collection{}, err
	}
	if due := p.Value.Published.Add(max(q.Grace, LeastGrace)); q.Now.Before(due) {
		return Collection{}, fault.New(fault.Busy, "collect garbage", "the plan was published at %s and may be carried out from %s on",
			p.Value.Published.Format(time.RFC3339), due.Format(time.RFC3339)).WithHint("whoever began before it was published must be done; run it again then")
	}
	if err := r.beginCollection(ctx, p.Value.Plan); err != nil {
		return Collection{}, err
	}
	done, err := r.sweep(ctx, sweeper, q, p.Value)
	if err != nil {
		return done, err
	}
	return done, r.endCollection(ctx, p.Value.Plan)
}

// beginCollection says that the plan is being carried out: from here it cannot be
// taken back, so no writer may come to rely on what is about to be deleted.
func (r *Repository) beginCollection(ctx context.Context, plan string) error {
	_, err := ref.Update(ctx, r.store, collectionKey, func(old collection, _ bool) (collection, error) {
		switch {
		case old.Plan != plan:
			return old, fault.New(fault.Conflict, "collect garbage", "the plan was taken back or carried out meanwhile")
		case old.Sweeping:
			return old, ref.Unchanged
		}
		old.Sweeping = true
		return old, nil
	})
	return err
}

// CancelCollection takes the published plan back; Busy when deleting has begun.
func (r *Repository) CancelCollection(ctx context.Context) error {
	_, err := ref.Update(ctx, r.store, collectionKey, func(old collection, _ bool) (collection, error) {
		switch {
		case old.Plan == "":
			return old, ref.Unchanged
		case old.Sweeping:
			return old, fault.New(fault.Busy, "take the plan back", "a collection has begun to delete").
				WithHint("end it first, it goes on where it stopped: sluice data gc MODEL --apply")
		}
		return collection{}, nil
	})
	return err
}

// endCollection ends the collection of a plan.
func (r *Repository) endCollection(ctx context.Context, plan string) error {
	_, err := ref.Update(ctx, r.store, collectionKey, func(old collection, _ bool) (collection, error) {
		if old.Plan != plan {
			return old, ref.Unchanged
		}
		return collection{}, nil
	})
	return err
}

func (r *Repository) sweep(ctx context.Context, sweeper Sweeper, q CollectRequest, c collection) (Collection, error) {
	garbage, err := r.readPlan(ctx, c.Plan)
	if err != nil {
		return Collection{}, err
	}
	planned := map[string]bool{}
	for _, v := range garbage {
		planned[v.Key] = true
	}
	keys, err := r.store.List(ctx, commits)
	if err != nil {
		return Collection{}, err
	}
	var roots []string
	for _, key := range keys {
		if !planned[key] {
			roots = append(roots, strings.TrimPrefix(key, commits))
		}
	}
	marked, err := r.mark(ctx, q, roots)
	if err != nil {
		return Collection{}, err
	}
	done := Collection{Plan: c.Plan, Published: c.Published, Kept: len(marked), Garbage: []StoredVersion{}}
	for _, v := range garbage {
		if marked[v.Key] {
			done.Spared++
			continue
		}
		done.Garbage = append(done.Garbage, v)
		done.Bytes += v.Size
	}
	// Commits go first: what is left of a cut-off sweep is blobs that nothing
	// names, not commits without their blobs.
	slices.SortStableFunc(done.Garbage, func(a, b StoredVersion) int {
		return cmp.Compare(folderOrder(a.Key), folderOrder(b.Key))
	})
	split, _ := slices.BinarySearchFunc(done.Garbage, 1, func(v StoredVersion, at int) int { return cmp.Compare(folderOrder(v.Key), at) })
	for _, batch := range [][]StoredVersion{done.Garbage[:split], done.Garbage[split:]} {
		err := parallel(ctx, len(batch), func(ctx context.Context, i int) error { return sweeper.Delete(ctx, batch[i].Key, batch[i].VersionID) })
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

func folderOrder(key string) int {
	if strings.HasPrefix(key, commits) {
		return 0
	}
	return 1
}

func (r *Repository) readPlan(ctx context.Context, plan string) ([]StoredVersion, error) {
	id, ok := parseHash(plan)
	if !ok {
		return nil, damaged("read "+collectionKey, "%q is no plan's id", plan)
	}
	payload, err := r.load(ctx, plans, id)
	if err != nil {
		return nil, err
	}
	var garbage []StoredVersion
	if err := json.Unmarshal(payload, &garbage); err != nil {
		return nil, damaged("read "+plans+plan, "%w", err)
	}
	return garbage, nil
}
