package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
	"github.com/sluice-ml/sluice/shared/ref"
)

// Lake is the bucket of objects that all datasets of one store pin versions of.
// Nothing of it is ever deleted but by a collection, and that is allowed prefix by
// prefix. A collection deletes noncurrent versions that no stored commit of any
// dataset pins, in two acts as one of commits does (see PlanCollection):
//
//  1. Plan lists the versions below the allowed prefixes, asks every dataset
//     what it pins, and publishes the rest by compare-and-swap. From then on no
//     branch moves to a commit that takes up one of them anew (see askLake).
//  2. Collect, a grace period later, so that whoever did not see the plan is
//     done, asks every dataset again and deletes what is still not pinned, by key
//     and VersionId only. Before the first delete it says so in the pointer: from
//     there on the plan cannot be taken back, only ended by running Collect again.
//
// A key's latest version stays whatever commits say: it is somebody's file.
type Lake struct {
	store  ref.Store
	bucket string
	// datasets opens every dataset that may pin objects of the lake.
	datasets func(context.Context) ([]*Repository, error)
}

// LakeVersion is one version of an object of the lake.
type LakeVersion struct {
	StoredVersion
	Latest bool
	Class  string // its storage class, e.g. "STANDARD"
}

// LakeSweeper lists and deletes the lake's versions.
type LakeSweeper interface {
	// Each walks the versions of keys that start with prefix, without delete
	// markers. An error ends it.
	Each(ctx context.Context, prefix string) iter.Seq2[LakeVersion, error]
	// Delete removes one version for good; one that is gone is not an error.
	// ErrHeld when a legal hold or a retention keeps it.
	Delete(ctx context.Context, key, versionID string) error
}

// ErrHeld is what LakeSweeper.Delete gives for a version that S3 keeps.
var ErrHeld = errors.New("a legal hold or a retention keeps it")

// NewLake opens what datasets share in a store; bucket is the lake's.
func NewLake(store ref.Store, bucket string, datasets func(context.Context) ([]*Repository, error)) *Lake {
	return &Lake{store, bucket, datasets}
}

// Sharing gives a repository that does not take up versions that a collection of
// the lake is about to delete. Every writer must use one; store is the lake's.
func (r *Repository) Sharing(store ref.Store) *Repository {
	with := *r
	with.shared = store
	return &with
}

const lakeKey = "collection.json"

// lakeCollection is the value of the pointer at lakeKey.
type lakeCollection struct {
	Allowed   []string  `json:"allowed"`            // S3 URIs of prefixes, each ending in "/"
	Plan      string    `json:"plan,omitempty"`     // "" when none is under way
	Prefixes  []string  `json:"prefixes,omitempty"` // of the plan
	Published time.Time `json:"published,omitzero"`
	Sweeping  bool      `json:"sweeping,omitempty"` // deleting has begun
}

// LakeRequest says what to keep beside what commits pin.
type LakeRequest struct {
	Now   time.Time
	Grace time.Duration            // as in CollectRequest
	Keep  []contract.ObjectVersion // e.g. uploads that wait for a run
}

// LakeCollection is what is, or was, deleted of the lake.
type LakeCollection struct {
	Plan      string          `json:"plan"` // "" of a dry run
	Prefixes  []string        `json:"prefixes"`
	Published time.Time       `json:"published,omitzero"`
	Garbage   []StoredVersion `json:"garbage"`
	Bytes     int64           `json:"bytes"`   // of the garbage
	Pinned    int             `json:"pinned"`  // versions below the prefixes that stay because a commit pins them
	Current   int             `json:"current"` // not pinned, but their keys' latest
	Young     int             `json:"young"`   // not pinned, but younger than the grace period
	Spared    int             `json:"spared"`  // planned, but pinned or current by now
	Held      []StoredVersion `json:"held"`    // planned, but S3 keeps them: legal holds
}

// Allow lets collections delete below a prefix of the lake, which ends in "/".
// Allowing twice is harmless.
func (l *Lake) Allow(ctx context.Context, prefix string) error {
	uri := contract.URI(l.bucket, prefix)
	if !strings.HasSuffix(prefix, "/") || strings.HasPrefix(prefix, "/") {
		return fault.New(fault.Invalid, "allow collections below "+uri, "want a prefix that ends in /, e.g. raw/MODEL/")
	}
	return l.change(ctx, func(c *lakeCollection) error {
		if slices.Contains(c.Allowed, uri) {
			return ref.Unchanged
		}
		c.Allowed = append(c.Allowed, uri)
		slices.Sort(c.Allowed)
		return nil
	})
}

// Forbid takes an Allow back. Busy while a collection deletes.
func (l *Lake) Forbid(ctx context.Context, prefix string) error {
	uri := contract.URI(l.bucket, prefix)
	return l.change(ctx, func(c *lakeCollection) error {
		at := slices.Index(c.Allowed, uri)
		switch {
		case at < 0:
			return fault.New(fault.NotFound, "forbid collections below "+uri, "it is not allowed").WithHint("what is: sluice data gc MODEL --lake --allowed")
		case c.Sweeping:
			return sweeping("forbid collections below " + uri)
		}
		c.Allowed = slices.Delete(c.Allowed, at, at+1)
		c.Plan, c.Prefixes, c.Published = "", nil, time.Time{}
		return nil
	})
}

// Allowed gives the S3 URIs of the prefixes that collections may delete below.
func (l *Lake) Allowed(ctx context.Context) ([]string, error) {
	c, err := readLake(ctx, l.store)
	return append([]string{}, c.Allowed...), err
}

func sweeping(op string) error {
	return fault.New(fault.Busy, op, "a collection of the lake has begun to delete").
		WithHint("end it first, it goes on where it stopped: sluice data gc MODEL --lake --apply")
}

func (l *Lake) change(ctx context.Context, change func(*lakeCollection) error) error {
	_, err := ref.Update(ctx, l.store, lakeKey, func(old lakeCollection, _ bool) (lakeCollection, error) {
		old.Allowed = slices.Clone(old.Allowed)
		return old, change(&old)
	})
	return err
}

func readLake(ctx context.Context, store ref.Store) (lakeCollection, error) {
	p, err := ref.Read[lakeCollection](ctx, store, lakeKey)
	if fault.Is(err, fault.NotFound) {
		return lakeCollection{}, nil
	}
	return p.Value, err
}

// prefixes are those that a collection below a prefix may delete in: the prefix
// itself where one that is allowed contains it, else the allowed ones below it.
func (l *Lake) prefixes(c lakeCollection, below string) ([]string, error) {
	var found []string
	for _, uri := range c.Allowed {
		bucket, prefix, err := contract.ParseURI(uri)
		switch {
		case err != nil:
			return nil, damaged("read "+lakeKey, "%w", err)
		case bucket != l.bucket:
		case strings.HasPrefix(below, prefix):
			return []string{below}, nil
		case strings.HasPrefix(prefix, below):
			found = append(found, prefix)
		}
	}
	if len(found) == 0 {
		return nil, fault.New(fault.Denied, "collect garbage of "+contract.URI(l.bucket, below), "nobody has allowed it").
			WithHint("objects of the lake are deleted only where that is asked for: sluice data gc MODEL --lake --allow %s", below)
	}
	return found, nil
}

// Survey finds the garbage below a prefix and does nothing: the dry run. Denied
// when nothing there is allowed to be deleted.
func (l *Lake) Survey(ctx context.Context, sweeper LakeSweeper, prefix string, q LakeRequest) (LakeCollection, error) {
	if q.Grace < LeastGrace || q.Now.IsZero() {
		return LakeCollection{}, fault.New(fault.Invalid, "collect garbage", "the grace period is %s: want at least %s, and a time", q.Grace, LeastGrace)
	}
	c, err := readLake(ctx, l.store)
	if err != nil {
		return LakeCollection{}, err
	}
	found := LakeCollection{Garbage: []StoredVersion{}, Held: []StoredVersion{}}
	if found.Prefixes, err = l.prefixes(c, prefix); err != nil {
		return LakeCollection{}, err
	}
	// Listed first, marked then: what is pinned in between is marked.
	var all []LakeVersion
	for _, prefix := range found.Prefixes {
		for v, err := range sweeper.Each(ctx, prefix) {
			if err != nil {
				return LakeCollection{}, err
			}
			all = append(all, v)
		}
	}
	pins, err := l.pins(ctx, found.Prefixes, q)
	if err != nil {
		return LakeCollection{}, err
	}
	for _, v := range all {
		switch {
		case pins.Of(v.Key, v.VersionID) != 0:
			found.Pinned++
		case v.Latest:
			found.Current++
		case v.Stored.After(q.Now.Add(-q.Grace)) || v.VersionID == "" || v.VersionID == "null":
			found.Young++
		default:
			found.Garbage = append(found.Garbage, v.StoredVersion)
			found.Bytes += v.Size
		}
	}
	return found, nil
}

// pins asks every dataset.
func (l *Lake) pins(ctx context.Context, prefixes []string, q LakeRequest) (*Pins, error) {
	datasets, err := l.datasets(ctx)
	if err != nil {
		return nil, err
	}
	pins := newPins()
	for _, v := range q.Keep {
		pins.add(v.Key, v.VersionID, ByPin)
	}
	for _, r := range datasets {
		for _, prefix := range prefixes {
			if err := r.pinnedInto(ctx, pins, prefix, CollectRequest{Now: q.Now, Grace: q.Grace}); err != nil {
				return nil, err
			}
		}
	}
	return pins, nil
}

// Plan publishes what Survey finds. Conflict when a plan is under way.
func (l *Lake) Plan(ctx context.Context, sweeper LakeSweeper, prefix string, q LakeRequest) (LakeCollection, error) {
	found, err := l.Survey(ctx, sweeper, prefix, q)
	if err != nil || len(found.Garbage) == 0 {
		return found, err
	}
	payload, err := json.Marshal(found.Garbage)
	if err != nil {
		return LakeCollection{}, fault.New(fault.Internal, "encode a collection", "%w", err)
	}
	id := hash(sha256.Sum256(payload))
	if _, err := New(l.store).keep(ctx, parcel{plans, id, payload, treeFormat}); err != nil {
		return LakeCollection{}, err
	}
	found.Plan, found.Published = id.String(), q.Now.UTC()
	return found, l.change(ctx, func(c *lakeCollection) error {
		if now, err := l.prefixes(*c, prefix); err != nil || !slices.Equal(now, found.Prefixes) {
			return fault.New(fault.Conflict, "collect garbage of "+contract.URI(l.bucket, prefix), "what is allowed has changed meanwhile").
				WithHint("plan again")
		}
		if c.Plan == found.Plan {
			found.Published = c.Published
			return ref.Unchanged
		}
		if c.Plan != "" {
			return fault.New(fault.Conflict, "collect garbage of the lake", "a collection of %s, of %s, is under way", strings.Join(c.Prefixes, " "), c.Published.Format(time.RFC3339)).
				WithHint("end it first: sluice data gc MODEL --lake --apply, or --cancel")
		}
		c.Plan, c.Published, c.Prefixes = found.Plan, found.Published, found.Prefixes
		return nil
	})
}

// Cancel takes the published plan back; Busy when deleting has begun. Without a
// plan it does nothing.
func (l *Lake) Cancel(ctx context.Context) error {
	return l.change(ctx, func(c *lakeCollection) error {
		switch {
		case c.Plan == "":
			return ref.Unchanged
		case c.Sweeping:
			return sweeping("take the plan back")
		}
		c.Plan, c.Prefixes, c.Published = "", nil, time.Time{}
		return nil
	})
}

// Collect deletes what the published plan lists and no commit pins by now. Busy
// until grace has passed since the plan was published; NotFound when there is
// none. It may be repeated after an error, and run twice at once.
func (l *Lake) Collect(ctx context.Context, sweeper LakeSweeper, q LakeRequest) (LakeCollection, error) {
	c, err := readLake(ctx, l.store)
	switch {
	case err != nil:
		return LakeCollection{}, err
	case c.Plan == "":
		return LakeCollection{}, fault.New(fault.NotFound, "collect garbage of the lake", "no collection is planned").WithHint("plan one: sluice data gc MODEL --lake --plan")
	}
	if due := c.Published.Add(max(q.Grace, LeastGrace)); q.Now.Before(due) {
		return LakeCollection{}, fault.New(fault.Busy, "collect garbage of the lake", "the plan was published at %s and may be carried out from %s on",
			c.Published.Format(time.RFC3339), due.Format(time.RFC3339)).WithHint("whoever began before it was published must be done; run it again then")
	}
	if err := l.begin(ctx, c.Plan); err != nil {
		return LakeCollection{}, err
	}
	done, err := l.sweep(ctx, sweeper, q, c)
	if err != nil {
		return done, err
	}
	return done, l.change(ctx, func(now *lakeCollection) error {
		if now.Plan != c.Plan {
			return ref.Unchanged
		}
		now.Plan, now.Prefixes, now.Published, now.Sweeping = "", nil, time.Time{}, false
		return nil
	})
}

// begin says that the plan is being carried out: from here it cannot be taken
// back, so no writer may come to rely on what is about to be deleted.
func (l *Lake) begin(ctx context.Context, plan string) error {
	return l.change(ctx, func(c *lakeCollection) error {
		switch {
		case c.Plan != plan:
			return fault.New(fault.Conflict, "collect garbage of the lake", "the plan was taken back or carried out meanwhile")
		case c.Sweeping:
			return ref.Unchanged
		}
		c.Sweeping = true
		return nil
	})
}

func (l *Lake) sweep(ctx context.Context, sweeper LakeSweeper, q LakeRequest, c lakeCollection) (LakeCollection, error) {
	done := LakeCollection{Plan: c.Plan, Prefixes: c.Prefixes, Published: c.Published, Garbage: []StoredVersion{}, Held: []StoredVersion{}}
	planned, err := New(l.store).readPlan(ctx, c.Plan)
	if err != nil {
		return done, err
	}
	current := map[string]string{}
	for _, prefix := range c.Prefixes {
		for v, err := range sweeper.Each(ctx, prefix) {
			if err != nil {
				return done, err
			}
			if v.Latest {
				current[v.Key] = v.VersionID
			}
		}
	}
	pins, err := l.pins(ctx, c.Prefixes, q)
	if err != nil {
		return done, err
	}
	var condemned []StoredVersion
	for _, v := range planned {
		if pins.Of(v.Key, v.VersionID) != 0 || current[v.Key] == v.VersionID {
			done.Spared++
			continue
		}
		condemned = append(condemned, v)
	}
	return l.delete(ctx, sweeper, condemned, done)
}

func (l *Lake) delete(ctx context.Context, sweeper LakeSweeper, condemned []StoredVersion, done LakeCollection) (LakeCollection, error) {
	held := make([]bool, len(condemned))
	err := parallel(ctx, len(condemned), func(ctx context.Context, i int) error {
		err := sweeper.Delete(ctx, condemned[i].Key, condemned[i].VersionID)
		if held[i] = errors.Is(err, ErrHeld); held[i] {
			return nil
		}
		return err
	})
	if err != nil {
		return done, err
	}
	for i, v := range condemned {
		if held[i] {
			done.Held = append(done.Held, v)
			continue
		}
		done.Garbage = append(done.Garbage, v)
		done.Bytes += v.Size
	}
	return done, nil
}

// askLake refuses a proposal that takes up a version which a collection of the
// lake is about to delete. A collection that is planned after it looked has to
// wait until the move is over.
func (r *Repository) askLake(ctx context.Context, p Proposal) error {
	if r.shared == nil {
		return nil
	}
	c, err := readLake(ctx, r.shared)
	if err != nil || c.Plan == "" {
		return err
	}
	planned, err := New(r.shared).readPlan(ctx, c.Plan)
	if err != nil {
		return err
	}
	condemned := newPins()
	for _, v := range planned {
		condemned.add(v.Key, v.VersionID, ByCommit)
	}
	return r.introduced(ctx, p.Commit, "", func(e *Entry) error {
		if condemned.Of(e.Key, e.VersionID) == 0 {
			return nil
		}
		return fault.New(fault.Conflict, "move branch "+p.Branch, "commit %s takes up version %s of %s, which no commit pinned and a garbage collection of the lake is about to delete",
			p.Commit.ID, e.VersionID, e.Key).
			WithHint("take the collection back first (sluice data gc MODEL --lake --cancel), or upload the object again")
	})
}
